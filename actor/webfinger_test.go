package actor_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"reflect"
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
