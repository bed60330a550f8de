package delivery_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/delivery"
)

// say enqueues an activity that supersedes.
func (s *site) say(id string, what delivery.Supersedes, inboxes ...string) delivery.Receipt {
	s.t.Helper()
	a := activity(id, "note")
	a.Supersedes = what
	r, err := s.Enqueue(s.t.Context(), nil, a, targets(inboxes...))
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func TestUpdateReplacesAnUnsentUpdateAndNothingElse(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, nil)
		s.set("h1.example", down)
		s.say("create", delivery.SupersedeNothing, inbox(1), inbox(2))
		s.say("update1", delivery.SupersedeUpdates, inbox(1), inbox(2), "https://h1.example/other")
		wait(time.Second)
		if r := s.say("update2", delivery.SupersedeUpdates, inbox(1), inbox(2)); r.Superseded != 1 {
			t.Errorf("%d targets were superseded, want 1", r.Superseded)
		}
		wait(time.Second)
		s.set("h1.example", nil)
		wait(time.Hour)
		// update1 went to h2 before; at h1 it is sent where update2 does not go.
		if got := s.bodies("h1.example"); strings.TrimPrefix(got, "create ") != "create update1 update2" {
			t.Errorf("h1 got %s", got)
		}
		if got := s.bodies("h2.example"); got != "create update1 update2" {
			t.Errorf("h2 got %s", got)
		}
		st, err := s.Status(t.Context(), "update1")
		if err != nil || st.Cancelled != 1 || st.Delivered != 2 || st.Pending != 0 {
			t.Errorf("update1: %+v, %v", st, err)
		}
	})
}

func TestDeleteGoesWhereSomethingWasTriedAndWhereItIsNamed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, nil)
		s.set("h1.example", down)                                                                                                  // tried, in vain
		s.set("h2.example", status(500))                                                                                           // put off
		s.set("h3.example", func(r *http.Request) (*http.Response, error) { time.Sleep(10 * time.Second); return status(202)(r) }) // under way
		s.set("h5.example", func(r *http.Request) (*http.Response, error) { time.Sleep(20 * time.Second); return status(202)(r) }) // busy with another
		s.post("other", "", inbox(5))
		wait(time.Second)
		s.say("create", delivery.SupersedeNothing, inbox(1), inbox(2), inbox(3), inbox(4), inbox(5), inbox(6))
		wait(2 * time.Second)
		r := s.say("delete", delivery.SupersedeAll, inbox(7))
		// h1, h2, h3 were tried; h4 and h6 have it; h7 is named.
		if r.Targets != 6 || r.Superseded != 4 {
			t.Errorf("receipt %+v", r)
		}
		for _, h := range []string{"h1.example", "h2.example", "h5.example"} {
			s.set(h, nil)
		}
		wait(time.Hour)
		for host, want := range map[string]string{
			"h1": "create delete", "h2": "create delete", "h3": "create delete", "h4": "create delete", "h5": "other", "h6": "create delete", "h7": "delete",
		} {
			if got := s.bodies(host + ".example"); got != want {
				t.Errorf("%s got %q, want %q", host, got, want)
			}
		}
	})
}

func TestDeleteByAnotherProcessGoesWhereverSomethingMayHaveArrived(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, func(c *delivery.Config) { c.Poll = time.Second })
		s.set("h1.example", down)
		s.say("create", delivery.SupersedeNothing, inbox(1), inbox(2))
		wait(time.Second)
		other, err := delivery.New(config(s.world, s.st))
		if err != nil {
			t.Fatal(err)
		}
		a := activity("delete", "note")
		a.Supersedes = delivery.SupersedeAll
		r, err := other.Enqueue(t.Context(), nil, a, targets())
		if err != nil || r.Targets != 2 || r.Superseded != 1 {
			t.Errorf("receipt %+v, %v", r, err)
		}
		s.set("h1.example", nil)
		wait(time.Hour)
		if got := s.bodies("h1.example"); got != "create delete" {
			t.Errorf("h1 got %s", got)
		}
		if got := s.bodies("h2.example"); got != "create delete" {
			t.Errorf("h2 got %s", got)
		}
	})
}

func TestDeleteBeforeNotBeforeLeavesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, nil)
		a := activity("create", "note")
		a.NotBefore = time.Now().Add(time.Minute)
		if _, err := s.Enqueue(t.Context(), nil, a, targets(inbox(1), inbox(2))); err != nil {
			t.Fatal(err)
		}
		wait(30 * time.Second)
		if r := s.say("delete", delivery.SupersedeAll); r.Seq != 0 || r.Targets != 0 || r.Superseded != 2 {
			t.Errorf("receipt %+v", r)
		}
		wait(time.Hour)
		if len(s.calls) != 0 {
			t.Errorf("requests were made: %+v", s.calls)
		}
		for _, id := range []string{"create", "delete"} {
			if st, err := s.Status(t.Context(), id); err == nil {
				t.Errorf("of %s there is %+v", id, st)
			}
		}
	})
}

func TestWindowGrowsAndKeepsKeysInOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, nil)
		under, most := 0, 0
		slow := func(r *http.Request) (*http.Response, error) {
			s.mu.Lock()
			under++
			most = max(most, under)
			s.mu.Unlock()
			time.Sleep(300 * time.Millisecond)
			s.mu.Lock()
			under--
			s.mu.Unlock()
			return status(202)(r)
		}
		s.set("h1.example", slow)
		for i := range 200 {
			s.post("item", "", inbox(2)) // one ID: the first only
			s.post(string(rune('a'+i%20))+" "+time.Duration(i).String(), string(rune('a'+i%20)), inbox(1))
		}
		wait(time.Minute)
		if most != 8 {
			t.Errorf("%d posts at once, want 8", most)
		}
		calls := s.to("h1.example")
		if len(calls) != 200 {
			t.Fatalf("%d posts", len(calls))
		}
		if took := calls[199].at.Sub(calls[0].at); took > 9*time.Second { // 25 a second
			t.Errorf("200 posts took %v", took)
		}
		last := map[string]time.Time{}
		for _, c := range calls {
			key, _, _ := strings.Cut(c.body, " ")
			if c.at.Sub(last[key]) < 300*time.Millisecond {
				t.Errorf("%s began before its predecessor had ended", c.body)
			}
			last[key] = c.at
		}
	})
}

func TestBusyHostHalvesItsWindow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, nil)
		slow := func(r *http.Request) (*http.Response, error) { time.Sleep(time.Second); return status(202)(r) }
		s.set("h1.example", slow)
		for i := range 400 {
			s.post(time.Duration(i).String(), "", inbox(1))
		}
		wait(10 * time.Second)
		if l := s.lane("https://h1.example"); l.Window != 8 {
			t.Fatalf("window is %d, want 8", l.Window)
		}
		s.set("h1.example", status(429, "Retry-After", "5"))
		wait(1500 * time.Millisecond)
		s.set("h1.example", slow)
		if l := s.lane("https://h1.example"); l.State != delivery.LaneAsked || l.Window != 1 {
			t.Errorf("a busy host has %+v", l)
		}
		wait(6 * time.Second)
		synctest.Wait()
		if l := s.lane("https://h1.example"); l.Window < 4 || l.Window > 5 {
			t.Errorf("after that its window is %d, want 4 or 5", l.Window)
		}
	})
}

func TestSlowHostsLeaveSlotsToOthers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, func(c *delivery.Config) { c.MaxInFlight = 20 })
		slow := func(r *http.Request) (*http.Response, error) { time.Sleep(8 * time.Second); return status(202)(r) }
		var to []string
		for i := range 15 {
			s.set(strings.TrimPrefix(strings.TrimSuffix(inbox(i), "/inbox"), "https://"), slow)
			to = append(to, inbox(i))
		}
		s.post("1", "", to...)
		wait(time.Minute)
		for i := range 50 {
			s.post(time.Duration(i).String(), "", to...)
		}
		wait(time.Second)
		begin := time.Now()
		var quick []string
		for i := range 100 {
			quick = append(quick, inbox(100+i))
		}
		s.post("quick", "", quick...)
		wait(time.Second)
		n := 0
		for i := range 100 {
			for _, c := range s.to(strings.TrimPrefix(strings.TrimSuffix(inbox(100+i), "/inbox"), "https://")) {
				if c.at.Sub(begin) < time.Second {
					n++
				}
			}
		}
		if n != 100 {
			t.Errorf("%d of 100 posts to quick hosts in their first second", n)
		}
	})
}
