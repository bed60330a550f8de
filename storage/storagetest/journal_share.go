package storagetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/fedihook/fedihook/inbox"
)

// RunSharing checks the contract of [inbox.Sharing] of a journal that passes [RunJournal]. Open returns an empty store, which
// no other check uses, as two processes have it; they may be one and the same.
func RunSharing(t *testing.T, open func(t *testing.T) [2]inbox.Journal) {
	t.Helper()
	run(t, func(t *testing.T) sharers {
		s := sharers{}
		for i, j := range open(t) {
			one, ok := j.(sharer)
			if !ok {
				t.Fatalf("%T is no inbox.Sharing", j)
			}
			s[i] = one
		}
		return s
	}, sharingChecks)
}

type sharer interface {
	inbox.Journal
	inbox.Sharing
}

// sharers are two processes at one journal.
type sharers [2]sharer

var sharingChecks = []check[sharers]{
	{"who is alone has all, and shares with who comes", func(t *testing.T, ctx context.Context, s sharers) {
		a := shareOf(t, ctx, s[0], "a", start)
		equal(t, "a's", a.Shards, inbox.AllShards)
		b := shareOf(t, ctx, s[1], odd, start)
		equal(t, "b's while a has all", b.Shards, 0)
		a = shareOf(t, ctx, s[0], "a", start)
		equal(t, "what a has to spare", a.Spare, 32)
		ok(t, s[0].Yield(ctx, a.Epoch, a.Shards.First(a.Spare)))
		equal(t, "a's before b takes them", shareOf(t, ctx, s[0], "a", start).Shards, a.Shards&^a.Shards.First(32))
		b = shareOf(t, ctx, s[1], odd, start)
		equal(t, "b's", b.Shards, a.Shards.First(32))
		a2 := shareOf(t, ctx, s[0], "a", start)
		equal(t, "a's that are left", a2, inbox.Share{Epoch: a.Epoch, Shards: a.Shards &^ b.Shards})
		c := shareOf(t, ctx, s[1], "c", start)
		equal(t, "c's while the others have all", c.Shards, 0)
		equal(t, "what a has to spare for c", shareOf(t, ctx, s[0], "a", start).Spare, 10)
		ok(t, s[1].Release(ctx, b.Epoch))
		c = shareOf(t, ctx, s[1], "c", start)
		equal(t, "c's after b has gone", c.Shards, b.Shards)
	}},
	{"what somebody leaves by dying is taken after its time, not before", func(t *testing.T, ctx context.Context, s sharers) {
		a := shareOf(t, ctx, s[0], "a", start)
		end := start.Add(time.Minute)
		equal(t, "b's just before", shareOf(t, ctx, s[1], "b", end.Add(-time.Microsecond)).Shards, 0)
		b := shareOf(t, ctx, s[1], "b", end)
		equal(t, "b's", b.Shards, inbox.AllShards)
		want(t, "a's list", dueOfErr(ctx, s[0], a, end), inbox.ErrLeaseLost)
		want(t, "a's outcomes", finish(ctx, s[0], a.Epoch, nil), inbox.ErrLeaseLost)
		want(t, "what a yields", s[0].Yield(ctx, a.Epoch, a.Shards), inbox.ErrLeaseLost)
		again := shareOf(t, ctx, s[0], "a", end)
		if again.Epoch <= b.Epoch {
			t.Errorf("a came back with epoch %d after %d", again.Epoch, b.Epoch)
		}
		equal(t, "a's when it is back", again.Shards, 0)
		equal(t, "b's then", shareOf(t, ctx, s[1], "b", end).Shards, inbox.AllShards)
	}},
	{"who comes back under its name has what it had", func(t *testing.T, ctx context.Context, s sharers) {
		a := shareOf(t, ctx, s[0], "a", start)
		equal(t, "at once", shareOf(t, ctx, s[1], "a", start), a)
		equal(t, "late, when nobody wanted it", shareOf(t, ctx, s[1], "a", start.Add(time.Hour)), a)
		noLease(t, ctx, s[0], "b", start.Add(time.Hour))
	}},
	{"a lease on all and shares exclude each other", func(t *testing.T, ctx context.Context, s sharers) {
		all := leaseTo(t, ctx, s[0], "all", start)
		equal(t, "the other's share", shareOf(t, ctx, s[1], "b", start).Shards, 0)
		ok(t, s[0].Release(ctx, all))
		equal(t, "after it is released", shareOf(t, ctx, s[1], "b", start).Shards, inbox.AllShards)
		noLease(t, ctx, s[0], "all", start)
		leaseTo(t, ctx, s[0], "all", start.Add(time.Hour))
	}},
	{"each works the entries of its shards, in the order of their keys", func(t *testing.T, ctx context.Context, s sharers) {
		a := shareOf(t, ctx, s[0], "a", start)
		shareOf(t, ctx, s[1], "b", start)
		a = shareOf(t, ctx, s[0], "a", start)
		ok(t, s[0].Yield(ctx, a.Epoch, a.Shards.First(a.Spare)))
		shares := [2]inbox.Share{shareOf(t, ctx, s[0], "a", start), shareOf(t, ctx, s[1], "b", start)}
		const n = 60
		byKey := map[string][]int64{}
		for i := range n {
			key := ""
			if i%3 > 0 {
				key = fmt.Sprint("key ", i%20)
			}
			e := entry(i, key)
			kept, err := s[i%2].Append(ctx, e, inbox.Bounds{})
			ok(t, err)
			if key != "" {
				byKey[key] = append(byKey[key], kept.Seq)
			}
		}
		done := 0
		for round := 0; done < n && round < n; round++ {
			for i, mine := range shares {
				list, err := s[i].DueOf(ctx, mine.Epoch, mine.Shards, nil, start, 7)
				ok(t, err)
				for _, e := range list {
					if !mine.Shards.Has(e.Shard()) {
						t.Fatalf("entry %d of shard %d was listed for another", e.Seq, e.Shard())
					}
					if e.Key != "" {
						equal(t, "the next of "+e.Key, e.Seq, byKey[e.Key][0])
						byKey[e.Key] = byKey[e.Key][1:]
					}
					done++
					want(t, "the other finishes it", finish(ctx, s[1-i], shares[1-i].Epoch, []inbox.Outcome{{Seq: e.Seq}}), inbox.ErrLeaseLost)
					ok(t, finish(ctx, s[i], mine.Epoch, []inbox.Outcome{{Seq: e.Seq}}))
				}
			}
		}
		equal(t, "entries that were worked", done, n)
	}},
	{"only what is one's own is listed", func(t *testing.T, ctx context.Context, s sharers) {
		for i := range 40 {
			add(t, ctx, s[1], entry(i, ""))
		}
		a := shareOf(t, ctx, s[0], "a", start)
		some := a.Shards.First(20)
		n := 0
		for _, part := range []inbox.Shards{some, a.Shards &^ some, 0} {
			list, err := s[0].DueOf(ctx, a.Epoch, part, nil, start, 100)
			ok(t, err)
			for _, e := range list {
				if !part.Has(e.Shard()) {
					t.Errorf("entry of shard %d was listed", e.Shard())
				}
			}
			n += len(list)
		}
		equal(t, "entries in two parts", n, 40)
		ok(t, s[0].Yield(ctx, a.Epoch, some))
		want(t, "what was yielded", dueOfErr(ctx, s[0], a, start), inbox.ErrLeaseLost)
		_, err := s[0].DueOf(ctx, a.Epoch, a.Shards&^some, nil, start, 100)
		ok(t, err)
	}},
	{"what is in hand is not listed, and does not count", func(t *testing.T, ctx context.Context, s sharers) {
		const n = 700 // more than are looked at one by one
		for i := range n {
			e := entry(i, "")
			e.Turn = start.Add(time.Duration(i) * time.Second)
			add(t, ctx, s[i%2], e)
		}
		a := shareOf(t, ctx, s[0], "a", start)
		var held []int64
		for _, limit := range []int{3, 200, n} { // of few and of many
			list, err := s[0].DueOf(ctx, a.Epoch, a.Shards, held, start, limit)
			ok(t, err)
			equal(t, "entries that are listed", len(list), min(limit, n-len(held)))
			for i, e := range list {
				equal(t, "what the next one says", string(e.Body), string(entry(len(held)+i, "").Body))
			}
			for _, e := range list {
				held = append(held, e.Seq)
			}
			ok(t, finish(ctx, s[0], a.Epoch, []inbox.Outcome{{Seq: held[0]}})) // it may be gone
		}
		list, err := s[0].DueOf(ctx, a.Epoch, a.Shards, held, start, 10)
		ok(t, err)
		equal(t, "entries that are listed with all in hand", len(list), 0)
		list, err = s[0].DueOf(ctx, a.Epoch, a.Shards, held[2:], start, 10)
		ok(t, err)
		equal(t, "entries that are listed when one is let go", len(list), 1)
	}},
	{"no shard is two workers' while they come, go and die", func(t *testing.T, ctx context.Context, s sharers) {
		r := rand.New(rand.NewPCG(1, 2))
		type worker struct {
			share inbox.Share
			until time.Time
		}
		workers := map[string]*worker{}
		var lives [5]int
		now := start
		for step := range 150 {
			i := r.IntN(len(lives))
			name := fmt.Sprint("worker ", i, " in life ", lives[i])
			j := s[r.IntN(2)]
			now = now.Add(time.Duration(r.IntN(20)) * time.Second)
			switch w := workers[name]; {
			case w != nil && r.IntN(8) == 0:
				ok(t, j.Release(ctx, w.share.Epoch))
				delete(workers, name)
			case w != nil && r.IntN(8) == 0:
				lives[i]++ // it dies, and is somebody else when it comes back
			default:
				share := shareOf(t, ctx, j, name, now)
				if share.Spare > 0 {
					ok(t, j.Yield(ctx, share.Epoch, share.Shards.First(share.Spare)))
					share.Shards &^= share.Shards.First(share.Spare)
				}
				workers[name] = &worker{share, now.Add(time.Minute)}
			}
			var all inbox.Shards
			for who, w := range workers {
				if !w.until.After(now) {
					continue // it may have lost its own
				}
				if all&w.share.Shards != 0 {
					t.Fatalf("step %d: %s has shards of another", step, who)
				}
				all |= w.share.Shards
			}
		}
	}},
	{"of many simultaneous shares none has another's", func(t *testing.T, ctx context.Context, s sharers) {
		for round := range 6 {
			var mu sync.Mutex
			var all inbox.Shards
			total := 0
			atOnce(8, func(i int) {
				share, err := s[i%2].Share(ctx, fmt.Sprint("worker ", i), start, time.Minute)
				if err == nil && share.Spare > 0 {
					spare := share.Shards.First(share.Spare)
					err = s[i%2].Yield(ctx, share.Epoch, spare)
					share.Shards &^= spare
				}
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
				}
				if round < 4 {
					return // what one has yielded another may have taken before this
				}
				if all&share.Shards != 0 {
					t.Errorf("worker %d has shards of another", i)
				}
				all |= share.Shards
				total += share.Shards.Len()
			})
			if round == 5 && total != inbox.ShardCount {
				t.Errorf("%d shards are somebody's after %d rounds", total, round)
			}
		}
	}},
}

// shareOf takes or renews a share for a minute.
func shareOf(t *testing.T, ctx context.Context, j inbox.Sharing, owner string, now time.Time) inbox.Share {
	t.Helper()
	share, err := j.Share(ctx, owner, now, time.Minute)
	ok(t, err)
	return share
}

func dueOfErr(ctx context.Context, j inbox.Sharing, s inbox.Share, now time.Time) error {
	_, err := j.DueOf(ctx, s.Epoch, s.Shards, nil, now, 1)
	return err
}
