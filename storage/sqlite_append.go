package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/internal/sqldb"
)

const (
	// appendsAtOnce is how many entries one transaction takes.
	appendsAtOnce = 64

	// appendTime bounds a transaction that several wait for.
	appendTime = 15 * time.Second
)

// appends lets entries that come at the same time share a commit: a disk makes some hundred of them
// durable in a second, and each sender waits for its 202. Whoever comes while nobody writes, writes; who
// comes meanwhile waits, and the first of them writes for all of them next.
type appends struct {
	mu      sync.Mutex
	writing bool // by somebody, or somebody was woken to do it
	waiting []*append1
}

// append1 is one call of Append.
type append1 struct {
	entry inbox.Entry
	max   int
	wake  chan bool // true: write what waits, this too; false: seen and err are set

	seen bool
	err  error
}

// Append waits no longer than ctx, except for a commit that has begun, whose outcome it returns.
func (s *sqliteJournal) Append(ctx context.Context, e inbox.Entry, max int) (seen bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	a := &append1{entry: e, max: max, wake: make(chan bool, 1)}
	q := &s.appends
	write := q.enter(a)
	if !write {
		select {
		case write = <-a.wake:
		case <-ctx.Done():
			if q.leave(a) {
				return false, ctx.Err()
			}
			write = <-a.wake
		}
	}
	if write {
		s.write(q)
	}
	if a.err != nil && !errors.Is(a.err, inbox.ErrFull) {
		return false, fmt.Errorf("storage: append to the journal: %w", a.err)
	}
	return a.seen, a.err
}

func (q *appends) enter(a *append1) (write bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, a)
	write = !q.writing
	q.writing = true
	return write
}

// leave takes a back, unless its commit has begun or it was woken to write.
func (q *appends) leave(a *append1) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting, a)
	if i < 0 || len(a.wake) > 0 {
		return false
	}
	q.waiting = slices.Delete(q.waiting, i, i+1)
	return true
}

// take returns what is to be written now, the writer's own first.
func (q *appends) take() []*append1 {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.waiting), appendsAtOnce)
	batch := slices.Clone(q.waiting[:n])
	q.waiting = slices.Delete(q.waiting, 0, n)
	return batch
}

// next wakes the first who waits, to write.
func (q *appends) next() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.writing = len(q.waiting) > 0
	if q.writing {
		q.waiting[0].wake <- true
	}
}

// errPanicked is what the others of a batch get if the driver panics in its transaction.
var errPanicked = errors.New("the transaction panicked")

// write commits what waits, tells everyone in it and wakes the next writer. No one's context may end
// what the others wait for.
func (s *sqliteJournal) write(q *appends) {
	defer q.next()
	batch, err := q.take(), errPanicked
	defer func() {
		for _, a := range batch {
			if err != nil {
				a.seen, a.err = false, err
			}
			a.wake <- false
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), appendTime)
	defer cancel()
	err = sqldb.Tx(ctx, s.db, func(tx *sql.Tx) error {
		var unfinished int
		if err := tx.QueryRowContext(ctx, `SELECT unfinished FROM fedihook_journal`).Scan(&unfinished); err != nil {
			return err
		}
		p := &prepared{tx: tx}
		for _, a := range batch {
			kept, err := a.insert(ctx, p, unfinished)
			if err != nil {
				return err
			}
			if kept {
				unfinished++
			}
		}
		_, err := tx.ExecContext(ctx, `UPDATE fedihook_journal SET unfinished = ?`, unfinished)
		return err
	})
}

func (a *append1) insert(ctx context.Context, p *prepared, unfinished int) (kept bool, err error) {
	e := &a.entry
	mark, err := p.stmt(ctx, `SELECT EXISTS (SELECT 1 FROM fedihook_marks WHERE mark = ?)`)
	if err != nil {
		return false, err
	}
	if err := mark.QueryRowContext(ctx, e.Mark[:]).Scan(&a.seen); err != nil || a.seen {
		return false, err
	}
	if a.max > 0 && unfinished >= a.max {
		a.err = inbox.ErrFull
		return false, nil
	}
	res, err := p.exec(ctx, `INSERT INTO fedihook_entries
		(mark, okey, sender, owner, received, attempts, not_before, last_error, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		e.Mark[:], e.Key, e.Sender, e.Owner, toMicros(e.Received), e.Attempts, toMicros(e.NotBefore), e.LastError, e.Body)
	if err != nil {
		return false, err
	}
	seq, err := res.LastInsertId()
	if err != nil {
		return false, err
	}
	_, err = p.exec(ctx, `INSERT INTO fedihook_marks (mark, at, seq) VALUES (?, ?, ?)`, e.Mark[:], toMicros(e.Received), seq)
	return err == nil, err
}
