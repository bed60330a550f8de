package storage

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/fedihook/fedihook/outbox"
)

// memoryLog is an outbox.Log.
type memoryLog struct {
	mu      sync.Mutex
	records map[string]*outbox.Record
	list    []*outbox.Record // by Seq; the record at index i has Seq i+1
}

func (m *memoryLog) AddRecord(ctx context.Context, r outbox.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.records[r.ID] != nil {
		return nil
	}
	r = keptRecord(r)
	r.Seq = int64(len(m.list)) + 1
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
	r = keptRecord(r)
	r.Seq, r.Author, r.At = old.Seq, old.Author, old.At
	*old = r
	return nil
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

func (m *memoryLog) DueRecords(ctx context.Context, now time.Time, limit int) ([]outbox.Record, error) {
	now = kept(now)
	held := map[string]bool{} // objects that an older record keeps waiting
	return m.collect(ctx, limit, func(r *outbox.Record) bool {
		if r.State == outbox.Partly {
			return !r.NotBefore.After(now)
		}
		if r.State != outbox.Pending {
			return false
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

// keptRecord shares nothing with r.
func keptRecord(r outbox.Record) outbox.Record {
	r.Activity = slices.Clone(r.Activity)
	r.To = slices.Clone(r.To)
	r.Waiting = slices.Clone(r.Waiting)
	r.Targets = slices.Clone(r.Targets)
	r.At, r.NotBefore = kept(r.At), kept(r.NotBefore)
	return r
}
