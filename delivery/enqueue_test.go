package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/storage/queue"
)

func TestActivityIsPostedAsItWasStored(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, func(c *delivery.Config) { c.UserAgent = "Blog/1" })
		a := activity("https://here.example/1", "")
		a.Body = []byte(`{"a": "ü"}`)
		r, err := s.Enqueue(t.Context(), nil, a, targets("https://a.example/inbox"))
		if err != nil || r.Seq == 0 || r.Targets != 1 || r.Duplicate {
			t.Fatalf("Enqueue: %+v, %v", r, err)
		}
		wait(time.Second)
		calls := s.to("a.example")
		if len(calls) != 1 {
			t.Fatalf("%d calls", len(calls))
		}
		c := calls[0]
		if c.method != "POST" || c.url != "https://a.example/inbox" || c.body != `{"a": "ü"}` ||
			c.header.Get("Content-Type") != "application/activity+json" || c.header.Get("User-Agent") != "Blog/1" {
			t.Errorf("got %+v", c)
		}
		s.status(a.ID, 0, 1, 0)
		if len(s.sent) != 1 || s.sent[0].Activity != a.ID || s.sent[0].Host != "a.example" || s.sent[0].Attempts != 1 || s.sent[0].Status != 202 || s.sent[0].Err != nil {
			t.Errorf("events: %+v", s.sent)
		}
	})
}

func TestNewWorkIsSentAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, func(c *delivery.Config) { c.Poll = time.Hour })
		wait(time.Minute)
		before := time.Now()
		s.post("1", "", inbox(1))
		wait(time.Minute)
		if got := s.to("h1.example"); len(got) != 1 || got[0].at.Sub(before) > time.Millisecond {
			t.Errorf("sent %v after it was enqueued", got)
		}
	})
}

func TestInboxesAreFolded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, nil)
		to := []delivery.Target{
			{Inbox: "https://a.example/1", SharedInbox: "https://a.example/shared"},
			{Inbox: "https://a.example/2", SharedInbox: "https://a.example/shared"},
			{Inbox: "https://a.example/3"},
			{Inbox: "https://a.example/3"},
			{Inbox: "https://a.example/4", SharedInbox: "not a URL"},
		}
		r, err := s.Enqueue(t.Context(), nil, activity("1", ""), slices.Values(to))
		if err != nil || r.Targets != 3 {
			t.Fatalf("%+v, %v", r, err)
		}
		wait(time.Second)
		var got []string
		for _, c := range s.to("a.example") {
			got = append(got, strings.TrimPrefix(c.url, "https://a.example/"))
		}
		slices.Sort(got)
		if want := []string{"3", "4", "shared"}; !slices.Equal(got, want) {
			t.Errorf("posted to %v, want %v", got, want)
		}
	})
}

func TestMalformedInboxesAreNamedAndTheOthersGo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, nil)
		bad := []string{
			"", "inbox", "//a.example/x", "ftp://a.example/x", "https:///x", "https://u:p@a.example/x", "https://a.example/x#y",
			"https://a.example/x y", "https://a.example/\n", "https://a.example:0/x", "https://a.example:99999/x", "https://a.example:/x",
			"https:a.example", "https://" + strings.Repeat("a", 3000) + ".example/", "https://[::1/x", "\xff",
		}
		r, err := s.Enqueue(t.Context(), nil, activity("1", ""), targets(append(bad, inbox(1))...))
		var te *delivery.TargetError
		if !errors.As(err, &te) || te.Count != len(bad) || te.Inboxes[1] != "inbox" || r.Targets != 1 {
			t.Fatalf("%+v, %v", r, err)
		}
		wait(time.Second)
		s.status("1", 0, 1, 0)
		many := make([]string, 5000)
		if r, err = s.Enqueue(t.Context(), nil, activity("2", ""), targets(many...)); !errors.As(err, &te) || te.Count != 5000 || len(te.Inboxes) != 100 || r != (delivery.Receipt{}) {
			t.Errorf("%+v, %v", r, err)
		}
		if len(err.Error()) > 2000 {
			t.Errorf("the error has %d bytes", len(err.Error()))
		}
	})
}

func TestOneHostHasOneLaneHoweverItIsWritten(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, nil)
		for _, host := range []string{"a.example", "a.example:443", "A.example", "a.EXAMPLE:0443"} {
			s.set(host, hang)
		}
		s.post("1", "", "https://a.example/1", "https://a.example:443/2", "HTTPS://A.example/3", "https://a.EXAMPLE:0443/4", "https://a.example:8443/5", "http://a.example:8080/6")
		wait(time.Second)
		var got []string
		for l, err := range s.Lanes(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprint(l.Origin, " ", l.Pending))
		}
		if want := []string{"https://a.example 4"}; !slices.Equal(got, want) {
			t.Errorf("lanes are %v, want %v", got, want)
		}
		s.status("1", 4, 2, 0)
	})
}

func TestDuplicateEnqueueSendsOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, nil)
		first := s.post("1", "", inbox(1), inbox(2))
		again := s.post("1", "", inbox(3))
		if !again.Duplicate || again.Seq != first.Seq || again.Targets != 2 {
			t.Errorf("second receipt %+v, first %+v", again, first)
		}
		wait(6 * 24 * time.Hour)
		if again = s.post("1", "", inbox(1)); !again.Duplicate {
			t.Error("forgotten after six days")
		}
		wait(2 * 24 * time.Hour)
		if again = s.post("1", "", inbox(1)); again.Duplicate {
			t.Error("not forgotten after eight days")
		}
		wait(time.Second)
		if n, m := len(s.to("h1.example")), len(s.to("h3.example")); n != 2 || m != 0 {
			t.Errorf("%d and %d posts, want 2 and 0", n, m)
		}
	})
}

func TestInvalidActivitiesAreRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, nil)
		long := strings.Repeat("x", 2049)
		for name, change := range map[string]func(*delivery.Activity){
			"no ID":                      func(a *delivery.Activity) { a.ID = "" },
			"a long ID":                  func(a *delivery.Activity) { a.ID = long },
			"a long key":                 func(a *delivery.Activity) { a.Key = long },
			"a long sender":              func(a *delivery.Activity) { a.Sender = long },
			"no body":                    func(a *delivery.Activity) { a.Body = nil },
			"a huge body":                func(a *delivery.Activity) { a.Body = make([]byte, 1<<20+1) },
			"an unknown class":           func(a *delivery.Activity) { a.Class = 3 },
			"a header in ContentType":    func(a *delivery.Activity) { a.ContentType = "a/b\r\nX: y" },
			"an Expires that is past":    func(a *delivery.Activity) { a.Expires = time.Now() },
			"Expires before NotBefore":   func(a *delivery.Activity) { a.Expires = time.Now().Add(1); a.NotBefore = time.Now().Add(2) },
			"Expires equal to NotBefore": func(a *delivery.Activity) { a.Expires = time.Now().Add(2); a.NotBefore = a.Expires },
		} {
			a := activity("1", "")
			change(&a)
			if _, err := s.Enqueue(t.Context(), nil, a, targets(inbox(1))); !errors.Is(err, delivery.ErrInvalid) {
				t.Errorf("%s: %v", name, err)
			}
		}
		wait(time.Second)
		if n := len(s.to("h1.example")); n != 0 {
			t.Errorf("%d posts", n)
		}
	})
}

func TestNewNamesTheFieldAtFault(t *testing.T) {
	t.Parallel()
	for field, change := range map[string]func(*delivery.Config){
		"Store":          func(c *delivery.Config) { c.Store = nil },
		"MaxInFlight":    func(c *delivery.Config) { c.MaxInFlight = -1 },
		"Policy.Timeout": func(c *delivery.Config) { c.Policy.Timeout = -1 },
	} {
		c := config(&world{}, queue.Memory())
		change(&c)
		if _, err := delivery.New(c); err == nil || !strings.Contains(err.Error(), "Config."+field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	if _, err := delivery.New(delivery.Config{Store: queue.Memory()}); err != nil {
		t.Errorf("a Config with only a Store: %v", err)
	}
}

func TestFullQueueRefusesButTakesALittleMoreOfWhatIsUrgent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, func(c *delivery.Config) { c.MaxTargets = 4 })
		for i := range 5 {
			s.set(fmt.Sprintf("h%d.example", i), down)
		}
		s.post("1", "", inbox(0), inbox(1), inbox(2), inbox(3))
		if _, err := s.Enqueue(t.Context(), nil, activity("2", ""), targets(inbox(4))); !errors.Is(err, delivery.ErrBacklog) {
			t.Errorf("a fifth target of 4: %v", err)
		}
		a := activity("3", "")
		a.Class = delivery.Interactive
		if _, err := s.Enqueue(t.Context(), nil, a, targets(inbox(4))); err != nil {
			t.Errorf("an urgent fifth target: %v", err)
		}
		a.ID = "4"
		if _, err := s.Enqueue(t.Context(), nil, a, targets(inbox(4))); !errors.Is(err, delivery.ErrBacklog) {
			t.Errorf("an urgent sixth target: %v", err)
		}
		s.set("h0.example", nil)
		s.set("h1.example", nil)
		wait(time.Hour)
		s.post("2", "", inbox(0))
	})
}

func TestTargetsWithoutEndAreRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, func(c *delivery.Config) { c.MaxTargets = 1000 })
		endless := func(yield func(delivery.Target) bool) {
			for i := 0; yield(delivery.Target{Inbox: inbox(i)}); i++ {
			}
		}
		if _, err := s.Enqueue(t.Context(), nil, activity("1", ""), endless); !errors.Is(err, delivery.ErrBacklog) {
			t.Errorf("got %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		same := func(yield func(delivery.Target) bool) {
			for i := 0; yield(delivery.Target{Inbox: inbox(1)}); i++ {
				if i == 1000 {
					cancel()
				}
			}
		}
		if _, err := s.Enqueue(ctx, nil, activity("1", ""), same); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

func TestRefusedHostsGetNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var blocked sync.Map
		blocked.Store("h1.example", true)
		s := run(t, func(c *delivery.Config) {
			c.Allow = func(_ context.Context, host string) error {
				if _, yes := blocked.Load(host); yes {
					return fmt.Errorf("%s is suspended: %w", host, delivery.ErrRefused)
				}
				return nil
			}
		})
		s.set("h2.example", down)
		if r := s.post("1", "", inbox(1), inbox(2), inbox(3)); r.Targets != 2 || r.Refused != 1 {
			t.Errorf("receipt %+v", r)
		}
		wait(time.Second)
		blocked.Store("h2.example", true) // after it was enqueued
		wait(time.Hour)
		s.status("1", 0, 1, 1)
		if n := len(s.to("h1.example")); n != 0 {
			t.Errorf("%d posts to a host that was refused", n)
		}
		if n := len(s.to("h2.example")); n != 1 {
			t.Errorf("%d posts to a host that was refused later", n)
		}
		if len(s.dead) != 1 || !errors.Is(s.dead[0].Err, delivery.ErrRefused) {
			t.Errorf("events: %+v", s.dead)
		}
		for d := range s.DeadLetters(t.Context()) {
			t.Errorf("what we refuse is no dead letter: %+v", d)
		}
	})
}

func TestAllowThatFailsIsAskedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		broken := errors.New("database is down")
		var allowed atomic.Bool
		s := run(t, func(c *delivery.Config) {
			c.Allow = func(context.Context, string) error {
				if allowed.Load() {
					return nil
				}
				return broken
			}
		})
		if r := s.post("1", "", inbox(1)); r.Targets != 1 {
			t.Errorf("receipt %+v", r)
		}
		wait(time.Hour)
		if n := len(s.to("h1.example")); n != 0 {
			t.Errorf("%d posts without permission", n)
		}
		if f := s.lane("https://h1.example").Failures; f != 0 {
			t.Errorf("%d failures were put down to the host", f)
		}
		allowed.Store(true)
		wait(time.Minute)
		s.status("1", 0, 1, 0)
	})
}

func TestSenderWithoutTransportDoesNotHoldUpOthers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, func(c *delivery.Config) {
			ok := c.Transport
			c.Transport = func(sender string) (http.RoundTripper, error) {
				switch sender {
				case "keyless":
					return nil, errors.New("no key")
				case "unsigned":
					return failing{fmt.Errorf("signing: %w", delivery.ErrLocal)}, nil
				case "deleted":
					return nil, fmt.Errorf("no such user: %w", delivery.ErrRefused)
				case "nil":
					return nil, nil
				}
				return ok(sender)
			}
		})
		for _, sender := range []string{"keyless", "unsigned", "deleted", "nil", "alice"} {
			a := activity(sender, "")
			a.Sender = sender
			if _, err := s.Enqueue(t.Context(), nil, a, targets(inbox(1))); err != nil {
				t.Fatal(err)
			}
		}
		wait(time.Second)
		s.status("keyless", 1, 0, 0)
		s.status("unsigned", 1, 0, 0)
		s.status("nil", 1, 0, 0)
		s.status("deleted", 0, 0, 1)
		s.status("alice", 0, 1, 0)
		wait(48 * time.Hour)
		s.status("keyless", 0, 0, 1)
	})
}

type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }
