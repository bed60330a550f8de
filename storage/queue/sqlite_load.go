package queue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/fedihook/fedihook/delivery"
)

// pageRows bounds the rows of one query of Load, pageURLs those of one list of URLs.
const (
	pageRows = 500
	pageURLs = 20_000
)

func (s *sqlite) Load(ctx context.Context, epoch, after int64, limit int) (page []delivery.Pending, err error) {
	err = s.read(ctx, "load", func(t *tx) error {
		if epoch != 0 {
			if err := t.checkLease(epoch); err != nil {
				return err
			}
		}
		for limit > 0 {
			rows, err := t.load(after, limit)
			if err != nil || len(rows) == 0 {
				return err
			}
			for _, p := range rows {
				limit -= len(p.Targets)
				after = p.Seq
			}
			page = append(page, rows...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return page, nil
}

// load reads some of the next rows: at least one, if there is one.
func (t *tx) load(after int64, limit int) ([]delivery.Pending, error) {
	var page []delivery.Pending
	index := make(map[int64]int) // by Seq
	err := t.rows(`SELECT seq, id, sender, okey, class, type, created, not_before, expires, targets
		FROM fedihook_q_activity WHERE seq > ? ORDER BY seq LIMIT ?`, []any{after, min(limit, pageRows)}, func(r *sql.Rows) error {
		if limit <= 0 {
			return nil
		}
		var p delivery.Pending
		var created, notBefore, expires int64
		var set sql.RawBytes
		if err := r.Scan(&p.Seq, &p.ID, &p.Sender, &p.Key, &p.Class, &p.ContentType, &created, &notBefore, &expires, &set); err != nil {
			return err
		}
		p.Created, p.NotBefore, p.Expires = fromMilli(created), fromMilli(notBefore), fromMilli(expires)
		ids, err := readTargets(set)
		if err != nil {
			return fmt.Errorf("activity %d: %w", p.Seq, err)
		}
		for _, id := range ids {
			p.Targets = append(p.Targets, delivery.Remaining{Inbox: id})
		}
		limit -= len(ids)
		index[p.Seq] = len(page)
		page = append(page, p)
		return nil
	})
	if err != nil || len(page) == 0 {
		return nil, err
	}
	first, last := page[0].Seq, page[len(page)-1].Seq

	done := make(map[int64][]int64)
	err = t.rows(`SELECT seq, ids FROM fedihook_q_ack WHERE seq BETWEEN ? AND ?`, []any{first, last}, func(r *sql.Rows) error {
		var seq int64
		var chunk sql.RawBytes
		if err := r.Scan(&seq, &chunk); err != nil {
			return err
		}
		ids, err := readTargets(chunk)
		if err != nil {
			return fmt.Errorf("acks of activity %d: %w", seq, err)
		}
		done[seq] = append(done[seq], ids...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for seq, ids := range done {
		slices.Sort(ids)
		i, ok := index[seq]
		if !ok {
			continue
		}
		p := &page[i]
		p.Targets = slices.DeleteFunc(p.Targets, func(r delivery.Remaining) bool {
			_, settled := slices.BinarySearch(ids, r.Inbox)
			return settled
		})
	}

	err = t.rows(`SELECT seq, inbox, attempts, next, status, err FROM fedihook_q_defer WHERE seq BETWEEN ? AND ?`,
		[]any{first, last}, func(r *sql.Rows) error {
			var seq, next int64
			var d delivery.Remaining
			if err := r.Scan(&seq, &d.Inbox, &d.Attempts, &next, &d.Status, &d.Err); err != nil {
				return err
			}
			d.Next = fromMilli(next)
			i, ok := index[seq]
			if !ok {
				return nil
			}
			targets := page[i].Targets
			if i, ok := slices.BinarySearchFunc(targets, d.Inbox, func(r delivery.Remaining, id int64) int { return int(r.Inbox - id) }); ok {
				targets[i] = d
			}
			return nil
		})
	if err != nil {
		return nil, err
	}
	return page, t.name(page)
}

// name fills in the URLs.
func (t *tx) name(page []delivery.Pending) error {
	var ids []int64
	for _, p := range page {
		for _, r := range p.Targets {
			ids = append(ids, r.Inbox)
		}
	}
	ids = ascending(ids)
	urls := make(map[int64]string, len(ids))
	for some := range slices.Chunk(ids, pageURLs) {
		list, err := array(some)
		if err != nil {
			return err
		}
		err = t.rows(`SELECT i.id, i.url FROM json_each(?) j CROSS JOIN fedihook_q_inbox i ON i.id = j.value`, []any{list}, func(r *sql.Rows) error {
			var id int64
			var url string
			err := r.Scan(&id, &url)
			urls[id] = url
			return err
		})
		if err != nil {
			return err
		}
	}
	for _, p := range page {
		for i := range p.Targets {
			url, ok := urls[p.Targets[i].Inbox]
			if !ok {
				return fmt.Errorf("activity %d: inbox %d has no URL", p.Seq, p.Targets[i].Inbox)
			}
			p.Targets[i].URL = url
		}
	}
	return nil
}

func (s *sqlite) Body(ctx context.Context, seq int64) (body []byte, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT body FROM fedihook_q_body WHERE seq = ?`, seq).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		err = delivery.ErrUnknown
	}
	if err != nil {
		return nil, fmt.Errorf("queue: body of %d: %w", seq, err)
	}
	return body, nil
}
