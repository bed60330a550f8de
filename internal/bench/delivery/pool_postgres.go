package main

import (
	"context"
	"database/sql"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/fedihook/fedihook/internal/bench/postgres"
	"github.com/fedihook/fedihook/internal/pgdb"
)

// tableJobs are the pool's rows in PostgreSQL, claimed with SKIP LOCKED by as many processes as there are: what most queues on
// PostgreSQL do. To be fair to it, a row names its inbox by a number, bodies are read once, rows are written, claimed and
// removed in batches by prepared statements, and only what was enqueued waits for the disk.
type tableJobs struct {
	db *sql.DB

	mu      sync.Mutex
	numbers map[string]int64 // of inboxes
	bodies  map[int64][]byte // by post
}

const tableSchema = `
CREATE TABLE IF NOT EXISTS inbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, url text NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS body (seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body bytea NOT NULL);
CREATE TABLE IF NOT EXISTS job (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, next bigint NOT NULL, seq bigint NOT NULL, inbox bigint NOT NULL,
	attempts integer NOT NULL) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);
CREATE INDEX IF NOT EXISTS job_next ON job (next, id)`

func newTablePool(ctx context.Context, address string, transport http.RoundTripper) (*pool, error) {
	db, err := postgres.Connect(address, 4)
	if err != nil {
		return nil, err
	}
	err = inTx(ctx, db, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock(1)`); err != nil { // others may be about to
			return err
		}
		_, err := tx.ExecContext(ctx, tableSchema)
		return err
	})
	return &pool{&tableJobs{db: db, numbers: make(map[string]int64), bodies: make(map[int64][]byte)}, transport, poolWorkers}, err
}

func (t *tableJobs) close() { _ = t.db.Close() } // of a schema that will be dropped

func (t *tableJobs) add(ctx context.Context, a post, inboxes []string) error {
	ids, err := t.number(ctx, inboxes)
	if err != nil {
		return err
	}
	_, err = t.db.ExecContext(ctx, `WITH b AS (INSERT INTO body (body) VALUES ($1) RETURNING seq)
		INSERT INTO job (next, seq, inbox, attempts) SELECT $2, seq, inbox, 0 FROM b, unnest($3::bigint[]) AS u (inbox)`,
		a.body, time.Now().UnixMilli(), pgdb.Ints(ids))
	return err
}

// number returns the numbers of inboxes.
func (t *tableJobs) number(ctx context.Context, inboxes []string) (ids []int64, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var unknown []string
	for _, url := range inboxes {
		if t.numbers[url] == 0 {
			unknown = append(unknown, url)
		}
	}
	if len(unknown) > 0 {
		if _, err := t.db.ExecContext(ctx, `INSERT INTO inbox (url) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING`, pgdb.Texts(unknown)); err != nil {
			return nil, err
		}
		if err := t.each(ctx, `SELECT id, url FROM inbox WHERE url = ANY ($1::text[])`, []any{pgdb.Texts(unknown)}, func(r *sql.Rows) error {
			var id int64
			var url string
			err := r.Scan(&id, &url)
			t.numbers[url] = id
			return err
		}); err != nil {
			return nil, err
		}
	}
	for _, url := range inboxes {
		ids = append(ids, t.numbers[url])
	}
	return ids, nil
}

func (t *tableJobs) each(ctx context.Context, query string, args []any, scan func(*sql.Rows) error) error {
	rows, err := t.db.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (t *tableJobs) due(ctx context.Context) (list []job, err error) {
	now := time.Now()
	var seqs []int64
	err = t.each(ctx, `WITH c AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)), j AS (
			UPDATE job SET next = $1, attempts = attempts + 1
			WHERE id = ANY (ARRAY (SELECT id FROM job, c WHERE next <= $2 ORDER BY next, id LIMIT $3 FOR UPDATE OF job SKIP LOCKED))
			RETURNING id, seq, inbox, attempts
		) SELECT j.id, j.seq, j.attempts, i.url FROM j JOIN inbox i ON i.id = j.inbox`,
		[]any{now.Add(poolHold).UnixMilli(), now.UnixMilli(), poolBatch}, func(r *sql.Rows) error {
			var j job
			var seq int64
			err := r.Scan(&j.id, &seq, &j.attempts, &j.inbox)
			list, seqs = append(list, j), append(seqs, seq)
			return err
		})
	for i := 0; i < len(list) && err == nil; i++ {
		list[i].body, err = t.body(ctx, seqs[i])
	}
	return list, err
}

const poolBodies = 100 // kept in memory

func (t *tableJobs) body(ctx context.Context, seq int64) ([]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if b := t.bodies[seq]; b != nil {
		return b, nil
	}
	var b []byte
	if err := t.db.QueryRowContext(ctx, `SELECT body FROM body WHERE seq = $1`, seq).Scan(&b); err != nil {
		return nil, err
	}
	if len(t.bodies) >= poolBodies {
		clear(t.bodies)
	}
	t.bodies[seq] = b
	return b, nil
}

func (t *tableJobs) settle(ctx context.Context, list []job) error {
	var done, late, next []int64
	for _, j := range list {
		if j.ok {
			done = append(done, j.id)
		} else {
			late, next = append(late, j.id), append(next, time.Now().Add(putOff(j.attempts)).UnixMilli())
		}
	}
	if len(done) > 0 {
		slices.Sort(done)
		if _, err := t.db.ExecContext(ctx, `WITH c AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
			DELETE FROM job USING c WHERE id = ANY ($1::bigint[])`, pgdb.Ints(done)); err != nil {
			return err
		}
	}
	if len(late) == 0 {
		return nil
	}
	_, err := t.db.ExecContext(ctx, `UPDATE job SET next = u.next FROM unnest($1::bigint[], $2::bigint[]) AS u (id, next) WHERE job.id = u.id`,
		pgdb.Ints(late), pgdb.Ints(next))
	return err
}
