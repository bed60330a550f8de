package queue

import (
	"context"
	"database/sql"
	"errors"
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
	err = s.write(ctx, "flush", func(t *tx) error {
		gone = nil
		if err := t.checkLease(epoch); err != nil {
			return err
		}
		for seq, c := range changes {
			left, chunks, err := t.remaining(seq)
			if errors.Is(err, sql.ErrNoRows) {
				gone = append(gone, seq)
				continue
			} else if err != nil {
				return err
			}
			if left, err = t.ack(seq, left, chunks, c.done, c.failed, f.Now); err != nil {
				return err
			}
			for _, d := range c.defers {
				if _, ok := slices.BinarySearch(left, d.Inbox); !ok {
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
		return t.letters(f.Dead, f.MaxDead)
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(gone)
	return gone, nil
}

// ack settles those of done that are in left, and returns the rest.
func (t *tx) ack(seq int64, left []int64, chunks int, done []int64, failed int, now time.Time) ([]int64, error) {
	rest := without(left, ascending(done))
	n := len(left) - len(rest)
	if n == 0 {
		return rest, nil
	}
	failed = min(failed, n)
	if err := t.run(`UPDATE fedihook_q_state SET targets = targets - ?`, n); err != nil {
		return nil, err
	}
	if len(rest) == 0 {
		return nil, t.finish(seq, failed, 0, now)
	}
	settled := without(left, rest)
	list, err := array(settled)
	if err != nil {
		return nil, err
	}
	if err := t.run(`DELETE FROM fedihook_q_defer WHERE seq = ? AND inbox IN (SELECT value FROM json_each(?))`, seq, list); err != nil {
		return nil, err
	}
	if chunks+1 < compactAt {
		return rest, t.run(`INSERT INTO fedihook_q_ack (seq, chunk, failed, ids)
			SELECT ?, coalesce(max(chunk), 0) + 1, ?, ? FROM fedihook_q_ack WHERE seq = ?`,
			seq, failed, appendTargets(nil, settled), seq)
	}
	if err := t.run(`UPDATE fedihook_q_activity SET targets = ?,
		failed = failed + ? + (SELECT coalesce(sum(failed), 0) FROM fedihook_q_ack a WHERE a.seq = fedihook_q_activity.seq)
		WHERE seq = ?`, appendTargets(nil, rest), failed, seq); err != nil {
		return nil, err
	}
	return rest, t.run(`DELETE FROM fedihook_q_ack WHERE seq = ?`, seq)
}

// finish removes an activity whose last targets are settled, of which so many failed or
// were cancelled, and remembers its ID.
func (t *tx) finish(seq int64, failed, cancelled int, now time.Time) error {
	if err := t.run(`INSERT OR REPLACE INTO fedihook_q_done (id, seq, total, failed, cancelled, created, finished)
		SELECT id, seq, total, failed + ? + (SELECT coalesce(sum(failed), 0) FROM fedihook_q_ack k WHERE k.seq = a.seq), ?, created, ?
		FROM fedihook_q_activity a WHERE seq = ?`, failed, cancelled, toMilli(now), seq); err != nil {
		return err
	}
	if err := t.run(`UPDATE fedihook_q_state SET bytes = bytes - (SELECT size FROM fedihook_q_activity WHERE seq = ?)`, seq); err != nil {
		return err
	}
	for _, query := range []string{
		`DELETE FROM fedihook_q_activity WHERE seq = ?`, `DELETE FROM fedihook_q_body WHERE seq = ?`,
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
		if h.Failures == 0 {
			err = t.run(`DELETE FROM fedihook_q_host WHERE origin = ?`, h.Origin)
		} else {
			err = t.run(`INSERT OR REPLACE INTO fedihook_q_host (origin, failures, since, last, next, asked, status, err)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
				h.Origin, h.Failures, toMilli(h.Since), toMilli(h.Last), toMilli(h.Next), h.Asked, h.Status, h.Err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) letters(dead []delivery.DeadLetter, max int) error {
	for _, d := range dead {
		if err := t.run(`INSERT INTO fedihook_q_dead (activity, sender, okey, inbox, at, attempts, status, err) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			d.Activity, d.Sender, d.Key, d.Inbox, toMilli(d.At), d.Attempts, d.Status, d.Err); err != nil {
			return err
		}
	}
	if len(dead) == 0 || max <= 0 {
		return nil
	}
	return t.run(`DELETE FROM fedihook_q_dead WHERE id <= (SELECT id FROM fedihook_q_dead ORDER BY id DESC LIMIT 1 OFFSET ?)`, max)
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
			left, _, err := t.remaining(seq)
			if err != nil {
				return err
			}
			c.Targets += len(left)
			if err := t.run(`UPDATE fedihook_q_state SET targets = targets - ?`, len(left)); err != nil {
				return err
			}
			if err := t.finish(seq, 0, len(left), now); err != nil {
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
