package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/fedihook/fedihook/internal/bench/kill"
)

// crash is the lives of one server.
type crash struct {
	options
	scene  scene
	rand   *rand.Rand
	dir    string
	deck   kill.Deck
	result *result
	life   int
}

// all is every life, of which the first and the last two are not ended by a kill.
func (c *crash) all(ctx context.Context) error {
	if err := c.calmly(ctx, c.scene.prepare); err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	// On a slow machine points are missed: it goes on with those until it was at each often enough.
	for round := 0; round < c.rounds || c.result.behind() != nil && round < 4*c.rounds; round++ {
		pt := c.deck.Next()
		if round >= c.rounds {
			pt = *c.result.behind()
		}
		if err := c.round(ctx, pt); err != nil {
			return fmt.Errorf("round %d, %s: %w", round+1, pt.Name, err)
		}
		if wrong, _ := c.scene.verdict(); len(wrong.List) > 0 {
			return nil // the files are worth more as they are now
		}
		if (round+1)%100 == 0 {
			fmt.Fprintf(os.Stderr, "%d rounds\n", round+1)
		}
	}
	if err := c.calmly(ctx, c.scene.recovered, check); err != nil {
		return fmt.Errorf("after the last round: %w", err)
	}
	finish := func(ctx context.Context, p *kill.Process) error { return c.scene.finish(ctx, p, c.life) }
	if err := c.calmly(ctx, finish, check); err != nil {
		return fmt.Errorf("after a stop: %w", err)
	}
	return nil
}

func check(_ context.Context, p *kill.Process) error {
	_, err := p.Ask("check")
	return err
}

// start begins a life.
func (c *crash) start(ctx context.Context, o order) (*kill.Process, error) {
	c.life++
	o.Dir, o.Life, o.Break, o.Lease = c.dir, c.life, c.broken, c.lease
	return kill.Start(ctx, o, c.scene.heard)
}

// calmly is a life without a kill.
func (c *crash) calmly(ctx context.Context, do ...func(context.Context, *kill.Process) error) error {
	var o order
	c.scene.order(&o, kill.Point{})
	p, err := c.start(ctx, o)
	if err != nil {
		return err
	}
	defer p.Wait(0)
	if err := p.Listening(c.patience); err != nil {
		return err
	}
	for _, do := range do {
		if err := do(ctx, p); err != nil {
			return err
		}
	}
	if err := p.Quit(); err != nil {
		return err
	}
	return c.scene.ended()
}

// round is a life that ends by a kill: at a point or, if that is not reached, after the work is done.
func (c *crash) round(ctx context.Context, pt kill.Point) error {
	o := order{Point: pt.Name, Loose: pt.Loose}
	if pt.Most > 0 {
		o.Nth = 1 + c.rand.IntN(pt.Most)
	}
	// Now and then the one who recovers is killed.
	o.Armed = c.rand.IntN(3) == 0
	c.scene.order(&o, pt)
	p, err := c.start(ctx, o)
	if err != nil {
		return err
	}
	if pt.Name == kill.Anytime {
		o.Armed = true
		p.Reached.Store(true)
		defer time.AfterFunc(time.Duration(c.rand.Int64N(int64(250*time.Millisecond))), p.Kill).Stop()
	}
	err = c.live(ctx, p, o.Armed)
	if err == nil {
		// Who has not come to its point is killed where it is; next time it has more time for that.
		p.Wait(time.Second / 2 << min(c.result.Missed[pt.Name], 3))
	} else if errors.Is(err, kill.ErrKilled) {
		err = nil
	}
	p.Wait(0)
	if err != nil {
		return err
	}
	if p.Reached.Load() {
		c.result.Kills[pt.Name]++
	} else {
		c.result.Missed[pt.Name]++
	}
	return c.scene.ended()
}

func (c *crash) live(ctx context.Context, p *kill.Process, armed bool) error {
	if err := p.Listening(c.patience); err != nil {
		return err
	}
	if !armed {
		began := time.Now()
		if err := c.scene.recovered(ctx, p); err != nil {
			return err
		}
		c.result.recoveries = append(c.result.recoveries, time.Since(began))
		if _, err := p.Ask("arm"); err != nil {
			return err
		}
	}
	err := c.scene.work(ctx, p)
	if errors.Is(err, context.Canceled) {
		p.Kill()
	}
	return err
}
