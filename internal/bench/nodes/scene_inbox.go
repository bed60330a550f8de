package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/fedihook/fedihook/internal/bench/crowd"
	"github.com/fedihook/fedihook/internal/bench/kill"
)

const senders = 16

// playInbox has a crowd write to a user, each time at two nodes at once, while a node is killed and another one stopped in a hook.
func playInbox(ctx context.Context, o options) (*result, error) {
	c, err := crowd.New("http://crowd.test", senders)
	if err != nil {
		return nil, err
	}
	t, err := newTown(ctx, o, "127.0.0.1:0", c)
	if err != nil {
		return nil, err
	}
	r := newResult()
	s := &letters{town: t, crowd: c, result: r}
	if s.inbox, err = url.Parse(userID("bob") + "/inbox"); err == nil {
		err = s.play(ctx)
	}
	t.hooks.mu.Lock()
	r.fact("runs", int64(t.hooks.total.Runs), "calls of the hook")
	r.fact("again", int64(t.hooks.total.Again), "of them because a node was gone before it had recorded the first")
	r.fact("cut_off", int64(t.hooks.total.CutOff), "hooks that ran in a node when it was killed or stopped")
	t.hooks.mu.Unlock()
	return r, errors.Join(err, t.finish(r))
}

// letters are what the crowd writes.
type letters struct {
	*town
	crowd  *crowd.Crowd
	result *result
	inbox  *url.URL

	next int
}

func (s *letters) play(ctx context.Context) error {
	if err := s.startAll(ctx, nil); err != nil {
		return err
	}
	if err := s.write(ctx, 12, 4); err != nil {
		return err
	}
	if err := s.done(ctx); err != nil {
		return err
	}
	for _, how := range []string{"killed", "stopped"} {
		if how == "stopped" && s.short {
			break
		}
		if wrong, _ := s.ledger.Verdict(); len(wrong.List) > 0 {
			return nil
		}
		if err := s.gone(ctx, how); err != nil {
			return fmt.Errorf("%s: %w", how, err)
		}
		s.result.Rounds++
	}
	var n int
	if err := s.db.QueryRowContext(ctx, `SELECT count(*) FROM bench_effects`).Scan(&n); err != nil {
		return err
	}
	s.hooks.mu.Lock()
	sent := len(s.hooks.about)
	s.hooks.mu.Unlock()
	if n != sent {
		s.ledger.Fault("lost: %d activities were answered 202, and %d had an effect", sent, n)
	}
	s.result.fact("sent", int64(sent), "activities, each to two nodes at once")
	return s.quit(ctx)
}

// gone has a node killed or stopped in a hook, and waits until others have done its work.
func (s *letters) gone(ctx context.Context, how string) error {
	victim := s.living()[0]
	var writing sync.WaitGroup
	var failed error
	if how == "killed" {
		if err := victim.ask("aim 2 false hook begun"); err != nil {
			return err
		}
	}
	// Who writes to a node that is gone writes again elsewhere, as servers do.
	writing.Go(func() { failed = s.write(ctx, 12, 3) })
	var went time.Time
	if how == "killed" {
		victim.Wait(s.patience)
		s.killed(victim.Life)
		went = time.Now()
	} else {
		if _, ok, err := s.until(ctx, s.patience, func() bool { return s.hooks.runsIn(victim.Life) > 0 }); err != nil || !ok {
			return errors.Join(err, fmt.Errorf("no hook runs in %s (%v)", victim.Node, ok))
		}
		s.stopped(victim.Life)
		if err := victim.stop(); err != nil {
			return err
		}
		went = time.Now()
	}
	writing.Wait()
	if err := errors.Join(failed, s.done(ctx)); err != nil {
		return err
	}
	s.result.fact(how+"_ms", time.Since(went).Milliseconds(), "from then until all hooks had run elsewhere")
	if how == "stopped" {
		time.Sleep(time.Until(went.Add(2 * inboxLease)))
		victim.cont()
		time.Sleep(time.Second) // what it does now it must not do
	}
	if how == "killed" {
		_, err := s.start(ctx, victim.Node, nil)
		return err
	}
	return nil
}

// inboxLease is how long others wait for what a dead node had of the journal.
const inboxLease = 10 * time.Second

// runsIn is how many hooks run in a process.
func (h *hooks) runsIn(life int) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, in := range h.open {
		if in == life {
			n++
		}
	}
	return n
}

// done waits until a hook has run for all that was sent so far.
func (s *letters) done(ctx context.Context) error {
	wrong := func() bool { w, _ := s.ledger.Verdict(); return len(w.List) > 0 }
	_, ok, err := s.until(ctx, s.patience, func() bool { return len(s.hooks.left()) == 0 || wrong() })
	if err == nil && !ok {
		for _, id := range s.hooks.left() {
			s.ledger.Fault("lost: %s was answered 202, and its hook has not run", id)
		}
	}
	return err
}

// write has objects written and edited, several at a time, each revision once the one before it was answered.
func (s *letters) write(ctx context.Context, objects, revs int) error {
	var g sync.WaitGroup
	errs := make(chan error, objects)
	for range objects {
		i := s.next
		s.next++
		g.Go(func() {
			for rev := range revs {
				if err := s.letter(ctx, i, rev); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	g.Wait()
	close(errs)
	return <-errs
}

// letter posts one revision to two nodes at once, and again to others until one has answered 202.
func (s *letters) letter(ctx context.Context, i, rev int) error {
	body, id, err := s.revision(i, rev)
	if err != nil {
		return err
	}
	s.hooks.sent(id, subject{fmt.Sprint(i), rev})
	deadline := time.Now().Add(s.patience)
	for try := 0; ; try++ {
		nodes := s.living()
		accepted := 0
		answers := make(chan int, 2)
		for j := range 2 {
			to := nodes[(i+try+j)%len(nodes)]
			request, err := s.crowd.Request(i, s.inbox, body, false)
			if err != nil {
				return err
			}
			go func() {
				status, _ := crowd.Send(to.Address, request) // who gets no answer sends again
				answers <- status
			}()
		}
		for range 2 {
			select {
			case status := <-answers:
				if status == http.StatusAccepted {
					accepted++
				}
			case <-time.After(time.Second): // it stands still
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if accepted > 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("nobody takes %s", id)
		}
	}
}

// revision is an activity: a Create, or an Update that says something else.
func (s *letters) revision(i, rev int) (body []byte, id string, err error) {
	body = s.crowd.Create(i, "n", userID("bob"), kill.PostText(i, rev))
	var a map[string]any
	if err := json.Unmarshal(body, &a); err != nil {
		return nil, "", err
	}
	if rev > 0 {
		a["type"] = "Update"
		a["id"] = fmt.Sprintf("%s#updates/%d", a["id"], rev)
		a["object"].(map[string]any)["updated"] = time.Now().Add(time.Duration(rev) * time.Second).UTC().Format(time.RFC3339)
	}
	body, err = json.Marshal(a)
	return body, a["id"].(string), err
}
