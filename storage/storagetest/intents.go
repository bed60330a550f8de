package storagetest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fedihook/fedihook/outbox"
)

// Tx is a transaction of the app's. *sql.Tx is one.
type Tx interface {
	outbox.Execer
	Commit() error
	Rollback() error
}

// Intents is a store of intents and the way into it through the app's transactions.
type Intents struct {
	Store outbox.Intents

	// Begin begins a transaction in the database that holds the intents. It is called while another is open,
	// and then may wait for it. Nil says that the store can't join one.
	Begin func(ctx context.Context) (Tx, error)

	// Alone says that the store can't be asked anything while a transaction is open, as there is one
	// connection for both.
	Alone bool
}

// RunIntents checks the contract of [outbox.Intents]. Open returns an empty store, which no other check uses.
func RunIntents(t *testing.T, open func(t *testing.T) Intents) {
	t.Helper()
	run(t, open, slices.Concat(intentChecks, intentTxChecks))
}

var intentChecks = []check[Intents]{
	{"an intent comes back as it was added", func(t *testing.T, ctx context.Context, s Intents) {
		full := outbox.Intent{
			ID: odd + "id", Author: odd + "author", Activity: oddBytes(), At: start,
			NotBefore: start.Add(time.Microsecond), Except: []string{odd, "", "a.example:8443"}, Trace: odd + "trace",
		}
		zero := outbox.Intent{}
		addIntents(t, ctx, s, full, zero)
		list := exactly(t, 2, nextIntents(t, ctx, s, 10))
		for i, in := range []outbox.Intent{full, zero} {
			if list[i].Seq <= 0 {
				t.Errorf("intent %d has Seq %d", i, list[i].Seq)
			}
			in.Seq = list[i].Seq
			got := list[i]
			got.Activity, got.Except = some(got.Activity), some(got.Except)
			got.At, got.NotBefore = got.At.UTC(), got.NotBefore.UTC()
			equal(t, "intent", got, in)
		}
	}},
	{"the oldest come first, up to the limit, until they are dropped", func(t *testing.T, ctx context.Context, s Intents) {
		for i := range 5 {
			addIntents(t, ctx, s, outbox.Intent{ID: fmt.Sprint(i)})
		}
		equal(t, "two", intentIDs(nextIntents(t, ctx, s, 2)), []string{"0", "1"})
		list := nextIntents(t, ctx, s, 10)
		equal(t, "all", intentIDs(list), []string{"0", "1", "2", "3", "4"})
		for i := range list[1:] {
			if list[i+1].Seq <= list[i].Seq {
				t.Errorf("Seq %d after %d", list[i+1].Seq, list[i].Seq)
			}
		}
		ok(t, s.Store.DropIntents(ctx, list[1].Seq))
		equal(t, "after two are dropped", intentIDs(nextIntents(t, ctx, s, 10)), []string{"2", "3", "4"})
		ok(t, s.Store.DropIntents(ctx, list[0].Seq)) // late, and nothing new
		equal(t, "after one is dropped again", intentIDs(nextIntents(t, ctx, s, 2)), []string{"2", "3"})
	}},
	{"a number is never given again", func(t *testing.T, ctx context.Context, s Intents) {
		var last int64
		for i := range 4 {
			addIntents(t, ctx, s, outbox.Intent{ID: fmt.Sprint(i)})
			list := nextIntents(t, ctx, s, 10)
			equal(t, "what is left", intentIDs(list), []string{fmt.Sprint(i)})
			if list[0].Seq <= last {
				t.Fatalf("Seq %d after %d", list[0].Seq, last)
			}
			last = list[0].Seq
			ok(t, s.Store.DropIntents(ctx, last))
			equal(t, "after all are dropped", intentIDs(nextIntents(t, ctx, s, 10)), nil)
		}
	}},
	{"simultaneous intents are all kept", func(t *testing.T, ctx context.Context, s Intents) {
		atOnce(20, func(i int) {
			if err := s.Store.AddIntent(ctx, nil, outbox.Intent{ID: fmt.Sprint(i)}); err != nil {
				t.Error(err)
			}
		})
		ids := map[string]bool{}
		for _, id := range intentIDs(nextIntents(t, ctx, s, 100)) {
			ids[id] = true
		}
		equal(t, "different intents", len(ids), 20)
	}},
	{"what is given and returned is the caller's", func(t *testing.T, ctx context.Context, s Intents) {
		in := outbox.Intent{Activity: []byte("body"), Except: []string{"host"}}
		addIntents(t, ctx, s, in)
		for _, spoilt := range []string{"X", "Y"} {
			in.Activity[0], in.Except[0] = spoilt[0], spoilt
			in = exactly(t, 1, nextIntents(t, ctx, s, 1))[0]
			equal(t, "activity", string(in.Activity), "body")
			equal(t, "hosts to leave out", in.Except, []string{"host"})
		}
	}},
}

var intentTxChecks = []check[Intents]{
	{"a store that can't join a transaction says so", func(t *testing.T, ctx context.Context, s Intents) {
		if s.Begin != nil {
			t.Skip("it can")
		}
		want(t, "add in a transaction", s.Store.AddIntent(ctx, anyTx{}, outbox.Intent{}), outbox.ErrNoTransaction)
		equal(t, "intents", intentIDs(nextIntents(t, ctx, s, 10)), nil)
	}},
	{"a transaction that rolls back leaves nothing", func(t *testing.T, ctx context.Context, s Intents) {
		for _, id := range []string{"before", "after"} {
			tx := begin(t, ctx, s)
			ok(t, s.Store.AddIntent(ctx, tx, outbox.Intent{ID: "rolled back"}))
			ok(t, tx.Rollback())
			equal(t, "intents after the rollback", intentIDs(nextIntents(t, ctx, s, 10)), nil)
			addIntents(t, ctx, s, outbox.Intent{ID: id})
			list := nextIntents(t, ctx, s, 10)
			equal(t, "intents", intentIDs(list), []string{id})
			ok(t, s.Store.DropIntents(ctx, list[0].Seq))
		}
	}},
	{"an intent is seen when its transaction is committed, and not before", func(t *testing.T, ctx context.Context, s Intents) {
		tx := begin(t, ctx, s)
		ok(t, s.Store.AddIntent(ctx, tx, outbox.Intent{ID: "1", Author: odd, Activity: oddBytes(), At: start}))
		ok(t, s.Store.AddIntent(ctx, tx, outbox.Intent{ID: "2"}))
		if !s.Alone {
			equal(t, "intents before the commit", intentIDs(nextIntents(t, ctx, s, 10)), nil)
		}
		ok(t, tx.Commit())
		list := nextIntents(t, ctx, s, 10)
		equal(t, "intents after the commit", intentIDs(list), []string{"1", "2"})
		first := list[0]
		first.At, first.NotBefore, first.Except = first.At.UTC(), first.NotBefore.UTC(), some(first.Except)
		equal(t, "intent", first, outbox.Intent{Seq: first.Seq, ID: "1", Author: odd, Activity: oddBytes(), At: start})
	}},
	{"nothing is missed while transactions come and go", func(t *testing.T, ctx context.Context, s Intents) {
		if s.Begin == nil {
			t.Skip("it can't join a transaction")
		}
		const writers, rounds = 4, 12
		var committed sync.Map
		done := make(chan struct{})
		go func() {
			defer close(done)
			atOnce(writers, func(w int) {
				for i := range rounds {
					id := fmt.Sprintf("%d-%d", w, i)
					if err := inTx(ctx, s, outbox.Intent{ID: id}, i%3 != 2); err != nil {
						t.Errorf("intent %s: %v", id, err)
						return
					}
					if i%3 != 2 {
						committed.Store(id, true)
					}
				}
			})
		}()
		seen := map[string]bool{}
		drain := func() {
			list, err := s.Store.NextIntents(ctx, 3)
			for err == nil && len(list) > 0 {
				for _, in := range list {
					if seen[in.ID] {
						t.Errorf("intent %s came back", in.ID)
						return
					}
					seen[in.ID] = true
				}
				if err = s.Store.DropIntents(ctx, list[len(list)-1].Seq); err == nil {
					list, err = s.Store.NextIntents(ctx, 3)
				}
			}
			if err != nil {
				t.Error(err)
			}
		}
		for running := true; running && !t.Failed(); {
			select {
			case <-done:
				running = false
			default:
			}
			drain()
		}
		<-done
		for id := range committed.Range {
			if !seen[id.(string)] {
				t.Errorf("intent %s was missed", id)
			}
		}
		equal(t, "intents", len(seen), writers*rounds*2/3)
	}},
}

// anyTx is a transaction that takes everything.
type anyTx struct{}

func (anyTx) ExecContext(context.Context, string, ...any) (sql.Result, error) {
	return driver.RowsAffected(1), nil
}

func begin(t *testing.T, ctx context.Context, s Intents) Tx {
	t.Helper()
	if s.Begin == nil {
		t.Skip("it can't join a transaction")
	}
	tx, err := s.Begin(ctx)
	ok(t, err)
	t.Cleanup(func() { tx.Rollback() })
	return tx
}

func inTx(ctx context.Context, s Intents, in outbox.Intent, commit bool) error {
	tx, err := s.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := s.Store.AddIntent(ctx, tx, in); err != nil || !commit {
		return err
	}
	return tx.Commit()
}

func addIntents(t *testing.T, ctx context.Context, s Intents, list ...outbox.Intent) {
	t.Helper()
	for _, in := range list {
		ok(t, s.Store.AddIntent(ctx, nil, in))
	}
}

func nextIntents(t *testing.T, ctx context.Context, s Intents, limit int) []outbox.Intent {
	t.Helper()
	list, err := s.Store.NextIntents(ctx, limit)
	ok(t, err)
	return list
}

func intentIDs(list []outbox.Intent) []string {
	var ids []string
	for _, in := range list {
		ids = append(ids, in.ID)
	}
	return ids
}
