package queue

import (
	"context"
	"database/sql"
	"sync"
	"time"

	"github.com/fedihook/fedihook/delivery"
)

// backlog tells whether too much waits. That is not counted as it changes, since each flush of every process would
// write the same row: it is summed up when what is known of it is a second old, or near to a limit. What others append
// within that second is missed, so the limit may be exceeded by that much, if what waits is less than seven
// eighths of it a second before.
type backlog struct {
	mu      sync.Mutex
	targets int
	bytes   int64
	until   time.Time // until when that may be believed; zero: not at all
}

// full says whether so much more is too much. fresh: what was known is not to be believed.
func (b *backlog) full(ctx context.Context, db interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}, limit delivery.Limit, targets int, bytes int64, fresh bool) (bool, error) {
	if limit.Targets <= 0 && limit.Bytes <= 0 {
		return false, nil
	}
	b.mu.Lock()
	known := !fresh && time.Now().Before(b.until) &&
		(limit.Targets <= 0 || b.targets+targets < limit.Targets-limit.Targets/8) && (limit.Bytes <= 0 || b.bytes+bytes < limit.Bytes-limit.Bytes/8)
	b.mu.Unlock()
	if known {
		return false, nil
	}
	begin := time.Now()
	var waiting int
	var size int64
	err := db.QueryRowContext(ctx, `SELECT a.total - k.n, a.size
		FROM (SELECT coalesce(sum(total), 0)::bigint AS total, coalesce(sum(size), 0)::bigint AS size FROM fedihook_q_activity) a,
			(SELECT coalesce(sum(n), 0)::bigint AS n FROM fedihook_q_ack) k`).Scan(&waiting, &size)
	if err != nil {
		return false, err
	}
	b.mu.Lock()
	b.targets, b.bytes = waiting, size
	b.until = time.Now().Add(max(time.Second, 50*time.Since(begin))) // at most a fiftieth of the time is spent on it
	b.mu.Unlock()
	return limit.Targets > 0 && waiting+targets > limit.Targets || limit.Bytes > 0 && size+bytes > limit.Bytes, nil
}

// added counts what this process has appended since.
func (b *backlog) added(targets int, bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.targets += targets
	b.bytes += bytes
}
