package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/signature"
)

func TestEveryLieIsAnsweredWithItsStatus(t *testing.T) {
	t.Parallel()
	note := object{"id": there + "/n/1", "type": "Note", "attributedTo": bob, "content": "x"}
	with := func(o object, name string, v any) object {
		c := object{}
		for k, old := range o {
			c[k] = old
		}
		c[name] = v
		return c
	}
	follow := object{"id": there + "/f/1", "type": "Follow", "actor": bob, "object": alice}
	for _, c := range []struct {
		name, as, body string
		want           int
	}{
		{"an honest Create", bob, act("Create", there+"/a/1", bob, note), 202},
		{"an honest Create without an id of its own", bob, act("Create", "", bob, note), 202},
		{"an unknown type", bob, act("Sneeze", there+"/a/1", bob, note), 202},
		{"unsigned", "", act("Create", there+"/a/1", bob, note), 401},
		{"a Create forwarded by somebody else, for its origin to prove", eve, act("Create", there+"/a/1", bob, note), 202},
		{"a Follow signed by somebody else of the same server", eve, act("Follow", "", bob, alice), 403},
		{"a Follow signed by somebody else of another server", mallory, act("Follow", "https://evil.example/f/1", bob, alice), 403},
		{"in the name of a local actor", mallory, act("Create", here+"/a/1", alice, note), 403},
		{"signed by a local actor", alice, act("Create", here+"/a/1", alice, note), 403},
		{"no JSON", bob, `{"type":`, 400},
		{"a name twice", bob, `{"type":"Create","actor":"` + bob + `","actor":"` + eve + `"}`, 400},
		{"a list", bob, `[]`, 400},
		{"no activity", bob, `{"type":"Note","id":"` + there + `/n/1"}`, 400},
		{"no actor", bob, act("Create", there+"/a/1", "", note), 400},
		{"an actor with another scheme", bob, act("Create", there+"/a/1", "acct:bob@there.example", note), 400},
		{"too deep", bob, strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100), 400},

		{"an id of another server", bob, act("Create", "https://evil.example/a/1", bob, note), 403},
		{"an id of another port", bob, act("Create", "https://there.example:8443/a/1", bob, note), 403},
		{"an object of another server", bob, act("Create", there+"/a/1", bob, with(note, "id", "https://evil.example/n/1")), 403},
		{"an object without an id", bob, act("Create", there+"/a/1", bob, object{"type": "Note"}), 403},
		{"an object by somebody else", bob, act("Create", there+"/a/1", bob, with(note, "attributedTo", eve)), 403},
		{"an edit of somebody else's object", bob, act("Update", there+"/a/1", bob, with(note, "attributedTo", eve)), 403},
		{"an edit of somebody else's actor", bob, act("Update", there+"/a/1", bob, object{"id": eve, "type": "Person", "inbox": eve + "/inbox"}), 403},
		{"a Delete at another server", bob, act("Delete", there+"/a/1", bob, "https://evil.example/n/1"), 403},
		{"a Delete of a local post", bob, act("Delete", there+"/a/1", bob, here+"/ap/objects/1"), 403},
		{"an Undo of somebody else's", bob, act("Undo", there+"/a/1", bob, with(follow, "actor", eve)), 403},
		{"an Undo of an id of another server", bob, act("Undo", there+"/a/1", bob, "https://evil.example/f/1"), 403},
		{"an Undo of what has an id of another server", bob, act("Undo", there+"/a/1", bob, with(follow, "id", "https://evil.example/f/1")), 403},
		{"an Accept of a Follow of somebody else", eve, act("Accept", there+"/a/1", eve, object{"type": "Follow", "actor": alice, "object": bob}), 403},
		{"a Reject of a Follow of somebody else", eve, act("Reject", there+"/a/1", eve, object{"type": "Follow", "actor": alice, "object": bob}), 403},
		{"an Add to another server's collection", bob, act("Add", "", bob, note, "target", "https://evil.example/featured"), 403},
		{"a Remove from a local collection", bob, act("Remove", "", bob, note, "target", alice+"/featured"), 403},
		{"a Move of somebody else", bob, act("Move", there+"/a/1", bob, eve, "target", mallory), 403},
		{"an exact name in capitals", bob, strings.Replace(act("Create", there+"/a/1", bob, note), `"actor"`, `"ACTOR":"`+bob+`","actor"`, 1), 202},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, nil)
			if got := b.post(c.as, c.body); got != c.want {
				t.Errorf("status %d, want %d", got, c.want)
			}
			if kept := !b.empty(t.Context()); kept != (c.want == 202) {
				t.Errorf("kept: %v, answered %d", kept, c.want)
			}
		})
	}
}

func TestWhatIsNoPostOfADocumentIsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *inbox.Config) { c.MaxBody = 100 })
	for _, c := range []struct {
		name   string
		change func(r *http.Request)
		body   string
		want   int
	}{
		{"a GET", func(r *http.Request) { r.Method = http.MethodGet }, "", 405},
		{"a form", func(r *http.Request) { r.Header.Set("Content-Type", "multipart/form-data; boundary=x") }, "", 415},
		{"a huge body", func(*http.Request) {}, strings.Repeat(" ", 101), 413},
	} {
		r := request("/ap/inbox", c.body)
		c.change(r)
		w := httptest.NewRecorder()
		b.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s: status %d, want %d", c.name, w.Code, c.want)
		}
	}
}

func TestASuspendedDomainIsRefusedBeforeAnythingIsFetched(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *inbox.Config) { c.Policy = refusing("there.example") })
	if got := b.post(bob, act("Like", there+"/a/1", bob, here+"/ap/objects/1")); got != http.StatusForbidden {
		t.Errorf("status %d, want 403", got)
	}
	if len(b.peers.keysAsked) != 0 {
		t.Errorf("keys were asked for: %q", b.peers.keysAsked)
	}
}

func TestTheDeletionOfAnUnknownActorIsAnsweredWithoutAnyFetch(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *inbox.Config) { c.Wants = nil })
	if got := b.post(bob, act("Delete", bob+"#delete", bob, bob)); got != http.StatusAccepted {
		t.Errorf("status %d, want 202", got)
	}
	if len(b.peers.keysAsked) != 0 || !b.empty(t.Context()) {
		t.Error("a key was fetched or something kept for nobody")
	}
	b.peers.known[bob] = true
	b = newBench(t, nil)
	b.peers.known[bob] = true
	if got := b.post("", act("Delete", bob+"#delete", bob, bob)); got != http.StatusUnauthorized {
		t.Errorf("unsigned Delete of a known actor: status %d, want 401", got)
	}
}

func TestWhoIsRefusedForItsSignatureIsToldHowToSign(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *inbox.Config) {
		c.Heard = func(context.Context, string, signature.Verified) { t.Error("heard of who proved nothing") }
	})
	w := httptest.NewRecorder()
	b.ServeHTTP(w, request("/ap/inbox", act("Like", there+"/a/1", bob, here+"/ap/objects/1")))
	if w.Code != http.StatusUnauthorized || w.Header().Get("Accept-Signature") == "" || w.Header().Get("WWW-Authenticate") == "" {
		t.Errorf("status %d, header %v", w.Code, w.Header())
	}
}

func TestAVerifiedSenderIsHeardOf(t *testing.T) {
	t.Parallel()
	var heard []string
	b := newBench(t, func(c *inbox.Config) {
		c.Heard = func(_ context.Context, authority string, v signature.Verified) {
			heard = append(heard, authority+" "+v.Owner)
		}
	})
	b.post(bob, act("Like", there+"/a/1", bob, here+"/ap/objects/1"))
	if !slices.Equal(heard, []string{"there.example " + bob}) {
		t.Errorf("heard %q", heard)
	}
}

func TestAttack26NothingIsKeptBeforeTheSignatureHolds(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	forged := signed(t, "/ap/inbox", bob, act("Follow", there+"/f/1", bob, alice))
	body := act("Follow", there+"/f/1", bob, locky)
	r := request("/ap/inbox", body)
	r.Header = forged.Header
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	if w.Code != http.StatusUnauthorized {
		t.Errorf("status %d, want 401", w.Code)
	}
	if len(b.peers.trusted) != 0 || len(b.peers.updated) != 0 || !b.empty(t.Context()) || len(b.book.all()) != 0 {
		t.Errorf("trusted %q, updated %q, relations %q", b.peers.trusted, b.peers.updated, b.book.all())
	}
}

type failingJournal struct {
	inbox.Journal
	err error
}

func (f failingJournal) Append(context.Context, inbox.Entry, inbox.Bounds) (inbox.Kept, error) {
	return inbox.Kept{}, f.err
}

func TestWhatCannotBeKeptIsNotAnswered202(t *testing.T) {
	t.Parallel()
	for _, err := range []error{errors.New("disk on fire"), inbox.ErrFull} {
		b := newBench(t, func(c *inbox.Config) { c.Journal = failingJournal{c.Journal, err} })
		body := act("Like", there+"/a/1", bob, here+"/ap/objects/1")
		r := signed(t, "/ap/inbox", bob, body)
		w := httptest.NewRecorder()
		b.ServeHTTP(w, r)
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("%v: status %d, Retry-After %q; want 503 with one", err, w.Code, w.Header().Get("Retry-After"))
		}
	}
}

func TestAKeyThatCannotBeHadNowIsNotTheSendersFault(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *inbox.Config) {
		c.Verifier = &signature.Verifier{Keys: noKeys{}, Authorities: []string{"here.example"}}
	})
	if got := b.post(bob, act("Like", there+"/a/1", bob, here+"/ap/objects/1")); got != http.StatusServiceUnavailable {
		t.Errorf("status %d, want 503", got)
	}
}

type noKeys struct{}

func (noKeys) PublicKey(context.Context, string) (signature.PublicKey, error) {
	return signature.PublicKey{}, errors.New("no route to host")
}

func TestTenSimultaneousPostsOfOneIDRunTheHookOnce(t *testing.T) {
	t.Parallel()
	var ran atomic.Int32
	b := newBench(t, func(c *inbox.Config) {
		c.Hooks.Like = func(context.Context, *inbox.Message) error { ran.Add(1); return nil }
	})
	body := act("Like", there+"/a/1", bob, here+"/ap/objects/1")
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if got := b.post(bob, body); got != http.StatusAccepted {
				t.Errorf("status %d, want 202", got)
			}
		})
	}
	wg.Wait()
	b.run()
	if n := ran.Load(); n != 1 {
		t.Errorf("the hook ran %d times", n)
	}
}

func TestMarksTellActivitiesApart(t *testing.T) {
	t.Parallel()
	marks := []inbox.Mark{
		inbox.MarkOf("s", "Create", "id", []byte("body")),
		inbox.MarkOf("s", "Update", "id", []byte("body")),
		inbox.MarkOf("t", "Create", "id", []byte("body")),
		inbox.MarkOf("s", "Create", "id2", []byte("body")),
		inbox.MarkOf("s", "Create", "", []byte("body")),
		inbox.MarkOf("s", "Create", "", []byte("body2")),
		inbox.MarkOf("sC", "reate", "id", []byte("body")),
	}
	for i, m := range marks {
		if slices.Index(marks, m) != i {
			t.Errorf("mark %d is mark %d", i, slices.Index(marks, m))
		}
	}
	if marks[0] != inbox.MarkOf("s", "Create", "id", []byte("other bytes")) {
		t.Error("with an id the body makes a difference")
	}
	if marks[4] != inbox.MarkOf("s", "Add", "", []byte("body")) {
		t.Error("without an id anything but sender and body makes a difference")
	}
}

func TestConfigNamesTheFieldThatIsMissing(t *testing.T) {
	t.Parallel()
	_, err := inbox.New(inbox.Config{})
	if err == nil || !strings.Contains(err.Error(), "inbox: Config.") {
		t.Errorf("New = %v", err)
	}
	b := newBench(t, nil)
	c := b.Config
	c.Origin = "here.example"
	if _, err := inbox.New(c); err == nil || !strings.Contains(err.Error(), "Config.Origin") {
		t.Errorf("New = %v", err)
	}
}

func BenchmarkJudge(b *testing.B) {
	in := newBench(b, func(c *inbox.Config) { c.MaxStrangers = 1 << 30 })
	headers := make([]http.Header, 64)
	bodies := make([]string, len(headers))
	for i := range headers {
		bodies[i] = act("Create", fmt.Sprintf("%s/a/%d", there, i), bob, object{"id": there + "/n/1", "type": "Note", "content": strings.Repeat("x", 2000)})
		headers[i] = signed(b, "/ap/inbox", bob, bodies[i]).Header
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		r := request("/ap/inbox", bodies[i%len(bodies)])
		r.Header = headers[i%len(headers)]
		w := httptest.NewRecorder()
		in.ServeHTTP(w, r)
		if w.Code != http.StatusAccepted {
			b.Fatal(w.Code)
		}
		i++
	}
}
