package storage_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fedihook/fedihook/outbox"
)

// brokenLog does what its funcs do, where they are set.
type brokenLog struct {
	outbox.Log
	add    func(ctx context.Context, r outbox.Record) error
	save   func(ctx context.Context, r outbox.Record) error
	remove func(ctx context.Context, ids []string) (bool, error)
	record func(ctx context.Context, id string) (outbox.Record, error)
	object func(ctx context.Context, id string, limit int) ([]outbox.Record, error)
	due    func(ctx context.Context, now time.Time, limit int) ([]outbox.Record, error)
	public func(ctx context.Context, actor string, before int64, limit int) ([]outbox.Record, int64, error)
	past   func(ctx context.Context, now time.Time, limit int) ([]outbox.Record, error)
	forget func(ctx context.Context, ids []string, now time.Time) error
}

func (b *brokenLog) AddRecord(ctx context.Context, r outbox.Record) error {
	if b.add != nil {
		return b.add(ctx, r)
	}
	return b.Log.AddRecord(ctx, r)
}

func (b *brokenLog) SaveRecord(ctx context.Context, r outbox.Record) error {
	if b.save != nil {
		return b.save(ctx, r)
	}
	return b.Log.SaveRecord(ctx, r)
}

func (b *brokenLog) RemoveRecords(ctx context.Context, ids []string) (bool, error) {
	if b.remove != nil {
		return b.remove(ctx, ids)
	}
	return b.Log.RemoveRecords(ctx, ids)
}

func (b *brokenLog) Record(ctx context.Context, id string) (outbox.Record, error) {
	if b.record != nil {
		return b.record(ctx, id)
	}
	return b.Log.Record(ctx, id)
}

func (b *brokenLog) ObjectRecords(ctx context.Context, id string, limit int) ([]outbox.Record, error) {
	if b.object != nil {
		return b.object(ctx, id, limit)
	}
	return b.Log.ObjectRecords(ctx, id, limit)
}

func (b *brokenLog) DueRecords(ctx context.Context, now time.Time, limit int) ([]outbox.Record, error) {
	if b.due != nil {
		return b.due(ctx, now, limit)
	}
	return b.Log.DueRecords(ctx, now, limit)
}

func (b *brokenLog) PublicRecords(ctx context.Context, actor string, before int64, limit int) ([]outbox.Record, int64, error) {
	if b.public != nil {
		return b.public(ctx, actor, before, limit)
	}
	return b.Log.PublicRecords(ctx, actor, before, limit)
}

func (b *brokenLog) PastRecords(ctx context.Context, now time.Time, limit int) ([]outbox.Record, error) {
	if b.past != nil {
		return b.past(ctx, now, limit)
	}
	return b.Log.PastRecords(ctx, now, limit)
}

func (b *brokenLog) ForgetRecords(ctx context.Context, ids []string, now time.Time) error {
	if b.forget != nil {
		return b.forget(ctx, ids, now)
	}
	return b.Log.ForgetRecords(ctx, ids, now)
}

var brokenLogs = []struct {
	check string
	fault func(l outbox.Log) outbox.Log
}{
	{"a record comes back as it was added", func(l outbox.Log) outbox.Log {
		return &brokenLog{Log: l, add: func(ctx context.Context, r outbox.Record) error {
			r.Targets = slices.DeleteFunc(slices.Clone(r.Targets), func(t outbox.Target) bool { return t.Inbox == "" })
			return l.AddRecord(ctx, r)
		}}
	}},
	{"ids may be long", func(l outbox.Log) outbox.Log {
		return &brokenLog{Log: l, add: func(ctx context.Context, r outbox.Record) error {
			if len(r.ID) > 2704 {
				return errors.New("index row size exceeds the maximum")
			}
			return l.AddRecord(ctx, r)
		}}
	}},
	{"a record comes back as it was added", func(l outbox.Log) outbox.Log {
		return &brokenLog{Log: l, add: func(ctx context.Context, r outbox.Record) error { r.Trace = ""; return l.AddRecord(ctx, r) }}
	}},
	{"a record of the same id is left as it is", func(l outbox.Log) outbox.Log {
		return &brokenLog{Log: l, add: func(ctx context.Context, r outbox.Record) error {
			return errors.Join(l.AddRecord(ctx, r), l.SaveRecord(ctx, r))
		}}
	}},
	{"of ten simultaneous records of an id one is kept", func(l outbox.Log) outbox.Log {
		var ids sync.Map
		return &brokenLog{Log: l, add: func(ctx context.Context, r outbox.Record) error {
			if _, known := ids.Load(r.ID); known {
				return nil
			}
			time.Sleep(10 * time.Millisecond)
			ids.Store(r.ID, true)
			if r.Attempts > 0 {
				r.ID += strings.Repeat("x", r.Attempts)
			}
			return l.AddRecord(ctx, r)
		}}
	}},
	{"saving replaces all but Seq, ID, Author, At and Trace", func(l outbox.Log) outbox.Log {
		return &brokenLog{Log: l, save: func(ctx context.Context, r outbox.Record) error {
			if r.LastError == "" { // an empty value is taken for none
				old, err := l.Record(ctx, r.ID)
				if err != nil {
					return err
				}
				r.LastError = old.LastError
			}
			return l.SaveRecord(ctx, r)
		}}
	}},
	{"who saves what somebody else has saved since is told so", func(l outbox.Log) outbox.Log {
		return &brokenLog{Log: l, save: func(ctx context.Context, r outbox.Record) error { // the last one wins
			old, err := l.Record(ctx, r.ID)
			if err != nil {
				return err
			}
			r.Version = old.Version
			return l.SaveRecord(ctx, r)
		}}
	}},
	{"records are removed all together, and only before they were composed", func(l outbox.Log) outbox.Log {
		return &brokenLog{Log: l, remove: func(ctx context.Context, ids []string) (removed bool, err error) { // one by one
			for _, id := range ids {
				one, err := l.RemoveRecords(ctx, []string{id})
				if err != nil || !one {
					return false, err
				}
				removed = true
			}
			return removed, nil
		}}
	}},
	{"what was never added is unknown", func(l outbox.Log) outbox.Log {
		return &brokenLog{Log: l, save: func(ctx context.Context, r outbox.Record) error {
			return errors.Join(l.AddRecord(ctx, r), l.SaveRecord(ctx, r))
		}}
	}},
	{"what was never added is unknown", func(l outbox.Log) outbox.Log {
		return &brokenLog{Log: l, record: func(ctx context.Context, id string) (outbox.Record, error) {
			r, _ := l.Record(ctx, id)
			return r, nil
		}}
	}},
	{"the records about an object are listed, the oldest first", func(l outbox.Log) outbox.Log {
		return &brokenLog{Log: l, object: func(ctx context.Context, id string, limit int) ([]outbox.Record, error) {
			list, err := l.ObjectRecords(ctx, id, limit)
			slices.Reverse(list)
			return list, err
		}}
	}},
	{"pending records are due at their time, the oldest first", func(l outbox.Log) outbox.Log {
		return &brokenLog{Log: l, due: func(ctx context.Context, now time.Time, limit int) ([]outbox.Record, error) {
			return l.DueRecords(ctx, now.Add(time.Microsecond), limit)
		}}
	}},
	{"records about one object are due in order", func(l outbox.Log) outbox.Log {
		return &brokenLog{Log: l, due: func(ctx context.Context, now time.Time, limit int) ([]outbox.Record, error) {
			list, err := l.DueRecords(ctx, now, limit)
			seen := map[string]bool{} // those without an object hold each other back too
			return slices.DeleteFunc(list, func(r outbox.Record) bool {
				held := seen[r.Object]
				seen[r.Object] = true
				return held
			}), err
		}}
	}},
	{"records about one object are due in order", func(l outbox.Log) outbox.Log {
		return &brokenLog{Log: l, add: func(ctx context.Context, r outbox.Record) error {
			r.Object = ""
			return l.AddRecord(ctx, r)
		}}
	}},
	{"what is partly sent is due at its time, holds up nothing and waits for nothing", func(l outbox.Log) outbox.Log {
		return &brokenLog{Log: l, add: func(ctx context.Context, r outbox.Record) error {
			if r.State == outbox.Partly {
				r.State = outbox.Pending
			}
			return l.AddRecord(ctx, r)
		}}
	}},
	{"an actor's public posts are listed and counted, the newest first", func(l outbox.Log) outbox.Log {
		return &brokenLog{Log: l, public: func(ctx context.Context, actor string, before int64, limit int) ([]outbox.Record, int64, error) {
			list, _, err := l.PublicRecords(ctx, actor, before, limit)
			return list, int64(len(list)), err
		}}
	}},
	{"an actor's public posts are listed and counted, the newest first", func(l outbox.Log) outbox.Log {
		return &brokenLog{Log: l, public: func(ctx context.Context, actor string, before int64, limit int) ([]outbox.Record, int64, error) {
			return l.PublicRecords(ctx, actor, max(before-1, 0), limit)
		}}
	}},
	{"records that are past are listed and forgotten, and no others", func(l outbox.Log) outbox.Log {
		return &brokenLog{Log: l, forget: func(ctx context.Context, ids []string, now time.Time) error { // what is still to be delivered too
			for _, id := range ids {
				r, err := l.Record(ctx, id)
				if err != nil || r.Until.IsZero() || r.Until.After(now) {
					continue
				}
				r.State = outbox.Sent
				if err := l.SaveRecord(ctx, r); err != nil {
					return err
				}
			}
			return l.ForgetRecords(ctx, ids, now)
		}}
	}},
	{"records that are past are listed and forgotten, and no others", func(l outbox.Log) outbox.Log {
		return &brokenLog{Log: l, forget: func(ctx context.Context, ids []string, _ time.Time) error { // whatever is listed by now
			return l.ForgetRecords(ctx, ids, time.Now())
		}}
	}},
	{"records that are past are listed and forgotten, and no others", func(l outbox.Log) outbox.Log {
		return &brokenLog{Log: l, forget: func(context.Context, []string, time.Time) error { return nil }}
	}},
	{"records that are past are listed and forgotten, and no others", func(l outbox.Log) outbox.Log {
		return &brokenLog{Log: l, past: func(ctx context.Context, now time.Time, limit int) ([]outbox.Record, error) { // by Seq
			list, err := l.PastRecords(ctx, now, limit)
			slices.SortFunc(list, func(a, b outbox.Record) int { return int(a.Seq - b.Seq) })
			return list, err
		}}
	}},
	{"how long a record is kept is as it was saved last", func(l outbox.Log) outbox.Log {
		return &brokenLog{Log: l, save: func(ctx context.Context, r outbox.Record) error {
			old, err := l.Record(ctx, r.ID)
			if err != nil {
				return err
			}
			r.Until = old.Until
			return l.SaveRecord(ctx, r)
		}}
	}},
	{"what is given and returned is the caller's", func(l outbox.Log) outbox.Log {
		var to sync.Map
		return &brokenLog{Log: l,
			add: func(ctx context.Context, r outbox.Record) error {
				to.Store(r.ID, r.To)
				return l.AddRecord(ctx, r)
			},
			record: func(ctx context.Context, id string) (outbox.Record, error) {
				r, err := l.Record(ctx, id)
				if first, ok := to.Load(id); ok {
					r.To = first.([]string)
				}
				return r, err
			}}
	}},
}

// brokenIntent does what its funcs do, where they are set.
type brokenIntent struct {
	outbox.Intents
	add  func(ctx context.Context, tx outbox.Execer, in outbox.Intent) error
	next func(ctx context.Context, limit int) ([]outbox.Intent, error)
	drop func(ctx context.Context, seq int64) error
}

func (b *brokenIntent) AddIntent(ctx context.Context, tx outbox.Execer, in outbox.Intent) error {
	if b.add != nil {
		return b.add(ctx, tx, in)
	}
	return b.Intents.AddIntent(ctx, tx, in)
}

func (b *brokenIntent) NextIntents(ctx context.Context, limit int) ([]outbox.Intent, error) {
	if b.next != nil {
		return b.next(ctx, limit)
	}
	return b.Intents.NextIntents(ctx, limit)
}

func (b *brokenIntent) DropIntents(ctx context.Context, seq int64) error {
	if b.drop != nil {
		return b.drop(ctx, seq)
	}
	return b.Intents.DropIntents(ctx, seq)
}

// nextFault changes what NextIntents returns.
func nextFault(change func(list []outbox.Intent) []outbox.Intent) func(s outbox.Intents) outbox.Intents {
	return func(s outbox.Intents) outbox.Intents {
		return &brokenIntent{Intents: s, next: func(ctx context.Context, limit int) ([]outbox.Intent, error) {
			list, err := s.NextIntents(ctx, limit)
			return change(list), err
		}}
	}
}

var brokenIntents = []struct {
	check string
	joins bool // the store under it is in SQLite
	fault func(s outbox.Intents) outbox.Intents
}{
	{"an intent comes back as it was added", false, nextFault(func(list []outbox.Intent) []outbox.Intent {
		for i := range list {
			list[i].Author = strings.TrimSpace(strings.ToValidUTF8(strings.ReplaceAll(list[i].Author, "\x00", ""), ""))
		}
		return list
	})},
	{"an intent comes back as it was added", false, nextFault(func(list []outbox.Intent) []outbox.Intent {
		list[0].Trace = ""
		return list
	})},
	{"the oldest come first, up to the limit, until they are dropped", false, nextFault(func(list []outbox.Intent) []outbox.Intent {
		slices.Reverse(list)
		return list
	})},
	{"the oldest come first, up to the limit, until they are dropped", false, func(s outbox.Intents) outbox.Intents {
		return &brokenIntent{Intents: s, drop: func(ctx context.Context, seq int64) error { return s.DropIntents(ctx, seq-1) }}
	}},
	{"a number is never given again", false, nextFault(func(list []outbox.Intent) []outbox.Intent {
		for i := range list {
			list[i].Seq = int64(i) + 1
		}
		return list
	})},
	{"simultaneous intents are all kept", false, func(s outbox.Intents) outbox.Intents {
		var n atomic.Int64
		return &brokenIntent{Intents: s, add: func(ctx context.Context, tx outbox.Execer, in outbox.Intent) error {
			if n.Add(1) == 13 {
				return nil
			}
			return s.AddIntent(ctx, tx, in)
		}}
	}},
	{"what is given and returned is the caller's", false, func(s outbox.Intents) outbox.Intents {
		var kept atomic.Value
		return &brokenIntent{Intents: s,
			add: func(ctx context.Context, tx outbox.Execer, in outbox.Intent) error {
				kept.Store(in.Activity)
				return s.AddIntent(ctx, tx, in)
			},
			next: func(ctx context.Context, limit int) ([]outbox.Intent, error) {
				list, err := s.NextIntents(ctx, limit)
				for i := range list {
					list[i].Activity = kept.Load().([]byte)
				}
				return list, err
			}}
	}},
	{"a store that can't join a transaction says so", false, func(s outbox.Intents) outbox.Intents {
		return &brokenIntent{Intents: s, add: func(ctx context.Context, _ outbox.Execer, in outbox.Intent) error {
			return s.AddIntent(ctx, nil, in)
		}}
	}},
	{"a transaction that rolls back leaves nothing", true, keepsAtOnce},
	{"an intent is seen when its transaction is committed, and not before", true, keepsAtOnce},
	{"nothing is missed while transactions come and go", true, func(s outbox.Intents) outbox.Intents {
		// It drops up to what was added last, seen or not.
		return &brokenIntent{Intents: s, drop: func(ctx context.Context, seq int64) error { return s.DropIntents(ctx, seq+1) }}
	}},
}

// keepsAtOnce remembers what is added in a transaction without waiting for its commit.
func keepsAtOnce(s outbox.Intents) outbox.Intents {
	var mu sync.Mutex
	var early []outbox.Intent
	return &brokenIntent{Intents: s,
		add: func(ctx context.Context, tx outbox.Execer, in outbox.Intent) error {
			if tx != nil {
				mu.Lock()
				early = append(early, in)
				mu.Unlock()
			}
			return s.AddIntent(ctx, tx, in)
		},
		next: func(ctx context.Context, limit int) ([]outbox.Intent, error) {
			list, err := s.NextIntents(ctx, limit)
			mu.Lock()
			defer mu.Unlock()
			if len(list) == 0 {
				list = slices.Clone(early)
			}
			return list, err
		}}
}
