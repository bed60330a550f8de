package delivery_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/delivery"
)

// refusing answers 500 to one body and 202 to others.
func refusing(body *string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		b, err := r.GetBody()
		if err != nil {
			return nil, err
		}
		got := make([]byte, 10)
		n, _ := b.Read(got)
		if string(got[:n]) == *body {
			return status(500)(r)
		}
		return status(202)(r)
	}
}

func TestSuccessorsOfAKeyWaitAndOthersPass(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, nil)
		bad := "create"
		s.set("h1.example", refusing(&bad))
		s.post("create", "note1", inbox(1), inbox(2))
		s.post("update", "note1", inbox(1), inbox(2))
		s.post("other", "note2", inbox(1), inbox(2))
		a := activity("delete", "note1")
		a.Class = delivery.Interactive // its class is no way past its key
		if _, err := s.Enqueue(t.Context(), nil, a, targets(inbox(1), inbox(2))); err != nil {
			t.Fatal(err)
		}
		wait(time.Second)
		if got := s.bodies("h1.example"); got != "create other" {
			t.Errorf("the host that refuses got %s", got)
		}
		if got := s.bodies("h2.example"); !strings.Contains(got, "create") || strings.Index(got, "create") > strings.Index(got, "update") || strings.Index(got, "update") > strings.Index(got, "delete") {
			t.Errorf("the other host got %s", got)
		}
		if l := s.lane("https://h1.example"); l.Pending != 3 || l.Deferred != 1 || l.Failures != 0 {
			t.Errorf("lane %+v", l)
		}
		s.set("h1.example", nil)
		wait(2 * time.Minute)
		if got := s.bodies("h1.example"); got != "create other create update delete" {
			t.Errorf("then it got %s", got)
		}
	})
}

func TestSuccessorsGoOnWhenTheFirstIsGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, nil)
		bad := "create"
		s.set("h1.example", refusing(&bad))
		s.post("create", "k", inbox(1), "https://h1.example/2")
		s.post("update", "k", inbox(1))
		wait(48 * time.Hour)
		s.status("create", 0, 0, 2)
		s.status("update", 0, 1, 0)
	})
}

func TestUrgentGoesBeforeBulk(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, nil)
		slow := func(r *http.Request) (*http.Response, error) { time.Sleep(time.Second); return status(202)(r) }
		s.set("h1.example", slow)
		for i := range 100 {
			a := activity(fmt.Sprintf("bulk%d", i), "")
			a.Class = delivery.Bulk
			if _, err := s.Enqueue(t.Context(), nil, a, targets(inbox(1))); err != nil {
				t.Fatal(err)
			}
		}
		wait(500 * time.Millisecond)
		a := activity("accept", "")
		a.Class = delivery.Interactive
		if _, err := s.Enqueue(t.Context(), nil, a, targets(inbox(1))); err != nil {
			t.Fatal(err)
		}
		wait(3 * time.Second)
		if got := s.bodies("h1.example"); !strings.HasPrefix(got, "bulk0 accept") && !strings.HasPrefix(got, "bulk0 bulk1 accept") {
			t.Errorf("got %s", got)
		}
	})
}

func TestBulkIsNotStarved(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, func(c *delivery.Config) { c.MaxInFlight = 1 })
		slow := func(r *http.Request) (*http.Response, error) { time.Sleep(time.Second); return status(202)(r) }
		for i := range 30 {
			s.set(fmt.Sprintf("h%d.example", i), slow)
			for c := range delivery.Class(3) {
				a := activity(fmt.Sprintf("%d %v", i, c), "")
				a.Class = c
				if _, err := s.Enqueue(t.Context(), nil, a, targets(inbox(i))); err != nil {
					t.Fatal(err)
				}
			}
		}
		wait(24*time.Second + 500*time.Millisecond)
		got := map[string]int{}
		for i := range 30 {
			for _, c := range s.to(fmt.Sprintf("h%d.example", i)) {
				_, class, _ := strings.Cut(c.body, " ")
				got[class]++
			}
		}
		if got["interactive"] < 14 || got["normal"] < 5 || got["bulk"] < 2 {
			t.Errorf("of the first 25 were %v, want about 16, 6 and 2", got)
		}
	})
}

func TestUrgentHasSlotsOfItsOwn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, func(c *delivery.Config) { c.MaxInFlight = 10 })
		var to []string
		for i := range 20 {
			s.set(fmt.Sprintf("h%d.example", i), hang)
			to = append(to, inbox(i))
		}
		s.post("1", "", to...)
		synctest.Wait()
		a := activity("accept", "")
		a.Class = delivery.Interactive
		if _, err := s.Enqueue(t.Context(), nil, a, targets(inbox(99))); err != nil {
			t.Fatal(err)
		}
		wait(time.Second)
		if n := len(s.to("h99.example")); n != 1 {
			t.Error("twenty hung hosts held up an urgent post")
		}
	})
}

func TestCancelDropsWhatWasNotSent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, nil)
		s.set("h1.example", down)
		s.set("h2.example", status(500))
		s.set("h3.example", func(r *http.Request) (*http.Response, error) { time.Sleep(10 * time.Second); return status(202)(r) })
		s.post("create", "k", inbox(1), inbox(2), inbox(3), inbox(4))
		s.post("update", "k", inbox(1), inbox(2), inbox(3), inbox(4))
		s.post("other", "", inbox(1))
		wait(time.Second)
		// Sent are both to h4; under way is create to h3.
		n, err := s.Cancel(t.Context(), "k")
		if err != nil || n != 6 {
			t.Errorf("Cancel: %d, %v; want 6", n, err)
		}
		s.post("delete", "k", inbox(1), inbox(2), inbox(3), inbox(4))
		for _, h := range []string{"h1.example", "h2.example"} {
			s.set(h, nil)
		}
		wait(time.Hour)
		for host, want := range map[string]string{"h1": "create other delete", "h2": "create delete", "h3": "create delete", "h4": "create update delete"} {
			if got := s.bodies(host + ".example"); got != want && !(host == "h1" && got == "create delete other") {
				t.Errorf("%s got %q, want %q", host, got, want)
			}
		}
		st, err := s.Status(t.Context(), "create")
		if err != nil || st.Cancelled != 3 || st.Delivered != 1 || st.Pending != 0 {
			t.Errorf("create: %+v, %v", st, err)
		}
		if _, err := s.Cancel(t.Context(), ""); err == nil {
			t.Error("an empty key was cancelled")
		}
	})
}

func TestCancelInAnotherProcessIsNoticed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, nil)
		s.set("h1.example", down)
		s.set("h2.example", func(r *http.Request) (*http.Response, error) { time.Sleep(10 * time.Second); return status(202)(r) })
		s.post("1", "k", inbox(1), inbox(2), inbox(3))
		s.post("2", "k", inbox(1), inbox(2), inbox(3))
		wait(time.Second)
		other, err := delivery.New(config(s.world, s.st)) // it does not run
		if err != nil {
			t.Fatal(err)
		}
		n, err := other.Cancel(t.Context(), "k")
		if err != nil || n != 4 {
			t.Errorf("Cancel: %d, %v; want 4", n, err)
		}
		s.set("h1.example", nil)
		wait(time.Hour)
		if got := s.bodies("h1.example"); got != "1" {
			t.Errorf("h1 got %s after it was cancelled", got)
		}
		if got := s.bodies("h2.example"); got != "1" {
			t.Errorf("h2 got %s", got)
		}
		for l := range s.Lanes(t.Context()) {
			if l.Pending != 0 {
				t.Errorf("lane %+v", l)
			}
		}
	})
}
