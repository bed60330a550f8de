package actor_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
)

func TestNamesAreTakenApartAsTheyWereBuilt(t *testing.T) {
	t.Parallel()
	for _, n := range []actor.Names{{Origin: "https://a.test"}, {Origin: "http://a.test:8080", Prefix: "/x/fedi"}} {
		if err := n.Check(); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"alice", "a.b-c_d", "Ünï", "a b", "a/b", "100%", "?", "#", "~", "@alice", "a:b", "01J+="} {
			id := n.Actor(key)
			for iri, want := range map[string]actor.Kind{
				id: actor.KindActor, n.KeyID(id): actor.KindKey, n.Ed25519KeyID(id): actor.KindKey,
				n.Featured(id, "other"): actor.KindFeatured, n.FeaturedTags(id, "other"): actor.KindFeaturedTags, n.Liked(id, "other"): actor.KindLiked,
				n.Inbox(id, "other"): actor.KindInbox, n.Outbox(id, "other"): actor.KindOutbox,
				n.Followers(id, "other"): actor.KindFollowers, n.Following(id, "other"): actor.KindFollowing,
				n.Inbox(n.Origin+"/author/x", key): actor.KindInbox,
				n.Object(key):                      actor.KindObject, n.Activity(key): actor.KindActivity,
			} {
				if kind, got, ok := n.Parse(iri); !ok || kind != want || got != key {
					t.Errorf("Parse(%q): %v, %q, %v; want %v, %q", iri, kind, got, ok, want, key)
				}
			}
		}
		for iri, want := range map[string]actor.Kind{
			n.Instance(): actor.KindInstance, n.KeyID(n.Instance()): actor.KindKey,
			n.Inbox(n.Instance(), "x"): actor.KindInbox, n.SharedInbox(): actor.KindSharedInbox,
		} {
			if kind, key, ok := n.Parse(iri); !ok || kind != want || key != "" {
				t.Errorf("Parse(%q): %v, %q, %v", iri, kind, key, ok)
			}
		}
	}
}

func TestNamesTakeOnlyTheirOwn(t *testing.T) {
	t.Parallel()
	n := actor.Names{Origin: "https://a.test"}
	for _, iri := range []string{"https://a.test:443/ap/users/x", "https://A.TEST/ap/users/x"} {
		if _, key, ok := n.Parse(iri); !ok || key != "x" {
			t.Errorf("%s is ours", iri)
		}
	}
	for _, iri := range []string{
		"", "x", "https://b.test/ap/users/x", "https://a.test:8443/ap/users/x", "http://a.test/ap/users/x", "https://a.test.b.test/ap/users/x",
		"https://a.test@b.test/ap/users/x", "https://u@a.test/ap/users/x", "https://a.test", "https://a.test/ap", "https://a.test/ap/",
		"https://a.test/ap/users", "https://a.test/ap/users/", "https://a.test/ap/users/x/", "https://a.test/ap//users/x", "https://a.test/ap/users//x",
		"https://a.test/ap/users/.", "https://a.test/ap/users/..", "https://a.test/ap/users/%2e%2e", "https://a.test/ap/x/../users/x",
		"https://a.test/ap/users/%61", "https://a.test/ap/users/a%2fb", "https://a.test/ap/users/%00", "https://a.test/ap/users/%ff", "https://a.test/ap/users/x y",
		"https://a.test/ap/users/x?", "https://a.test/ap/users/x?y", "https://a.test/ap/users/x#", "https://a.test/ap/users/x#likes/1",
		"https://a.test/ap/users/x/inbox#main-key", "https://a.test/ap/objects/x#main-key", "https://a.test/ap/users/x/other", "https://a.test/ap/objects/x/inbox",
		"https://a.test/ap/users/x/inbox/y", "https://a.test/ap/actor/other", "https://a.test/ap/inbox/x", "https://a.test/apx/users/x", "https://a.test/users/x",
	} {
		if kind, key, ok := n.Parse(iri); ok || kind != 0 || key != "" {
			t.Errorf("Parse(%q): %v, %q, %v", iri, kind, key, ok)
		}
	}
	if (actor.Names{}).Ours("https://a.test/x") {
		t.Error("without an origin something is ours")
	}
}

func TestNamesNameTheFieldThatIsWrong(t *testing.T) {
	t.Parallel()
	for _, origin := range []string{"", "a.test", "https://a.test/", "https://a.test/x", "https://A.test", "https://a.test:443", "ftp://a.test", "https://u@a.test", "https://", "https://[::1]", "https://a.test?x", "https://a.test#x"} {
		if err := (actor.Names{Origin: origin}).Check(); err == nil || !strings.Contains(err.Error(), "Names.Origin") {
			t.Errorf("Origin %q: %v", origin, err)
		}
	}
	for _, prefix := range []string{"ap", "/", "/ap/", "//ap", "/a/../b", "/{x}", "/a b", "/a%20b", "/ä"} {
		if err := (actor.Names{Origin: "https://a.test", Prefix: prefix}).Check(); err == nil || !strings.Contains(err.Error(), "Names.Prefix") {
			t.Errorf("Prefix %q: %v", prefix, err)
		}
	}
}

func TestNamesKnowTheirHost(t *testing.T) {
	t.Parallel()
	n := actor.Names{Origin: "http://a.test:8080"}
	if n.Authority() != "a.test:8080" || n.Host() != "a.test" {
		t.Errorf("%q, %q", n.Authority(), n.Host())
	}
	r := httptest.NewRequest("GET", "http://proxy.test/?author=1", nil)
	if got := n.Of(r); got != "http://a.test:8080/?author=1" {
		t.Errorf("Of: %q", got)
	}
}

// FuzzParseName builds anew what was taken apart.
func FuzzParseName(f *testing.F) {
	for _, s := range []string{
		"https://blog.example/ap/users/x", "https://blog.example:443/ap/actor#main-key", "https://blog.example/ap/objects/%2F", "https://blog.example/ap/users/../x",
		"https://blog7.example/ap/users/x", "https://blog7.example:8443/ap/objects/x@y", "https://blog.example/ap/users/x@blog7.example", "https://blog7.example/ap/actor",
	} {
		f.Add(s)
	}
	n := manyNames()
	f.Fuzz(func(t *testing.T, iri string) {
		kind, key, ok := n.Parse(iri)
		if !ok {
			return
		}
		if !n.Ours(iri) {
			t.Fatalf("%q is taken apart, and not ours", iri)
		}
		built := map[actor.Kind]string{
			actor.KindActor: n.Actor(key), actor.KindObject: n.Object(key), actor.KindActivity: n.Activity(key), actor.KindInstance: n.Instance(),
		}[kind]
		if kind == actor.KindKey {
			built = n.Actor(key)
			if key == "" {
				built = n.Instance()
			}
			iri, _, _ = strings.Cut(iri, "#")
		}
		if built == "" { // a collection, or a shared inbox
			return
		}
		_, path, _ := strings.Cut(iri, "://")
		_, path, _ = strings.Cut(path, "/")
		if !strings.HasSuffix(built, "/"+path) || !activity.SameAuthority(built, iri) {
			t.Fatalf("%q is taken for %q", iri, built)
		}
	})
}
