package storagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/fedihook/fedihook/delivery"
)

var queueLog = []queueCheck{
	{"names of two kilobytes are kept", func(q *queue) { // Enqueue takes no longer ones
		for i := range 2 {
			r := q.record(long(2047, i))
			r.Key, r.Sender = long(2047, 5), long(2047, 6)
			to := "https://a.example/" + long(2029, i)
			a, err := q.st.Append(q.ctx, delivery.Addition{Record: r, Inboxes: []string{to}})
			q.must(err)
			again, err := q.st.Append(q.ctx, delivery.Addition{Record: r, Inboxes: []string{to}})
			q.must(err)
			if !again.Duplicate || again.Seq != a.Seq {
				q.Errorf("appended again: %+v after %+v", again, a)
			}
			q.left(q.all()[i], to)
		}
		if c, err := q.st.Cancel(q.ctx, long(2047, 5), q.now); err != nil || c.Targets != 2 {
			q.Errorf("Cancel: %+v, %v", c, err)
		}
	}},
	{"what is appended is loaded", func(q *queue) {
		r := q.record("https://here.example/1")
		a, err := q.st.Append(q.ctx, delivery.Addition{Record: r, Inboxes: urls(3), Max: delivery.Limit{}})
		q.must(err)
		p := q.one()
		if p.Seq != a.Seq || a.Seq <= 0 || a.Targets != 3 || a.Duplicate {
			q.Errorf("Append returned %+v, Load has Seq %d", a, p.Seq)
		}
		if p.ID != r.ID || p.Sender != r.Sender || p.Key != r.Key || p.Class != r.Class || p.ContentType != r.ContentType ||
			!p.Created.Equal(r.Created) || !p.NotBefore.Equal(r.NotBefore) || !p.Expires.Equal(r.Expires) || p.Trace != r.Trace {
			q.Errorf("appended %+v, loaded %+v", r, p.Record)
		}
		if p.Body != nil || p.Other != nil {
			q.Error("Load returned a body")
		}
		q.left(p, urls(3)...)
		for i, t := range p.Targets {
			if t.Inbox <= 0 || i > 0 && t.Inbox <= p.Targets[i-1].Inbox {
				q.Errorf("inbox numbers do not ascend from 1: %+v", p.Targets)
			}
			if t.Attempts != 0 || !t.Next.IsZero() || t.Status != 0 || t.Err != "" {
				q.Errorf("a target that was not put off has %+v", t)
			}
		}
		body, err := q.st.Body(q.ctx, p.Seq)
		q.must(err)
		if !bytes.Equal(body.Body, r.Body) {
			q.Errorf("body is %q, want %q", body.Body, r.Body)
		}
	}},
	{"times are kept to the millisecond and zero stays zero", func(q *queue) {
		r := q.record("1")
		r.Created, r.NotBefore = q.now.Add(1234567*time.Nanosecond), time.Time{}
		_, err := q.st.Append(q.ctx, delivery.Addition{Record: r, Inboxes: urls(1), Max: delivery.Limit{}})
		q.must(err)
		p := q.one()
		if want := q.now.Add(time.Millisecond); !p.Created.Equal(want) {
			q.Errorf("Created is %v, want %v", p.Created, want)
		}
		if !p.NotBefore.IsZero() {
			q.Errorf("NotBefore is %v, want zero", p.NotBefore)
		}
	}},
	{"an ID that is held is left as it is", func(q *queue) {
		seq := q.add("1", 2)
		r := q.record("1")
		r.Body = []byte("other")
		a, err := q.st.Append(q.ctx, delivery.Addition{Record: r, Inboxes: urls(5), Max: delivery.Limit{}})
		q.must(err)
		if !a.Duplicate || a.Seq != seq || a.Targets != 2 {
			q.Errorf("Append of the same ID returned %+v", a)
		}
		q.left(q.one(), urls(2)...)
		body, err := q.st.Body(q.ctx, seq)
		q.must(err)
		if string(body.Body) == "other" {
			q.Error("the body was replaced")
		}
	}},
	{"an ID that was settled is remembered until it is forgotten", func(q *queue) {
		seq := q.add("1", 1)
		q.lease()
		q.ack(q.one(), urls(1)...)
		q.must(q.st.Forget(q.ctx, delivery.Forget{Finished: q.now})) // not before now
		a, err := q.st.Append(q.ctx, delivery.Addition{Record: q.record("1"), Inboxes: urls(1), Max: delivery.Limit{}})
		q.must(err)
		if !a.Duplicate || a.Seq != seq || a.Targets != 1 {
			q.Errorf("Append of a settled ID returned %+v", a)
		}
		if len(q.all()) != 0 {
			q.Error("a settled ID was added again")
		}
		q.must(q.st.Forget(q.ctx, delivery.Forget{Finished: q.now.Add(time.Millisecond)}))
		if again := q.add("1", 1); again <= seq {
			q.Errorf("Seq went from %d back to %d", seq, again)
		}
	}},
	{"an ID that is held is not forgotten", func(q *queue) {
		q.add("1", 1)
		q.must(q.st.Forget(q.ctx, delivery.Forget{Finished: q.now.Add(time.Hour)}))
		a, err := q.st.Append(q.ctx, delivery.Addition{Record: q.record("1"), Inboxes: urls(1), Max: delivery.Limit{}})
		q.must(err)
		if !a.Duplicate {
			q.Error("an ID that still has targets was forgotten")
		}
	}},
	{"one URL has one number", func(q *queue) {
		q.add("1", 4)
		q.add("2", 3)
		all := q.all()
		if len(all) != 2 {
			q.Fatalf("%d records, want 2", len(all))
		}
		first, second := inboxes(all[0]), inboxes(all[1])
		for url, id := range second {
			if first[url] != id {
				q.Errorf("%s is %d and %d", url, first[url], id)
			}
		}
		q.left(all[1], urls(3)...)
	}},
	{"Load pages by targets, in order", func(q *queue) {
		var want []int64
		for i := range 20 {
			want = append(want, q.add(fmt.Sprint(i), i%5+1))
		}
		for _, limit := range []int{1, 2, 7, 1000} {
			page := q.load(delivery.Query{Limit: limit}).Records
			if len(page) == 0 {
				q.Fatalf("Load with limit %d returned nothing", limit)
			}
			n := 0
			for _, p := range page[:len(page)-1] {
				n += len(p.Targets)
			}
			if n >= limit {
				q.Errorf("Load with limit %d went on after %d targets", limit, n)
			}
			var got []int64
			for _, p := range q.pages(limit) {
				got = append(got, p.Seq)
			}
			if !slices.Equal(got, want) {
				q.Errorf("with limit %d got records %v, want %v", limit, got, want)
			}
		}
	}},
	{"a reader misses no record while many are appended", func(q *queue) {
		const writers, each = 4, 25
		var wg sync.WaitGroup
		stop := make(chan struct{})
		for w := range writers {
			wg.Go(func() {
				for i := range each {
					if _, err := q.st.Append(q.ctx, delivery.Addition{Record: q.record(fmt.Sprintf("%d-%d", w, i)), Inboxes: urls(1), Max: delivery.Limit{}}); err != nil {
						q.Errorf("Append beside others: %v", err)
						return
					}
				}
			})
		}
		go func() { wg.Wait(); close(stop) }()
		seen := make(map[string]bool)
		after, last := int64(0), false
		for {
			page := q.load(delivery.Query{After: after, Limit: 10})
			for _, p := range page.Records {
				if seen[p.ID] {
					q.Errorf("%s was loaded twice", p.ID)
				}
				seen[p.ID] = true
			}
			if after = page.Through; len(page.Records) == 0 && last {
				break
			}
			select {
			case <-stop:
				last = true
			default:
			}
		}
		if len(seen) != writers*each {
			q.Errorf("%d of %d records were loaded", len(seen), writers*each)
		}
	}},
	{"many who append one ID add it once", func(q *queue) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		fresh := 0
		for range 8 {
			wg.Go(func() {
				a, err := q.st.Append(q.ctx, delivery.Addition{Record: q.record("1"), Inboxes: urls(2), Max: delivery.Limit{}})
				if err != nil {
					q.Errorf("Append beside others: %v", err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				if !a.Duplicate {
					fresh++
				}
			})
		}
		wg.Wait()
		if fresh != 1 {
			q.Errorf("%d of 8 were told that they had added it", fresh)
		}
		q.left(q.one(), urls(2)...)
	}},
	{"the backlog is bounded by targets and by bytes", func(q *queue) {
		q.lease()
		r := q.record("1")
		r.Body = make([]byte, 100)
		_, err := q.st.Append(q.ctx, delivery.Addition{Record: r, Inboxes: urls(3), Max: delivery.Limit{Targets: 3, Bytes: 100}})
		q.must(err) // exactly at both limits
		r.ID = "2"
		for name, limit := range map[string]delivery.Limit{"targets": {Targets: 3}, "bytes": {Bytes: 199}} {
			if _, err := q.st.Append(q.ctx, delivery.Addition{Record: r, Inboxes: urls(1), Max: limit}); !errors.Is(err, delivery.ErrBacklog) {
				q.Errorf("Append over the limit of %s returned %v", name, err)
			}
		}
		if a, err := q.st.Append(q.ctx, delivery.Addition{Record: q.record("1"), Inboxes: urls(1), Max: delivery.Limit{Targets: 1}}); err != nil || !a.Duplicate {
			q.Errorf("a duplicate in a full queue returned %+v, %v", a, err)
		}
		q.left(q.one(), urls(3)...)
		// A settled target makes room for another, a finished record for its body.
		q.ack(q.one(), urls(1)...)
		if _, err := q.st.Append(q.ctx, delivery.Addition{Record: r, Inboxes: urls(1), Max: delivery.Limit{Targets: 3, Bytes: 199}}); !errors.Is(err, delivery.ErrBacklog) {
			q.Errorf("a body counted no longer, though its record has targets: %v", err)
		}
		q.ack(q.one(), urls(3)[1:]...)
		_, err = q.st.Append(q.ctx, delivery.Addition{Record: r, Inboxes: urls(3), Max: delivery.Limit{Targets: 3, Bytes: 100}})
		q.must(err)
		_, err = q.st.Cancel(q.ctx, r.Key, q.now)
		q.must(err)
		r.ID = "3"
		_, err = q.st.Append(q.ctx, delivery.Addition{Record: r, Inboxes: urls(3), Max: delivery.Limit{Targets: 3, Bytes: 100}})
		q.must(err)
	}},
	{"a cancelled context changes nothing", func(q *queue) {
		q.add("1", 1)
		q.lease()
		p := q.one()
		ctx, cancel := context.WithCancel(q.ctx)
		cancel()
		if _, err := q.st.Append(ctx, delivery.Addition{Record: q.record("2"), Inboxes: urls(1), Max: delivery.Limit{}}); err == nil {
			q.Error("Append succeeded")
		}
		if _, err := q.st.Flush(ctx, q.epoch, delivery.Flush{Acks: []delivery.Ack{{Seq: p.Seq, Done: []int64{p.Targets[0].Inbox}}}}); err == nil {
			q.Error("Flush succeeded")
		}
		q.left(q.one(), urls(1)...)
	}},
	{"slices are the store's or the caller's, not both", func(q *queue) {
		r, to := q.record("1"), urls(2)
		want := string(r.Body)
		a, err := q.st.Append(q.ctx, delivery.Addition{Record: r, Inboxes: to, Max: delivery.Limit{}})
		q.must(err)
		clear(r.Body)
		to[0] = "https://other.example/"
		body, err := q.st.Body(q.ctx, a.Seq)
		q.must(err)
		if string(body.Body) != want {
			q.Error("the store keeps the caller's body")
		}
		clear(body.Body)
		if body, err = q.st.Body(q.ctx, a.Seq); err != nil || string(body.Body) != want {
			q.Errorf("the store returned its own body: %q, %v", body.Body, err)
		}
		page := q.load(delivery.Query{Limit: 1})
		clear(page.Records[0].Targets)
		q.left(q.one(), urls(2)...)
	}},
	{"Body of what is not there is unknown", func(q *queue) {
		seq := q.add("1", 1)
		if _, err := q.st.Body(q.ctx, seq+1); !errors.Is(err, delivery.ErrUnknown) {
			q.Errorf("got %v", err)
		}
		q.lease()
		q.ack(q.one(), urls(1)...)
		if _, err := q.st.Body(q.ctx, seq); !errors.Is(err, delivery.ErrUnknown) {
			q.Errorf("of a settled record: got %v", err)
		}
	}},
	{"a key is cancelled and no other", func(q *queue) {
		q.lease()
		for i, key := range []string{"k", "other", "k", ""} {
			r := q.record(fmt.Sprint(i))
			r.Key, r.NotBefore = key, time.Time{}
			_, err := q.st.Append(q.ctx, delivery.Addition{Record: r, Inboxes: urls(3), Max: delivery.Limit{}})
			q.must(err)
		}
		all := q.all()
		q.ack(all[0], urls(2)...)
		q.flush(delivery.Flush{Defers: []delivery.Deferral{{Seq: all[2].Seq, Inbox: all[2].Targets[0].Inbox, Attempts: 1, Next: q.now}}})
		c, err := q.st.Cancel(q.ctx, "k", q.now)
		q.must(err)
		if !slices.Equal(c.Seqs, []int64{all[0].Seq, all[2].Seq}) || c.Targets != 4 {
			q.Errorf("Cancel returned %+v, want records %d and %d with 4 targets", c, all[0].Seq, all[2].Seq)
		}
		rest := q.all()
		if len(rest) != 2 || rest[0].ID != "1" || rest[1].ID != "3" {
			q.Errorf("left are %+v", rest)
		}
		q.status("0", delivery.Status{Targets: 3, Delivered: 2, Cancelled: 1, Created: q.now, Finished: q.now})
		q.status("2", delivery.Status{Targets: 3, Cancelled: 3, Created: q.now, Finished: q.now})
		gone, err := q.st.Flush(q.ctx, q.epoch, delivery.Flush{
			Now:    q.now,
			Acks:   []delivery.Ack{{Seq: all[0].Seq, Done: []int64{all[0].Targets[2].Inbox}}, {Seq: all[1].Seq, Done: []int64{inboxes(all[1])[urls(1)[0]]}}},
			Defers: []delivery.Deferral{{Seq: all[2].Seq, Inbox: all[2].Targets[0].Inbox, Attempts: 2, Next: q.now}},
		})
		q.must(err)
		if !slices.Equal(gone, []int64{all[0].Seq, all[2].Seq}) {
			q.Errorf("Flush says that %v are gone", gone)
		}
		q.left(q.all()[0], urls(3)[1:]...)
		if a, err := q.st.Append(q.ctx, delivery.Addition{Record: q.record("0"), Inboxes: urls(1), Max: delivery.Limit{}}); err != nil || !a.Duplicate {
			q.Errorf("a cancelled ID was taken again: %+v, %v", a, err)
		}
		if c, err := q.st.Cancel(q.ctx, "k", q.now); err != nil || len(c.Seqs) != 0 || c.Targets != 0 {
			q.Errorf("a second Cancel returned %+v, %v", c, err)
		}
	}},
}
