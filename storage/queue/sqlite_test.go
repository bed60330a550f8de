package queue_test

import (
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/internal/sqldb"
	"github.com/fedihook/fedihook/storage/queue"
	"github.com/fedihook/fedihook/storage/storagetest"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func record(id string) delivery.Record {
	return delivery.Record{ID: id, Bodies: delivery.Bodies{Body: []byte("body of " + id)}, ContentType: "a/b", Created: now, Expires: now.Add(time.Hour)}
}

func inboxes(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("https://h%d.example/users/%d/inbox", i%(n/10+1), i)
	}
	return list
}

func raw(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// Two handles on one file are as two processes: what one does the other sees.
func TestSQLiteThroughTwoHandles(t *testing.T) {
	t.Parallel()
	storagetest.RunQueue(t, func(t *testing.T) delivery.Store {
		path := filepath.Join(t.TempDir(), "queue.db")
		return twoHandles{open(t, path), open(t, path).(other)}
	})
}

// twoHandles has the log through one, and leases and ledger through the other.
type twoHandles struct {
	delivery.Log
	other
}

type other interface {
	delivery.Leases
	delivery.Ledger
	delivery.Orders
}

func TestReopenedFileHasEverything(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "queue.db")
	st := open(t, path)
	a, err := st.Append(t.Context(), delivery.Addition{Record: record("1"), Inboxes: inboxes(100), Max: delivery.Limit{}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := st.Lease(t.Context(), delivery.LeaseRequest{Owner: "a", Now: now, TTL: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	before, err := st.Load(t.Context(), delivery.Query{Epoch: 0, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := st.Flush(t.Context(), l.Epoch, delivery.Flush{Now: now, Acks: []delivery.Ack{{Seq: a.Seq, Done: []int64{before.Records[0].Targets[7]}}}}); err != nil {
		t.Fatal(err)
	}
	st = open(t, path)
	after, err := st.Load(t.Context(), delivery.Query{Epoch: 0, Limit: 1000})
	if err != nil || len(after.Records) != 1 || len(after.Records[0].Targets) != 99 {
		t.Fatalf("%d records, %v", len(after.Records), err)
	}
	if next, err := st.Lease(t.Context(), delivery.LeaseRequest{Owner: "b", Now: now.Add(time.Second), TTL: time.Second}); err != nil || next.Epoch <= l.Epoch {
		t.Errorf("lease %+v after %+v, %v", next, l, err)
	}
}

func TestFileOfALaterVersionIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "queue.db")
	open(t, path)
	db := raw(t, path)
	if _, err := db.Exec(`UPDATE fedihook_schema SET version = 99 WHERE room = 'queue'`); err != nil {
		t.Fatal(err)
	}
	_, err := queue.OpenSQLite(t.Context(), db)
	var newer *sqldb.NewerError
	if !errors.As(err, &newer) || newer.Have != 99 {
		t.Errorf("got %v", err)
	}
}

func TestDamagedTargetSetIsAnErrorThatNamesTheActivity(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "queue.db")
	st := open(t, path)
	a, err := st.Append(t.Context(), delivery.Addition{Record: record("1"), Inboxes: inboxes(3), Max: delivery.Limit{}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := raw(t, path).Exec(`UPDATE fedihook_q_activity SET targets = x'01ff'`); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("queue: load: activity %d: queue: malformed target set", a.Seq)
	if _, err := st.Load(t.Context(), delivery.Query{Epoch: 0, Limit: 10}); err == nil || err.Error() != want {
		t.Errorf("Load returned %v, want %s", err, want)
	}
	if _, err := st.Status(t.Context(), "1"); err == nil {
		t.Error("Status made something of it")
	}
}

func TestManyTargetsTakeLittleRoom(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "queue.db")
	st := open(t, path)
	const n = 50_000
	to := inboxes(n)
	if _, err := st.Append(t.Context(), delivery.Addition{Record: record("first"), Inboxes: to, Max: delivery.Limit{}}); err != nil { // interns
		t.Fatal(err)
	}
	if _, err := st.Append(t.Context(), delivery.Addition{Record: record("second"), Inboxes: to, Max: delivery.Limit{}}); err != nil {
		t.Fatal(err)
	}
	var size int
	if err := raw(t, path).QueryRow(`SELECT length(targets) FROM fedihook_q_activity WHERE id = 'second'`).Scan(&size); err != nil {
		t.Fatal(err)
	}
	if size > 2*n {
		t.Errorf("%d targets take %d bytes", n, size)
	}
	page, err := st.Load(t.Context(), delivery.Query{Epoch: 0, Limit: 1})
	if err != nil || len(page.Records) != 1 || len(page.Records[0].Targets) != n {
		t.Errorf("%d records, %v", len(page.Records), err)
	}
}

func TestSettledQueueLeavesNoRows(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "queue.db")
	st := open(t, path)
	l, err := st.Lease(t.Context(), delivery.LeaseRequest{Owner: "a", Now: now, TTL: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := st.Append(t.Context(), delivery.Addition{Record: record("1"), Inboxes: inboxes(200), Max: delivery.Limit{}}); err != nil {
		t.Fatal(err)
	}
	page, err := st.Load(t.Context(), delivery.Query{Epoch: l.Epoch, Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	db := raw(t, path)
	count := func(table string) (n int) {
		t.Helper()
		if err := db.QueryRow(`SELECT count(*) FROM fedihook_q_` + table).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for i, target := range page.Records[0].Targets {
		f := delivery.Flush{Now: now, Defers: []delivery.Deferral{{Seq: page.Records[0].Seq, Inbox: target, Attempts: 1, Next: now}}}
		if i%2 == 0 {
			if _, err := st.Flush(t.Context(), l.Epoch, f); err != nil {
				t.Fatal(err)
			}
		}
		f = delivery.Flush{Now: now, Acks: []delivery.Ack{{Seq: page.Records[0].Seq, Done: []int64{target}}}}
		if _, err := st.Flush(t.Context(), l.Epoch, f); err != nil {
			t.Fatal(err)
		}
		if n := count("ack"); n >= 64 {
			t.Fatalf("%d chunks of acks were not compacted", n)
		}
	}
	for _, table := range []string{"activity", "body", "ack", "defer"} {
		if n := count(table); n != 0 {
			t.Errorf("%d rows in %s", n, table)
		}
	}
	if n := count("done"); n != 1 {
		t.Errorf("%d rows in done", n)
	}
	var targets, bytes int
	if err := db.QueryRow(`SELECT targets, bytes FROM fedihook_q_state`).Scan(&targets, &bytes); err != nil || targets != 0 || bytes != 0 {
		t.Errorf("the backlog counts %d targets and %d bytes, %v", targets, bytes, err)
	}
}
