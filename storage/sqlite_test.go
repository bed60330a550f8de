package storage_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/internal/sqldb"
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/outbox"
	"github.com/fedihook/fedihook/storage"
)

func TestOpenWithoutAFileOfOursIsRefused(t *testing.T) {
	t.Parallel()
	_, err := storage.OpenSQLite(t.Context(), openApp(t, newFiles(t).app), nil)
	if err == nil || !strings.Contains(err.Error(), "own is nil") {
		t.Fatalf("got %v", err)
	}
}

func TestAnotherApplicationsFileIsRefused(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	own := openSQL(t, f.own)
	mustExec(t, own, `PRAGMA application_id = 42`)
	if _, err := storage.OpenSQLite(t.Context(), openApp(t, f.app), own); !errors.Is(err, sqldb.ErrForeignFile) {
		t.Fatalf("got %v", err)
	}
}

func TestTablesOfALaterVersionAreRefused(t *testing.T) {
	t.Parallel()
	for _, room := range []string{"intents", "journal", "log", "followers", "keys", "remotes", "rules", "stamps", "dropped intents"} {
		f := newFiles(t)
		app, own := openApp(t, f.app), openSQL(t, f.own)
		openSQLite(t, app, own)
		for _, db := range []*sql.DB{app, own} {
			mustExec(t, db, `UPDATE fedihook_schema SET version = 99 WHERE room = ?`, room)
		}
		_, err := storage.OpenSQLite(t.Context(), app, own)
		var newer *sqldb.NewerError
		if !errors.As(err, &newer) || newer.Room != room {
			t.Errorf("%s: got %v", room, err)
		}
	}
}

// Actors had one key each before they had several.
func TestKeysOfTheFirstVersionAreKept(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	own := openSQL(t, f.own)
	openSQLite(t, openApp(t, f.app), own)
	mustExec(t, own, `DROP TABLE fedihook_keys;
		CREATE TABLE fedihook_keys (actor TEXT PRIMARY KEY, id TEXT NOT NULL, private BLOB, created INTEGER NOT NULL) WITHOUT ROWID;
		INSERT INTO fedihook_keys VALUES ('https://a.example/u', 'https://a.example/u#main-key', x'505249', 1770000000000000);
		UPDATE fedihook_schema SET version = 1 WHERE room = 'keys'`)
	s := openSQLite(t, openApp(t, f.app), own)
	got, err := s.Keys.ActorKeys(t.Context(), "https://a.example/u")
	want := []actor.KeyPair{{
		ActorID: "https://a.example/u", Serial: 1, Kind: actor.KeyRSA, KeyID: "https://a.example/u#main-key",
		Private: []byte("PRI"), Created: time.UnixMicro(1770000000000000).UTC(),
	}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}

func TestTheAppsDatabaseHoldsOnlyTheIntents(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	app := openSQL(t, f.app) // with the driver's own settings
	before := text(t, app, `PRAGMA journal_mode`)
	openSQLite(t, app, openSQL(t, f.own))
	tables := text(t, app, `SELECT group_concat(name, ' ') FROM (SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name)`)
	if tables != "fedihook_intents fedihook_schema sqlite_sequence" {
		t.Errorf("tables in the app's database: %s", tables)
	}
	if after := text(t, app, `PRAGMA journal_mode`); after != before {
		t.Errorf("the app's journal mode was %s and is %s", before, after)
	}
	if id := text(t, app, `PRAGMA application_id`); id != "0" {
		t.Errorf("the app's file is marked with %s", id)
	}
	if n := app.Stats().MaxOpenConnections; n != 0 {
		t.Errorf("the app's connections are limited to %d", n)
	}
}

// A loop over followers may ask the store again, though there is one connection.
func TestAStoreMayBeUsedWhileItsListsAreWalked(t *testing.T) {
	t.Parallel()
	s, _ := fresh(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for i := range 5 {
		put(t, s, actor.Follow{Follower: fmt.Sprint(i), Followed: "a", State: actor.Pending})
	}
	n := 0
	for f, err := range actor.All(ctx, s.Followers, actor.FollowQuery{Followed: "a", Limit: 2}) {
		if err != nil {
			t.Fatal(err)
		}
		f.State = actor.Accepted
		put(t, s, f)
		n++
	}
	if n != 5 {
		t.Errorf("walked over %d follows, want 5", n)
	}
}

func put(t *testing.T, s storage.Storage, f actor.Follow) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.Followers.PutFollow(ctx, f); err != nil {
		t.Fatal(err)
	}
}

func TestEveryStoreReportsABrokenDatabase(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	app, own := openApp(t, f.app), openSQL(t, f.own)
	s := openSQLite(t, app, own)
	app.Close()
	own.Close()
	ctx := t.Context()
	calls := map[string]func() error{
		"AddIntent":     func() error { return s.Intents.AddIntent(ctx, nil, outbox.Intent{}) },
		"NextIntents":   func() error { _, err := s.Intents.NextIntents(ctx, 1); return err },
		"DropIntents":   func() error { return s.Intents.DropIntents(ctx, 1) },
		"AddRecord":     func() error { return s.Log.AddRecord(ctx, outbox.Record{}) },
		"SaveRecord":    func() error { return s.Log.SaveRecord(ctx, outbox.Record{}) },
		"RemoveRecords": func() error { _, err := s.Log.RemoveRecords(ctx, []string{"1"}); return err },
		"Record":        func() error { _, err := s.Log.Record(ctx, "1"); return err },
		"ObjectRecords": func() error { _, err := s.Log.ObjectRecords(ctx, "1", 1); return err },
		"DueRecords":    func() error { _, err := s.Log.DueRecords(ctx, time.Now(), 1); return err },
		"PublicRecords": func() error { _, _, err := s.Log.PublicRecords(ctx, "1", 0, 1); return err },
		"Append":        func() error { _, err := s.Journal.Append(ctx, inbox.Entry{}, inbox.Bounds{}); return err },
		"Lease":         func() error { _, _, err := s.Journal.Lease(ctx, "a", time.Now(), time.Hour); return err },
		"Release":       func() error { return s.Journal.Release(ctx, 1) },
		"Due":           func() error { _, err := s.Journal.Due(ctx, 1, time.Now(), 1); return err },
		"Finish":        func() error { _, err := s.Journal.Finish(ctx, 1, nil); return err },
		"Shelved":       func() error { _, err := s.Journal.Shelved(ctx, inbox.Held, 0, 1); return err },
		"Unshelve":      func() error { return s.Journal.Unshelve(ctx, inbox.Held, 1, nil) },
		"Forget":        func() error { return s.Journal.Forget(ctx, time.Now(), 1) },
		"Follow":        func() error { _, err := s.Followers.Follow(ctx, "a", "b"); return err },
		"FollowByID":    func() error { _, err := s.Followers.FollowByID(ctx, "a"); return err },
		"PutFollow":     func() error { return s.Followers.PutFollow(ctx, actor.Follow{}) },
		"DeleteFollow":  func() error { return s.Followers.DeleteFollow(ctx, "a", "b") },
		"Follows":       func() error { _, err := s.Followers.Follows(ctx, actor.FollowQuery{}); return err },
		"CountFollows":  func() error { _, err := s.Followers.CountFollows(ctx, actor.FollowQuery{}); return err },
		"Inboxes": func() error {
			for _, err := range s.Followers.Inboxes(ctx, "a") {
				return err
			}
			return nil
		},
		"ActorKeys":    func() error { _, err := s.Keys.ActorKeys(ctx, "a"); return err },
		"RetireKeys":   func() error { return s.Keys.RetireKeys(ctx, "a", 1, time.Now()) },
		"DropKeys":     func() error { return s.Keys.DropKeys(ctx, "a", 1) },
		"KeyOwner":     func() error { _, err := s.Keys.KeyOwner(ctx, "a"); return err },
		"AddKey":       func() error { _, err := s.Keys.AddKey(ctx, actor.KeyPair{}); return err },
		"Remote":       func() error { _, err := s.Remotes.Remote(ctx, "a"); return err },
		"RemoteByKey":  func() error { _, err := s.Remotes.RemoteByKey(ctx, "a"); return err },
		"PutRemote":    func() error { return s.Remotes.PutRemote(ctx, actor.Remote{}) },
		"DeleteRemote": func() error { return s.Remotes.DeleteRemote(ctx, "a") },
		"RemoteIDs":    func() error { _, err := s.Remotes.RemoteIDs(ctx, "", 1); return err },
		"ChangeRules":  func() error { return s.Rules.ChangeRules(ctx, []moderation.Entry{{}}) },
		"ListRules":    func() error { _, err := s.Rules.ListRules(ctx, moderation.Query{}); return err },
		"RulesHead":    func() error { _, err := s.Rules.RulesHead(ctx); return err },
		"Trail":        func() error { _, err := s.Rules.Trail(ctx, 0, 1); return err },
		"SetEnforced":  func() error { return s.Rules.SetEnforced(ctx, 1) },
		"ForgetTrail":  func() error { return s.Rules.ForgetTrail(ctx, 1) },
		"FirstSeen":    func() error { _, err := s.Hosts.FirstSeen(ctx, "a"); return err },
		"See":          func() error { return s.Hosts.See(ctx, "a", time.Now(), 1) },
	}
	for name, call := range calls {
		err := call()
		if err == nil || !strings.HasPrefix(err.Error(), "storage: ") {
			t.Errorf("%s: got %v", name, err)
		}
		for _, answer := range []error{outbox.ErrUnknown, actor.ErrNotFound, inbox.ErrFull, inbox.ErrLeaseLost} {
			if errors.Is(err, answer) {
				t.Errorf("%s: a broken database passes for an answer: %v", name, err)
			}
		}
	}
}

func mustExec(t testing.TB, db *sql.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(context.Background(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// text is the answer to a query for one value.
func text(t testing.TB, db interface {
	QueryRowContext(context.Context, string, ...any) *sql.Row
}, query string) (s string) {
	t.Helper()
	if err := db.QueryRowContext(context.Background(), query).Scan(&s); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return s
}
