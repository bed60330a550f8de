package actor_test

import (
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fedihook/fedihook/actor"
)

// blogs are the names of a site at blog.example and, with as many digits as one likes, at blog1.example and so on. What is asked is noted.
type blogs struct {
	mu    sync.Mutex
	asked []string
}

func (b *blogs) has(host string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = append(b.asked, host)
	name, ok := strings.CutSuffix(strings.TrimSuffix(host, ":8443"), ".example")
	return ok && strings.HasPrefix(name, "blog") && strings.Trim(name[4:], "0123456789") == ""
}

func manyNames() actor.Names {
	return actor.Names{Origin: "https://blog.example", More: new(blogs).has}
}

func TestKeysOfOtherHostsAreTakenApartAsTheyWereBuilt(t *testing.T) {
	t.Parallel()
	for _, n := range []actor.Names{manyNames(), {Origin: "https://blog.example", Prefix: "/x/fedi", Domain: "example.example", More: new(blogs).has}} {
		built := map[string]string{}
		for _, local := range []string{"alice", "a.b-c_d", "Ünï", "a b", "a/b", "100%", "?", "#", "~", "@alice", "a:b", "a@b", "a@", "alice@blog8.example", "01J+="} {
			for host, origin := range map[string]string{
				"": "https://blog.example", "@blog7.example": "https://blog7.example", "@blog8.example:8443": "https://blog8.example:8443",
				// not as authorities are written, or none of the site's: a key of Origin
				"@BLOG7.example": "https://blog.example", "@blog7.example:443": "https://blog.example", "@blog7.example.": "https://blog.example",
				"@else.example": "https://blog.example", "@blog.example": "https://blog.example", "@": "https://blog.example", "@blog7.example/": "https://blog.example",
			} {
				key := local + host
				if host == "" && strings.HasSuffix(local, "@blog8.example") {
					origin = "https://blog8.example"
				}
				id := n.Actor(key)
				for iri, want := range map[string]actor.Kind{
					id: actor.KindActor, n.KeyID(id): actor.KindKey, n.Inbox(id, "other"): actor.KindInbox, n.Followers(id, "other"): actor.KindFollowers,
					n.Outbox(origin+"/author/x", key): actor.KindOutbox, n.Object(key): actor.KindObject, n.Activity(key): actor.KindActivity,
				} {
					if before, twice := built[iri]; twice && before != key {
						t.Errorf("%q and %q are both %s", before, key, iri)
					}
					built[iri] = key
					if kind, got, ok := n.Parse(iri); !ok || kind != want || got != key || !strings.HasPrefix(iri, origin+"/") || !n.Ours(iri) {
						t.Errorf("Parse(%q): %v, %q, %v; want %v, %q on %s", iri, kind, got, ok, want, key, origin)
					}
				}
			}
		}
	}
}

func TestOtherHostsHaveNoInstanceActorAndNoForeignKeys(t *testing.T) {
	t.Parallel()
	n := manyNames()
	for _, iri := range []string{
		"https://blog7.example/ap/actor", "https://blog7.example/ap/actor#main-key", "https://blog7.example/ap/actor/inbox",
		"https://blog.example/ap/users/alice@blog7.example", "https://blog.example/ap/users/alice@blog7.example/inbox", "https://blog.example/ap/objects/1@blog7.example",
		"http://blog7.example/ap/users/alice", "https://blog7.example:80/ap/users/alice", "https://u@blog7.example/ap/users/alice", "https://blog7.example./ap/users/alice",
		"https://blog7.example/ap/users/alice?x", "https://blog7.example/ap/users/al%69ce", "https://blog7.example/ap/users/", "https://blog7.example/ap/users/..",
		"https://blogx.example/ap/users/alice",
	} {
		if kind, key, ok := n.Parse(iri); ok || kind != 0 || key != "" {
			t.Errorf("Parse(%q): %v, %q, %v", iri, kind, key, ok)
		}
	}
	for _, iri := range []string{"https://BLOG7.example/ap/users/alice", "https://blog7.example:443/ap/users/alice"} {
		if _, key, ok := n.Parse(iri); !ok || key != "alice@blog7.example" {
			t.Errorf("Parse(%q): %q, %v", iri, key, ok)
		}
	}
	if kind, _, ok := n.Parse(n.SharedInboxOf("https://blog7.example/about")); kind != actor.KindSharedInbox || !ok {
		t.Errorf("the shared inbox is %v, %v", kind, ok)
	}
	if got := n.SharedInboxOf("https://else.example/x"); got != n.SharedInbox() {
		t.Errorf("the shared inbox for who is not here is %s", got)
	}
}

func TestWhatSomebodyMakesLiesBesideThem(t *testing.T) {
	t.Parallel()
	n := manyNames()
	for author, want := range map[string]string{
		"alice": "1", "alice@blog7.example": "1@blog7.example", "alice@blog.example": "1", "alice@else.example": "1", "": "1",
		"https://blog7.example/author/7": "1@blog7.example", "https://BLOG7.example:443/x": "1@blog7.example", "https://blog.example/ap/users/alice": "1",
		"https://blog.example/ap/users/x@blog7.example": "1", n.Instance(): "1", "https://else.example/x": "1", "http://blog7.example/x": "1",
	} {
		if got := n.Beside(author, "1"); got != want {
			t.Errorf("beside %q: %q, want %q", author, got, want)
		}
	}
	if got := (actor.Names{Origin: "https://blog.example"}).Beside("alice@blog7.example", "1"); got != "1" {
		t.Errorf("on a site of one host: %q", got)
	}
}

func TestARequestIsForTheHostThatItNames(t *testing.T) {
	t.Parallel()
	for _, n := range []actor.Names{manyNames(), {Origin: "http://blog.example", More: new(blogs).has}} {
		scheme, _, _ := strings.Cut(n.Origin, "://")
		for host, want := range map[string]string{
			"blog7.example": "blog7.example", "BLOG7.Example": "blog7.example", "blog.example": "blog.example", "blog7.example:8443": "blog7.example:8443",
			"blog7.example:443": map[string]string{"https": "blog7.example", "http": "blog.example"}[scheme],
			// Whatever else: the origin.
			"else.example": "blog.example", "": "blog.example", "blog7.example.": "blog.example", "blog7.example:": "blog7.example", ".blog7.example": "blog.example",
			"blog7.example:08443": "blog.example", "blog7.example:99999": "blog.example", "blog7.example:http": "blog.example", "u@blog7.example": "blog.example",
			"u:p@blog7.example": "blog.example", "blog7.example/x": "blog.example", "blog7.example#x": "blog.example", "blog7.example?x": "blog.example",
			"blog7.example\\x": "blog.example", "blog7.example\r\n": "blog.example", " blog7.example": "blog.example", "blo\u212a7.example": "blog.example",
			"bl%6fg7.example": "blog.example", "blög7.example": "blog.example", "xn--blg7-5qa.example": "blog.example", "[::1]": "blog.example", "blog7.example@else.example": "blog.example",
			strings.Repeat("a.", 200) + "example": "blog.example",
		} {
			r := httptest.NewRequest("GET", "/a%20b?author=1", nil)
			r.Host = host
			if got := n.Of(r); got != scheme+"://"+want+"/a%20b?author=1" {
				t.Errorf("%s, Host %q: %s, want %s", scheme, host, got, want)
			}
		}
	}
}

// What the app is asked about is written in the one way that it knows, whoever makes up hosts.
func TestMoreIsAskedAboutNothingOdd(t *testing.T) {
	t.Parallel()
	var b blogs
	n := actor.Names{Origin: "https://blog.example", Domain: "example.example", More: b.has}
	for _, host := range []string{
		"blog7.example", "BLOG7.example", "blog7.example:443", "blog7.example:8443", "blog7.example.", "..", "a..b", "u@blog7.example", "blög.example", "[::1]", "*", "blog.example",
		"example.example", strings.Repeat("a", 300), "blog7.example:0", "blog7.example:65536",
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = host
		n.Of(r)
		n.Ours("https://" + host + "/x y")
		n.Ours("https://" + host + "/x")
		n.Ours("https://" + host + "/x?y")
		n.Actor("alice@" + host)
		n.Has(host)
		n.Beside("https://"+host+"/x", "1")
	}
	for _, host := range b.asked {
		if !slices.Contains([]string{"blog7.example", "blog7.example:8443", "xn--blg-tna.example"}, host) {
			t.Errorf("it was asked about %q", host)
		}
	}
	if !n.Has("blog.example") || !n.Has("blog7.example") || n.Has("example.example") || n.Has("") || n.Has("BLOG7.example") {
		t.Error("the site lives elsewhere than it does")
	}
}

func TestOnASiteOfOneHostNothingIsAnothers(t *testing.T) {
	t.Parallel()
	n := actor.Names{Origin: "https://blog.example"}
	id := n.Actor("alice@blog7.example")
	if kind, key, ok := n.Parse(id); id != "https://blog.example/ap/users/alice@blog7.example" || kind != actor.KindActor || key != "alice@blog7.example" || !ok {
		t.Errorf("%s: %v, %q, %v", id, kind, key, ok)
	}
	if n.Ours("https://blog7.example/x") || n.Has("blog7.example") {
		t.Error("blog7.example is ours")
	}
}

// It is asked some ten times with every request, and for each of a thousand recipients that a stranger names.
func TestToTellWhoseAnIDIsCostsNothing(t *testing.T) {
	n := actor.Names{Origin: "https://blog.example", More: func(host string) bool { return host == "blog7.example" }}
	for iri, want := range map[string]bool{
		"https://blog.example/ap/users/alice": true, "https://blog7.example/ap/users/alice": true, "https://else.example/users/bob": false,
	} {
		if allocations := testing.AllocsPerRun(100, func() {
			if n.Ours(iri) != want {
				t.Errorf("%s: %t", iri, !want)
			}
		}); allocations != 0 {
			t.Errorf("%s: %v allocations", iri, allocations)
		}
	}
}

// FuzzKey builds ids of any key: whatever Parse takes, it takes apart into that key, on whichever host.
func FuzzKey(f *testing.F) {
	for _, s := range []string{"alice", "alice@blog7.example", "a@b@blog7.example", "@blog7.example", "alice@blog.example", "..@blog7.example", "x@blog7.example:8443", "\xff@blog7.example"} {
		f.Add(s)
	}
	n := manyNames()
	f.Fuzz(func(t *testing.T, key string) {
		for _, id := range []string{n.Actor(key), n.Object(key), n.Activity(key), n.Inbox("", key)} {
			if _, got, ok := n.Parse(id); ok && got != key {
				t.Errorf("%q became %q by %s", key, got, id)
			}
		}
	})
}
