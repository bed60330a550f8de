package queue

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fedihook/fedihook/delivery"
)

// internAtOnce is how many URLs get their numbers in one transaction: no other writer waits for more.
const internAtOnce = 500

func (s *sqlite) Append(ctx context.Context, add delivery.Addition) (a delivery.Appended, err error) {
	var ids []int64
	if len(add.Inboxes) > internAtOnce/2 {
		if ids, err = s.intern(ctx, add.Inboxes, add.Created); err != nil {
			return delivery.Appended{}, err
		}
	}
	err = s.write(ctx, "append", func(t *tx) error {
		if ids == nil {
			var err error
			if ids, err = t.intern(add.Inboxes, add.Created); err != nil {
				return err
			}
		}
		var err error
		a, err = t.append(add, ascending(ids))
		return err
	})
	if err != nil {
		return delivery.Appended{}, err
	}
	return a, nil
}

// append adds a record whose inboxes have numbers.
func (t *tx) append(add delivery.Addition, ids []int64) (a delivery.Appended, err error) {
	err = t.row(`SELECT seq, total FROM fedihook_q_id WHERE id = ?`, []any{add.ID}, &a.Seq, &a.Targets)
	if err == nil {
		a.Duplicate = true
		return a, nil
	} else if !errors.Is(err, sql.ErrNoRows) {
		return a, err
	}
	if add.Supersedes != delivery.SupersedeNothing {
		if ids, err = t.supersede(add, ids, &a); err != nil {
			return a, err
		}
	}
	var targets int
	var bytes int64
	if err := t.row(`SELECT s.targets - k.failed, bytes FROM fedihook_q_state s, fedihook_q_ack k WHERE k.seq = ?`, []any{settledRow},
		&targets, &bytes); err != nil {
		return a, err
	}
	size, max := bodySize(add.Bodies), add.Max
	if max.Targets > 0 && targets+len(ids) > max.Targets || max.Bytes > 0 && bytes+int64(size) > max.Bytes {
		return a, delivery.ErrBacklog
	}
	if a.Targets = len(ids); len(ids) == 0 {
		return a, nil
	}
	if a.Seq, err = t.insert(add.Record, size, ids); err != nil {
		return a, err
	}
	if err := t.run(`INSERT INTO fedihook_q_body (id, name, body) VALUES (?, '', ?)`, 8*a.Seq, add.Body); err != nil {
		return a, err
	}
	for i, o := range add.Other {
		if err := t.run(`INSERT INTO fedihook_q_body (id, name, body) VALUES (?, ?, ?)`, 8*a.Seq+1+int64(i), o.Name, o.Bytes); err != nil {
			return a, err
		}
	}
	return a, nil
}

// insert adds an activity whose bodies have this size, and counts it.
func (t *tx) insert(r delivery.Record, size int, ids []int64) (seq int64, err error) {
	if err := t.row(`UPDATE fedihook_q_state SET last = last + 1, targets = targets + ?, bytes = bytes + ? RETURNING last`,
		[]any{len(ids), size}, &seq); err != nil {
		return 0, err
	}
	if err := t.run(`INSERT INTO fedihook_q_id (id, seq, total, failed, cancelled, created, finished) VALUES (?, ?, ?, 0, 0, ?, 0)`,
		r.ID, seq, len(ids), toMilli(r.Created)); err != nil {
		return 0, err
	}
	return seq, t.run(`INSERT INTO fedihook_q_activity
		(seq, id, sender, okey, class, supersedes, type, created, not_before, expires, total, size, targets, trace)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		seq, r.ID, r.Sender, r.Key, int64(r.Class), int64(r.Supersedes), r.ContentType, toMilli(r.Created), toMilli(r.NotBefore), toMilli(r.Expires),
		len(ids), size, appendTargets(nil, ids), r.Trace)
}

// supersede cancels what an addition stands in for, and returns where it must go.
func (t *tx) supersede(add delivery.Addition, ids []int64, out *delivery.Appended) ([]int64, error) {
	type earlier struct {
		seq       int64
		notBefore time.Time
		all       bool // it is a delete itself
	}
	var list []earlier
	err := t.rows(`SELECT seq, not_before, supersedes FROM fedihook_q_activity WHERE okey = ? AND okey <> '' ORDER BY seq`,
		[]any{add.Key}, func(r *sql.Rows) error {
			var e earlier
			var notBefore, supersedes int64
			err := r.Scan(&e.seq, &notBefore, &supersedes)
			e.notBefore, e.all = fromMilli(notBefore), delivery.Supersedes(supersedes) == delivery.SupersedeAll
			if add.Supersedes == delivery.SupersedeAll || delivery.Supersedes(supersedes) == delivery.SupersedeUpdates {
				list = append(list, e)
			}
			return err
		})
	if err != nil {
		return nil, err
	}
	sure, err := t.sure(add)
	if err != nil {
		return nil, err
	}
	to := ids
	for _, e := range list {
		all, left, chunks, err := t.remaining(e.seq)
		if err != nil {
			return nil, err
		}
		drop := left
		if add.Supersedes == delivery.SupersedeUpdates {
			drop = common(left, ids)
		} else if e.all && !e.notBefore.After(add.Created) {
			to = append(to, all...) // what it was to delete may be wherever it did not come yet
		} else if !e.notBefore.After(add.Created) {
			deferred, err := t.deferred(e.seq)
			if err != nil {
				return nil, err
			}
			known, err := t.inside(left, sure)
			if err != nil {
				return nil, err
			}
			to = append(to, inherited(all, left, deferred, without(left, known), add.Tried, e.seq)...)
		}
		if len(drop) == 0 {
			continue
		}
		out.Superseded += len(drop)
		if len(drop) == len(left) {
			out.Cancelled = append(out.Cancelled, e.seq)
		}
		if err := t.cancel(e.seq, left, chunks, drop, add.Created); err != nil {
			return nil, err
		}
	}
	return ascending(to), nil
}

// sure returns the shards for which an addition's Tried holds.
func (t *tx) sure(add delivery.Addition) (delivery.Shards, error) {
	if add.Sure == 0 || add.Epoch == 0 {
		return 0, nil
	}
	err := t.checkLease(add.Epoch)
	if errors.Is(err, delivery.ErrLeaseLost) {
		return 0, nil
	}
	return add.Sure, err
}

func (t *tx) deferred(seq int64) (ids []int64, err error) {
	err = t.rows(`SELECT inbox FROM fedihook_q_defer WHERE seq = ? ORDER BY inbox`, []any{seq}, func(r *sql.Rows) error {
		var id int64
		err := r.Scan(&id)
		ids = append(ids, id)
		return err
	})
	return ids, err
}

// intern returns the numbers of URLs and gives numbers to new ones, a few at a time.
func (s *sqlite) intern(ctx context.Context, urls []string, now time.Time) ([]int64, error) {
	ids, unknown := s.names.get(urls, now)
	for some := range slices.Chunk(unknown, internAtOnce) {
		var got []int64 // in the order of some
		err := s.read(ctx, "append", func(t *tx) (err error) {
			got, err = t.find(some, now)
			return err
		})
		if err == nil && slices.Contains(got, 0) {
			err = s.lazily(ctx, "append", func(t *tx) (err error) {
				return t.number(got, some, now)
			})
		}
		if err != nil {
			return nil, err
		}
		s.names.put(some, got, now)
		ids = append(ids, got...)
	}
	return ids, nil
}

// names remembers the numbers of URLs that were named within the hour. Those are not forgotten: see Forget.
type names struct {
	mu  sync.Mutex
	ids map[string]named
}

type named struct {
	id int64
	at int64 // in milliseconds
}

const (
	maxNames = 65_536
	nameTime = int64(time.Hour / time.Millisecond)
)

// get returns the numbers that it knows, and the URLs that it does not.
func (n *names) get(urls []string, now time.Time) (ids []int64, unknown []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	ids = make([]int64, 0, len(urls))
	at := toMilli(now)
	for _, u := range urls {
		if e, ok := n.ids[u]; ok && at >= e.at && at-e.at < nameTime {
			ids = append(ids, e.id)
		} else {
			unknown = append(unknown, u)
		}
	}
	return ids, unknown
}

// put remembers numbers that are committed.
func (n *names) put(urls []string, ids []int64, now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ids == nil || len(n.ids)+len(urls) > maxNames {
		n.ids = make(map[string]named)
	}
	for i, u := range urls {
		n.ids[strings.Clone(u)] = named{ids[i], toMilli(now)}
	}
}

func (n *names) clear() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ids = nil
}

func (t *tx) intern(urls []string, now time.Time) ([]int64, error) {
	if len(urls) == 0 {
		return []int64{}, nil
	}
	ids, err := t.find(urls, now)
	if err != nil || !slices.Contains(ids, 0) {
		return ids, err
	}
	return ids, t.number(ids, urls, now)
}

// find returns the numbers of URLs, and 0 for those that have none or were last named a day ago: when a URL
// was named is noted to within a day, so that not every use of it is a write.
func (t *tx) find(urls []string, now time.Time) ([]int64, error) {
	list, err := array(urls)
	if err != nil {
		return nil, err
	}
	ids := make([]int64, len(urls))
	err = t.rows(`SELECT j.key, i.id FROM json_each(?) j CROSS JOIN fedihook_q_inbox i ON i.url = j.value WHERE i.used >= ?`,
		[]any{list, toMilli(now) - 86400000}, func(r *sql.Rows) error {
			var key, id int64
			err := r.Scan(&key, &id)
			ids[key] = id
			return err
		})
	return ids, err
}

// number fills in the numbers of URLs that have none, and notes that they are named now.
func (t *tx) number(ids []int64, urls []string, now time.Time) error {
	index := make(map[string]int)
	var missing []string
	for i, id := range ids {
		if id == 0 {
			index[urls[i]] = i
			missing = append(missing, urls[i])
		}
	}
	list, err := array(missing)
	if err != nil {
		return err
	}
	return t.rows(`INSERT INTO fedihook_q_inbox (url, used) SELECT value, ? FROM json_each(?) WHERE true
		ON CONFLICT (url) DO UPDATE SET used = max(used, excluded.used) RETURNING id, url`, []any{toMilli(now), list}, func(r *sql.Rows) error {
		var id int64
		var url string
		err := r.Scan(&id, &url)
		if i, ok := index[url]; ok {
			ids[i] = id
		}
		return err
	})
}
