package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/storage"
)

// expansionFromTable times, in milliseconds, an Enqueue to followers that are read from SQLite, and how long it takes from when
// the app says something until the façade has handed that over to the queue: another process may run that, so that a
// poll is part of it.
func (r *runner) expansionFromTable(ctx context.Context) (fromTable, said float64, err error) {
	folder, err := r.folder()
	if err != nil {
		return 0, 0, err
	}
	path := filepath.Join(folder, "federation.db")
	if err := r.prepareFollowers(ctx, path); err != nil {
		return 0, 0, err
	}
	db, err := openDB(path)
	if err != nil {
		return 0, 0, err
	}
	defer db.Close()
	app, err := openDB(filepath.Join(folder, "app.db"))
	if err != nil {
		return 0, 0, err
	}
	defer app.Close()
	if _, err := app.ExecContext(ctx, `PRAGMA journal_mode = WAL`); err != nil {
		return 0, 0, err
	}
	store, err := storage.OpenSQLite(ctx, app, db)
	if err != nil {
		return 0, 0, err
	}
	if fromTable, err = r.enqueuedFromTable(ctx, store); err != nil {
		return 0, 0, err
	}
	said, err = r.saidUntilQueued(ctx, store)
	return fromTable, said, err
}

func (r *runner) enqueuedFromTable(ctx context.Context, store storage.Storage) (float64, error) {
	h, err := newHeart(store.Queue, null{}, r.inFlight)
	if err != nil {
		return 0, err
	}
	var times []float64
	for i := range r.expandTimes() + 1 { // the first makes the inboxes known
		start := time.Now()
		var failed error
		err := h.Enqueue(ctx, post{id: fmt.Sprint(i), body: r.body}, func(yield func(delivery.Target) bool) {
			for url, err := range store.Followers.Inboxes(ctx, alice()) {
				if failed = err; err != nil || !yield(delivery.Target{Inbox: url}) {
					return
				}
			}
		})
		if err := errors.Join(err, failed); err != nil {
			return 0, err
		}
		if i > 0 {
			times = append(times, ms(time.Since(start)))
		}
	}
	return median(times), nil
}

// alice is the id that the façade gives her.
func alice() string {
	return (&actor.Names{Origin: "http://sender.test", Prefix: "/ap"}).Actor("alice")
}

// signalled is a store that says when it has added a record.
type signalled struct {
	delivery.Store
	added chan time.Time
}

func (s *signalled) Append(ctx context.Context, a delivery.Addition) (delivery.Appended, error) {
	out, err := s.Store.Append(ctx, a)
	if err == nil {
		s.added <- time.Now()
	}
	return out, err
}

func (r *runner) saidUntilQueued(ctx context.Context, store storage.Storage) (float64, error) {
	queue := &signalled{store.Queue, make(chan time.Time, 10)}
	h, err := newHeart(queue, null{}, r.inFlight) // it does not run: nothing is delivered meanwhile
	if err != nil {
		return 0, err
	}
	f, err := fedihook.New(fedihook.Config{
		Origin: "http://sender.test", Storage: store, Queue: h.Queue, Logger: slog.New(slog.DiscardHandler),
		InsecureAllowLoopback: map[string]string{"sender.test": "127.0.0.1:1"},
		Profile: func(_ context.Context, handle string) (actor.Profile, error) {
			if handle != "alice" {
				return actor.Profile{}, actor.ErrNotFound
			}
			return actor.Profile{Handle: "alice"}, nil
		},
	})
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, r.patience)
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	defer func() {
		cancel()
		<-ended
	}()
	var times []float64
	for i := range r.expandTimes() + 1 { // what the first asks for is known afterwards
		start := time.Now()
		if _, err := f.Publish(ctx, "alice", &activity.Object{
			Type: activity.Types{"Note"}, Content: "<p>Good morning.</p>",
			To: activity.Audience{activity.IRI(activity.Public)}, CC: activity.Audience{activity.IRI(activity.Followers)},
		}); err != nil {
			return 0, err
		}
		select {
		case at := <-queue.added:
			if i > 0 {
				times = append(times, ms(at.Sub(start)))
			}
		case <-ctx.Done():
			return 0, fmt.Errorf("what was said is not queued: %w", ctx.Err())
		}
	}
	return median(times), nil
}

// prepareFollowers writes the table of followers where a commit costs nothing, if there is such a place, and
// moves the file to where it does.
func (r *runner) prepareFollowers(ctx context.Context, path string) error {
	fast, err := os.MkdirTemp("/dev/shm", "delivery")
	if err != nil {
		if fast, err = r.folder(); err != nil {
			return err
		}
	}
	defer os.RemoveAll(fast)
	from := filepath.Join(fast, "federation.db")
	db, err := openDB(from)
	if err != nil {
		return err
	}
	defer db.Close()
	store, err := storage.OpenSQLite(ctx, nil, db)
	if err != nil {
		return err
	}
	if err := r.follow(ctx, store.Followers, alice(), r.followers); err != nil {
		return err
	}
	if err := (&file{db: db}).checkpoint(ctx); err != nil {
		return err
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		_ = out.Close() // the run has failed
		return err
	}
	return out.Close()
}
