package actor_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/signature"
)

// peers are httptest servers under names of their own, over http, and Resolvers that reach them through
// their own default client: whatever else a URL names is a stranger, with all that the client says to that.
type peers struct {
	mu    sync.Mutex
	at    map[string]string // host → loopback address
	asked []*http.Request
}

func newPeers() *peers { return &peers{at: map[string]string{}} }

// serve starts a server and gives it a name.
func (p *peers) serve(t *testing.T, host string, h http.Handler) *peers {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.asked = append(p.asked, r.Clone(context.WithoutCancel(r.Context())))
		p.mu.Unlock()
		h.ServeHTTP(w, r)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	t.Cleanup(s.Close)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at[host] = s.Listener.Addr().String()
	return p
}

// secret starts a server that has no name: only who knows its address could reach it.
func (p *peers) secret(t *testing.T, h http.Handler) (address string) {
	t.Helper()
	p.serve(t, "", h)
	address = p.at[""]
	delete(p.at, "")
	return address
}

// resolver makes a Resolver of http://us.test. What is in c is kept.
func (p *peers) resolver(t *testing.T, c actor.ResolverConfig) *actor.Resolver {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	c.InsecureAllowLoopback = p.at // copied by the client
	if c.Names.Origin == "" {
		c.Names = actor.Names{Origin: "http://us.test"}
	}
	return resolver(t, c)
}

// requests are those that a host got, as "GET /path?query".
func (p *peers) requests(host string) (list []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.asked {
		if r.Host == host {
			list = append(list, r.Method+" "+r.RequestURI)
		}
	}
	return list
}

// all are the requests that came to any of the peers.
func (p *peers) all() []*http.Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*http.Request(nil), p.asked...)
}

// people is a server with these actors, under the paths of their ids, and WebFinger for bob.
func people(t *testing.T, host string, docs ...string) *pages {
	t.Helper()
	site := newPages()
	for _, text := range docs {
		doc, err := activity.Decode([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		path, ok := strings.CutPrefix(doc.DocumentID(), "http://"+host)
		if !ok {
			t.Fatalf("%s is not of %s", doc.DocumentID(), host)
		}
		site.json(path, text)
		if _, user, ok := strings.Cut(path, "/users/"); ok {
			site.put("/.well-known/webfinger?resource=acct:"+user+"@"+host, jrd("acct:"+user+"@"+host, doc.DocumentID()))
		}
	}
	return site
}

// evil and victim are where the actors of these tests are.
const (
	mallory    = "http://evil.test/users/mallory"
	victor     = "http://victim.test/users/victor"
	malloryKey = mallory + "#main-key"
	victorKey  = victor + "#main-key"
)

// named changes an actor's handle to the last part of its id.
func named(t *testing.T, id string, changes map[string]any) string {
	t.Helper()
	all := map[string]any{"preferredUsername": id[strings.LastIndex(id, "/")+1:]}
	for k, v := range changes {
		all[k] = v
	}
	return person(t, id, all)
}

// ourKey is a key of an instance actor for ResolverConfig.Key.
func ourKey(context.Context) (signature.Key, error) {
	return signature.Key{ID: "http://us.test/ap/actor#main-key", Private: testKeys()[1]}, nil
}

// only is a KeySource that knows one key.
type only signature.PublicKey

func (k only) PublicKey(_ context.Context, id string) (signature.PublicKey, error) {
	if id != k.ID {
		return signature.PublicKey{}, signature.ErrNoKey
	}
	return signature.PublicKey(k), nil
}

// ours is the public half of ourKey.
func ours() only {
	return only{ID: "http://us.test/ap/actor#main-key", Owner: "http://us.test/ap/actor", Key: testKeys()[1].Public()}
}

// reason is why a lookup failed, 0 if it did not.
func reason(err error) actor.Reason {
	var l *actor.LookupError
	if errors.As(err, &l) {
		return l.Reason
	}
	return 0
}

// oneUser is a Handler.Profile that knows one user.
func oneUser(handle string) func(context.Context, string) (actor.Profile, error) {
	return func(_ context.Context, asked string) (actor.Profile, error) {
		if asked != handle {
			return actor.Profile{}, actor.ErrNotFound
		}
		return actor.Profile{Handle: handle}, nil
	}
}

// keyOf signs as the instance actor of a site whose keys are memory's.
type keyOf struct{ names actor.Names }

func (k *keyOf) key(ctx context.Context) (signature.Key, error) {
	ring := &actor.Keyring{Store: newMemory(), Names: k.names}
	return ring.Private(ctx, k.names.Instance())
}

// address is where a host is on loopback.
func (p *peers) address(host string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at[host]
}
