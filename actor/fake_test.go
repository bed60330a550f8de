package actor_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/signature"
)

// web is an internet in memory: host → handler. It works inside of synctest bubbles.
type web struct {
	mu    sync.Mutex
	hosts map[string]http.Handler
	asked map[string]int // by URL
	seen  []*http.Request
}

func newWeb() *web { return &web{hosts: map[string]http.Handler{}, asked: map[string]int{}} }

func (w *web) client() *http.Client { return &http.Client{Transport: w} }

func (w *web) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	w.mu.Lock()
	handler, ok := w.hosts[r.URL.Host]
	w.asked[r.URL.String()]++
	w.seen = append(w.seen, r)
	w.mu.Unlock()
	if !ok {
		return nil, &net.DNSError{Err: "no such host", Name: r.URL.Host, IsNotFound: true}
	}
	if handler == nil {
		return nil, &net.OpError{Op: "dial", Err: io.ErrUnexpectedEOF}
	}
	in := httptest.NewRequest(r.Method, r.URL.RequestURI(), nil).WithContext(r.Context())
	in.Header, in.Host = r.Header.Clone(), r.URL.Host
	rec := httptest.NewRecorder()
	handler.ServeHTTP(rec, in)
	resp := rec.Result()
	resp.Request = r
	return resp, nil
}

func (w *web) count(url string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked[url]
}

func (w *web) total() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, one := range w.asked {
		n += one
	}
	return n
}

func (w *web) set(host string, h http.Handler) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hosts[host] = h
}

// pages is a site of fixed answers by path and query.
type pages struct {
	mu sync.Mutex
	at map[string]page
}

type page struct {
	status int // zero: 200
	kind   string
	body   string
	to     string // a redirect's
}

func newPages() *pages { return &pages{at: map[string]page{}} }

func (p *pages) put(path string, one page) *pages {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at[path] = one
	return p
}

func (p *pages) json(path, body string) *pages {
	return p.put(path, page{kind: activity.ContentType, body: body})
}

func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	one, ok := p.at[r.URL.RequestURI()]
	p.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	if one.to != "" {
		w.Header().Set("Location", one.to)
		w.WriteHeader(cmp.Or(one.status, http.StatusFound))
		return
	}
	w.Header().Set("Content-Type", one.kind)
	w.WriteHeader(cmp.Or(one.status, http.StatusOK))
	_, _ = io.WriteString(w, one.body)
}

// keys for tests, made once.
var testKeys = sync.OnceValue(func() [2]*rsa.PrivateKey {
	var keys [2]*rsa.PrivateKey
	for i := range keys {
		k, err := signature.GenerateKey()
		if err != nil {
			panic(err)
		}
		keys[i] = k
	}
	return keys
})

func pem(t testing.TB, k *rsa.PrivateKey) string {
	t.Helper()
	text, err := signature.MarshalPublicKey(k.Public())
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// person writes a stranger's actor document, with changes on top.
func person(t testing.TB, id string, changes map[string]any) string {
	t.Helper()
	doc := map[string]any{
		"@context":          []string{"https://www.w3.org/ns/activitystreams", "https://w3id.org/security/v1"},
		"id":                id,
		"type":              "Person",
		"preferredUsername": "bob",
		"inbox":             id + "/inbox",
		"outbox":            id + "/outbox",
		"followers":         id + "/followers",
		"publicKey":         map[string]string{"id": id + "#main-key", "owner": id, "publicKeyPem": pem(t, testKeys()[0])},
	}
	for k, v := range changes {
		if v == nil {
			delete(doc, k)
		} else {
			doc[k] = v
		}
	}
	b, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func resolver(t *testing.T, c actor.ResolverConfig) *actor.Resolver {
	t.Helper()
	r, err := actor.NewResolver(c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// memory implements the stores of this package.
type memory struct {
	memoryKeys

	mu      sync.Mutex
	remotes map[string]actor.Remote
	puts    int
	fail    error
}

func newMemory() *memory {
	return &memory{remotes: map[string]actor.Remote{}, memoryKeys: memoryKeys{handedOut: map[string]bool{}}}
}

func (m *memory) Remote(_ context.Context, id string) (actor.Remote, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return actor.Remote{}, m.fail
	}
	r, ok := m.remotes[id]
	if !ok {
		return r, fmt.Errorf("memory: %w", actor.ErrNotFound)
	}
	return r, nil
}

func (m *memory) RemoteByKey(_ context.Context, keyID string) (actor.Remote, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return actor.Remote{}, m.fail
	}
	for _, r := range m.remotes {
		if slices.Contains(r.KeyIDs, keyID) {
			return r, nil
		}
	}
	return actor.Remote{}, fmt.Errorf("memory: %w", actor.ErrNotFound)
}

func (m *memory) PutRemote(_ context.Context, r actor.Remote) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.puts++
	r.Document = bytes.Clone(r.Document)
	m.remotes[r.ID] = r
	return m.fail
}

func (m *memory) DeleteRemote(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.remotes, id)
	return nil
}

func (m *memory) stored(id string) (actor.Remote, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.remotes[id]
	return r, ok
}

func (m *memory) written() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.puts
}

// site is a whole server of ours in a web.
type site struct {
	handler  *actor.Handler
	resolver *actor.Resolver
	store    *memory
	names    actor.Names
}

func newSite(t *testing.T, w *web, authority string, users ...actor.Profile) *site {
	t.Helper()
	s := &site{store: newMemory(), names: actor.Names{Origin: "https://" + authority}}
	ring := &actor.Keyring{Store: s.store, Names: s.names}
	s.handler = &actor.Handler{Names: s.names, Keyring: ring, Profile: func(_ context.Context, name string) (actor.Profile, error) {
		for _, p := range users {
			if p.Handle == name || p.ID == name {
				return p, nil
			}
		}
		return actor.Profile{}, actor.ErrNotFound
	}}
	s.resolver = resolver(t, actor.ResolverConfig{
		Client: w.client(),
		Names:  s.names,
		Local:  s.handler.Document,
		Store:  s.store,
		Key: func(ctx context.Context) (signature.Key, error) {
			return ring.Private(ctx, s.names.Instance())
		},
	})
	mux := http.NewServeMux()
	s.handler.Register(mux)
	w.set(authority, mux)
	return s
}

// get asks a handler as another server does; header may be nil.
func get(h http.Handler, url string, header map[string]string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, url, nil)
	for k, v := range header {
		r.Header.Set(k, v)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec
}

func within(t *testing.T, d time.Duration, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(d):
		t.Fatalf("not done after %v", d)
	}
}

func contextWithTimeout(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(t.Context(), d)
}
