package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"sync"
	"time"

	"github.com/fedihook/fedihook/delivery"
)

// pool is what one writes first: a row per delivery, workers that take the oldest ones due, and a backoff for
// each row of its own. It is as durable as the queue.
type pool struct {
	jobs
	transport http.RoundTripper
	workers   int
}

const (
	poolWorkers = 128 // as many as Misskey has (2025)
	poolBatch   = 100 // rows taken, or recorded, in one transaction
	poolHold    = 10 * time.Minute
)

// jobs are the rows.
type jobs interface {
	// add keeps one body for many inboxes.
	add(ctx context.Context, a post, inboxes []string) error

	// due takes rows that are due, at most poolBatch; nobody else gets them within poolHold.
	due(ctx context.Context) ([]job, error)

	// settle removes rows that were posted, and puts off the others.
	settle(ctx context.Context, list []job) error

	close()
}

func (p *pool) Enqueue(ctx context.Context, a post, to iter.Seq[delivery.Target]) error {
	seen := make(map[string]bool)
	var inboxes []string
	for t := range to {
		inbox := t.SharedInbox
		if inbox == "" {
			inbox = t.Inbox
		}
		if !seen[inbox] {
			seen[inbox] = true
			inboxes = append(inboxes, inbox)
		}
	}
	return p.add(ctx, a, inboxes)
}

type job struct {
	id       int64
	inbox    string
	attempts int
	body     []byte
	ok       bool
}

func (p *pool) Run(ctx context.Context) error {
	jobs, results := make(chan job), make(chan job, p.workers)
	var workers, recorder sync.WaitGroup
	for range p.workers {
		workers.Go(func() {
			for j := range jobs {
				j.ok = p.send(ctx, j)
				results <- j
			}
		})
	}
	var recording error
	recorder.Go(func() { recording = p.record(results) })
	err := p.take(ctx, jobs)
	close(jobs)
	workers.Wait()
	close(results)
	recorder.Wait()
	if ctx.Err() != nil {
		err = nil
	}
	return errors.Join(err, recording)
}

// take hands out what is due until ctx ends.
func (p *pool) take(ctx context.Context, jobs chan<- job) error {
	for ctx.Err() == nil {
		list, err := p.due(ctx)
		if err != nil {
			return err
		}
		for _, j := range list {
			select {
			case jobs <- j:
			case <-ctx.Done():
				return nil
			}
		}
		if len(list) == 0 {
			select {
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	}
	return nil
}

func (p *pool) send(ctx context.Context, j job) bool {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	r, err := newRequest(ctx, j.inbox, j.body)
	if err != nil {
		return false
	}
	answer, err := p.transport.RoundTrip(r)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	_, _ = io.CopyN(io.Discard, answer.Body, 64<<10) // so that the connection is used again
	return answer.StatusCode < 300
}

// record writes down results, by batches.
func (p *pool) record(results <-chan job) error {
	var list []job
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var failed error
	for open := true; open; {
		select {
		case j, more := <-results:
			if open = more; more {
				list = append(list, j)
			}
			if len(list) < poolBatch && more {
				continue
			}
		case <-tick.C:
		}
		if len(list) == 0 {
			continue
		}
		// What was sent is recorded, though Run is to end.
		if err := p.settle(context.Background(), list); err != nil && failed == nil {
			failed = fmt.Errorf("pool: %w", err)
		}
		list = list[:0]
	}
	return failed
}

// putOff is how long a row waits after so many attempts.
func putOff(attempts int) time.Duration { return 30 * time.Second << min(attempts, 10) }

// newRequest makes the POST that the bare loop and the pool send.
func newRequest(ctx context.Context, inbox string, body []byte) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, inbox, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/activity+json")
	r.Header.Set("User-Agent", "bare (+http://sender.test/)")
	return r, nil
}
