package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/fedihook/fedihook/delivery"
)

// town is the shop with its subscribers.
type town struct {
	*shop
	out                      io.Writer
	warehouse, mailer, books *subscriber
	placed                   []int64 // the orders of this run
}

// patience is how long each step may take.
const patience = 30 * time.Second

// walk opens the town, runs the queue beside the story, and stops both.
func walk(ctx context.Context, o options, out io.Writer) (err error) {
	dir := o.dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "shop"); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
	}
	shop, err := openShop(ctx, dir, o.logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shop.close()) }()
	t := &town{shop: shop, out: out}
	for _, each := range []struct {
		name string
		s    **subscriber
	}{{"warehouse", &t.warehouse}, {"mailer", &t.mailer}, {"books", &t.books}} {
		s, err := subscribe(ctx, each.name, shop.public)
		if err != nil {
			return err
		}
		defer s.stop()
		*each.s = s
		shop.hooks = append(shop.hooks, delivery.Target{Inbox: s.url()})
	}

	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- shop.queue.Run(running) }()
	defer func() {
		stop() // it finishes what is under way and records it
		err = errors.Join(err, <-ended)
	}()
	return t.story(ctx, o.orders)
}

// story is what happens, in its order.
func (t *town) story(ctx context.Context, orders int) error {
	t.mailer.answer.Store(http.StatusServiceUnavailable)
	t.books.answer.Store(http.StatusUnprocessableEntity)
	if err := t.place(ctx, orders); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{t.look, t.comeBack, t.giveUp, t.redrive, t.count} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// place has orders placed, and one that is called off.
func (t *town) place(ctx context.Context, orders int) error {
	for i := range orders {
		number, err := t.order(ctx, fmt.Sprintf("bread %d", i+1), func() error { return nil })
		if err != nil {
			return err
		}
		t.placed = append(t.placed, number)
		fmt.Fprintf(t.out, "order %d is committed, and with it a webhook to %d subscribers\n", number, len(t.hooks))
	}
	no := errors.New("the card was declined")
	number, err := t.order(ctx, "cake", func() error { return no })
	if !errors.Is(err, no) {
		return fmt.Errorf("an order that was called off: %w", err)
	}
	fmt.Fprintf(t.out, "order %d is rolled back: %v\n", number, err)
	return t.until(ctx, "the warehouse has heard of all orders", func() (bool, error) { return t.heard(t.warehouse), nil })
}

// look shows an operator what waits and why: the mailer is down, the books take nothing.
func (t *town) look(ctx context.Context) error {
	proof := t.warehouse.proof()
	fmt.Fprintf(t.out, "the warehouse has all of them, signed by %s under %s over %s\n", proof.Owner, proof.Scheme, strings.Join(proof.Covered, " "))
	n := len(t.placed)
	var lanes []delivery.Lane
	err := t.until(ctx, "the mailer is found to be down, and the books to refuse", func() (bool, error) {
		mailer, err := t.lane(ctx, t.mailer)
		if err != nil {
			return false, err
		}
		books, err := t.lane(ctx, t.books)
		lanes = []delivery.Lane{mailer, books}
		return mailer.State == delivery.LaneFails && mailer.Pending == n && books.State == delivery.LaneWaits && books.Deferred == n, err
	})
	if err != nil {
		return err
	}
	for i, s := range []*subscriber{t.mailer, t.books} {
		fmt.Fprintf(t.out, "  lane of the %-10s %s: %d wait, %d of them put off\n", s.name, lanes[i].State, lanes[i].Pending, lanes[i].Deferred)
	}
	first := hookID(t.placed[0])
	var status delivery.Status
	err = t.until(ctx, first+" is recorded", func() (ok bool, err error) {
		status, err = t.queue.Status(ctx, first)
		return err == nil && status.Pending == 2 && status.Deferred > 0, err
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(t.out, "  %s: %d of %d delivered, %d wait\n", status.ID, status.Delivered, status.Targets, status.Pending)
	for w, err := range t.queue.Waiting(ctx, first) {
		if err != nil {
			return err
		}
		fmt.Fprintf(t.out, "  %s waits for the %s, which answered %d\n", first, t.name(w.Inbox), w.Status)
	}
	return nil
}

// lane finds what waits for a subscriber among all lanes; the zero Lane if nothing does.
func (t *town) lane(ctx context.Context, s *subscriber) (delivery.Lane, error) {
	for l, err := range t.queue.Lanes(ctx) {
		if err != nil || l.Origin == "http://"+s.authority {
			return l, err
		}
	}
	return delivery.Lane{}, nil
}

// comeBack has the mailer come back. The queue finds out by itself.
func (t *town) comeBack(ctx context.Context) error {
	t.mailer.answer.Store(0)
	err := t.until(ctx, "the mailer has heard of all orders", func() (bool, error) { return t.heard(t.mailer), nil })
	if err == nil {
		fmt.Fprintln(t.out, "the mailer is back, and has all of them")
	}
	return err
}

// giveUp has the books refuse once more, sooner than the minute that the queue would wait.
func (t *town) giveUp(ctx context.Context) error {
	if err := t.queue.RetryNow(ctx, t.books.authority); err != nil {
		return err
	}
	var dead []delivery.DeadLetter
	err := t.until(ctx, "what the books refuse is given up", func() (bool, error) {
		dead = nil
		for d, err := range t.queue.DeadLetters(ctx) {
			if err != nil {
				return false, err
			}
			if d.Inbox == t.books.url() {
				dead = append(dead, d)
			}
		}
		return len(dead) == len(t.placed), nil
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(t.out, "tried again, the books refuse again: %d dead letters\n", len(dead))
	for _, d := range dead {
		if d.Activity == hookID(t.placed[0]) {
			fmt.Fprintf(t.out, "  one of them: %s for the %s, %d attempts, answered %d\n", d.Activity, t.name(d.Inbox), d.Attempts, d.Status)
		}
	}
	return nil
}

// redrive sends the dead letters once more when the books are mended.
func (t *town) redrive(ctx context.Context) error {
	t.books.answer.Store(0)
	n, err := t.queue.Redrive(ctx, func(d delivery.DeadLetter) bool { return d.Inbox == t.books.url() })
	if err != nil {
		return err
	}
	fmt.Fprintf(t.out, "the books are mended, and %d dead letters sent once more\n", n)
	return t.until(ctx, "the books have heard of all orders", func() (bool, error) { return t.heard(t.books), nil })
}

// count looks at what came in all: nothing waits, and nobody has heard of what was rolled back.
func (t *town) count(ctx context.Context) error {
	err := t.until(ctx, "nothing waits", func() (bool, error) {
		for _, s := range []*subscriber{t.warehouse, t.mailer, t.books} {
			if l, err := t.lane(ctx, s); err != nil || l.Pending > 0 {
				return false, err
			}
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	for _, s := range []*subscriber{t.warehouse, t.mailer, t.books} {
		if got := s.count(); got != len(t.placed) {
			return fmt.Errorf("the %s has heard of %d orders, want %d", s.name, got, len(t.placed))
		}
	}
	fmt.Fprintf(t.out, "nothing waits: each subscriber has heard of %d orders, and of nothing that was rolled back\n", len(t.placed))
	return nil
}

// heard tells whether a subscriber knows all orders of this run.
func (t *town) heard(s *subscriber) bool {
	return !slices.ContainsFunc(t.placed, func(number int64) bool { return !s.has(number) })
}

// name tells who listens at a URL.
func (t *town) name(url string) string {
	for _, s := range []*subscriber{t.warehouse, t.mailer, t.books} {
		if s.url() == url {
			return s.name
		}
	}
	return url
}

// until waits for something that the queue does by itself.
func (t *town) until(ctx context.Context, what string, is func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		ok, err := is()
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}
