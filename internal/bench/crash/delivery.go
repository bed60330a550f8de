package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/fedihook/fedihook/internal/bench/kill"
)

// How many follow the two users, spread over how many hosts. Carol's are more than the chunks of acks that the queue
// keeps of an activity before it compacts them.
const (
	bobs, carols = 24, 96
	hosts        = 16
)

// posting is the scene of deliveries: an app says things in its transactions, and the sink tells what comes of it.
type posting struct {
	o      options
	rand   *rand.Rand
	sink   *sink
	ledger *kill.Ledger

	big     bool // this life needs a post to many
	next    int  // the next post
	chains  []chain
	asked   *said  // what was asked when the server was killed
	recent  []said // what it has said since it was last looked at
	inboxes map[string][]string
}

// chain is a post that may be said more about.
type chain struct {
	handle string
	k, rev int
}

type said struct{ k, rev int }

func newPosting(o options, r *rand.Rand) (*posting, error) {
	s := &posting{o: o, rand: r, ledger: kill.NewLedger(flushAt + inFlight), inboxes: map[string][]string{}}
	for i := range carols {
		inbox := follower(i, hosts) + "/inbox"
		if s.inboxes["carol"] = append(s.inboxes["carol"], inbox); i < bobs {
			s.inboxes["bob"] = append(s.inboxes["bob"], inbox)
		}
	}
	var err error
	s.sink, err = newSink(http.NotFoundHandler(), s.ledger.Arrived, s.ledger.Fault)
	return s, err
}

func (s *posting) points() []kill.Point { return deliveryPoints }

func (s *posting) order(o *order, pt kill.Point) {
	s.big, o.Split = pt.Big, pt.Split
	o.Witness = s.sink.address
	for i := range hosts {
		o.Names = append(o.Names, hostName(i))
	}
}

func (s *posting) heard(string, string) {}

// prepare is done once, before any kill.
func (s *posting) prepare(_ context.Context, p *kill.Process) error {
	for handle, inboxes := range s.inboxes {
		if _, err := p.Ask("follow %s %d %d", handle, len(inboxes), hosts); err != nil {
			return err
		}
	}
	return nil
}

// resolve finds out what became of what was under way, and that what was committed is still there.
func (s *posting) resolve(p *kill.Process) error {
	for len(s.recent) > 0 {
		n, err := p.Ask("said %d %d", s.recent[0].k, s.recent[0].rev)
		if err != nil {
			return err
		}
		if n != "1" {
			s.ledger.Fault("lost: post %d rev %d was committed and is not there", s.recent[0].k, s.recent[0].rev)
		}
		s.recent = s.recent[1:]
	}
	if s.asked != nil {
		n, err := p.Ask("said %d %d", s.asked.k, s.asked.rev)
		if err != nil {
			return err
		}
		s.ledger.Settled(s.asked.k, s.asked.rev, n == "1")
		s.asked = nil
	}
	return nil
}

// recovered waits until everything that was said has arrived.
func (s *posting) recovered(ctx context.Context, p *kill.Process) error {
	if err := s.resolve(p); err != nil {
		return err
	}
	ok, err := until(ctx, p, s.o.patience, s.ledger.ArrivedAll)
	if err == nil && !ok {
		s.ledger.Lost()
	}
	return err
}

// work has the app say things until the server is killed, or it has said enough.
func (s *posting) work(ctx context.Context, p *kill.Process) error {
	if err := s.resolve(p); err != nil {
		return err
	}
	for i := range 12 {
		if err := s.act(p, i); err != nil {
			return err
		}
		// What comes of it takes a while, or the killer waits for it.
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

// act has the app say one thing: mostly something new, else more about what it said before, or nothing after all.
func (s *posting) act(p *kill.Process, i int) error {
	handle, verb, state := "bob", "say", "asked"
	if s.big && i%4 == 0 {
		handle = "carol"
	}
	c, at := chain{handle: handle, k: s.next}, -1
	switch n := s.rand.IntN(10); {
	case n == 0 && i > 0:
		verb, state = "unsay", "unsaid"
	case n <= 5 && i > 0 && len(s.chains) > 0:
		at = s.rand.IntN(len(s.chains))
		c = s.chains[at]
		if c.rev++; s.rand.IntN(4) == 0 {
			c.rev = kill.Deleted
		}
		s.chains = append(s.chains[:at], s.chains[at+1:]...)
	}
	if at < 0 {
		s.next++
	}
	s.ledger.Asked(c.k, c.rev, s.inboxes[c.handle], state)
	if verb == "say" {
		s.asked = &said{c.k, c.rev}
	}
	_, err := p.Ask("%s %s %d %d", verb, c.handle, c.k, c.rev)
	if err != nil || verb == "unsay" {
		return err
	}
	s.asked = nil
	s.ledger.Settled(c.k, c.rev, true)
	s.recent = append(s.recent, said{c.k, c.rev})
	if c.handle == "bob" && c.rev < 4 {
		s.chains = append(s.chains, c)
	}
	return nil
}

// ended is called when a server is gone.
func (s *posting) ended() error { return s.sink.drain(10 * time.Second) }

// finish looks at everything once more, and that a server that ended in good order repeats nothing.
func (s *posting) finish(_ context.Context, p *kill.Process, life int) error {
	time.Sleep(300 * time.Millisecond)
	s.ledger.Lost()
	if n := s.ledger.RepeatsOf(life - 1); n > 0 {
		s.ledger.Fault("repeats: %d after a server had ended in good order", n)
	}
	return nil
}

func (s *posting) verdict() (kill.Faults, []fact) {
	wrong, t := s.ledger.Verdict()
	return wrong, []fact{
		{"said", t.Said, "revisions of posts that were committed"},
		{"unsaid", t.Unsaid, "rolled back, or killed before their commit"},
		{"arrived", t.Arrived, "posts that the sink took"},
		{"refused", int(s.sink.refused.Load()), "posts that it answered 500 or 503, to be tried again"},
		{"repeated", t.Repeated, "of them had come before"},
		{"most_repeated", t.MostRepeated, fmt.Sprintf("after one kill; %d are allowed", s.ledger.Bound())},
	}
}

func (s *posting) close() { s.sink.close() }
