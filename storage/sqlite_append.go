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
	entry  inbox.Entry
	bounds inbox.Bounds
	wake   chan bool // true: write what waits, this too; false: seen and err are set

	seen bool
	err  error
}

// Append waits no longer than ctx, except for a commit that has begun, whose outcome it returns.
func (s *sqliteJournal) Append(ctx context.Context, e inbox.Entry, b inbox.Bounds) (seen bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	a := &append1{entry: e, bounds: b, wake: make(chan bool, 1)}
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
		b := &appending{prepared: prepared{tx: tx}, lanes: map[string]int{}}
		if err := b.begin(ctx); err != nil {
			return err
		}
		for _, a := range batch {
			if err := b.append(ctx, a); err != nil {
				return err
			}
		}
		return b.end(ctx)
	})
}

// appending is a transaction that appends.
type appending struct {
	prepared
	unfinished, marks, held int            // how many there are; held is -1 until somebody asks
	lanes                   map[string]int // those that were looked at
}

func (b *appending) begin(ctx context.Context) error {
	b.held = -1
	return b.tx.QueryRowContext(ctx, `SELECT unfinished, marks FROM fedihook_journal`).Scan(&b.unfinished, &b.marks)
}

func (b *appending) end(ctx context.Context) error {
	for lane, n := range b.lanes {
		if _, err := b.exec(ctx, `INSERT INTO fedihook_lanes VALUES (?, ?)
			ON CONFLICT (lane) DO UPDATE SET unfinished = excluded.unfinished`, lane, n); err != nil {
			return err
		}
	}
	_, err := b.exec(ctx, `UPDATE fedihook_journal SET unfinished = ?, marks = ?`, b.unfinished, b.marks)
	return err
}

func (b *appending) append(ctx context.Context, a *append1) error {
	e := a.entry // the caller's may be read while this waits
	over, err := b.isOver(ctx, e.Rules)
	if err != nil || over {
		a.seen = over
		return err
	}
	known, err := b.has(ctx, e.Mark)
	if err != nil {
		return err
	}
	if known {
		if e.To, err = b.lacking(ctx, e.Mark, e.To); err != nil || len(e.To) == 0 {
			a.seen = err == nil
			return err
		}
		e.Alone = true
	}
	full, err := b.full(ctx, &e, a.bounds)
	if err != nil || full {
		if full {
			a.err = inbox.ErrFull
		}
		return err
	}
	if err := b.apply(ctx, &e); err != nil {
		return err
	}
	if !known {
		if err := b.put(ctx, e.Mark, e.Received); err != nil {
			return err
		}
	}
	for _, owner := range ownerKeys(e.To) {
		if _, err := b.exec(ctx, `INSERT OR IGNORE INTO fedihook_mark_owners VALUES (?, ?)`, e.Mark[:], owner); err != nil {
			return err
		}
	}
	return b.add(ctx, &e)
}

func (b *appending) has(ctx context.Context, m inbox.Mark) (found bool, err error) {
	st, err := b.stmt(ctx, `SELECT EXISTS (SELECT 1 FROM fedihook_marks WHERE mark = ?)`)
	if err != nil {
		return false, err
	}
	return found, st.QueryRowContext(ctx, m[:]).Scan(&found)
}

func (b *appending) put(ctx context.Context, m inbox.Mark, at time.Time) error {
	res, err := b.exec(ctx, `INSERT OR IGNORE INTO fedihook_marks (mark, at) VALUES (?, ?)`, m[:], toMicros(at))
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	b.marks += int(n)
	return err
}

func (b *appending) drop(ctx context.Context, m inbox.Mark) error {
	n, err := dropMark(ctx, &b.prepared, m[:])
	b.marks -= int(n)
	return err
}

func (b *appending) lacking(ctx context.Context, m inbox.Mark, owners []string) (missing []string, err error) {
	st, err := b.stmt(ctx, `SELECT EXISTS (SELECT 1 FROM fedihook_mark_owners WHERE mark = ? AND owner = ?)`)
	if err != nil {
		return nil, err
	}
	for _, o := range owners {
		var had bool
		if err := st.QueryRowContext(ctx, m[:], ownerKey(o)).Scan(&had); err != nil {
			return nil, err
		}
		if !had {
			missing = append(missing, o)
		}
	}
	return missing, nil
}

// isOver applies Rules.Unless and Once.
func (b *appending) isOver(ctx context.Context, r inbox.Rules) (bool, error) {
	for _, m := range r.Unless {
		found, err := b.has(ctx, m)
		if err == nil && found && r.Once {
			err = b.drop(ctx, m)
		}
		if err != nil || found {
			return found, err
		}
	}
	return false, nil
}

// apply applies the other rules.
func (b *appending) apply(ctx context.Context, e *inbox.Entry) error {
	was := false
	for _, m := range e.Rules.Undoes {
		found, err := b.has(ctx, m)
		if err != nil {
			return err
		}
		was = was || found
		st, err := b.stmt(ctx, `SELECT okey FROM fedihook_entries WHERE mark = ? ORDER BY seq DESC LIMIT 1`)
		if err != nil {
			return err
		}
		if err := st.QueryRowContext(ctx, m[:]).Scan(&e.Key); err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
	}
	if e.Rules.Over != (inbox.Mark{}) && !was {
		if err := b.put(ctx, e.Rules.Over, e.Received); err != nil {
			return err
		}
	}
	for _, m := range e.Rules.Drop {
		if err := b.drop(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

func (b *appending) full(ctx context.Context, e *inbox.Entry, max inbox.Bounds) (bool, error) {
	if e.Hold {
		if b.held < 0 {
			if err := b.tx.QueryRowContext(ctx, `SELECT count(*) FROM fedihook_shelf WHERE shelf = ?`, inbox.Held).Scan(&b.held); err != nil {
				return false, err
			}
		}
		return max.Held > 0 && b.held >= max.Held, nil
	}
	n, err := b.lane(ctx, e.Lane)
	return max.All > 0 && b.unfinished >= max.All || max.Lane > 0 && n >= max.Lane, err
}

func (b *appending) lane(ctx context.Context, name string) (n int, err error) {
	if n, ok := b.lanes[name]; ok {
		return n, nil
	}
	st, err := b.stmt(ctx, `SELECT unfinished FROM fedihook_lanes WHERE lane = ?`)
	if err != nil {
		return 0, err
	}
	if err := st.QueryRowContext(ctx, name).Scan(&n); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, err
	}
	b.lanes[name] = n
	return n, nil
}

// add puts a new entry where it belongs.
func (b *appending) add(ctx context.Context, e *inbox.Entry) error {
	to, err := toJSON(e.To)
	if err != nil {
		return err
	}
	values := []any{
		e.Mark[:], e.Key, e.Sender, e.Owner, toMicros(e.Received), e.Attempts, toMicros(e.NotBefore), e.LastError, e.Body,
		e.Lane, toMicros(e.Turn), to, e.Alone, e.Notes,
	}
	if e.Hold {
		b.held++
		// A Seq of the same row of numbers: it goes through the table of those that are unfinished.
		res, err := b.exec(ctx, insertEntry, append(values, 0)...)
		if err != nil {
			return err
		}
		seq, err := res.LastInsertId()
		if err != nil {
			return err
		}
		if _, err := b.exec(ctx, `DELETE FROM fedihook_entries WHERE seq = ?`, seq); err != nil {
			return err
		}
		_, err = b.exec(ctx, `INSERT INTO fedihook_shelf
			(shelf, seq, mark, okey, sender, owner, received, attempts, not_before, last_error, body, lane, turn, concerns, alone, notes)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, append([]any{inbox.Held, seq}, values...)...)
		return err
	}
	head := true
	if e.Key != "" {
		st, err := b.stmt(ctx, `SELECT NOT EXISTS (SELECT 1 FROM fedihook_entries WHERE okey = ? AND okey <> '')`)
		if err != nil {
			return err
		}
		if err := st.QueryRowContext(ctx, e.Key).Scan(&head); err != nil {
			return err
		}
	}
	if _, err := b.exec(ctx, insertEntry, append(values, head)...); err != nil {
		return err
	}
	n, err := b.lane(ctx, e.Lane)
	b.lanes[e.Lane] = n + 1
	b.unfinished++
	return err
}

const insertEntry = `INSERT INTO fedihook_entries
	(mark, okey, sender, owner, received, attempts, not_before, last_error, body, lane, turn, concerns, alone, notes, head)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
