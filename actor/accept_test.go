package actor_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/actor"
)

func accepts(values ...string) bool {
	return actor.Accepts(&http.Request{Header: http.Header{"Accept": values}})
}

func TestAcceptTellsServersFromBrowsers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		who, accept string
		want        bool
	}{
		{"Mastodon, an object", "application/activity+json, application/ld+json", true},
		{"Mastodon 4.6, a search", `application/ld+json; profile="https://www.w3.org/ns/activitystreams", application/activity+json, text/html;q=0.1`, true},
		{"Mastodon 4.5, a search", `application/activity+json, application/ld+json; profile="https://www.w3.org/ns/activitystreams", text/html;q=0.1`, true},
		{"Mastodon 4.6, what an activity is about", `application/ld+json; profile="https://www.w3.org/ns/activitystreams", application/activity+json`, true},
		{"Misskey", `application/activity+json, application/ld+json; profile="https://www.w3.org/ns/activitystreams"`, true},
		{"GoToSocial", `application/ld+json; profile="https://www.w3.org/ns/activitystreams",application/activity+json`, true},
		{"Pixelfed and the specification", `application/ld+json; profile="https://www.w3.org/ns/activitystreams"`, true},
		{"Lemmy and Pleroma", "application/activity+json", true},
		{"PeerTube", `application/activity+json,text/html;q=0.9,\*/\*;q=0.8`, true},
		{"PieFed", "application/ld+json", true},
		{"Epicyon", `application/activity+json; profile="https://www.w3.org/ns/activitystreams"`, true},
		{"Fedify", "application/activity+json, application/ld+json", true},
		{"Mastodon, for a context", "application/ld+json", true},
		{"WebFinger of Mastodon", "application/jrd+json, application/json", true},
		{"host-meta of Mastodon", "application/xrd+xml, application/xml, text/xml", false},
		{"without quotes", "application/ld+json;profile=https://www.w3.org/ns/activitystreams", true},
		{"capitals", "Application/Activity+JSON", true},
		{"JSON alone", "application/json", true},
		{"JSON or anything", "application/json, */*;q=0.1", true},
		{"nothing", "", false},
		{"curl", "*/*", false},
		{"Firefox", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8", false},
		{"Chrome", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7", false},
		{"HTML first", "text/html, application/activity+json;q=0.9", false},
		{"HTML last", "text/html;q=0.9, application/activity+json", true},
		{"both alike", "text/html, application/activity+json", true},
		{"JSON beside HTML", "application/json, text/html;q=0.1", false},
		{"refused", "application/activity+json;q=0", false},
		{"refused, JSON", "application/json;q=0.0", false},
		{"a weight that is none", "application/activity+json;q=much", false},
		{"a weight above one", "application/activity+json;q=2", false},
		{"NaN", "application/activity+json;q=NaN", false},
		{"a type inside a string", `text/html; x="y, application/activity+json"`, false},
		{"a string that does not end", `text/html; x="y, application/activity+json`, false},
		{"an image", "image/png", false},
	} {
		if got := accepts(c.accept); got != c.want {
			t.Errorf("%s: %q gives %v", c.who, c.accept, got)
		}
	}
	if actor.Accepts(&http.Request{}) {
		t.Error("no header at all")
	}
	if !accepts("text/html;q=0.5", "application/activity+json") {
		t.Error("two fields count as one list")
	}
}

func TestReadingAnAcceptAllocatesNothing(t *testing.T) {
	r := &http.Request{Header: http.Header{"Accept": {`application/ld+json; profile="https://www.w3.org/ns/activitystreams", text/html;q=0.1`}}}
	if n := testing.AllocsPerRun(100, func() { actor.Accepts(r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzAccepts(f *testing.F) {
	f.Add("application/activity+json, text/html;q=0.1")
	f.Add(`application/ld+json; profile="a\",b";q=0.5,*/*`)
	f.Fuzz(func(t *testing.T, accept string) {
		got := accepts(accept)
		if got && !strings.Contains(strings.ToLower(accept), "json") {
			t.Fatalf("%q does not ask for JSON", accept)
		}
		if got != accepts(" "+accept+" ") {
			t.Fatalf("%q differs with spaces around it", accept)
		}
		if strings.Count(accept, `"`) == 0 && accepts("text/html,"+accept) && !got {
			t.Fatalf("%q is preferred only beside HTML", accept)
		}
	})
}
