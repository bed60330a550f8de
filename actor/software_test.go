package actor_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/actor"
)

const nodeInfoRel = "http://nodeinfo.diaspora.software/ns/schema/"

func nodeInfoLinks(links ...string) page {
	return page{kind: "application/json", body: `{"links":[` + strings.Join(links, ",") + `]}`}
}

func infoLink(version, href string) string {
	return `{"rel":"` + nodeInfoRel + version + `","href":"` + href + `"}`
}

func TestAServerSaysWhatItRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWeb()
		site := newPages().
			put("/.well-known/nodeinfo", nodeInfoLinks(
				infoLink("1.0", "https://b.test/1"), infoLink("2.0", "https://b.test/2.0"), infoLink("2.1", "https://b.test/2.1"), infoLink("9.9", "https://b.test/9"),
				`{"rel":"https://www.w3.org/ns/activitystreams#Application","href":"https://b.test/actor"}`)).
			put("/2.1", page{kind: "application/json; profile=x", body: `{"version":"2.1","software":{"name":"Mastodon","version":"4.6.0+glitch","repository":"https://github.com/mastodon/mastodon"},
				"openRegistrations":true,"usage":{"users":{"total":5,"activeMonth":3},"localPosts":-2}}`})
		w.set("b.test", site)
		r := resolver(t, actor.ResolverConfig{Client: w.client(), Names: actor.Names{Origin: "https://a.test"}})
		want := actor.Software{
			Name: "mastodon", Version: "4.6.0+glitch", Repository: "https://github.com/mastodon/mastodon", Actor: "https://b.test/actor",
			OpenRegistrations: true, Users: 5, ActiveMonth: 3, ActiveHalfyear: -1, Posts: -1,
		}
		for range 5 {
			if got, err := r.Software(t.Context(), "B.test:443"); err != nil || got != want {
				t.Fatalf("%+v, %v", got, err)
			}
		}
		if w.total() != 2 {
			t.Errorf("%d requests", w.total())
		}
		for _, asked := range w.seen {
			if asked.Header.Get("Signature") != "" {
				t.Error("signed")
			}
		}
		time.Sleep(25 * time.Hour)
		site.put("/2.1", page{body: `{"software":{"name":"other"}}`})
		if got, err := r.Software(t.Context(), "b.test"); err != nil || got.Name != "other" {
			t.Errorf("a day later: %+v, %v", got, err)
		}
		if _, err := r.Software(t.Context(), "a.test"); !errors.Is(err, actor.ErrOurs) {
			t.Errorf("ours: %v", err)
		}
		for _, host := range []string{"", "b.test/x", "u@b.test", "b.test?x", "https://b.test", "b test", "b.test#"} {
			if _, err := r.Software(t.Context(), host); !errors.Is(err, actor.ErrInvalidID) {
				t.Errorf("%q: %v", host, err)
			}
		}
	})
}

func TestWhatAServerSaysOfItselfIsHeldAtArmsLength(t *testing.T) {
	t.Parallel()
	links := nodeInfoLinks(infoLink("2.0", "https://b.test/2.0"))
	doc := func(body string) *pages {
		return newPages().put("/.well-known/nodeinfo", links).put("/2.0", page{body: body})
	}
	for name, c := range map[string]struct {
		site *pages
		want error
	}{
		"no links":                 {newPages(), actor.ErrNotFound},
		"links that are none":      {newPages().put("/.well-known/nodeinfo", page{body: "[]"}), actor.ErrMalformed},
		"on another host":          {newPages().put("/.well-known/nodeinfo", nodeInfoLinks(infoLink("2.0", "https://c.test/2.0"))), actor.ErrMalformed},
		"in a file":                {newPages().put("/.well-known/nodeinfo", nodeInfoLinks(infoLink("2.0", "file:///etc/passwd"))), actor.ErrMalformed},
		"of a version to come":     {newPages().put("/.well-known/nodeinfo", nodeInfoLinks(infoLink("3.0", "https://b.test/2.0"))), actor.ErrMalformed},
		"redirected away":          {newPages().put("/.well-known/nodeinfo", page{to: "https://c.test/.well-known/nodeinfo"}), actor.ErrIDMismatch},
		"no JSON":                  {doc("<html>"), actor.ErrMalformed},
		"no name":                  {doc(`{"software":{}}`), actor.ErrMalformed},
		"a name that is no string": {doc(`{"software":{"name":7}}`), actor.ErrMalformed},
		"huge":                     {doc(`{"software":{"name":"` + strings.Repeat("x", 2<<20) + `"}}`), actor.ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWeb()
			w.set("b.test", c.site)
			w.set("c.test", doc(`{"software":{"name":"liar"}}`))
			r := resolver(t, actor.ResolverConfig{Client: w.client()})
			var e *actor.Error
			for range 3 {
				if got, err := r.Software(t.Context(), "b.test"); !errors.Is(err, c.want) || !errors.As(err, &e) || got != (actor.Software{}) {
					t.Fatalf("%+v, %v; want %v", got, err, c.want)
				}
			}
			if w.total() > 2 {
				t.Errorf("%d requests", w.total())
			}
		})
	}

	w := newWeb()
	w.set("b.test", doc(`{"software":{"name":"`+strings.Repeat("É", 99)+`","version":"1\u202e\n\u0000<b>`+strings.Repeat("x", 99)+`","repository":"javascript:alert(1)","homepage":"https://b.test/`+strings.Repeat("x", 600)+`"},"usage":{"users":{"total":1e99}}}`))
	r := resolver(t, actor.ResolverConfig{Client: w.client()})
	got, err := r.Software(t.Context(), "b.test")
	if err != nil || len(got.Name) != 64 || strings.ToValidUTF8(got.Name, "") != got.Name || len(got.Version) != 64 || strings.ContainsAny(got.Version, "\u202e\n\x00") ||
		got.Repository != "" || got.Homepage != "" || got.Users != -1 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestHostInfoIsTheNewestThatIsKnownAsItStandsThere(t *testing.T) {
	t.Parallel()
	const body = `{"version":"2.1",  "software":{"name":"b"},"odd":[1]}`
	w := newWeb()
	w.set("b.test", newPages().
		put("/.well-known/nodeinfo", nodeInfoLinks(infoLink("2.0", "https://b.test/2.0"), infoLink("2.1", "https://b.test/2.1"),
			`{"rel":"https://www.w3.org/ns/activitystreams#Application","href":"https://b.test/actor"}`)).
		put("/2.1", page{body: body}))
	r := resolver(t, actor.ResolverConfig{Client: w.client()})
	info, err := r.HostInfo(t.Context(), "B.test")
	if err != nil || info.URL != "https://b.test/2.1" || info.Application != "https://b.test/actor" || string(info.Document) != body {
		t.Errorf("%+v, %v", info, err)
	}
	w.set("b.test", newPages().
		put("/.well-known/nodeinfo", nodeInfoLinks(infoLink("2.1", "https://b.test/2.1"),
			`{"rel":"https://www.w3.org/ns/activitystreams#Application","href":"https://c.test/actor"}`)).
		put("/2.1", page{body: body}))
	if info, err := r.HostInfo(t.Context(), "b.test"); err != nil || info.Application != "" {
		t.Errorf("somebody else's actor: %+v, %v", info, err)
	}
	for _, bad := range []string{`[]`, `null`, `{"a":1,"a":2}`, `7`, ``} {
		w.set("b.test", newPages().put("/.well-known/nodeinfo", nodeInfoLinks(infoLink("2.1", "https://b.test/2.1"))).put("/2.1", page{body: bad}))
		if info, err := r.HostInfo(t.Context(), "b.test"); !errors.Is(err, actor.ErrMalformed) {
			t.Errorf("%q: %+v, %v", bad, info, err)
		}
	}
}
