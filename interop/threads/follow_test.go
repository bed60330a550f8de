package threads_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/internal/threadslike"
)

// bothWays runs a test with both ways in which Threads was seen to sign.
func bothWays(t *testing.T, test func(t *testing.T, o options)) {
	for name, dateOnly := range map[string]bool{"hs2019 with created and expires": false, "rsa-sha256 with a Date": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, options{theirs: func(c *threadslike.Config) { c.DateOnly = dateOnly }})
		})
	}
}

func TestTheyFollowUsAndStop(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, o options) {
		w := newWorld(t, o)
		w.theyFollow()
		if w.state(w.frank.ID(), alice) != actor.Accepted {
			t.Error("the follower is not kept")
		}
		accept := w.exchange("our Accept", func(e threadslike.Exchange) bool { return e.Type == "Accept" })
		if accept.Status != http.StatusOK || accept.Why != "" || accept.Signer != alice {
			t.Errorf("our Accept: %+v", accept)
		}
		if err := w.frank.Undo("Follow", alice); err != nil {
			t.Fatal(err)
		}
		w.hears("Unfollow", func(h heard) bool { return h.Sender == w.frank.ID() })
		w.until("forgotten", func() bool { return w.state(w.frank.ID(), alice) == 0 })

		w.theyFollow() // and once more, under another id
	})
}

func TestWeFollowThemAndStop(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, o options) {
		w := newWorld(t, o)
		id := w.weFollow()
		if got := w.frank.Followers(); len(got) != 1 || got[0] != alice {
			t.Fatalf("frank's followers: %v", got)
		}
		if _, err := w.ours.Undo(t.Context(), "alice", id); err != nil {
			t.Fatal(err)
		}
		undo := w.exchange("our Undo", func(e threadslike.Exchange) bool { return e.Type == "Undo" })
		if undo.Status != http.StatusOK || len(w.frank.Followers()) != 0 || w.state(alice, w.frank.ID()) != 0 {
			t.Errorf("after our Undo: %+v, followers %v", undo, w.frank.Followers())
		}
	})
}

func TestAFollowerIsTurnedAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	w.theyFollow()
	if _, err := w.ours.Reject(t.Context(), "alice", w.frank.ID()); err != nil {
		t.Fatal(err)
	}
	w.until("our Reject", func() bool { accepted, pending := w.frank.Following(alice); return !accepted && !pending })
}

// A delivery arrives seven minutes after it was signed, for five minutes: the allowance for clocks that differ covers that.
func TestWhatArrivesSevenMinutesAfterItsDateIsTaken(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, o options) {
		w := newWorld(t, o)
		w.theyFollow()
		for _, a := range w.requests(func(a asked) bool { return a.method == http.MethodPost }) {
			if late := time.Since(a.date); late < 7*time.Minute || late > 8*time.Minute || a.status != http.StatusAccepted {
				t.Errorf("%s came %s after its Date and was answered %d", a.path, late, a.status)
			}
		}
	})
	// Later than that it is refused, so that what was seen above is no lack of looking.
	w := newWorld(t, options{theirs: func(c *threadslike.Config) { c.Lag = 11 * time.Minute }})
	if _, err := w.frank.Follow(t.Context(), "@alice@blog.test"); err != nil {
		t.Fatal(err)
	}
	if sent := w.threads.Deliver(t.Context()); len(sent) != 1 || sent[0].Status != http.StatusUnauthorized {
		t.Errorf("eleven minutes late: %+v", sent)
	}
}

// While our request waits, the double fetches alice's actor with a signature by frank, whose key nobody gets without a
// signature of their own. Who verified that one would go round in circles.
func TestTheirSignedFetchOfOurKeyIsAnsweredWhileOurDeliveryWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	during := make(chan bool, 1)
	w.mu.Lock()
	w.answer = func(r *http.Request) {
		if r.Method == http.MethodGet && r.URL.Path == "/ap/users/alice" && r.Header.Get("Signature") != "" {
			answered := false
			for _, e := range w.threads.Exchanges() {
				answered = answered || e.Type == "Follow"
			}
			select {
			case during <- !answered:
			default:
			}
		}
	}
	w.mu.Unlock()
	w.weFollow()
	select {
	case waiting := <-during:
		if !waiting {
			t.Error("the key was fetched after the answer")
		}
	default:
		t.Error("the key was not fetched with a signature")
	}
	asOurs := w.requests(func(a asked) bool { return a.path == "/ap/users/alice" })
	for _, a := range asOurs {
		if a.status != http.StatusOK || !strings.Contains(a.signature, w.frank.KeyID()) {
			t.Errorf("GET of alice: %+v", a)
		}
	}
	fetches := 0
	for _, e := range w.threads.Exchanges() {
		if e.URL == w.frank.ID() && e.Method == http.MethodGet {
			fetches++
		}
	}
	if fetches != 1 {
		t.Errorf("frank was fetched %d times: once to be found is enough", fetches)
	}
}

func TestWhoIs404WithoutASignatureIsFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	old := w.addUser(threadslike.User{Handle: "early", Name: "Early", Sharing: true, Old: true})
	w.addUser(threadslike.User{Handle: "shy"})
	address := w.config.InsecureAllowLoopback["threads.net"]
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.Replace(w.frank.ID(), "threads.net", address, 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "threads.net"
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("without a signature: %d", resp.StatusCode)
	}
	for query, want := range map[string]*threadslike.Account{
		"@frank@threads.net": w.frank, w.frank.ID(): w.frank, "@early@threads.net": old, old.ID(): old,
	} {
		found, err := w.ours.Lookup(t.Context(), query)
		if err != nil {
			t.Errorf("Lookup(%s) = %v", query, err)
			continue
		}
		if found.ID != want.ID() || found.Inbox.ID != want.ID()+"inbox/" || found.SharedInbox() != "http://threads.net/ap/inbox/" {
			t.Errorf("Lookup(%s) = %s with inboxes %s and %s", query, found.ID, found.Inbox.ID, found.SharedInbox())
		}
	}
	// Who has not opted in is nobody, and the sentence says that this may be why.
	_, err = w.ours.Lookup(t.Context(), "@shy@threads.net")
	var failed *actor.LookupError
	if !errors.As(err, &failed) || failed.Reason != actor.Unknown || !strings.Contains(failed.Sentence(), "opted in") {
		t.Errorf("Lookup of who does not share = %v", err)
	}
}

func TestAProfileIsReplacedByItsUpdate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	w.weFollow()
	if err := w.frank.Rename("Frankie"); err != nil {
		t.Fatal(err)
	}
	h := w.hears("Update", about(w.frank.ID()))
	if _, ok := h.Object.(*activity.Actor); !ok {
		t.Errorf("an Update of %T", h.Object)
	}
	w.until("the new name", func() bool {
		who, err := w.ours.Lookup(t.Context(), w.frank.ID())
		return err == nil && who.Name == "Frankie"
	})
}
