package fedihook_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/actor"
)

const (
	oneAlice = "https://one.example/ap/users/alice"
	twoAlice = "https://two.example/ap/users/alice"
)

// isBlog tells the hosts of the app in these tests beside blog.example.
func isBlog(host string) bool { return host == "one.example" || host == "two.example" }

// keyOnOrigins gives the users in these tests RSA keys once, for making them takes longest.
var keyOnOrigins = sync.OnceValue(func() error {
	names := actor.Names{Origin: "https://blog.example", More: isBlog}
	for i, handle := range []string{"alice@one.example", "alice@two.example", "carol@one.example", "cats@one.example"} {
		id := names.Actor(handle)
		k := actor.KeyPair{ActorID: id, Serial: 1, Kind: actor.KeyRSA, KeyID: names.KeyID(id), Private: []byte(someKeys()[i]), Created: time.Unix(1e9, 0)}
		if _, err := madeOnce().AddKey(context.Background(), k); err != nil {
			return err
		}
	}
	return nil
})

// inOrigins runs f with an app of three hosts, of each of which there is an alice. Carol, at one.example, looks at who wants to follow, and the
// cats there are a group.
func inOrigins(t *testing.T, change func(*fedihook.Config), f func(t *testing.T, v *storedFediverse)) {
	t.Helper()
	if err := keyOnOrigins(); err != nil {
		t.Fatal(err)
	}
	inStoredFediverse(t, func(c *fedihook.Config) {
		c.MoreOrigins = isBlog
		c.Profile = func(_ context.Context, who string) (actor.Profile, error) {
			p := actor.Profile{Handle: who, OptedIn: true}
			switch who {
			case "alice", "alice@one.example", "alice@two.example":
				return p, nil
			case "carol@one.example":
				p.ManuallyApprovesFollowers = true
				return p, nil
			case "cats@one.example":
				p.Type = "Group"
				return p, nil
			}
			return actor.Profile{}, actor.ErrNotFound
		}
		if change != nil {
			change(c)
		}
	}, func(t *testing.T, v *storedFediverse) {
		v.net.Serve("one.example", v.Handler())
		v.net.Serve("two.example", v.Handler())
		f(t, v)
	})
}

// asked is how the app answers a stranger who asks for a URL, by whatever host it names.
func (v *storedFediverse) asked(t *testing.T, url, accept string) (status int, body string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	v.Handler().ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// straying lists where in a document of somebody at home ids of this app lie on another of its hosts. What describes the server may.
func straying(t *testing.T, document []byte, home string) (found []string) {
	t.Helper()
	var walk func(path []string, v any)
	walk = func(path []string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, inner := range v {
				if name != "generator" {
					walk(append(slices.Clone(path), name), inner)
				}
			}
		case []any:
			for _, inner := range v {
				walk(path, inner)
			}
		case string:
			for _, host := range []string{"blog.example", "one.example", "two.example"} {
				if host != home && strings.Contains(v, "://"+host) {
					found = append(found, strings.Join(path, ".")+": "+v)
				}
			}
		}
	}
	var whole any
	if err := json.Unmarshal(document, &whole); err != nil {
		t.Fatalf("%v: %s", err, document)
	}
	walk(nil, whole)
	return found
}
