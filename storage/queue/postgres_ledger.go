package queue

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/internal/pgdb"
)

func (s *postgres) Status(ctx context.Context, id string) (delivery.Status, error) {
	st := delivery.Status{ID: id}
	var created, finished int64
	var settled int
	err := s.db.QueryRowContext(ctx, `SELECT l.seq, l.total, l.created, l.finished, l.failed + k.failed, l.cancelled + k.cancelled, k.n,
			(SELECT count(*) FROM fedihook_q_defer d WHERE d.seq = l.seq)
		FROM fedihook_q_ledger l, LATERAL (
			SELECT coalesce(sum(n), 0) AS n, coalesce(sum(failed), 0) AS failed, coalesce(sum(cancelled), 0) AS cancelled FROM fedihook_q_ack k WHERE k.seq = l.seq
		) k WHERE l.id = $1`, octets(id)).Scan(&st.Seq, &st.Targets, &created, &finished, &st.Failed, &st.Cancelled, &settled, &st.Deferred)
	if errors.Is(err, sql.ErrNoRows) {
		return delivery.Status{}, delivery.ErrUnknown
	} else if err != nil {
		return delivery.Status{}, fmt.Errorf("queue: status: %w", err)
	}
	st.Created, st.Finished = fromMilli(created), fromMilli(finished)
	if finished == 0 {
		st.Pending = st.Targets - settled
	}
	st.Delivered = st.Targets - st.Pending - st.Failed - st.Cancelled
	return st, nil
}

func (s *postgres) Hosts(ctx context.Context, after string, limit int) ([]delivery.HostState, error) {
	return s.hosts(ctx, `origin > $1 ORDER BY origin LIMIT $2`, after, limit)
}

func (s *postgres) HostsOf(ctx context.Context, origins []string) ([]delivery.HostState, error) {
	return s.hosts(ctx, `origin = ANY ($1::text[])`, pgdb.Texts(origins))
}

func (s *postgres) hosts(ctx context.Context, where string, args ...any) (page []delivery.HostState, err error) {
	err = each(ctx, s.db, `SELECT origin, failures, since, last, next, asked, status, err, refusals, held FROM fedihook_q_host
		WHERE `+where, args, func(r *sql.Rows) error {
		var h delivery.HostState
		var since, last, next int64
		var text []byte
		if err := r.Scan(&h.Origin, &h.Failures, &since, &last, &next, &h.Asked, &h.Status, &text, &h.Refusals, &h.Held); err != nil {
			return err
		}
		h.Since, h.Last, h.Next, h.Err = fromMilli(since), fromMilli(last), fromMilli(next), string(text)
		page = append(page, h)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("queue: hosts: %w", err)
	}
	return page, nil
}

func (s *postgres) Dead(ctx context.Context, after int64, limit int) (page []delivery.DeadLetter, err error) {
	err = each(ctx, s.db, `SELECT id, seq, activity, sender, okey, inbox, at, attempts, status, err FROM fedihook_q_dead
		WHERE id > $1 ORDER BY id LIMIT $2`, []any{after, limit}, func(r *sql.Rows) error {
		var d delivery.DeadLetter
		var activity, sender, key, inbox, text []byte
		var at int64
		if err := r.Scan(&d.ID, &d.Seq, &activity, &sender, &key, &inbox, &at, &d.Attempts, &d.Status, &text); err != nil {
			return err
		}
		d.Activity, d.Sender, d.Key, d.Inbox, d.Err = string(activity), string(sender), string(key), string(inbox), string(text)
		d.At = fromMilli(at)
		page = append(page, d)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("queue: dead letters: %w", err)
	}
	return page, nil
}

func (s *postgres) Forget(ctx context.Context, f delivery.Forget) error {
	s.names.clear()
	finished := toMilli(f.Finished)
	err := s.write(ctx, "forget", func(t *pgtx) error {
		if err := t.run(`SELECT ` + bounded); err != nil {
			return err
		}
		// Created is at most finished, as far as clocks agree; else it is forgotten later.
		if err := t.run(`DELETE FROM fedihook_q_ledger WHERE created < $1 AND finished > 0 AND finished < $1`, finished); err != nil {
			return err
		}
		if err := t.run(`DELETE FROM fedihook_q_dead WHERE at < $1`, toMilli(f.Dead)); err != nil {
			return err
		}
		if err := t.run(`DELETE FROM fedihook_q_host WHERE last < $1 AND NOT held`, toMilli(f.Hosts)); err != nil {
			return err
		}
		return t.trim(0, 0)
	})
	if err != nil || f.Inboxes.IsZero() {
		return err
	}
	return s.write(ctx, "forget", func(t *pgtx) error {
		if err := t.run(`SELECT ` + bounded + `, ` + numbering); err != nil {
			return err
		}
		// Of a URL that something in the queue names, used is at most a day before that was enqueued.
		return t.run(`DELETE FROM fedihook_q_inbox WHERE used < least($1, coalesce((SELECT min(created) FROM fedihook_q_activity), $2)) - 86400000`,
			toMilli(f.Inboxes), int64(math.MaxInt64))
	})
}

func (s *postgres) Redrive(ctx context.Context, r delivery.Redrive) (n int, err error) {
	type letter struct {
		id    int64
		inbox string
	}
	find := func(t querier, locking string) (letters map[int64][]letter, err error) { // by the record's Seq
		letters = make(map[int64][]letter)
		return letters, each(ctx, t, `SELECT id, seq, inbox FROM fedihook_q_dead d WHERE id = ANY ($1::bigint[]) AND (
				EXISTS (SELECT FROM fedihook_q_kept k WHERE k.seq = d.seq) OR EXISTS (SELECT FROM fedihook_q_activity a WHERE a.seq = d.seq)
			) ORDER BY id `+locking, []any{pgdb.Ints(r.IDs)}, func(rows *sql.Rows) error {
			var l letter
			var seq int64
			var inbox []byte
			err := rows.Scan(&l.id, &seq, &inbox)
			l.inbox = string(inbox)
			letters[seq] = append(letters[seq], l)
			return err
		})
	}
	all, err := find(s.db, "")
	if err != nil {
		return 0, fmt.Errorf("queue: redrive: %w", err)
	}
	numbers := make(map[string]int64) // URLs get theirs before the transaction
	var life int64
	for _, some := range all {
		for _, l := range some {
			if numbers[l.inbox] == 0 {
				var ids []int64
				if ids, life, err = s.intern(ctx, []string{l.inbox}, r.Now); err != nil {
					return 0, err
				}
				numbers[l.inbox] = ids[0]
			}
		}
	}
	err = s.write(ctx, "redrive", func(t *pgtx) error {
		n = 0
		if err := t.run(`SELECT ` + bounded); err != nil {
			return err
		}
		letters, err := find(t, "FOR UPDATE")
		if err != nil {
			return err
		}
		var gone []int64
		for seq, some := range letters {
			var ids []int64
			for _, l := range some {
				if id := numbers[l.inbox]; id != 0 {
					ids, gone = append(ids, id), append(gone, l.id)
				}
			}
			if len(ids) == 0 {
				continue // its body came to be kept only now
			}
			if err := t.redrive(seq, some[0].id, ascending(ids), life, r); err != nil {
				return err
			}
		}
		n = len(gone)
		if err := t.run(`DELETE FROM fedihook_q_dead WHERE id = ANY ($1::bigint[])`, pgdb.Ints(gone)); err != nil {
			return err
		}
		return t.trim(0, 0)
	})
	if err != nil {
		s.forgetNames()
		return 0, err
	}
	if n > 0 {
		s.notify(ctx)
	}
	return n, nil
}

// redrive makes a new record of dead letters of one.
func (t *pgtx) redrive(seq, letter int64, ids []int64, life int64, r delivery.Redrive) error {
	var rec delivery.Record
	var id, sender, key, other []byte
	err := t.row(`SELECT id, sender, okey, class, type, body, other FROM fedihook_q_kept WHERE seq = $1 UNION ALL
		SELECT id, sender, okey, class, type, body, other FROM fedihook_q_activity WHERE seq = $1 LIMIT 1`, []any{seq},
		&id, &sender, &key, &rec.Class, &rec.ContentType, &rec.Body, &other)
	if err == nil {
		rec.Other, err = unpackBodies(other)
	}
	if err != nil {
		return err
	}
	rec.ID, rec.Sender, rec.Key, rec.Created, rec.Expires = redriven(string(id), letter), string(sender), string(key), r.Now, r.Expires
	done, err := t.ExecContext(t.ctx, insert, insertion(rec, ids, life)...)
	if err != nil {
		return err
	}
	if n, err := done.RowsAffected(); err != nil || n != 1 {
		return cmp.Or(err, errNotAdded) // the server has died in between, or somebody has named it so
	}
	return nil
}
