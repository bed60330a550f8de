package storagetest

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fedihook/fedihook/inbox"
)

// RunJournal checks the contract of [inbox.Journal]. Open returns an empty store, which no other check uses.
func RunJournal(t *testing.T, open func(t *testing.T) inbox.Journal) {
	t.Helper()
	run(t, open, slices.Concat(journalAppendChecks, journalKeptChecks, journalMarkChecks, journalLeaseChecks, journalWorkChecks, journalShelfChecks))
}

var journalAppendChecks = []check[inbox.Journal]{
	{"an entry comes back as it was kept", func(t *testing.T, ctx context.Context, j inbox.Journal) {
		full := inbox.Entry{
			Mark: inbox.MarkOf("s", "t", "i", nil), Key: odd + "key", Sender: odd + "sender", Owner: odd + "owner", Body: oddBytes(),
			Received: start, Attempts: 3, NotBefore: start.Add(time.Microsecond), LastError: odd,
			Lane: odd + "lane", Turn: start.Add(2 * time.Microsecond), To: []string{odd, "two"}, Notes: oddBytes(),
		}
		zero := inbox.Entry{}
		for _, e := range []inbox.Entry{full, zero} {
			add(t, ctx, j, e)
		}
		list := exactly(t, 2, due(t, ctx, j, lease(t, ctx, j), start.Add(time.Hour), 10))
		for i, e := range []inbox.Entry{zero, full} { // by Turn
			if list[i].Seq <= 0 {
				t.Errorf("entry %d has Seq %d", i, list[i].Seq)
			}
			e.Seq = list[i].Seq
			equal(t, "entry", plainEntry(list[i]), e)
		}
	}},
	{"keys may be long", func(t *testing.T, ctx context.Context, j inbox.Journal) {
		for i := range 4 {
			e := entry(i, long(6000, i%2))
			e.Sender, e.Owner, e.Lane, e.To = long(6000, 7), long(6000, 8), long(6000, 9), []string{long(6000, 10)}
			add(t, ctx, j, e)
		}
		e := entry(4, "")
		e.Lane = long(6000, 9)
		_, err := appendTo(ctx, j, e, inbox.Bounds{Lane: 4})
		want(t, "one more of its lane", err, inbox.ErrFull)
		epoch := lease(t, ctx, j)
		list := exactly(t, 2, due(t, ctx, j, epoch, start, 10)) // the oldest of each key
		for i, e := range list {
			equal(t, "its key", e.Key, long(6000, i))
		}
		ok(t, finish(ctx, j, epoch, []inbox.Outcome{{Seq: list[0].Seq, State: inbox.Dead}, {Seq: list[1].Seq}}))
		equal(t, "the next", bodies(due(t, ctx, j, epoch, start, 10)), []string{string(entry(2, "").Body), string(entry(3, "").Body)})
	}},
	{"an entry that was seen is not kept again", func(t *testing.T, ctx context.Context, j inbox.Journal) {
		for i := range 3 {
			add(t, ctx, j, entry(i, ""))
		}
		epoch := lease(t, ctx, j)
		seenAgain := func(when string, left ...int64) {
			t.Helper()
			for i := range 3 {
				e := entry(i, "")
				e.Body = []byte("another")
				seen, err := appendTo(ctx, j, e, inbox.Bounds{})
				ok(t, err)
				if !seen {
					t.Fatalf("%s: entry %d was kept twice", when, i)
				}
			}
			equal(t, when, seqs(due(t, ctx, j, epoch, start.Add(time.Hour), 10)), left)
		}
		all := seqs(exactly(t, 3, due(t, ctx, j, epoch, start, 10)))
		seenAgain("at once", all...)
		equal(t, "body", bodies(due(t, ctx, j, epoch, start, 1)), []string{string(entry(0, "").Body)})
		ok(t, finish(ctx, j, epoch, []inbox.Outcome{{Seq: all[0]}, {Seq: all[1], State: inbox.Dead}}))
		seenAgain("after one is done and one is dead", all[2])
	}},
	{"of ten simultaneous appends of a mark one is kept", func(t *testing.T, ctx context.Context, j inbox.Journal) {
		var kept atomic.Int32
		atOnce(10, func(i int) {
			e := entry(0, "")
			e.Body = []byte{byte(i)}
			seen, err := appendTo(ctx, j, e, inbox.Bounds{})
			if err != nil {
				t.Error(err)
			} else if !seen {
				kept.Add(1)
			}
		})
		if n := kept.Load(); n != 1 {
			t.Errorf("%d appends were told that theirs is new", n)
		}
		if n := len(due(t, ctx, j, lease(t, ctx, j), start, 20)); n != 1 {
			t.Errorf("%d entries were kept", n)
		}
	}},
	{"simultaneous appends are all kept", func(t *testing.T, ctx context.Context, j inbox.Journal) {
		const n = 200
		atOnce(n, func(i int) {
			if seen, err := appendTo(ctx, j, entry(i, ""), inbox.Bounds{}); err != nil || seen {
				t.Errorf("entry %d: seen %v, %v", i, seen, err)
			}
		})
		list := due(t, ctx, j, lease(t, ctx, j), start, n+1)
		bodies := map[string]bool{}
		for _, e := range list {
			bodies[string(e.Body)] = true
		}
		if len(list) != n || len(bodies) != n {
			t.Errorf("%d entries with %d bodies, want %d", len(list), len(bodies), n)
		}
	}},
	{"a full journal refuses what is new", func(t *testing.T, ctx context.Context, j inbox.Journal) {
		add(t, ctx, j, entry(0, ""))
		add(t, ctx, j, entry(1, ""))
		refused := func(when string, max int) {
			t.Helper()
			seen, err := appendTo(ctx, j, entry(2, ""), inbox.Bounds{All: max})
			want(t, when, err, inbox.ErrFull)
			if seen {
				t.Fatalf("%s: what was refused is seen", when)
			}
		}
		refused("two of two", 2)
		refused("two of one", 1)
		if seen, err := appendTo(ctx, j, entry(1, ""), inbox.Bounds{All: 2}); err != nil || !seen {
			t.Fatalf("what is there already: seen %v, %v", seen, err)
		}
		epoch := lease(t, ctx, j)
		list := seqs(exactly(t, 2, due(t, ctx, j, epoch, start, 10)))
		ok(t, finish(ctx, j, epoch, []inbox.Outcome{{Seq: list[0], State: inbox.Again, NotBefore: start.Add(time.Hour)}}))
		refused("while one waits", 2)
		for range 2 { // the second time there is nothing to finish
			ok(t, finish(ctx, j, epoch, []inbox.Outcome{{Seq: list[0]}, {Seq: list[0]}, {Seq: list[1] + 1000}}))
		}
		if seen, err := appendTo(ctx, j, entry(2, ""), inbox.Bounds{All: 2}); err != nil || seen {
			t.Fatalf("after one is done: seen %v, %v", seen, err)
		}
		refusedNext := entry(3, "")
		_, err := appendTo(ctx, j, refusedNext, inbox.Bounds{All: 2})
		want(t, "two of two again", err, inbox.ErrFull)
		ok(t, finish(ctx, j, epoch, []inbox.Outcome{{Seq: list[1], State: inbox.Dead}}))
		if seen, err := appendTo(ctx, j, refusedNext, inbox.Bounds{All: 2}); err != nil || seen {
			t.Fatalf("after one is dead: seen %v, %v", seen, err)
		}
		add(t, ctx, j, entry(4, "")) // zero: no bound
	}},
	{"simultaneous appends keep to the bound", func(t *testing.T, ctx context.Context, j inbox.Journal) {
		var kept atomic.Int32
		atOnce(10, func(i int) {
			switch _, err := appendTo(ctx, j, entry(i, ""), inbox.Bounds{All: 3}); {
			case err == nil:
				kept.Add(1)
			default:
				want(t, "append", err, inbox.ErrFull)
			}
		})
		if n, m := int(kept.Load()), len(due(t, ctx, j, lease(t, ctx, j), start, 20)); n != 3 || m != 3 {
			t.Errorf("%d were accepted and %d kept, want 3", n, m)
		}
	}},
	{"what is given and returned is the caller's", func(t *testing.T, ctx context.Context, j inbox.Journal) {
		e := entry(0, "")
		e.Body = []byte("body")
		add(t, ctx, j, e)
		e.Body[0] = 'X'
		epoch := lease(t, ctx, j)
		list := due(t, ctx, j, epoch, start, 1)
		equal(t, "body", bodies(list), []string{"body"})
		list[0].Body[0] = 'Y'
		list = due(t, ctx, j, epoch, start, 1)
		equal(t, "body", bodies(list), []string{"body"})
		ok(t, finish(ctx, j, epoch, []inbox.Outcome{{Seq: list[0].Seq, State: inbox.Dead}}))
		dead, err := j.Shelved(ctx, inbox.DeadLetters, 0, 1)
		ok(t, err)
		equal(t, "dead body", bodies(dead), []string{"body"})
		dead[0].Body[0] = 'Z'
		dead, err = j.Shelved(ctx, inbox.DeadLetters, 0, 1)
		ok(t, err)
		equal(t, "dead body", bodies(dead), []string{"body"})
	}},
}

// entry is the i-th of different entries.
func entry(i int, key string) inbox.Entry {
	id := fmt.Sprintf("https://a.example/activities/%d", i)
	return inbox.Entry{
		Mark:     inbox.MarkOf("https://a.example/u", "Create", id, nil),
		Key:      key,
		Sender:   "https://a.example/u",
		Body:     []byte(id),
		Received: start,
	}
}

func appendTo(ctx context.Context, j inbox.Journal, e inbox.Entry, b inbox.Bounds) (seen bool, err error) {
	kept, err := j.Append(ctx, e, b)
	return kept.Seen, err
}

func finish(ctx context.Context, j inbox.Journal, epoch int64, outcomes []inbox.Outcome) error {
	_, err := j.Finish(ctx, epoch, outcomes)
	return err
}

func add(t *testing.T, ctx context.Context, j inbox.Journal, e inbox.Entry) {
	t.Helper()
	seen, err := appendTo(ctx, j, e, inbox.Bounds{})
	ok(t, err)
	if seen {
		t.Fatalf("a new entry was taken for one that was seen: %s", e.Body)
	}
}

// lease is taken for an hour.
func lease(t *testing.T, ctx context.Context, j inbox.Journal) (epoch int64) {
	t.Helper()
	epoch, held, err := j.Lease(ctx, "worker", start, time.Hour)
	ok(t, err)
	if !held {
		t.Fatal("nobody has the lease and it was refused")
	}
	return epoch
}

func due(t *testing.T, ctx context.Context, j inbox.Journal, epoch int64, now time.Time, limit int) []inbox.Entry {
	t.Helper()
	list, err := j.Due(ctx, epoch, now, limit)
	ok(t, err)
	return list
}

func seqs(list []inbox.Entry) []int64 {
	var seqs []int64
	for _, e := range list {
		seqs = append(seqs, e.Seq)
	}
	return seqs
}

func plainEntry(e inbox.Entry) inbox.Entry {
	e.Body, e.Notes, e.To = some(e.Body), some(e.Notes), some(e.To)
	e.Received, e.NotBefore, e.Turn = e.Received.UTC(), e.NotBefore.UTC(), e.Turn.UTC()
	return e
}
