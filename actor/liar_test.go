package actor_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/internal/safehttp"
	"github.com/fedihook/fedihook/internal/safehttp/safehttptest"
	"github.com/fedihook/fedihook/signature"
)

// One lying server for each rule. Each serves an honest actor first, which is taken; then it lies to
// someone who has never heard of it.
func TestALyingServerIsNotBelieved(t *testing.T) {
	t.Parallel()
	honest := named(t, mallory, nil)
	victim := named(t, victor, nil)
	answer := func(kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			io.WriteString(w, body)
		}
	}
	document := func(body string) http.HandlerFunc { return answer(activity.ContentType, body) }
	redirect := func(to string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }
	}
	fetchActor := func(t *testing.T, r *actor.Resolver) error { _, err := r.Actor(t.Context(), mallory); return err }
	fetchKey := func(id string) func(*testing.T, *actor.Resolver) error {
		return func(t *testing.T, r *actor.Resolver) error { _, err := r.PublicKey(t.Context(), id); return err }
	}
	var bomb bytes.Buffer
	zip := gzip.NewWriter(&bomb)
	fmt.Fprintf(zip, `{"id":%q,"x":"`, mallory)
	zip.Write(bytes.Repeat([]byte("x"), 64<<20))
	zip.Close()

	for _, c := range []struct {
		name    string
		lie     http.HandlerFunc // at every path of evil.test
		ask     func(*testing.T, *actor.Resolver) error
		want    error
		passing bool
	}{
		{"the id of a victim", document(victim), fetchActor, actor.ErrIDMismatch, false},
		{"the id of a neighbour who is not there", document(named(t, "http://evil.test/users/else", nil)), fetchActor, actor.ErrIDMismatch, false},
		{"no actor's type", document(named(t, mallory, map[string]any{"type": "Note"})), fetchActor, actor.ErrNotActor, false},
		{"a key whose owner is a victim", document(keyDoc(t, "http://evil.test/key", victor, testKeys()[1])), fetchKey("http://evil.test/key"), actor.ErrMalformed, false},
		{"an actor that lists its key as a victim's", document(named(t, mallory, listing(t, malloryKey, victor, testKeys()[1]))), fetchKey(malloryKey), actor.ErrMalformed, false},
		{"a key that is a victim's by its id", document(named(t, mallory, listing(t, victorKey, mallory, testKeys()[1]))), fetchKey(malloryKey), actor.ErrNotFound, false},
		{"a key with a victim's id at a key's address", document(keyDoc(t, victorKey, victor, testKeys()[1])), fetchKey("http://evil.test/key"), actor.ErrIDMismatch, false},
		{"a key that its owner shows with other material", func(w http.ResponseWriter, r *http.Request) {
			body := named(t, mallory, listing(t, "http://evil.test/key", mallory, testKeys()[0]))
			if r.URL.Path == "/key" {
				body = keyDoc(t, "http://evil.test/key", mallory, testKeys()[1])
			}
			document(body)(w, r)
		}, fetchKey("http://evil.test/key"), actor.ErrMalformed, false},
		{"a redirect to a private address", redirect("http://10.0.0.1/users/mallory"), fetchActor, actor.ErrIDMismatch, false},
		{"a redirect to loopback, of a search", redirect("http://127.0.0.1:1/users/mallory"), func(t *testing.T, r *actor.Resolver) error {
			_, err := r.Lookup(t.Context(), mallory)
			return err
		}, safehttp.ErrRefused, false},
		{"a redirect to a victim", redirect(victor), fetchActor, actor.ErrIDMismatch, false},
		{"a redirect to a victim, of a key", redirect(victorKey), fetchKey(malloryKey), actor.ErrIDMismatch, false},
		{"a redirect to itself", redirect("/users/mallory"), fetchActor, actor.ErrMalformed, false},
		{"redirects without end", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path+"x", http.StatusFound) }, fetchActor, actor.ErrMalformed, false},
		{"a slow drip", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", activity.ContentType)
			for i := 0; r.Context().Err() == nil; i++ {
				io.WriteString(w, honest[i%len(honest):][:1])
				w.(http.Flusher).Flush()
				time.Sleep(5 * time.Millisecond)
			}
		}, fetchActor, actor.ErrUnreachable, true},
		{"a huge body", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", activity.ContentType)
			for r.Context().Err() == nil {
				if _, err := io.WriteString(w, strings.Repeat(" ", 64<<10)); err != nil {
					return
				}
			}
		}, fetchActor, actor.ErrTooLarge, false},
		{"a body that says it is huge", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", activity.ContentType)
			w.Header().Set("Content-Length", "1048577")
			io.WriteString(w, honest)
		}, fetchActor, actor.ErrTooLarge, false},
		{"a gzip bomb", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", activity.ContentType)
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(bomb.Bytes())
		}, fetchActor, actor.ErrTooLarge, false},
		{"a page that says 404 with status 200", answer("text/html; charset=utf-8", "<!doctype html><title>Not found</title>"), fetchActor, actor.ErrContentType, false},
		{"such a page as a document", document("<!doctype html><title>Not found</title>"), fetchActor, actor.ErrMalformed, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, store := newPeers(), newMemory()
			lying := people(t, "evil.test", honest)
			var lie atomic.Bool
			p.serve(t, "evil.test", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if lie.Load() {
					c.lie(w, r)
					return
				}
				lying.ServeHTTP(w, r)
			})).serve(t, "victim.test", people(t, "victim.test", victim))

			first := p.resolver(t, actor.ResolverConfig{Key: ourKey})
			if a, err := first.Lookup(t.Context(), mallory); err != nil || a.ID != mallory {
				t.Fatalf("the honest one: %v, %v", a, err)
			}
			if k, err := first.PublicKey(t.Context(), malloryKey); err != nil || k.Owner != mallory {
				t.Fatalf("the honest one's key: %v, %v", k, err)
			}
			before := len(p.requests("evil.test"))
			lie.Store(true)
			timeout := time.Minute // a busy machine's slowness is no lie
			if errors.Is(c.want, actor.ErrUnreachable) {
				timeout = 500 * time.Millisecond
			}
			r := p.resolver(t, actor.ResolverConfig{Key: ourKey, Store: store, Timeout: timeout})
			var err error
			within(t, time.Minute, func() { err = c.ask(t, r) })
			var e *actor.Error
			if !errors.Is(err, c.want) || !errors.As(err, &e) || e.Passing != c.passing {
				t.Errorf("error is %v, passing %v; want %v", err, e, c.want)
			}
			if n := len(p.requests("evil.test")) - before; n > 4 {
				t.Errorf("it was asked %d times", n)
			}
			if got := p.requests("victim.test"); len(got) != 0 {
				t.Errorf("the victim was asked %v", got)
			}
			if store.written() != 0 {
				t.Error("something was stored")
			}
			// Nothing of it sticks to the victim.
			if k, err := r.PublicKey(t.Context(), victorKey); err != nil || k.Owner != victor || !testKeys()[0].PublicKey.Equal(k.Key) {
				t.Errorf("the victim's key after it: %+v, %v", k, err)
			}
		})
	}
}

// Threads (seen 2024-08) answers 404 to a signature that it does not like.
func TestA404ForABadSignatureIsNoProofThatNobodyIsThere(t *testing.T) {
	t.Parallel()
	p, store := newPeers(), newMemory()
	site := people(t, "evil.test", named(t, mallory, nil))
	v := &signature.Verifier{Keys: ours(), Authorities: []string{"evil.test"}, Scheme: "http"}
	p.serve(t, "evil.test", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/users/") {
			if _, err := v.Verify(r, nil); err != nil {
				http.NotFound(w, r)
				return
			}
		}
		site.ServeHTTP(w, r)
	}))
	signed := p.resolver(t, actor.ResolverConfig{Key: ourKey, Store: store})
	if a, err := signed.Lookup(t.Context(), "@mallory@evil.test"); err != nil || a.ID != mallory {
		t.Fatalf("with our signature: %v, %v", a, err)
	}
	unsigned := p.resolver(t, actor.ResolverConfig{})
	if _, err := unsigned.Lookup(t.Context(), "@mallory@evil.test"); reason(err) != actor.Rejected {
		t.Errorf("without one, a search fails because of %d: %v", reason(err), err)
	}
	if _, err := unsigned.Actor(t.Context(), mallory); !errors.Is(err, actor.ErrNotFound) || errors.Is(err, actor.ErrGone) {
		t.Errorf("without one: %v", err)
	}
	// Whom we know stays known, whatever the server says to the signature of today.
	stale := p.resolver(t, actor.ResolverConfig{Store: store, MaxAge: time.Nanosecond})
	if a, err := stale.Actor(t.Context(), mallory); err != nil || a.ID != mallory {
		t.Errorf("one who is known: %v, %v", a, err)
	}
	if kept, ok := store.stored(mallory); !ok || !kept.Gone.IsZero() || len(kept.Document) == 0 {
		t.Errorf("stored %+v", kept)
	}
}

// GoToSocial (seen 2026) serves its keys with a stub of their actor around them.
func TestAStubOfAnActorNeverReplacesTheWholeOne(t *testing.T) {
	t.Parallel()
	const key = mallory + "/main-key"
	listed := map[string]string{"id": key, "owner": mallory, "publicKeyPem": pem(t, testKeys()[0])}
	whole := named(t, mallory, map[string]any{"name": "Mallory", "publicKey": listed})
	stub := named(t, mallory, map[string]any{"inbox": nil, "outbox": nil, "followers": nil, "publicKey": listed})
	for _, c := range []struct {
		name  string
		first string // what is asked for first
	}{{"the actor first", mallory}, {"the key first", key}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, store := newPeers(), newMemory()
			site := people(t, "evil.test", whole).json("/users/mallory/main-key", stub)
			p.serve(t, "evil.test", site)
			r := p.resolver(t, actor.ResolverConfig{})
			if c.first == mallory {
				if _, err := r.Actor(t.Context(), mallory); err != nil {
					t.Fatal(err)
				}
			} else {
				r = p.resolver(t, actor.ResolverConfig{Store: store})
			}
			if k, err := r.PublicKey(t.Context(), key); err != nil || k.Owner != mallory {
				t.Fatalf("the key: %+v, %v", k, err)
			}
			if got := strings.Join(p.requests("evil.test"), ", "); !strings.Contains(got, "/users/mallory/main-key") {
				t.Fatalf("the stub was not fetched, but %s", got)
			}
			if err := r.Trust(t.Context(), mallory); err != nil {
				t.Fatal(err)
			}
			if a, err := r.Actor(t.Context(), mallory); err != nil || a.Name != "Mallory" || a.Inbox.ID == "" {
				t.Errorf("got %+v, %v", a, err)
			}
			if c.first == mallory {
				return
			}
			// And if it comes in the actor's own place, when what we have is old.
			site.json("/users/mallory", stub)
			before := len(p.requests("evil.test"))
			old := p.resolver(t, actor.ResolverConfig{Store: store, MaxAge: time.Nanosecond})
			if _, err := old.PublicKey(t.Context(), key); err != nil {
				t.Errorf("the key from the stub: %v", err)
			}
			if err := old.Trust(t.Context(), mallory); err != nil {
				t.Error(err)
			}
			if a, err := old.Actor(t.Context(), mallory); err != nil || a.Name != "Mallory" || a.Inbox.ID == "" {
				t.Errorf("when the stub had come: %+v, %v", a, err)
			}
			if kept, _ := store.stored(mallory); string(kept.Document) != whole || len(p.requests("evil.test")) == before {
				t.Errorf("stored %s after %v", kept.Document, p.requests("evil.test"))
			}
		})
	}
}

// secure is one of our servers in secure mode: whoever asks for an actor must show who they are, but for
// the instance actor's.
func secure(t *testing.T, p *peers, host, user string) (serve http.Handler, use func(*actor.Resolver)) {
	t.Helper()
	names := actor.Names{Origin: "http://" + host}
	h := &actor.Handler{Names: names, Keyring: &actor.Keyring{Store: newMemory(), Names: names}, Profile: oneUser(user)}
	v := &signature.Verifier{Authorities: []string{host}, Scheme: "http"}
	mux := http.NewServeMux()
	h.Register(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/users/") {
			if _, err := v.Verify(r, nil); err != nil {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
		}
		mux.ServeHTTP(w, r)
	}), func(r *actor.Resolver) { v.Keys = r }
}

func TestTwoServersInSecureModeAskEachOtherAtOnceWithoutWaitingForEver(t *testing.T) {
	t.Parallel()
	p := newPeers()
	a, useA := secure(t, p, "a.test", "alice")
	b, useB := secure(t, p, "b.test", "bob")
	p.serve(t, "a.test", a).serve(t, "b.test", b)
	key := func(host string) actor.ResolverConfig {
		names := actor.Names{Origin: "http://" + host}
		return actor.ResolverConfig{Names: names, Key: (&keyOf{names: names}).key}
	}
	ra, rb := p.resolver(t, key("a.test")), p.resolver(t, key("b.test"))
	useA(ra)
	useB(rb)
	within(t, 20*time.Second, func() {
		var wait sync.WaitGroup
		for range 8 {
			wait.Go(func() {
				if found, err := ra.Actor(t.Context(), "http://b.test/ap/users/bob"); err != nil || found.PreferredUsername != "bob" {
					t.Errorf("%v, %v", found, err)
				}
			})
			wait.Go(func() {
				if found, err := rb.Actor(t.Context(), "http://a.test/ap/users/alice"); err != nil || found.PreferredUsername != "alice" {
					t.Errorf("%v, %v", found, err)
				}
			})
		}
		wait.Wait()
	})
	// Whoever does not sign is told nothing: the two really look.
	if _, err := p.resolver(t, actor.ResolverConfig{}).Actor(t.Context(), "http://a.test/ap/users/alice"); !errors.Is(err, actor.ErrRejected) {
		t.Errorf("without a signature: %v", err)
	}
}

func TestANameThatLeadsInsideTheSecondTimeIsNotAsked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := safehttptest.NewNet(t)
		n.Name("rebind.example", []string{"93.184.216.34"}, []string{"127.0.0.1"}, []string{"::ffff:127.0.0.1", "10.0.0.1"})
		var inside atomic.Int32
		n.Serve(t, "127.0.0.1", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { inside.Add(1) }))
		n.Serve(t, "93.184.216.34", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", activity.ContentType)
			io.WriteString(w, person(t, "https://rebind.example"+r.URL.Path, nil))
		}))
		r := resolver(t, actor.ResolverConfig{Client: n.Client(t)})
		if a, err := r.Actor(t.Context(), "https://rebind.example/users/1"); err != nil || a.ID != "https://rebind.example/users/1" {
			t.Fatalf("the first time: %v, %v", a, err)
		}
		time.Sleep(10 * time.Minute) // neither the connection nor the answer is kept that long
		for i := range 2 {
			id := fmt.Sprintf("https://rebind.example/users/%d", i+2)
			if _, err := r.Actor(t.Context(), id); !errors.Is(err, safehttp.ErrRefused) {
				t.Errorf("%s: %v", id, err)
			}
			time.Sleep(10 * time.Minute)
		}
		if got := n.Dialed(); len(got) != 1 || inside.Load() != 0 || n.Lookups("rebind.example") != 3 {
			t.Errorf("dialed %v after %d lookups; %d requests inside", got, n.Lookups("rebind.example"), inside.Load())
		}
	})
}
