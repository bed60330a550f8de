package storage

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/fedihook/fedihook/outbox"
)

// memoryLog is an outbox.Log.
type memoryLog struct {
	intents *memoryIntents // which of them are dropped

	mu      sync.Mutex
	leases  leases
	seq     int64
	records map[string]*outbox.Record
	list    []*outbox.Record // by Seq
}

func (m *memoryLog) AddRecord(ctx context.Context, r outbox.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.records[r.ID] != nil || m.intents.isDropped(r.Intent) {
		return nil
	}
	m.seq++
	r = keptRecord(r)
	r.Seq, r.Intent, r.Version = m.seq, 0, 0
	m.records[r.ID] = &r
	m.list = append(m.list, &r)
	return nil
}

func (m *memoryLog) SaveRecord(ctx context.Context, r outbox.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	old := m.records[r.ID]
	if old == nil {
		return fmt.Errorf("storage: save the record of %s: %w", r.ID, outbox.ErrUnknown)
	}
	if old.Version != r.Version {
		return fmt.Errorf("storage: save the record of %s: %w", r.ID, outbox.ErrStale)
	}
	r = keptRecord(r)
	r.Seq, r.Author, r.At, r.Trace, r.Intent, r.Version = old.Seq, old.Author, old.At, old.Trace, 0, old.Version+1
	*old = r
	return nil
}

func (m *memoryLog) RemoveRecords(ctx context.Context, ids []string) (removed bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range ids {
		if r := m.records[id]; r == nil || r.State != outbox.Pending || r.Actor != "" {
			return false, nil
		}
	}
	for _, id := range ids {
		delete(m.records, id)
	}
	m.list = slices.DeleteFunc(m.list, func(r *outbox.Record) bool { return m.records[r.ID] != r })
	return len(ids) > 0, nil
}

func (m *memoryLog) Record(ctx context.Context, id string) (outbox.Record, error) {
	if err := ctx.Err(); err != nil {
		return outbox.Record{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.records[id]
	if r == nil {
		return outbox.Record{}, fmt.Errorf("storage: record of %s: %w", id, outbox.ErrUnknown)
	}
	return keptRecord(*r), nil
}

func (m *memoryLog) ObjectRecords(ctx context.Context, id string, limit int) ([]outbox.Record, error) {
	return m.collect(ctx, limit, func(r *outbox.Record) bool { return r.Object == id })
}

func (m *memoryLog) Share(ctx context.Context, owner string, now time.Time, ttl time.Duration) (outbox.Shards, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	mine := m.leases.take(owner, kept(now), ttl)
	left := mine.Shards &^ mine.Shards.First(mine.Spare)
	m.leases.current(mine.Epoch).shards = left
	return outbox.Shards(left), nil
}

func (m *memoryLog) Unshare(ctx context.Context, owner string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leases.list = slices.DeleteFunc(m.leases.list, func(l *lease) bool { return l.owner == owner })
	return nil
}

func (m *memoryLog) DueRecords(ctx context.Context, now time.Time, limit int) ([]outbox.Record, error) {
	return m.DueOf(ctx, outbox.AllShards, now, limit)
}

func (m *memoryLog) DueOf(ctx context.Context, s outbox.Shards, now time.Time, limit int) ([]outbox.Record, error) {
	now = kept(now)
	held := map[string]bool{} // objects that an older record keeps waiting
	return m.collect(ctx, limit, func(r *outbox.Record) bool {
		if r.State != outbox.Partly && r.State != outbox.Pending || !s.Has(r.Shard()) {
			return false
		}
		if r.State == outbox.Partly {
			return !r.NotBefore.After(now)
		}
		first := r.Object == "" || !held[r.Object]
		held[r.Object] = true
		return first && !r.NotBefore.After(now)
	})
}

// collect returns at most limit of the records that pick picks of all, oldest first.
func (m *memoryLog) collect(ctx context.Context, limit int, pick func(*outbox.Record) bool) ([]outbox.Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []outbox.Record
	for _, r := range m.list {
		if len(list) >= limit {
			break
		}
		if pick(r) {
			list = append(list, keptRecord(*r))
		}
	}
	return list, nil
}

func (m *memoryLog) PublicRecords(ctx context.Context, actor string, before int64, limit int) (list []outbox.Record, total int64, err error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range slices.Backward(m.list) {
		if r.Actor != actor || !r.Public || r.Type != "Create" && r.Type != "Announce" {
			continue
		}
		total++
		if (before == 0 || r.Seq < before) && len(list) < limit {
			list = append(list, keptRecord(*r))
		}
	}
	return list, total, nil
}

func (m *memoryLog) PastRecords(ctx context.Context, now time.Time, limit int) ([]outbox.Record, error) {
	now = kept(now)
	list, err := m.collect(ctx, math.MaxInt, func(r *outbox.Record) bool { return isPast(r, now) })
	slices.SortStableFunc(list, func(a, b outbox.Record) int { return a.Until.Compare(b.Until) })
	return slices.Clone(list[:min(len(list), max(limit, 0))]), err
}

func (m *memoryLog) ForgetRecords(ctx context.Context, ids []string, now time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	now = kept(now)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range ids {
		if r := m.records[id]; r != nil && isPast(r, now) {
			delete(m.records, id)
		}
	}
	m.list = slices.DeleteFunc(m.list, func(r *outbox.Record) bool { return m.records[r.ID] != r })
	return nil
}

func isPast(r *outbox.Record, now time.Time) bool {
	return !r.Until.IsZero() && !r.Until.After(now) && r.State != outbox.Pending && r.State != outbox.Partly
}

// keptRecord shares nothing with r.
func keptRecord(r outbox.Record) outbox.Record {
	r.Activity = slices.Clone(r.Activity)
	r.To, r.Except = slices.Clone(r.To), slices.Clone(r.Except)
	r.Waiting = slices.Clone(r.Waiting)
	r.Targets = slices.Clone(r.Targets)
	r.At, r.NotBefore, r.Until = kept(r.At), kept(r.NotBefore), kept(r.Until)
	return r
}
