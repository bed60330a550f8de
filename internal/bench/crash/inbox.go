package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/fedihook/fedihook/internal/bench/crowd"
	"github.com/fedihook/fedihook/internal/bench/kill"
)

const (
	senders     = 20
	connections = 6
)

// receiving is the scene of the inbox: a crowd writes to a user, and what its posts do is the app's hook. The crowd
// sends what was not answered again, as servers do.
type receiving struct {
	o     options
	rand  *rand.Rand
	sink  *sink
	crowd *crowd.Crowd
	inbox *url.URL

	mu     sync.Mutex
	all    map[string]*letter
	unsent []*letter // not answered yet
	fresh  []*letter // answered 202, and their effects not looked for yet
	next   int
	life   int
	total  struct{ accepted, unanswered, again, runs, rerun, most int }
	rerun  map[int]int // by the life in which the hook had run in vain
	wrong  kill.Faults
}

// letter is an activity that the crowd sends.
type letter struct {
	id       string
	from     int
	body     []byte
	accepted bool
	done     bool
	runs     int
	ran      int // the life in which it ran last
}

func newReceiving(o options, r *rand.Rand) (*receiving, error) {
	c, err := crowd.New("http://crowd.test", senders)
	if err != nil {
		return nil, err
	}
	s := &receiving{o: o, rand: r, crowd: c, all: map[string]*letter{}, rerun: map[int]int{}}
	if s.inbox, err = url.Parse(userID("bob") + "/inbox"); err != nil {
		return nil, err
	}
	s.sink, err = newSink(c, func(inbox string, _, _ int, _ bool, _ int) { s.fault("odd: a post came to %s", inbox) }, s.fault)
	return s, err
}

func (s *receiving) points() []kill.Point { return inboxPoints }

func (s *receiving) order(o *order, _ kill.Point) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.life++
	o.Witness, o.Names = s.sink.address, []string{"crowd.test"}
}

func (s *receiving) fault(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrong.Add(format, args...)
}

// heard learns that a hook was called ("run"), or that what it did is committed ("done").
func (s *receiving) heard(word, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.all[id]
	if l == nil {
		s.wrong.Add("odd: the server says %s of %q, which nobody sent", word, id)
		return
	}
	if word == "done" {
		l.done = true
		return
	}
	switch {
	case l.done:
		s.wrong.Add("twice: the hook ran again for %s, which was done", id)
	case l.runs > 0 && l.ran == s.life:
		s.wrong.Add("twice: the hook ran again for %s in life %d", id, s.life)
	case l.runs > 0:
		s.total.rerun++
		s.rerun[l.ran]++
		s.total.most = max(s.total.most, s.rerun[l.ran])
		if s.rerun[l.ran] == handled+1 {
			s.wrong.Add("twice: more than %d hooks ran again after life %d", handled, l.ran)
		}
	}
	s.total.runs++
	l.runs++
	l.ran = s.life
}

func (s *receiving) prepare(context.Context, *kill.Process) error { return nil }

// recovered sends what was not answered, and waits until all that was answered 202 is done.
func (s *receiving) recovered(ctx context.Context, p *kill.Process) error {
	if err := s.send(p, nil); err != nil {
		return err
	}
	var failed error
	ok, err := until(ctx, p, s.o.patience, func() bool {
		left, err := s.left(p)
		failed = err
		return err != nil || left == ""
	})
	if err = errors.Join(err, failed); err != nil {
		return err
	}
	if !ok {
		left, err := s.left(p)
		s.fault("lost: %s was answered 202, and what its hook writes is not there", left)
		return err
	}
	return nil
}

// left names one that was answered 202 and of which the hook's effect is not there yet. That counts, and not the
// word of the journal: who was killed while it was marked may be done or not, and nobody has said so.
func (s *receiving) left(p *kill.Process) (string, error) {
	s.mu.Lock()
	fresh := slices.Clone(s.fresh)
	s.mu.Unlock()
	for i, l := range fresh {
		n, err := p.Ask("effect %s", l.id)
		if err == nil && n == "1" {
			continue
		}
		s.mu.Lock()
		s.fresh = s.fresh[i:]
		s.mu.Unlock()
		return l.id, err
	}
	s.mu.Lock()
	s.fresh = nil
	s.mu.Unlock()
	return "", nil
}

func (s *receiving) work(ctx context.Context, p *kill.Process) error {
	for i := range 10 {
		if err := s.act(p); err != nil {
			return err
		}
		wait := time.Duration(s.rand.Int64N(int64(5 * time.Millisecond)))
		if i >= 3 {
			wait = time.Second / 20
		}
		select {
		case <-p.Died:
			return kill.ErrKilled
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
	return nil
}

// act has some of the crowd write, and now and then say again what was taken already.
func (s *receiving) act(p *kill.Process) error {
	s.mu.Lock()
	for range 1 + s.rand.IntN(connections) {
		l := &letter{from: s.next % senders, body: s.crowd.Create(s.next, "r", userID("bob"), "no. "+strconv.Itoa(s.next))}
		s.next++
		var a struct{ ID string }
		if err := json.Unmarshal(l.body, &a); err != nil {
			s.mu.Unlock()
			return err
		}
		l.id = a.ID
		s.all[l.id] = l
		s.unsent = append(s.unsent, l)
	}
	var copies []*letter
	if s.rand.IntN(4) == 0 && len(s.fresh) > 0 {
		copies = append(copies, s.fresh[s.rand.IntN(len(s.fresh))])
	}
	s.mu.Unlock()
	return s.send(p, copies)
}

// send posts what was not answered yet, and copies of what was.
func (s *receiving) send(p *kill.Process, copies []*letter) error {
	s.mu.Lock()
	batch := append(append([]*letter(nil), s.unsent...), copies...)
	s.mu.Unlock()
	errs := make(chan error, len(batch))
	slots := make(chan struct{}, connections)
	for _, l := range batch {
		slots <- struct{}{}
		go func() {
			defer func() { <-slots }()
			request, err := s.crowd.Request(l.from, s.inbox, l.body, false)
			if err != nil {
				errs <- err
				return
			}
			status, err := crowd.Send(p.Address, request)
			errs <- s.answered(l, status, err)
		}()
	}
	var failed error
	for range batch {
		if err := <-errs; err != nil {
			failed = err
		}
	}
	s.mu.Lock()
	s.unsent = slices.DeleteFunc(s.unsent, func(l *letter) bool { return l.accepted })
	s.mu.Unlock()      // what the server said before it died is heard first
	if failed != nil { // because it was killed, or else for no good reason
		select {
		case <-p.Died:
			return p.Ended()
		case <-time.After(s.o.patience):
		}
	}
	return failed
}

func (s *receiving) answered(l *letter, status int, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil:
		s.total.unanswered++
		return fmt.Errorf("%s: %w", l.id, err)
	case status != http.StatusAccepted:
		return fmt.Errorf("%s was answered %d", l.id, status)
	case l.accepted:
		s.total.again++
	default:
		l.accepted = true
		s.total.accepted++
		s.fresh = append(s.fresh, l)
	}
	return nil
}

func (s *receiving) ended() error { return nil }

// finish looks at everything once more. What runs again though it was done is noticed when it does.
func (s *receiving) finish(context.Context, *kill.Process, int) error {
	time.Sleep(300 * time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.all {
		if l.accepted && l.runs == 0 {
			s.wrong.Add("lost: %s was answered 202, and its hook has not run", l.id)
		}
	}
	return nil
}

func (s *receiving) verdict() (kill.Faults, []fact) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.total
	return s.wrong, []fact{
		{"accepted", t.accepted, "activities that were answered 202"},
		{"unanswered", t.unanswered, "requests that a kill cut off, sent again later"},
		{"copies", t.again, "answered 202 once more, without effect"},
		{"runs", t.runs, "calls of the hook"},
		{"rerun", t.rerun, "of them because it was under way when the server was killed"},
		{"most_rerun", t.most, fmt.Sprintf("after one kill; %d are allowed", handled)},
	}
}

func (s *receiving) close() { s.sink.close() }
