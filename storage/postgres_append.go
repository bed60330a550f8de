package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/internal/pgdb"
)

// postgresTime bounds a transaction that several wait for.
const postgresTime = 30 * time.Second

// Append waits no longer than ctx, except for a commit that has begun, whose outcome it returns. Calls of one process that come
// at once share a transaction, and the transactions of several processes come one after the other.
func (s *postgresJournal) Append(ctx context.Context, e inbox.Entry, b inbox.Bounds) (inbox.Kept, error) {
	w := &write{entry: e, bounds: b}
	s.writes.share(ctx, w, s.commit)
	if w.err != nil && !errors.Is(w.err, inbox.ErrFull) {
		return inbox.Kept{}, fmt.Errorf("storage: append to the journal: %w", w.err)
	}
	return w.kept, w.err
}

func (s *postgresJournal) Finish(ctx context.Context, epoch int64, outcomes []inbox.Outcome) (more bool, err error) {
	if err := checkOutcomes(outcomes); err != nil {
		return false, err
	}
	w := &write{finish: true, epoch: epoch, outcomes: outcomes}
	s.writes.share(ctx, w, s.commit)
	if w.err != nil {
		return false, fmt.Errorf("storage: finish entries: %w", w.err)
	}
	return w.more, nil
}

// commit is one transaction for all of them, those too who come while others write.
func (s *postgresJournal) commit(take func() []*write) error {
	return s.begin(func(b *postgresBatch) error { return b.write(take()) })
}

// begin runs fn in a transaction while nobody else writes entries.
func (s *postgresJournal) begin(fn func(*postgresBatch) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), postgresTime)
	defer cancel()
	counts := s.counts.take()
	err := pgdb.Tx(ctx, s.db, func(tx *sql.Tx) error {
		b := &postgresBatch{
			ctx: ctx, tx: tx, journal: s, counts: counts, held: -1,
			seen: map[markKey]*batchMark{}, keys: map[string]bool{},
		}
		if err := s.quiet(ctx, tx); err != nil {
			return err
		}
		if err := fn(b); err != nil {
			return err
		}
		return b.flush()
	})
	if err == nil {
		s.counts.put(counts)
	}
	return err
}

// postgresBatch is one transaction of the journal. What entries need to know it reads in few queries, decides in memory, and
// writes in few statements.
type postgresBatch struct {
	ctx     context.Context
	tx      *sql.Tx
	journal *postgresJournal

	seq, last int64 // the last that was given, and the last that may be
	counts    *postgresCounts
	held      int // how many are held; -1 until somebody asks
	seen      map[markKey]*batchMark
	keys      map[string]bool // whether an unfinished entry has it
	entries   []postgresEntry // to be put
	tell      bool            // somebody else may run what was added
}

// postgresEntry is a new entry.
type postgresEntry struct {
	inbox.Entry
	head bool
}

func (b *postgresBatch) row(query string, args ...any) *sql.Row {
	return b.tx.QueryRowContext(b.ctx, query, args...)
}

func (b *postgresBatch) exec(query string, args ...any) (changed int64, err error) {
	res, err := b.tx.ExecContext(b.ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// write does what the calls ask for. Its error is everybody's.
func (b *postgresBatch) write(some []*write) error {
	var marks []inbox.Mark
	var keys []string
	adds := 0
	for _, w := range some {
		w.kept, w.more, w.err = inbox.Kept{}, false, nil // of a try that failed
		if w.finish {
			var err error
			if w.more, err = b.finish(w.epoch, w.outcomes); errors.Is(err, inbox.ErrLeaseLost) {
				w.err = err
			} else if err != nil {
				return err
			}
			continue
		}
		r := &w.entry.Rules
		marks = slices.Concat(marks, []inbox.Mark{w.entry.Mark}, r.Unless, r.Undoes, r.Drop)
		if r.Over != (inbox.Mark{}) {
			marks = append(marks, r.Over)
		}
		keys = append(keys, w.entry.Key)
		adds++
	}
	if err := b.load(marks, keys, adds); err != nil {
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

// load reads what is stored of marks and keys, and takes numbers for so many entries, which are the order of commits, for nobody
// else writes. Others wait for as long as this asks and answers, so that it is one statement.
func (b *postgresBatch) load(marks []inbox.Mark, keys []string, adds int) error {
	var asked [][]byte
	for _, m := range marks {
		if key := keyOf(m); b.seen[key] == nil {
			b.seen[key] = &batchMark{}
			asked = append(asked, key[:])
		}
	}
	var unknown []string
	for _, key := range keys {
		if _, known := b.keys[key]; !known && key != "" {
			b.keys[key] = false
			unknown = append(unknown, key)
		}
	}
	if len(asked)+len(unknown)+adds == 0 {
		return nil
	}
	rows, err := b.tx.QueryContext(b.ctx, `SELECT 'last', ''::bytea, setval('fedihook_entries_order', nextval('fedihook_entries_order') + $3::bigint - 1), ''::bytea
			WHERE $3::bigint > 0
		UNION ALL SELECT 'mark', mark, seq, owners FROM fedihook_marks WHERE mark = ANY ($1::bytea[])
		UNION ALL SELECT 'key', k.okey, 0, '' FROM unnest($2::bytea[]) AS k (okey)
			WHERE EXISTS (SELECT 1 FROM fedihook_entries AS e WHERE sha256(e.okey) = sha256(k.okey) AND e.okey <> '')`,
		blobs(asked), blobs(unknown), adds)
	_, err = list(rows, err, func(row scanner) (_ struct{}, err error) {
		var what string
		var of, owners []byte
		var seq int64
		if err = row.Scan(&what, &of, &seq, &owners); err != nil {
			return struct{}{}, err
		}
		switch what {
		case "last":
			b.seq, b.last = seq-int64(adds), seq
		case "mark":
			m := b.seen[markKey(of)]
			m.stored, m.seq, m.owners = true, seq, readOwners(owners)
		case "key":
			b.keys[string(of)] = true
		}
		return struct{}{}, nil
	})
	return err
}

func scanBlob(row scanner) (v []byte, err error) { return v, row.Scan(&v) }

// append is [inbox.Journal.Append] in memory.
func (b *postgresBatch) append(e inbox.Entry, bounds inbox.Bounds) (kept inbox.Kept, err error) {
	if over, err := b.isOver(e.Rules); err != nil || over {
		return inbox.Kept{Seen: over}, err
	}
	mark, err := b.mark(e.Mark)
	if err != nil {
		return kept, err
	}
	if mark.there() {
		if e.To, err = b.lacking(e.Mark, mark, e.To); err != nil || len(e.To) == 0 {
			return inbox.Kept{Seen: err == nil}, err
		}
		e.Alone = true
	}
	full, err := b.full(&e, bounds)
	if err != nil {
		return kept, err
	}
	if full {
		return kept, inbox.ErrFull
	}
	if err := b.apply(&e); err != nil {
		return kept, err
	}
	if !mark.there() {
		mark.putAt(e.Received, b.seq+1)
	}
	mark.added = append(mark.added, ownerKeys(e.To)...)
	ready, err := b.add(e)
	return inbox.Kept{Seq: b.seq, Key: e.Key, To: e.To, Alone: e.Alone, Ready: ready}, err
}

// putAt puts a mark that is not there.
func (m *batchMark) putAt(at time.Time, seq int64) {
	m.put, m.at, m.seq, m.added = true, at, seq, nil
}

func (m *batchMark) drop() {
	if m.there() {
		m.put, m.gone, m.added = false, m.stored, nil
	}
}

func (b *postgresBatch) mark(m inbox.Mark) (*batchMark, error) {
	if b.seen[keyOf(m)] == nil {
		if err := b.load([]inbox.Mark{m}, nil, 0); err != nil {
			return nil, err
		}
	}
	return b.seen[keyOf(m)], nil
}

// isOver applies Rules.Unless and Once.
func (b *postgresBatch) isOver(r inbox.Rules) (bool, error) {
	for _, m := range r.Unless {
		k, err := b.mark(m)
		if err != nil {
			return false, err
		}
		if k.there() {
			if r.Once {
				k.drop()
			}
			return true, nil
		}
	}
	return false, nil
}

// apply applies the other rules.
func (b *postgresBatch) apply(e *inbox.Entry) error {
	was := false
	for _, m := range e.Rules.Undoes {
		k, err := b.mark(m)
		if err == nil {
			was = was || k.there()
			err = b.lend(m, k, &e.Key)
		}
		if err != nil {
			return err
		}
	}
	if e.Rules.Over != (inbox.Mark{}) && !was {
		k, err := b.mark(e.Rules.Over)
		if err != nil {
			return err
		}
		if !k.there() {
			k.putAt(e.Received, 0)
		}
	}
	for _, m := range e.Rules.Drop {
		k, err := b.mark(m)
		if err != nil {
			return err
		}
		k.drop()
	}
	return nil
}

// lend makes key that of the newest unfinished entry with this mark, if there is one.
func (b *postgresBatch) lend(m inbox.Mark, k *batchMark, key *string) error {
	if k.stored {
		var lent []byte
		err := b.row(`SELECT okey FROM (SELECT seq, okey FROM fedihook_entries WHERE substr(mark, 1, 16) = substr($1::bytea, 1, 16) AND alone
			UNION ALL SELECT seq, okey FROM fedihook_entries WHERE seq = $2 AND mark = $1) AS e ORDER BY seq DESC LIMIT 1`, m[:], k.seq).Scan(&lent)
		if err == nil {
			*key = string(lent)
		} else if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
	}
	for i := range b.entries {
		if e := &b.entries[i]; e.Mark == m && !e.Hold {
			*key = e.Key
		}
	}
	return nil
}

// lacking are those of owners whom a mark does not have.
func (b *postgresBatch) lacking(m inbox.Mark, k *batchMark, owners []string) (missing []string, err error) {
	for _, o := range owners {
		key := ownerKey(o)
		had := slices.Contains(k.added, key)
		if !had && k.stored && !k.gone {
			if had = slices.Contains(k.owners, key); !had {
				err = b.row(`SELECT EXISTS (SELECT 1 FROM fedihook_mark_owners WHERE mark = $1 AND owner = $2)`, shortMark(m), key).Scan(&had)
			}
		}
		if err != nil {
			return nil, err
		}
		if !had {
			missing = append(missing, o)
		}
	}
	return missing, nil
}

// add gives e its Seq, and tells whether it may run at once. It is put by flush.
func (b *postgresBatch) add(e inbox.Entry) (ready bool, err error) {
	if b.seq == b.last {
		return false, errors.New("more entries than were foreseen") // a bug
	}
	b.seq++
	e.Seq = b.seq
	if e.Hold {
		b.entries = append(b.entries, postgresEntry{Entry: e})
		return false, nil
	}
	if err := b.load(nil, []string{e.Key}, 0); err != nil {
		return false, err
	}
	head := e.Key == "" || !b.keys[e.Key]
	if e.Key != "" {
		b.keys[e.Key] = true
	}
	b.entries = append(b.entries, postgresEntry{e, head})
	b.tell = b.tell || head && !inbox.Shards(b.journal.mine.Load()).Has(e.Shard())
	return head && e.NotBefore.IsZero(), nil
}
