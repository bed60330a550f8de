package storage_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/internal/pgdb"
	"github.com/fedihook/fedihook/internal/pgdb/pgtest"
	"github.com/fedihook/fedihook/outbox"
	"github.com/fedihook/fedihook/storage"
)

// The first to write is the last to commit: whoever has read and dropped what came meanwhile must find it.
func TestPostgresIntentsOfASlowTransactionAreNotPassedOver(t *testing.T) {
	t.Parallel()
	one, other, db := pair(t)
	slow, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Rollback()
	add := func(tx outbox.Execer, id string) {
		t.Helper()
		if err := one.Intents.AddIntent(t.Context(), tx, outbox.Intent{ID: id}); err != nil {
			t.Fatal(err)
		}
	}
	next := func(want string) int64 {
		t.Helper()
		list, err := other.Intents.NextIntents(t.Context(), 10)
		if err != nil || len(list) != 1 || list[0].ID != want {
			t.Fatalf("%+v, %v; want %s", list, err, want)
		}
		return list[0].Seq
	}
	add(slow, "slow")
	add(nil, "quick")
	quick := next("quick")
	if err := slow.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := other.Intents.DropIntents(t.Context(), quick); err != nil {
		t.Fatal(err)
	}
	if seq := next("slow"); seq <= quick {
		t.Errorf("Seq %d after %d", seq, quick)
	}
}

// statements counts what is asked of a transaction.
type statements struct {
	*sql.Tx
	n int
}

func (s *statements) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	s.n++
	return s.Tx.ExecContext(ctx, query, args...)
}

func TestPostgresTellsOfAnIntentWhenItIsCommitted(t *testing.T) {
	t.Parallel()
	address := pgtest.URL(t)
	db := pgtest.Connect(t, address)
	s, err := storage.OpenPostgres(t.Context(), db, listen(address))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var ears sync.WaitGroup
	defer ears.Wait()
	defer stop()
	heard := make(chan struct{}, 100)
	ears.Go(func() {
		if err := s.Intents.(outbox.Watcher).Watch(ctx, func() { heard <- struct{}{} }); err != nil {
			t.Errorf("Watch = %v", err)
		}
	})
	hears := func(want bool, when string) {
		t.Helper()
		wait := 200 * time.Millisecond
		if want {
			wait = 20 * time.Second
		}
		select {
		case <-heard:
			if !want {
				t.Errorf("something was heard %s", when)
			}
		case <-time.After(wait):
			if want {
				t.Errorf("nothing was heard %s", when)
			}
		}
	}
	hears(true, "when it begins to listen")
	for _, commit := range []bool{false, true} {
		tx, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		counted := &statements{Tx: tx}
		if err := s.Intents.AddIntent(t.Context(), counted, outbox.Intent{ID: "1"}); err != nil || counted.n != 1 {
			t.Fatalf("%d statements, %v", counted.n, err)
		}
		hears(false, "before the end")
		if !commit {
			if err := tx.Rollback(); err != nil {
				t.Fatal(err)
			}
		} else if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		hears(commit, fmt.Sprintf("at the end, committed: %v", commit))
	}
}

// Two processes take one intent. The faster one drops it and removes the record again, as for a Create that is deleted at
// once, while the slower one is about to add it: nobody may hear of it then.
func TestPostgresDoesNotBringBackARecordThatWasTakenBack(t *testing.T) {
	t.Parallel()
	one, other, _ := pair(t)
	ctx := t.Context()
	const n = 100
	for i := range n {
		id := fmt.Sprint("record ", i)
		if err := one.Intents.AddIntent(ctx, nil, outbox.Intent{ID: id}); err != nil {
			t.Fatal(err)
		}
		list, err := one.Intents.NextIntents(ctx, 1)
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		r := outbox.Record{ID: id, Intent: list[0].Seq}
		var both sync.WaitGroup
		both.Go(func() {
			if err := other.Log.AddRecord(ctx, r); err != nil {
				t.Error(err)
			}
		})
		both.Go(func() {
			err := one.Log.AddRecord(ctx, r)
			if err == nil {
				err = one.Intents.DropIntents(ctx, r.Intent)
			}
			if err == nil {
				_, err = one.Log.RemoveRecords(ctx, []string{id})
			}
			if err != nil {
				t.Error(err)
			}
		})
		both.Wait()
		if _, err := one.Log.Record(ctx, id); !errors.Is(err, outbox.ErrUnknown) {
			t.Fatalf("%s came back: %v", id, err)
		}
	}
}

// What is added to a shard of another process is told, what is added to one's own is not.
func TestPostgresTellsWhoHasTheShardOfAnEntry(t *testing.T) {
	t.Parallel()
	address := pgtest.URL(t)
	var stores [2]storage.Storage
	for i := range stores {
		s, err := storage.OpenPostgres(t.Context(), pgtest.Connect(t, address), listen(address))
		if err != nil {
			t.Fatal(err)
		}
		stores[i] = s
	}
	if _, err := stores[0].Journal.(inbox.Sharing).Share(t.Context(), "one", time.Now(), time.Minute); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var ears sync.WaitGroup
	defer ears.Wait()
	defer stop()
	heard := make(chan struct{}, 100)
	ears.Go(func() { stores[0].Journal.(inbox.Watcher).Watch(ctx, func() { heard <- struct{}{} }) })
	<-heard // it begins
	for i, told := range []bool{false, true} {
		e := inbox.Entry{Mark: inbox.MarkOf("s", "t", fmt.Sprint(i), nil), Received: time.Now()}
		if _, err := stores[i].Journal.Append(t.Context(), e, inbox.Bounds{}); err != nil {
			t.Fatal(err)
		}
		wait := 300 * time.Millisecond
		if told {
			wait = 20 * time.Second
		}
		select {
		case <-heard:
			if !told {
				t.Error("the process that has the shard told itself")
			}
		case <-time.After(wait):
			if told {
				t.Error("nobody was told")
			}
		}
	}
}

func TestPostgresTablesOfALaterVersionAreRefused(t *testing.T) {
	t.Parallel()
	address := pgtest.URL(t)
	db := pgtest.Connect(t, address)
	openPostgres(t, db)
	rows, err := db.Query(`SELECT room FROM fedihook_schema`)
	if err != nil {
		t.Fatal(err)
	}
	var rooms []string
	for rows.Next() {
		var room string
		if err := rows.Scan(&room); err != nil {
			t.Fatal(err)
		}
		rooms = append(rooms, room)
	}
	if err := rows.Err(); err != nil || !slices.Contains(rooms, "journal") {
		t.Fatal(rooms, err)
	}
	for _, room := range rooms {
		var was int
		if err := db.QueryRow(`UPDATE fedihook_schema SET version = version + 1 WHERE room = $1 RETURNING version - 1`, room).Scan(&was); err != nil {
			t.Fatal(err)
		}
		_, err := storage.OpenPostgres(t.Context(), db, nil)
		if newer := (*pgdb.NewerError)(nil); !errors.As(err, &newer) || newer.Room != room {
			t.Errorf("%s: got %v", room, err)
		}
		mustExec(t, db, `UPDATE fedihook_schema SET version = $1 WHERE room = $2`, was, room)
	}
	openPostgres(t, db)
}
