package queue_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/storage/queue"
)

// A machine that dies as it writes leaves part of what it wrote: the log ends anywhere, or its last sectors are garbage. What
// is opened then is what some commit had left, of those whose bytes are all there the last.
func TestTornWritesLeaveWhatACommitHadLeft(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "queue.db")
	db := raw(t, path)
	db.SetMaxOpenConns(1) // for the PRAGMA
	st, err := queue.OpenSQLite(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`PRAGMA wal_checkpoint(TRUNCATE)`); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`PRAGMA wal_autocheckpoint = 0`); err != nil {
		t.Fatal(err)
	}
	l, err := st.Lease(t.Context(), delivery.LeaseRequest{Owner: "a", Now: now, TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	type commit struct {
		size  int64 // of the log, when it was made
		state string
	}
	var commits []commit
	note := func() {
		t.Helper()
		info, err := os.Stat(path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		commits = append(commits, commit{info.Size(), left(t, st)})
	}
	note()
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range 30 {
		if _, err := st.Append(t.Context(), delivery.Addition{Record: record(fmt.Sprint(i)), Inboxes: inboxes(1 + rnd.IntN(300))}); err != nil {
			t.Fatal(err)
		}
		note()
		page, err := st.Load(t.Context(), delivery.Query{Epoch: l.Epoch, Limit: 1_000_000})
		if err != nil {
			t.Fatal(err)
		}
		p := page.Records[rnd.IntN(len(page.Records))]
		f := delivery.Flush{Now: now, Acks: []delivery.Ack{{Seq: p.Seq, Done: p.Targets[:1+rnd.IntN(len(p.Targets))]}}}
		if _, err := st.Flush(t.Context(), l.Epoch, f); err != nil {
			t.Fatal(err)
		}
		note()
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	if last := commits[len(commits)-1].size; int64(len(log)) != last || len(commits) != 61 || commits[60].state == commits[0].state {
		t.Fatalf("the log has %d bytes, want %d after %d commits", len(log), last, len(commits))
	}
	states := make(map[string]int)
	for i := range 60 {
		n := rnd.Int64N(int64(len(log)) + 1)
		torn := bytes.Clone(log[:n])
		if i%2 == 1 { // what was not written yet is there, as garbage
			for range 3 * 512 {
				torn = append(torn, byte(rnd.Uint32()))
			}
		}
		at := slices.IndexFunc(commits, func(c commit) bool { return c.size > n })
		if at < 0 {
			at = len(commits)
		}
		want := ""
		if at > 0 {
			want = commits[at-1].state
		}
		into := filepath.Join(dir, fmt.Sprint(i))
		for name, data := range map[string][]byte{into: file, into + "-wal": torn} {
			if err := os.WriteFile(name, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		// The lease's own commit is before the first that was noted.
		if got := left(t, open(t, into)); at > 0 && got != want {
			t.Errorf("torn after %d of %d bytes: %.300s\nwant what commit %d left: %.300s", n, len(log), got, at-1, want)
		}
		states[want]++
	}
	if len(states) < 20 {
		t.Errorf("only %d states were seen", len(states))
	}
}

// left tells what is pending, record by record.
func left(t *testing.T, st delivery.Store) string {
	t.Helper()
	page, err := st.Load(t.Context(), delivery.Query{Limit: 1_000_000})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	for _, p := range page.Records {
		body, err := st.Body(t.Context(), p.Seq)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s %q %v\n", p.ID, body.Body, p.Targets)
	}
	return b.String()
}
