package queue

import (
	"context"
	"database/sql"
	"errors"

	"github.com/fedihook/fedihook/delivery"
)

func (s *sqlite) Lease(ctx context.Context, r delivery.LeaseRequest) (l delivery.Lease, err error) {
	err = s.write(ctx, "lease", func(t *tx) error {
		var owner string
		var until int64
		if err := t.row(`SELECT owner, epoch, until FROM fedihook_q_state`, nil, &owner, &l.Epoch, &until); err != nil {
			return err
		}
		switch {
		case r.Epoch != 0 && (owner != r.Owner || l.Epoch != r.Epoch):
			return delivery.ErrLeaseLost
		case r.Epoch == 0 && owner != "" && owner != r.Owner && until > toMilli(r.Now):
			return delivery.ErrLeaseHeld
		case r.Epoch == 0:
			l.Epoch++
		}
		l.Shards = delivery.AllShards
		l.Until = fromMilli(toMilli(r.Now.Add(r.TTL)))
		return t.run(`UPDATE fedihook_q_state SET owner = ?, epoch = ?, until = ?`, r.Owner, l.Epoch, toMilli(l.Until))
	})
	if err != nil {
		return delivery.Lease{}, err
	}
	return l, nil
}

func (s *sqlite) Release(ctx context.Context, epoch int64) error {
	return s.write(ctx, "release", func(t *tx) error {
		return t.run(`UPDATE fedihook_q_state SET owner = '', until = 0 WHERE epoch = ?`, epoch)
	})
}

func (s *sqlite) Status(ctx context.Context, id string) (st delivery.Status, err error) {
	err = s.read(ctx, "status", func(t *tx) error {
		st = delivery.Status{ID: id}
		var created, finished int64
		err := t.row(`SELECT seq, total, failed, cancelled, created, finished FROM fedihook_q_id WHERE id = ?`, []any{id},
			&st.Seq, &st.Targets, &st.Failed, &st.Cancelled, &created, &finished)
		if errors.Is(err, sql.ErrNoRows) {
			return delivery.ErrUnknown
		} else if err != nil {
			return err
		}
		if finished == 0 {
			if err := t.row(`SELECT coalesce(sum(failed), 0), coalesce(sum(cancelled), 0), (SELECT count(*) FROM fedihook_q_defer WHERE seq = ?1)
				FROM fedihook_q_ack WHERE seq = ?1`, []any{st.Seq}, &st.Failed, &st.Cancelled, &st.Deferred); err != nil {
				return err
			}
			_, left, _, err := t.remaining(st.Seq)
			if err != nil {
				return err
			}
			st.Pending = len(left)
		}
		st.Created, st.Finished = fromMilli(created), fromMilli(finished)
		st.Delivered = st.Targets - st.Pending - st.Failed - st.Cancelled
		return nil
	})
	if err != nil {
		return delivery.Status{}, err
	}
	return st, nil
}

func (s *sqlite) Hosts(ctx context.Context, after string, limit int) ([]delivery.HostState, error) {
	return s.hosts(ctx, `origin > ? ORDER BY origin LIMIT ?`, after, limit)
}

func (s *sqlite) HostsOf(ctx context.Context, origins []string) ([]delivery.HostState, error) {
	list, err := array(origins)
	if err != nil {
		return nil, err
	}
	return s.hosts(ctx, `origin IN (SELECT value FROM json_each(?))`, list)
}

func (s *sqlite) hosts(ctx context.Context, where string, args ...any) (page []delivery.HostState, err error) {
	err = s.read(ctx, "hosts", func(t *tx) error {
		page = nil
		return t.rows(`SELECT origin, failures, since, last, next, asked, status, err, refusals, held FROM fedihook_q_host
			WHERE `+where, args, func(r *sql.Rows) error {
			var h delivery.HostState
			var since, last, next int64
			if err := r.Scan(&h.Origin, &h.Failures, &since, &last, &next, &h.Asked, &h.Status, &h.Err, &h.Refusals, &h.Held); err != nil {
				return err
			}
			h.Since, h.Last, h.Next = fromMilli(since), fromMilli(last), fromMilli(next)
			page = append(page, h)
			return nil
		})
	})
	return page, err
}

func (s *sqlite) Dead(ctx context.Context, after int64, limit int) (page []delivery.DeadLetter, err error) {
	err = s.read(ctx, "dead letters", func(t *tx) error {
		return t.rows(`SELECT id, seq, activity, sender, okey, inbox, at, attempts, status, err FROM fedihook_q_dead
			WHERE id > ? ORDER BY id LIMIT ?`, []any{after, limit}, func(r *sql.Rows) error {
			var d delivery.DeadLetter
			var at int64
			if err := r.Scan(&d.ID, &d.Seq, &d.Activity, &d.Sender, &d.Key, &d.Inbox, &at, &d.Attempts, &d.Status, &d.Err); err != nil {
				return err
			}
			d.At = fromMilli(at)
			page = append(page, d)
			return nil
		})
	})
	return page, err
}

func (s *sqlite) Forget(ctx context.Context, f delivery.Forget) error {
	s.names.clear()
	return s.write(ctx, "forget", func(t *tx) error {
		for _, one := range []struct {
			query  string
			before int64
		}{
			{`DELETE FROM fedihook_q_id WHERE finished > 0 AND finished < ?`, toMilli(f.Finished)},
			{`DELETE FROM fedihook_q_dead WHERE at < ?`, toMilli(f.Dead)},
			{`DELETE FROM fedihook_q_host WHERE last < ? AND held = 0`, toMilli(f.Hosts)},
			// Of a URL that something in the queue names, used is at most a day before that was enqueued.
			{`DELETE FROM fedihook_q_inbox WHERE used < min(?, coalesce((SELECT min(created) FROM fedihook_q_activity), 1 << 62)) - 86400000`,
				toMilli(f.Inboxes)},
		} {
			if err := t.run(one.query, one.before); err != nil {
				return err
			}
		}
		return t.trim(0, 0)
	})
}

func (s *sqlite) Redrive(ctx context.Context, r delivery.Redrive) (n int, err error) {
	err = s.write(ctx, "redrive", func(t *tx) error {
		n = 0
		list, err := array(r.IDs)
		if err != nil {
			return err
		}
		letters := make(map[int64][]delivery.DeadLetter) // by the record's Seq
		if err := t.rows(`SELECT d.id, d.seq, d.inbox FROM json_each(?) j JOIN fedihook_q_dead d ON d.id = j.value
			WHERE EXISTS (SELECT 1 FROM fedihook_q_body b WHERE b.id = 8*d.seq)`, []any{list}, func(rows *sql.Rows) error {
			var d delivery.DeadLetter
			err := rows.Scan(&d.ID, &d.Seq, &d.Inbox)
			letters[d.Seq] = append(letters[d.Seq], d)
			return err
		}); err != nil {
			return err
		}
		for seq, some := range letters {
			if err := t.redrive(seq, some, r); err != nil {
				return err
			}
			n += len(some)
		}
		return t.trim(0, 0)
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// redrive makes a new record of dead letters of one.
func (t *tx) redrive(seq int64, letters []delivery.DeadLetter, r delivery.Redrive) error {
	rec := delivery.Record{Created: r.Now, Expires: r.Expires}
	size := 0
	if err := t.row(`SELECT id, sender, okey, class, type, size FROM fedihook_q_kept WHERE seq = ?1 UNION ALL
		SELECT id, sender, okey, class, type, size FROM fedihook_q_activity WHERE seq = ?1`, []any{seq},
		&rec.ID, &rec.Sender, &rec.Key, &rec.Class, &rec.ContentType, &size); err != nil {
		return err
	}
	rec.ID = redriven(rec.ID, letters[0].ID)
	var urls []string
	for _, d := range letters {
		urls = append(urls, d.Inbox)
		if err := t.run(`DELETE FROM fedihook_q_dead WHERE id = ?`, d.ID); err != nil {
			return err
		}
	}
	ids, err := t.intern(urls, r.Now)
	if err != nil {
		return err
	}
	ids = ascending(ids)
	again, err := t.insert(rec, size, ids)
	if err != nil {
		return err
	}
	return t.run(`INSERT INTO fedihook_q_body (id, name, body) SELECT id - 8*?1 + 8*?2, name, body FROM fedihook_q_body WHERE id BETWEEN 8*?1 AND 8*?1+7`,
		seq, again)
}
