package storagetest

import (
	"errors"
	"slices"
	"time"

	"github.com/fedihook/fedihook/delivery"
)

// extend appends a record that supersedes, made by change.
func (q *queue) extend(id string, inboxes []string, tried map[int64][]int64, change func(*delivery.Record)) delivery.Appended {
	q.Helper()
	r := q.record(id)
	r.Key, r.NotBefore = "k", time.Time{}
	if change != nil {
		change(&r)
	}
	a, err := q.st.Append(q.ctx, delivery.Addition{Record: r, Inboxes: inboxes, Tried: tried, Sure: delivery.AllShards, Epoch: q.epoch})
	q.must(err)
	return a
}

func updates(r *delivery.Record) { r.Supersedes = delivery.SupersedeUpdates }
func all(r *delivery.Record)     { r.Supersedes = delivery.SupersedeAll }

var queueSupersede = []queueCheck{
	{"an update takes the place of an update where both go", func(q *queue) {
		u := urls(4)
		q.extend("create", u, nil, nil)
		first := q.extend("one", u, nil, updates)
		q.lease()
		q.ack(q.all()[1], u[0])
		a := q.extend("two", u[:3], nil, updates)
		if a.Superseded != 2 || len(a.Cancelled) != 0 || a.Targets != 3 {
			q.Errorf("Append returned %+v", a)
		}
		got := q.all()
		if len(got) != 3 {
			q.Fatalf("%d records are left, want 3", len(got))
		}
		q.left(got[0], u...)
		q.left(got[1], u[3])
		q.status("one", delivery.Status{Targets: 4, Pending: 1, Delivered: 1, Cancelled: 2, Created: q.now})
		a = q.extend("three", u, nil, updates)
		if a.Superseded != 4 || !slices.Equal(a.Cancelled, []int64{first.Seq, first.Seq + 1}) {
			q.Errorf("Append returned %+v", a)
		}
		q.status("one", delivery.Status{Targets: 4, Delivered: 1, Cancelled: 3, Created: q.now, Finished: q.now})
		q.status("create", delivery.Status{Targets: 4, Pending: 4, Created: q.now})
		// The backlog counts what is left.
		if _, err := q.st.Append(q.ctx, delivery.Addition{Record: q.record("x"), Inboxes: u[:1], Max: delivery.Limit{Targets: 8}}); !errors.Is(err, delivery.ErrBacklog) {
			q.Errorf("8 and 1 targets fit into 8: %v", err)
		}
		_, err := q.st.Append(q.ctx, delivery.Addition{Record: q.record("x"), Inboxes: u[:1], Max: delivery.Limit{Targets: 9}})
		q.must(err)
	}},
	{"a delete goes where something was settled or tried, and where it is named", func(q *queue) {
		u := urls(8)
		a := q.extend("create", u[:6], nil, nil)
		q.lease()
		p := q.one()
		ids := inboxes(p)
		q.ack(p, u[0])
		q.flush(delivery.Flush{Defers: []delivery.Deferral{{Seq: p.Seq, Inbox: ids[u[1]], Attempts: 1, Next: q.now}}})
		d := q.extend("delete", u[7:], map[int64][]int64{a.Seq: {ids[u[2]], 1 << 40}}, all)
		if d.Superseded != 5 || !slices.Equal(d.Cancelled, []int64{a.Seq}) || d.Targets != 4 {
			q.Errorf("Append returned %+v", d)
		}
		q.left(q.one(), u[0], u[1], u[2], u[7])
		q.status("create", delivery.Status{Targets: 6, Delivered: 1, Cancelled: 5, Created: q.now, Finished: q.now})
		if _, err := q.st.Body(q.ctx, a.Seq); !errors.Is(err, delivery.ErrUnknown) {
			q.Errorf("the body of what was cancelled: %v", err)
		}
	}},
	{"a delete goes to all targets of a record of which it is not known what was tried", func(q *queue) {
		u := urls(4)
		a := q.extend("create", u[:3], nil, nil)
		q.extend("other", u[:1], nil, func(r *delivery.Record) { r.Key = "other" })
		d := q.extend("delete", nil, map[int64][]int64{a.Seq + 1: {}}, all)
		if d.Targets != 3 || d.Superseded != 3 {
			q.Errorf("Append returned %+v", d)
		}
		q.status("other", delivery.Status{Targets: 1, Pending: 1, Created: q.now})
	}},
	{"what is cancelled before it begins leaves nothing", func(q *queue) {
		later := func(r *delivery.Record) { r.NotBefore = q.now.Add(time.Minute) }
		a := q.extend("create", urls(3), nil, later)
		d := q.extend("delete", nil, nil, all)
		if d.Seq != 0 || d.Targets != 0 || d.Superseded != 3 || !slices.Equal(d.Cancelled, []int64{a.Seq}) {
			q.Errorf("Append returned %+v", d)
		}
		for _, id := range []string{"create", "delete"} {
			if _, err := q.st.Status(q.ctx, id); !errors.Is(err, delivery.ErrUnknown) {
				q.Errorf("status of %s: %v", id, err)
			}
		}
		q.extend("create", urls(3), nil, later)
		if c, err := q.st.Cancel(q.ctx, "k", q.now); err != nil || c.Targets != 3 {
			q.Errorf("Cancel returned %+v, %v", c, err)
		}
		if _, err := q.st.Status(q.ctx, "create"); !errors.Is(err, delivery.ErrUnknown) {
			q.Errorf("status after Cancel: %v", err)
		}
		if len(q.all()) != 0 {
			q.Error("something is left")
		}
	}},
	{"a duplicate supersedes nothing", func(q *queue) {
		q.extend("delete", urls(1), nil, all)
		q.extend("create", urls(3), nil, nil)
		if d := q.extend("delete", urls(1), nil, all); !d.Duplicate || d.Superseded != 0 {
			q.Errorf("Append returned %+v", d)
		}
		q.status("create", delivery.Status{Targets: 3, Pending: 3, Created: q.now})
	}},
	{"where a delete must go is known after hundreds of acks", func(q *queue) {
		const n = 120
		u := urls(n)
		a := q.extend("create", u, nil, nil)
		q.lease()
		p := q.one()
		for i, t := range p.Targets[:n-1] {
			q.flush(delivery.Flush{Acks: []delivery.Ack{{Seq: p.Seq, Done: []int64{t.Inbox}, Failed: i % 2}}})
		}
		q.status("create", delivery.Status{Targets: n, Pending: 1, Failed: 59, Delivered: 60, Created: q.now})
		if d := q.extend("delete", nil, map[int64][]int64{a.Seq: nil}, all); d.Targets != n-1 || d.Superseded != 1 {
			q.Errorf("Append returned %+v", d)
		}
	}},
}

var queueRedrive = []queueCheck{
	{"other bodies are kept and counted", func(q *queue) {
		r := q.record("1")
		r.Other = []delivery.Body{{Name: "b", Bytes: []byte("second")}, {Name: "a", Bytes: []byte("first")}}
		size := int64(len(r.Body) + 11)
		a, err := q.st.Append(q.ctx, delivery.Addition{Record: r, Inboxes: urls(1), Max: delivery.Limit{Bytes: size}})
		q.must(err)
		b, err := q.st.Body(q.ctx, a.Seq)
		q.must(err)
		if string(b.Body) != string(r.Body) || len(b.Other) != 2 || b.Other[0].Name != "b" || string(b.Other[0].Bytes) != "second" ||
			b.Other[1].Name != "a" || string(b.Other[1].Bytes) != "first" {
			q.Errorf("got %+v", b)
		}
		if _, err := q.st.Append(q.ctx, delivery.Addition{Record: q.record("2"), Inboxes: urls(1), Max: delivery.Limit{Bytes: size}}); !errors.Is(err, delivery.ErrBacklog) {
			q.Errorf("a full queue took more: %v", err)
		}
	}},
	{"a few inboxes of the log are read, and how far", func(q *queue) {
		q.add("1", 3)
		last := q.add("2", 5)
		ids := inboxes(q.all()[1])
		u := urls(5)
		only := []int64{ids[u[1]], ids[u[4]]}
		slices.Sort(only)
		var got []pending
		query := delivery.Query{Limit: 1, Only: append(only, 1<<40)}
		for {
			page := q.load(query)
			got = append(got, q.named(page)...)
			if !page.More {
				break
			}
			if page.Through <= query.After {
				q.Fatalf("Load after %d came to %d", query.After, page.Through)
			}
			query.After = page.Through
		}
		if len(got) != 2 {
			q.Fatalf("%d records, want 2", len(got))
		}
		q.left(got[0], u[1])
		q.left(got[1], u[1], u[4])
		if got[1].Left != 5 {
			q.Errorf("of the second record %d are left, want 5", got[1].Left)
		}
		page := q.load(delivery.Query{Limit: 100, Only: []int64{1 << 40}})
		if len(page.Records) != 0 || page.Through != last || page.More {
			q.Errorf("of inboxes that nothing goes to: %+v", page)
		}
		if _, err := q.st.URLs(q.ctx, []int64{1 << 40}); err == nil {
			q.Error("a number that was never given has a URL")
		}
	}},
	{"dead letters go again as long as their bodies are kept", func(q *queue) {
		q.lease()
		u := urls(3)
		for _, id := range []string{"1", "2", "3"} {
			q.add(id, 3)
		}
		for _, p := range q.all() {
			ids := inboxes(p)
			f := delivery.Flush{MaxBodies: 4}
			a := delivery.Ack{Seq: p.Seq, Failed: 2, Done: []int64{ids[u[0]], ids[u[1]], ids[u[2]]}}
			for _, url := range u[:2] {
				f.Dead = append(f.Dead, delivery.DeadLetter{Seq: p.Seq, Activity: p.ID, Inbox: url, At: q.now})
			}
			f.Acks = append(f.Acks, a)
			q.flush(f)
		}
		letters, err := q.st.Dead(q.ctx, 0, 10)
		q.must(err)
		if len(letters) != 6 {
			q.Fatalf("%d dead letters, want 6", len(letters))
		}
		r := delivery.Redrive{Now: q.now.Add(time.Hour), Expires: q.now.Add(5 * time.Hour)}
		for _, d := range letters {
			if d.Inbox == u[0] {
				r.IDs = append(r.IDs, d.ID)
			}
		}
		n, err := q.st.Redrive(q.ctx, r)
		q.must(err)
		again := q.all()
		if n != 2 || len(again) != 2 { // the body of the first was dropped
			q.Fatalf("%d letters became %d records, want 2 and 2", n, len(again))
		}
		for _, p := range again {
			q.left(p, u[0])
			if !p.Expires.Equal(r.Expires) || !p.Created.Equal(r.Now) || p.Sender != "https://here.example/ap/users/1" || p.ID == "2" || p.ID == "3" || p.Trace != "" {
				q.Errorf("redriven: %+v", p)
			}
		}
		for _, p := range again {
			b, err := q.st.Body(q.ctx, p.Seq)
			q.must(err)
			if want := `{"id":"` + p.ID[:1] + `"}`; string(b.Body) != want {
				q.Errorf("body of %s is %s", p.ID, b.Body)
			}
		}
		if n, err := q.st.Redrive(q.ctx, r); err != nil || n != 0 {
			q.Errorf("the same again: %d, %v", n, err)
		}
		if letters, err = q.st.Dead(q.ctx, 0, 10); err != nil || len(letters) != 4 {
			q.Errorf("%d letters are left, want 4: %v", len(letters), err)
		}
	}},
	{"a host that refuses or is held is kept", func(q *queue) {
		q.lease()
		held := delivery.HostState{Origin: "https://a.example", Held: true}
		refusing := delivery.HostState{Origin: "https://b.example", Refusals: 7, Last: q.now}
		q.flush(delivery.Flush{Hosts: []delivery.HostState{held, refusing}})
		q.must(q.st.Forget(q.ctx, delivery.Forget{Hosts: q.now.Add(time.Hour)}))
		page, err := q.st.Hosts(q.ctx, "", 10)
		if err != nil || len(page) != 1 || !page[0].Held {
			q.Errorf("of one that is held and one that is old: %+v, %v", page, err)
		}
		q.flush(delivery.Flush{Hosts: []delivery.HostState{refusing, {Origin: held.Origin}}})
		if page, err = q.st.Hosts(q.ctx, "", 10); err != nil || len(page) != 1 || page[0].Refusals != 7 {
			q.Errorf("got %+v, %v", page, err)
		}
	}},
}
