package fedihook_test

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/inbox/inboxtest"
	"github.com/fedihook/fedihook/internal/pgdb/pgtest"
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/storage"
)

// A site that has said, heard and not finished all sorts of things moves from SQLite to PostgreSQL, and goes on there.
func TestASiteThatMovesIntoPostgresGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	address := pgtest.URL(t)
	ctx := t.Context()
	dir := t.TempDir()
	open := func(name string) *sql.DB {
		db, err := sql.Open("sqlite", filepath.Join(dir, name)+"?_pragma=busy_timeout(10000)")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		return db
	}
	old, err := storage.OpenSQLite(ctx, open("app.db"), open("own.db"))
	if err != nil {
		t.Fatal(err)
	}
	next, err := storage.OpenPostgres(ctx, pgtest.Connect(t, address), nil)
	if err != nil {
		t.Fatal(err)
	}
	n := inboxtest.NewNet(t)
	n.Patience = time.Minute
	there := n.Server("there.example")
	bob, mallory := there.Actor("bob"), n.Server("evil.example").Actor("mallory")
	var mu sync.Mutex
	heard := map[string]int{}
	server := func(store storage.Storage) (s *fedihook.Server, run func() (stop func())) {
		s, err := fedihook.New(fedihook.Config{
			Origin: "https://blog.example", Storage: store, InsecureDial: n.Dial, RootCAs: n.RootCAs(), Logger: slog.New(slog.DiscardHandler),
			Profile: func(_ context.Context, handle string) (actor.Profile, error) {
				return actor.Profile{Handle: handle}, nil
			},
			Hooks: inbox.Hooks{Create: func(_ context.Context, m *inbox.Message) error {
				mu.Lock()
				defer mu.Unlock()
				heard[m.ObjectID]++
				return nil
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
		n.Serve("blog.example", s.Handler())
		return s, func() func() {
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error, 1)
			go func() { done <- s.Run(ctx) }()
			return sync.OnceFunc(func() {
				cancel()
				if err := <-done; err != nil {
					t.Errorf("Run = %v", err)
				}
			})
		}
	}
	until := func(what string, is func() bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: not within a minute", what)
			}
		}
	}
	say := func(s *fedihook.Server, text string) string {
		t.Helper()
		id, err := s.Publish(ctx, "alice", &activity.Object{Content: text})
		if err != nil {
			t.Fatal(err)
		}
		return id
	}

	s, run := server(old)
	stop := run()
	defer func() { stop() }()
	accepted(t, "the Follow", bob.Follow(alice))
	there.Wait("Accept")
	delivered := say(s, "<p>one</p>")
	until("a delivery", func() bool { return count(there, "Create", delivered) == 1 })
	if err := s.Policy().Suspend(ctx, "evil.example", "spam"); err != nil {
		t.Fatal(err)
	}
	if _, err := storage.Copy(ctx, next, old); !errors.Is(err, storage.ErrInUse) {
		t.Errorf("a copy of a site that runs: %v", err)
	}
	there.Down()
	pending := say(s, "<p>two</p>")
	until("a failed delivery", func() bool {
		for l, err := range s.Queue().Lanes(ctx) {
			if err == nil && l.Failures > 0 {
				return true
			}
		}
		return false
	})
	stop()
	intended := say(s, "<p>three</p>") // nobody runs
	there.Behave()
	undone := bob.Mention(alice, "<p>hello</p>")
	accepted(t, "what nobody works off", bob.Create(undone))
	_, _, document := bob.Get(alice)
	mu.Lock()
	if heard[undone.ID] != 0 {
		t.Error("a hook ran though nobody runs")
	}
	mu.Unlock()

	report, err := storage.Copy(ctx, next, old)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("copied:\n%v", report)
	for _, table := range report.Tables {
		least := map[string]int64{
			"fedihook_intents": 1, "fedihook_records": 2, "fedihook_entries": 1, "fedihook_marks": 2, "fedihook_follows": 1, "fedihook_keys": 2,
			"fedihook_remotes": 1, "fedihook_rules": 1, "fedihook_q_activity": 1, "fedihook_q_inbox": 1, "fedihook_q_ledger": 2,
		}[table.Table]
		if table.Rows < least {
			t.Errorf("%s has %d rows, want %d and more", table.Table, table.Rows, least)
		}
	}
	if _, err := storage.Copy(ctx, next, old); !errors.Is(err, storage.ErrNotEmpty) {
		t.Errorf("a second copy: %v", err)
	}

	s, run = server(next)
	if _, _, now := bob.Get(alice); string(now) != string(document) {
		t.Errorf("alice was\n%s\nand is\n%s", document, now)
	}
	if got := mallory.Create(mallory.Mention(alice, "<p>spam</p>")); got != http.StatusForbidden {
		t.Errorf("a suspended server is answered %d", got)
	}
	if got := bob.Replay(); got != http.StatusAccepted { // a duplicate
		t.Errorf("what was sent before is answered %d", got)
	}
	stop = run()
	until("what was pending", func() bool { return count(there, "Create", pending) > 0 && count(there, "Create", intended) > 0 })
	last := say(s, "<p>four</p>")
	until("the next one", func() bool { return count(there, "Create", last) > 0 })
	until("the hook", func() bool { mu.Lock(); defer mu.Unlock(); return heard[undone.ID] > 0 })
	time.Sleep(100 * time.Millisecond)
	for what, id := range map[string]string{"delivered before": delivered, "pending": pending, "an intent": intended, "said after": last} {
		if n := count(there, "Create", id); n != 1 {
			t.Errorf("what was %s arrived %d times", what, n)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if heard[undone.ID] != 1 {
		t.Errorf("the hook ran %d times", heard[undone.ID])
	}
	if v, err := s.Policy().Judge(ctx, moderation.Question{Host: "evil.example"}); err != nil || !v.Refuse || !strings.Contains(v.Reason, "spam") {
		t.Errorf("the rule says %+v, %v", v, err)
	}
}
