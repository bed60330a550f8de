package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/fedihook/fedihook/internal/bench"
)

// restart measures how long a new process takes until its first delivery, where much waits.
func (r *runner) restart(ctx context.Context) error {
	folder, err := r.folder()
	if err != nil {
		return err
	}
	f, err := openFile(ctx, "sqlite", folder)
	if err != nil {
		return err
	}
	h, err := newHeart(f, null{}, r.inFlight)
	if err != nil {
		return err
	}
	hosts := min(r.instances, r.pending)
	posts := max(r.pending/hosts, 1)
	to := inboxes(fine, hosts)
	for i := 0; i < posts && err == nil; i++ {
		r.bar.Show(r.goal+", enqueuing", i, posts)
		err = h.Enqueue(ctx, post{id: fmt.Sprint(i), body: r.body}, to)
	}
	f.close()
	if err != nil {
		return err
	}
	c, err := bench.Start(ctx, "-child", "restart", "-folder", folder, "-since", strconv.FormatInt(time.Now().UnixNano(), 10),
		"-inflight", strconv.Itoa(r.inFlight), "-patience", r.patience.String())
	if err != nil {
		return err
	}
	var first restarted
	if err := json.Unmarshal([]byte(c.Said), &first); err != nil {
		return fmt.Errorf("%q: %w", c.Said, err)
	}
	if err := c.Wait(); err != nil {
		return err
	}
	w := r.row(fmt.Sprintf("%d posts × %d hosts wait, to the first send", posts, hosts), "s", first.Seconds).atMost(1)
	w.note("of which %.2f s until main", first.Main)
	r.row("memory at that time", "MB", float64(first.RSS)/(1<<20))
	return nil
}

// restarted is what a process that was started anew says of its first delivery.
type restarted struct {
	Seconds, Main float64 // since it was started
	RSS           int64
}

// beRestart opens a queue, says when it sent for the first time, and ends.
func beRestart(ctx context.Context, o options) error {
	since := time.Unix(0, o.args.since)
	out := restarted{Main: time.Since(since).Seconds()}
	f, err := openFile(ctx, "sqlite", o.args.folder)
	if err != nil {
		return err
	}
	defer f.close()
	var at atomic.Int64
	first := make(chan struct{})
	h, err := newHeart(f, roundTrip(func(r *http.Request) (*http.Response, error) {
		if at.CompareAndSwap(0, time.Now().UnixNano()) {
			close(first)
		}
		<-r.Context().Done()
		return nil, r.Context().Err()
	}), o.inFlight)
	if err != nil {
		return err
	}
	stop := working(ctx, h)
	select {
	case <-first:
	case <-time.After(o.patience):
		err = errors.New("nothing was sent")
	}
	if err == nil {
		out.Seconds = time.Unix(0, at.Load()).Sub(since).Seconds()
		out.RSS = bench.Used(os.Getpid()).RSS
		err = json.NewEncoder(os.Stdout).Encode(out)
	}
	if stopErr := stop(); err == nil {
		err = stopErr
	}
	return err
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
