package main

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/internal/bench"
	"github.com/fedihook/fedihook/storage"
)

const enqueueWarm = 5 // times before the clock

// enqueue measures what Publish costs an app in its own transaction, whatever the author's audience.
func (r *runner) enqueue(ctx context.Context) error {
	for _, followers := range []int{min(10, r.followers), min(1000, r.followers), r.followers} {
		times, statements, bare, err := r.publishTimes(ctx, followers)
		if err != nil {
			return err
		}
		what := fmt.Sprintf("Publish in the app's transaction, %d followers", followers)
		r.row(what+", p50", "ms", ms(bench.Percentile(times, 0.5))).bare(ms(bench.Percentile(bare, 0.5)))
		r.row(what+", p99", "ms", ms(bench.Percentile(times, 0.99))).bare(ms(bench.Percentile(bare, 0.99))).atMost(1)
		r.row(what+", statements", "", statements).atMost(1)
	}
	return nil
}

// counted is a transaction that counts what is written through it.
type counted struct {
	*sql.Tx
	statements int
}

func (c *counted) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	c.statements++
	if !strings.HasPrefix(strings.TrimSpace(query), "INSERT") {
		c.statements += 1000 // is not what was promised
	}
	return c.Tx.ExecContext(ctx, query, args...)
}

// publishTimes times Publish alone, without the app's own statement and its commit. Beside it stands an INSERT
// of a row of that size.
func (r *runner) publishTimes(ctx context.Context, followers int) (times []time.Duration, statements float64, bare []time.Duration, err error) {
	folder, err := r.folder()
	if err != nil {
		return nil, 0, nil, err
	}
	app, err := openDB(filepath.Join(folder, "app.db"))
	if err != nil {
		return nil, 0, nil, err
	}
	defer app.Close()
	own, err := openDB(filepath.Join(folder, "federation.db"))
	if err != nil {
		return nil, 0, nil, err
	}
	defer own.Close()
	if _, err := app.ExecContext(ctx, `PRAGMA journal_mode = WAL; CREATE TABLE post (id INTEGER PRIMARY KEY, text TEXT);
		CREATE TABLE plain (id INTEGER PRIMARY KEY, body BLOB)`); err != nil {
		return nil, 0, nil, err
	}
	store, err := storage.OpenSQLite(ctx, app, own)
	if err != nil {
		return nil, 0, nil, err
	}
	f, err := fedihook.New(fedihook.Config{
		Origin: "http://sender.test", Storage: store, Logger: slog.New(slog.DiscardHandler),
		InsecureAllowLoopback: map[string]string{"sender.test": "127.0.0.1:1"},
		Profile: func(_ context.Context, handle string) (actor.Profile, error) {
			if handle != "alice" {
				return actor.Profile{}, actor.ErrNotFound
			}
			return actor.Profile{Handle: "alice"}, nil
		},
	})
	if err != nil {
		return nil, 0, nil, err
	}
	alice := (&actor.Names{Origin: "http://sender.test", Prefix: "/ap"}).Actor("alice")
	if err := r.follow(ctx, store.Followers, alice, followers); err != nil {
		return nil, 0, nil, err
	}
	text := strings.Repeat("lorem ipsum dolor sit amet ", 20)
	most := 0
	for i := range r.samples + enqueueWarm {
		r.bar.Show(fmt.Sprintf("%s, %d followers", r.goal, followers), i, r.samples)
		tx, err := app.BeginTx(ctx, nil)
		if err != nil {
			return nil, 0, nil, err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO post (text) VALUES (?)`, text); err != nil {
			return nil, 0, nil, err
		}
		c := &counted{Tx: tx}
		start := time.Now()
		_, err = f.In(c).Publish(ctx, "alice", &activity.Object{
			Type: activity.Types{"Note"}, Content: text, To: activity.Audience{activity.IRI(activity.Public)},
		})
		middle := time.Now()
		if err != nil {
			return nil, 0, nil, err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO plain (body) VALUES (?)`, r.body); err != nil {
			return nil, 0, nil, err
		}
		end := time.Now()
		if err := tx.Commit(); err != nil {
			return nil, 0, nil, err
		}
		if most = max(most, c.statements); i >= enqueueWarm {
			times, bare = append(times, middle.Sub(start)), append(bare, end.Sub(middle))
		}
	}
	return times, float64(most), bare, nil
}

// follow gives an actor followers, spread over the instances, each with an inbox of its own and the host's
// shared one.
func (r *runner) follow(ctx context.Context, store actor.Followers, id string, followers int) error {
	for i := range followers {
		r.bar.Show(r.goal+", preparing followers", i, followers)
		host := fmt.Sprintf("http://%s%d.test", fine, i%r.instances)
		who := fmt.Sprintf("%s/users/%d", host, i)
		if err := store.PutFollow(ctx, actor.Follow{
			Follower: who, Followed: id, ID: who + "#follow", State: actor.Accepted, At: time.Now(),
			Inbox: who + "/inbox", SharedInbox: host + "/inbox",
		}); err != nil {
			return err
		}
	}
	return nil
}
