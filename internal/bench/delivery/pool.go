package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/fedihook/fedihook/delivery"
)

// pool is what one writes first: a row per delivery, workers that take the oldest ones due, and a backoff for
// each row of its own. Its file is as durable as the queue's.
type pool struct {
	db        *sql.DB
	transport http.RoundTripper
	workers   int
}

const (
	poolWorkers = 128 // as many as Misskey has (2025)
	poolBatch   = 100 // rows taken, or recorded, in one transaction
	poolHold    = 10 * time.Minute
)

func newPool(ctx context.Context, folder string, transport http.RoundTripper) (*pool, error) {
	db, err := openDB(filepath.Join(folder, "pool.db"))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	_, err = db.ExecContext(ctx, `PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 10000;
		CREATE TABLE IF NOT EXISTS body (seq INTEGER PRIMARY KEY, body BLOB NOT NULL);
		CREATE TABLE IF NOT EXISTS job (id INTEGER PRIMARY KEY, seq INTEGER NOT NULL, inbox TEXT NOT NULL, attempts INTEGER NOT NULL, next INTEGER NOT NULL);
		CREATE INDEX IF NOT EXISTS job_next ON job (next, id)`)
	return &pool{db, transport, poolWorkers}, err
}

func (p *pool) Enqueue(ctx context.Context, a post, to iter.Seq[delivery.Target]) error {
	return p.write(ctx, func(tx *sql.Tx) error {
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
		seen := make(map[string]bool)
		now := time.Now().UnixMilli()
		for t := range to {
			inbox := t.SharedInbox
			if inbox == "" {
				inbox = t.Inbox
			}
			if seen[inbox] {
				continue
			}
			seen[inbox] = true
			if _, err := insert.ExecContext(ctx, seq, inbox, now); err != nil {
				return err
			}
		}
		return nil
	})
}

func (p *pool) write(ctx context.Context, fn func(*sql.Tx) error) error {
	tx, err := p.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after Commit it does nothing
	if err := fn(tx); err != nil {
		return err
	}
	return tx.Commit()
}

type job struct {
	id       int64
	inbox    string
	attempts int
	body     []byte
	ok       bool
}

func (p *pool) Run(ctx context.Context) error {
	jobs, results := make(chan job), make(chan job, p.workers)
	var workers, recorder sync.WaitGroup
	for range p.workers {
		workers.Go(func() {
			for j := range jobs {
				j.ok = p.send(ctx, j)
				results <- j
			}
		})
	}
	var recording error
	recorder.Go(func() { recording = p.record(results) })
	err := p.take(ctx, jobs)
	close(jobs)
	workers.Wait()
	close(results)
	recorder.Wait()
	if ctx.Err() != nil {
		err = nil
	}
	return errors.Join(err, recording)
}

// take hands out what is due until ctx ends.
func (p *pool) take(ctx context.Context, jobs chan<- job) error {
	for ctx.Err() == nil {
		list, err := p.due(ctx)
		if err != nil {
			return err
		}
		for _, j := range list {
			select {
			case jobs <- j:
			case <-ctx.Done():
				return nil
			}
		}
		if len(list) == 0 {
			select {
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	}
	return nil
}

func (p *pool) due(ctx context.Context) (list []job, err error) {
	err = p.write(ctx, func(tx *sql.Tx) error {
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

func (p *pool) send(ctx context.Context, j job) bool {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	r, err := newRequest(ctx, j.inbox, j.body)
	if err != nil {
		return false
	}
	answer, err := p.transport.RoundTrip(r)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	_, _ = io.CopyN(io.Discard, answer.Body, 64<<10) // so that the connection is used again
	return answer.StatusCode < 300
}

// record writes down results, by batches.
func (p *pool) record(results <-chan job) error {
	var list []job
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var failed error
	for open := true; open; {
		select {
		case j, more := <-results:
			if open = more; more {
				list = append(list, j)
			}
			if len(list) < poolBatch && more {
				continue
			}
		case <-tick.C:
		}
		if len(list) == 0 {
			continue
		}
		if err := p.settle(list); err != nil && failed == nil {
			failed = fmt.Errorf("pool: %w", err)
		}
		list = list[:0]
	}
	return failed
}

func (p *pool) settle(list []job) error {
	ctx := context.Background() // what was sent is recorded, though Run is to end
	return p.write(ctx, func(tx *sql.Tx) error {
		for _, j := range list {
			var err error
			if j.ok {
				_, err = tx.ExecContext(ctx, `DELETE FROM job WHERE id = ?`, j.id)
			} else {
				wait := 30 * time.Second << min(j.attempts, 10)
				_, err = tx.ExecContext(ctx, `UPDATE job SET next = ? WHERE id = ?`, time.Now().Add(wait).UnixMilli(), j.id)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// newRequest makes the POST that the bare loop and the pool send.
func newRequest(ctx context.Context, inbox string, body []byte) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, inbox, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/activity+json")
	r.Header.Set("User-Agent", "bare (+http://sender.test/)")
	return r, nil
}
