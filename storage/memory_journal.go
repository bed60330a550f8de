package storage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/fedihook/fedihook/inbox"
)

// deadLetters is how many dead letters of the inbox are kept, the newest.
const deadLetters = 10_000

// errState is returned for an outcome that no version of this library knows.
var errState = errors.New("unknown state")

// memoryJournal is an inbox.Journal.
type memoryJournal struct {
	mu      sync.Mutex
	seq     int64
	marks   map[inbox.Mark]mark
	entries []inbox.Entry // unfinished, by Seq
	dead    []inbox.Entry // by the time of death
	lease   lease
}

// mark is what is kept of a mark.
type mark struct {
	seq int64 // of its entry
	at  time.Time
}

// lease is who works a journal.
type lease struct {
	owner string
	epoch int64 // the highest that was ever given
	until time.Time
	held  bool // false after Release and in the beginning
}

// take is the rule of [inbox.Journal.Lease].
func (l *lease) take(owner string, now time.Time, ttl time.Duration) (epoch int64, ok bool) {
	renew := l.held && l.owner == owner
	if l.held && !renew && l.until.After(now) {
		return 0, false
	}
	if !renew {
		l.epoch++
	}
	l.owner, l.until, l.held = owner, now.Add(ttl), true
	return l.epoch, true
}

func (l *lease) current(epoch int64) bool { return l.held && l.epoch == epoch }

func (m *memoryJournal) Append(ctx context.Context, e inbox.Entry, max int) (seen bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, seen := m.marks[e.Mark]; seen {
		return true, nil
	}
	if max > 0 && len(m.entries) >= max {
		return false, inbox.ErrFull
	}
	m.seq++
	e = keptEntry(e)
	e.Seq = m.seq
	m.marks[e.Mark] = mark{seq: e.Seq, at: e.Received}
	m.entries = append(m.entries, e)
	return false, nil
}

func (m *memoryJournal) Lease(ctx context.Context, owner string, now time.Time, ttl time.Duration) (epoch int64, ok bool, err error) {
	if err := ctx.Err(); err != nil {
		return 0, false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	epoch, ok = m.lease.take(owner, now, ttl)
	return epoch, ok, nil
}

func (m *memoryJournal) Release(ctx context.Context, epoch int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.lease.current(epoch) {
		m.lease.held = false
	}
	return nil
}

func (m *memoryJournal) Due(ctx context.Context, epoch int64, now time.Time, limit int) ([]inbox.Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.lease.current(epoch) {
		return nil, inbox.ErrLeaseLost
	}
	now = kept(now)
	var due []inbox.Entry
	held := map[string]bool{} // keys that an older entry keeps waiting
	for _, e := range m.entries {
		if len(due) >= limit {
			break
		}
		first := e.Key == "" || !held[e.Key]
		held[e.Key] = true
		if first && !e.NotBefore.After(now) {
			due = append(due, keptEntry(e))
		}
	}
	return due, nil
}

func (m *memoryJournal) Finish(ctx context.Context, epoch int64, outcomes []inbox.Outcome) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.lease.current(epoch) {
		return inbox.ErrLeaseLost
	}
	if err := checkOutcomes(outcomes); err != nil {
		return err
	}
	finished := map[int64]bool{}
	for _, o := range outcomes {
		for _, mark := range o.Forget {
			delete(m.marks, mark)
		}
		i, ok := m.find(o.Seq)
		if !ok || finished[o.Seq] {
			continue
		}
		e := &m.entries[i]
		if o.State != inbox.Done {
			e.Attempts, e.LastError, e.NotBefore = o.Attempts, o.Err, kept(o.NotBefore)
		}
		if o.State == inbox.Dead {
			e.NotBefore = time.Time{}
			m.dead = append(m.dead, *e)
		}
		finished[o.Seq] = o.State != inbox.Again
	}
	m.entries = slices.DeleteFunc(m.entries, func(e inbox.Entry) bool { return finished[e.Seq] })
	if n := len(m.dead) - deadLetters; n > 0 {
		m.dead = slices.Delete(m.dead, 0, n)
	}
	return nil
}

// find returns the index of an unfinished entry.
func (m *memoryJournal) find(seq int64) (int, bool) {
	return slices.BinarySearchFunc(m.entries, seq, func(e inbox.Entry, seq int64) int { return cmp.Compare(e.Seq, seq) })
}

func checkOutcomes(outcomes []inbox.Outcome) error {
	for _, o := range outcomes {
		if o.State > inbox.Dead {
			return fmt.Errorf("storage: finish entry %d: state %d: %w", o.Seq, o.State, errState)
		}
	}
	return nil
}

func (m *memoryJournal) Dead(ctx context.Context, limit int) ([]inbox.Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []inbox.Entry
	for _, e := range slices.Backward(m.dead) {
		if len(list) >= limit {
			break
		}
		list = append(list, keptEntry(e))
	}
	return list, nil
}

func (m *memoryJournal) Forget(ctx context.Context, before time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	before = kept(before)
	for k, v := range m.marks {
		if _, unfinished := m.find(v.seq); !unfinished && v.at.Before(before) {
			delete(m.marks, k)
		}
	}
	return nil
}

// keptEntry shares nothing with e.
func keptEntry(e inbox.Entry) inbox.Entry {
	e.Body = slices.Clone(e.Body)
	e.Received, e.NotBefore = kept(e.Received), kept(e.NotBefore)
	return e
}
