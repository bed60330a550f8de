package queue

import (
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/fedihook/fedihook/delivery"
)

const pgPageRows = 2000 // that one Load reads

func (s *postgres) Load(ctx context.Context, q delivery.Query) (page delivery.Page, err error) {
	through, err := s.horizon(ctx, q.Epoch)
	if err != nil {
		return delivery.Page{}, fmt.Errorf("queue: load: %w", err)
	}
	if q.Through > 0 {
		through = min(through, q.Through)
	}
	page.Through = max(through, q.After)
	if through <= q.After {
		return page, nil
	}
	shards := q.Shards
	if q.Only != nil {
		if only := shardsOf(q.Only); shards == 0 {
			shards = only
		} else {
			shards = shards.Both(only)
		}
		if shards == 0 { // there is no such target
			return page, nil
		}
	}
	looked, read, last := 0, 0, int64(0)
	limit := max(q.Limit, 1)
	// One statement, for it sees one state of the database: all chunks that are not yet compacted, and no other.
	err = each(ctx, s.db, `SELECT x.*, (SELECT string_agg(int4send(length(k.ids)) || k.ids, ''::bytea) FROM fedihook_q_ack k WHERE k.seq = x.seq),
			(SELECT json_agg(json_build_object('inbox', d.inbox, 'attempts', d.attempts, 'next', d.next, 'status', d.status, 'err', encode(d.err, 'base64')) ORDER BY d.inbox)
				FROM fedihook_q_defer d WHERE d.seq = x.seq)
		FROM (SELECT seq, id, sender, okey, class, supersedes, type, created, not_before, expires, total, targets, trace,
				sum(total) OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING) - total AS before
			FROM fedihook_q_activity WHERE seq > $1 AND seq <= $2 AND ($3::bigint = 0 OR shards & $3 <> 0) ORDER BY seq LIMIT $4) x
		WHERE before < $5 ORDER BY seq`, []any{q.After, through, int64(shards), pgPageRows, limit}, func(r *sql.Rows) error {
		p, err := scanPending(r, q)
		read++
		looked += p.Total
		last = p.Seq
		if len(p.Targets) > 0 {
			page.Records = append(page.Records, p)
		}
		return err
	})
	if err != nil {
		return delivery.Page{}, fmt.Errorf("queue: load: %w", err)
	}
	if (read == pgPageRows || looked >= limit) && last < through {
		page.Through, page.More = last, true
	}
	return page, nil
}

// horizon is up to where nothing is on its way in any more (see claim). It returns ErrLeaseLost if epoch is none of a lease.
func (s *postgres) horizon(ctx context.Context, epoch int64) (through int64, err error) {
	current := false
	var last int64
	var behind int32 // how far the lowest claim is behind last
	// Claims are read for the row of last, so after it.
	err = each(ctx, s.db, `WITH last AS MATERIALIZED (SELECT last_value FROM fedihook_q_seq)
		SELECT last.last_value, c.claim, EXISTS (SELECT FROM fedihook_q_lease WHERE epoch = $1)
		FROM last LEFT JOIN LATERAL (
			SELECT objid::bigint AS claim FROM pg_locks WHERE locktype = 'advisory' AND classid = 'fedihook_q_activity'::regclass AND objsubid = 2
				AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND last.last_value IS NOT NULL OFFSET 0
		) c ON true`, []any{epoch}, func(r *sql.Rows) error {
		var claim sql.NullInt64
		if err := r.Scan(&last, &claim, &current); err != nil {
			return err
		}
		// A claim has the lower half of a number that was the last one shortly before; 0 is one, too. One that is ahead of last came
		// after it was read.
		if claim.Valid {
			behind = max(behind, int32(uint32(last)-uint32(claim.Int64)))
		}
		return nil
	})
	if err == nil && epoch != 0 && !current {
		err = delivery.ErrLeaseLost
	}
	return last - int64(behind), err
}

// scanPending reads a record and takes out what q does not ask for.
func scanPending(r *sql.Rows, q delivery.Query) (p delivery.Pending, err error) {
	var id, sender, key, set, trace, acks []byte
	var deferred sql.NullString
	var created, notBefore, expires, before int64
	if err := r.Scan(&p.Seq, &id, &sender, &key, &p.Class, &p.Supersedes, &p.ContentType, &created, &notBefore, &expires, &p.Total, &set, &trace, &before,
		&acks, &deferred); err != nil {
		return p, err
	}
	p.ID, p.Sender, p.Key, p.Trace = string(id), string(sender), string(key), string(trace)
	p.Created, p.NotBefore, p.Expires = fromMilli(created), fromMilli(notBefore), fromMilli(expires)
	ids, err := readTargets(set)
	if err != nil {
		return p, fmt.Errorf("activity %d: %w", p.Seq, err)
	}
	done, err := splitChunks(acks)
	if err != nil {
		return p, fmt.Errorf("acks of activity %d: %w", p.Seq, err)
	}
	if p.Left = len(ids) - len(done); q.Only != nil {
		ids = common(ids, q.Only)
	}
	if q.Shards != 0 && q.Shards != delivery.AllShards {
		ids = inShards(ids, q.Shards)
	}
	p.Targets = ids
	if len(done) > 0 {
		p.Targets = without(ids, done)
	}
	if !deferred.Valid {
		return p, nil
	}
	var rows []deferRow
	if err := json.Unmarshal([]byte(deferred.String), &rows); err != nil {
		return p, fmt.Errorf("deferrals of activity %d: %w", p.Seq, err)
	}
	for _, d := range rows {
		if _, ok := slices.BinarySearch(p.Targets, d.Inbox); ok {
			p.Deferred = append(p.Deferred, delivery.Deferral{
				Seq: p.Seq, Inbox: d.Inbox, Attempts: d.Attempts, Next: fromMilli(d.Next), Status: d.Status, Err: string(d.Err),
			})
		}
	}
	return p, nil
}

// splitChunks returns what is in chunks that are written one after the other, each after its length in four bytes.
func splitChunks(b []byte) (ids []int64, err error) {
	for len(b) > 0 {
		if len(b) < 4 || uint64(len(b)-4) < uint64(binary.BigEndian.Uint32(b)) {
			return nil, errTargets
		}
		end := 4 + int(binary.BigEndian.Uint32(b))
		some, err := readTargets(b[4:end])
		if err != nil {
			return nil, err
		}
		ids, b = append(ids, some...), b[end:]
	}
	return ids, nil
}

func (s *postgres) Body(ctx context.Context, seq int64) (b delivery.Bodies, err error) {
	var other []byte
	err = s.db.QueryRowContext(ctx, `SELECT body, other FROM fedihook_q_activity WHERE seq = $1`, seq).Scan(&b.Body, &other)
	if errors.Is(err, sql.ErrNoRows) {
		return delivery.Bodies{}, delivery.ErrUnknown
	}
	if err == nil {
		b.Other, err = unpackBodies(other)
	}
	if err != nil {
		return delivery.Bodies{}, fmt.Errorf("queue: body of activity %d: %w", seq, err)
	}
	return b, nil
}
