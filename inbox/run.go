package inbox

import (
	"context"
	"errors"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	leaseTTL    = 30 * time.Second
	shareTTL    = 10 * time.Second // where others wait for what this process leaves
	pollEvery   = time.Second
	forgetEvery = time.Minute

	// Who waits longer for the journal asks anew: a connection may be dead without anybody having been told, and the lease is to be kept.
	askTime = 5 * time.Second

	// Who has looked so lately for what others have appended waits for more of it: busy nodes append many times in that.
	lookEvery = 50 * time.Millisecond

	// maxReady bounds the entries that wait in memory for a worker.
	maxReady = 512
)

// ErrRunning is returned by Run when it runs already.
var ErrRunning = errors.New("inbox: Run is running already")

// Run works the journal until ctx ends, and returns when its goroutines are gone. Where several processes run, each works
// a part if the journal is a [Sharing], else one of them works it at a time.
func (in *Inbox) Run(ctx context.Context) error {
	if !in.running.CompareAndSwap(false, true) {
		return ErrRunning
	}
	defer in.running.Store(false)
	var ears errgroup.Group
	defer ears.Wait() // nothing returns an error
	ears.Go(func() error { in.hear(ctx); return nil })
	for ctx.Err() == nil {
		now := time.Now()
		share, ok, err := in.lease(ctx, now)
		switch {
		case err != nil && ctx.Err() == nil:
			in.Logger.WarnContext(ctx, "inbox: no lease on the journal", "error", err)
		case ok:
			in.work(ctx, share, now)
			// What ran to its end was recorded; another process may go on at once.
			release, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			if err := in.Journal.Release(release, share.Epoch); err != nil {
				in.Logger.WarnContext(ctx, "inbox: lease not released", "error", err)
			}
			cancel()
		}
		sleep(ctx, pollEvery)
	}
	return nil
}

// hear looks at once for what other processes have appended, if the journal tells.
func (in *Inbox) hear(ctx context.Context) {
	h, ok := in.Journal.(Watcher)
	for ok && ctx.Err() == nil {
		if err := h.Watch(ctx, in.wake); err != nil && ctx.Err() == nil {
			in.Logger.WarnContext(ctx, "inbox: hears nothing of other processes, looks once a second", "error", err)
		}
		sleep(ctx, pollEvery)
	}
}

// shift is what one who has the lease has in hand.
type shift struct {
	in        *Inbox
	turf      turf
	ready     ready            // jobs that wait for a worker
	held      map[int64]int    // entries that are ready, run or are being recorded, and their shards
	look      bool             // something may be due that is not in hand
	looked    time.Time        // when it last did
	soon      <-chan time.Time // it is to look then, for others have appended something; nil: they have not
	found     int64            // the highest Seq that it has found when it looked: whatever is above can only have been offered
	workers   int              // that were started
	running   int              // jobs, those that are away too
	places    *places          // of the others
	jobs      chan []task      // that run
	outcomes  chan []Outcome   // of a job that ran
	batches   chan batch       // to be recorded, one at a time
	recorded  chan recorded    // what the journal has now
	pending   []Outcome        // what it has not yet
	recording bool
	ticks     int // of this shift, if it counts what the journal holds
}

// batch is what is to be recorded, under the lease of its time.
type batch struct {
	epoch    int64
	outcomes []Outcome
}

// recorded are outcomes that the journal has, unless it failed; more may be due since.
type recorded struct {
	outcomes []Outcome
	more     bool
}

// work runs due entries until ctx ends or the lease is lost.
func (in *Inbox) work(ctx context.Context, share Share, leased time.Time) {
	places := newPlaces(in.Workers)
	most := in.Workers + places.max
	s := &shift{
		in: in, turf: turf{Share: share, leased: leased, ttl: in.leaseTTL()}, held: make(map[int64]int), look: true,
		jobs: make(chan []task, most), outcomes: make(chan []Outcome, most), places: places,
		batches: make(chan batch, 1), recorded: make(chan recorded, 1),
	}
	in.leases.Add(1)         // what was kept before the lease began another process may have run
	for len(in.offers) > 0 { // of the last shift
		<-in.offers
	}
	in.taking.Store(true)
	defer in.taking.Store(false)
	defer s.ceaseToMeasure()
	var workers errgroup.Group
	workers.Go(func() error { s.recorder(ctx); return nil })
	defer s.finish(ctx, &workers)
	forget, ticks := time.NewTicker(forgetEvery), 0
	defer forget.Stop()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		if s.look && len(s.ready.jobs) <= in.Workers && s.ready.entries <= maxReady/2 {
			if err := s.fill(ctx); errors.Is(err, ErrLeaseLost) {
				return
			} else if err != nil && ctx.Err() == nil {
				in.Logger.WarnContext(ctx, "inbox: can't read the journal", "error", err)
			}
		}
		for len(s.ready.jobs) > 0 && s.running < most && s.turf.sure() && s.places.try() {
			s.run(ctx, &workers)
		}
		s.record()
		select {
		case <-ctx.Done():
			return
		case <-s.places.freed: // by one who is away
		case out := <-s.outcomes:
			s.running--
			s.pending = append(s.pending, out...)
		case done := <-s.recorded:
			s.recording = false
			for _, o := range done.outcomes {
				s.leave(o.Seq)
			}
			s.look = s.look || done.more
		case o := <-in.offers:
			s.take(o)
			for range len(in.offers) {
				s.take(<-in.offers)
			}
		case <-in.arrived:
			s.heard()
		case <-s.soon:
			s.look = true
		case <-poll.C:
			s.look = true
			if !s.renew(ctx) {
				return
			}
			s.measure(ctx)
		case <-forget.C:
			if !s.turf.Shards.Has(0) {
				continue // one of all does it
			}
			forgetting, cancel := context.WithTimeout(ctx, leaseTTL)
			err := in.Journal.Forget(forgetting, time.Now().Add(-in.Remember), in.MaxMarks)
			cancel()
			if err != nil {
				in.Logger.WarnContext(ctx, "inbox: old marks not forgotten", "error", err)
			}
			if ticks++; ticks%60 == 1 { // once an hour: nobody waits for room there
				in.forgetForwarded(ctx)
			}
		}
	}
}

// run gives the job whose turn it is to a worker, with the place that was taken for it. One that is there already has a stack of the size that hooks need.
func (s *shift) run(ctx context.Context, workers *errgroup.Group) {
	if s.running == s.workers {
		s.workers++
		ctx := context.WithValue(ctx, placed{}, s.places)
		workers.Go(func() error {
			for job := range s.jobs {
				out := s.in.perform(ctx, job)
				s.places.free()
				s.outcomes <- out
			}
			return nil
		})
	}
	s.running++
	s.jobs <- s.ready.first()
}

// fill takes in hand what is due.
func (s *shift) fill(ctx context.Context) error {
	asking, cancel := context.WithTimeout(ctx, askTime)
	entries, more, err := s.due(asking, maxReady/2)
	cancel()
	s.look, s.looked, s.soon = err == nil && more, time.Now(), nil
	for _, e := range entries {
		s.found = max(s.found, e.Seq)
		s.put(task{Entry: e})
	}
	return err
}

// heard has it look for what others have appended: at once if it has not looked for a while, else a little later for all that
// comes until then.
func (s *shift) heard() {
	switch wait := lookEvery - time.Since(s.looked); {
	case wait <= 0:
		s.look = true
	case s.soon == nil:
		s.soon = time.After(wait)
	}
}

// take takes in hand what was offered, if nothing can have taken it before.
func (s *shift) take(o offer) {
	switch _, held := s.held[o.Seq]; {
	case held, !o.ready, !s.turf.open().Has(o.Shard()): // who lets it run says so, and who has its shard finds it
	case o.Seq <= s.found, o.leases != s.in.leases.Load(), !s.turf.sure():
		s.look = true
	default:
		s.put(o.task)
	}
}

func (s *shift) put(t task) {
	shard := t.Shard()
	s.held[t.Seq] = shard
	s.turf.busy[shard]++
	_, group := s.in.Hooks.many(t)
	for _, last := range s.ready.put(t, group) {
		s.leave(last.Seq)
		s.look = true
	}
}

// leave lets an entry go: it is recorded, or will be looked for again.
func (s *shift) leave(seq int64) {
	if shard, held := s.held[seq]; held {
		s.turf.busy[shard]--
		delete(s.held, seq)
	}
}

// record hands what ran to the journal, all that there is at once: a commit costs more than an entry.
func (s *shift) record() {
	for len(s.outcomes) > 0 {
		s.running--
		s.pending = append(s.pending, <-s.outcomes...)
	}
	if s.recording || len(s.pending) == 0 {
		return
	}
	s.batches <- batch{s.turf.Epoch, s.pending}
	s.pending, s.recording = nil, true
}

// recorder records what it is handed. Unless somebody waits for it, it lets all others go on before it says that it is ready
// for more, which is more then.
func (s *shift) recorder(ctx context.Context) {
	for b := range s.batches {
		more := s.in.finish(ctx, b.epoch, b.outcomes)
		if !more {
			runtime.Gosched()
		}
		s.recorded <- recorded{b.outcomes, more}
	}
}

// finish waits for what runs and records it. The lease is kept meanwhile, if it is not lost.
func (s *shift) finish(ctx context.Context, workers *errgroup.Group) {
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for s.running > 0 || s.recording {
		select {
		case <-poll.C:
			s.renew(context.WithoutCancel(ctx))
		case out := <-s.outcomes:
			s.running--
			s.pending = append(s.pending, out...)
		case <-s.recorded:
			s.recording = false
		}
	}
	close(s.jobs)
	close(s.batches)
	_ = workers.Wait() // nothing returns an error
	if len(s.pending) > 0 {
		s.in.finish(ctx, s.turf.Epoch, s.pending)
	}
}

// finish records outcomes even while stopping, so that nothing runs twice.
func (in *Inbox) finish(ctx context.Context, epoch int64, outcomes []Outcome) (more bool) {
	record, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	more, err := in.Journal.Finish(record, epoch, outcomes)
	if err != nil {
		in.Logger.WarnContext(ctx, "inbox: outcomes not recorded, they will run again", "entries", len(outcomes), "error", err)
	}
	return more || err != nil
}

// job runs an entry, or several that one hook takes at once, and tells what became of them, and the error of each.
func (in *Inbox) job(ctx context.Context, entries []task) (out []Outcome, errs []error) {
	if hook, _ := in.Hooks.many(entries[0]); hook != nil {
		errs = in.runMany(ctx, entries)
	} else {
		m, err := in.message(ctx, entries[0])
		if err == nil {
			err = in.apply(ctx, m)
		}
		errs = []error{err}
	}
	for i, e := range entries {
		if ctx.Err() != nil && errs[i] != nil {
			continue // stopped, not failed: it runs again at the next start
		}
		out = append(out, in.outcome(ctx, e.Entry, errs[i]))
	}
	return out, errs
}

func (in *Inbox) outcome(ctx context.Context, e Entry, err error) Outcome {
	out := Outcome{Seq: e.Seq, State: Done, Attempts: e.Attempts + 1}
	if err == nil || errors.Is(err, errMoved) {
		return out
	}
	switch now := time.Now(); {
	case errors.Is(err, errReview):
		out.State, out.Err = Review, err.Error()
		in.Logger.InfoContext(ctx, "inbox: held for review", "actor", e.Sender, "entry", e.Seq, "error", err)
	case errors.Is(err, errSynchronised):
	case errors.Is(err, ErrDrop), errors.Is(err, ErrRefuse), errors.Is(err, ErrPending):
		in.Logger.InfoContext(ctx, "inbox: dropped", "actor", e.Sender, "entry", e.Seq, "error", err)
	case now.Sub(e.since()) > in.GiveUp:
		out.State, out.Err = Dead, err.Error()
		in.Logger.ErrorContext(ctx, "inbox: given up", "actor", e.Sender, "entry", e.Seq, "attempts", out.Attempts, "error", err)
	case errors.Is(err, ErrAway):
		out.State, out.Err, out.Attempts, out.NotBefore = Again, err.Error(), e.Attempts, now.Add(awayWait)
		in.Logger.DebugContext(ctx, "inbox: put off", "actor", e.Sender, "entry", e.Seq, "error", err)
	default:
		out.State, out.Err = Again, err.Error()
		out.NotBefore = now.Add(in.Backoff(out.Attempts))
		in.Logger.WarnContext(ctx, "inbox: will try again", "actor", e.Sender, "entry", e.Seq, "at", out.NotBefore, "error", err)
	}
	return out
}

// since is when e began to be tried: at its arrival, or when it came back from a shelf.
func (e Entry) since() time.Time {
	if n, err := readNotes(e.Notes); err == nil && !n.Since.IsZero() {
		return n.Since
	}
	return e.Received
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
