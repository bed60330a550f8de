package fedihook_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
)

// frontDoor shows an app under /blog of a host that has other things too, and takes that off what it passes on.
type frontDoor struct {
	*httptest.Server
	mu      sync.Mutex
	app     *url.URL
	strayed []string // what was asked for outside of the app's folder
}

func newFrontDoor(t *testing.T) *frontDoor {
	t.Helper()
	d := &frontDoor{}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		d.mu.Lock()
		defer d.mu.Unlock()
		r.SetURL(d.app)
		r.Out.Host = r.In.Host
	}}
	mux := http.NewServeMux()
	mux.Handle("/blog/", http.StripPrefix("/blog", proxy))
	for _, name := range []string{"webfinger", "nodeinfo", "host-meta"} {
		mux.Handle("/.well-known/"+name, proxy)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.strayed = append(d.strayed, r.URL.Path)
		http.NotFound(w, r)
	})
	d.Server = httptest.NewServer(mux)
	t.Cleanup(d.Close)
	return d
}

func TestASiteBehindAProxyThatTakesItsPathOffFederates(t *testing.T) {
	t.Parallel()
	door := newFrontDoor(t)
	const mounted = "http://a.test/blog/ap"
	names := actor.Names{Origin: "http://a.test", Prefix: "/blog/ap"}
	alice := names.Actor("alice")
	var mu sync.Mutex
	var asked []string // of the app, by URL
	s := newSites(t, func(host string, c *fedihook.Config) {
		c.InsecureAllowLoopback["a.test"] = door.Listener.Addr().String()
		if host != "a.test" {
			return
		}
		c.Mount = "/blog"
		c.Object = func(_ context.Context, id, _ string) (*activity.Object, error) {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, id)
			if id == "http://a.test/blog/posts/1?page=2" || strings.HasPrefix(id, mounted+"/objects/") {
				return &activity.Object{ID: id, Type: activity.Types{"Note"}, AttributedTo: activity.Refs{activity.IRI(alice)}, To: activity.To(activity.Public)}, nil
			}
			return nil, actor.ErrNotFound
		}
		for i, id := range []string{names.Instance(), alice} {
			k := actor.KeyPair{ActorID: id, Serial: 1, Kind: actor.KeyRSA, KeyID: names.KeyID(id), Private: []byte(someKeys()[i]), Created: time.Now()}
			if _, err := c.Storage.Keys.AddKey(t.Context(), k); err != nil {
				t.Fatal(err)
			}
		}
	}, "a.test", "b.test")
	a, b := s[0], s[1]
	door.mu.Lock()
	door.app = &url.URL{Scheme: "http", Host: a.address}
	door.mu.Unlock()
	a.address = door.Listener.Addr().String() // from now on it is asked from outside

	found, err := b.Lookup(t.Context(), "@alice@a.test")
	if err != nil || found.ID != alice {
		t.Fatalf("found %+v, %v", found, err)
	}
	if _, err := b.Follow(t.Context(), "bob", alice); err != nil {
		t.Fatal(err)
	}
	b.until("accepted", func() bool { return b.state(b.id("bob"), alice) == actor.Accepted })
	id, err := a.Publish(t.Context(), "alice", &activity.Object{Content: "<p>hello</p>"})
	if err != nil || !strings.HasPrefix(id, mounted+"/objects/") {
		t.Fatalf("published %s, %v", id, err)
	}
	b.waitFor("Create", id)
	reply := note(alice)
	reply.InReplyTo = activity.IRI(id)
	answer, err := b.Publish(t.Context(), "bob", reply) // into the personal or the shared inbox, signed for the path with /blog
	if err != nil {
		t.Fatal(err)
	}
	a.waitFor("Create", answer)

	// Every address that is shown is under the path, and answers.
	shown := addresses(t, a, alice)
	shown = append(shown, addresses(t, a, id)...)
	shown = append(shown, addresses(t, a, "http://a.test/.well-known/webfinger?resource=acct:alice@a.test")...)
	shown = append(shown, addresses(t, a, "http://a.test/.well-known/nodeinfo")...)
	slices.Sort(shown)
	shown = slices.Compact(shown)
	if len(shown) < 10 {
		t.Errorf("only %q", shown)
	}
	for _, address := range shown {
		if !strings.HasPrefix(address, "http://a.test/blog/") {
			t.Errorf("%s is not under the path", address)
			continue
		}
		status, body, _ := a.get(address, activity.ContentType+", application/json", nil, "")
		if want := map[bool]int{true: http.StatusMethodNotAllowed, false: http.StatusOK}[strings.HasSuffix(address, "/inbox")]; status != want {
			t.Errorf("%s: %d %s", address, status, body)
		}
	}
	if status, body, _ := a.get("http://a.test/blog/about", "text/html", nil, ""); status != http.StatusOK || body != "a page" {
		t.Errorf("the app's page: %d %q", status, body)
	}
	if status, body, _ := a.get("http://a.test/blog/posts/1?page=2", activity.ContentType, nil, ""); status != http.StatusOK {
		t.Errorf("the app's own post: %d %s", status, body)
	}
	if form, err := a.FollowForm(t.Context(), "alice"); err != nil || !strings.Contains(string(form), `action="/blog/ap/interact"`) {
		t.Errorf("the form is %s, %v", form, err)
	}
	door.mu.Lock()
	defer door.mu.Unlock()
	if len(door.strayed) > 0 {
		t.Errorf("asked for outside of the path: %q", door.strayed)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, id := range asked {
		if !strings.HasPrefix(id, "http://a.test/blog/") {
			t.Errorf("the app was asked for %s", id)
		}
	}
}

// addresses are the URLs of this site in a document.
func addresses(t *testing.T, s *site, id string) (list []string) {
	t.Helper()
	status, body, _ := s.get(id, activity.ContentType+", application/json", nil, "")
	if status != http.StatusOK {
		t.Fatalf("%s: %d %s", id, status, body)
	}
	for d := json.NewDecoder(strings.NewReader(body)); ; {
		token, err := d.Token()
		if err == io.EOF {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		if text, ok := token.(string); ok && strings.HasPrefix(text, s.origin+"/") {
			list = append(list, text)
		}
	}
}
