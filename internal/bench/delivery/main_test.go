package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fedihook/fedihook/delivery"
)

// The program starts itself as its own sink; under test that is this binary.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "-child" {
		main()
		return
	}
	os.Exit(m.Run())
}

func tiny(t *testing.T, more ...string) options {
	t.Helper()
	o, err := parse(append([]string{
		"-hosts", "12", "-posts", "2", "-rounds", "1", "-samples", "5", "-think", "20ms", "-fanout", "20", "-followers", "60", "-instances", "20",
		"-pending", "60", "-dead-hosts", "5", "-dead-posts", "5", "-inflight", "16", "-patience", "1m",
	}, more...))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// measured runs one goal and returns its rows.
func measured(t *testing.T, g goal, o options) *runner {
	t.Helper()
	r, err := newRunner(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	r.goal = g.name
	if err := g.run(r, t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestEveryGoalIsMeasuredAndJudged(t *testing.T) {
	t.Parallel()
	for _, g := range goals(false) {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			o := tiny(t)
			// The pool takes its time with what is urgent; and rate is the same for both.
			o.baseline = g.name != "interactive" && g.name != "rate"
			r := measured(t, g, o)
			judged := 0
			for _, w := range r.rows {
				if w.Met != nil {
					judged++
				}
				if math.IsNaN(w.Queue) || math.IsInf(w.Queue, 0) || w.Queue == endless {
					t.Errorf("%s is %v", w.What, w.Queue)
				}
			}
			if judged == 0 {
				t.Errorf("no row has a limit: %+v", r.rows)
			}
			var table, lines strings.Builder
			if err := r.print(&table); err != nil {
				t.Fatal(err)
			}
			if got := strings.Count(table.String(), "\n"); got != len(r.rows)+1 {
				t.Errorf("the table has %d lines for %d rows", got, len(r.rows))
			}
			r.json = true
			if err := r.print(&lines); err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(lines.String()) {
				var w row
				if err := json.Unmarshal([]byte(line), &w); err != nil || w.Goal != g.name {
					t.Errorf("line %q: %v", line, err)
				}
			}
		})
	}
}

func TestALimitIsMetUpToItself(t *testing.T) {
	t.Parallel()
	r := &runner{}
	for _, c := range []struct {
		w    *row
		want string
	}{
		{r.row("", "", 2).atMost(2), "met"},
		{r.row("", "", 2.1).atMost(2), "NOT met"},
		{r.row("", "", 2).atLeast(2), "met"},
		{r.row("", "", 1.9).atLeast(2), "NOT met"},
		{r.row("", "", endless).atMost(2), "NOT met"},
		{r.row("", "", 1), ""},
	} {
		if got := c.w.verdict(); got != c.want {
			t.Errorf("%v of %s is %q, want %q", c.w.Queue, c.w.wanted(), got, c.want)
		}
	}
}

func TestFlagsThatMakeNoSenseAreSaid(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"-goals", "rate,world-peace"}, {"-hosts", "0"}, {"-dead", "0.9", "-tarpit", "0.1"}, {"-store", "stone"}, {"-suite", "rot13"}, {"more"},
	} {
		if _, err := parse(args); err == nil {
			t.Errorf("%v is taken", args)
		}
	}
}

// flaky fails the first try of each URL, and counts.
type flaky struct {
	mu    sync.Mutex
	tries map[string]int
}

func (f *flaky) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tries[r.URL.String()]++
	if strings.HasPrefix(r.URL.Host, refuse) {
		return nil, errors.New("refused")
	}
	return null{}.RoundTrip(r)
}

// The pool is what the queue is compared with: it must do its work.
func TestThePoolPostsEachRowOnceAndKeepsWhatFailed(t *testing.T) {
	t.Parallel()
	f := &flaky{tries: make(map[string]int)}
	p, db, err := newPool(t.Context(), t.TempDir(), f)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	to := mixed(inboxes(fine, 250), inboxes(refuse, 10), inboxes(fine, 250)) // the last ones are folded
	if err := p.Enqueue(t.Context(), post{id: "1", body: []byte("x")}, to); err != nil {
		t.Fatal(err)
	}
	stop := working(t.Context(), p)
	left := func() (n int) {
		if err := db.QueryRow(`SELECT count(*) FROM job`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for end := time.Now().Add(20 * time.Second); left() > 10 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if n := left(); n != 10 {
		t.Errorf("%d rows are left, want the 10 that failed", n)
	}
	if len(f.tries) != 260 {
		t.Errorf("%d inboxes were tried, want 260", len(f.tries))
	}
	for url, n := range f.tries {
		if n != 1 {
			t.Errorf("%s was tried %d times", url, n)
		}
	}
}

func TestTheBareLoopSaysWhatWasNotTaken(t *testing.T) {
	t.Parallel()
	keys, err := makeKeys("rsa")
	if err != nil {
		t.Fatal(err)
	}
	refusing := roundTrip(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 401, Status: "401 Unauthorized", Body: io.NopCloser(strings.NewReader("no"))}, nil
	})
	_, err = bareLoop(context.Background(), []string{"http://ok0.test/inbox"}, []byte("x"), keys["rsa"], refusing, 1)
	if err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("got %v", err)
	}
}

func TestKindsOfHostsAreMixedEvenly(t *testing.T) {
	t.Parallel()
	var list []delivery.Target
	for target := range mixed(inboxes(fine, 90), inboxes(dark, 10)) {
		list = append(list, target)
	}
	if len(list) != 100 {
		t.Fatalf("there are %d", len(list))
	}
	for tenth := range slices.Chunk(list, 20) {
		n := 0
		for _, target := range tenth {
			if strings.HasPrefix(target.Inbox, fmt.Sprintf("http://%s", dark)) {
				n++
			}
		}
		if n < 1 || n > 3 {
			t.Errorf("%d of 20 are dark", n)
		}
	}
}
