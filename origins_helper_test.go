package fedihook_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/storage"
)

const (
	oneAlice = "https://one.example/ap/users/alice"
	twoAlice = "https://two.example/ap/users/alice"
)

// isBlog tells the hosts of the app in these tests beside blog.example.
func isBlog(host string) bool { return host == "one.example" || host == "two.example" }

// keysOnOrigins are keys for those who live there, which some of these tests rotate: making them takes longest.
func keysOnOrigins(t *testing.T) actor.Keys {
	t.Helper()
	names, keys := actor.Names{Origin: "https://blog.example", More: isBlog}, storage.Memory().Keys
	for i, id := range []string{
		alice, oneAlice, twoAlice, names.Instance(), names.Actor("carol@one.example"), names.Actor("cats@one.example"),
	} {
		k := actor.KeyPair{
			ActorID: id, Serial: 1, Kind: actor.KeyRSA, KeyID: names.KeyID(id), Private: []byte(someKeys()[i%len(someKeys())]), Created: time.Unix(1e9, 0),
		}
		if _, err := keys.AddKey(t.Context(), k); err != nil {
			t.Fatal(err)
		}
	}
	return keys
}

// inOrigins runs f with an app of three hosts, of each of which there is an alice. Carol, at one.example, looks at who wants to follow, and the
// cats there are a group.
func inOrigins(t *testing.T, change func(*fedihook.Config), f func(t *testing.T, v *storedFediverse)) {
	t.Helper()
	keys := keysOnOrigins(t)
	inStoredFediverse(t, func(c *fedihook.Config) {
		c.Storage.Keys = keys
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
