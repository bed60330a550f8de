package queue

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/internal/pgdb"
)

// inboxShard tells the shard of an inbox by its number.
func inboxShard(id int64) int { return int(id & (delivery.ShardCount - 1)) }

// shardsOf returns into which shards inboxes fall.
func shardsOf(ids []int64) (s delivery.Shards) {
	for _, id := range ids {
		s |= delivery.Shard(inboxShard(id))
	}
	return s
}

// inShards returns those of ids that fall into one of the shards.
func inShards(ids []int64, shards delivery.Shards) []int64 {
	in := make([]int64, 0, len(ids))
	for _, id := range ids {
		if shards.Has(inboxShard(id)) {
			in = append(in, id)
		}
	}
	return in
}

const numbersAtOnce = 2000 // URLs that get their numbers in one transaction

// intern returns the numbers of URLs, in no order, and gives numbers to new ones. It is not durable by itself, but what
// names the numbers is committed later, and then they are as durable as that.
// They hold in this life of the server.
func (s *postgres) intern(ctx context.Context, urls []string, now time.Time) (ids []int64, life int64, err error) {
	if life, err = s.alive(ctx); err != nil {
		return nil, 0, fmt.Errorf("queue: append: %w", err)
	}
	ids, unknown := s.names.get(urls, now)
	for some := range slices.Chunk(unknown, numbersAtOnce) {
		got := make(map[string]int64, len(some))
		scan := func(r *sql.Rows) error {
			var url string
			var id int64
			err := r.Scan(&url, &id)
			got[url] = id
			return err
		}
		// When a URL was named is noted to within a day, so that not every use of it is a write.
		err := each(ctx, s.db, `SELECT url, id FROM fedihook_q_inbox WHERE url = ANY ($1::text[]) AND used >= $2`,
			[]any{pgdb.Texts(some), toMilli(now) - 86400000}, scan)
		if err != nil {
			return nil, 0, fmt.Errorf("queue: append: %w", err)
		}
		var missing []string
		for _, url := range some {
			if got[url] == 0 {
				missing = append(missing, url)
			}
		}
		if len(missing) > 0 {
			if err := s.write(ctx, "append", func(t *pgtx) error { return t.number(missing, now, scan) }); err != nil {
				return nil, 0, err
			}
		}
		list := make([]int64, len(some))
		for i, url := range some {
			list[i] = got[url]
		}
		if i := slices.Index(list, 0); i >= 0 {
			return nil, 0, fmt.Errorf("queue: append: no number for %.200q", some[i])
		}
		s.mu.Lock()
		if s.life == life { // else they may be of an earlier one
			s.names.put(some, list, now)
		}
		s.mu.Unlock()
		ids = append(ids, list...)
	}
	return ids, life, nil
}

// alive returns what life of the server the names are of.
func (s *postgres) alive(ctx context.Context) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life != 0 {
		return s.life, nil
	}
	// Before any name is read in it. Who is first makes it up.
	if _, err := pgdb.Exec(ctx, s.db, `INSERT INTO fedihook_q_life (token) VALUES ($1) ON CONFLICT DO NOTHING`, 1+rand.Int64N(1<<62)); err != nil {
		return 0, err
	}
	err := s.db.QueryRowContext(ctx, `SELECT token FROM fedihook_q_life`).Scan(&s.life)
	return s.life, err
}

// forgetNames makes intern ask again for everything.
func (s *postgres) forgetNames() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.life = 0
	s.names.clear()
}

// number gives numbers to those of the URLs that have none, and notes that they are named now.
func (t *pgtx) number(urls []string, now time.Time, scan func(*sql.Rows) error) error {
	if err := t.run(`SELECT ` + lazily + `, ` + numbering); err != nil {
		return err
	}
	shards := make([]int, len(urls))
	for i, url := range urls {
		shards[i] = delivery.ShardOf(url)
	}
	return t.rows(`WITH fresh AS MATERIALIZED (
			SELECT u.url, u.shard, row_number() OVER (PARTITION BY u.shard ORDER BY u.n) AS n
			FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS u (url, shard, n)
			WHERE NOT EXISTS (SELECT FROM fedihook_q_inbox i WHERE i.url = u.url COLLATE "C")
		), taken AS (
			UPDATE fedihook_q_number f SET last = last + c.n FROM (SELECT shard, count(*) AS n FROM fresh GROUP BY shard) c
			WHERE f.shard = c.shard RETURNING f.shard, f.last - c.n AS before
		), added AS (
			INSERT INTO fedihook_q_inbox (id, url, used)
			SELECT 64 * (t.before + f.n) + f.shard, f.url, $3 FROM fresh f JOIN taken t USING (shard) RETURNING url, id
		), named AS (
			UPDATE fedihook_q_inbox SET used = greatest(used, $3) WHERE url = ANY ($1::text[]) RETURNING url, id
		) SELECT url, id FROM added UNION ALL SELECT url, id FROM named`,
		[]any{pgdb.Texts(urls), pgdb.Ints(shards), toMilli(now)}, scan)
}

func (s *postgres) URLs(ctx context.Context, ids []int64) ([]string, error) {
	urls := make([]string, len(ids))
	for first := 0; first < len(ids); first += urlsAtOnce {
		some := ids[first:min(first+urlsAtOnce, len(ids))]
		err := each(ctx, s.db, `SELECT u.n, i.url FROM unnest($1::bigint[]) WITH ORDINALITY AS u (id, n) JOIN fedihook_q_inbox i USING (id)`,
			[]any{pgdb.Ints(some)}, func(r *sql.Rows) error {
				var n int
				var url string
				err := r.Scan(&n, &url)
				if err == nil {
					urls[first+n-1] = url
				}
				return err
			})
		if err != nil {
			return nil, fmt.Errorf("queue: urls: %w", err)
		}
	}
	if i := slices.Index(urls, ""); i >= 0 {
		return nil, fmt.Errorf("queue: inbox %d has no URL", ids[i])
	}
	return urls, nil
}
