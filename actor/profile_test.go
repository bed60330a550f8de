package actor_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/signature"
)

func TestTheActorDocumentIsWhatEveryServerTakes(t *testing.T) {
	t.Parallel()
	_, mux, _ := newHandler(&bytes.Buffer{})
	var got map[string]any
	rec := get(mux, "https://a.test/ap/users/alice", ap)
	if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if rec.Header().Get("Vary") != "Accept" {
		t.Error("no Vary")
	}
	key, _ := got["publicKey"].(map[string]any)
	if k, err := signature.ParsePublicKey(fmt.Sprint(key["publicKeyPem"])); err != nil {
		t.Errorf("%v, %v", k, err)
	}
	delete(key, "publicKeyPem")
	if k, err := signature.AssertionKey(rec.Body.Bytes(), "https://a.test/ap/users/alice#ed25519-key"); err != nil || k.Owner != "https://a.test/ap/users/alice" {
		t.Errorf("%+v, %v", k, err)
	}
	delete(got, "assertionMethod")
	context := fmt.Sprint(got["@context"])
	for _, term := range []string{"https://www.w3.org/ns/activitystreams", "https://w3id.org/security/v1", "manuallyApprovesFollowers", "discoverable", "Multikey", "implements", "webfinger"} {
		if !strings.Contains(context, term) {
			t.Errorf("@context lacks %s: %s", term, context)
		}
	}
	delete(got, "@context")
	const id = "https://a.test/ap/users/alice"
	want := map[string]any{
		"id": id, "type": "Person", "preferredUsername": "alice", "name": "Alice <3", "url": "https://a.test/@alice",
		"inbox": id + "/inbox", "outbox": id + "/outbox", "followers": id + "/followers", "following": id + "/following",
		"endpoints":                 map[string]any{"sharedInbox": "https://a.test/ap/inbox"},
		"icon":                      map[string]any{"type": "Image", "url": "https://a.test/alice.png"},
		"publicKey":                 map[string]any{"id": id + "#main-key", "owner": id},
		"published":                 "2026-01-02T03:04:05Z",
		"manuallyApprovesFollowers": false, "discoverable": false, "indexable": false,
		"webfinger": "alice@a.test",
		"generator": map[string]any{"type": "Application", "id": "https://a.test/ap/actor", "implements": []any{
			map[string]any{"href": "https://datatracker.ietf.org/doc/html/rfc9421", "name": "RFC-9421: HTTP Message Signatures"},
			map[string]any{
				"href": "https://datatracker.ietf.org/doc/html/rfc9421#name-eddsa-using-curve-edwards25",
				"name": "RFC-9421 signatures using the Ed25519 algorithm",
			},
		}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestAProfileIsWrittenInFull(t *testing.T) {
	t.Parallel()
	n := actor.Names{Origin: "https://a.test", Prefix: "/fedi"}
	key := []signature.PublicKey{{ID: "https://a.test/author/jane#main-key", Key: testKeys()[0].Public()}}
	full := actor.Profile{
		Handle: "jane", ID: "https://a.test/author/jane", Type: "Service", Summary: "<p>hi</p>", Image: "https://a.test/h.png",
		Fields:                    []actor.Field{{Name: "Site", Value: `<a href="https://a.test">a</a>`}},
		ManuallyApprovesFollowers: true, Discoverable: true, Indexable: true,
		AlsoKnownAs: []string{"https://c.test/jane"}, MovedTo: "https://c.test/jane",
		SearchableBy: []string{activity.Followers, "https://c.test/jane"}, Memorial: true, Updated: time.Unix(1770000000, 0),
		AttributionDomains: []string{"blog.c.test"}, Tag: activity.List{activity.Embed(activity.Emoji("cat", "https://a.test/cat.png", "image/png"))},
		Featured: n.Featured("https://a.test/author/jane", "jane"), FeaturedTags: n.FeaturedTags("https://a.test/author/jane", "jane"),
		Liked: n.Liked("https://a.test/author/jane", "jane"), WebFinger: "jane@c.test", Implements: []string{"https://c.test/trick"},
		Extra: activity.Extra{"vcard:bday": json.RawMessage(`"1989-01-01"`), "memorial": json.RawMessage(`"maybe"`)},
	}
	a, err := full.Document(n, key)
	if err != nil {
		t.Fatal(err)
	}
	body, err := activity.Encode(a)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		`"type":"Service"`, `"name":"jane"`, `"url":"https://a.test/author/jane"`, `"summary":"<p>hi</p>"`,
		`"image":{"type":"Image","url":"https://a.test/h.png"}`,
		`"attachment":[{"type":"PropertyValue","name":"Site","value":"<a href=\"https://a.test\">a</a>"}]`,
		`"inbox":"https://a.test/fedi/users/jane/inbox"`, `"sharedInbox":"https://a.test/fedi/inbox"`,
		`"manuallyApprovesFollowers":true`, `"discoverable":true`, `"indexable":true`,
		`"alsoKnownAs":["https://c.test/jane"]`, `"movedTo":"https://c.test/jane"`, `"owner":"https://a.test/author/jane"`,
		`"searchableBy":["https://a.test/fedi/users/jane/followers","https://c.test/jane"]`, `"memorial":true`, `"updated":"2026-02-02T02:40:00Z"`,
		`"attributionDomains":["blog.c.test"]`, `"tag":[{"type":"Emoji","name":":cat:",`, `"vcard:bday":"1989-01-01"`,
		`"featured":"https://a.test/fedi/users/jane/featured"`, `"featuredTags":"https://a.test/fedi/users/jane/tags"`,
		`"liked":"https://a.test/fedi/users/jane/liked"`, `"webfinger":"jane@c.test"`, `"implements":[{"href":"https://c.test/trick"}]`,
	} {
		if !bytes.Contains(body, []byte(part)) {
			t.Errorf("no %s in %s", part, body)
		}
	}
	for field, change := range map[string]func(*actor.Profile){
		"Handle":             func(p *actor.Profile) { p.Handle = "-jane" },
		"Handle ":            func(p *actor.Profile) { p.Handle = strings.Repeat("x", 129) },
		"Type":               func(p *actor.Profile) { p.Type = "Note" },
		"ID":                 func(p *actor.Profile) { p.ID = "https://c.test/jane" },
		"ID ":                func(p *actor.Profile) { p.ID = "https://a.test:8443/jane" },
		"ID  ":               func(p *actor.Profile) { p.ID = "https://a.test/jane#me" },
		"URL":                func(p *actor.Profile) { p.URL = "javascript:alert(1)" },
		"Icon":               func(p *actor.Profile) { p.Icon = "/icon.png" },
		"MovedTo":            func(p *actor.Profile) { p.MovedTo = "@jane@c.test" },
		"AlsoKnownAs":        func(p *actor.Profile) { p.AlsoKnownAs = []string{"acct:jane@c.test"} },
		"AttributionDomains": func(p *actor.Profile) { p.AttributionDomains = []string{"https://c.test"} },
		"Featured":           func(p *actor.Profile) { p.Featured = "https://c.test/jane/featured" },
		"FeaturedTags":       func(p *actor.Profile) { p.FeaturedTags = "tags" },
		"Liked":              func(p *actor.Profile) { p.Liked = "https://a.test:8443/liked" },
		"Moderators":         func(p *actor.Profile) { p.Moderators = "https://c.test/mods" },
		"WebFinger":          func(p *actor.Profile) { p.WebFinger = "@jane@c.test" },
		"WebFinger ":         func(p *actor.Profile) { p.WebFinger = "jane" },
		"Document ":          nil,
	} {
		p, keys := full, key
		if change == nil {
			keys = nil
			field = "no public key"
		} else {
			change(&p)
		}
		if _, err := p.Document(n, keys); err == nil || !strings.Contains(err.Error(), strings.TrimSpace(field)) {
			t.Errorf("%s: %v", field, err)
		}
	}
}
