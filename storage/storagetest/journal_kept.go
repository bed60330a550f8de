package storagetest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/fedihook/fedihook/inbox"
)

// journalKeptChecks are about what lets an inbox run an entry without reading the journal.
var journalKeptChecks = []check[inbox.Journal]{
	{"what was kept is told", func(t *testing.T, ctx context.Context, j inbox.Journal) {
		in := func(i int, change func(e *inbox.Entry)) inbox.Entry {
			e := entry(i, "key")
			e.To = []string{"one"}
			change(&e)
			return e
		}
		same := func(*inbox.Entry) {}
		late := in(4, func(e *inbox.Entry) { e.Key, e.NotBefore = "", start.Add(time.Hour) })
		undo := in(5, func(e *inbox.Entry) { e.Key, e.Rules.Undoes = "own", []inbox.Mark{entry(1, "").Mark} })
		for _, row := range []struct {
			name  string
			entry inbox.Entry
			want  inbox.Kept
		}{
			{"the first of a key", in(1, same), inbox.Kept{Key: "key", To: []string{"one"}, Ready: true}},
			{"the second", in(2, same), inbox.Kept{Key: "key", To: []string{"one"}}},
			{"one without a key", in(3, func(e *inbox.Entry) { e.Key = "" }), inbox.Kept{To: []string{"one"}, Ready: true}},
			{"one that waits", late, inbox.Kept{To: []string{"one"}}},
			{"one that is lent a key", undo, inbox.Kept{Key: "key", To: []string{"one"}}},
			{"one that is held", in(6, func(e *inbox.Entry) { e.Key, e.Hold = "", true }), inbox.Kept{To: []string{"one"}}},
			{"a copy", in(3, func(e *inbox.Entry) { e.Key, e.To = "", []string{"one", "two"} }),
				inbox.Kept{To: []string{"two"}, Alone: true, Ready: true}},
			{"what was seen", in(1, same), inbox.Kept{Seen: true}},
		} {
			kept, err := j.Append(ctx, row.entry, inbox.Bounds{})
			ok(t, err)
			if !kept.Seen {
				var list []inbox.Entry
				if row.entry.Hold {
					list, err = j.Shelved(ctx, inbox.Held, 0, 1)
					ok(t, err)
				} else {
					list = due(t, ctx, j, lease(t, ctx, j), start.Add(2*time.Hour), 10)
				}
				if !slices.ContainsFunc(list, func(e inbox.Entry) bool { return e.Seq == kept.Seq && e.Mark == row.entry.Mark }) && row.want.Ready {
					t.Errorf("%s: no entry has the Seq %d", row.name, kept.Seq)
				}
				if row.entry.Hold && (len(list) == 0 || list[0].Seq != kept.Seq) {
					t.Errorf("%s: no entry on the shelf has the Seq %d", row.name, kept.Seq)
				}
			}
			kept.Seq = 0
			equal(t, row.name, kept, row.want)
		}
	}},
	{"who lets others run says so", func(t *testing.T, ctx context.Context, j inbox.Journal) {
		for i, key := range []string{"a", "a", "b", ""} {
			add(t, ctx, j, entry(i, key))
		}
		epoch := lease(t, ctx, j)
		list := exactly(t, 3, due(t, ctx, j, epoch, start, 10))
		for i, want := range []bool{true, false, false} {
			more, err := j.Finish(ctx, epoch, []inbox.Outcome{{Seq: list[i].Seq}})
			ok(t, err)
			if more != want {
				t.Errorf("after entry %d there is more: %v, want %v", i, more, want)
			}
		}
		next := exactly(t, 1, due(t, ctx, j, epoch, start, 10))
		more, err := j.Finish(ctx, epoch, []inbox.Outcome{{Seq: next[0].Seq, State: inbox.Dead}})
		ok(t, err)
		if more {
			t.Error("after the last there is more")
		}
	}},
}
