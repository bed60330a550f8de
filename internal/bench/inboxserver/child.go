package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/fedihook/fedihook/internal/bench"
)

// child is a server that this program has started.
type child struct {
	*bench.Child
	address string
	post    string // the id of the post that the server published
}

// counts is what the server says of itself.
type counts struct {
	Creates, Replies, Likes, Announces int64
	Hooks                              int64         // calls of hooks
	HookP99                            time.Duration // from what the text says to the hook
}

func (c counts) sum() int64 { return c.Creates + c.Replies + c.Likes + c.Announces }

// start starts this program as a server.
func start(ctx context.Context, args ...string) (*child, error) {
	c, err := bench.Start(ctx, args...)
	if err != nil {
		return nil, err
	}
	address, post, _ := strings.Cut(c.Said, " ")
	return &child{c, address, post}, nil
}

func (c *child) counts(ctx context.Context) (n counts, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.address+"/__counts", nil)
	if err != nil {
		return n, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return n, err
	}
	defer answer.Body.Close()
	return n, json.NewDecoder(answer.Body).Decode(&n)
}

// settle waits until the server has nothing to do, such as keys for users to come, of which each takes it a fifth of a second.
func (c *child) settle(ctx context.Context) error {
	const idle = 1500 * time.Millisecond // it puts off making a key for a second
	for range 10 {
		before := c.Usage().CPU
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(idle):
		}
		if c.Usage().CPU-before <= 20*time.Millisecond {
			return nil
		}
	}
	return fmt.Errorf("the server has been busy for %s without any requests", 10*idle)
}

// until waits until the hooks have handled want activities.
func (c *child) until(ctx context.Context, want int64) (counts, error) {
	last, since := int64(-1), time.Now()
	for {
		n, err := c.counts(ctx)
		if err != nil || n.sum() >= want {
			return n, err
		}
		if n.sum() != last {
			last, since = n.sum(), time.Now()
		}
		if time.Since(since) > time.Minute {
			return n, fmt.Errorf("%d of %d activities reached a hook, and none for a minute", n.sum(), want)
		}
		select {
		case <-ctx.Done():
			return n, ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}
