package storagetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fedihook/fedihook/delivery"
)

var queueFlush = []queueCheck{
	{"acks settle their targets and no others", func(q *queue) {
		q.add("1", 5)
		q.add("2", 5)
		q.lease()
		u := urls(5)
		q.ack(q.all()[0], u[1], u[3])
		q.left(q.all()[0], u[0], u[2], u[4])
		q.left(q.all()[1], u...)
		q.status("1", delivery.Status{Targets: 5, Pending: 3, Delivered: 2, Created: q.now})
		q.ack(q.all()[0], u[4], u[0], u[2])
		q.left(q.one(), u...)
		q.status("1", delivery.Status{Targets: 5, Delivered: 5, Created: q.now, Finished: q.now})
	}},
	{"an ack said twice, or of a stranger, settles nothing more", func(q *queue) {
		q.add("1", 3)
		q.lease()
		p, u := q.one(), urls(3)
		id := inboxes(p)[u[0]]
		for range 4 {
			q.flush(delivery.Flush{Acks: []delivery.Ack{
				{Seq: p.Seq, Done: []int64{id, id, 1 << 40}, Failed: 3}, {Seq: p.Seq, Done: []int64{id}, Failed: 1},
			}})
		}
		q.left(q.one(), u[1], u[2])
		q.status("1", delivery.Status{Targets: 3, Pending: 2, Failed: 1, Created: q.now})
		// The backlog counts it once, too.
		if _, err := q.st.Append(q.ctx, delivery.Addition{Record: q.record("2"), Inboxes: u, Max: delivery.Limit{Targets: 4}}); !errors.Is(err, delivery.ErrBacklog) {
			q.Errorf("2 and 3 targets fit into 4: %v", err)
		}
	}},
	{"hundreds of small acks leave what is left", func(q *queue) {
		const n = 150
		q.add("1", n)
		q.lease()
		p := q.one()
		order := slices.Clone(p.Targets)
		for i := range order { // neither rising nor falling
			order[i], order[i*7%n] = order[i*7%n], order[i]
		}
		for i, t := range order[:n-1] {
			q.flush(delivery.Flush{Acks: []delivery.Ack{{Seq: p.Seq, Done: []int64{t.Inbox}, Failed: i % 2}}})
			if i%37 == 0 {
				if got := len(q.one().Targets); got != n-1-i {
					q.Fatalf("after %d acks %d targets are left, want %d", i+1, got, n-1-i)
				}
			}
		}
		q.left(q.one(), order[n-1].URL)
		q.status("1", delivery.Status{Targets: n, Pending: 1, Failed: 74, Delivered: 75, Created: q.now})
		q.ack(p, order[n-1].URL)
		q.status("1", delivery.Status{Targets: n, Failed: 74, Delivered: 76, Created: q.now, Finished: q.now})
	}},
	{"what failed is counted", func(q *queue) {
		q.add("1", 4)
		q.lease()
		p := q.one()
		q.flush(delivery.Flush{Acks: []delivery.Ack{{Seq: p.Seq, Done: []int64{p.Targets[0].Inbox, p.Targets[1].Inbox}, Failed: 1}}})
		q.status("1", delivery.Status{Targets: 4, Pending: 2, Delivered: 1, Failed: 1, Created: q.now})
		q.flush(delivery.Flush{Acks: []delivery.Ack{{Seq: p.Seq, Done: []int64{p.Targets[2].Inbox, p.Targets[3].Inbox}, Failed: 2}}})
		q.status("1", delivery.Status{Targets: 4, Delivered: 1, Failed: 3, Created: q.now, Finished: q.now})
	}},
	{"a flush under another epoch does nothing", func(q *queue) {
		q.add("1", 2)
		p := q.one()
		f := delivery.Flush{
			Now:    q.now,
			Acks:   []delivery.Ack{{Seq: p.Seq, Done: []int64{p.Targets[0].Inbox}}},
			Defers: []delivery.Deferral{{Seq: p.Seq, Inbox: p.Targets[1].Inbox, Attempts: 1, Next: q.now}},
			Hosts:  []delivery.HostState{{Origin: "https://h", Failures: 1, Last: q.now}},
			Dead:   []delivery.DeadLetter{{Activity: "1", At: q.now}},
		}
		refused := func(epoch int64, when string) {
			q.Helper()
			if _, err := q.st.Flush(q.ctx, epoch, f); !errors.Is(err, delivery.ErrLeaseLost) {
				q.Errorf("%s: Flush returned %v", when, err)
			}
			q.status("1", delivery.Status{Targets: 2, Pending: 2, Created: q.now})
			hosts, err := q.st.Hosts(q.ctx, "", 10)
			q.must(err)
			dead, err := q.st.Dead(q.ctx, 0, 10)
			q.must(err)
			if len(hosts) != 0 || len(dead) != 0 {
				q.Errorf("%s: hosts %v and dead letters %v were written", when, hosts, dead)
			}
		}
		refused(0, "epoch 0 before any lease")
		q.lease()
		old := q.epoch
		refused(old+1, "an epoch to come")
		q.now = q.now.Add(time.Hour)
		created := q.now
		q.lease()
		q.now = created.Add(-time.Hour)
		refused(old, "an epoch that is over")
		q.must(q.st.Release(q.ctx, q.epoch))
		refused(q.epoch, "a lease given back")
		if _, err := q.st.Load(q.ctx, delivery.Query{Epoch: q.epoch, Limit: 10}); !errors.Is(err, delivery.ErrLeaseLost) {
			q.Errorf("Load under a lease given back returned %v", err)
		}
	}},
	{"deferrals come back until their target is settled", func(q *queue) {
		q.add("1", 3)
		q.lease()
		p, u := q.one(), urls(3)
		id := inboxes(p)
		d := delivery.Deferral{Seq: p.Seq, Inbox: id[u[1]], Attempts: 1, Next: q.now.Add(time.Minute), Status: 500, Err: "first"}
		q.flush(delivery.Flush{Defers: []delivery.Deferral{d}})
		d.Attempts, d.Next, d.Status, d.Err = 2, q.now.Add(time.Hour), 422, "second"
		q.flush(delivery.Flush{Defers: []delivery.Deferral{d}})
		for _, t := range q.one().Targets {
			if t.URL != u[1] {
				if t.Attempts != 0 {
					q.Errorf("%s was not put off: %+v", t.URL, t)
				}
				continue
			}
			if t.Attempts != 2 || !t.Next.Equal(d.Next) || t.Status != 422 || t.Err != "second" {
				q.Errorf("put off with %+v, loaded %+v", d, t)
			}
		}
		q.status("1", delivery.Status{Targets: 3, Pending: 3, Deferred: 1, Created: q.now})
		q.ack(p, u[1])
		q.flush(delivery.Flush{Defers: []delivery.Deferral{d}}) // late, and ignored
		q.left(q.one(), u[0], u[2])
		q.status("1", delivery.Status{Targets: 3, Pending: 2, Delivered: 1, Created: q.now})
	}},
	{"an ack goes before a deferral of the same flush", func(q *queue) {
		q.add("1", 1)
		q.add("2", 2)
		q.lease()
		all := q.all()
		var f delivery.Flush
		for _, p := range all {
			id := inboxes(p)[urls(1)[0]]
			f.Acks = append(f.Acks, delivery.Ack{Seq: p.Seq, Done: []int64{id}})
			f.Defers = append(f.Defers, delivery.Deferral{Seq: p.Seq, Inbox: id, Attempts: 1, Next: q.now})
		}
		q.flush(f)
		q.left(q.one(), urls(2)[1])
		q.status("2", delivery.Status{Targets: 2, Pending: 1, Delivered: 1, Created: q.now})
	}},
	{"host states are kept, replaced and removed", func(q *queue) {
		q.lease()
		want := delivery.HostState{
			Origin: "https://b.example", Failures: 3, Since: q.now.Add(-time.Hour), Last: q.now, Next: q.now.Add(time.Hour),
			Asked: true, Status: 429, Err: "slow down",
		}
		old := want
		old.Failures, old.Err = 2, "old"
		q.flush(delivery.Flush{Hosts: []delivery.HostState{old, {Origin: "https://a.example", Failures: 1, Last: q.now}}})
		q.flush(delivery.Flush{Hosts: []delivery.HostState{want, {Origin: "https://c.example", Failures: 1, Last: q.now}}})
		q.flush(delivery.Flush{Hosts: []delivery.HostState{{Origin: "https://a.example"}, {Origin: "https://never.example"}}})
		page, err := q.st.Hosts(q.ctx, "", 1)
		q.must(err)
		if len(page) != 1 {
			q.Fatalf("Hosts with limit 1 returned %+v", page)
		}
		got := page[0]
		if !got.Since.Equal(want.Since) || !got.Last.Equal(want.Last) || !got.Next.Equal(want.Next) {
			q.Errorf("times of %+v, want %+v", got, want)
		}
		got.Since, got.Last, got.Next = want.Since, want.Last, want.Next
		if got != want {
			q.Errorf("got %+v, want %+v", got, want)
		}
		if page, err = q.st.Hosts(q.ctx, want.Origin, 10); err != nil || len(page) != 1 || page[0].Origin != "https://c.example" || !page[0].Since.IsZero() {
			q.Errorf("after the first, Hosts returned %+v, %v", page, err)
		}
	}},
	{"host states are found by origin", func(q *queue) {
		q.lease()
		var all []string
		for i := range 50 {
			all = append(all, fmt.Sprintf("https://h%d.example", i))
			q.flush(delivery.Flush{Hosts: []delivery.HostState{{Origin: all[i], Failures: i + 1, Last: q.now, Next: q.now.Add(time.Hour), Err: "down"}}})
		}
		for _, asked := range [][]string{nil, {"https://h.example"}, {all[7], "https://h", all[42], `https://"},{\.example`}, append(all, "http://h1.example")} {
			page, err := q.st.HostsOf(q.ctx, asked)
			q.must(err)
			got := make(map[string]bool)
			for _, h := range page {
				if i := slices.Index(all, h.Origin); i < 0 || h.Failures != i+1 || h.Err != "down" || !h.Next.Equal(q.now.Add(time.Hour)) {
					q.Errorf("HostsOf returned %+v", h)
				}
				got[h.Origin] = true
			}
			want := slices.DeleteFunc(slices.Clone(asked), func(o string) bool { return !slices.Contains(all, o) })
			if len(page) != len(want) || len(got) != len(want) || slices.ContainsFunc(want, func(o string) bool { return !got[o] }) {
				q.Errorf("HostsOf(%q) returned %d states, want %d", asked, len(page), len(want))
			}
		}
	}},
	{"the newest dead letters are kept", func(q *queue) {
		q.lease()
		for i := range 10 {
			q.flush(delivery.Flush{MaxDead: 6, Dead: []delivery.DeadLetter{{
				Activity: fmt.Sprint(i), Sender: "s", Key: "k", Inbox: "https://a.example/", At: q.now.Add(time.Duration(i) * time.Hour),
				Attempts: 4, Status: 403, Err: "no",
			}}})
		}
		var got []string
		last := int64(0)
		for {
			page, err := q.st.Dead(q.ctx, last, 4)
			q.must(err)
			if len(page) == 0 {
				break
			}
			for _, d := range page {
				if d.ID <= last {
					q.Fatalf("IDs of dead letters do not rise: %d after %d", d.ID, last)
				}
				last = d.ID
				got = append(got, d.Activity)
				if d.Sender != "s" || d.Key != "k" || d.Inbox != "https://a.example/" || d.Attempts != 4 || d.Status != 403 || d.Err != "no" {
					q.Errorf("got %+v", d)
				}
			}
		}
		if want := []string{"4", "5", "6", "7", "8", "9"}; !slices.Equal(got, want) {
			q.Errorf("kept %v, want %v", got, want)
		}
		q.must(q.st.Forget(q.ctx, delivery.Forget{Dead: q.now.Add(8 * time.Hour)}))
		if page, err := q.st.Dead(q.ctx, 0, 10); err != nil || len(page) != 2 || page[0].Activity != "8" {
			q.Errorf("after forgetting those before the ninth hour: %+v, %v", page, err)
		}
	}},
}
