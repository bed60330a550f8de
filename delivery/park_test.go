package delivery_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook/delivery"
)

// A host with more waiting than its lane has in memory gets all of it, in order, once.
func TestParkedLaneIsReadOnInOrder(t *testing.T) {
	for name, most := range map[string]int{"a host that is down": 60, "a host that is slow": 2500} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := run(t, nil)
				s.set("h1.example", down)
				if most > 1000 {
					s.set("h1.example", func(r *http.Request) (*http.Response, error) {
						time.Sleep(100 * time.Millisecond)
						return status(202)(r)
					})
				}
				var want []string
				for i := range most {
					id := fmt.Sprint(i)
					s.post(id, "k", inbox(1), inbox(2))
					want = append(want, id)
					if i == 30 {
						wait(time.Second)
					}
				}
				wait(time.Second)
				if l := s.lane("https://h1.example"); l.Parked == 0 {
					t.Errorf("nothing of %d is parked: %+v", most, l)
				}
				if most < 1000 {
					s.set("h1.example", nil)
				}
				wait(30 * time.Hour)
				got := strings.Fields(s.bodies("h1.example"))
				if most < 1000 {
					got = got[len(s.to("h1.example"))-most:] // but the tries that failed
				}
				if strings.Join(got, " ") != strings.Join(want, " ") {
					t.Errorf("%d of %d arrived, or in another order: %.300v", len(got), most, got)
				}
				s.status(fmt.Sprint(most-1), 0, 2, 0)
			})
		})
	}
}

func TestHostGivenUpTakesWhatIsParkedWithIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, func(c *delivery.Config) { c.Policy.GiveUp = time.Hour })
		s.set("h1.example", down)
		for i := range 100 {
			s.post(fmt.Sprint(i), "", inbox(1))
		}
		wait(4 * time.Hour)
		for i := range 100 {
			s.status(fmt.Sprint(i), 0, 0, 1)
		}
		if len(s.dead) != 100 {
			t.Errorf("OnDead was called for %d of 100", len(s.dead))
		}
	})
}

func TestWhatIsParkedExpires(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, func(c *delivery.Config) { c.Policy.Lifetime = time.Hour })
		s.set("h1.example", down)
		for i := range 100 {
			s.post(fmt.Sprint(i), "", inbox(1), inbox(2))
		}
		wait(61 * time.Minute)
		for i := range 100 {
			s.status(fmt.Sprint(i), 0, 1, 1)
		}
		if len(s.dead) != 100 {
			t.Errorf("OnDead was called for %d of 100", len(s.dead))
		}
		for l := range s.Lanes(t.Context()) {
			if l.Pending != 0 {
				t.Errorf("lane %+v", l)
			}
		}
	})
}

// The memory of a backlog is bounded by hosts, not by hosts times activities.
func TestBacklogOfDeadHostsTakesMemoryPerHost(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	// Not parallel: it measures the memory of the process.
	hosts, posts := 2000, 300
	st := openSQLite(t, filepath.Join(t.TempDir(), "queue.db"))
	c := config(nil, st)
	c.Poll, c.LeaseTTL = time.Second, 10*time.Second
	c.Transport = func(string) (http.RoundTripper, error) { return roundTrip(down), nil }
	q, err := delivery.New(c)
	if err != nil {
		t.Fatal(err)
	}
	var to []string
	for i := range hosts {
		to = append(to, fmt.Sprintf("https://host%d.example/inbox", i))
	}
	start(t, q)
	post := func(i int) {
		if _, err := q.Enqueue(t.Context(), nil, activity(fmt.Sprint("post ", i), fmt.Sprint("key ", i)), targets(to...)); err != nil {
			t.Fatal(err)
		}
	}
	failing := func() (n, pending int) {
		for l, err := range q.Lanes(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			pending += l.Pending
			if l.Failures > 0 {
				n++
			}
		}
		return n, pending
	}
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	post(0)
	eventually(t, "all fail", func() bool { n, _ := failing(); return n == hosts })
	before := heap()
	for i := range posts {
		post(i + 1)
	}
	eventually(t, "all loaded", func() bool { _, n := failing(); return n == hosts*(posts+1) })
	grown := heap() - before
	t.Logf("%d targets for %d dead hosts: memory grew by %d bytes per host", hosts*posts, hosts, grown/int64(hosts))
	if grown > int64(hosts)*1000 {
		t.Errorf("memory grew by %d bytes for %d hosts", grown, hosts)
	}
}
