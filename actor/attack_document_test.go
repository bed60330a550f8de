package actor_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
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

// The attacks of package signature's list that are stopped where documents and keys are fetched, under the
// numbers that they have there. Each is first left out: what is honest goes through.

// Fedify before 2.3 kept a key under the address at which it was found, whatever its own id was.
func TestAttack10ADocumentIsKeptUnderItsOwnID(t *testing.T) {
	t.Parallel()
	const key1, key2 = "http://evil.test/keys/1", "http://evil.test/keys/2"
	both := named(t, mallory, map[string]any{"publicKey": []any{
		map[string]string{"id": key1, "owner": mallory, "publicKeyPem": pem(t, testKeys()[0])},
		map[string]string{"id": key2, "owner": mallory, "publicKeyPem": pem(t, testKeys()[1])},
	}})
	site := func() *pages {
		return people(t, "evil.test", both).
			json("/keys/1", keyDoc(t, key1, mallory, testKeys()[0])).
			json("/keys/2", keyDoc(t, key2, mallory, testKeys()[1])).
			json("/@mallory", both)
	}
	p := newPeers()
	p.serve(t, "evil.test", site())
	r := p.resolver(t, actor.ResolverConfig{})
	for id, k := range map[string]int{key1: 0, key2: 1} {
		if got, err := r.PublicKey(t.Context(), id); err != nil || got.ID != id || got.Owner != mallory || !testKeys()[k].PublicKey.Equal(got.Key) {
			t.Errorf("the honest key %s: %+v, %v", id, got, err)
		}
	}
	if doc, _, err := r.Fetch(t.Context(), "http://evil.test/@mallory"); err != nil || doc.DocumentID() != mallory {
		t.Errorf("an honest page of an actor: %v, %v", doc, err)
	}

	for name, lie := range map[string]struct{ at, body string }{
		"a neighbour's key":   {"/keys/1", keyDoc(t, key2, mallory, testKeys()[1])},
		"its key, as another": {"/keys/1", keyDoc(t, key2, mallory, testKeys()[0])},
		"a victim's key":      {"/keys/1", keyDoc(t, victorKey, victor, testKeys()[0])},
		"no id":               {"/keys/1", strings.Replace(keyDoc(t, key1, mallory, testKeys()[0]), `"id":"`+key1+`",`, "", 1)},
		"a victim":            {"/keys/1", named(t, victor, nil)},
	} {
		p := newPeers()
		p.serve(t, "evil.test", site().json(lie.at, lie.body)).serve(t, "victim.test", people(t, "victim.test", named(t, victor, nil)))
		r := p.resolver(t, actor.ResolverConfig{Store: newMemory()})
		if k, err := r.PublicKey(t.Context(), key1); err == nil {
			t.Errorf("%s: %+v", name, k)
		}
		// What came under the wrong address is nobody's: the right one is asked for at its own.
		if k, err := r.PublicKey(t.Context(), key2); err != nil || k.ID != key2 || !testKeys()[1].PublicKey.Equal(k.Key) {
			t.Errorf("%s: the key that it was taken for is %+v, %v", name, k, err)
		}
		if k, err := r.PublicKey(t.Context(), victorKey); err != nil || k.Owner != victor {
			t.Errorf("%s: the victim's key is %+v, %v", name, k, err)
		}
		if got := p.requests("evil.test"); !strings.Contains(strings.Join(got, " "), "/keys/2") {
			t.Errorf("%s: asked %v", name, got)
		}
		if got := p.requests("victim.test"); len(got) != 1 {
			t.Errorf("%s: the victim was asked %v", name, got)
		}
	}
}

func TestAKeyNamedByItsIDAloneIsNoOther(t *testing.T) {
	t.Parallel()
	const key1, key2 = "http://evil.test/keys/1", "http://evil.test/keys/2"
	site := people(t, "evil.test", named(t, mallory, map[string]any{"publicKey": []any{key1, key2}})).
		json("/keys/1", keyDoc(t, key1, mallory, testKeys()[0])).
		json("/keys/2", keyDoc(t, key2, mallory, testKeys()[1]))
	p := newPeers()
	p.serve(t, "evil.test", site)
	if k, err := p.resolver(t, actor.ResolverConfig{}).PublicKey(t.Context(), key1); err != nil || !testKeys()[0].PublicKey.Equal(k.Key) {
		t.Fatalf("honest: %+v, %v", k, err)
	}
	site.json("/keys/1", keyDoc(t, key2, mallory, testKeys()[1]))
	if k, err := p.resolver(t, actor.ResolverConfig{}).PublicKey(t.Context(), key1); !errors.Is(err, signature.ErrNoKey) {
		t.Errorf("one key in another's place: %+v, %v", k, err)
	}
}

func TestAttack11AnUploadedFileIsNoActorAndNoKey(t *testing.T) {
	t.Parallel()
	actorFile, keyFile := named(t, victor, listing(t, "http://victim.test/keys/1", victor, testKeys()[0])), keyDoc(t, "http://victim.test/keys/1", victor, testKeys()[0])
	ask := func(kind string, uploaded bool) (actorErr, keyErr error) {
		p := newPeers()
		site := people(t, "victim.test", actorFile).json("/keys/1", keyFile)
		if uploaded {
			site.put("/users/victor", page{kind: kind, body: actorFile})
		}
		site.put("/keys/1", page{kind: kind, body: keyFile})
		if !uploaded {
			site.put("/users/victor", page{kind: kind, body: actorFile})
		}
		p.serve(t, "victim.test", site)
		r := p.resolver(t, actor.ResolverConfig{})
		_, actorErr = r.Actor(t.Context(), victor)
		_, keyErr = p.resolver(t, actor.ResolverConfig{}).PublicKey(t.Context(), "http://victim.test/keys/1")
		return actorErr, keyErr
	}
	for _, kind := range []string{
		activity.ContentType, "application/activity+json; charset=utf-8", "APPLICATION/ACTIVITY+JSON", activity.LDContentType,
		`application/ld+json; charset=utf-8; profile="https://example.com https://www.w3.org/ns/activitystreams"`,
	} {
		if a, k := ask(kind, false); a != nil || k != nil {
			t.Errorf("honest, as %s: %v, %v", kind, a, k)
		}
	}
	for _, kind := range []string{
		"", "text/plain", "text/plain; charset=utf-8", "text/html", "image/png", "image/svg+xml", "application/octet-stream", "application/json", "application/jrd+json",
		"application/ld+json", `application/ld+json; profile="https://example.com"`, `application/ld+json; profile="https://www.w3.org/ns/activitystreams.evil"`,
		"application/ld+json; charset=https://www.w3.org/ns/activitystreams", "application/activity+json/x", "application/activity+jsonx", "x/y; z=application/activity+json",
		"application/activity+json, text/plain", "text/plain, application/activity+json",
	} {
		if a, k := ask(kind, true); !errors.Is(a, actor.ErrContentType) || !errors.Is(k, actor.ErrContentType) {
			t.Errorf("uploaded, as %q: %v, %v", kind, a, k)
		}
	}
}

func TestAttack12RedirectsOfAKeyAreFewAndStayAndEachIsSignedAnew(t *testing.T) {
	t.Parallel()
	var inside atomic.Int32
	p := newPeers()
	secret := p.secret(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { inside.Add(1) }))
	v := &signature.Verifier{Keys: ours(), Authorities: []string{"evil.test", "evil.test:8080", "victim.test"}, Scheme: "http"}
	var badly atomic.Int32 // requests whose signature is not for them
	site := people(t, "evil.test", named(t, mallory, nil))
	hops := func(from string, n int, to string) {
		for i := range n {
			next := fmt.Sprintf("%s/%d", from, i+1)
			if i == n-1 {
				next = to
			}
			site.put(strings.TrimSuffix(fmt.Sprintf("%s/%d", from, i), "/0"), page{to: next})
		}
	}
	person := named(t, "http://evil.test/three", nil)
	hops("/three", 3, "/three-end")
	site.json("/three-end", person)
	hops("/four", 4, "/four-end")
	site.json("/four-end", named(t, "http://evil.test/four", nil))
	site.put("/self", page{to: "/self"}).put("/ping", page{to: "/pong"}).put("/pong", page{to: "/ping"})
	for path, to := range map[string]string{
		"/loopback": "http://" + secret + "/loopback", "/mapped": "http://[::ffff:127.0.0.1]" + secret[strings.LastIndex(secret, ":"):] + "/mapped",
		"/metadata": "http://169.254.169.254/latest/meta-data/", "/victim": victor, "/port": "http://evil.test:8080/port", "/scheme": "https://evil.test/scheme",
		"/file": "file:///etc/passwd", "/script": "javascript:alert(1)", "/user": "http://evil.test@victim.test/users/victor", "/nowhere": "http://",
	} {
		site.put(path, page{to: to})
	}
	check := func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := v.Verify(r, nil); err != nil && !strings.HasPrefix(r.URL.Path, "/.well-known/") {
				badly.Add(1)
			}
			h.ServeHTTP(w, r)
		})
	}
	p.serve(t, "evil.test", check(site)).serve(t, "victim.test", check(people(t, "victim.test", named(t, victor, nil))))
	ask := func(path string) (int, error) {
		before := len(p.all())
		_, err := p.resolver(t, actor.ResolverConfig{Key: ourKey}).PublicKey(t.Context(), "http://evil.test"+path+"#main-key")
		return len(p.all()) - before, err
	}
	if n, err := ask("/three"); err != nil || n != 4 {
		t.Errorf("three honest redirects: %d requests, %v", n, err)
	}
	for _, path := range []string{"/four", "/self", "/ping"} {
		if n, err := ask(path); !errors.Is(err, signature.ErrNoKey) || n != 4 {
			t.Errorf("%s: %d requests, %v", path, n, err)
		}
	}
	for _, path := range []string{"/loopback", "/mapped", "/metadata", "/victim", "/port", "/scheme", "/file", "/script", "/user", "/nowhere"} {
		if n, err := ask(path); !errors.Is(err, signature.ErrNoKey) || n != 1 {
			t.Errorf("%s: %d requests, %v", path, n, err)
		}
		// A search may be led to another host, but not inside.
		r := p.resolver(t, actor.ResolverConfig{Key: ourKey})
		if a, err := r.Lookup(t.Context(), "http://evil.test"+path); path != "/victim" && (a != nil || reason(err) == 0) {
			t.Errorf("a search for %s: %v, %v", path, a, err)
		} else if path == "/victim" && (err != nil || a.ID != victor) {
			t.Errorf("a search that is redirected to someone honest: %v, %v", a, err)
		}
	}
	if inside.Load() != 0 {
		t.Errorf("%d requests came inside", inside.Load())
	}
	if badly.Load() != 0 {
		t.Errorf("%d requests had no signature of their own", badly.Load())
	}
}

// Every way to have this room send a request, to everything on the table of addresses that no room may
// reach.
func TestAttack13NoIDAndNoHandleLeadsInside(t *testing.T) {
	t.Parallel()
	ways := map[string]func(context.Context, *actor.Resolver, string) error{
		"an actor": func(ctx context.Context, r *actor.Resolver, host string) error {
			_, err := r.Actor(ctx, "https://"+host+"/users/bob")
			return err
		},
		"a document": func(ctx context.Context, r *actor.Resolver, host string) error {
			_, _, err := r.Fetch(ctx, "https://"+host+"/notes/1")
			return err
		},
		"a key": func(ctx context.Context, r *actor.Resolver, host string) error {
			_, err := r.PublicKey(ctx, "https://"+host+"/users/bob#main-key")
			return err
		},
		"inboxes": func(ctx context.Context, r *actor.Resolver, host string) error {
			_, _, err := r.Inboxes(ctx, "https://"+host+"/users/bob")
			return err
		},
		"a handle": func(ctx context.Context, r *actor.Resolver, host string) error {
			_, err := r.Lookup(ctx, "@bob@"+host)
			return err
		},
		"a URL": func(ctx context.Context, r *actor.Resolver, host string) error {
			_, err := r.Lookup(ctx, "https://"+host+"/@bob")
			return err
		},
		"WebFinger": func(ctx context.Context, r *actor.Resolver, host string) error {
			_, err := r.WebFinger(ctx, "bob@"+host)
			return err
		},
		"a handle proof": func(ctx context.Context, r *actor.Resolver, host string) error {
			_, err := r.Handle(ctx, &activity.Actor{ID: "https://" + host + "/users/bob", PreferredUsername: "bob"})
			return err
		},
	}
	for name, ask := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := safehttptest.NewNet(t)
				n.Name("honest.example", []string{n.Serve(t, "93.184.217.1", bobAt(t, "https://honest.example/users/bob"))})
				for _, inside := range []string{"127.0.0.1", "10.0.0.1", "169.254.169.254"} {
					n.Serve(t, inside, bobAt(t, "https://honest.example/users/bob"))
				}
				r := resolver(t, actor.ResolverConfig{Client: n.Client(t)})
				if err := ask(t.Context(), r, "honest.example"); err != nil {
					t.Fatalf("an honest server: %v", err)
				}
				if got := n.Dialed(); len(got) != 1 {
					t.Fatalf("the honest server was dialled as %v", got)
				}
				for _, to := range n.NameTargets() {
					if err := ask(t.Context(), r, to.Host); err == nil {
						t.Errorf("%s: there was an answer", to.Name)
					}
				}
				// The name of a server that was honest a while ago.
				n.Name("honest.example", []string{"127.0.0.1"})
				time.Sleep(25 * time.Hour)
				r = resolver(t, actor.ResolverConfig{Client: n.Client(t)})
				if err := ask(t.Context(), r, "honest.example"); !errors.Is(err, safehttp.ErrRefused) {
					t.Errorf("a name that leads inside by now: %v", err)
				}
				if got := n.Dialed(); len(got) != 1 {
					t.Errorf("dialled %v", got[1:])
				}
			})
		})
	}
	// The Resolver's own client, as far as no name need be looked up for it.
	r := resolver(t, actor.ResolverConfig{})
	for _, to := range safehttptest.Targets() {
		if to.Addr != "" || strings.Contains(to.Host, "%") {
			continue
		}
		if _, err := r.Actor(t.Context(), "https://"+to.Host+"/users/bob"); !errors.Is(err, safehttp.ErrRefused) {
			t.Errorf("%s, through the own client: %v", to.Name, err)
		}
	}
}

// bobAt answers as a server with bob, a note and WebFinger.
func bobAt(t *testing.T, id string) http.Handler {
	t.Helper()
	host, _, _ := strings.Cut(strings.TrimPrefix(id, "https://"), "/")
	return newPages().json("/users/bob", person(t, id, nil)).
		json("/@bob", person(t, id, nil)).
		json("/notes/1", `{"id":"https://`+host+`/notes/1","type":"Note"}`).
		put(fingerOf+"bob@"+host, jrd("acct:bob@"+host, id))
}
