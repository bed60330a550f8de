package storage_test

import (
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/internal/pgdb/pgtest"
)

// pagesOf counts the pages of the journal's entries that db's only connection has looked at so far.
func pagesOf(t *testing.T, db *sql.DB) (n int) {
	t.Helper()
	time.Sleep(1100 * time.Millisecond) // a connection reports once a second, when a transaction ends
	if _, err := db.Exec(`SELECT 1`); err != nil {
		t.Fatal(err)
	}
	time.Sleep(600 * time.Millisecond) // before version 15 what is read may be half a second old
	if err := db.QueryRow(`SELECT heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit
		FROM pg_statio_user_tables WHERE relid = 'fedihook_entries'::regclass`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// While a transaction elsewhere holds vacuum up, what was finished stays in the tables and in their indexes.
func TestPostgresDoesNotPassWhatIsFinishedAgainAndAgain(t *testing.T) {
	t.Parallel()
	address := pgtest.URL(t)
	db := pgtest.Connect(t, address)
	db.SetMaxOpenConns(1)
	j := openPostgres(t, db).Journal
	now := time.Now().Truncate(time.Microsecond)
	add := func(i int, key string) {
		t.Helper()
		if kept, err := j.Append(t.Context(), inbox.Entry{
			Mark: inbox.MarkOf("s", "t", fmt.Sprint(i), nil), Key: key, Body: []byte(fmt.Sprint(i)), Received: now, Turn: now,
		}, inbox.Bounds{}); err != nil || kept.Seen {
			t.Fatalf("%+v, %v", kept, err)
		}
	}
	add(0, "")
	const n = 20_000
	if _, err := db.Exec(`INSERT INTO fedihook_entries SELECT nextval('fedihook_entries_order'), mark, okey, sender, owner, received, attempts,
		not_before, last_error, body, lane, turn, concerns, alone, notes, i % 64, head FROM fedihook_entries, generate_series(1, $1::integer) AS i`, n); err != nil {
		t.Fatal(err)
	}
	add(1, "k")
	add(2, "k") // it may run after the one before
	elsewhere, err := pgtest.Connect(t, address).BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
	if err != nil {
		t.Fatal(err)
	}
	defer elsewhere.Rollback()
	if _, err := elsewhere.Exec(`SELECT 1 FROM fedihook_entries LIMIT 1`); err != nil {
		t.Fatal(err)
	}
	epoch, ok, err := j.Lease(t.Context(), "a", now, time.Hour)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	due := func(at time.Time) []inbox.Entry {
		t.Helper()
		list, err := j.Due(t.Context(), epoch, at, 2500)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	finish := func(list []inbox.Entry) {
		t.Helper()
		var out []inbox.Outcome
		for _, e := range list {
			o := inbox.Outcome{Seq: e.Seq}
			if string(e.Body) == "1" { // the first of its key waits
				o = inbox.Outcome{Seq: e.Seq, State: inbox.Again, Attempts: 1, NotBefore: now.Add(time.Hour)}
			}
			out = append(out, o)
		}
		if _, err := j.Finish(t.Context(), epoch, out); err != nil {
			t.Fatal(err)
		}
	}
	done := 0
	for list := due(now); len(list) > 0; list = due(now) {
		finish(list)
		done += len(list)
	}
	if done != n+2 {
		t.Fatalf("%d ran, want %d", done, n+2)
	}
	add(3, "")
	finish(due(now))
	before := pagesOf(t, db)
	const looks = 10
	for range looks {
		if list := due(now); len(list) != 0 {
			t.Fatalf("%d are due", len(list))
		}
	}
	if pages := (pagesOf(t, db) - before) / looks; pages > 100 {
		t.Errorf("to find that nothing is due takes %d pages beside %d dead entries", pages, n)
	}
	add(4, "")
	if list := due(now); len(list) != 1 || string(list[0].Body) != "4" {
		t.Errorf("what came then: %d are due", len(list))
	}
	later := due(now.Add(time.Hour))
	if len(later) != 2 || string(later[0].Body) != "1" && string(later[1].Body) != "1" {
		t.Fatalf("an hour later %d are due", len(later))
	}
	if _, err := j.Finish(t.Context(), epoch, []inbox.Outcome{{Seq: later[0].Seq}, {Seq: later[1].Seq}}); err != nil {
		t.Fatal(err)
	}
	if list := due(now); len(list) != 1 || string(list[0].Body) != "2" {
		t.Errorf("after it %d are due", len(list))
	}
}
