package storage

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fedihook/fedihook/inbox"
)

const (
	// beginTime bounds how long a transaction that several wait for waits for a connection.
	beginTime = 15 * time.Second

	// rowsAtOnce is how many rows one statement reads or writes at most. Numbers of rows are powers of two, so that there
	// are few statements to keep.
	rowsAtOnce = 16

	// maxUnlisted is how many of the last numbers may be those of heads that are not in their index, and fewUnlisted how many are
	// left when there are more.
	maxUnlisted, fewUnlisted = 512, 256
)

// batch is one transaction of the journal. What entries need to know it reads in few queries, decides in memory, and writes
// in few statements.
type batch struct {
	*transaction
	ctx context.Context

	lease                   oneLease
	seq, listed, version    int64
	unfinished, marks, held int // how many there are; held is -1 until somebody asks
	lanes                   map[string]*counted
	known                   *known // from the last transaction, for the next
	seen                    map[markKey]*batchMark
	keys                    map[string]bool // whether an unfinished entry has it
	entries                 []inbox.Entry   // to be put
	dead                    bool            // a dead letter was added
}

// markKey stands for a mark.
type markKey [16]byte

func keyOf(m inbox.Mark) markKey { return markKey(m[:]) }

// shortMark is the key as a statement takes it.
func shortMark(m inbox.Mark) []byte { return m[:len(markKey{})] }

// counted is a number of unfinished entries, as it is stored and as it is now.
type counted struct {
	name     string
	was, now int
}

// batchMark is a mark while a batch is at work.
type batchMark struct {
	stored bool    // it is in the table,
	seq    int64   // of the entry that put it last
	owners []int64 // with these; others may be in the table of owners
	put    bool    // it is put anew, whether or not it was there
	at     time.Time
	added  []int64 // owners of one that is put, or that come to what is stored
	gone   bool    // it was dropped
}

func (m *batchMark) there() bool { return m.put || m.stored && !m.gone }

// begin runs fn in a transaction, which writes from its first statement on.
func (s *sqliteJournal) begin(fn func(*batch) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), beginTime)
	defer cancel()
	t, err := s.turn(ctx, fn)
	if err == nil {
		t.learn(ctx)
	}
	return err
}

// turn is begin when nobody else writes.
func (s *sqliteJournal) turn(ctx context.Context, fn func(*batch) error) (t *transaction, err error) {
	done, err := s.db.Turn(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	defer func() {
		if closeErr := conn.Close(); err == nil {
			err = closeErr
		}
	}()
	return s.transact(ctx, conn, fn)
}

func (s *sqliteJournal) transact(ctx context.Context, conn *sql.Conn, fn func(*batch) error) (*transaction, error) {
	if err := s.db.Settle(ctx, conn); err != nil {
		return nil, err
	}
	// From here on without an end, which would be watched for each statement: none of them waits for anything but the
	// first, and that one as long as busy_timeout says.
	ctx = context.WithoutCancel(ctx)
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback() // after Commit it does nothing
	b := &batch{
		transaction: s.statements.in(tx), ctx: ctx, held: -1, lanes: map[string]*counted{},
		seen: map[markKey]*batchMark{}, keys: map[string]bool{},
	}
	if err := b.read(); err != nil {
		return nil, err
	}
	if b.known = s.known.Swap(nil); b.known == nil || b.known.version != b.version {
		b.known = newKnown()
	}
	if err := fn(b); err != nil {
		return nil, err
	}
	if err := b.flush(); err != nil {
		return nil, err
	}
	if err := tx.Commit(); err != nil {
		return nil, fmt.Errorf("commit: %w", err)
	}
	b.known.end(b)
	s.known.Store(b.known)
	return b.transaction, nil
}

// read takes the write lock. (RETURNING would cost as much again: SQLite makes a table for it.)
func (b *batch) read() error {
	if _, err := b.exec(b.ctx, `UPDATE fedihook_journal SET seq = seq`); err != nil {
		return err
	}
	var until int64
	err := b.row(b.ctx, []any{
		&b.unfinished, &b.marks, &b.seq, &b.listed, &b.version, &b.lease.owner, &b.lease.epoch, &until, &b.lease.held,
	}, `SELECT unfinished, marks, seq, listed, version, owner, epoch, until, held FROM fedihook_journal`)
	b.lease.until = fromMicros(until)
	return err
}

// write does what the calls ask for. Its error is everybody's.
func (b *batch) write(some []*write) error {
	var marks []inbox.Mark
	var keys []string
	for _, w := range some {
		if w.finish {
			if !b.lease.current(w.epoch) {
				w.err = inbox.ErrLeaseLost
				continue
			}
			var err error
			if w.more, err = b.finish(w.outcomes); err != nil {
				return err
			}
			continue
		}
		r := &w.entry.Rules
		marks = append(append(append(append(marks, w.entry.Mark), r.Unless...), r.Undoes...), r.Drop...)
		if r.Over != (inbox.Mark{}) {
			marks = append(marks, r.Over)
		}
		keys = append(keys, w.entry.Key)
	}
	if err := b.load(marks, keys); err != nil {
		return err
	}
	for _, w := range some {
		if w.finish {
			continue
		}
		var err error
		if w.kept, err = b.append(w.entry, w.bounds); errors.Is(err, inbox.ErrFull) {
			w.err = err
		} else if err != nil {
			return err
		}
	}
	return nil
}

// load reads what is stored of marks and keys.
func (b *batch) load(marks []inbox.Mark, keys []string) error {
	var asked []any
	for _, m := range marks {
		if key := keyOf(m); b.seen[key] == nil {
			b.seen[key] = &batchMark{}
			asked = append(asked, shortMark(m))
		}
	}
	err := b.among(asked, `WITH asked (mark) AS (VALUES `, `(?)`, `) SELECT m.mark, m.seq, m.owners FROM asked CROSS JOIN fedihook_marks AS m
		ON m.mark = asked.mark`, func(row scanner) error {
		var mark, owners []byte
		var seq int64
		if err := row.Scan(&mark, &seq, &owners); err != nil {
			return err
		}
		m := b.seen[markKey(mark)]
		m.stored, m.seq, m.owners = true, seq, readOwners(owners)
		return nil
	})
	if err != nil {
		return err
	}
	asked = nil
	for _, key := range keys {
		if _, ok := b.keys[key]; ok || key == "" {
			continue
		}
		if b.keys[key] = len(b.known.keys[key]) > 0; !b.keys[key] && !b.known.all(b) {
			asked = append(asked, key)
		}
	}
	return b.among(asked, `WITH asked (okey) AS (VALUES `, `(?)`, `) SELECT okey FROM asked
		WHERE EXISTS (SELECT 1 FROM fedihook_entries AS e WHERE e.okey = asked.okey AND e.okey <> '')`, func(row scanner) error {
		var key string
		err := row.Scan(&key)
		b.keys[key] = true
		return err
	})
}

// among asks for all that is listed, at most rowsAtOnce at a time. A value may be asked for twice.
func (b *batch) among(list []any, head, one, tail string, scan func(scanner) error) error {
	for some := range slices.Chunk(list, rowsAtOnce) {
		n := 1
		for n < len(some) {
			n *= 2
		}
		some = slices.Clone(some)
		for len(some) < n {
			some = append(some, some[0])
		}
		if err := b.each(b.ctx, scan, head+repeated(one, n)+tail, some...); err != nil {
			return err
		}
	}
	return nil
}

// insert writes rows, each of the same number of values.
func (b *batch) insert(head string, rows [][]any, tail string) error {
	for len(rows) > 0 {
		n := rowsAtOnce
		for n > len(rows) {
			n /= 2
		}
		one := "(" + repeated("?", len(rows[0])) + ")"
		if _, err := b.exec(b.ctx, head+" VALUES "+repeated(one, n)+tail, slices.Concat(rows[:n]...)...); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

func repeated(one string, n int) string { return one + strings.Repeat(", "+one, n-1) }

func (b *batch) mark(m inbox.Mark) (*batchMark, error) {
	if b.seen[keyOf(m)] == nil {
		if err := b.load([]inbox.Mark{m}, nil); err != nil {
			return nil, err
		}
	}
	return b.seen[keyOf(m)], nil
}

func (b *batch) has(m inbox.Mark) (bool, error) {
	k, err := b.mark(m)
	return err == nil && k.there(), err
}

// put puts a mark for the entry with this seq, unless it is there.
func (b *batch) put(m inbox.Mark, at time.Time, seq int64) (*batchMark, error) {
	k, err := b.mark(m)
	if err == nil && !k.there() {
		k.put, k.at, k.seq, k.added = true, at, seq, nil
		b.marks++
	}
	return k, err
}

func (b *batch) drop(m inbox.Mark) error {
	k, err := b.mark(m)
	if err == nil && k.there() {
		k.put, k.gone, k.added = false, k.stored, nil
		b.marks--
	}
	return err
}

// lacking are those of owners whom a mark does not have.
func (b *batch) lacking(m inbox.Mark, owners []string) (missing []string, err error) {
	k, err := b.mark(m)
	for _, o := range owners {
		key := ownerKey(o)
		had := slices.Contains(k.added, key)
		if !had && k.stored && !k.gone {
			if had = slices.Contains(k.owners, key); !had && err == nil {
				err = b.row(b.ctx, []any{&had}, `SELECT EXISTS (SELECT 1 FROM fedihook_mark_owners WHERE mark = ? AND owner = ?)`, shortMark(m), key)
			}
		}
		if !had {
			missing = append(missing, o)
		}
	}
	return missing, err
}

func (b *batch) lane(name string) (*counted, error) {
	if c := b.lanes[name]; c != nil {
		return c, nil
	}
	was, ok := b.known.lanes[name]
	if !ok {
		err := b.row(b.ctx, []any{&was}, `SELECT unfinished FROM fedihook_lanes WHERE lane = ?`, name)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return nil, err
		}
	}
	c := &counted{strings.Clone(name), was, was} // not the whole id of which it is a part
	b.lanes[c.name] = c
	return c, nil
}

// flush writes what changed.
func (b *batch) flush() error {
	var gone, put, owned [][]any
	for m, k := range b.seen {
		mark := m // each has its own
		if k.gone {
			gone = append(gone, []any{mark[:]})
		}
		if k.put {
			put = append(put, []any{mark[:], toMicros(k.at), k.seq, writeOwners(k.added)})
			continue
		}
		for _, owner := range k.added {
			owned = append(owned, []any{mark[:], owner})
		}
	}
	for _, one := range gone {
		if _, err := dropMark(b.ctx, b.transaction, one[0].([]byte)); err != nil {
			return err
		}
	}
	slices.SortFunc(put, func(x, y []any) int { return cmp.Compare(x[1].(int64), y[1].(int64)) }) // as their index has them
	if err := b.insert(`INSERT OR FAIL INTO fedihook_marks (mark, at, seq, owners)`, put, ""); err != nil {
		return err
	}
	if err := b.insert(`INSERT OR IGNORE INTO fedihook_mark_owners (mark, owner)`, owned, ""); err != nil {
		return err
	}
	if err := b.flushEntries(); err != nil {
		return err
	}
	var lanes [][]any
	for lane, c := range b.lanes {
		switch {
		case c.now == c.was:
		case c.now <= 0:
			if _, err := b.exec(b.ctx, `DELETE FROM fedihook_lanes WHERE lane = ?`, lane); err != nil {
				return err
			}
		default:
			lanes = append(lanes, []any{lane, c.now})
		}
	}
	if err := b.insert(`INSERT INTO fedihook_lanes (lane, unfinished)`, lanes,
		` ON CONFLICT (lane) DO UPDATE SET unfinished = excluded.unfinished`); err != nil {
		return err
	}
	if b.seq-b.listed > maxUnlisted {
		until := b.seq - fewUnlisted
		if _, err := b.exec(b.ctx, `UPDATE fedihook_entries SET head = 1 WHERE seq > ? AND seq <= ? AND head = 2`, b.listed, until); err != nil {
			return err
		}
		b.listed = until
	}
	b.version++
	_, err := b.exec(b.ctx, `UPDATE fedihook_journal SET unfinished = ?, marks = ?, seq = ?, listed = ?, version = ?`,
		b.unfinished, b.marks, b.seq, b.listed, b.version)
	return err
}

func readOwners(raw []byte) (owners []int64) {
	for ; len(raw) >= 8; raw = raw[8:] {
		owners = append(owners, int64(binary.BigEndian.Uint64(raw)))
	}
	return owners
}

func writeOwners(owners []int64) []byte {
	raw := make([]byte, 0, 8*len(owners))
	for _, o := range owners {
		raw = binary.BigEndian.AppendUint64(raw, uint64(o))
	}
	return raw
}
