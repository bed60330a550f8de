package queue

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/internal/pgdb"
)

// A reader goes on from the last Seq that it has seen, but numbers are given in another order than transactions are
// committed in. So that it need not wait until all others have ended, an addition claims where it is: it locks the last number
// given (in the name of fedihook_q_activity, shared) and takes a number after that, so a higher one. A reader reads the last number
// given, then the claims, then rows up to the lowest of these: whose claim it does not see either has ended, and its row is
// seen, or has claimed later, and has a higher number than was the last. That holds since a transaction's rows are seen before its
// locks are gone, pg_locks has all advisory locks of one moment, and the sequence keeps no numbers in store (CACHE 1).
const claim = `pg_advisory_xact_lock_shared('fedihook_q_activity'::regclass::oid::int, (SELECT last_value FROM fedihook_q_seq)::bit(32)::int)::text`

// Who adds to a key holds its lock, shared, and who supersedes or cancels what is there holds it alone: so nothing that is on its
// way in is overlooked.
const (
	keyShared = `pg_advisory_xact_lock_shared('fedihook_q_ledger'::regclass::oid::int, $1)::text`
	keyAlone  = `pg_advisory_xact_lock('fedihook_q_ledger'::regclass::oid::int, $1)::text`
)

// insert is one statement, so that neither a claim nor a key's lock waits for the process that holds it. It adds nothing if the ID is
// known, or the numbers of its targets are of an earlier life of the server.
const insert = `WITH held AS MATERIALIZED (SELECT CASE WHEN $2 = ''::bytea THEN '' ELSE ` + keyShared + ` END, ` + claim + `
		FROM fedihook_q_life WHERE token = $17), known AS (
		INSERT INTO fedihook_q_ledger (seq, created, finished, total, failed, cancelled, id)
		SELECT nextval('fedihook_q_seq'), $3, 0, $4, 0, 0, $5 FROM held ON CONFLICT (id) DO NOTHING RETURNING seq
	) INSERT INTO fedihook_q_activity
		(seq, okey, created, total, id, shards, not_before, expires, size, class, supersedes, type, sender, targets, body, other, trace)
	SELECT seq, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $18 FROM known RETURNING seq`

// insertion is what insert wants.
func insertion(r delivery.Record, ids []int64, life int64) []any {
	return []any{
		keyLock(r.Key), octets(r.Key), toMilli(r.Created), len(ids), octets(r.ID), int64(shardsOf(ids)), toMilli(r.NotBefore), toMilli(r.Expires),
		bodySize(r.Bodies), int64(r.Class), int64(r.Supersedes), r.ContentType, octets(r.Sender), appendTargets([]byte{}, ids), octets(string(r.Body)), packBodies(r.Other),
		life, octets(r.Trace),
	}
}

// keyLock is a key's number among locks. Keys that share it wait for each other.
func keyLock(key string) int32 {
	h := fnv.New32a()
	h.Write([]byte(key))
	return int32(h.Sum32())
}

// errNotAdded says that insert has added nothing.
var errNotAdded = errors.New("nothing was added")

func (s *postgres) Append(ctx context.Context, add delivery.Addition) (a delivery.Appended, err error) {
	for {
		var ids []int64
		var life int64
		if ids, life, err = s.intern(ctx, add.Inboxes, add.Created); err != nil {
			return delivery.Appended{}, err
		}
		ids = ascending(ids)
		if add.Supersedes == delivery.SupersedeNothing {
			a, err = s.add(ctx, add, ids, life)
		} else {
			err = s.write(ctx, "append", func(t *pgtx) (err error) {
				a, err = t.replace(s, add, ids, life)
				return err
			})
		}
		if !errors.Is(err, errNotAdded) {
			break
		}
		a = delivery.Appended{Duplicate: true}
		err = s.db.QueryRowContext(ctx, `SELECT seq, total FROM fedihook_q_ledger WHERE id = $1`, octets(add.ID)).Scan(&a.Seq, &a.Targets)
		if err == nil {
			return a, nil
		} else if !errors.Is(err, sql.ErrNoRows) {
			return delivery.Appended{}, fmt.Errorf("queue: append: %w", err)
		}
		s.forgetNames() // or the ID was forgotten in between
	}
	if err != nil {
		return delivery.Appended{}, err
	}
	if a.Seq > 0 {
		s.backlog.added(a.Targets, int64(bodySize(add.Bodies)))
		s.notify(ctx)
	}
	return a, nil
}

// add appends a record that stands in for nothing, in one statement.
func (s *postgres) add(ctx context.Context, add delivery.Addition, ids []int64, life int64) (a delivery.Appended, err error) {
	full, err := s.backlog.full(ctx, s.db, add.Max, len(ids), int64(bodySize(add.Bodies)), false)
	if err == nil && (full || len(ids) == 0) {
		var known bool
		err = s.db.QueryRowContext(ctx, `SELECT EXISTS (SELECT FROM fedihook_q_ledger WHERE id = $1)`, octets(add.ID)).Scan(&known)
		switch {
		case err != nil:
		case known:
			return a, errNotAdded
		case full:
			return a, fmt.Errorf("queue: append: %w", delivery.ErrBacklog)
		default:
			return a, nil
		}
	}
	if err == nil {
		err = pgdb.Again(ctx, func() error {
			return each(ctx, s.db, insert, insertion(add.Record, ids, life), func(r *sql.Rows) error { return r.Scan(&a.Seq) })
		})
	}
	if err != nil {
		return a, fmt.Errorf("queue: append: %w", err)
	}
	if a.Seq == 0 {
		return a, errNotAdded
	}
	a.Targets = len(ids)
	return a, nil
}

// replace appends a record that may stand in for earlier ones of its key.
func (t *pgtx) replace(s *postgres, add delivery.Addition, ids []int64, life int64) (a delivery.Appended, err error) {
	if err := t.run(`SELECT `+bounded+`, `+keyAlone, keyLock(add.Key)); err != nil {
		return a, err
	}
	var known bool
	if err := t.row(`SELECT EXISTS (SELECT FROM fedihook_q_ledger WHERE id = $1)`, []any{octets(add.ID)}, &known); err != nil {
		return a, err
	}
	if known {
		return a, errNotAdded
	}
	var sure delivery.Shards
	if add.Supersedes == delivery.SupersedeAll && add.Epoch != 0 && add.Sure != 0 {
		var held delivery.Shards
		if held, err = t.fence(add.Epoch); err != nil && !errors.Is(err, delivery.ErrLeaseLost) {
			return a, err
		}
		sure = add.Sure.Both(held)
	}
	earlier, err := t.lock(`okey = $1 AND okey <> ''`, octets(add.Key))
	if err != nil {
		return a, err
	}
	to := ids
	var drops []settling
	for _, e := range earlier {
		all, left, err := e.remaining()
		if err != nil {
			return a, err
		}
		drop := left
		switch {
		case add.Supersedes == delivery.SupersedeAll:
			switch {
			case e.notBefore.After(add.Created):
			case e.supersedes == delivery.SupersedeAll: // what it was to delete may be wherever it did not come yet
				to = append(to, all...)
			default:
				unsure := inShards(left, delivery.AllShards.Without(sure))
				to = append(to, inherited(all, left, e.deferred, unsure, add.Tried, e.seq)...)
			}
		case e.supersedes == delivery.SupersedeUpdates:
			drop = common(left, ids)
		default:
			continue
		}
		if len(drop) == 0 {
			continue
		}
		a.Superseded += len(drop)
		if len(drop) == len(left) {
			a.Cancelled = append(a.Cancelled, e.seq)
		}
		drops = append(drops, settling{locked: e, ids: drop, cancelled: len(drop), forget: e.notBefore.After(add.Created)})
	}
	if err := t.settle(drops, add.Created); err != nil {
		return a, err
	}
	to = ascending(to)
	full, err := s.backlog.full(t.ctx, t.Tx, add.Max, len(to), int64(bodySize(add.Bodies)), a.Superseded > 0)
	if err == nil && full {
		err = delivery.ErrBacklog
	}
	if a.Targets = len(to); err != nil || len(to) == 0 {
		return a, err
	}
	if err := t.rows(insert, insertion(add.Record, to, life), func(r *sql.Rows) error { return r.Scan(&a.Seq) }); err != nil {
		return a, err
	}
	if a.Seq == 0 {
		return a, errNotAdded
	}
	return a, nil
}

func (s *postgres) Cancel(ctx context.Context, key string, now time.Time) (c delivery.Cancelled, err error) {
	err = s.write(ctx, "cancel", func(t *pgtx) error {
		c = delivery.Cancelled{}
		if err := t.run(`SELECT `+bounded+`, `+keyAlone, keyLock(key)); err != nil {
			return err
		}
		records, err := t.lock(`okey = $1 AND okey <> ''`, octets(key))
		if err != nil {
			return err
		}
		var drops []settling
		for _, e := range records {
			_, left, err := e.remaining()
			if err != nil {
				return err
			}
			c.Seqs = append(c.Seqs, e.seq)
			c.Targets += len(left)
			drops = append(drops, settling{locked: e, ids: left, cancelled: len(left), forget: e.notBefore.After(now)})
		}
		return t.settle(drops, now)
	})
	if err != nil {
		return delivery.Cancelled{}, err
	}
	return c, nil
}

// packBodies writes bodies in one piece: for each the length of its name, the name, and the same of the bytes.
func packBodies(list []delivery.Body) []byte {
	b := []byte{}
	for _, o := range list {
		b = append(binary.AppendUvarint(b, uint64(len(o.Name))), o.Name...)
		b = append(binary.AppendUvarint(b, uint64(len(o.Bytes))), o.Bytes...)
	}
	return b
}

var errBodies = errors.New("malformed bodies")

// unpackBodies is the inverse of packBodies.
func unpackBodies(b []byte) (list []delivery.Body, err error) {
	next := func() []byte {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)-size) {
			err, b = errBodies, nil
			return nil
		}
		part := b[size : size+int(n)]
		b = b[size+int(n):]
		return part
	}
	for len(b) > 0 {
		name := next()
		list = append(list, delivery.Body{Name: string(name), Bytes: slices.Clone(next())})
	}
	if err != nil {
		return nil, err
	}
	return list, nil
}
