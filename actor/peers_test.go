package actor_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/signature"
)

// doc is an actor's document as a peer reads it: by plain names, without JSON-LD.
type doc map[string]any

func (d doc) text(name string) string { s, _ := d[name].(string); return s }

func (d doc) sub(name string) doc { m, _ := d[name].(map[string]any); return m }

// all yields what stands in a property, alone or in an array.
func (d doc) all(name string) []any {
	switch v := d[name].(type) {
	case nil:
		return nil
	case []any:
		return v
	default:
		return []any{v}
	}
}

func sameHost(ids ...string) error {
	first, err := url.Parse(ids[0])
	if err != nil {
		return err
	}
	for _, id := range ids {
		u, err := url.Parse(id)
		if err != nil || u.Host == "" || u.Host != first.Host || u.Scheme != "https" {
			return fmt.Errorf("%q is not on %s", id, first.Host)
		}
	}
	return nil
}

func claim(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf(format, args...)
}

func depth(v any) (deepest int) {
	switch v := v.(type) {
	case map[string]any:
		for _, one := range v {
			deepest = max(deepest, depth(one))
		}
		return deepest + 1
	case []any:
		for _, one := range v {
			deepest = max(deepest, depth(one))
		}
		return deepest + 1
	}
	return 0
}

var (
	actorTypes      = []string{"Application", "Group", "Organization", "Person", "Service"}
	mastodonHandle  = regexp.MustCompile(`(?i)^[a-z0-9_]+([.-]+[a-z0-9_]+)*$`)
	misskeyHandle   = regexp.MustCompile(`^\w([\w.-]*\w)?$`)
	peerTubeHandle  = regexp.MustCompile(`^[A-Za-z0-9\\._:-]+$`)
	peerTubeKeyForm = regexp.MustCompile(`(?s)^-----BEGIN PUBLIC KEY-----.*-----END PUBLIC KEY-----`)
)

// peerRules are what each peer refuses or misunderstands an actor for, as seen in their sources in 2026. Spoil breaks the
// rule, so that one that never complains is noticed. Only, if set, is the type of actor that the rule is about.
var peerRules = []struct {
	peer, rule string
	only       string
	holds      func(d doc) error
	spoil      func(d doc)
}{
	{"Mastodon", "@context names ActivityStreams", "", func(d doc) error {
		return claim(slices.Contains(d.all("@context"), any("https://www.w3.org/ns/activitystreams")), "%v", d["@context"])
	}, func(d doc) { d["@context"] = "https://www.w3.org/ns/activitystreams/" }},
	{"Mastodon", "type is one of five", "", func(d doc) error {
		return claim(slices.Contains(actorTypes, d.text("type")), "%v", d["type"])
	}, func(d doc) { d["type"] = "Robot" }},
	{"Mastodon", "the handle", "", func(d doc) error {
		return claim(mastodonHandle.MatchString(d.text("preferredUsername")), "%q", d["preferredUsername"])
	}, func(d doc) { d["preferredUsername"] = "alice." }},
	{"Mastodon", "url is on the id's host, or it is dropped", "", func(d doc) error {
		return sameHost(d.text("id"), d.text("url"))
	}, func(d doc) { d["url"] = "https://www.a.test/@alice" }},
	{"Mastodon", "followers is one string, which posts for followers repeat", "", func(d doc) error {
		return claim(d.text("followers") != "", "%v", d["followers"])
	}, func(d doc) { d["followers"] = map[string]any{"type": "OrderedCollection"} }},
	{"Mastodon", "attachment is an array, of PropertyValue", "", func(d doc) error {
		if d["attachment"] == nil {
			return nil
		}
		list, ok := d["attachment"].([]any)
		for _, one := range list {
			row, _ := one.(map[string]any)
			ok = ok && row["type"] == "PropertyValue" && row["name"] != nil && row["value"] != nil
		}
		return claim(ok, "%v", d["attachment"])
	}, func(d doc) { d["attachment"] = map[string]any{"type": "PropertyValue", "name": "a", "value": "b"} }},
	{"Mastodon", "a picture is an Image with a url", "", func(d doc) error {
		for _, name := range []string{"icon", "image"} {
			if d[name] != nil && (d.sub(name).text("type") != "Image" || d.sub(name).text("url") == "") {
				return fmt.Errorf("%s: %v", name, d[name])
			}
		}
		return nil
	}, func(d doc) { d["icon"] = "https://a.test/alice.png" }},
	{"Mastodon", "the key is the actor's, in PEM with a line break at the end", "", func(d doc) error {
		k := d.sub("publicKey")
		_, err := signature.ParsePublicKey(k.text("publicKeyPem"))
		if err == nil {
			err = claim(k.text("owner") == d.text("id") && strings.HasSuffix(k.text("publicKeyPem"), "-----\n"), "%v", k)
		}
		return err
	}, func(d doc) { d.sub("publicKey")["owner"] = "https://a.test/other" }},
	{"Mastodon", "assertionMethod lists the actor's Multikeys", "", func(d doc) error {
		list, ok := d["assertionMethod"].([]any)
		for _, one := range list {
			k, _ := one.(map[string]any)
			key, err := signature.ParseMultikey(doc(k).text("publicKeyMultibase"))
			if err != nil {
				return err
			}
			ok = ok && k["type"] == "Multikey" && k["controller"] == d["id"] && key != nil
		}
		return claim(ok && len(list) == 1, "%v", d["assertionMethod"])
	}, func(d doc) { d["assertionMethod"] = d.all("assertionMethod")[0] }},
	{"Mastodon", "webfinger is user@host and names the handle", "", func(d doc) error {
		user, host, ok := strings.Cut(d.text("webfinger"), "@")
		return claim(ok && user == d.text("preferredUsername") && host == "a.test", "%v", d["webfinger"])
	}, func(d doc) { d["webfinger"] = "acct:alice@a.test" }},
	{"Mastodon", "names stand without a prefix", "", func(d doc) error {
		for name := range d {
			if strings.Contains(name, ":") {
				return fmt.Errorf("%s", name)
			}
		}
		return nil
	}, func(d doc) { d["toot:discoverable"] = true }},
	{"Mastodon", "a suspended actor shows nothing of itself", "", func(d doc) error {
		return claim(d["suspended"] != true || d["icon"] == nil && d["summary"] == nil && d["attachment"] == nil && d["tag"] == nil &&
			d["name"] == d["preferredUsername"], "%v", d)
	}, func(d doc) { d["suspended"], d["summary"] = true, "<p>hello</p>" }},
	{"Threads", "the key's id is the actor's with a fragment, so that who asks for it gets the actor", "", func(d doc) error {
		return claim(d.sub("publicKey").text("id") == d.text("id")+"#main-key", "%v", d.sub("publicKey")["id"])
	}, func(d doc) { d.sub("publicKey")["id"] = d.text("id") + "/main-key" }},
	{"Threads", "the key is RSA", "", func(d doc) error {
		k, err := signature.ParsePublicKey(d.sub("publicKey").text("publicKeyPem"))
		return claim(err == nil && strings.HasPrefix(fmt.Sprintf("%T", k), "*rsa."), "%T", k)
	}, func(d doc) { d.sub("publicKey")["publicKeyPem"] = "" }},
	{"Misskey", "all that it posts to and reads from is on the id's host", "", func(d doc) error {
		ids := []string{d.text("id"), d.text("inbox"), d.text("outbox"), d.text("followers"), d.text("following"), d.sub("publicKey").text("id"), d.sub("endpoints").text("sharedInbox")}
		for _, name := range []string{"featured", "featuredTags", "liked"} {
			if d[name] != nil {
				ids = append(ids, d.text(name))
			}
		}
		return sameHost(ids...)
	}, func(d doc) { d["inbox"] = "https://inbox.a.test/alice" }},
	{"Misskey", "the handle", "", func(d doc) error {
		h := d.text("preferredUsername")
		return claim(misskeyHandle.MatchString(h) && len(h) <= 128, "%q", h)
	}, func(d doc) { d["preferredUsername"] = strings.Repeat("a", 129) }},
	{"Misskey", "the name is not empty", "", func(d doc) error { return claim(d.text("name") != "", "%v", d["name"]) },
		func(d doc) { d["name"] = "" }},
	{"Akkoma", "inbox and key are on the id's origin", "", func(d doc) error {
		return sameHost(d.text("id"), d.text("inbox"), d.sub("publicKey").text("id"))
	}, func(d doc) { d.sub("publicKey")["id"] = "https://b.test/key" }},
	{"Pixelfed", "manuallyApprovesFollowers is said, or the account is private", "", func(d doc) error {
		_, ok := d["manuallyApprovesFollowers"].(bool)
		return claim(ok, "%v", d["manuallyApprovesFollowers"])
	}, func(d doc) { delete(d, "manuallyApprovesFollowers") }},
	{"Pixelfed", "nothing is nested eight deep", "", func(d doc) error { return claim(depth(map[string]any(d)) < 8, "%d", depth(map[string]any(d))) },
		func(d doc) { d["x"] = []any{[]any{[]any{[]any{[]any{[]any{[]any{}}}}}}} }},
	{"Lemmy", "ids and times can be read", "", func(d doc) error {
		if d["published"] == nil {
			return nil
		}
		_, err := time.Parse(time.RFC3339, d.text("published"))
		return err
	}, func(d doc) { d["published"] = "yesterday" }},
	{"Lemmy", "the key's id has a fragment", "", func(d doc) error {
		return claim(strings.Contains(d.sub("publicKey").text("id"), "#"), "%v", d.sub("publicKey")["id"])
	}, func(d doc) { d.sub("publicKey")["id"] = "https://a.test/key" }},
	{"Lemmy", "a Group says who may begin threads", "Group", func(d doc) error {
		_, ok := d["postingRestrictedToMods"].(bool)
		return claim(ok, "%v", d["postingRestrictedToMods"])
	}, func(d doc) { delete(d, "postingRestrictedToMods") }},
	{"PeerTube", "one key, as an object", "", func(d doc) error {
		k, ok := d["publicKey"].(map[string]any)
		return claim(ok && peerTubeKeyForm.MatchString(doc(k).text("publicKeyPem")), "%v", d["publicKey"])
	}, func(d doc) { d["publicKey"] = []any{d["publicKey"]} }},
	{"PeerTube", "type is a string and the handle of its letters", "", func(d doc) error {
		return claim(d.text("type") != "" && peerTubeHandle.MatchString(d.text("preferredUsername")), "%v %v", d["type"], d["preferredUsername"])
	}, func(d doc) { d["type"] = []any{"Person"} }},
	{"PeerTube", "a Group is somebody's", "Group", func(d doc) error {
		return claim(len(d.all("attributedTo")) > 0, "%v", d["attributedTo"])
	}, func(d doc) { delete(d, "attributedTo") }},
	{"GoToSocial", "inbox, outbox and collections are there", "", func(d doc) error {
		for _, name := range []string{"inbox", "outbox", "followers", "following"} {
			if d.text(name) == "" {
				return fmt.Errorf("%s: %v", name, d[name])
			}
		}
		return nil
	}, func(d doc) { delete(d, "outbox") }},
	{"GoToSocial", "the shared inbox is an endpoint", "", func(d doc) error {
		return claim(d.sub("endpoints").text("sharedInbox") != "", "%v", d["endpoints"])
	}, func(d doc) { delete(d, "endpoints") }},
}

func TestEveryPeerTakesEveryKindOfActor(t *testing.T) {
	t.Parallel()
	n := actor.Names{Origin: "https://a.test"}
	_, ring := newKeys()
	full := actor.Profile{
		Handle: "alice", Name: "Alice :cat:", Summary: "<p>hello</p>", URL: "https://a.test/@alice", Icon: "https://a.test/a.png", Image: "https://a.test/h.png",
		Fields: []actor.Field{{Name: "Site", Value: "a.test"}}, Tag: activity.List{activity.Embed(activity.Emoji("cat", "https://a.test/cat.png", "image/png"))},
		Discoverable: true, Indexable: true, SearchableBy: []string{activity.Public}, Memorial: true, Published: time.Unix(1700000000, 0),
		AlsoKnownAs: []string{"https://b.test/alice"}, MovedTo: "https://b.test/alice", AttributionDomains: []string{"b.test"},
		Featured: n.Featured(n.Actor("alice"), "alice"), FeaturedTags: n.FeaturedTags(n.Actor("alice"), "alice"), Liked: n.Liked(n.Actor("alice"), "alice"),
	}
	suspended, elsewhere, moderated := full, full, full
	suspended.Suspended = true
	elsewhere.ID = "https://a.test/author/alice/"
	moderated.Type, moderated.Moderators = "Group", "https://a.test/moderators"
	profiles := map[string]actor.Profile{
		"with everything": full, "suspended": suspended, "with an id of the site's own": elsewhere, "moderated": moderated,
		"instance": {Handle: "a.test", ID: n.Instance(), Type: "Application", ManuallyApprovesFollowers: true},
	}
	for _, typ := range actorTypes {
		profiles["bare "+typ] = actor.Profile{Handle: "alice", Type: typ}
	}
	for name, p := range profiles {
		id := p.ID
		if id == "" {
			id = n.Actor(p.Handle)
		}
		public, err := ring.Public(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		a, err := p.Document(n, public)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		body, err := activity.Encode(a)
		if err != nil {
			t.Fatal(err)
		}
		read := func() (d doc) {
			if err := json.Unmarshal(body, &d); err != nil {
				t.Fatal(err)
			}
			return d
		}
		for _, r := range peerRules {
			if r.only != "" && r.only != p.Type {
				continue
			}
			if err := r.holds(read()); err != nil {
				t.Errorf("%s: %s: %s: %v", name, r.peer, r.rule, err)
			}
			d := read()
			r.spoil(d)
			if r.holds(d) == nil {
				t.Errorf("%s: %s: %s: nothing breaks it", name, r.peer, r.rule)
			}
		}
	}
}

func BenchmarkDocument(b *testing.B) {
	n := actor.Names{Origin: "https://a.test"}
	p := actor.Profile{Handle: "alice", Name: "Alice", Summary: "<p>hello</p>", Icon: "https://a.test/a.png", URL: "https://a.test/@alice"}
	h := &actor.Handler{Names: n, Keyring: &actor.Keyring{Store: &memoryKeys{}, Names: n}, Profile: func(context.Context, string) (actor.Profile, error) {
		return p, nil
	}}
	if _, err := h.Document(b.Context(), alice); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Document(b.Context(), alice); err != nil {
			b.Fatal(err)
		}
	}
}
