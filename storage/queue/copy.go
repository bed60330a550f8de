package queue

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/internal/pgdb"
	"github.com/fedihook/fedihook/internal/sqldb"
)

// ErrDelivering is wrapped by the error of copying a queue that a process delivers from.
var ErrDelivering = errors.New("a process delivers")

// Copy copies a queue in an SQLite file into an empty one in PostgreSQL, each in a transaction of the caller's, for
// storage.Copy. The numbers of inboxes become others, in which their shard is; of activities they stay. The error wraps
// [ErrDelivering] if somebody holds the lease.
func Copy(ctx context.Context, to, from *sql.Tx, now time.Time) ([]pgdb.Copied, error) {
	var busy bool
	if err := from.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM fedihook_q_state WHERE owner <> '' AND until > ?)`, toMilli(now)).Scan(&busy); err != nil {
		return nil, fmt.Errorf("queue: copy: %w", err)
	}
	if busy {
		return nil, fmt.Errorf("queue: copy: %w", ErrDelivering)
	}
	n := numbers{then: make(map[int64]int64), url: make(map[int64]string), was: make(map[int64]string)}
	var done []pgdb.Copied
	for _, t := range n.tables() {
		c, err := t.Copy(ctx, to, from)
		if err == nil && t.Name == "fedihook_q_inbox" {
			err = n.read(ctx, to)
		}
		if err != nil {
			return nil, fmt.Errorf("queue: %w", err)
		}
		done = append(done, c)
	}
	for _, after := range []struct{ next, last string }{
		{`SELECT setval('fedihook_q_seq', $1)`, `SELECT last FROM fedihook_q_state`},
		{`SELECT setval(pg_get_serial_sequence('fedihook_q_dead', 'id'), greatest($1, 1), $1 > 0)`, `SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'fedihook_q_dead'), 0)`},
		{`SELECT setval('fedihook_q_epoch', greatest($1, 1))`, `SELECT epoch FROM fedihook_q_state`},
	} {
		var last int64
		err := from.QueryRowContext(ctx, after.last).Scan(&last)
		if err == nil {
			_, err = to.ExecContext(ctx, after.next, last)
		}
		if err != nil {
			return nil, fmt.Errorf("queue: copy: %w", err)
		}
	}
	_, err := to.ExecContext(ctx, `UPDATE fedihook_q_number f SET last = i.last FROM (
		SELECT id % 64 AS shard, max(id) / 64 AS last FROM fedihook_q_inbox GROUP BY 1) i WHERE f.shard = i.shard`)
	if err != nil {
		return nil, fmt.Errorf("queue: copy: %w", err)
	}
	return done, nil
}

// CopyTables names the tables that Copy wants empty.
func CopyTables() (list []pgdb.Table) {
	list = new(numbers).tables()
	return append(list, pgdb.Table{Name: "fedihook_q_lease"}, pgdb.Table{Name: "fedihook_q_order"})
}

// numbers are those of inboxes.
type numbers struct {
	last [delivery.ShardCount]int64
	then map[int64]int64  // there, by the number here
	url  map[int64]string // by the number there, as they are read back
	was  map[int64]string // by the number here
}

func (n *numbers) add(id int64, url string) int64 {
	shard := delivery.ShardOf(url)
	n.last[shard]++
	n.then[id], n.was[id] = delivery.ShardCount*n.last[shard]+int64(shard), url
	return n.then[id]
}

func (n *numbers) read(ctx context.Context, to *sql.Tx) error {
	rows, err := to.QueryContext(ctx, `SELECT id, url FROM fedihook_q_inbox`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var url string
		if err := rows.Scan(&id, &url); err != nil {
			return err
		}
		n.url[id] = url
	}
	return rows.Err()
}

// set renumbers a set of targets.
func (n *numbers) set(raw any) (ids []int64, err error) {
	old, err := readTargets(raw.([]byte))
	if err != nil {
		return nil, err
	}
	for _, id := range old {
		next, ok := n.then[id]
		if !ok {
			return nil, fmt.Errorf("inbox %d has no URL", id)
		}
		ids = append(ids, next)
	}
	return ascending(ids), nil
}

// urls are the URLs of a set of targets, in the order of their bytes.
func (n *numbers) urls(raw any, there bool) ([]byte, error) {
	ids, err := readTargets(raw.([]byte))
	if err != nil {
		return nil, err
	}
	of := n.was
	if there {
		of = n.url
	}
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = of[id]
	}
	slices.Sort(list)
	var b bytes.Buffer
	for _, url := range list {
		fmt.Fprintf(&b, "%d %s\n", len(url), url)
	}
	return b.Bytes(), nil
}

// others are an activity's other bodies in one column.
const others = `(SELECT group_concat(hex(name) || ' ' || hex(body), ',') FROM (SELECT name, body FROM fedihook_q_body b
	WHERE b.id BETWEEN 8*a.seq + 1 AND 8*a.seq + 7 ORDER BY b.id))`

const theBody = `(SELECT body FROM fedihook_q_body b WHERE b.id = 8*a.seq)`

func (n *numbers) tables() []pgdb.Table {
	return []pgdb.Table{
		{
			Name: "fedihook_q_inbox", From: `SELECT id, url, used FROM fedihook_q_inbox ORDER BY id`, Columns: []string{"i:id", "s:url", "i:used"},
			Map: func(r []any) ([]any, error) {
				return []any{n.add(r[0].(int64), string(r[1].([]byte))), r[1], r[2]}, nil
			},
		}, {
			Name: "fedihook_q_activity", From: `SELECT seq, created, not_before, expires, size, total, class, supersedes, type, id, sender, okey, targets,
				` + theBody + `, ` + others + `, CAST(trace AS BLOB) FROM fedihook_q_activity a`,
			Read: "iiiiiiiibbbbbbbb",
			Columns: []string{"i:seq", "i:created", "i:not_before", "i:expires", "i:size", "i:total", "i:class", "i:supersedes", "s:type", "b:id",
				"b:sender", "b:okey", "b:targets", "b:body", "b:other", "b:trace", "i:shards"},
			Map: func(r []any) ([]any, error) {
				ids, err := n.set(r[12])
				if err != nil {
					return nil, fmt.Errorf("activity %d: %w", r[0], err)
				}
				other, err := repack(r[14].([]byte))
				if err != nil {
					return nil, fmt.Errorf("activity %d: %w", r[0], err)
				}
				return append(slices.Clone(r[:12]), appendTargets([]byte{}, ids), r[13], other, r[15], int64(shardsOf(ids))), nil
			},
			Same: func(r []any, there bool) ([]any, error) {
				urls, err := n.urls(r[12], there)
				if err != nil {
					return nil, err
				}
				other := r[14].([]byte)
				if !there {
					if other, err = repack(other); err != nil {
						return nil, err
					}
				}
				return append(slices.Clone(r[:12]), urls, r[13], other, r[15]), nil
			},
		}, {
			Name: "fedihook_q_ledger", From: `SELECT seq, created, finished, total, failed, cancelled, id FROM fedihook_q_id`,
			Columns: []string{"i:seq", "i:created", "i:finished", "i:total", "i:failed", "i:cancelled", "b:id"},
		}, {
			Name: "fedihook_q_ack", From: fmt.Sprintf(`SELECT seq, chunk, failed, cancelled, ids FROM fedihook_q_ack WHERE seq <> %d`, int64(settledRow)), Read: "iiiib",
			Columns: []string{"i:seq", "i:chunk", "i:failed", "i:cancelled", "b:ids", "i:n"},
			Map: func(r []any) ([]any, error) {
				ids, err := n.set(r[4])
				return append(slices.Clone(r[:4]), appendTargets([]byte{}, ids), int64(len(ids))), err
			},
			Same: func(r []any, there bool) ([]any, error) {
				urls, err := n.urls(r[4], there)
				return append(slices.Clone(r[:4]), urls), err
			},
		}, {
			Name: "fedihook_q_defer", From: `SELECT seq, inbox, attempts, next, status, err FROM fedihook_q_defer`,
			Columns: []string{"i:seq", "i:inbox", "i:attempts", "i:next", "i:status", "b:err"},
			Map: func(r []any) ([]any, error) {
				id, ok := n.then[r[1].(int64)]
				if !ok {
					return nil, fmt.Errorf("inbox %d has no URL", r[1])
				}
				return append([]any{r[0], id}, r[2:]...), nil
			},
			Same: func(r []any, there bool) ([]any, error) {
				url := n.was[r[1].(int64)]
				if there {
					url = n.url[r[1].(int64)]
				}
				return append([]any{r[0], []byte(url)}, r[2:]...), nil
			},
		}, {
			Name: "fedihook_q_host", From: `SELECT origin, failures, since, last, next, asked, status, err, refusals, held FROM fedihook_q_host`,
			Columns: []string{"s:origin", "i:failures", "i:since", "i:last", "i:next", "t:asked", "i:status", "b:err", "i:refusals", "t:held"},
		}, {
			Name: "fedihook_q_dead", From: `SELECT id, seq, at, attempts, status, activity, sender, okey, inbox, err FROM fedihook_q_dead`,
			Columns: []string{"i:id", "i:seq", "i:at", "i:attempts", "i:status", "b:activity", "b:sender", "b:okey", "b:inbox", "b:err"},
		}, {
			Name: "fedihook_q_kept", From: `SELECT seq, size, class, type, id, sender, okey, ` + theBody + `, ` + others + ` FROM fedihook_q_kept a`, Read: "iiibbbbbb",
			Columns: []string{"i:seq", "i:size", "i:class", "s:type", "b:id", "b:sender", "b:okey", "b:body", "b:other"},
			Map: func(r []any) ([]any, error) {
				other, err := repack(r[8].([]byte))
				return append(slices.Clone(r[:8]), other), err
			},
		},
	}
}

// repack makes a column of PostgreSQL's of what others reads.
func repack(raw []byte) ([]byte, error) {
	var list []delivery.Body
	for _, one := range bytes.FieldsFunc(raw, func(r rune) bool { return r == ',' }) {
		hexName, hexBody, _ := bytes.Cut(one, []byte(" "))
		name, err := hex.DecodeString(string(hexName))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errBodies, err)
		}
		body, err := hex.DecodeString(string(hexBody))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errBodies, err)
		}
		list = append(list, delivery.Body{Name: string(name), Bytes: body})
	}
	return packBodies(list), nil
}

// SQLiteOf is the database of a store that OpenSQLite returned, nil for any other. PostgresOf is that of OpenPostgres.
func SQLiteOf(s delivery.Store) *sql.DB {
	if s, ok := s.(*sqlite); ok {
		return s.db.DB
	}
	return nil
}

// TakeTurns has a store that OpenSQLite returned write in turns with others that share db, which is its database. It is called
// before the store is used, and does nothing to any other store.
func TakeTurns(s delivery.Store, db *sqldb.DB) {
	if s, ok := s.(*sqlite); ok && s.db.DB == db.DB {
		s.db = db
	}
}

// PostgresOf is as SQLiteOf for OpenPostgres.
func PostgresOf(s delivery.Store) *sql.DB {
	switch s := s.(type) {
	case *postgres:
		return s.db
	case *listening:
		return s.db
	}
	return nil
}
