package inbox

import (
	"context"
	"net/http"
	"time"
)

// Observer is told what happens, for metrics and traces. Its methods are called by many goroutines at once and must
// return at once; they must not call the Inbox. Nothing that it is told has the address of a client or a body.
type Observer interface {
	// Receiving is called as a request to an inbox comes. It returns ctx, or one made of it, under which the request is judged,
	// and what to call with what was answered.
	Receiving(ctx context.Context) (context.Context, func(Received))
	// Trace names the trace that ctx is in, as a W3C traceparent, "" if there is none. It is kept with what comes in under ctx, if
	// it has no more than 55 bytes.
	Trace(ctx context.Context) string
	// Kept is called after the journal was asked to keep an activity: seen says that it had it before.
	Kept(typ string, seen bool)
	// Working is called as an entry is about to run, or several that one hook takes at once. It returns ctx, or one made of it,
	// under which hooks are called, and what to call with what became of each, in the order of entries; what will run again
	// because Run ends is told as Again.
	Working(ctx context.Context, entries []Working) (context.Context, func([]Worked))
	// Measured is called about every ten seconds by the one process that counts, if the journal is a [Counter], and when that has
	// ceased to, with zero.
	Measured(Backlog)
}

// Received tells of a request that was answered.
type Received struct {
	Status   int
	Activity string // its id, as it was claimed; "" where nothing was refused
	Err      error  // nil for 202
	Took     time.Duration
}

// Working tells of an entry that is about to run.
type Working struct {
	Activity, Type, Sender string
	Trace                  string    // see [Observer.Trace]
	Received               time.Time // when it came
	Attempts               int       // this one counted
}

// Worked tells what became of one.
type Worked struct {
	State State
	Err   error // of its hook: with Done one that wraps ErrDrop, ErrRefuse or ErrPending
	Took  time.Duration
}

// Counter is what a [Journal] may be, too. Its method may be called by many goroutines at once.
type Counter interface {
	// Backlog counts what the journal holds. It takes no lock that Append waits for.
	Backlog(ctx context.Context) (Backlog, error)
}

// Backlog is how much a journal holds.
type Backlog struct {
	Unfinished int
	Oldest     time.Time // when the unfinished entry of the lowest Seq was received; zero if there is none
	Held, Dead int       // on these shelves
}

// maxTrace is how many bytes a W3C traceparent has.
const maxTrace = 55

// trace names the trace of ctx, if anyone is told of it.
func (in *Inbox) trace(ctx context.Context) string {
	if in.Observer == nil {
		return ""
	}
	if trace := in.Observer.Trace(ctx); len(trace) <= maxTrace {
		return trace
	}
	return ""
}

func (in *Inbox) serve(w http.ResponseWriter, r *http.Request, owner string) {
	if in.Observer == nil {
		in.answer(w, r, owner)
		return
	}
	began := time.Now()
	ctx, tell := in.Observer.Receiving(r.Context())
	told := Received{Status: http.StatusAccepted}
	if refusal := in.answer(w, r.WithContext(ctx), owner); refusal != nil {
		told = Received{Status: refusal.Status, Activity: refusal.Activity, Err: refusal.Err}
	}
	told.Took = time.Since(began)
	tell(told)
}

// perform is job, of which the Observer is told if there is one.
func (in *Inbox) perform(ctx context.Context, entries []task) (out []Outcome) {
	if in.Observer != nil {
		return in.watched(ctx, entries)
	}
	out, _ = in.job(ctx, entries)
	return out
}

// watched is job, of which the Observer is told.
func (in *Inbox) watched(ctx context.Context, entries []task) []Outcome {
	began := time.Now()
	about := make([]Working, len(entries))
	for i := range entries {
		e := &entries[i]
		about[i] = Working{Sender: e.Sender, Received: e.Received, Attempts: e.Attempts + 1}
		if a, err := e.activity(); err == nil { // else the hook's turn tells
			e.a, about[i].Activity, about[i].Type = a, a.ID, a.Type.String()
		}
		if n, err := readNotes(e.Notes); err == nil {
			about[i].Trace = n.Trace
		}
	}
	ctx, done := in.Observer.Working(ctx, about)
	outcomes, errs := in.job(ctx, entries)
	worked := make([]Worked, len(entries))
	took := time.Since(began)
	for i := range worked {
		worked[i] = Worked{State: Again, Err: errs[i], Took: took}
	}
	for _, out := range outcomes {
		for i, e := range entries {
			if e.Seq == out.Seq {
				worked[i].State = out.State
			}
		}
	}
	done(worked)
	return outcomes
}

// countEvery is how often the journal is counted, in ticks of pollEvery.
const countEvery = 10

// measure is called with each tick. Of all who work the journal the one who has the first shard tells how much it holds.
func (s *shift) measure(ctx context.Context) {
	c, ok := s.in.Journal.(Counter)
	if s.in.Observer == nil || !ok {
		return
	}
	if !s.turf.Shards.Has(0) {
		s.ceaseToMeasure()
		return
	}
	if s.ticks++; s.ticks%countEvery != 1 {
		return
	}
	b, err := c.Backlog(ctx)
	if err != nil {
		if ctx.Err() == nil {
			s.in.Logger.WarnContext(ctx, "inbox: can't count the journal", "error", err)
		}
		return
	}
	s.in.Observer.Measured(b)
}

// ceaseToMeasure tells that somebody else counts from now on.
func (s *shift) ceaseToMeasure() {
	if s.ticks > 0 {
		s.in.Observer.Measured(Backlog{})
		s.ticks = 0
	}
}
