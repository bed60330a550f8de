package queue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/fedihook/fedihook/delivery"
)

// pageRows bounds the rows of one query of Load.
const pageRows = 500

var errEnough = errors.New("enough rows")

func (s *sqlite) Load(ctx context.Context, q delivery.Query) (page delivery.Page, err error) {
	err = s.read(ctx, "load", func(t *tx) error {
		if q.Epoch != 0 {
			if err := t.checkLease(q.Epoch); err != nil {
				return err
			}
		}
		page = delivery.Page{Through: q.After, More: true}
		looked := 0
		for page.More && looked < max(q.Limit, 1) {
			rows, n, err := t.load(&page, q, max(q.Limit, 1)-looked)
			if err != nil {
				return err
			}
			looked += n
			page.Records = append(page.Records, rows...)
		}
		return nil
	})
	if err != nil {
		return delivery.Page{}, err
	}
	return page, nil
}

// load reads some of the next rows, at least one if there is one, and how many targets they began with.
func (t *tx) load(page *delivery.Page, q delivery.Query, limit int) ([]delivery.Pending, int, error) {
	var rows []delivery.Pending
	looked, read := 0, 0
	after, through := page.Through, q.Through
	if through <= 0 {
		through = math.MaxInt64
	}
	err := t.rows(`SELECT seq, id, sender, okey, class, supersedes, type, created, not_before, expires, total, targets, trace
		FROM fedihook_q_activity WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?`, []any{after, through, pageRows}, func(r *sql.Rows) error {
		if looked >= limit {
			return errEnough
		}
		var p delivery.Pending
		var created, notBefore, expires int64
		var set sql.RawBytes
		if err := r.Scan(&p.Seq, &p.ID, &p.Sender, &p.Key, &p.Class, &p.Supersedes, &p.ContentType, &created, &notBefore, &expires, &p.Total, &set, &p.Trace); err != nil {
			return err
		}
		read++
		page.Through = p.Seq
		p.Created, p.NotBefore, p.Expires = fromMilli(created), fromMilli(notBefore), fromMilli(expires)
		ids, err := readTargets(set)
		if err != nil {
			return fmt.Errorf("activity %d: %w", p.Seq, err)
		}
		looked += len(ids)
		p.Left = len(ids)
		if p.Targets = ids; q.Only != nil {
			p.Targets = common(ids, q.Only)
		}
		if len(p.Targets) > 0 {
			rows = append(rows, p)
		}
		return nil
	})
	switch {
	case errors.Is(err, errEnough):
	case err != nil:
		return nil, 0, err
	case read < pageRows:
		page.More = false
	}
	if len(rows) == 0 {
		return nil, looked, nil
	}
	index := make(map[int64]int, len(rows)) // by Seq
	for i := range rows {
		index[rows[i].Seq] = i
	}
	if err := t.subtract(rows, index); err != nil {
		return nil, 0, err
	}
	if q.Shards != 0 && q.Shards != delivery.AllShards {
		for i := range rows {
			if rows[i].Targets, err = t.inside(rows[i].Targets, q.Shards); err != nil {
				return nil, 0, err
			}
		}
	}
	err = t.rows(`SELECT seq, inbox, attempts, next, status, err FROM fedihook_q_defer WHERE seq BETWEEN ? AND ? ORDER BY seq, inbox`,
		[]any{rows[0].Seq, rows[len(rows)-1].Seq}, func(r *sql.Rows) error {
			var next int64
			var d delivery.Deferral
			if err := r.Scan(&d.Seq, &d.Inbox, &d.Attempts, &next, &d.Status, &d.Err); err != nil {
				return err
			}
			d.Next = fromMilli(next)
			if i, ok := index[d.Seq]; ok {
				if _, ok := slices.BinarySearch(rows[i].Targets, d.Inbox); ok {
					rows[i].Deferred = append(rows[i].Deferred, d)
				}
			}
			return nil
		})
	if err != nil {
		return nil, 0, err
	}
	return slices.DeleteFunc(rows, func(p delivery.Pending) bool { return len(p.Targets) == 0 }), looked, nil
}

// subtract takes what is settled out of rows.
func (t *tx) subtract(rows []delivery.Pending, index map[int64]int) error {
	done := make(map[int64][]int64)
	err := t.rows(`SELECT seq, ids FROM fedihook_q_ack WHERE seq BETWEEN ? AND ?`, []any{rows[0].Seq, rows[len(rows)-1].Seq}, func(r *sql.Rows) error {
		var seq int64
		var chunk sql.RawBytes
		if err := r.Scan(&seq, &chunk); err != nil {
			return err
		}
		if _, ok := index[seq]; !ok {
			return nil
		}
		ids, err := readTargets(chunk)
		if err != nil {
			return fmt.Errorf("acks of activity %d: %w", seq, err)
		}
		done[seq] = append(done[seq], ids...)
		return nil
	})
	for seq, ids := range done {
		p := &rows[index[seq]]
		p.Left -= len(ids)
		p.Targets = without(p.Targets, ids)
	}
	return err
}

func (s *sqlite) URLs(ctx context.Context, ids []int64) (urls []string, err error) {
	urls = make([]string, len(ids))
	for first := 0; first < len(ids); first += urlsAtOnce {
		some := ids[first:min(first+urlsAtOnce, len(ids))]
		err := s.read(ctx, "urls", func(t *tx) error {
			list, err := array(some)
			if err != nil {
				return err
			}
			return t.rows(`SELECT j.key, i.url FROM json_each(?) j CROSS JOIN fedihook_q_inbox i ON i.id = j.value`, []any{list}, func(r *sql.Rows) error {
				var key int
				var url string
				err := r.Scan(&key, &url)
				urls[first+key] = url
				return err
			})
		})
		if err != nil {
			return nil, err
		}
	}
	if i := slices.Index(urls, ""); i >= 0 {
		return nil, fmt.Errorf("queue: inbox %d has no URL", ids[i])
	}
	return urls, nil
}

// inside returns those inboxes that are in one of the shards.
func (t *tx) inside(ids []int64, shards delivery.Shards) (in []int64, err error) {
	switch shards {
	case 0:
		return nil, nil
	case delivery.AllShards:
		return ids, nil
	}
	list, err := array(ids)
	if err != nil {
		return nil, err
	}
	err = t.rows(`SELECT i.id, i.url FROM json_each(?) j CROSS JOIN fedihook_q_inbox i ON i.id = j.value`, []any{list}, func(r *sql.Rows) error {
		var id int64
		var url string
		err := r.Scan(&id, &url)
		if shards.Has(delivery.ShardOf(url)) {
			in = append(in, id)
		}
		return err
	})
	return ascending(in), err
}

// urlsAtOnce is how many URLs are read while the file's one connection is taken.
const urlsAtOnce = 2000

func (s *sqlite) Body(ctx context.Context, seq int64) (b delivery.Bodies, err error) {
	err = s.read(ctx, "body", func(t *tx) error {
		b = delivery.Bodies{}
		// A finished record's bodies may be kept for its dead letters.
		err := t.rows(`SELECT name, body FROM fedihook_q_body WHERE id BETWEEN 8*?1 AND 8*?1+7
			AND EXISTS (SELECT 1 FROM fedihook_q_activity WHERE seq = ?1) ORDER BY id`, []any{seq}, func(r *sql.Rows) error {
			var o delivery.Body
			err := r.Scan(&o.Name, &o.Bytes)
			if o.Name == "" {
				b.Body = o.Bytes
			} else {
				b.Other = append(b.Other, o)
			}
			return err
		})
		if err == nil && b.Body == nil {
			err = delivery.ErrUnknown
		}
		return err
	})
	return b, err
}
