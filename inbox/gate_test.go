package inbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/signature"
)

func TestAFullJournalStillAdmitsWhatPeopleWaitFor(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *inbox.Config) { c.MaxJournal = 20 })
	like := func(i int, as string) int {
		return b.post(as, act("Like", fmt.Sprintf("%s/likes/%d", as, i), as, here+"/ap/objects/1"))
	}
	taken := 0
	for i := range 30 {
		if like(i, bob) == 202 {
			taken++
		}
	}
	if taken != 9 { // half of what is not reserved
		t.Errorf("%d Likes of one host were taken", taken)
	}
	for i := range 30 {
		if like(i, mallory) == 202 {
			taken++
		}
	}
	if taken != 18 {
		t.Errorf("%d Likes were taken in all, want 18 of 20", taken)
	}
	if got := like(99, stranger); got != 503 {
		t.Errorf("one more: %d", got)
	}
	for i, body := range []string{
		act("Follow", "https://else.example/f/1", stranger, alice),
		act("Create", "https://else.example/a/1", stranger, object{"id": "https://else.example/n/1", "to": alice}),
	} {
		if got := b.post(stranger, body); got != 202 {
			t.Errorf("what people wait for, %d: %d", i, got)
		}
	}
	if got := b.post(stranger, act("Follow", "https://else.example/f/2", stranger, locky)); got != 503 {
		t.Errorf("beyond the reserve: %d", got)
	}
}

func TestWhileNobodyWorksAFullJournalIsSaidOnceAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		b := newBench(t, func(c *inbox.Config) {
			c.MaxJournal = 1
			c.Logger = slog.New(slog.NewTextHandler(&log, nil))
			c.Verifier = trusting{}
		})
		for i := range 180 {
			w := httptest.NewRecorder()
			r := request("/ap/inbox", act("Follow", fmt.Sprintf("%s/f/%d", there, i), bob, alice))
			b.ServeHTTP(w, r)
			if i > 0 && (w.Code != 503 || w.Header().Get("Retry-After") == "") {
				t.Fatalf("status %d, header %v", w.Code, w.Header())
			}
			time.Sleep(time.Second)
		}
		if n := strings.Count(log.String(), "come again later"); n < 3 || n > 4 {
			t.Errorf("said %d times in three minutes:\n%s", n, log.String())
		}
	})
}

// trusting believes that a request is by the actor that it names in X-As, or by bob.
type trusting struct{}

func (trusting) Verify(r *http.Request, _ []byte) (signature.Verified, error) {
	if as := r.Header.Get("X-As"); as != "" {
		return signature.Verified{Owner: as}, nil
	}
	return signature.Verified{Owner: bob}, nil
}

func TestStrangersFromOneAddressAreLimitedAndOthersAreNot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(c *inbox.Config) {
			c.MaxStrangers = 5
			c.Proxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
			c.Verifier = trusting{}
		})
		b.peers.known[bob] = true
		n := 0
		post := func(as, from, forwarded string) int {
			n++
			r := request("/ap/inbox", act("Like", fmt.Sprintf("%s/likes/%d", as, n), as, here+"/ap/objects/1"))
			r.RemoteAddr = from
			r.Header.Set("X-As", as)
			if forwarded != "" {
				r.Header.Set("X-Forwarded-For", forwarded)
			}
			w := httptest.NewRecorder()
			b.ServeHTTP(w, r)
			return w.Code
		}
		for i := range 7 {
			want := 202
			if i >= 5 {
				want = 429
			}
			for _, from := range []struct{ addr, forwarded string }{
				{"192.0.2.1:99", ""},
				{"192.0.2.2:99", fmt.Sprintf("198.51.100.%d", i)},                  // no proxy of ours
				{"10.1.1.1:99", fmt.Sprintf("8.8.8.%d, 203.0.113.7, 10.2.2.2", i)}, // the last that no proxy vouches for
				{fmt.Sprintf("[2001:db8::%d]:99", i), ""},                          // one network
			} {
				if got := post(stranger, from.addr, from.forwarded); got != want {
					t.Errorf("%d from %s %s: %d, want %d", i, from.addr, from.forwarded, got, want)
				}
			}
		}
		if got := post(stranger, "[2001:db8:0:1::1]:99", ""); got != 202 {
			t.Errorf("another network: %d", got)
		}
		for _, from := range []string{"127.0.0.1:99", "192.168.0.1:99"} { // a proxy of which nobody told us
			for i := range 20 {
				if got := post(stranger, from, fmt.Sprintf("198.51.100.%d", i)); got != 202 {
					t.Errorf("%d from %s: %d", i, from, got)
				}
			}
		}
		if got := post(bob, "192.0.2.1:99", ""); got != 202 {
			t.Errorf("who is known, from an address that strangers used up: %d", got)
		}
		time.Sleep(time.Minute)
		if got := post(stranger, "192.0.2.1:99", ""); got != 202 {
			t.Errorf("a minute later: %d", got)
		}
	})
}

// slowVerifier waits until it is let go.
type slowVerifier struct {
	trusting
	begun chan struct{}
	let   chan struct{}
}

func (v *slowVerifier) Verify(r *http.Request, body []byte) (signature.Verified, error) {
	v.begun <- struct{}{}
	<-v.let
	return v.trusting.Verify(r, body)
}

func TestFewStrangersOfOneHostAreVerifiedAtOnce(t *testing.T) {
	t.Parallel()
	v := &slowVerifier{begun: make(chan struct{}, 20), let: make(chan struct{})}
	b := newBench(t, func(c *inbox.Config) { c.MaxFetching, c.Verifier = 2, v })
	b.peers.known[bob] = true
	var wg sync.WaitGroup
	post := func(as string, i int, want int) {
		r := signed(t, "/ap/inbox", as, act("Like", fmt.Sprintf("%s/likes/%d", as, i), as, here+"/ap/objects/1"))
		r.Header.Set("X-As", as)
		w := httptest.NewRecorder()
		b.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s: %d, want %d", as, w.Code, want)
		}
	}
	for i := range 2 {
		wg.Go(func() { post(eve, i, 202) })
		<-v.begun
	}
	post(eve, 3, 503)
	wg.Go(func() { post(bob, 4, 202) }) // known
	<-v.begun
	wg.Go(func() { post(stranger, 5, 202) }) // of another host
	<-v.begun
	close(v.let)
	wg.Wait()
	post(eve, 6, 202)
}

// holder is a Verifier that has some keys.
type holder struct {
	trusting
	has string
}

func (h holder) Holds(r *http.Request) bool { return r.Header.Get("X-As") == h.has }

func TestWhoseKeyIsAtHandIsNoStranger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(c *inbox.Config) { c.Verifier, c.MaxStrangers = holder{has: eve}, 100 })
		for _, as := range []string{eve, stranger} {
			begun, busy := time.Now(), 0
			for i := range 300 {
				r := signed(t, "/ap/inbox", eve, act("Like", fmt.Sprintf("%s/likes/%d", as, i), as, here+"/ap/objects/1"))
				r.Header.Set("X-As", eve) // her key in either case, but she speaks for another then
				r.RemoteAddr = "192.0.2.1:99"
				w := httptest.NewRecorder()
				b.ServeHTTP(w, r)
				if w.Code == 429 {
					busy++
				}
			}
			took := time.Since(begun)
			if held := as == eve; held != (busy == 0) || held != (took == 0) {
				t.Errorf("%s: %d of 300 were told to come again, and it took %s", as, busy, took)
			}
		}
	})
}

func TestMoreStrangersOfOneHostWaitButNotAll(t *testing.T) {
	t.Parallel()
	v := &slowVerifier{begun: make(chan struct{}, 20), let: make(chan struct{})}
	b := newBench(t, func(c *inbox.Config) { c.MaxFetching, c.Verifier = 1, v })
	answers := make(chan int, 10)
	for i := range 10 {
		go func() {
			r := signed(t, "/ap/inbox", eve, act("Like", fmt.Sprintf("%s/likes/%d", eve, i), eve, here+"/ap/objects/1"))
			r.Header.Set("X-As", eve)
			w := httptest.NewRecorder()
			b.ServeHTTP(w, r)
			answers <- w.Code
		}()
	}
	for range 7 {
		if code := <-answers; code != 503 {
			t.Errorf("one of those whom there is no room for: %d", code)
		}
	}
	if len(v.begun) != 1 {
		t.Errorf("%d are verified at once", len(v.begun))
	}
	close(v.let)
	for range 3 {
		if code := <-answers; code != 202 {
			t.Errorf("one of those who waited: %d", code)
		}
	}
}

func TestRequestsTakeNoMoreMemoryThanThereIs(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *inbox.Config) { c.MaxBody, c.MaxBuffered = 10<<10, 20<<10 })
	body, slow := io.Pipe()
	r := httptest.NewRequest(http.MethodPost, "/ap/inbox", body) // of unknown length
	r.Header.Set("Content-Type", "application/activity+json")
	done := make(chan int)
	go func() {
		w := httptest.NewRecorder()
		b.ServeHTTP(w, r)
		done <- w.Code
	}()
	if _, err := slow.Write([]byte(`{"type":`)); err != nil { // it is being read
		t.Fatal(err)
	}
	if got := b.post("", act("Like", "", bob, strings.Repeat("x", 5000))); got != 503 {
		t.Errorf("beside it: %d", got)
	}
	slow.CloseWithError(errors.New("gone"))
	if got := <-done; got != 400 {
		t.Errorf("the slow one: %d", got)
	}
	if got := b.post("", act("Like", "", bob, strings.Repeat("x", 5000))); got != 401 {
		t.Errorf("after it: %d", got)
	}
}

func TestAQuietHostDoesNotWaitBehindABusyOne(t *testing.T) {
	t.Parallel()
	var order []string
	b := newBench(t, func(c *inbox.Config) {
		c.Workers = 1
		c.Hooks.Like = func(_ context.Context, m *inbox.Message) error { order = append(order, m.Sender); return nil }
		c.Hooks.Create = func(_ context.Context, m *inbox.Message) error { order = append(order, "reply"); return nil }
		c.Verifier = trusting{}
	})
	post := func(as, body string) {
		r := request("/ap/inbox", body)
		r.Header.Set("X-As", as)
		b.ServeHTTP(httptest.NewRecorder(), r)
	}
	for i := range 500 {
		as := fmt.Sprintf("%s/users/%d", there, i)
		post(as, act("Like", as+"/like", as, here+"/ap/objects/1"))
	}
	post(mallory, act("Like", mallory+"/like", mallory, here+"/ap/objects/1"))
	post(bob, act("Create", there+"/a/1", bob, object{"id": there + "/n/1", "inReplyTo": here + "/ap/objects/1", "content": "x"}))
	b.run()
	if i, j := slices.Index(order, mallory), slices.Index(order, "reply"); len(order) != 502 || i > 300 || j > 300 {
		t.Errorf("of %d the quiet host's was number %d, the reply of the busy one number %d", len(order), i, j)
	}
}

func TestLikesAndAnnouncesOfOneObjectComeTogetherIfTheAppAsks(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	groups := map[string][]int{}
	failed := false
	b := newBench(t, func(c *inbox.Config) {
		many := func(_ context.Context, id string, ms []*inbox.Message) error {
			mu.Lock()
			defer mu.Unlock()
			if !failed {
				failed = true
				return errors.New("not now")
			}
			groups[ms[0].Activity.Type.String()+" "+id] = append(groups[ms[0].Activity.Type.String()+" "+id], len(ms))
			for _, m := range ms {
				if m.ObjectID != id || m.Sender == "" || !slices.Equal(m.To, []string{alice}) {
					t.Errorf("in the group of %s: %+v", id, m)
				}
			}
			return nil
		}
		c.Hooks = inbox.Hooks{Likes: many, Announces: many, React: func(context.Context, *inbox.Message) error {
			mu.Lock()
			defer mu.Unlock()
			groups["React"] = append(groups["React"], 1)
			return nil
		}}
		c.Verifier = trusting{}
		c.MaxStrangers = 1000
	})
	for i := range 900 {
		as := fmt.Sprintf("%s/users/%d", there, i)
		typ, more := []string{"Like", "Announce"}[i%2], []any{}
		if i%100 == 0 {
			more = []any{"content", "🎉"}
		}
		r := request("/ap/inbox", act(typ, as+"/act", as, here+"/ap/objects/1", more...))
		r.Header.Set("X-As", as)
		b.ServeHTTP(httptest.NewRecorder(), r)
	}
	b.run()
	sum := func(name string) (n int) {
		for _, one := range groups[name] {
			n += one
		}
		return n
	}
	likes, shares := "Like "+here+"/ap/objects/1", "Announce "+here+"/ap/objects/1"
	if sum(likes) != 441 || sum(shares) != 450 || sum("React") != 9 {
		t.Errorf("%d likes, %d shares, %d reactions", sum(likes), sum(shares), sum("React"))
	}
	if len(groups[shares]) > 20 && len(groups[likes]) > 20 && slices.Max(groups[likes]) < 100 {
		t.Errorf("groups of %v and %v", groups[likes], groups[shares])
	}
}
