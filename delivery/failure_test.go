package delivery_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/delivery"
)

func TestHungHostHoldsUpNobodyElse(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, func(c *delivery.Config) { c.MaxInFlight = 20 })
		for i := range 10 {
			s.set(fmt.Sprintf("hung%d.example", i), hang)
		}
		begin := time.Now()
		for i := range 10 {
			var to []string
			for j := range 10 {
				to = append(to, fmt.Sprintf("https://hung%d.example/inbox", j), inbox(j))
			}
			s.post(fmt.Sprint(i), "", to...)
		}
		wait(time.Second)
		for j := range 10 {
			calls := s.to(fmt.Sprintf("h%d.example", j))
			if len(calls) != 10 || calls[9].at.Sub(begin) > time.Second {
				t.Errorf("healthy host %d got %d of 10 posts in the first second", j, len(calls))
			}
			if n := len(s.to(fmt.Sprintf("hung%d.example", j))); n != 1 {
				t.Errorf("hung host %d was posted to %d times at once", j, n)
			}
		}
	})
}

func TestDeadHostGetsFewAttemptsHoweverMuchWaits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, nil)
		s.set("h1.example", down)
		for i := range 100 {
			s.post(fmt.Sprint(i), "", inbox(1))
			wait(14 * time.Minute)
		}
		wait(24*time.Hour - 1400*time.Minute)
		n := len(s.to("h1.example"))
		if n < 10 || n > 30 {
			t.Errorf("%d attempts on the first day, want 10 to 30", n)
		}
		l := s.lane("https://h1.example")
		if l.Pending != 100 || l.Failures != n || l.Since.IsZero() || !l.Next.After(time.Now()) || !strings.Contains(l.Err, "refused") || l.Oldest.After(l.Since) {
			t.Errorf("lane: %+v", l)
		}
		s.set("h1.example", nil)
		wait(12 * time.Hour)
		if got := len(s.to("h1.example")); got != n+100 {
			t.Errorf("%d posts after it came back, want 100", got-n)
		}
	})
}

func TestHalfOpenHostGetsOneProbe(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, nil)
		s.set("h1.example", down)
		for i := range 10 {
			s.post(fmt.Sprint(i), "", inbox(1))
		}
		wait(time.Second)
		s.set("h1.example", hang)
		wait(23 * time.Second) // half of 30 s and half of the other half
		if n := len(s.to("h1.example")); n != 2 {
			t.Errorf("%d posts, want one failure and one probe", n)
		}
		wait(10 * time.Second)
		if n := len(s.to("h1.example")); n != 2 {
			t.Errorf("%d posts while the probe hangs", n)
		}
	})
}

func TestHostIsGivenUpAfterAWeek(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, func(c *delivery.Config) { c.Policy.Lifetime = 30 * 24 * time.Hour })
		s.set("h1.example", down)
		s.post("1", "k", inbox(1), "https://h1.example/other")
		s.post("2", "k", inbox(1), inbox(2))
		wait(6 * 24 * time.Hour)
		s.status("1", 2, 0, 0)
		wait(2 * 24 * time.Hour)
		s.status("1", 0, 0, 2)
		s.status("2", 0, 1, 1)
		letters := 0
		for d, err := range s.DeadLetters(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(d.Inbox, "https://h1.example/") || d.Sender != "alice" || d.Key != "k" || !strings.Contains(d.Err, "given up") || !strings.Contains(d.Err, "refused") {
				t.Errorf("dead letter %+v", d)
			}
			letters++
		}
		if letters != 3 || len(s.dead) != 3 || !errors.Is(s.dead[0].Err, delivery.ErrGivenUp) || !errors.Is(s.dead[0].Err, errDown) {
			t.Errorf("%d dead letters, events %+v", letters, s.dead)
		}
		if l := s.lane("https://h1.example"); l.State != delivery.LaneDead {
			t.Errorf("lane of a host that was given up: %+v", l)
		}
		// What comes later gets one try each week, and arrives when the host returns.
		s.post("3", "", inbox(1))
		wait(8 * 24 * time.Hour)
		s.status("3", 0, 0, 1)
		s.set("h1.example", nil)
		s.post("4", "", inbox(1))
		wait(3 * 24 * time.Hour)
		s.status("4", 1, 0, 0)
		s.Wake("h1.example")
		wait(time.Second)
		s.status("4", 0, 1, 0)
	})
}

func TestHostThatIsOnlyBusyIsNotGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, func(c *delivery.Config) { c.Policy.Lifetime = 30 * 24 * time.Hour })
		s.set("h1.example", status(503))
		s.set("h2.example", status(429))
		s.post("1", "", inbox(1), inbox(2))
		wait(20 * 24 * time.Hour)
		s.status("1", 2, 0, 0)
	})
}

func TestRetryAfterIsObeyed(t *testing.T) {
	for _, tt := range []struct {
		name, value string
		status      int
		want        time.Duration
	}{
		{"seconds", "100", 429, 100 * time.Second},
		{"seconds of a host in maintenance", "7200", 503, 2 * time.Hour},
		{"a second at least", "0", 429, time.Second},
		{"a day at most", "1000000", 429, 24 * time.Hour},
		{"a number beyond all bounds", "99999999999999999999999", 429, 24 * time.Hour},
		{"a date", "Sat, 01 Jan 2000 00:10:00 GMT", 429, 10 * time.Minute}, // a bubble begins at midnight UTC 2000-01-01
		{"a date that is past", "Fri, 31 Dec 1999 00:00:00 GMT", 503, time.Second},
		{"nonsense", "soon", 429, 22500 * time.Millisecond},
		{"a negative number", "-5", 429, 22500 * time.Millisecond},
		{"nothing", "", 429, 22500 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := run(t, nil)
				s.set("h1.example", status(tt.status, "Retry-After", tt.value))
				s.post("1", "", inbox(1))
				s.post("2", "", inbox(1))
				synctest.Wait()
				s.set("h1.example", nil)
				wait(48 * time.Hour)
				got := s.times("h1.example")
				if len(got) != 3 || got[1] != tt.want || got[2] > got[1]+time.Second {
					t.Errorf("posts at %v, want the second and third after %v", got, tt.want)
				}
			})
		})
	}
}

func TestWakePullsTheProbe(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, nil)
		s.set("h1.example", down)
		s.post("1", "", inbox(1))
		wait(10 * time.Hour)
		before := s.lane("https://h1.example").Failures
		s.set("h1.example", nil)
		s.Wake("elsewhere.example")
		s.Wake("")
		s.Wake(strings.Repeat("x", 1<<20))
		synctest.Wait()
		s.status("1", 1, 0, 0)
		s.Wake("H1.example:443")
		wait(time.Second)
		s.status("1", 0, 1, 0)
		if before < 5 {
			t.Errorf("only %d failures before: the test proves little", before)
		}
	})
}

func TestWakeIsHeardEachQuarterOfAnHourAndKeepsTheCount(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, nil)
		s.set("h1.example", down)
		s.post("1", "", inbox(1))
		wait(10 * time.Hour)
		n := len(s.to("h1.example"))
		for range 4 * 60 {
			s.Wake("h1.example")
			wait(time.Minute)
		}
		if got := len(s.to("h1.example")) - n; got < 14 || got > 18 {
			t.Errorf("%d probes in four hours of waking", got)
		}
		if f := s.lane("https://h1.example").Failures; f <= n {
			t.Errorf("%d failures after %d: the count was reset", f, n)
		}
	})
}

func TestWakeDoesNotShortenWhatTheHostAskedFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, nil)
		s.set("h1.example", status(429, "Retry-After", "600"))
		s.post("1", "", inbox(1))
		wait(time.Minute)
		s.Wake("h1.example")
		wait(time.Minute)
		if n := len(s.to("h1.example")); n != 1 {
			t.Errorf("%d posts within its 10 minutes", n)
		}
	})
}

func TestAnswersAreJudged(t *testing.T) {
	day := 24 * time.Hour
	for _, tt := range []struct {
		status   int
		attempts int           // until it is settled
		over     time.Duration // from the first to the last, give or take a tenth
		end      string
	}{
		{200, 1, 0, "delivered"}, {202, 1, 0, "delivered"}, {204, 1, 0, "delivered"},
		{410, 1, 0, "gone"}, {404, 3, day, "gone"},
		{405, 1, 0, "dead"}, {406, 1, 0, "dead"}, {415, 1, 0, "dead"}, {501, 1, 0, "dead"},
		{401, 2, time.Hour, "dead"}, {403, 2, time.Hour, "dead"},
		{301, 7, 22 * time.Hour, "dead"}, {302, 7, 22 * time.Hour, "dead"}, {307, 7, 22 * time.Hour, "dead"},
		{400, 7, 22 * time.Hour, "dead"}, {413, 7, 22 * time.Hour, "dead"}, {422, 7, 22 * time.Hour, "dead"},
		{425, 7, 22 * time.Hour, "dead"}, {500, 7, 22 * time.Hour, "dead"}, {451, 7, 22 * time.Hour, "dead"},
	} {
		t.Run(fmt.Sprint(tt.status), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := run(t, nil)
				s.set("h1.example", func(r *http.Request) (*http.Response, error) {
					if r.URL.Path == "/other" {
						return status(202)(r)
					}
					return status(tt.status, "Location", "https://elsewhere.example/")(r)
				})
				s.post("1", "", inbox(1))
				s.post("2", "", "https://h1.example/other")
				wait(time.Second)
				s.status("2", 0, 1, 0) // nothing but the host's failures holds up its lane
				wait(3 * day)
				calls := slices.DeleteFunc(s.to("h1.example"), func(c call) bool { return c.body != "1" })
				over := calls[len(calls)-1].at.Sub(calls[0].at)
				if len(calls) != tt.attempts || over < tt.over*9/10 || over > tt.over*11/10 {
					t.Errorf("%d attempts over %v, want %d over %v", len(calls), over, tt.attempts, tt.over)
				}
				if n := len(s.to("elsewhere.example")); n != 0 {
					t.Error("a redirect was followed")
				}
				letters := 0
				for d, err := range s.DeadLetters(t.Context()) {
					letters++
					if err != nil || d.Attempts != tt.attempts || d.Status != tt.status {
						t.Errorf("dead letter %+v, %v", d, err)
					}
				}
				got := map[string]int{"delivered": len(s.sent) - 1, "gone": len(s.gone), "dead": len(s.dead)}
				if got[tt.end] != 1 || got["delivered"]+got["gone"]+got["dead"] != 1 || (letters == 1) != (tt.end == "dead") {
					t.Errorf("events %v and %d dead letters, want one %s", got, letters, tt.end)
				}
				for _, e := range append(s.gone, s.dead...) {
					var err *delivery.Error
					if !errors.As(e.Err, &err) || !err.Permanent || err.Status != tt.status || err.Inbox != inbox(1) || e.Attempts != tt.attempts {
						t.Errorf("event %+v", e)
					}
				}
			})
		})
	}
}

func TestHostsFailuresPauseItsLane(t *testing.T) {
	for name, do := range map[string]func(*http.Request) (*http.Response, error){
		"408": status(408), "429": status(429), "502": status(502), "503": status(503), "504": status(504), "521": status(521), "530": status(530),
		"refused": down, "hung": hang,
		"no answer and no error after all": func(*http.Request) (*http.Response, error) { return nil, errors.New("EOF") },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := run(t, nil)
				s.set("h1.example", do)
				s.post("1", "", inbox(1))
				s.post("2", "", inbox(1))
				wait(31 * time.Second) // a hung post has timed out
				got := s.bodies("h1.example")
				if strings.Contains(got, "2") {
					t.Errorf("it got %s: the second did not wait for the first", got)
				}
				s.set("h1.example", nil)
				wait(time.Hour)
				if got = s.bodies("h1.example"); !strings.HasSuffix(got, "1 2") {
					t.Errorf("it got %s: not in order", got)
				}
				s.status("1", 0, 1, 0)
				s.status("2", 0, 1, 0)
				if len(s.dead)+len(s.gone) > 0 {
					t.Errorf("given up: %v %v", s.dead, s.gone)
				}
			})
		})
	}
}

func TestRoundTripperThatReturnsNothingIsNoCrash(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, nil)
		s.set("h1.example", func(*http.Request) (*http.Response, error) { return nil, nil })
		s.set("h2.example", func(*http.Request) (*http.Response, error) { return &http.Response{StatusCode: 202}, nil })
		s.post("1", "", inbox(1))
		s.post("2", "", inbox(2))
		wait(time.Second)
		s.status("1", 1, 0, 0)
		s.status("2", 0, 1, 0)
	})
}

func TestExpiredActivitiesAreDroppedAndReported(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, nil)
		s.set("h1.example", down)
		s.set("h2.example", status(500))
		a := activity("1", "k")
		a.Expires = time.Now().Add(time.Hour)
		if _, err := s.Enqueue(t.Context(), nil, a, targets(inbox(1), inbox(2), "https://h1.example/2")); err != nil {
			t.Fatal(err)
		}
		s.post("2", "k", inbox(1), inbox(2))
		wait(4 * time.Hour)
		s.status("1", 0, 0, 3)
		if len(s.dead) != 3 {
			t.Fatalf("%d events", len(s.dead))
		}
		for _, e := range s.dead {
			if !errors.Is(e.Err, delivery.ErrExpired) || e.Activity != "1" {
				t.Errorf("event %+v", e)
			}
		}
		s.set("h1.example", nil)
		s.set("h2.example", nil)
		wait(12 * time.Hour)
		s.status("2", 0, 2, 0)
		for d := range s.DeadLetters(t.Context()) {
			t.Errorf("what expired is no dead letter: %+v", d)
		}
	})
}

func TestNothingGoesBeforeItsTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, nil)
		a := activity("1", "k")
		a.NotBefore = time.Now().Add(time.Hour)
		if _, err := s.Enqueue(t.Context(), nil, a, targets(inbox(1))); err != nil {
			t.Fatal(err)
		}
		s.post("2", "k", inbox(1))
		s.post("3", "", inbox(1))
		wait(59 * time.Minute)
		if got := s.bodies("h1.example"); got != "3" {
			t.Errorf("got %s", got)
		}
		wait(2 * time.Minute)
		if got := s.bodies("h1.example"); got != "3 1 2" {
			t.Errorf("got %s", got)
		}
	})
}
