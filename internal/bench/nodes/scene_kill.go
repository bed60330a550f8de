package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fedihook/fedihook/internal/bench/kill"
)

// killPoints follow a post from the app's transaction to the record of its arrival, and the leases.
var killPoints = []kill.Point{
	{Name: "app before commit", Most: 2},
	{Name: "app commit, loosely", Most: 2, Loose: true},
	{Name: "app after commit", Most: 2},
	{Name: "intent before dropped", Most: 1},
	{Name: "enqueue before commit", Most: 2},
	{Name: "enqueue commit, loosely", Most: 2, Loose: true},
	{Name: "enqueue after commit", Most: 2},
	{Name: "request written", Most: 12},
	{Name: "answer read", Most: 12},
	{Name: "flush before commit", Most: 1},
	{Name: "flush commit, loosely", Most: 1, Loose: true},
	{Name: "flush after commit", Most: 1},
	{Name: "lease before commit", Most: 1},
	{Name: "lease after commit", Most: 1},
	{Name: kill.Anytime},
}

// playKill kills nodes in the middle of fan-outs, mostly one, now and then two at once; each comes back, most under its old name.
func playKill(ctx context.Context, o options) (*result, error) {
	if o.rounds == 0 {
		o.rounds = 300
		if o.short {
			o.rounds = 100
		}
	}
	t, err := newTown(ctx, o, "127.0.0.1:0", http.NotFoundHandler())
	if err != nil {
		return nil, err
	}
	r := newResult()
	points, err := kill.Choose(killPoints, o.only)
	if err != nil {
		return nil, errors.Join(err, t.close())
	}
	s := &killing{town: t, result: r, deck: kill.Deck{Points: points, Rand: t.rand}, slots: make([]*process, o.nodes)}
	r.points, r.least = points, min(20, o.rounds/len(points)/3)
	err = s.play(ctx)
	return r, errors.Join(err, t.finish(r))
}

type killing struct {
	*town
	result *result
	deck   kill.Deck
	slots  []*process
	kills  int
}

func (s *killing) play(ctx context.Context) error {
	for i := range s.slots {
		if err := s.fill(ctx, i, fmt.Sprintf("node%d", i)); err != nil {
			return err
		}
	}
	// On a slow machine points are missed: it goes on until it was at each of them.
	for round := 0; round < s.rounds || s.result.behind() != "" && round < 4*s.rounds; round++ {
		if err := s.round(ctx, round); err != nil {
			return fmt.Errorf("round %d: %w", round+1, err)
		}
		s.result.Rounds++
		if s.often > 0 && s.result.Rounds%s.often == 0 {
			if err := s.settle(ctx); err != nil {
				return err
			}
		}
		if wrong, _ := s.ledger.Verdict(); len(wrong.List) > 0 {
			return nil
		}
	}
	began := time.Now()
	if err := s.settle(ctx); err != nil {
		return err
	}
	s.result.fact("settled_ms", time.Since(began).Milliseconds(), "from the last kill until everything that was said had arrived")
	s.result.fact("kills", int64(s.kills), "of nodes, in so many rounds")
	return s.quit(ctx)
}

// fill starts a node.
func (s *killing) fill(ctx context.Context, i int, name string) (err error) {
	s.slots[i], err = s.start(ctx, name, nil)
	return err
}

// round has the nodes say things until the one whose turn it is was killed.
func (s *killing) round(ctx context.Context, round int) error {
	pt := s.deck.Next()
	victims := []int{s.rand.IntN(len(s.slots))}
	if strings.HasPrefix(pt.Name, "intent ") || strings.HasPrefix(pt.Name, "enqueue ") {
		if i := s.taker(ctx); i >= 0 {
			victims[0] = i
		}
	}
	if s.rand.IntN(5) == 0 && len(s.slots) > 2 { // two at once
		victims = append(victims, (victims[0]+1)%len(s.slots))
	}
	var dying sync.WaitGroup
	for i, v := range victims {
		p := s.slots[v]
		if p.aim = pt.Name; i > 0 {
			p.aim = kill.Anytime
		}
		if p.aim == kill.Anytime {
			p.Reached.Store(true)
			time.AfterFunc(time.Duration(s.rand.Int64N(int64(300*time.Millisecond))), p.Kill)
		} else if err := p.ask("aim %d %v %s", 1+s.rand.IntN(pt.Most), pt.Loose, pt.Name); err != nil {
			return err
		}
		// Who has not come to its point is killed where it is, and has more time for that point next time.
		patience := 600 * time.Millisecond << min(s.result.Missed[p.aim], 3)
		dying.Go(func() { p.Wait(patience) })
	}
	dead := make(chan struct{})
	go func() { dying.Wait(); close(dead) }()
	for i := 0; ; i++ {
		select {
		case <-dead:
			for _, v := range victims {
				if err := s.buried(ctx, round, v); err != nil {
					return err
				}
			}
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(s.rand.Int64N(int64(20 * time.Millisecond)))):
		}
		if i >= 7 {
			continue
		}
		p := s.slots[s.rand.IntN(len(s.slots))]
		if i < 2 { // the app's own points are passed by whoever speaks
			p = s.slots[victims[0]]
		}
		if err := s.act(ctx, p, i%4 == 0); err != nil && !errors.Is(err, kill.ErrKilled) {
			return err
		}
	}
}

// taker is the node that takes intents, -1 if none of ours does now.
func (s *killing) taker(ctx context.Context) int {
	var owner string
	err := s.db.QueryRowContext(ctx, `SELECT convert_from(w.owner, 'UTF8') FROM fedihook_shards AS s JOIN fedihook_workers AS w USING (epoch)
		WHERE s.room = 'log' AND s.shard = 0`).Scan(&owner)
	return slices.IndexFunc(s.slots, func(p *process) bool { return err == nil && p.Node == owner })
}

// buried counts a kill and starts the node anew.
func (s *killing) buried(ctx context.Context, round, i int) error {
	p := s.slots[i]
	s.killed(p.Life)
	s.kills++
	if p.Reached.Load() {
		s.result.Kills[p.aim]++
	} else {
		s.result.Missed[p.aim]++
		s.deck.Again(p.aim)
	}
	name := p.Node
	if s.rand.IntN(16) == 0 { // another machine comes in its stead; what the dead one had waits for its leases
		name = fmt.Sprintf("node%d.%d", i, round)
		s.result.strangers++
	}
	return s.fill(ctx, i, name)
}
