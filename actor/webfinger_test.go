package actor_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/actor"
)

func TestWebFingerNamesTheActor(t *testing.T) {
	t.Parallel()
	_, mux, _ := newHandler(&bytes.Buffer{})
	ask := func(query string) actor.JRD {
		t.Helper()
		rec := get(mux, "https://a.test/.well-known/webfinger?"+query, nil)
		var j actor.JRD
		if err := json.Unmarshal(rec.Body.Bytes(), &j); err != nil {
			t.Fatalf("%s: %d %s", query, rec.Code, rec.Body)
		}
		return j
	}
	want := actor.JRD{
		Subject: "acct:alice@a.test",
		Aliases: []string{"https://a.test/@alice", "https://a.test/ap/users/alice"},
		Links: []actor.JRDLink{
			{Rel: "http://webfinger.net/rel/profile-page", Type: "text/html", Href: "https://a.test/@alice"},
			{Rel: "self", Type: "application/activity+json", Href: "https://a.test/ap/users/alice"},
			{Rel: "http://webfinger.net/rel/avatar", Href: "https://a.test/alice.png"},
			{Rel: "http://ostatus.org/schema/1.0/subscribe", Template: "https://a.test/interact?uri={uri}&x"},
		},
	}
	for _, resource := range []string{"acct:alice@a.test", "alice@a.test", "acct:alice@A.TEST", "acct%3Aalice%40a.test", "https://a.test/ap/users/alice", "https%3A%2F%2Fa.test%2Fap%2Fusers%2Falice"} {
		if got := ask("resource=" + resource); !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %+v\nwant %+v", resource, got, want)
		}
	}
	if got := ask("resource=acct:alice@a.test&rel=self&rel=other"); len(got.Links) != 1 || got.Links[0].Rel != "self" {
		t.Errorf("with rel: %+v", got.Links)
	}
	for _, resource := range []string{"https://a.test", "https://a.test/", "acct:a.test@a.test", "https://a.test/ap/actor"} {
		got := ask("resource=" + resource)
		if got.Subject != "acct:a.test@a.test" || got.Self() != "https://a.test/ap/actor" || got.Links[len(got.Links)-1].Rel != "https://www.w3.org/ns/activitystreams#Service" {
			t.Errorf("%s: %+v", resource, got)
		}
	}
	rec := get(mux, "https://a.test/.well-known/webfinger?resource=acct:alice@a.test", nil)
	if strings.Contains(rec.Body.String(), `\u0026`) {
		t.Error("& is escaped")
	}
}

func TestWebFingerReadsResourcesAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	_, mux, _ := newHandler(&bytes.Buffer{})
	for resource, want := range map[string]int{
		// As servers write it: with and without a scheme, escaped or not, in any case.
		"acct:alice@a.test": 200, "alice@a.test": 200, "@alice@a.test": 200, "acct:@alice@a.test": 200, "acct:ALICE@A.TEST": 200, "Acct:Alice@a.test": 200,
		"acct%3Aalice%40a.test": 200, "acct:alice@a.test:443": 200,
		"https://a.test/ap/users/alice": 200, "https://a.test:443/ap/users/alice": 200, "HTTPS://a.test/ap/users/alice": 200, "https://a.test/@alice": 200,
		"https://a.test/ap/users/alice%23main-key": 404, "https://a.test/@nobody": 404, "https://a.test/@plain": 404, "https://a.test/author/jane": 200,
		"https://a.test/": 200, "acct:a.test@a.test": 200, "a.test@a.test": 200,
		// Nobody here.
		"acct:nobody@a.test": 404, "acct:alice@b.test": 404, "http://a.test/ap/users/alice": 404, "https://b.test/": 404, "mailto:alice@a.test": 404,
		"did:example:123": 404, "acct:gone@a.test": 410, "https://a.test/ap/users/gone": 410, "https://a.test/@gone": 410,
		// Nobody anywhere.
		"alice": 400, "acct:alice": 400, "acct:@a.test": 400, "acct:alice@": 400, "acct:al%20ice@a.test": 400, "acct:alice@a.test/x": 400, "acct:a@b@c": 400, "acct:": 400,
		"https://": 400, "https:alice": 400, "https://a.test/%2520%00": 400, "https://u@a.test/": 400, "%": 400, "acct:%FF@a.test": 400, "/": 400,
	} {
		rec := get(mux, "https://a.test/.well-known/webfinger?resource="+resource, nil)
		if rec.Code != want {
			t.Errorf("%s: %d, want %d: %s", resource, rec.Code, want, rec.Body)
		}
		if rec.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: closed to scripts", resource)
		}
	}
}

func TestWebFingerOffersWhatAVisitorMayDo(t *testing.T) {
	t.Parallel()
	h, mux, _ := newHandler(&bytes.Buffer{})
	h.Intents = map[string]string{"Object": "https://a.test/interact?uri={object}", "Create": "https://a.test/share?text={content}"}
	links := func(query string) (out []string) {
		var j actor.JRD
		if err := json.Unmarshal(get(mux, "https://a.test/.well-known/webfinger?resource=acct:alice@a.test"+query, nil).Body.Bytes(), &j); err != nil {
			t.Fatal(err)
		}
		for _, l := range j.Links {
			out = append(out, l.Rel+" "+l.Href+l.Template)
		}
		return out
	}
	want := []string{
		"http://webfinger.net/rel/profile-page https://a.test/@alice",
		"self https://a.test/ap/users/alice",
		"http://webfinger.net/rel/avatar https://a.test/alice.png",
		"http://ostatus.org/schema/1.0/subscribe https://a.test/interact?uri={uri}&x",
		"https://w3id.org/fep/3b86/Create https://a.test/share?text={content}",
		"https://w3id.org/fep/3b86/Object https://a.test/interact?uri={object}",
	}
	if got := links(""); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if got := links("&rel=https://w3id.org/fep/3b86/Create&rel=self&rel=unknown"); !slices.Equal(got, []string{want[1], want[4]}) {
		t.Errorf("by rel: %q", got)
	}
	if got := links("&rel=unknown"); len(got) != 0 {
		t.Errorf("by an unknown rel: %q", got)
	}
	if got := links(""); !slices.Equal(got, want) {
		t.Errorf("all again: %q", got)
	}
}

func TestAMixedCaseHandleIsAskedForAsItWasWrittenFirst(t *testing.T) {
	t.Parallel()
	h, mux, _ := newHandler(&bytes.Buffer{})
	h.Profile = func(_ context.Context, name string) (actor.Profile, error) {
		if name != "McAllister" && name != "mcallister" {
			return actor.Profile{}, actor.ErrNotFound
		}
		return actor.Profile{Handle: name}, nil
	}
	for asked, want := range map[string]string{"McAllister": "McAllister", "mcallister": "mcallister", "MCALLISTER": "mcallister"} {
		body := get(mux, "https://a.test/.well-known/webfinger?resource=acct:"+asked+"@a.test", nil).Body.String()
		if !strings.HasPrefix(body, `{"subject":"acct:`+want+`@a.test"`) {
			t.Errorf("%s: %s", asked, body)
		}
	}
}

func FuzzWebFinger(f *testing.F) {
	for _, resource := range []string{"acct:alice@a.test", "https://a.test/@alice", "https://a.test", "ALICE@A.TEST:443", "acct:é@a.test", "acct:a.test@a.test", "x"} {
		f.Add(resource)
	}
	_, mux, _ := newHandler(&bytes.Buffer{})
	f.Fuzz(func(t *testing.T, resource string) {
		rec := get(mux, "https://a.test/.well-known/webfinger?resource="+url.QueryEscape(resource), nil)
		var j actor.JRD
		switch rec.Code {
		case 200:
			if err := json.Unmarshal(rec.Body.Bytes(), &j); err != nil || !strings.HasPrefix(j.Self(), "https://a.test/") || !strings.HasSuffix(j.Subject, "@a.test") {
				t.Fatalf("%q: %v %s", resource, err, rec.Body)
			}
			// The subject leads back to the same actor.
			again := get(mux, "https://a.test/.well-known/webfinger?resource="+url.QueryEscape(j.Subject), nil)
			if again.Body.String() != rec.Body.String() {
				t.Fatalf("%q is %s, which is %s", resource, rec.Body, again.Body)
			}
		case 400, 404, 410:
		case 503: // what the app's users fail with
			if !strings.Contains(strings.ToLower(resource), "broken") && !strings.Contains(strings.ToLower(resource), "bad") && !strings.Contains(strings.ToLower(resource), "foreign") {
				t.Fatalf("%q: %d %s", resource, rec.Code, rec.Body)
			}
		default:
			t.Fatalf("%q: %d", resource, rec.Code)
		}
	})
}

func TestHostMetaIsJSONForWhoPrefersThat(t *testing.T) {
	t.Parallel()
	_, mux, _ := newHandler(&bytes.Buffer{})
	for _, c := range []struct {
		path, accept string
		json         bool
	}{
		{"/.well-known/host-meta", "application/xrd+xml, application/xml, text/xml", false}, // Mastodon
		{"/.well-known/host-meta", "", false},
		{"/.well-known/host-meta", "*/*", false},
		{"/.well-known/host-meta", "application/json", true},
		{"/.well-known/host-meta", "application/jrd+json", true},
		{"/.well-known/host-meta", "application/xrd+xml, application/json;q=0.5", false},
		{"/.well-known/host-meta.json", "", true},
		{"/.well-known/host-meta.json", "application/xrd+xml", true},
	} {
		rec := get(mux, "https://a.test"+c.path, map[string]string{"Accept": c.accept})
		kind := "application/xrd+xml"
		if c.json {
			kind = "application/jrd+json"
			var j actor.JRD
			if err := json.Unmarshal(rec.Body.Bytes(), &j); err != nil || len(j.Links) != 1 || j.Links[0].Template != "https://a.test/.well-known/webfinger?resource={uri}" || j.Links[0].Rel != "lrdd" {
				t.Errorf("%s as %q: %s", c.path, c.accept, rec.Body)
			}
		}
		if rec.Code != 200 || rec.Header().Get("Content-Type") != kind || rec.Header().Get("Vary") != "Accept" || rec.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s as %q: %d %v", c.path, c.accept, rec.Code, rec.Header())
		}
	}
}

func TestHostMetaIsAnXRD(t *testing.T) {
	t.Parallel()
	_, mux, _ := newHandler(&bytes.Buffer{})
	var got struct {
		XMLName xml.Name `xml:"http://docs.oasis-open.org/ns/xri/xrd-1.0 XRD"`
		Link    struct {
			Rel      string `xml:"rel,attr"`
			Template string `xml:"template,attr"`
		} `xml:"http://docs.oasis-open.org/ns/xri/xrd-1.0 Link"`
	}
	if err := xml.Unmarshal(get(mux, "https://a.test/.well-known/host-meta", nil).Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Link.Rel != "lrdd" || got.Link.Template != "https://a.test/.well-known/webfinger?resource={uri}" {
		t.Errorf("%+v", got)
	}
}
