package storage_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/fedihook/fedihook/inbox"
)

// dueSeqs are the numbers of what may run now.
func dueSeqs(t *testing.T, j inbox.Journal, epoch int64) (seqs []int64) {
	t.Helper()
	list, err := j.Due(t.Context(), epoch, time.Now().Add(time.Hour), 10_000)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		seqs = append(seqs, e.Seq)
	}
	slices.Sort(seqs)
	return seqs
}

func keyed(i int, key string) inbox.Entry {
	e := numbered(i)
	e.Key = key
	return e
}

func mustAppend(t *testing.T, j inbox.Journal, e inbox.Entry) inbox.Kept {
	t.Helper()
	kept, err := j.Append(t.Context(), e, inbox.Bounds{})
	if err != nil || kept.Seen {
		t.Fatalf("append: seen %v, %v", kept.Seen, err)
	}
	return kept
}

func mustLease(t *testing.T, j inbox.Journal) (epoch int64) {
	t.Helper()
	epoch, ok, err := j.Lease(t.Context(), "a", time.Now(), time.Minute)
	if err != nil || !ok {
		t.Fatalf("lease: %v, %v", ok, err)
	}
	return epoch
}

// Two who share a file remember what each has written: the other's entries must count all the same.
func TestWhatAnotherProcessWroteIsNotTakenForUnknown(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	one, other := openSQLite(t, openApp(t, f.app), openSQL(t, f.own)), openSQLite(t, openApp(t, f.app), openSQL(t, f.own))
	epoch := mustLease(t, one.Journal)
	first := mustAppend(t, one.Journal, keyed(1, "k"))
	second := mustAppend(t, other.Journal, keyed(2, "k"))
	if !first.Ready || second.Ready {
		t.Errorf("ready: %v, %v; of two entries with one key the first may run", first.Ready, second.Ready)
	}
	more, err := one.Journal.Finish(t.Context(), epoch, []inbox.Outcome{{Seq: first.Seq}})
	if err != nil || !more {
		t.Errorf("the other's entry may run now: more is %v, %v", more, err)
	}
	if got := dueSeqs(t, one.Journal, epoch); !slices.Equal(got, []int64{second.Seq}) {
		t.Errorf("due: %v", got)
	}
	if _, err := other.Journal.Finish(t.Context(), epoch, []inbox.Outcome{{Seq: second.Seq}}); err != nil {
		t.Fatal(err)
	}
	third := mustAppend(t, one.Journal, keyed(3, "k"))
	if !third.Ready {
		t.Error("the key is free, and the next entry may not run")
	}
	// As many as before are unfinished now, but another.
	if _, err := other.Journal.Finish(t.Context(), epoch, []inbox.Outcome{{Seq: third.Seq}}); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, other.Journal, keyed(4, "l"))
	if fifth := mustAppend(t, one.Journal, keyed(5, "l")); fifth.Ready {
		t.Error("the other's entry is unfinished, and a later one of its key may run")
	}
}

// A transaction that fails leaves nothing that the next one would believe.
func TestWhatFailedIsNotKnown(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	own := openSQL(t, f.own)
	s := openSQLite(t, openApp(t, f.app), own)
	epoch := mustLease(t, s.Journal)
	first := mustAppend(t, s.Journal, keyed(1, "k"))
	mustExec(t, own, `CREATE TRIGGER refuse BEFORE UPDATE OF unfinished ON fedihook_journal BEGIN SELECT RAISE(FAIL, 'no'); END`)
	for _, key := range []string{"k", "l"} {
		if _, err := s.Journal.Append(t.Context(), keyed(2, key), inbox.Bounds{}); err == nil {
			t.Fatal("it was kept")
		}
	}
	if _, err := s.Journal.Finish(t.Context(), epoch, []inbox.Outcome{{Seq: first.Seq}}); err == nil {
		t.Fatal("it was finished")
	}
	mustExec(t, own, `DROP TRIGGER refuse`)
	if third := mustAppend(t, s.Journal, keyed(3, "k")); third.Ready {
		t.Error("the first of this key is unfinished, and a later one may run")
	}
	if fourth := mustAppend(t, s.Journal, keyed(4, "l")); !fourth.Ready {
		t.Error("nothing of this key is unfinished, and an entry may not run")
	}
	more, err := s.Journal.Finish(t.Context(), epoch, []inbox.Outcome{{Seq: first.Seq}})
	if err != nil || !more || len(dueSeqs(t, s.Journal, epoch)) != 2 {
		t.Errorf("after the first: more is %v, %v", more, err)
	}
}

// More are unfinished than are remembered.
func TestEntriesBeyondWhatIsRememberedAreFinishedToo(t *testing.T) {
	t.Parallel()
	s, _ := fresh(t)
	epoch := mustLease(t, s.Journal)
	const n, keys = 4500, 50
	appendAll(t, s.Journal, n, func(i int) inbox.Entry { return keyed(i, string(rune('a'+i%keys))) })
	finished := 0
	for {
		due := dueSeqs(t, s.Journal, epoch)
		if len(due) == 0 {
			break
		}
		var outcomes []inbox.Outcome
		for _, seq := range due {
			outcomes = append(outcomes, inbox.Outcome{Seq: seq})
		}
		more, err := s.Journal.Finish(t.Context(), epoch, outcomes)
		if finished += len(due); err != nil || more != (finished < n) {
			t.Fatalf("after %d of %d: more is %v, %v", finished, n, more, err)
		}
	}
	if finished != n {
		t.Errorf("%d of %d", finished, n)
	}
}

// appendAll appends n entries, many at once.
func appendAll(t *testing.T, j inbox.Journal, n int, entry func(i int) inbox.Entry) {
	t.Helper()
	done := make(chan error, n)
	for i := range n {
		go func() {
			_, err := j.Append(context.Background(), entry(i), inbox.Bounds{})
			done <- err
		}()
	}
	for range n {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}

// Few outcomes wait for an Append whose commit they can share.
func TestFewOutcomesWaitForOthersAndAreRecordedSoon(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	own := openSQL(t, f.own)
	s := openSQLite(t, openApp(t, f.app), own)
	epoch := mustLease(t, s.Journal)
	const few, many = 31, 32
	appendAll(t, s.Journal, few+many, numbered)
	due := dueSeqs(t, s.Journal, epoch)
	finish := func(seqs []int64) time.Duration {
		var outcomes []inbox.Outcome
		for _, seq := range seqs {
			outcomes = append(outcomes, inbox.Outcome{Seq: seq})
		}
		start := time.Now()
		if _, err := s.Journal.Finish(t.Context(), epoch, outcomes); err != nil {
			t.Fatal(err)
		}
		return time.Since(start)
	}
	if took := finish(due[:few]); took < 9*time.Millisecond {
		t.Errorf("%d outcomes waited for %s, and nobody else wrote", few, took)
	}
	if left := dueSeqs(t, s.Journal, epoch); len(left) != many {
		t.Errorf("%d are left", len(left))
	}
	finish(due[few:])
	if left := dueSeqs(t, s.Journal, epoch); len(left) != 0 {
		t.Errorf("%d are left", len(left))
	}
}
