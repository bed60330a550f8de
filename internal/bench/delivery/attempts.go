package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/fedihook/fedihook/internal/bench"
	"github.com/fedihook/fedihook/internal/bench/simulation"
)

const attemptHosts = 40 // of which half are dead

// attempts counts how often a dead host is tried in a day of virtual time, with more and more posts for it.
func (r *runner) attempts(ctx context.Context) error {
	for _, backlog := range []int{1, 100, max(r.deadPosts/5, 1)} {
		c, err := bench.Start(ctx, "-child", "attempts", "-backlog", strconv.Itoa(backlog))
		if err != nil {
			return err
		}
		var got simulation.Attempts
		if err := json.Unmarshal([]byte(c.Said), &got); err != nil {
			return fmt.Errorf("%q: %w", c.Said, err)
		}
		if err := c.Wait(); err != nil {
			return err
		}
		r.row(fmt.Sprintf("%d posts in two days to dead hosts", backlog), "attempts in 24 h", float64(got.Most)).atMost(30).
			note("on average %.1f", got.Mean)
	}
	return nil
}

// beAttempts simulates two days and says how often dead hosts were tried.
func beAttempts(o options) error {
	simulation.Main(func(t *testing.T) error {
		got, err := simulation.Run(t, twoDays(o.args.posts))
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(got.Dead)
	})
	return nil
}

func twoDays(posts int) simulation.Config {
	return simulation.Config{
		Followers: attemptHosts, Hosts: attemptHosts, Days: 2, Posts: float64(posts) / 2, Dead: 0.45, Tarpit: 0.05,
		Latency: simulation.DefaultLatency, Seed: 1,
	}
}
