package queue

import (
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/internal/pgdb"
)

// locked is a record whose row this transaction has locked: nobody else settles any of its targets meanwhile. Whoever locks several
// does so in the order of their Seq, and after the locks of keys and of leases.
type locked struct {
	seq        int64
	notBefore  time.Time
	supersedes delivery.Supersedes
	total      int
	targets    []byte
	chunks     []chunk
	defers     bool    // some are put off
	deferred   []int64 // which; read by lock only
}

// chunk is a row of ack.
type chunk struct {
	number, n, failed, cancelled int
	ids                          []byte
}

// lock locks records and reads all of them.
func (t *pgtx) lock(where string, arg any) ([]*locked, error) {
	var list []*locked
	err := t.rows(`SELECT seq, not_before, supersedes, total, targets FROM fedihook_q_activity WHERE `+where+` ORDER BY seq FOR UPDATE`,
		[]any{arg}, func(r *sql.Rows) error {
			e, err := scanLocked(r)
			list = append(list, e)
			return err
		})
	if err != nil || len(list) == 0 {
		return nil, err
	}
	seqs := make([]int64, len(list))
	for i, e := range list {
		seqs[i] = e.seq
	}
	if _, err := t.acked(list, seqs, 0); err != nil {
		return nil, err
	}
	err = t.rows(`SELECT seq, inbox FROM fedihook_q_defer WHERE seq = ANY ($1::bigint[]) ORDER BY seq, inbox`, []any{pgdb.Ints(seqs)}, func(r *sql.Rows) error {
		var seq, inbox int64
		err := r.Scan(&seq, &inbox)
		if e := find(list, seq); e != nil {
			e.deferred, e.defers = append(e.deferred, inbox), true
		}
		return err
	})
	return list, err
}

func scanLocked(r *sql.Rows) (*locked, error) {
	e := new(locked)
	var notBefore int64
	err := r.Scan(&e.seq, &notBefore, &e.supersedes, &e.total, &e.targets)
	e.notBefore = fromMilli(notBefore)
	return e, err
}

// find returns the record with this Seq, nil if there is none. list is by Seq.
func find(list []*locked, seq int64) *locked {
	if i, ok := slices.BinarySearchFunc(list, seq, func(e *locked, seq int64) int { return int(max(-1, min(1, e.seq-seq))) }); ok {
		return list[i]
	}
	return nil
}

// acked reads the chunks of records that are locked, and whether the lease is current. Before the lock it could be
// too early for both.
func (t *pgtx) acked(list []*locked, seqs []int64, epoch int64) (current bool, err error) {
	err = t.rows(`SELECT 0::bigint, 0, 0, 0, 0, ''::bytea FROM fedihook_q_lease WHERE epoch = $2
		UNION ALL SELECT seq, chunk, n, failed, cancelled, ids FROM fedihook_q_ack WHERE seq = ANY ($1::bigint[])
		UNION ALL SELECT seq, -1, 0, 0, 0, ''::bytea FROM unnest($1::bigint[]) AS u (seq) WHERE EXISTS (SELECT FROM fedihook_q_defer d WHERE d.seq = u.seq)`,
		[]any{pgdb.Ints(seqs), epoch}, func(r *sql.Rows) error {
			var seq int64
			var c chunk
			if err := r.Scan(&seq, &c.number, &c.n, &c.failed, &c.cancelled, &c.ids); err != nil {
				return err
			}
			switch e := find(list, seq); {
			case seq == 0:
				current = true
			case e == nil:
			case c.number < 0:
				e.defers = true
			default:
				e.chunks = append(e.chunks, c)
			}
			return nil
		})
	return current, err
}

// left is how many targets are not settled.
func (e *locked) left() int {
	n := e.total
	for _, c := range e.chunks {
		n -= c.n // no target is in two chunks
	}
	return n
}

// open returns those of ids, which ascend and are written over, that are targets and not settled.
func (e *locked) open(ids []int64) ([]int64, error) {
	ids, _, err := sieve(e.targets, ids, true)
	if err != nil {
		return nil, fmt.Errorf("activity %d: %w", e.seq, err)
	}
	for _, c := range e.chunks {
		if ids, _, err = sieve(c.ids, ids, false); err != nil {
			return nil, fmt.Errorf("acks of activity %d: %w", e.seq, err)
		}
	}
	return ids, nil
}

// remaining returns the targets, and those that are not settled.
func (e *locked) remaining() (all, left []int64, err error) {
	if all, err = readTargets(e.targets); err != nil {
		return nil, nil, fmt.Errorf("activity %d: %w", e.seq, err)
	}
	left, err = e.open(slices.Clone(all))
	return all, left, err
}

// settling says what is settled of a record.
type settling struct {
	*locked
	ids               []int64 // not settled yet, ascending
	failed, cancelled int     // of ids
	forget            bool    // nothing is remembered of it if none is left
}

type ackRow struct {
	Seq       int64  `json:"seq"`
	Chunk     int    `json:"chunk"`
	N         int    `json:"n"`
	Failed    int    `json:"failed"`
	Cancelled int    `json:"cancelled"`
	IDs       []byte `json:"ids"`
}

type finishRow struct {
	Seq       int64 `json:"seq"`
	Failed    int   `json:"failed"`
	Cancelled int   `json:"cancelled"`
	Forget    bool  `json:"forget"`
}

// settle settles targets of records, in a few statements for all.
func (t *pgtx) settle(list []settling, now time.Time) error {
	var acks []ackRow
	var finished []finishRow
	var over, compacted, seqs, inboxes []int64
	for _, s := range list {
		if s.left() == len(s.ids) {
			finished = append(finished, finishRow{s.seq, s.failed, s.cancelled, s.forget})
			over = append(over, s.seq)
			continue
		}
		a := ackRow{Seq: s.seq, N: len(s.ids), Failed: s.failed, Cancelled: s.cancelled}
		if s.defers {
			for _, id := range s.ids {
				seqs, inboxes = append(seqs, s.seq), append(inboxes, id)
			}
		}
		ids := s.ids
		for _, c := range s.chunks {
			a.Chunk = max(a.Chunk, c.number+1)
		}
		if len(s.chunks)+1 >= compactAt {
			// All chunks become one. The target set stays: a Delete to come goes where something has arrived.
			for _, c := range s.chunks {
				more, err := readTargets(c.ids)
				if err != nil {
					return fmt.Errorf("acks of activity %d: %w", s.seq, err)
				}
				ids = append(ids[:len(ids):len(ids)], more...)
				a.N, a.Failed, a.Cancelled = a.N+c.n, a.Failed+c.failed, a.Cancelled+c.cancelled
			}
			ids = ascending(ids)
			compacted = append(compacted, s.seq)
		}
		a.IDs = appendTargets([]byte{}, ids)
		acks = append(acks, a)
	}
	if len(compacted) > 0 {
		if err := t.run(`DELETE FROM fedihook_q_ack WHERE seq = ANY ($1::bigint[])`, pgdb.Ints(compacted)); err != nil {
			return err
		}
	}
	if err := runAll(t, `INSERT INTO fedihook_q_ack (seq, chunk, n, failed, cancelled, ids)
		SELECT seq, chunk, n, failed, cancelled, decode(ids, 'base64')
		FROM json_to_recordset($1::json) AS x (seq bigint, chunk integer, n integer, failed integer, cancelled integer, ids text)`, acks); err != nil {
		return err
	}
	if len(seqs) > 0 {
		if err := t.run(`DELETE FROM fedihook_q_defer d USING unnest($1::bigint[], $2::bigint[]) AS u (seq, inbox)
			WHERE d.seq = u.seq AND d.inbox = u.inbox`, pgdb.Ints(seqs), pgdb.Ints(inboxes)); err != nil {
			return err
		}
	}
	// The rows that dead letters need are kept aside. They were written before.
	return runAll(t, `WITH u AS MATERIALIZED (
			SELECT * FROM json_to_recordset($1::json) AS x (seq bigint, failed integer, cancelled integer, forget boolean)
		), k AS (
			DELETE FROM fedihook_q_ack WHERE seq = ANY ($2::bigint[]) RETURNING seq, failed, cancelled
		), a AS (
			DELETE FROM fedihook_q_activity WHERE seq = ANY ($2::bigint[]) RETURNING seq, size, class, type, id, sender, okey, body, other
		), d AS (
			DELETE FROM fedihook_q_defer WHERE seq = ANY ($2::bigint[])
		), kept AS (
			INSERT INTO fedihook_q_kept (seq, size, class, type, id, sender, okey, body, other)
			SELECT seq, size, class, type, id, sender, okey, body, other FROM a WHERE EXISTS (SELECT FROM fedihook_q_dead l WHERE l.seq = a.seq)
		), forgotten AS (
			DELETE FROM fedihook_q_ledger l USING a, u WHERE l.id = a.id AND u.seq = a.seq AND u.forget
		) UPDATE fedihook_q_ledger l SET finished = $3,
			failed = u.failed + coalesce((SELECT sum(failed) FROM k WHERE k.seq = u.seq), 0),
			cancelled = u.cancelled + coalesce((SELECT sum(cancelled) FROM k WHERE k.seq = u.seq), 0)
		FROM a, u WHERE l.id = a.id AND u.seq = a.seq AND NOT u.forget`, finished, pgdb.Ints(over), max(1, toMilli(now)))
}
