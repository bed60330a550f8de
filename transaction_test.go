package fedihook_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/storage"
)

// blog is an app with a database of its own.
type blog struct {
	*fedihook.Server
	t     *testing.T
	app   *sql.DB
	store storage.Storage
	asked atomic.Int64 // how often Profile was
	posts atomic.Int64 // what was posted to others
}

func (b *blog) RoundTrip(r *http.Request) (*http.Response, error) {
	b.posts.Add(1)
	_, _ = io.Copy(io.Discard, r.Body)
	return &http.Response{StatusCode: http.StatusAccepted, Body: http.NoBody, Request: r}, nil
}

func newBlog(t *testing.T) *blog {
	t.Helper()
	dir := t.TempDir()
	open := func(name string) *sql.DB {
		db, err := sql.Open("sqlite", filepath.Join(dir, name)+"?_pragma=busy_timeout(20000)&_pragma=journal_mode(wal)&_pragma=synchronous(normal)")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		return db
	}
	b := &blog{t: t, app: open("app.db")}
	var err error
	if b.store, err = storage.OpenSQLite(t.Context(), b.app, open("own.db")); err != nil {
		t.Fatal(err)
	}
	b.store.Followers = storage.Memory().Followers // making ten thousand durable takes long, and reading them is no writing
	if _, err := b.app.Exec(`CREATE TABLE posts (n INTEGER); INSERT INTO posts VALUES (0)`); err != nil {
		t.Fatal(err)
	}
	queue, err := delivery.New(delivery.Config{
		Store: b.store.Queue, Transport: func(string) (http.RoundTripper, error) { return b, nil }, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	b.Server, err = fedihook.New(fedihook.Config{
		Origin: "https://blog.test", Storage: b.store, Queue: queue, Logger: slog.New(slog.DiscardHandler),
		Profile: func(_ context.Context, handle string) (actor.Profile, error) {
			b.asked.Add(1)
			if handle != "anna" {
				return actor.Profile{}, actor.ErrNotFound
			}
			return actor.Profile{Handle: handle}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// verbs is each of them, on nobody in particular.
func verbs(s *fedihook.Server) map[string]func(context.Context) (string, error) {
	const bob, post, ours = "https://b.test/bob", "https://b.test/post", "https://blog.test/ap/objects/1"
	object := func() *activity.Object { return &activity.Object{ID: ours, Content: "<p>x</p>"} }
	return map[string]func(context.Context) (string, error){
		"Publish":        func(ctx context.Context) (string, error) { return s.Publish(ctx, "anna", object()) },
		"Update":         func(ctx context.Context) (string, error) { return s.Update(ctx, "anna", object()) },
		"UpdateProfile":  func(ctx context.Context) (string, error) { return s.UpdateProfile(ctx, "anna") },
		"Delete":         func(ctx context.Context) (string, error) { return s.Delete(ctx, "anna", ours) },
		"Follow":         func(ctx context.Context) (string, error) { return s.Follow(ctx, "anna", bob) },
		"Unfollow":       func(ctx context.Context) (string, error) { return s.Unfollow(ctx, "anna", bob) },
		"Accept":         func(ctx context.Context) (string, error) { return s.Accept(ctx, "anna", bob) },
		"Reject":         func(ctx context.Context) (string, error) { return s.Reject(ctx, "anna", bob) },
		"RemoveFollower": func(ctx context.Context) (string, error) { return s.RemoveFollower(ctx, "anna", bob) },
		"Like":           func(ctx context.Context) (string, error) { return s.Like(ctx, "anna", post) },
		"React":          func(ctx context.Context) (string, error) { return s.React(ctx, "anna", post, "🍞", nil) },
		"Announce":       func(ctx context.Context) (string, error) { return s.Announce(ctx, "anna", post) },
		"Vote":           func(ctx context.Context) (string, error) { return s.Vote(ctx, "anna", post, "rye") },
		"Block":          func(ctx context.Context) (string, error) { return s.Block(ctx, "anna", bob) },
		"Flag":           func(ctx context.Context) (string, error) { return s.Flag(ctx, "", bob, "spam") },
		"Undo":           func(ctx context.Context) (string, error) { return s.Undo(ctx, "anna", ours) },
		"Send": func(ctx context.Context) (string, error) {
			return s.Send(ctx, "anna", &activity.Activity{Type: activity.Types{"Travel"}, Object: activity.Refs{activity.IRI(post)}, To: activity.To(bob)})
		},
	}
}

var errAborted = errors.New("aborted")

// counted is a transaction that counts statements and may refuse them.
type counted struct {
	storage.Execer
	n    int
	fail bool
}

func (c *counted) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if c.n++; c.fail {
		return nil, errAborted
	}
	return c.Execer.ExecContext(ctx, query, args...)
}

// Wherever a transaction ends, what was said in it was said if it was committed, and else nothing has changed.
func TestAVerbInATransactionThatEndsAnywhereLeavesNoTrace(t *testing.T) {
	t.Parallel()
	b := newBlog(t)
	app := b.app
	app.SetMaxOpenConns(1) // whoever asked for a second connection would wait for ever
	for name := range verbs(b.Server) {
		for _, end := range []string{"refused", "cancelled", "rolled back", "its context ended", "committed"} {
			ctx, cancel := context.WithCancel(t.Context())
			tx, err := app.BeginTx(ctx, nil)
			if err != nil {
				t.Fatal(err)
			}
			c := &counted{Execer: tx, fail: end == "refused"}
			asked := b.asked.Load()
			said := ctx
			if end == "cancelled" {
				var stop func()
				said, stop = context.WithCancel(ctx)
				stop()
			}
			id, err := verbs(b.In(c))[name](said)
			switch {
			case (err != nil) != (end == "refused" || end == "cancelled"), end == "refused" && !errors.Is(err, errAborted):
				t.Errorf("%s, %s: %v", name, end, err)
			case err == nil && id == "", c.n != 1, b.asked.Load() != asked:
				t.Errorf("%s, %s: id %q, %d statements, %d questions to the app", name, end, id, c.n, b.asked.Load()-asked)
			}
			switch end {
			case "its context ended":
				cancel()
				_ = tx.Commit()
			case "committed":
				if err := tx.Commit(); err != nil {
					t.Fatal(err)
				}
			}
			_ = tx.Rollback()
			cancel()
			left, err := b.store.Intents.NextIntents(t.Context(), 10)
			if err != nil {
				t.Fatal(err)
			}
			if want := end == "committed"; (len(left) == 1) != want || len(left) > 1 {
				t.Errorf("%s, %s: %d intents", name, end, len(left))
			}
			if len(left) > 0 {
				if err := b.store.Intents.DropIntents(t.Context(), left[len(left)-1].Seq); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if n, err := b.store.Followers.CountFollows(t.Context(), actor.FollowQuery{}); err != nil || n != 0 || b.Counts().Sent != 0 {
		t.Errorf("%d follows, %v, %+v", n, err, b.Counts())
	}
}

func TestTheAppsTransactionsGoOnBesideALargeFanOut(t *testing.T) {
	t.Parallel()
	b := newBlog(t)
	ctx := t.Context()
	const followers, rounds = 10_000, 40
	for i := range followers {
		host := fmt.Sprintf("https://h%d.test", i%1200)
		f := actor.Follow{
			Follower: fmt.Sprintf("%s/u%d", host, i), Followed: "https://blog.test/ap/users/anna", State: actor.Accepted,
			ID: fmt.Sprintf("%s/f%d", host, i), Inbox: fmt.Sprintf("%s/u%d/inbox", host, i), SharedInbox: host + "/inbox",
		}
		if err := b.store.Followers.PutFollow(ctx, f); err != nil {
			t.Fatal(err)
		}
	}
	run, stop := context.WithCancel(ctx)
	done := make(chan error, 2)
	go func() { done <- b.Run(run) }()
	go func() { done <- b.Queue().Run(run) }()
	defer func() {
		stop()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}()
	var slowest time.Duration
	for i := range rounds {
		if err := b.post(ctx, i, &slowest); err != nil {
			t.Fatalf("transaction %d: %v", i, err)
		}
	}
	for end := time.Now().Add(time.Minute); b.Counts().Sent < rounds/2; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("counts %+v", b.Counts())
		}
	}
	t.Logf("the slowest of %d INSERTs took %v; %d posts went out beside them", rounds/2, slowest, b.posts.Load())
	if b.posts.Load() == 0 {
		t.Error("nothing went out")
	}
}

// post is what an app does: it reads, thinks, writes, says so and commits, or does not.
func (b *blog) post(ctx context.Context, i int, slowest *time.Duration) error {
	tx, err := b.app.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	var n int
	if err := tx.QueryRowContext(ctx, `SELECT n FROM posts`).Scan(&n); err != nil {
		return err
	}
	time.Sleep(2 * time.Millisecond)
	if _, err := tx.ExecContext(ctx, `UPDATE posts SET n = ?`, n+1); err != nil {
		return err
	}
	began := time.Now()
	if _, err := b.In(tx).Publish(ctx, "anna", &activity.Object{Content: fmt.Sprintf("<p>%d</p>", i)}); err != nil {
		return err
	}
	*slowest = max(*slowest, time.Since(began))
	if i%2 == 0 {
		return nil // rolled back
	}
	return tx.Commit()
}

// BenchmarkPublishInATransaction is what the app's transaction pays, whatever the audience.
func BenchmarkPublishInATransaction(b *testing.B) {
	dir := b.TempDir()
	app, err := sql.Open("sqlite", filepath.Join(dir, "app.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer app.Close()
	own, err := sql.Open("sqlite", filepath.Join(dir, "own.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer own.Close()
	store, err := storage.OpenSQLite(b.Context(), app, own)
	if err != nil {
		b.Fatal(err)
	}
	s, err := fedihook.New(fedihook.Config{Origin: "https://blog.test", Storage: store, Profile: func(context.Context, string) (actor.Profile, error) {
		return actor.Profile{}, actor.ErrNotFound
	}})
	if err != nil {
		b.Fatal(err)
	}
	tx, err := app.Begin()
	if err != nil {
		b.Fatal(err)
	}
	defer tx.Rollback()
	o := &activity.Object{Content: "<p>hello</p>"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.In(tx).Publish(b.Context(), "anna", o); err != nil {
			b.Fatal(err)
		}
	}
}
