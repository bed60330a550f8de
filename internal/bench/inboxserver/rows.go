package main

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/fedihook/fedihook/internal/bench/postgres"
	"github.com/fedihook/fedihook/internal/pgdb"
)

// rows is what one writes first where several servers share a database: the bare handler keeps a row per activity before it
// answers 202, and workers claim rows with SKIP LOCKED, run the hook and remove them, by batches, in one transaction.
type rows struct {
	bare
	db *sql.DB
}

const (
	rowWorkers = 2  // of each process
	rowBatch   = 50 // claimed at once
)

func newRows(ctx context.Context, address string, s *site, names map[string]string) (*rows, error) {
	db, err := postgres.Connect(address, 10)
	if err != nil {
		return nil, err
	}
	err = pgdb.Migrate(ctx, db, "rows", []string{`CREATE TABLE seen (id text PRIMARY KEY);
		CREATE TABLE entry (seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body bytea NOT NULL)
			WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000)`})
	return &rows{bare{site: s, names: names}, db}, err
}

func (b *rows) close() { _ = b.db.Close() } // of a schema that will be dropped

func (b *rows) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, id, err := b.take(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	if _, err := b.db.ExecContext(r.Context(), `WITH s AS (INSERT INTO seen VALUES ($1) ON CONFLICT DO NOTHING RETURNING id)
		INSERT INTO entry (body) SELECT $2 FROM s`, id, body); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

// run works the rows off until ctx ends.
func (b *rows) run(ctx context.Context) error {
	var workers sync.WaitGroup
	failed := make([]error, rowWorkers)
	for i := range rowWorkers {
		workers.Go(func() {
			for ctx.Err() == nil {
				n, err := b.work(ctx)
				switch {
				case ctx.Err() != nil:
				case err != nil:
					failed[i] = err
					return
				case n == 0:
					select {
					case <-time.After(10 * time.Millisecond):
					case <-ctx.Done():
					}
				}
			}
		})
	}
	workers.Wait()
	return errors.Join(failed...)
}

func (b *rows) work(ctx context.Context) (n int, err error) {
	err = pgdb.Tx(ctx, b.db, func(tx *sql.Tx) error {
		n = 0
		claimed, err := tx.QueryContext(ctx, `DELETE FROM entry WHERE seq = ANY (ARRAY (
			SELECT seq FROM entry ORDER BY seq LIMIT $1 FOR UPDATE SKIP LOCKED)) RETURNING body`, rowBatch)
		if err != nil {
			return err
		}
		defer claimed.Close()
		for claimed.Next() {
			var body []byte
			if err := claimed.Scan(&body); err != nil {
				return err
			}
			n++ // the hook of these scenes counts, and that is all
		}
		return claimed.Err()
	})
	if err == nil {
		b.site.creates.Add(int64(n))
	}
	return n, err
}
