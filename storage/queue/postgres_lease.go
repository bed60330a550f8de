package queue

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/internal/pgdb"
)

// Who writes under a lease holds its fence, shared, to the commit, and after that looks whether the lease is there. Who
// ends the lease holds the fence alone. So nothing that was begun under a lease is committed after its end, and no row is written
// to see to that.
const (
	fenceShared = `pg_advisory_xact_lock_shared('fedihook_q_lease'::regclass::oid::int, $1)::text`
	fenceAlone  = `pg_advisory_xact_lock('fedihook_q_lease'::regclass::oid::int, $1)::text`
	fenceTry    = `pg_try_advisory_xact_lock('fedihook_q_lease'::regclass::oid::int, $1)`
)

// fence holds an epoch's fence and returns the lease's shards, or ErrLeaseLost.
func (t *pgtx) fence(epoch int64) (shards delivery.Shards, err error) {
	if err := t.run(`SELECT `+fenceShared, short(epoch)); err != nil {
		return 0, err
	}
	// In a statement of its own, which sees what was committed while the first one waited.
	var bits int64
	err = t.row(`SELECT shards FROM fedihook_q_lease WHERE epoch = $1`, []any{epoch}, &bits)
	if errors.Is(err, sql.ErrNoRows) {
		err = delivery.ErrLeaseLost
	}
	return delivery.Shards(bits), err
}

// node is a row of lease.
type pgnode struct {
	epoch  int64
	owner  string
	until  time.Time
	shards delivery.Shards
	ends   bool
}

func (s *postgres) Lease(ctx context.Context, r delivery.LeaseRequest) (l delivery.Lease, err error) {
	err = s.write(ctx, "lease", func(t *pgtx) (err error) {
		l, err = t.lease(r)
		return err
	})
	if err != nil {
		return delivery.Lease{}, err
	}
	return l, nil
}

func (t *pgtx) lease(r delivery.LeaseRequest) (l delivery.Lease, err error) {
	if err := t.run(`SELECT ` + bounded + `, ` + leasing); err != nil {
		return l, err
	}
	var nodes []*pgnode
	if err := t.rows(`SELECT epoch, owner, until, shards FROM fedihook_q_lease`, nil, func(rows *sql.Rows) error {
		var owner []byte
		var until, bits int64
		n := new(pgnode)
		err := rows.Scan(&n.epoch, &owner, &until, &bits)
		n.owner, n.until, n.shards = string(owner), fromMilli(until), delivery.Shards(bits)
		nodes = append(nodes, n)
		return err
	}); err != nil {
		return l, err
	}
	var me *pgnode
	for _, n := range nodes {
		switch {
		case r.Epoch != 0 && n.epoch == r.Epoch && n.owner == r.Owner:
			me = n
			if n.shards.Both(r.Give) != 0 { // what is on its way under this lease counts on having them
				err = t.run(`SELECT `+fenceAlone, short(n.epoch))
			}
		case r.Epoch == 0 && n.owner == r.Owner:
			n.ends = true
			err = t.run(`SELECT `+fenceAlone, short(n.epoch))
		case !n.until.After(r.Now):
			// Where something is on its way still, another time will do: everybody else's renewal waits for this one.
			err = t.row(`SELECT `+fenceTry, []any{short(n.epoch)}, &n.ends)
		}
		if err != nil {
			return l, err
		}
	}
	switch {
	case r.Epoch == 0:
		me = &pgnode{owner: r.Owner}
		// At least the time: another server that takes over may not have the last numbers that were given.
		if err := t.row(`SELECT setval('fedihook_q_epoch', greatest(nextval('fedihook_q_epoch'), $1))`, []any{toMilli(r.Now)}, &me.epoch); err != nil {
			return l, err
		}
		nodes = append(nodes, me)
	case me == nil:
		return l, delivery.ErrLeaseLost
	}
	for _, n := range nodes {
		if n.ends {
			if err := t.run(`DELETE FROM fedihook_q_lease WHERE epoch = $1`, n.epoch); err != nil {
				return l, err
			}
		}
	}
	l = me.renew(nodes, r)
	if r.Epoch == 0 {
		err = t.run(`INSERT INTO fedihook_q_lease (epoch, owner, until, shards) VALUES ($1, $2, $3, $4)`,
			me.epoch, octets(me.owner), toMilli(me.until), int64(me.shards))
	} else {
		err = t.run(`UPDATE fedihook_q_lease SET until = $2, shards = $3 WHERE epoch = $1`, me.epoch, toMilli(me.until), int64(me.shards))
	}
	return l, err
}

// renew gives n its share of what is free.
func (n *pgnode) renew(nodes []*pgnode, r delivery.LeaseRequest) delivery.Lease {
	n.until = fromMilli(toMilli(r.Now.Add(r.TTL)))
	n.shards = n.shards.Without(r.Give)
	free := delivery.AllShards.Without(r.Give)
	var live []*pgnode
	for _, o := range nodes {
		if o.ends {
			continue
		}
		free = free.Without(o.shards)
		if o == n || o.until.After(r.Now) {
			live = append(live, o)
		}
	}
	// What can't be shared out evenly the oldest have.
	slices.SortFunc(live, func(a, b *pgnode) int { return cmp.Compare(a.epoch, b.epoch) })
	share := delivery.ShardCount / len(live)
	if slices.Index(live, n) < delivery.ShardCount%len(live) {
		share++
	}
	n.shards = n.shards.With(free.First(share - n.shards.Len()))
	return delivery.Lease{Epoch: n.epoch, Until: n.until, Shards: n.shards, Surplus: n.shards.Without(n.shards.First(share))}
}

func (s *postgres) Release(ctx context.Context, epoch int64) error {
	return s.write(ctx, "release", func(t *pgtx) error {
		if err := t.run(`SELECT `+bounded+`, `+leasing+`, `+fenceAlone, short(epoch)); err != nil {
			return err
		}
		return t.run(`DELETE FROM fedihook_q_lease WHERE epoch = $1`, epoch)
	})
}

func (s *postgres) Order(ctx context.Context, o delivery.Order) error {
	// One statement, so that the lock does not wait for this process.
	_, err := pgdb.Exec(ctx, s.db, `WITH held AS MATERIALIZED (SELECT `+ordering+`)
		INSERT INTO fedihook_q_order (shard, at, what, origin) SELECT $1, $2, $3, $4 FROM held`, o.Shard, toMilli(o.At), o.Do, o.Origin)
	if err != nil {
		return fmt.Errorf("queue: order: %w", err)
	}
	s.notify(ctx)
	return nil
}

func (s *postgres) Orders(ctx context.Context, shards delivery.Shards, after int64, limit int) (page []delivery.Order, err error) {
	err = each(ctx, s.db, `SELECT id, shard, at, what, origin FROM fedihook_q_order
		WHERE id > $1 AND ($2::bigint >> shard) & 1 = 1 ORDER BY id LIMIT $3`, []any{after, int64(shards), limit}, func(r *sql.Rows) error {
		var o delivery.Order
		var at int64
		err := r.Scan(&o.ID, &o.Shard, &at, &o.Do, &o.Origin)
		o.At = fromMilli(at)
		page = append(page, o)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("queue: orders: %w", err)
	}
	return page, nil
}
