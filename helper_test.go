package fedihook_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/signature"
	"github.com/fedihook/fedihook/storage"
)

// site is a server with users, an app behind it, and a record of what its hooks heard.
type site struct {
	*fedihook.Server
	t       *testing.T
	origin  string
	address string
	store   storage.Storage

	mu    sync.Mutex
	heard []string // "Type id"
}

// newSites starts one server per host in one network; change may alter each one's Config.
func newSites(t *testing.T, change func(host string, c *fedihook.Config), hosts ...string) []*site {
	t.Helper()
	names := make(map[string]string)
	listeners := make([]net.Listener, len(hosts))
	for i, host := range hosts {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listeners[i], names[host] = l, l.Addr().String()
	}
	sites := make([]*site, len(hosts))
	for i, host := range hosts {
		s := &site{t: t, origin: "http://" + host, address: names[host], store: storage.Memory()}
		c := fedihook.Config{
			Origin: s.origin, Storage: s.store, InsecureAllowLoopback: names, Logger: slog.New(slog.DiscardHandler),
			Profile: func(_ context.Context, handle string) (actor.Profile, error) {
				switch handle {
				case "alice", "bob", "carol":
					return actor.Profile{Handle: handle}, nil
				case "locky":
					return actor.Profile{Handle: handle, ManuallyApprovesFollowers: true}, nil
				case "gone":
					return actor.Profile{}, actor.ErrGone
				}
				return actor.Profile{}, actor.ErrNotFound
			},
		}
		h := s.hear
		c.Hooks = inbox.Hooks{
			Unfollow: h, Accepted: h, Rejected: h, Create: h, Update: h, Delete: h, Like: h, Announce: h, Undo: h, Other: h,
		}
		if change != nil {
			change(host, &c)
		}
		if c.SealKey == nil {
			s.haveKeys(c.Storage.Keys)
		}
		var err error
		if s.Server, err = fedihook.New(c); err != nil {
			t.Fatal(err)
		}
		web := httptest.NewUnstartedServer(s.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "a page")
		})))
		web.Listener.Close()
		web.Listener = listeners[i]
		web.Start()
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		t.Cleanup(func() {
			web.Close()
			stop()
			if err := <-done; err != nil {
				t.Errorf("Run = %v", err)
			}
		})
		sites[i] = s
	}
	return sites
}

// someKeys are for those who are in all tests: making keys takes longer than all else that the tests do.
var someKeys = sync.OnceValue(func() (list [5]string) {
	for i := range list {
		private, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		if list[i], err = signature.MarshalPrivateKey(private); err != nil {
			panic(err)
		}
	}
	return list
})

// haveKeys gives the site's usual actors RSA keys, none of which two on one site share.
func (s *site) haveKeys(keys actor.Keys) {
	s.t.Helper()
	names := actor.Names{Origin: s.origin}
	for i, id := range []string{names.Instance(), s.id("alice"), s.id("bob"), s.id("carol"), s.id("locky")} {
		k := actor.KeyPair{ActorID: id, Serial: 1, Kind: actor.KeyRSA, KeyID: names.KeyID(id), Private: []byte(someKeys()[i]), Created: time.Now()}
		if _, err := keys.AddKey(s.t.Context(), k); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *site) hear(_ context.Context, m *inbox.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = append(s.heard, m.Activity.Type.String()+" "+m.ObjectID)
	return nil
}

// waitFor waits until a hook heard of typ about an object.
func (s *site) waitFor(typ, objectID string) {
	s.t.Helper()
	s.until(typ+" of "+objectID, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return slices.Contains(s.heard, typ+" "+objectID)
	})
}

func (s *site) until(what string, is func() bool) {
	s.t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.t.Fatalf("%s: never; heard %q", what, s.heard)
		}
	}
}

func (s *site) id(handle string) string { return s.origin + "/ap/users/" + handle }

// follow makes handle follow an actor and waits until both sides have it.
func (s *site) follow(handle string, of *site, followed string) string {
	s.t.Helper()
	id, err := s.Follow(s.t.Context(), handle, of.id(followed))
	if err != nil {
		s.t.Fatal(err)
	}
	s.until("accepted", func() bool { return s.state(s.id(handle), of.id(followed)) == actor.Accepted })
	return id
}

func (s *site) state(follower, followed string) actor.FollowState {
	f, err := s.store.Followers.Follow(s.t.Context(), follower, followed)
	if err != nil {
		return 0
	}
	return f.State
}

// get asks s for an id over HTTP, signed by an actor of by if as is not empty.
func (s *site) get(id, accept string, by *site, as string) (status int, body string, header http.Header) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, strings.Replace(id, s.origin, "http://"+s.address, 1), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Host = strings.TrimPrefix(s.origin, "http://")
	r.Header.Set("Accept", accept)
	if as != "" {
		ring := actor.Keyring{Store: by.store.Keys, Names: actor.Names{Origin: by.origin}}
		key, err := ring.Private(s.t.Context(), by.id(as))
		if err != nil {
			s.t.Fatal(err)
		}
		if err := signature.Sign(r, nil, key, signature.Cavage); err != nil {
			s.t.Fatal(err)
		}
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(raw), resp.Header
}

func note(to ...string) *activity.Object {
	return &activity.Object{Content: "<p>hello</p>", To: activity.To(to...)}
}

// dear skips a test that takes long under the race detector and shows it nothing that others don't.
func dear(t *testing.T) {
	t.Helper()
	if raced {
		t.Skip("takes too long under the race detector; go test runs it without")
	}
}
