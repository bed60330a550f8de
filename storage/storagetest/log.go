package storagetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
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
			r.Seq, r.Version = got.Seq, got.Version
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
	{"ids may be long", func(t *testing.T, ctx context.Context, l outbox.Log) {
		var ids []string
		for i := range 3 {
			r := outbox.Record{
				ID: long(6000, i), Object: long(6000, 10+i/2), Actor: long(6000, 20), Author: long(6000, 20), Type: "Create", Public: true,
				To: []string{long(6000, 30)}, At: start, State: outbox.Sent,
			}
			ok(t, l.AddRecord(ctx, r))
			ok(t, l.AddRecord(ctx, outbox.Record{ID: r.ID, Type: "Other"}))
			got := record(t, ctx, l, r.ID)
			equal(t, "its type", got.Type, "Create")
			equal(t, "to whom", got.To, r.To)
			got.State = outbox.Pending
			ok(t, l.SaveRecord(ctx, got))
			ids = append(ids, r.ID)
		}
		list, err := l.ObjectRecords(ctx, long(6000, 10), 10)
		ok(t, err)
		equal(t, "of one object", recordIDs(list), ids[:2])
		list, _, err = l.PublicRecords(ctx, long(6000, 20), 0, 10)
		ok(t, err)
		equal(t, "of one actor", recordIDs(list), []string{ids[2], ids[1], ids[0]})
		list, err = l.DueRecords(ctx, start, 10)
		ok(t, err)
		equal(t, "due, one of each object", recordIDs(list), []string{ids[0], ids[2]})
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
	{"saving replaces all but Seq, ID, Author, At and Trace", func(t *testing.T, ctx context.Context, l outbox.Log) {
		for _, id := range []string{"0", "1", "2"} {
			ok(t, l.AddRecord(ctx, outbox.Record{ID: id, Author: "alice", At: start, Trace: "of " + id}))
		}
		before, other := record(t, ctx, l, "1"), record(t, ctx, l, "2")
		r := fullRecord("1")
		r.ID, r.Seq, r.Author, r.At, r.Version = "1", other.Seq, "mallory", start.Add(time.Hour), before.Version
		ok(t, l.SaveRecord(ctx, r))
		after := record(t, ctx, l, "1")
		r.Seq, r.Author, r.At, r.Trace, r.Version = before.Seq, "alice", start, "of 1", after.Version
		equal(t, "record", after, r)
		equal(t, "another record", record(t, ctx, l, "2"), other)

		// And back to nothing.
		ok(t, l.SaveRecord(ctx, outbox.Record{ID: "1", Version: after.Version}))
		last := record(t, ctx, l, "1")
		equal(t, "record", last, outbox.Record{Seq: before.Seq, ID: "1", Author: "alice", At: start, Trace: "of 1", Version: last.Version})
		if before.Version >= after.Version || after.Version >= last.Version {
			t.Errorf("versions %d, %d, %d", before.Version, after.Version, last.Version)
		}
	}},
	{"who saves what somebody else has saved since is told so", func(t *testing.T, ctx context.Context, l outbox.Log) {
		ok(t, l.AddRecord(ctx, outbox.Record{ID: "1", Version: 7})) // it is for the log to say
		first := record(t, ctx, l, "1")
		var mu sync.Mutex
		saved := 0
		atOnce(10, func(i int) {
			mine := first
			mine.Attempts = i + 1
			err := l.SaveRecord(ctx, mine)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				saved++
			case !errors.Is(err, outbox.ErrStale):
				t.Errorf("save %d: %v, want ErrStale", i, err)
			}
		})
		equal(t, "saves that took place", saved, 1)
		now := record(t, ctx, l, "1")
		for range 2 {
			want(t, "save", l.SaveRecord(ctx, first), outbox.ErrStale)
		}
		equal(t, "record", record(t, ctx, l, "1"), now)
		ok(t, l.SaveRecord(ctx, now))
	}},
	{"records are removed all together, and only before they were composed", func(t *testing.T, ctx context.Context, l outbox.Log) {
		for _, r := range []outbox.Record{
			{ID: "1"}, {ID: "2"}, {ID: "3"}, {ID: "composed", Actor: "a"}, {ID: "sent", State: outbox.Sent}, {ID: "partly", State: outbox.Partly}, {ID: "failed", State: outbox.Failed},
		} {
			r.Object = "o"
			ok(t, l.AddRecord(ctx, r))
		}
		removed := func(want bool, ids ...string) {
			t.Helper()
			got, err := l.RemoveRecords(ctx, ids)
			ok(t, err)
			equal(t, fmt.Sprintf("%q were removed", ids), got, want)
		}
		for _, stays := range []string{"composed", "sent", "partly", "failed", "unknown"} {
			removed(false, "1", stays)
			removed(false, stays, "1")
		}
		removed(false)
		removed(true, "3", "1")
		removed(false, "1", "2")
		list, err := l.ObjectRecords(ctx, "o", 10)
		ok(t, err)
		equal(t, "what is left", recordIDs(list), []string{"2", "composed", "sent", "partly", "failed"})
		dueAre(t, ctx, l, start, 10, "2", "partly")
		_, err = l.Record(ctx, "1")
		want(t, "record", err, outbox.ErrUnknown)
		want(t, "save", l.SaveRecord(ctx, outbox.Record{ID: "1"}), outbox.ErrUnknown)
		ok(t, l.AddRecord(ctx, outbox.Record{ID: "1", Object: "o"})) // said anew
		if r := record(t, ctx, l, "1"); r.Seq <= list[len(list)-1].Seq {
			t.Errorf("Seq %d after %d", r.Seq, list[len(list)-1].Seq)
		}
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
		save(t, ctx, l, outbox.Record{ID: "1", Object: "object 1", State: outbox.Sent})
		save(t, ctx, l, outbox.Record{ID: "2", Object: "object 2"})
		dueAre(t, ctx, l, start, 10, "2", "3")
	}},
	{"records about one object are due in order", func(t *testing.T, ctx context.Context, l outbox.Log) {
		for i, object := range []string{"o", "o", "", "", "p", "o"} {
			ok(t, l.AddRecord(ctx, outbox.Record{ID: fmt.Sprint(i), Object: object}))
		}
		dueAre(t, ctx, l, start, 10, "0", "2", "3", "4")
		save(t, ctx, l, outbox.Record{ID: "0", Object: "o", NotBefore: start.Add(time.Hour)})
		dueAre(t, ctx, l, start, 10, "2", "3", "4")
		save(t, ctx, l, outbox.Record{ID: "0", Object: "o", State: outbox.Sent})
		dueAre(t, ctx, l, start, 10, "1", "2", "3", "4")
		save(t, ctx, l, outbox.Record{ID: "1", Object: "o", State: outbox.Failed})
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
		save(t, ctx, l, outbox.Record{ID: "1", Object: "o", State: outbox.Partly, NotBefore: start.Add(time.Hour)})
		dueAre(t, ctx, l, start, 10, "2", "3")
		save(t, ctx, l, outbox.Record{ID: "2", Object: "o", State: outbox.Sent})
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
	{"records that are past are listed and forgotten, and no others", func(t *testing.T, ctx context.Context, l outbox.Log) {
		addPast(t, ctx, l)
		for _, c := range []struct {
			now   time.Time
			limit int
			ids   []string
		}{
			{start, 9, []string{"first"}},
			{start.Add(time.Second), 9, []string{"first", "late", "later", "held"}},
			{start.Add(time.Second), 2, []string{"first", "late"}},
			{start.Add(time.Second), 0, nil},
			{start.Add(time.Second - time.Microsecond), 9, []string{"first"}},
			{start.Add(-time.Microsecond), 9, nil},
		} {
			list, err := l.PastRecords(ctx, c.now, c.limit)
			ok(t, err)
			equal(t, fmt.Sprintf("at most %d past at %v", c.limit, c.now), recordIDs(list), c.ids)
		}
		all := []string{"later", "late", "first", "held", "for ever", "pending", "partly", "young", "none"}
		ok(t, l.ForgetRecords(ctx, all[1:2], start)) // not yet
		equal(t, "what is not past", record(t, ctx, l, "late").ID, "late")
		ok(t, l.ForgetRecords(ctx, nil, start.Add(time.Second)))
		ok(t, l.ForgetRecords(ctx, all, start.Add(time.Second)))
		list, err := l.ObjectRecords(ctx, "o", 20)
		ok(t, err)
		equal(t, "left", recordIDs(list), []string{"for ever", "pending", "partly", "young"})
		_, err = l.Record(ctx, "late")
		want(t, "record", err, outbox.ErrUnknown)
		ok(t, l.AddRecord(ctx, outbox.Record{ID: "late", Object: "o"})) // said anew
		equal(t, "State", record(t, ctx, l, "late").State, outbox.Pending)
	}},
	{"how long a record is kept is as it was saved last", func(t *testing.T, ctx context.Context, l outbox.Log) {
		addPast(t, ctx, l)
		for id, until := range map[string]time.Time{"first": {}, "late": start.Add(time.Hour), "for ever": start} {
			save(t, ctx, l, outbox.Record{ID: id, Object: "o", State: outbox.Sent, Until: until})
		}
		save(t, ctx, l, outbox.Record{ID: "held", Object: "o", State: outbox.Pending, Until: start}) // it is to be said after all
		save(t, ctx, l, outbox.Record{ID: "partly", Object: "o", State: outbox.Failed, Until: start})
		list, err := l.PastRecords(ctx, start.Add(time.Second), 9)
		ok(t, err)
		equal(t, "past", recordIDs(list), []string{"for ever", "partly", "later"})
		ok(t, l.ForgetRecords(ctx, []string{"first", "late", "held"}, start.Add(time.Second)))
		for _, id := range []string{"first", "late", "held"} {
			equal(t, "kept", record(t, ctx, l, id).ID, id)
		}
	}},
	{"what is given and returned is the caller's", func(t *testing.T, ctx context.Context, l outbox.Log) {
		spoil := func(r outbox.Record) {
			r.Activity[0], r.To[0], r.Waiting[0], r.Targets[0].Inbox, r.Except[0] = 'X', "X", "X", "X", "X"
		}
		r := fullRecord("1")
		ok(t, l.AddRecord(ctx, r))
		spoil(r)
		wanted := fullRecord("1")
		wanted.Seq, wanted.Version = record(t, ctx, l, r.ID).Seq, record(t, ctx, l, r.ID).Version
		equal(t, "after the one that was added is changed", record(t, ctx, l, r.ID), wanted)
		r = fullRecord("1")
		r.Version = wanted.Version
		ok(t, l.SaveRecord(ctx, r))
		spoil(r)
		wanted.Version = record(t, ctx, l, r.ID).Version
		equal(t, "after the one that was saved is changed", record(t, ctx, l, r.ID), wanted)
		spoil(record(t, ctx, l, r.ID))
		equal(t, "after the one that came back is changed", record(t, ctx, l, r.ID), wanted)
		list, err := l.ObjectRecords(ctx, r.Object, 1)
		ok(t, err)
		spoil(exactly(t, 1, list)[0])
		equal(t, "after one of a list is changed", record(t, ctx, l, r.ID), wanted)
	}},
}

// addPast adds what PastRecords tells apart.
func addPast(t *testing.T, ctx context.Context, l outbox.Log) {
	t.Helper()
	second := start.Add(time.Second)
	for _, r := range []outbox.Record{
		{ID: "for ever", State: outbox.Sent},
		{ID: "pending", State: outbox.Pending, Until: start},
		{ID: "partly", State: outbox.Partly, Until: start},
		{ID: "young", State: outbox.Sent, Until: second.Add(time.Microsecond)},
		{ID: "late", State: outbox.Sent, Until: second},
		{ID: "later", State: outbox.Failed, Until: second},
		{ID: "first", State: outbox.Sent, Until: start},
		{ID: "held", State: outbox.Held, Until: second},
	} {
		r.Object = "o"
		ok(t, l.AddRecord(ctx, r))
	}
}

func fullRecord(suffix string) outbox.Record {
	return outbox.Record{
		ID: odd + suffix, Type: odd + "type", Object: odd + "object", Author: odd + "author", Actor: odd + "actor",
		Activity: oddBytes(), At: start, Public: true, Followers: true, To: []string{odd, "", "https://a.example/"}, Except: []string{odd, "a.example:8443"},
		State: outbox.Failed, Pass: 7, Waiting: []string{odd, "w"},
		Targets:  []outbox.Target{{Inbox: odd, SharedInbox: "s"}, {}},
		Attempts: 3, NotBefore: start.Add(time.Microsecond), LastError: odd, Until: start.Add(time.Hour), Trace: odd + "trace",
	}
}

func record(t *testing.T, ctx context.Context, l outbox.Log, id string) outbox.Record {
	t.Helper()
	r, err := l.Record(ctx, id)
	ok(t, err)
	r.Activity, r.To, r.Waiting, r.Targets = some(r.Activity), some(r.To), some(r.Waiting), some(r.Targets)
	r.Except = some(r.Except)
	r.At, r.NotBefore, r.Until = r.At.UTC(), r.NotBefore.UTC(), r.Until.UTC()
	return r
}

// save replaces the record with r.ID, whatever its Version.
func save(t *testing.T, ctx context.Context, l outbox.Log, r outbox.Record) {
	t.Helper()
	r.Version = record(t, ctx, l, r.ID).Version
	ok(t, l.SaveRecord(ctx, r))
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
