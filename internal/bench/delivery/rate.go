package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/internal/bench"
)

// rate compares deliveries per second with those of a bare loop over the same connections.
func (r *runner) rate(ctx context.Context) error {
	for _, scene := range []struct {
		name, suite string
		tls, cold   bool
	}{
		{"RSA, warm http", "rsa", false, false},
		{"Ed25519, warm http", "ed25519", false, false},
		{"RSA, warm TLS", "rsa", true, false},
		{"Ed25519, warm TLS", "ed25519", true, false},
		{"RSA, cold http", "rsa", false, true},
		{"RSA, cold TLS", "rsa", true, true},
	} {
		s, err := startSink(ctx, 0, scene.tls)
		if err != nil {
			return err
		}
		got, err := r.rates(ctx, s, scene.name, scene.suite, scene.tls, scene.cold)
		if stopErr := s.Stop(); err == nil {
			err = stopErr
		}
		if err != nil {
			return fmt.Errorf("%s: %w", scene.name, err)
		}
		warm := !scene.tls && !scene.cold
		w := r.row(scene.name, "a second", got.queue.rate).bare(got.bare.rate)
		if warm && scene.suite == "ed25519" {
			w.atLeast(6000)
		}
		share := r.row(scene.name, "of bare", got.queue.rate/got.bare.rate)
		if warm && scene.suite == "rsa" {
			share.atLeast(0.85)
		}
		cpu := r.row(scene.name, "µs of CPU each", us(got.queue.cpu)).bare(us(got.bare.cpu))
		if r.baseline {
			r.rows[len(r.rows)-3].pool(got.pool.rate)
			r.rows[len(r.rows)-2].pool(got.pool.rate / got.bare.rate)
			cpu.pool(us(got.pool.cpu))
		}
	}
	return nil
}

// pace is how fast deliveries went, and what each cost this process.
type pace struct {
	rate float64 // a second
	cpu  time.Duration
}

type rates struct{ bare, queue, pool pace }

func (r *runner) rates(ctx context.Context, s *sink, label, suite string, tls, cold bool) (rates, error) {
	hosts, posts := r.hosts, r.posts
	if cold {
		posts = max(posts/4, 1) // every one leaves a port behind that can't be used for a minute
	}
	targets := slices.Collect(inboxes(fine, hosts))
	if tls {
		for i := range targets {
			targets[i].Inbox = "https" + strings.TrimPrefix(targets[i].Inbox, "http")
		}
	}
	wire := newWire(s, r.inFlight, cold)
	defer wire.CloseIdleConnections()
	var urls []string
	for range posts {
		for _, t := range targets {
			urls = append(urls, t.Inbox)
		}
	}
	warmed := 0
	if !cold {
		if _, err := bareLoop(ctx, urls, r.body, r.keys["ed25519"], wire, r.inFlight); err != nil {
			return rates{}, err
		}
		warmed = len(urls)
	}
	var bare, queue, plain []pace
	for round := range r.rounds {
		r.bar.Show(fmt.Sprintf("%s, %s", r.goal, label), round, r.rounds)
		before := bench.CPU()
		took, err := bareLoop(ctx, urls, r.body, r.keys[suite], wire, r.inFlight)
		if err != nil {
			return rates{}, err
		}
		each := (bench.CPU() - before) / time.Duration(len(urls))
		bare = append(bare, pace{float64(len(urls)) / took.Seconds(), each})
		p, err := r.drain(ctx, label, wire, suite, targets, posts, false)
		if err != nil {
			return rates{}, err
		}
		queue = append(queue, p)
		if r.baseline {
			if p, err = r.drain(ctx, label, wire, suite, targets, posts, true); err != nil {
				return rates{}, err
			}
			plain = append(plain, p)
		}
	}
	arrived, err := s.count(ctx)
	if err != nil {
		return rates{}, err
	}
	if sent := warmed + len(urls)*(len(bare)+len(queue)+len(plain)); arrived < sent {
		return rates{}, fmt.Errorf("%d of %d posts arrived", arrived, sent)
	}
	return rates{middle(bare), middle(queue), middle(plain)}, nil
}

// middle is the median of both figures.
func middle(list []pace) pace {
	var rate, cpu []float64
	for _, p := range list {
		rate, cpu = append(rate, p.rate), append(cpu, float64(p.cpu))
	}
	return pace{median(rate), time.Duration(median(cpu))}
}

// drain enqueues posts to targets and returns how fast they were delivered.
func (r *runner) drain(ctx context.Context, label string, wire http.RoundTripper, suite string, targets []delivery.Target, posts int, usePool bool) (pace, error) {
	want := len(targets) * posts
	s, err := r.scene(ctx, usePool, r.store, r.signed(suite, wire), fine, want)
	if err != nil {
		return pace{}, err
	}
	before := bench.CPU()
	s.again(want) // the file is open by now
	for i := 0; i < posts && err == nil; i++ {
		err = s.Enqueue(ctx, post{id: fmt.Sprint(i), body: r.body}, slices.Values(targets))
	}
	ok := false
	if err == nil {
		ok, err = r.wait(ctx, s.meter, label)
	}
	took := s.elapsed()
	if stopErr := s.end(); err == nil {
		err = stopErr
	}
	if err != nil {
		return pace{}, err
	}
	done := int(s.done.Load())
	if !ok { // what there is counts
		took = r.patience
	}
	return pace{float64(done) / took.Seconds(), (bench.CPU() - before) / time.Duration(max(done, 1))}, nil
}

func median(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	all = slices.Clone(all)
	slices.Sort(all)
	return all[len(all)/2]
}
