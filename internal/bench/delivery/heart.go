package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/internal/bench/postgres"
	"github.com/fedihook/fedihook/storage/queue"
)

// All that these programs know of the queue stands here.

// engine delivers: the queue, or the pool that it is compared with.
type engine interface {
	// Enqueue keeps one body for many inboxes.
	Enqueue(ctx context.Context, p post, to iter.Seq[delivery.Target]) error

	// Run delivers until ctx ends, and records what it did.
	Run(ctx context.Context) error
}

type post struct {
	id     string
	body   []byte
	urgent bool
}

type heart struct{ *delivery.Queue }

// newHeart makes a queue that posts through transport.
func newHeart(st delivery.Store, transport http.RoundTripper, inFlight int) (heart, error) {
	return newNode(st, transport, inFlight, "")
}

// newNode makes a queue that may be one of several on a store, under a name of its own.
func newNode(st delivery.Store, transport http.RoundTripper, inFlight int, name string) (heart, error) {
	q, err := delivery.New(delivery.Config{
		Store: st, Transport: func(string) (http.RoundTripper, error) { return transport, nil },
		MaxInFlight: inFlight, Owner: name,
		// Goal dead asks what a backlog costs, not where it ends.
		MaxTargets: math.MaxInt32, MaxBytes: 1 << 40,
		Logger: slog.New(slog.DiscardHandler),
		Grace:  time.Millisecond, // scenes end while tarpits still hang
	})
	return heart{q}, err
}

func (h heart) Enqueue(ctx context.Context, p post, to iter.Seq[delivery.Target]) error {
	a := delivery.Activity{ID: p.id, Sender: sender, Key: p.id, Body: p.body}
	if p.urgent {
		a.Class = delivery.Interactive
	}
	_, err := h.Queue.Enqueue(ctx, nil, a, to)
	return err
}

// file is a queue's store: in a SQLite file, in memory, or in a schema of PostgreSQL.
type file struct {
	delivery.Store
	db   *sql.DB // SQLite's; nil if there is none
	shut func()  // PostgreSQL's; nil if there is none
}

const queueFile = "queue.db"

func openFile(ctx context.Context, store, folder string) (*file, error) {
	if store == "memory" {
		return &file{Store: queue.Memory()}, nil
	}
	db, err := openDB(filepath.Join(folder, queueFile))
	if err != nil {
		return nil, err
	}
	st, err := queue.OpenSQLite(ctx, db)
	if err != nil {
		return nil, err
	}
	return &file{Store: st, db: db}, nil
}

// openDB opens a SQLite file as it is, without the settings that ours get.
func openDB(path string) (*sql.DB, error) {
	return sql.Open("sqlite", (&url.URL{Scheme: "file", Opaque: path}).String())
}

// openTables opens the tables of a queue where an address says, as every node does.
func openTables(ctx context.Context, address string) (*file, error) {
	db, err := postgres.Connect(address, 10)
	if err != nil {
		return nil, err
	}
	st, err := queue.OpenPostgres(ctx, db, postgres.Listen(address))
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &file{Store: st, shut: func() { _ = db.Close() }}, nil // of a schema that will be dropped
}

func (f *file) close() {
	if f.shut != nil {
		f.shut()
	}
	if f.db != nil {
		_ = f.db.Close() // of a folder that will be removed
	}
}

// size is how many bytes of the file are in use.
func (f *file) size(ctx context.Context) (int64, error) {
	if f.db == nil {
		return 0, nil
	}
	var n int64
	for query, sign := range map[string]int64{`PRAGMA page_count`: 1, `PRAGMA freelist_count`: -1} {
		var pages int64
		if err := f.db.QueryRowContext(ctx, query).Scan(&pages); err != nil {
			return 0, err
		}
		n += sign * pages
	}
	var page int64
	err := f.db.QueryRowContext(ctx, `PRAGMA page_size`).Scan(&page)
	return n * page, err
}

// checkpoint moves all of the write-ahead log into the file.
func (f *file) checkpoint(ctx context.Context) error {
	if f.db == nil {
		return nil
	}
	var busy, pages, moved int
	if err := f.db.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &pages, &moved); err != nil {
		return err
	}
	if busy != 0 {
		return fmt.Errorf("the checkpoint was busy")
	}
	return nil
}

// working runs an engine until the returned func is called, which waits for it.
func working(ctx context.Context, e engine) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	return func() error { cancel(); return <-done }
}

// inboxes are the shared inboxes of n hosts of a kind.
func inboxes(kind string, n int) iter.Seq[delivery.Target] {
	list := make([]delivery.Target, n)
	for i := range list {
		list[i].Inbox = fmt.Sprintf("http://%s%d.test/inbox", kind, i)
	}
	return func(yield func(delivery.Target) bool) {
		for _, t := range list {
			if !yield(t) {
				return
			}
		}
	}
}

// inboxesOf are the shared inboxes of some hosts.
func inboxesOf(hosts ...string) iter.Seq[delivery.Target] {
	return func(yield func(delivery.Target) bool) {
		for _, h := range hosts {
			if !yield(delivery.Target{Inbox: "http://" + h + "/inbox"}) {
				return
			}
		}
	}
}
