package queue

import (
	"context"
	"database/sql"

	"github.com/fedihook/fedihook/delivery"
)

var (
	_ delivery.Orders  = (*sqlite)(nil)
	_ delivery.Orders  = (*memory)(nil)
	_ delivery.Watcher = (*memory)(nil)
)

func (s *sqlite) Order(ctx context.Context, o delivery.Order) error {
	return s.write(ctx, "order", func(t *tx) error {
		return t.run(`INSERT INTO fedihook_q_order (shard, do, origin, at) VALUES (?, ?, ?, ?)`, o.Shard, o.Do, o.Origin, toMilli(o.At))
	})
}

func (s *sqlite) Orders(ctx context.Context, shards delivery.Shards, after int64, limit int) (list []delivery.Order, err error) {
	err = s.read(ctx, "orders", func(t *tx) error {
		list = nil
		return t.rows(`SELECT id, shard, do, origin, at FROM fedihook_q_order WHERE id > ? AND (? >> shard) & 1 ORDER BY id LIMIT ?`,
			[]any{after, int64(shards), limit}, func(r *sql.Rows) error {
				var o delivery.Order
				var at int64
				err := r.Scan(&o.ID, &o.Shard, &o.Do, &o.Origin, &at)
				o.At = fromMilli(at)
				list = append(list, o)
				return err
			})
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

func (t *tx) obeyed(ids []int64) error {
	if len(ids) == 0 {
		return nil
	}
	list, err := array(ids)
	if err != nil {
		return err
	}
	return t.run(`DELETE FROM fedihook_q_order WHERE id IN (SELECT value FROM json_each(?))`, list)
}
