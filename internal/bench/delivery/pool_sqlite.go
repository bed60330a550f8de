package main

import (
	"context"
	"database/sql"
	"net/http"
	"path/filepath"
	"time"
)

// fileJobs are the pool's rows in a SQLite file.
type fileJobs struct{ db *sql.DB }

func newPool(ctx context.Context, folder string, transport http.RoundTripper) (*pool, *sql.DB, error) {
	db, err := openDB(filepath.Join(folder, "pool.db"))
	if err != nil {
		return nil, nil, err
	}
	db.SetMaxOpenConns(1)
	_, err = db.ExecContext(ctx, `PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 10000;
		CREATE TABLE IF NOT EXISTS body (seq INTEGER PRIMARY KEY, body BLOB NOT NULL);
		CREATE TABLE IF NOT EXISTS job (id INTEGER PRIMARY KEY, seq INTEGER NOT NULL, inbox TEXT NOT NULL, attempts INTEGER NOT NULL, next INTEGER NOT NULL);
		CREATE INDEX IF NOT EXISTS job_next ON job (next, id)`)
	return &pool{fileJobs{db}, transport, poolWorkers}, db, err
}

func (f fileJobs) close() { _ = f.db.Close() } // of a folder that will be removed

func (f fileJobs) add(ctx context.Context, a post, inboxes []string) error {
	return inTx(ctx, f.db, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `INSERT INTO body (body) VALUES (?)`, a.body)
		if err != nil {
			return err
		}
		seq, err := res.LastInsertId()
		if err != nil {
			return err
		}
		insert, err := tx.PrepareContext(ctx, `INSERT INTO job (seq, inbox, attempts, next) VALUES (?, ?, 0, ?)`)
		if err != nil {
			return err
		}
		now := time.Now().UnixMilli()
		for _, inbox := range inboxes {
			if _, err := insert.ExecContext(ctx, seq, inbox, now); err != nil {
				return err
			}
		}
		return nil
	})
}

func inTx(ctx context.Context, db *sql.DB, fn func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after Commit it does nothing
	if err := fn(tx); err != nil {
		return err
	}
	return tx.Commit()
}

func (f fileJobs) due(ctx context.Context) (list []job, err error) {
	err = inTx(ctx, f.db, func(tx *sql.Tx) error {
		now := time.Now()
		rows, err := tx.QueryContext(ctx, `UPDATE job SET next = ?, attempts = attempts + 1
			WHERE id IN (SELECT id FROM job WHERE next <= ? ORDER BY next, id LIMIT ?)
			RETURNING id, inbox, attempts, (SELECT body FROM body b WHERE b.seq = job.seq)`,
			now.Add(poolHold).UnixMilli(), now.UnixMilli(), poolBatch)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var j job
			if err := rows.Scan(&j.id, &j.inbox, &j.attempts, &j.body); err != nil {
				return err
			}
			list = append(list, j)
		}
		return rows.Err()
	})
	return list, err
}

func (f fileJobs) settle(ctx context.Context, list []job) error {
	return inTx(ctx, f.db, func(tx *sql.Tx) error {
		for _, j := range list {
			var err error
			if j.ok {
				_, err = tx.ExecContext(ctx, `DELETE FROM job WHERE id = ?`, j.id)
			} else {
				_, err = tx.ExecContext(ctx, `UPDATE job SET next = ? WHERE id = ?`, time.Now().Add(putOff(j.attempts)).UnixMilli(), j.id)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}
