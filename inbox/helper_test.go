package inbox_test

import (
	"bytes"
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/signature"
	"github.com/fedihook/fedihook/storage"
)

const (
	here  = "https://here.example"
	alice = here + "/ap/users/alice"
	locky = here + "/ap/users/locky" // approves followers by hand

	there   = "https://there.example"
	bob     = there + "/users/bob"
	eve     = there + "/users/eve"
	mallory = "https://evil.example/users/mallory"
)

// keys are made once: it takes long. Every actor signs with the same one, which says nothing about whose a signature is.
var keys = sync.OnceValue(func() crypto.Signer {
	k, err := signature.GenerateKey()
	if err != nil {
		panic(err)
	}
	return k
})

// fakePeers knows every actor whose id ends the key id, and has these documents.
type fakePeers struct {
	mu      sync.Mutex
	known   map[string]bool
	docs    map[string]string
	fetched []string
	keysAsked,
	trusted, updated, gone []string
}

func (f *fakePeers) PublicKey(_ context.Context, keyID string) (signature.PublicKey, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keysAsked = append(f.keysAsked, keyID)
	return signature.PublicKey{ID: keyID, Owner: keyID[:len(keyID)-len("#main-key")], Key: keys().Public()}, nil
}

func (f *fakePeers) Known(_ context.Context, id string) (bool, error) { return f.known[id], nil }

func (f *fakePeers) Trust(_ context.Context, id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.trusted = append(f.trusted, id)
	return nil
}

func (f *fakePeers) Fetch(_ context.Context, id string) (activity.Document, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fetched = append(f.fetched, id)
	text, ok := f.docs[id]
	if !ok {
		return nil, fmt.Errorf("%w: %w: no %s", inbox.ErrDrop, inbox.ErrGone, id)
	}
	return activity.Decode([]byte(text))
}

func (f *fakePeers) Collections(_ context.Context, id string) (inbox.Collections, error) {
	return inbox.Collections{Followers: id + "/followers", Featured: id + "/featured"}, nil
}

func (f *fakePeers) Update(_ context.Context, a *activity.Actor) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.updated = append(f.updated, a.ID)
	return nil
}

func (f *fakePeers) Gone(_ context.Context, id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gone = append(f.gone, id)
	return nil
}

// book records what happens to relations and what is answered.
type book struct {
	mu    sync.Mutex
	lines []string
	asked map[string]bool // pairs that Answered knows

	followed map[string]bool // by somebody here
	follows  map[string]inbox.Follow
}

func (b *book) Between(_ context.Context, follower, followed string) (inbox.Follow, bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f, ok := b.follows[follower+" "+followed]
	return f, ok, nil
}

func (b *book) ByID(_ context.Context, id string) (inbox.Follow, bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.follows {
		if f.ID == id {
			return f, true, nil
		}
	}
	return inbox.Follow{}, false, nil
}

func (b *book) FollowedHere(_ context.Context, id string) (bool, error) { return b.followed[id], nil }

func (b *book) write(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = append(b.lines, fmt.Sprintf(format, args...))
}

func (b *book) all() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.lines...)
}

func (b *book) Followed(_ context.Context, follower, local, id string, pending bool) error {
	b.write("followed %s %s %s pending=%v", follower, local, id, pending)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.follows[follower+" "+local] = inbox.Follow{ID: id, Follower: follower, Followed: local, Accepted: !pending}
	return nil
}

func (b *book) Unfollowed(_ context.Context, follower, local string) error {
	b.write("unfollowed %s %s", follower, local)
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.follows, follower+" "+local)
	return nil
}

func (b *book) Answered(_ context.Context, local, remote, id string, accepted bool) (bool, error) {
	if !b.asked[local+" "+remote] && !b.asked[id] {
		return false, nil
	}
	b.write("answered %s %s accepted=%v", local, remote, accepted)
	return true, nil
}

func (b *book) Forget(_ context.Context, id string) error {
	b.write("forgotten %s", id)
	return nil
}

func (b *book) Answer(_ context.Context, local, typ string, a *activity.Activity) error {
	b.write("%s %s to %s from %s", typ, a.ID, a.Actor.ID, local)
	return nil
}

// bench is an inbox with everything around it.
type bench struct {
	*inbox.Inbox
	t     testing.TB
	peers *fakePeers
	book  *book
	store storage.Storage
}

func newBench(t testing.TB, change func(*inbox.Config)) *bench {
	t.Helper()
	b := &bench{t: t, peers: &fakePeers{known: map[string]bool{}, docs: map[string]string{}}, book: &book{asked: map[string]bool{}, followed: map[string]bool{bob: true}, follows: map[string]inbox.Follow{}}, store: storage.Memory()}
	c := inbox.Config{
		Verifier: &signature.Verifier{Keys: b.peers, Authorities: []string{"here.example"}},
		Journal:  b.store.Journal, Peers: b.peers, Relations: b.book, Sender: b.book, Origin: here,
		Local: func(_ context.Context, id string) (bool, bool, error) {
			return id == alice || id == locky, id == locky, nil
		},
		Owner: func(_ context.Context, id string) (string, error) {
			if id == here+"/ap/objects/1" {
				return alice, nil
			}
			return "", nil
		},
		Wants:   func(context.Context, *activity.Activity) (bool, error) { return true, nil },
		Backoff: func(int) time.Duration { return time.Millisecond },
		Logger:  slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&c)
	}
	in, err := inbox.New(c)
	if err != nil {
		t.Fatal(err)
	}
	b.Inbox = in
	return b
}

// run works the journal until it is empty.
func (b *bench) run() {
	b.t.Helper()
	ctx, stop := context.WithTimeout(b.t.Context(), 20*time.Second)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	for !b.empty(ctx) {
		if ctx.Err() != nil {
			b.t.Fatal("the journal does not become empty")
		}
		time.Sleep(time.Millisecond)
	}
	stop()
	if err := <-done; err != nil {
		b.t.Fatal(err)
	}
}

// empty appends a probe that finds the journal full if anything else is in it.
func (b *bench) empty(ctx context.Context) bool {
	e := inbox.Entry{Mark: inbox.MarkOf("probe", "", time.Now().String(), nil), Sender: bob, Body: []byte("{}"), Received: time.Now()}
	_, err := b.store.Journal.Append(ctx, e, inbox.Bounds{All: 1})
	if err != nil && !errors.Is(err, inbox.ErrFull) {
		b.t.Fatal(err)
	}
	return err == nil
}

// post signs body as an actor and posts it to the shared inbox.
func (b *bench) post(as, body string) int { return b.postTo("/ap/inbox", as, body, b.Inbox) }

func (b *bench) postTo(path, as, body string, h http.Handler) int {
	b.t.Helper()
	r := request(path, body)
	if as != "" {
		r = signed(b.t, path, as, body)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

func request(path, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader([]byte(body)))
	r.Host = "here.example"
	r.Header.Set("Content-Type", activity.ContentType)
	return r
}

// signed is a request as it comes in after its sender signed it.
func signed(t testing.TB, path, as, body string) *http.Request {
	t.Helper()
	out, err := http.NewRequest(http.MethodPost, here+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	out.Header.Set("Content-Type", activity.ContentType)
	if err := signature.Sign(out, []byte(body), signature.Key{ID: as + "#main-key", Private: keys()}, signature.Cavage); err != nil {
		t.Fatal(err)
	}
	in := request(path, body)
	in.Header = out.Header
	in.Header.Del("Host")
	return in
}

// act writes an activity as JSON.
func act(typ, id, as string, object any, more ...any) string {
	m := map[string]any{"@context": activity.Namespace, "type": typ, "actor": as, "object": object}
	if id != "" {
		m["id"] = id
	}
	for i := 0; i+1 < len(more); i += 2 {
		m[more[i].(string)] = more[i+1]
	}
	raw, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

type object = map[string]any

func refusing(hosts ...string) *moderation.Policy {
	p := &moderation.Policy{Rules: storage.Memory().Rules}
	for _, host := range hosts {
		if err := p.Suspend(context.Background(), host, "test"); err != nil {
			panic(err)
		}
	}
	return p
}

// goneVerifier finds nobody's key any more.
type goneVerifier struct{}

func (goneVerifier) Verify(*http.Request, []byte) (signature.Verified, error) {
	return signature.Verified{}, &signature.Error{Status: http.StatusUnauthorized, Err: signature.ErrKeyGone}
}

// serveTo gives r to the shared inbox and returns the status.
func (b *bench) serveTo(r *http.Request) int {
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	return w.Code
}
