package queue_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/storage/queue"
)

type nowhere struct{ posts atomic.Int64 }

func (n *nowhere) RoundTrip(*http.Request) (*http.Response, error) {
	n.posts.Add(1)
	return &http.Response{StatusCode: 202, Body: http.NoBody}, nil
}

// app is an app's database beside a queue that runs.
type app struct {
	*testing.T
	db      *sql.DB
	intents *queue.Intents
	queue   *delivery.Queue
	net     *nowhere
	store   delivery.Store
}

func newApp(t *testing.T) *app {
	t.Helper()
	a := &app{T: t, net: new(nowhere)}
	a.db = raw(t, "file:"+filepath.Join(t.TempDir(), "app.db")+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(wal)")
	if _, err := a.db.Exec(`CREATE TABLE post (id TEXT PRIMARY KEY)`); err != nil {
		t.Fatal(err)
	}
	var err error
	path := filepath.Join(t.TempDir(), "queue.db")
	a.store = open(t, path)
	if a.intents, err = queue.OpenIntents(t.Context(), a.db, raw(t, path+"?_pragma=busy_timeout(10000)")); err != nil {
		t.Fatal(err)
	}
	a.queue, err = delivery.New(delivery.Config{
		Store: a.store, Intents: a.intents, Logger: slog.New(slog.DiscardHandler),
		Transport: func(string) (http.RoundTripper, error) { return a.net, nil },
		Audience: func(context.Context, string, string) iter.Seq2[delivery.Target, error] {
			return func(yield func(delivery.Target, error) bool) {
				for _, u := range inboxes(10_000) {
					if !yield(delivery.Target{Inbox: u}, nil) {
						return
					}
				}
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.queue.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return a
}

// post saves a post and what is to be said of it, in one transaction; until is where it is rolled back.
func (a *app) post(id, until string, targets ...delivery.Target) error {
	tx, err := a.db.BeginTx(a.Context(), nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.Exec(`INSERT INTO post (id) VALUES (?)`, id); err != nil || until == "insert" {
		return err
	}
	_, err = a.queue.Enqueue(a.Context(), a.intents.In(tx), delivery.Activity{ID: id, Sender: "s", Body: []byte(id), Key: id}, slices.Values(targets))
	if err != nil || until == "enqueue" {
		return err
	}
	return tx.Commit()
}

func (a *app) delivered(id string) int {
	st, err := a.queue.Status(a.Context(), id)
	if err != nil && !errors.Is(err, delivery.ErrUnknown) {
		a.Fatal(err)
	}
	return st.Delivered
}

func (a *app) number(query string) (n int) {
	a.Helper()
	if err := a.db.QueryRow(query).Scan(&n); err != nil {
		a.Fatal(err)
	}
	return n
}

func TestIntentGoesOutWithTheAppsCommitAndNeverWithout(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	for _, until := range []string{"insert", "enqueue"} {
		if err := a.post(until, until, delivery.Target{Inbox: "https://a.example/inbox"}); err != nil {
			t.Fatal(err)
		}
	}
	begin := time.Now()
	if err := a.post("1", "", delivery.Target{Inbox: "https://a.example/inbox", SharedInbox: "https://a.example/shared"}, delivery.Target{Audience: "followers"}); err != nil {
		t.Fatal(err)
	}
	for a.delivered("1") != 10_001 {
		if time.Since(begin) > 30*time.Second {
			t.Fatalf("%d of 10001 were delivered", a.delivered("1"))
		}
		time.Sleep(5 * time.Millisecond)
	}
	for left := 1; left > 0; {
		list, err := a.intents.Intents(t.Context(), 10)
		if err != nil || time.Since(begin) > 30*time.Second {
			t.Fatalf("an intent was expanded and comes back: %v", err)
		}
		left = len(list)
		time.Sleep(5 * time.Millisecond)
	}
	if n := a.number(`SELECT count(*) FROM post`); n != 1 {
		t.Errorf("%d posts", n)
	}
	if n := a.net.posts.Load(); n != 10_001 {
		t.Errorf("%d posts of what was rolled back, too", n-10_001)
	}
	page, err := a.store.Load(t.Context(), delivery.Query{Limit: 1})
	if err != nil || len(page.Records) != 0 {
		t.Errorf("%+v, %v", page, err)
	}
}

func TestAppsTransactionsDoNotFailBesideAFanOut(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	if err := a.post("big", "", delivery.Target{Audience: "followers"}); err != nil {
		t.Fatal(err)
	}
	n := 0
	for begin := time.Now(); a.delivered("big") < 10_000 && time.Since(begin) < 30*time.Second; n++ {
		// It reads, then writes.
		if err := func() error {
			tx, err := a.db.BeginTx(t.Context(), nil)
			if err != nil {
				return err
			}
			defer tx.Rollback()
			var have int
			if err := tx.QueryRow(`SELECT count(*) FROM post`).Scan(&have); err != nil {
				return err
			}
			if _, err := tx.Exec(`INSERT INTO post (id) VALUES (?)`, fmt.Sprint(have, n)); err != nil {
				return err
			}
			return tx.Commit()
		}(); err != nil {
			t.Fatalf("transaction %d: %v", n, err)
		}
	}
	if got := a.delivered("big"); got != 10_000 || n == 0 {
		t.Errorf("%d delivered beside %d transactions", got, n)
	}
}

func TestEnqueueInATransactionIsOneInsert(t *testing.T) {
	t.Parallel()
	in, err := queue.OpenIntents(t.Context(), raw(t, filepath.Join(t.TempDir(), "app.db")), raw(t, filepath.Join(t.TempDir(), "own.db")))
	if err != nil {
		t.Fatal(err)
	}
	q, err := delivery.New(delivery.Config{Store: queue.Memory(), Intents: in})
	if err != nil {
		t.Fatal(err)
	}
	var c counting
	a := delivery.Activity{ID: "1", Body: []byte("x"), Other: []delivery.Body{{Name: "o", Bytes: []byte("y")}}, Except: []string{"b.example"}}
	if _, err := q.Enqueue(t.Context(), in.In(&c), a, slices.Values([]delivery.Target{{Audience: "followers"}})); err != nil {
		t.Fatal(err)
	}
	if c != 1 {
		t.Errorf("%d statements", c)
	}
}

// counting counts statements.
type counting int

func (c *counting) ExecContext(context.Context, string, ...any) (sql.Result, error) {
	*c++
	return nil, nil
}
