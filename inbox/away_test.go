package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/inbox"
)

// drippers are peers of whom all but there.example send a document so slowly that its fetch is given up after 10 s.
type drippers struct {
	*fakePeers
	drip sync.Mutex
	now  map[string]int // how many are waited for, by host
	most map[string]int
}

func (d *drippers) Fetch(ctx context.Context, id string) (activity.Document, error) {
	host, _ := activity.Authority(id)
	if host == "there.example" {
		return d.fakePeers.Fetch(ctx, id)
	}
	count := func(n int) {
		d.drip.Lock()
		defer d.drip.Unlock()
		for _, of := range []string{host, "all"} {
			d.now[of] += n
			d.most[of] = max(d.most[of], d.now[of])
		}
	}
	count(1)
	defer count(-1)
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(10 * time.Second):
		return nil, errors.New("it drips")
	}
}

func TestServersThatDripHoldUpNobodyElse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name              string
		hosts, each       int
		atOnce, ofOneHost int
	}{
		{"as many as there are workers", 8, 1, 8, 1},
		{"many", 60, 2, 32, 2},
		{"one with many", 1, 60, 8, 8},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := &drippers{now: map[string]int{}, most: map[string]int{}}
				b := newBench(t, func(conf *inbox.Config) {
					d.fakePeers = conf.Peers.(*fakePeers)
					conf.Peers, conf.Verifier = d, trusting{}
					conf.Backoff = func(int) time.Duration { return time.Minute }
				})
				ctx, stop := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- b.Run(ctx) }()
				for i := range c.hosts * c.each {
					as := fmt.Sprintf("https://drip%d.example/users/%d", i%c.hosts, i)
					r := request("/ap/inbox", act("Create", as+"/a", as, as+"/note", "to", alice))
					r.Header.Set("X-As", as)
					if code := b.serveTo(r); code != 202 {
						t.Fatalf("a Create that only names its object was answered %d", code)
					}
				}
				synctest.Wait() // they all wait
				if d.now["all"] != c.atOnce {
					t.Errorf("%d are waited for, want %d", d.now["all"], c.atOnce)
				}
				start := time.Now()
				for i := range 20 {
					as := fmt.Sprintf("%s/users/%d", there, i)
					r := request("/ap/inbox", act("Follow", as+"/f", as, alice))
					r.Header.Set("X-As", as)
					if code := b.serveTo(r); code != 202 {
						t.Fatalf("a Follow was answered %d", code)
					}
				}
				synctest.Wait()
				for i := range 20 {
					as := fmt.Sprintf("%s/users/%d", there, i)
					if !slices.Contains(b.book.all(), "Accept "+as+"/f to "+as+" from "+alice) {
						t.Errorf("the Follow of %s has no answer yet", as)
					}
				}
				if took := time.Since(start); took > 100*time.Millisecond { // unknown actors of one host take 4 each
					t.Errorf("the answers took %s", took)
				}
				// In the end each of them was asked, and what was only put off was not taken for a failure of theirs.
				time.Sleep(time.Duration(c.hosts*c.each/c.atOnce+1) * 12 * time.Second)
				stop()
				if err := <-done; err != nil {
					t.Error(err)
				}
				asked := 0
				for host, n := range d.most {
					if host == "all" {
						continue
					}
					asked++
					if n > c.ofOneHost {
						t.Errorf("%d waited for %s at once, want at most %d", n, host, c.ofOneHost)
					}
				}
				if asked != c.hosts || d.most["all"] > c.atOnce {
					t.Errorf("%d hosts of %d were asked, %d at once", asked, c.hosts, d.most["all"])
				}
			})
		})
	}
}

func TestAwayWithoutAWorkerJustAsks(t *testing.T) {
	t.Parallel()
	want := errors.New("no")
	if err := inbox.Away(t.Context(), bob, func() error { return want }); err != want {
		t.Errorf("got %v", err)
	}
}
