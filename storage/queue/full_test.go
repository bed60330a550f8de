package queue_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/storage/queue"
)

// A disk that is full fails what needs room, and loses nothing of what was there.
func TestFullDiskChangesNothing(t *testing.T) {
	t.Parallel()
	db := raw(t, filepath.Join(t.TempDir(), "queue.db"))
	st, err := queue.OpenSQLite(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	add := func(i int) error {
		r := record(fmt.Sprint(i))
		r.Body = make([]byte, 20_000)
		_, err := st.Append(t.Context(), delivery.Addition{Record: r, Inboxes: inboxes(1000)})
		return err
	}
	if err := add(0); err != nil {
		t.Fatal(err)
	}
	l, err := st.Lease(t.Context(), delivery.LeaseRequest{Owner: "a", Now: now, TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	var pages int
	if err := db.QueryRow(`PRAGMA page_count`).Scan(&pages); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(fmt.Sprintf(`PRAGMA max_page_count = %d`, pages+20)); err != nil {
		t.Fatal(err)
	}
	kept := 1
	for i := 1; ; i++ {
		if err := add(i); err != nil {
			break
		}
		if kept++; kept > 100 {
			t.Fatal("the disk is never full")
		}
	}
	load := func() []delivery.Pending {
		t.Helper()
		page, err := st.Load(t.Context(), delivery.Query{Epoch: l.Epoch, Limit: 1_000_000})
		if err != nil {
			t.Fatal(err)
		}
		return page.Records
	}
	records := load()
	if len(records) != kept {
		t.Fatalf("%d records, want %d", len(records), kept)
	}
	for _, p := range records {
		if b, err := st.Body(t.Context(), p.Seq); err != nil || len(b.Body) != 20_000 || len(p.Targets) != 1000 {
			t.Errorf("of record %d there are %d targets and %d bytes, %v", p.Seq, len(p.Targets), len(b.Body), err)
		}
	}
	// Letters fill what is left; a flush that fails has settled nothing.
	p := records[0]
	f := delivery.Flush{Now: now, Acks: []delivery.Ack{{Seq: p.Seq, Done: p.Targets[:10]}}}
	for range 2000 {
		f.Dead = append(f.Dead, delivery.DeadLetter{Seq: p.Seq, Activity: p.ID, Inbox: "https://a.example/inbox", At: now, Err: "because"})
	}
	if _, err := st.Flush(t.Context(), l.Epoch, f); err == nil {
		t.Fatal("2,000 dead letters fit into a full disk")
	}
	if n := len(load()[0].Targets); n != 1000 {
		t.Errorf("%d targets after a flush that failed, want 1000", n)
	}
	if _, err := db.Exec(`PRAGMA max_page_count = 1000000`); err != nil {
		t.Fatal(err)
	}
	if _, err := st.Flush(t.Context(), l.Epoch, f); err != nil {
		t.Fatal(err)
	}
	if n := len(load()[0].Targets); n != 990 {
		t.Errorf("%d targets, want 990", n)
	}
	if err := add(1000); err != nil {
		t.Error(err)
	}
}
