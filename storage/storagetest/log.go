package storagetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/fedihook/fedihook/outbox"
)

// RunLog checks the contract of [outbox.Log]. Open returns an empty store, which no other check uses.
func RunLog(t *testing.T, open func(t *testing.T) outbox.Log) {
	t.Helper()
	run(t, open, logChecks)
}

var logChecks = []check[outbox.Log]{
	{"a record comes back as it was added", func(t *testing.T, ctx context.Context, l outbox.Log) {
		for _, r := range []outbox.Record{fullRecord("1"), {ID: "zero"}, {}} {
			ok(t, l.AddRecord(ctx, r))
			got := record(t, ctx, l, r.ID)
			if got.Seq <= 0 {
				t.Errorf("Seq is %d", got.Seq)
			}
			r.Seq = got.Seq
			equal(t, "record", got, r)
		}
	}},
	{"a record of the same id is left as it is", func(t *testing.T, ctx context.Context, l outbox.Log) {
		ok(t, l.AddRecord(ctx, fullRecord("1")))
		first := record(t, ctx, l, fullRecord("1").ID)
		ok(t, l.AddRecord(ctx, outbox.Record{ID: first.ID, Type: "Other", State: outbox.Failed}))
		equal(t, "record", record(t, ctx, l, first.ID), first)
		list, err := l.ObjectRecords(ctx, first.Object, 10)
		ok(t, err)
		equal(t, "ids", recordIDs(list), []string{first.ID})
	}},
	{"of ten simultaneous records of an id one is kept", func(t *testing.T, ctx context.Context, l outbox.Log) {
		atOnce(10, func(i int) {
			if err := l.AddRecord(ctx, outbox.Record{ID: "1", Object: "o", Attempts: i}); err != nil {
				t.Error(err)
			}
		})
		list, err := l.ObjectRecords(ctx, "o", 20)
		ok(t, err)
		equal(t, "ids", recordIDs(list), []string{"1"})
		equal(t, "record", record(t, ctx, l, "1").Attempts, list[0].Attempts)
	}},
	{"saving replaces all but Seq, ID, Author and At", func(t *testing.T, ctx context.Context, l outbox.Log) {
		for _, id := range []string{"0", "1", "2"} {
			ok(t, l.AddRecord(ctx, outbox.Record{ID: id, Author: "alice", At: start}))
		}
		before, other := record(t, ctx, l, "1"), record(t, ctx, l, "2")
		r := fullRecord("1")
		r.ID, r.Seq, r.Author, r.At = "1", other.Seq, "mallory", start.Add(time.Hour)
		ok(t, l.SaveRecord(ctx, r))
		r.Seq, r.Author, r.At = before.Seq, "alice", start
		equal(t, "record", record(t, ctx, l, "1"), r)
		equal(t, "another record", record(t, ctx, l, "2"), other)

		// And back to nothing.
		ok(t, l.SaveRecord(ctx, outbox.Record{ID: "1"}))
		equal(t, "record", record(t, ctx, l, "1"), outbox.Record{Seq: before.Seq, ID: "1", Author: "alice", At: start})
	}},
	{"what was never added is unknown", func(t *testing.T, ctx context.Context, l outbox.Log) {
		ok(t, l.AddRecord(ctx, outbox.Record{ID: "1"}))
		for range 2 {
			_, err := l.Record(ctx, "2")
			want(t, "record", err, outbox.ErrUnknown)
			want(t, "save", l.SaveRecord(ctx, outbox.Record{ID: "2"}), outbox.ErrUnknown)
		}
		list, err := l.ObjectRecords(ctx, "2", 10)
		ok(t, err)
		equal(t, "about it", recordIDs(list), nil)
	}},
	{"the records about an object are listed, the oldest first", func(t *testing.T, ctx context.Context, l outbox.Log) {
		for i, object := range []string{"o", "p", "o", odd, "o", "O", "o "} {
			ok(t, l.AddRecord(ctx, outbox.Record{ID: fmt.Sprint(i), Object: object, State: outbox.State(i % 3)}))
		}
		for _, c := range []struct {
			object string
			limit  int
			ids    []string
		}{
			{"o", 10, []string{"0", "2", "4"}}, {"o", 2, []string{"0", "2"}}, {odd, 10, []string{"3"}}, {"none", 10, nil},
		} {
			list, err := l.ObjectRecords(ctx, c.object, c.limit)
			ok(t, err)
			equal(t, fmt.Sprintf("at most %d about %q", c.limit, c.object), recordIDs(list), c.ids)
		}
		r := record(t, ctx, l, "1")
		r.Object = "o"
		ok(t, l.SaveRecord(ctx, r))
		list, err := l.ObjectRecords(ctx, "o", 10)
		ok(t, err)
		equal(t, "after another was saved", recordIDs(list), []string{"0", "1", "2", "4"})
	}},
	{"pending records are due at their time, the oldest first", func(t *testing.T, ctx context.Context, l outbox.Log) {
		for i, r := range []outbox.Record{
			{NotBefore: start.Add(time.Minute)},
			{},
			{State: outbox.Sent},
			{NotBefore: start},
			{State: outbox.Failed},
			{NotBefore: start.Add(time.Microsecond)},
		} {
			r.ID, r.Object = fmt.Sprint(i), fmt.Sprint("object ", i)
			ok(t, l.AddRecord(ctx, r))
		}
		dueAre(t, ctx, l, start, 10, "1", "3")
		dueAre(t, ctx, l, start, 1, "1")
		dueAre(t, ctx, l, start.Add(time.Minute), 10, "0", "1", "3", "5")
		dueAre(t, ctx, l, start.Add(time.Minute), 3, "0", "1", "3")
		ok(t, l.SaveRecord(ctx, outbox.Record{ID: "1", Object: "object 1", State: outbox.Sent}))
		ok(t, l.SaveRecord(ctx, outbox.Record{ID: "2", Object: "object 2"}))
		dueAre(t, ctx, l, start, 10, "2", "3")
	}},
	{"records about one object are due in order", func(t *testing.T, ctx context.Context, l outbox.Log) {
		for i, object := range []string{"o", "o", "", "", "p", "o"} {
			ok(t, l.AddRecord(ctx, outbox.Record{ID: fmt.Sprint(i), Object: object}))
		}
		dueAre(t, ctx, l, start, 10, "0", "2", "3", "4")
		ok(t, l.SaveRecord(ctx, outbox.Record{ID: "0", Object: "o", NotBefore: start.Add(time.Hour)}))
		dueAre(t, ctx, l, start, 10, "2", "3", "4")
		ok(t, l.SaveRecord(ctx, outbox.Record{ID: "0", Object: "o", State: outbox.Sent}))
		dueAre(t, ctx, l, start, 10, "1", "2", "3", "4")
		ok(t, l.SaveRecord(ctx, outbox.Record{ID: "1", Object: "o", State: outbox.Failed}))
		dueAre(t, ctx, l, start, 10, "2", "3", "4", "5")
	}},
	{"what is partly sent is due at its time, holds up nothing and waits for nothing", func(t *testing.T, ctx context.Context, l outbox.Log) {
		for i, r := range []outbox.Record{
			{State: outbox.Partly, NotBefore: start.Add(time.Minute)},
			{},
			{State: outbox.Partly},
			{},
		} {
			r.ID, r.Object = fmt.Sprint(i), "o"
			ok(t, l.AddRecord(ctx, r))
		}
		dueAre(t, ctx, l, start, 10, "1", "2")
		dueAre(t, ctx, l, start.Add(time.Minute), 10, "0", "1", "2")
		ok(t, l.SaveRecord(ctx, outbox.Record{ID: "1", Object: "o", State: outbox.Partly, NotBefore: start.Add(time.Hour)}))
		dueAre(t, ctx, l, start, 10, "2", "3")
		ok(t, l.SaveRecord(ctx, outbox.Record{ID: "2", Object: "o", State: outbox.Sent}))
		dueAre(t, ctx, l, start, 10, "3")
	}},
	{"an actor's public posts are listed and counted, the newest first", func(t *testing.T, ctx context.Context, l outbox.Log) {
		for i, r := range []outbox.Record{
			{Actor: "a", Type: "Create", Public: true},
			{Actor: "a", Type: "Create"},
			{Actor: "b", Type: "Create", Public: true},
			{Actor: "a", Type: "Announce", Public: true, State: outbox.Sent},
			{Actor: "a", Type: "Like", Public: true},
			{Actor: "", Author: "a", Type: "Create", Public: true},
			{Actor: "a", Type: "Create", Public: true, Followers: true},
		} {
			r.ID = fmt.Sprint(i)
			ok(t, l.AddRecord(ctx, r))
		}
		for _, c := range []struct {
			actor  string
			before string // the id of a record
			limit  int
			total  int64
			ids    []string
		}{
			{"a", "", 10, 3, []string{"6", "3", "0"}},
			{"a", "", 2, 3, []string{"6", "3"}},
			{"a", "3", 2, 3, []string{"0"}},
			{"a", "0", 2, 3, nil},
			{"b", "", 2, 1, []string{"2"}},
			{"c", "", 2, 0, nil},
		} {
			var before int64
			if c.before != "" {
				before = record(t, ctx, l, c.before).Seq
			}
			list, total, err := l.PublicRecords(ctx, c.actor, before, c.limit)
			ok(t, err)
			what := fmt.Sprintf("at most %d of %s before %q", c.limit, c.actor, c.before)
			equal(t, what, recordIDs(list), c.ids)
			equal(t, what+", total", total, c.total)
		}
	}},
	{"what is given and returned is the caller's", func(t *testing.T, ctx context.Context, l outbox.Log) {
		spoil := func(r outbox.Record) {
			r.Activity[0], r.To[0], r.Waiting[0], r.Targets[0].Inbox = 'X', "X", "X", "X"
		}
		r := fullRecord("1")
		ok(t, l.AddRecord(ctx, r))
		spoil(r)
		wanted := fullRecord("1")
		wanted.Seq = record(t, ctx, l, r.ID).Seq
		equal(t, "after the one that was added is changed", record(t, ctx, l, r.ID), wanted)
		r = fullRecord("1")
		ok(t, l.SaveRecord(ctx, r))
		spoil(r)
		equal(t, "after the one that was saved is changed", record(t, ctx, l, r.ID), wanted)
		spoil(record(t, ctx, l, r.ID))
		equal(t, "after the one that came back is changed", record(t, ctx, l, r.ID), wanted)
		list, err := l.ObjectRecords(ctx, r.Object, 1)
		ok(t, err)
		spoil(exactly(t, 1, list)[0])
		equal(t, "after one of a list is changed", record(t, ctx, l, r.ID), wanted)
	}},
}

func fullRecord(suffix string) outbox.Record {
	return outbox.Record{
		ID: odd + suffix, Type: odd + "type", Object: odd + "object", Author: odd + "author", Actor: odd + "actor",
		Activity: oddBytes(), At: start, Public: true, Followers: true, To: []string{odd, "", "https://a.example/"},
		State: outbox.Failed, Pass: 7, Waiting: []string{odd, "w"},
		Targets:  []outbox.Target{{Inbox: odd, SharedInbox: "s"}, {}},
		Attempts: 3, NotBefore: start.Add(time.Microsecond), LastError: odd,
	}
}

func record(t *testing.T, ctx context.Context, l outbox.Log, id string) outbox.Record {
	t.Helper()
	r, err := l.Record(ctx, id)
	ok(t, err)
	r.Activity, r.To, r.Waiting, r.Targets = some(r.Activity), some(r.To), some(r.Waiting), some(r.Targets)
	r.At, r.NotBefore = r.At.UTC(), r.NotBefore.UTC()
	return r
}

func dueAre(t *testing.T, ctx context.Context, l outbox.Log, now time.Time, limit int, ids ...string) {
	t.Helper()
	list, err := l.DueRecords(ctx, now, limit)
	ok(t, err)
	equal(t, fmt.Sprintf("at most %d due at %v", limit, now), recordIDs(list), ids)
}

func recordIDs(list []outbox.Record) []string {
	var ids []string
	for _, r := range list {
		ids = append(ids, r.ID)
	}
	return ids
}
