package queue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fedihook/fedihook/delivery"
)

func (s *sqlite) Flush(ctx context.Context, epoch int64, f delivery.Flush) (gone []int64, err error) {
	type change struct {
		done   []int64
		failed int
		defers []delivery.Deferral
	}
	changes := make(map[int64]*change)
	of := func(seq int64) *change {
		c := changes[seq]
		if c == nil {
			c = new(change)
			changes[seq] = c
		}
		return c
	}
	for _, a := range f.Acks {
		c := of(a.Seq)
		c.done = append(c.done, a.Done...)
		c.failed += a.Failed
	}
	for _, d := range f.Defers {
		c := of(d.Seq)
		c.defers = append(c.defers, d)
	}
	err = s.lazily(ctx, "flush", func(t *tx) error {
		gone = nil
		if epoch != 0 || len(f.Defers)+len(f.Hosts)+len(f.Dead)+len(f.Obeyed) > 0 {
			if err := t.checkLease(epoch); err != nil {
				return err
			}
		}
		// Letters before acks, which may finish their record.
		if err := t.letters(f.Dead); err != nil {
			return err
		}
		for seq, c := range changes {
			done := ascending(c.done)
			ids := slices.Clone(done)
			if len(c.defers) > 0 {
				for _, d := range c.defers {
					ids = append(ids, d.Inbox)
				}
				ids = ascending(ids)
			}
			open, left, chunks, err := t.unsettled(seq, ids)
			if errors.Is(err, sql.ErrNoRows) {
				gone = append(gone, seq)
				continue
			} else if err != nil {
				return err
			}
			settled := open
			if len(c.defers) > 0 {
				settled = common(open, done)
			}
			if n := len(settled); n > 0 {
				if err := t.settle(seq, left-n, chunks, settled, min(c.failed, n), 0, f.Now); err != nil {
					return err
				}
				open = without(open, settled)
			}
			for _, d := range c.defers {
				if _, ok := slices.BinarySearch(open, d.Inbox); !ok {
					continue
				}
				if err := t.run(`INSERT OR REPLACE INTO fedihook_q_defer (seq, inbox, attempts, next, status, err) VALUES (?, ?, ?, ?, ?, ?)`,
					d.Seq, d.Inbox, d.Attempts, toMilli(d.Next), d.Status, d.Err); err != nil {
					return err
				}
			}
		}
		if err := t.hosts(f.Hosts); err != nil {
			return err
		}
		if err := t.obeyed(f.Obeyed); err != nil {
			return err
		}
		if len(f.Dead) == 0 {
			return nil
		}
		return t.trim(f.MaxDead, f.MaxBodies)
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(gone)
	return gone, nil
}

// unsettled returns those of ids, which ascend and are written over, that are targets of an activity and not settled, how many such
// targets it has in all, and in how many chunks the others are noted. It returns sql.ErrNoRows if the activity is gone.
func (t *tx) unsettled(seq int64, ids []int64) (open []int64, left, chunks int, err error) {
	known := false
	err = t.rows(`SELECT targets FROM fedihook_q_activity WHERE seq = ?`, []any{seq}, func(r *sql.Rows) error {
		var set sql.RawBytes
		err := r.Scan(&set)
		if err == nil {
			known = true
			open, left, err = sieve(set, ids, true)
		}
		return err
	})
	if err != nil {
		return nil, 0, 0, fmt.Errorf("activity %d: %w", seq, err)
	}
	if !known {
		return nil, 0, 0, sql.ErrNoRows
	}
	err = t.rows(`SELECT ids FROM fedihook_q_ack WHERE seq = ?`, []any{seq}, func(r *sql.Rows) error {
		var chunk sql.RawBytes
		err := r.Scan(&chunk)
		if err == nil {
			var n int
			open, n, err = sieve(chunk, open, false)
			left -= n // no target is in two chunks
			chunks++
		}
		return err
	})
	if err != nil {
		return nil, 0, 0, fmt.Errorf("acks of activity %d: %w", seq, err)
	}
	return open, left, chunks, nil
}

// settle notes that targets of an activity are settled, of which so many failed or were
// cancelled; so many are left.
func (t *tx) settle(seq int64, left, chunks int, settled []int64, failed, cancelled int, now time.Time) error {
	if err := t.run(`UPDATE fedihook_q_ack SET failed = failed + ? WHERE seq = ?`, len(settled), settledRow); err != nil {
		return err
	}
	if left == 0 {
		return t.finish(seq, failed, cancelled, now)
	}
	deferred, err := t.deferred(seq)
	if err != nil {
		return err
	}
	for _, id := range common(deferred, settled) {
		if err := t.run(`DELETE FROM fedihook_q_defer WHERE seq = ? AND inbox = ?`, seq, id); err != nil {
			return err
		}
	}
	if err := t.run(`INSERT INTO fedihook_q_ack (seq, chunk, failed, cancelled, ids)
		SELECT ?, coalesce(max(chunk), 0) + 1, ?, ?, ? FROM fedihook_q_ack WHERE seq = ?`,
		seq, failed, cancelled, appendTargets(nil, settled), seq); err != nil {
		return err
	}
	if chunks+1 < compactAt {
		return nil
	}
	return t.compact(seq)
}

// compact puts the chunks of an activity's acks into one. The target set stays: a Delete to come goes where
// something has arrived.
func (t *tx) compact(seq int64) error {
	done, _, err := t.acked(seq)
	if err != nil {
		return err
	}
	var failed, cancelled int
	if err := t.row(`SELECT sum(failed), sum(cancelled) FROM fedihook_q_ack WHERE seq = ?`, []any{seq}, &failed, &cancelled); err != nil {
		return err
	}
	if err := t.run(`DELETE FROM fedihook_q_ack WHERE seq = ?`, seq); err != nil {
		return err
	}
	return t.run(`INSERT INTO fedihook_q_ack (seq, chunk, failed, cancelled, ids) VALUES (?, 1, ?, ?, ?)`,
		seq, failed, cancelled, appendTargets(nil, ascending(done)))
}

// cancel settles targets of an activity that are not wanted any more. Nothing is remembered of one that had not begun.
func (t *tx) cancel(seq int64, left []int64, chunks int, drop []int64, now time.Time) error {
	var id string
	var notBefore int64
	if err := t.row(`SELECT id, not_before FROM fedihook_q_activity WHERE seq = ?`, []any{seq}, &id, &notBefore); err != nil {
		return err
	}
	rest := len(left) - len(drop) // drop is of left
	if err := t.settle(seq, rest, chunks, drop, 0, len(drop), now); err != nil || rest > 0 || notBefore <= toMilli(now) {
		return err
	}
	return t.run(`DELETE FROM fedihook_q_id WHERE id = ?`, id)
}

// finish removes an activity whose last targets are settled, of which so many failed or
// were cancelled, and remembers its ID.
func (t *tx) finish(seq int64, failed, cancelled int, now time.Time) error {
	if err := t.run(`UPDATE fedihook_q_id SET failed = ?1 + (SELECT coalesce(sum(failed), 0) FROM fedihook_q_ack WHERE seq = ?4),
		cancelled = ?2 + (SELECT coalesce(sum(cancelled), 0) FROM fedihook_q_ack WHERE seq = ?4), finished = ?3
		WHERE id = (SELECT id FROM fedihook_q_activity WHERE seq = ?4)`, failed, cancelled, toMilli(now), seq); err != nil {
		return err
	}
	if err := t.run(`UPDATE fedihook_q_state SET bytes = bytes - (SELECT size FROM fedihook_q_activity WHERE seq = ?)`, seq); err != nil {
		return err
	}
	if err := t.run(`INSERT INTO fedihook_q_kept (seq, id, sender, okey, class, type, size)
		SELECT seq, id, sender, okey, class, type, size FROM fedihook_q_activity a
		WHERE seq = ? AND EXISTS (SELECT 1 FROM fedihook_q_dead d WHERE d.seq = a.seq)`, seq); err != nil {
		return err
	}
	for _, query := range []string{
		`DELETE FROM fedihook_q_activity WHERE seq = ?`,
		`DELETE FROM fedihook_q_body WHERE id BETWEEN 8*?1 AND 8*?1+7 AND NOT EXISTS (SELECT 1 FROM fedihook_q_kept WHERE seq = ?1)`,
		`DELETE FROM fedihook_q_ack WHERE seq = ?`, `DELETE FROM fedihook_q_defer WHERE seq = ?`,
	} {
		if err := t.run(query, seq); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) hosts(hosts []delivery.HostState) error {
	for _, h := range hosts {
		var err error
		if h.Failures == 0 && h.Refusals == 0 && !h.Held {
			err = t.run(`DELETE FROM fedihook_q_host WHERE origin = ?`, h.Origin)
		} else {
			err = t.run(`INSERT OR REPLACE INTO fedihook_q_host (origin, failures, since, last, next, asked, status, err, refusals, held)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
				h.Origin, h.Failures, toMilli(h.Since), toMilli(h.Last), toMilli(h.Next), h.Asked, h.Status, h.Err, h.Refusals, h.Held)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) letters(dead []delivery.DeadLetter) error {
	for _, d := range dead {
		if err := t.run(`INSERT INTO fedihook_q_dead (seq, activity, sender, okey, inbox, at, attempts, status, err) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			d.Seq, d.Activity, d.Sender, d.Key, d.Inbox, toMilli(d.At), d.Attempts, d.Status, d.Err); err != nil {
			return err
		}
	}
	return nil
}

// trim keeps the newest so many dead letters, and the bodies that the newest so many need. 0: all.
func (t *tx) trim(letters, bodies int) error {
	if letters > 0 {
		if err := t.run(`DELETE FROM fedihook_q_dead WHERE id <= (SELECT id FROM fedihook_q_dead ORDER BY id DESC LIMIT 1 OFFSET ?)`, letters); err != nil {
			return err
		}
	}
	if bodies <= 0 {
		bodies = -1 // no limit
	}
	var old []int64
	if err := t.rows(`SELECT seq FROM fedihook_q_kept WHERE seq NOT IN (SELECT seq FROM fedihook_q_dead ORDER BY id DESC LIMIT ?)`,
		[]any{bodies}, func(r *sql.Rows) error {
			var seq int64
			err := r.Scan(&seq)
			old = append(old, seq)
			return err
		}); err != nil {
		return err
	}
	for _, seq := range old {
		if err := t.run(`DELETE FROM fedihook_q_kept WHERE seq = ?`, seq); err != nil {
			return err
		}
		if err := t.run(`DELETE FROM fedihook_q_body WHERE id BETWEEN 8*?1 AND 8*?1+7`, seq); err != nil {
			return err
		}
	}
	return nil
}

func (s *sqlite) Cancel(ctx context.Context, key string, now time.Time) (c delivery.Cancelled, err error) {
	err = s.write(ctx, "cancel", func(t *tx) error {
		c = delivery.Cancelled{}
		if err := t.rows(`SELECT seq FROM fedihook_q_activity WHERE okey = ? AND okey <> '' ORDER BY seq`, []any{key}, func(r *sql.Rows) error {
			var seq int64
			err := r.Scan(&seq)
			c.Seqs = append(c.Seqs, seq)
			return err
		}); err != nil {
			return err
		}
		for _, seq := range c.Seqs {
			_, left, chunks, err := t.remaining(seq)
			if err != nil {
				return err
			}
			c.Targets += len(left)
			if err := t.cancel(seq, left, chunks, left, now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return delivery.Cancelled{}, err
	}
	return c, nil
}
