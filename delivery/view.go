package delivery

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"
)

// Lane tells what waits for one host and why.
type Lane struct {
	HostState            // what is remembered of its failures; Origin names it
	State      LaneState // what it does now
	Pending    int       // targets that wait, those being posted included
	Deferred   int       // of them, put off until their own time
	Parked     int       // of them, in the store alone; as far as this process knows
	Sending    int       // posts under way, as far as this process knows
	Window     int       // posts that may be under way
	Latency    time.Duration
	Oldest     time.Time // when the oldest of them was enqueued; zero if none waits
	NextPosted time.Time // when something is to be posted; zero: now, or never
}

// LaneState tells why a lane does what it does.
type LaneState string

const (
	LaneFlows   LaneState = "flows"   // it posts what there is
	LaneWaits   LaneState = "waits"   // all that there is was put off
	LaneFails   LaneState = "fails"   // it is left alone after failures, until NextPosted
	LaneAsked   LaneState = "asked"   // it is left alone because the host asked for it
	LaneRefuses LaneState = "refuses" // it is left alone because it refuses all that we post
	LaneDead    LaneState = "dead"    // it was given up and is tried now and then
	LaneHeld    LaneState = "held"    // by Pause
)

// Status tells how far the activity with this ID is. It wraps ErrUnknown if the ID was
// never enqueued, or was settled more than seven days ago. What was settled in the last
// tenth of a second may still count as pending.
func (q *Queue) Status(ctx context.Context, id string) (Status, error) {
	s, err := q.Store.Status(ctx, id)
	if err != nil {
		return Status{}, fmt.Errorf("delivery: status of %.200s: %w", id, err)
	}
	return s, nil
}

// Waiting tells what one target of an activity waits for.
type Waiting struct {
	Inbox    string
	State    LaneState
	Next     time.Time // zero: now, or when the lane goes on
	Attempts int       // that this inbox refused
	Status   int       // of the last answer
	Err      string    // the last error: of the target itself, or of its host
}

// Waiting tells, target by target, what the activity with this ID still waits for and why. It reads the
// Store; what was settled in the last tenth of a second may still be in it.
func (q *Queue) Waiting(ctx context.Context, id string) iter.Seq2[Waiting, error] {
	return func(yield func(Waiting, error) bool) {
		if err := q.waiting(ctx, id, yield); err != nil {
			yield(Waiting{}, fmt.Errorf("delivery: what %.200s waits for: %w", id, err))
		}
	}
}

func (q *Queue) waiting(ctx context.Context, id string, yield func(Waiting, error) bool) error {
	s, err := q.Store.Status(ctx, id)
	if err != nil || s.Pending == 0 {
		return err
	}
	page, err := q.Store.Load(ctx, Query{After: s.Seq - 1, Limit: 1})
	if err != nil || len(page.Records) == 0 || page.Records[0].Seq != s.Seq {
		return err
	}
	p := page.Records[0]
	hosts := make(map[string]HostState)
	for h, err := range q.hosts(ctx) {
		if err != nil {
			return err
		}
		hosts[h.Origin] = h
	}
	now := time.Now()
	for ids := range slices.Chunk(p.Targets, 1000) {
		urls, err := q.Store.URLs(ctx, ids)
		if err != nil {
			return err
		}
		for i, id := range ids {
			origin, _, _ := originOf(urls[i])
			h := hosts[origin]
			t := Waiting{Inbox: urls[i], State: h.state(q.Policy, now), Status: h.Status, Err: h.Err}
			if h.Next.After(now) {
				t.Next = h.Next
			}
			for _, d := range p.Deferred {
				if d.Inbox == id {
					t.Attempts, t.Next, t.Status, t.Err = d.Attempts, d.Next, d.Status, d.Err
					if t.State == LaneFlows {
						t.State = LaneWaits
					}
				}
			}
			if p.NotBefore.After(t.Next) && p.NotBefore.After(now) {
				t.Next = p.NotBefore
			}
			if !yield(t, nil) {
				return nil
			}
		}
	}
	return nil
}

// state tells what a host's lane does, as far as that is stored.
func (h *HostState) state(p Policy, now time.Time) LaneState {
	switch {
	case h.Held:
		return LaneHeld
	case !h.Since.IsZero() && now.Sub(h.Since) >= p.GiveUp:
		return LaneDead
	case h.Failures > 0 && h.Asked:
		return LaneAsked
	case h.Failures > 0:
		return LaneFails
	case h.Refusals >= p.RefusedAfter:
		return LaneRefuses
	}
	return LaneFlows
}

// Host tells what waits for one host, an authority as in URLs, and why. It wraps ErrUnknown if nothing is
// known of it.
func (q *Queue) Host(ctx context.Context, host string) (Lane, error) {
	for l, err := range q.Lanes(ctx) {
		if err != nil {
			return Lane{}, err
		}
		scheme, authority, _ := strings.Cut(l.Origin, "://")
		if want, ok := normalAuthority(scheme, host); ok && authority == want {
			return l, nil
		}
	}
	return Lane{}, fmt.Errorf("delivery: host %.200s: %w", host, ErrUnknown)
}

// Lanes lists the hosts for which something waits, or which fail: those first whose oldest activity has waited
// longest, those for which nothing waits last, by origin. Of the hosts to which this process delivers
// it tells what is in memory; for others it reads all that waits from the Store. The
// loop's body may call any method of q.
func (q *Queue) Lanes(ctx context.Context) iter.Seq2[Lane, error] {
	return func(yield func(Lane, error) bool) {
		var lanes []Lane
		var err error
		ours := Shards(0)
		if w := q.running(); w != nil {
			w.mu.Lock()
			if w.held && !w.more && !w.loading {
				ours = w.reading()
				lanes = slices.DeleteFunc(w.view(), func(l Lane) bool { return !ours.Has(shardOf(authorityOf(l.Origin))) })
			}
			w.mu.Unlock()
		}
		if ours != AllShards {
			var others []Lane
			others, err = q.stored(ctx)
			lanes = append(lanes, slices.DeleteFunc(others, func(l Lane) bool { return ours.Has(shardOf(authorityOf(l.Origin))) })...)
		}
		if err != nil {
			yield(Lane{}, fmt.Errorf("delivery: lanes: %w", err))
			return
		}
		slices.SortFunc(lanes, func(a, b Lane) int {
			if a.Oldest.IsZero() != b.Oldest.IsZero() {
				return cmp.Compare(b.Oldest.Unix(), a.Oldest.Unix())
			}
			return cmp.Or(a.Oldest.Compare(b.Oldest), strings.Compare(a.Origin, b.Origin))
		})
		for _, l := range lanes {
			if !yield(l, nil) {
				return
			}
		}
	}
}

// view copies what the worker knows.
func (w *worker) view() []Lane {
	w.now = time.Now()
	lanes := make([]Lane, 0, len(w.lanes))
	for _, l := range w.lanes {
		if l.spare() {
			continue
		}
		view := Lane{
			HostState: l.HostState, State: l.HostState.state(w.q.Policy, w.now), Parked: l.behind, Pending: l.behind,
			Sending: len(l.flying), Window: l.limit(), Latency: l.latency,
		}
		see := func(e entry) bool {
			if e.rec.over(w.now) {
				return false
			}
			view.Pending++
			view.older(e.rec.Created)
			return true
		}
		for _, e := range l.line.all() {
			see(e)
		}
		for _, f := range l.flying {
			see(f.entry)
		}
		for _, r := range l.resting {
			if see(r.entry) {
				view.Deferred++
			}
		}
		if view.Pending == 0 && l.nothing() {
			continue
		}
		if view.State == LaneFlows && view.Deferred > 0 && view.Deferred == view.Pending {
			view.State = LaneWaits
		}
		view.NextPosted = l.due
		lanes = append(lanes, view)
	}
	return lanes
}

func (l *Lane) older(t time.Time) {
	if l.Oldest.IsZero() || t.Before(l.Oldest) {
		l.Oldest = t
	}
}

// hosts lists what the store remembers of hosts.
func (q *Queue) hosts(ctx context.Context) iter.Seq2[HostState, error] {
	return func(yield func(HostState, error) bool) {
		for after := ""; ; {
			page, err := q.Store.Hosts(ctx, after, 1000)
			if err != nil {
				yield(HostState{}, err)
				return
			}
			if len(page) == 0 {
				return
			}
			for _, h := range page {
				if !yield(h, nil) {
					return
				}
				after = h.Origin
			}
		}
	}
}

// stored puts the lanes together from the store.
func (q *Queue) stored(ctx context.Context) ([]Lane, error) {
	lanes := make(map[string]*Lane)
	now := time.Now()
	for h, err := range q.hosts(ctx) {
		if err != nil {
			return nil, err
		}
		lanes[h.Origin] = &Lane{HostState: h}
	}
	of := make(map[int64]*Lane) // by inbox
	for query, more := (Query{Limit: pageSize}), true; more; {
		page, err := q.Store.Load(ctx, query)
		if err != nil {
			return nil, err
		}
		query.After, more = page.Through, page.More
		for _, p := range page.Records {
			if err := q.origins(ctx, p.Targets, of, lanes); err != nil {
				return nil, err
			}
			later := make(map[int64]bool)
			for _, d := range p.Deferred {
				later[d.Inbox] = d.Next.After(now)
			}
			for _, id := range p.Targets {
				l := of[id]
				l.Pending++
				if later[id] || p.NotBefore.After(now) {
					l.Deferred++
				}
				l.older(p.Created)
			}
		}
	}
	out := make([]Lane, 0, len(lanes))
	for _, l := range lanes {
		l.State = l.HostState.state(q.Policy, now)
		if l.Next.After(now) {
			l.NextPosted = l.Next
		}
		if l.State == LaneFlows && l.Deferred > 0 && l.Deferred == l.Pending {
			l.State = LaneWaits
		}
		out = append(out, *l)
	}
	return out, nil
}

// origins finds the lanes of inboxes.
func (q *Queue) origins(ctx context.Context, ids []int64, of map[int64]*Lane, lanes map[string]*Lane) error {
	var unknown []int64
	for _, id := range ids {
		if of[id] == nil {
			unknown = append(unknown, id)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	urls, err := q.Store.URLs(ctx, unknown)
	if err != nil {
		return err
	}
	for i, id := range unknown {
		origin, _, _ := originOf(urls[i])
		if lanes[origin] == nil {
			lanes[origin] = &Lane{HostState: HostState{Origin: origin}}
		}
		of[id] = lanes[origin]
	}
	return nil
}

// DeadLetters lists the targets that were given up, oldest first. The loop's body may
// call any method of q.
func (q *Queue) DeadLetters(ctx context.Context) iter.Seq2[DeadLetter, error] {
	return func(yield func(DeadLetter, error) bool) {
		for after := int64(0); ; {
			page, err := q.Store.Dead(ctx, after, 500)
			if err != nil {
				yield(DeadLetter{}, fmt.Errorf("delivery: dead letters: %w", err))
				return
			}
			if len(page) == 0 {
				return
			}
			for _, d := range page {
				if !yield(d, nil) {
					return
				}
				after = d.ID
			}
		}
	}
}
