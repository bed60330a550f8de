package fedihook_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/signature"
)

// elsewhere is a server that shows documents by path and counts who asks.
type elsewhere struct {
	origin, address string

	mu   sync.Mutex
	docs map[string]string
	gets atomic.Int32
}

func newElsewhere(t *testing.T) *elsewhere {
	t.Helper()
	e := &elsewhere{origin: "http://else.test", docs: map[string]string{}}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.gets.Add(1)
		e.mu.Lock()
		defer e.mu.Unlock()
		doc, ok := e.docs[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", activity.ContentType)
		_, _ = io.WriteString(w, doc)
	}))
	t.Cleanup(web.Close)
	e.address = web.Listener.Addr().String()
	return e
}

// actor shows an actor with a key for requests and one for proofs.
func (e *elsewhere) actor(t *testing.T, name string) (id string, requests, proofs signature.Key) {
	t.Helper()
	rsa, err := signature.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	ed, err := signature.GenerateEd25519Key()
	if err != nil {
		t.Fatal(err)
	}
	pem, err := signature.MarshalPublicKey(rsa.Public())
	if err != nil {
		t.Fatal(err)
	}
	multibase, err := signature.MarshalMultikey(ed.Public())
	if err != nil {
		t.Fatal(err)
	}
	id = e.origin + "/" + name
	doc := fmt.Sprintf(`{"@context":%q,"id":%q,"type":"Person","preferredUsername":%q,"inbox":%q,
		"publicKey":{"id":%q,"owner":%q,"publicKeyPem":%q},
		"assertionMethod":[{"id":%q,"type":"Multikey","controller":%q,"publicKeyMultibase":%q}]}`,
		activity.Namespace, id, name, id+"/inbox", id+"#main-key", id, pem, id+"#ed25519-key", id, multibase)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.docs["/"+name] = doc
	return id, signature.Key{ID: id + "#main-key", Private: rsa}, signature.Key{ID: id + "#ed25519-key", Private: ed}
}

// post delivers body to a site's shared inbox, signed with a key.
func (s *site) post(key signature.Key, body []byte, change func(*http.Request)) int {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, "http://"+s.address+"/ap/inbox", bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Host = strings.TrimPrefix(s.origin, "http://")
	r.Header.Set("Content-Type", activity.ContentType)
	if err := signature.Sign(r, body, key, signature.Cavage); err != nil {
		s.t.Fatal(err)
	}
	if change != nil {
		change(r)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

func oneSite(t *testing.T, e *elsewhere, change func(c *fedihook.Config)) *site {
	return newSites(t, func(_ string, c *fedihook.Config) {
		c.InsecureAllowLoopback["else.test"] = e.address
		if change != nil {
			change(c)
		}
	}, "a.test")[0]
}

func TestWhatIsForwardedIsBelievedForItsProof(t *testing.T) {
	t.Parallel()
	e := newElsewhere(t)
	author, _, proofs := e.actor(t, "author")
	_, forwarder, _ := e.actor(t, "forwarder")
	var mu sync.Mutex
	var got []*inbox.Message
	a := oneSite(t, e, func(c *fedihook.Config) {
		hear := c.Hooks.Create
		c.Hooks.Create = func(ctx context.Context, m *inbox.Message) error {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, m)
			return hear(ctx, m)
		}
	})
	note := author + "/n/1" // nobody shows it
	document := fmt.Sprintf(`{"@context":%q,"id":%q,"type":"Create","actor":%q,"to":%q,"object":{"id":%q,"type":"Note","attributedTo":%q,"content":"hi"}}`,
		activity.Namespace, author+"/a/1", author, a.id("alice"), note, author)
	proved, err := signature.Prove([]byte(document), proofs, signature.ProofOptions{})
	if err != nil {
		t.Fatal(err)
	}
	forged := bytes.Replace(proved, []byte(`"hi"`), []byte(`"ho"`), 1)
	if status := a.post(forwarder, forged, nil); status != http.StatusUnauthorized {
		t.Errorf("forged: status %d", status)
	}
	if status := a.post(forwarder, proved, nil); status != http.StatusAccepted {
		t.Fatalf("status %d", status)
	}
	a.waitFor("Create", note)
	mu.Lock()
	defer mu.Unlock()
	if len(got) != 1 || got[0].By != inbox.ByDocument || got[0].Sender != author || !bytes.Equal(got[0].Body, proved) {
		t.Errorf("the hook got %+v", got)
	}
}

func TestWhatIsReceivedAnotherWayIsFetchedFromItsOrigin(t *testing.T) {
	t.Parallel()
	e := newElsewhere(t)
	author, _, _ := e.actor(t, "author")
	a := oneSite(t, e, nil)
	e.docs["/n/1"] = fmt.Sprintf(`{"@context":%q,"id":%q,"type":"Note","attributedTo":%q,"content":"hi"}`, activity.Namespace, e.origin+"/n/1", author)
	for _, id := range []string{"/n/invented", "/n/1"} {
		raw := fmt.Sprintf(`{"id":%q,"type":"Create","actor":%q,"object":{"id":%q,"type":"Note","content":"forged"}}`, e.origin+id+"/a", author, e.origin+id)
		if err := a.Receive(t.Context(), []byte(raw)); err != nil {
			t.Fatal(err)
		}
	}
	a.waitFor("Create", e.origin+"/n/1")
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.heard) != 1 {
		t.Errorf("heard %q", a.heard)
	}
}

func TestAThousandBadSignaturesOfOneKeyMakeAtMostOneRefetch(t *testing.T) {
	t.Parallel()
	e := newElsewhere(t)
	author, key, _ := e.actor(t, "author")
	a := oneSite(t, e, nil)
	like := func(n int) []byte {
		return fmt.Appendf(nil, `{"id":"%s/l/%d","type":"Follow","actor":%q,"object":%q}`, author, n, author, a.id("alice"))
	}
	refused := map[int]int{}
	for i := range 1000 {
		refused[a.post(key, like(i), func(r *http.Request) {
			value := r.Header.Get("Signature")
			at := strings.Index(value, `signature="`) + len(`signature="`)
			r.Header.Set("Signature", value[:at]+fmt.Sprintf("%04d", i)+value[at+4:])
		})]++
	}
	if n := e.gets.Load(); n < 1 || n > 2 || refused[http.StatusUnauthorized] < 500 || refused[http.StatusAccepted] != 0 {
		t.Errorf("%d fetches of the key; answers %v", n, refused)
	}
}

func TestADeadLetterIsShownAndRunAgain(t *testing.T) {
	t.Parallel()
	e := newElsewhere(t)
	author, key, _ := e.actor(t, "author")
	a := oneSite(t, e, func(c *fedihook.Config) {
		c.Filter = func(context.Context, *inbox.Message) (inbox.Verdict, error) {
			return inbox.Verdict{Decision: inbox.Hold, Reason: "new"}, nil
		}
	})
	body := fmt.Appendf(nil, `{"id":"%s/a/1","type":"Sneeze","actor":%q,"object":%q,"to":%q}`, author, author, a.id("alice"), a.id("alice"))
	if status := a.post(key, body, nil); status != http.StatusAccepted {
		t.Fatalf("status %d", status)
	}
	held, err := a.Inbox().Shelved(t.Context(), inbox.Held, 0, 10)
	if err != nil || len(held) != 1 {
		t.Fatalf("held: %v, %v", held, err)
	}
	if _, m, err := a.Inbox().Show(t.Context(), inbox.Held, held[0].Seq); err != nil || m.Sender != author {
		t.Errorf("shown %+v, %v", m, err)
	}
	if err := a.Inbox().Retry(t.Context(), inbox.Held, held[0].Seq); err != nil {
		t.Fatal(err)
	}
	a.waitFor("Sneeze", a.id("alice"))
	if err := a.Inbox().Discard(t.Context(), inbox.Held, held[0].Seq); !errors.Is(err, inbox.ErrNoEntry) {
		t.Errorf("discarded after that: %v", err)
	}
}
