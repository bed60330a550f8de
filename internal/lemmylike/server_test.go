package lemmylike

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

var theKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

// elsewhere serves documents by URL, each as the content type that goes with it.
type elsewhere map[string]func() (contentType string, body []byte)

func (e elsewhere) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	if doc := e[r.URL.String()]; doc != nil {
		contentType, body := doc()
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write(body)
	} else {
		w.WriteHeader(http.StatusNotFound)
	}
	return w.Result(), nil
}

const (
	ada  = "https://else.example/users/ada"
	team = "https://else.example/users/team"
	cats = "https://lemmy.example/c/cats"
)

// newServer makes a double with a community, cats, and ada and the group team elsewhere.
func newServer(t *testing.T) (*Server, elsewhere, *Person) {
	t.Helper()
	e := elsewhere{}
	s, err := New(Config{Transport: e, Key: theKey()})
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&theKey().PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	key := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	for id, typ := range map[string]string{ada: "Person", team: "Group"} {
		body := mustJSON(object{
			"id": id, "type": typ, "preferredUsername": id[strings.LastIndex(id, "/")+1:], "inbox": id + "/inbox", "attributedTo": id + "/moderators",
			"publicKey": object{"id": id + "#main-key", "owner": id, "publicKeyPem": key},
		})
		e[id] = func() (string, []byte) { return activityType, body }
	}
	frank := s.AddPerson("frank")
	s.AddCommunity("cats", frank)
	return s, e, frank
}

// post signs and posts an activity, and returns the error that was told, "" for none.
func post(t *testing.T, s *Server, as string, a object, change func(r *http.Request)) string {
	t.Helper()
	body := mustJSON(a)
	r := httptest.NewRequest(http.MethodPost, s.Origin+"/inbox", bytes.NewReader(body))
	r.Header.Set("Content-Type", activityType)
	if err := sign(r, body, as+"#main-key", theKey(), s.Now()); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code == http.StatusOK {
		return ""
	}
	var told struct{ Error string }
	raw, err := io.ReadAll(w.Body)
	if err != nil || json.Unmarshal(raw, &told) != nil || told.Error == "" || w.Code != http.StatusBadRequest {
		t.Fatalf("%d %s, %v", w.Code, raw, err)
	}
	return told.Error
}

func create(as, id, typ string, change object) object {
	o := object{"id": id, "type": typ, "attributedTo": as, "name": "A cat", "content": "x", "to": []string{cats, public}}
	a := object{"id": id + "/create", "type": "Create", "actor": as, "to": []string{cats, public}, "object": o}
	for name, value := range change {
		o[name] = value
	}
	return a
}

func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	const note = "https://else.example/notes/1"
	wrapped := func(inner any) object {
		return object{"id": team + "/announce/1", "type": "Announce", "actor": team, "to": []string{public}, "object": inner}
	}
	for _, c := range []struct {
		name, as string
		a        object
		change   func(r *http.Request)
		want     string // "" for nothing, "…" for anything
	}{
		{name: "a post", a: create(ada, note, "Page", nil)},
		{name: "a note of no title", a: create(ada, note, "Note", object{"name": nil})},
		{name: "a post of no title", a: create(ada, note, "Page", object{"name": nil}), want: "invalid_post_title"},
		{name: "of one that is too long", a: create(ada, note, "Page", object{"name": strings.Repeat("x", 201)}), want: "invalid_post_title"},
		{name: "not for everyone", a: create(ada, note, "Page", object{"to": []string{cats}}), want: "object_is_not_public"},
		{name: "not for the community", a: create(ada, note, "Page", object{"to": []string{public}}), want: "object_is_not_public"},
		{name: "of another host", a: create(ada, "https://third.example/1", "Page", nil), want: "invalid_signature_actor"},
		{name: "an object of another host", a: create(ada, note, "Page", object{"id": "https://third.example/1"}), want: "domain_doesnt_match"},
		{name: "somebody else's", a: create(ada, note, "Page", object{"attributedTo": team}), want: "domain_doesnt_match"},
		{name: "in reply to nothing", a: create(ada, note, "Note", object{"inReplyTo": "https://third.example/1"}), want: "couldnt_find_object"},
		{name: "a removal by anybody", a: object{"id": ada + "/1", "type": "Delete", "actor": ada, "object": cats, "summary": "x", "to": []string{cats}}, want: "couldnt_find_object"},
		{name: "a ban by anybody", a: object{"id": ada + "/1", "type": "Block", "actor": ada, "object": team, "target": cats}, want: "not_a_moderator"},
		{name: "a page announced", as: team, a: wrapped(object{"id": note, "type": "Page"}), want: "cannot_receive_page"},
		{name: "an id announced", as: team, a: wrapped(note), want: "cannot_receive_page"},
		{name: "an Announce announced", as: team, a: wrapped(object{"id": note, "type": "Announce"}), want: "cannot_receive_announce"},
		{name: "by who is no community", as: ada, a: func() object { a := wrapped(object{"type": "Create"}); a["actor"], a["id"] = ada, ada+"/1"; return a }(), want: "not_a_community"},
		{name: "by a community that nobody follows", as: team, a: wrapped(create(ada, note, "Page", nil))},
		{name: "signed by another", as: team, a: create(ada, note, "Page", nil), want: "invalid_signature_actor"},
		{name: "a Follow for nobody", a: object{"id": ada + "/1", "type": "Follow", "actor": ada, "object": cats}, want: "no_recipient"},
		{name: "without a digest", a: create(ada, note, "Page", nil), change: func(r *http.Request) { r.Header.Del("Digest") }, want: "…"},
		{name: "with a second digest", a: create(ada, note, "Page", nil), change: func(r *http.Request) { r.Header.Set("Digest", r.Header.Get("Digest")+",MD5=x") }, want: "…"},
		{name: "of two hours ago", a: create(ada, note, "Page", nil), change: func(r *http.Request) {
			r.Header.Set("Date", time.Now().Add(-2*time.Hour).UTC().Format(http.TimeFormat))
		}, want: "…"},
		{name: "to another path", a: create(ada, note, "Page", nil), change: func(r *http.Request) { r.URL.Path = "/c/cats/inbox" }, want: "…"},
		{name: "by RFC 9421", a: create(ada, note, "Page", nil), change: func(r *http.Request) { r.Header.Set("Signature", "sig1=:AAAA:") }, want: "…"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, _, _ := newServer(t)
			if c.as == "" {
				c.as = ada
			}
			got := post(t, s, c.as, c.a, c.change)
			if got != c.want && (c.want != "…" || got == "") {
				t.Errorf("told %q, want %q", got, c.want)
			}
		})
	}
}

func TestOnlyThreeMediaTypesAreTaken(t *testing.T) {
	t.Parallel()
	for contentType, taken := range map[string]bool{
		activityType: true, "application/activity+json; charset=utf-8": true, "Application/Activity+JSON": true,
		`application/ld+json; profile="https://www.w3.org/ns/activitystreams"`: true,
		"application/ld+json": false, "application/json": false, "application/activity+json;charset=utf-8": false,
	} {
		s, e, _ := newServer(t)
		_, body := e[ada]()
		e[ada] = func() (string, []byte) { return contentType, body }
		if why := post(t, s, ada, create(ada, "https://else.example/1", "Page", nil), nil); (why == "") != taken {
			t.Errorf("%s: %q", contentType, why)
		}
	}
}

func TestACommunityAnnouncesTheBytesAndThePage(t *testing.T) {
	t.Parallel()
	s, _, frank := newServer(t)
	if why := post(t, s, ada, object{"id": ada + "/f", "type": "Follow", "actor": ada, "object": cats, "to": []string{cats}}, nil); why != "" {
		t.Fatal(why)
	}
	a := create(ada, "https://else.example/notes/1", "Page", object{"content": "<p>&amp;</p>"})
	body := []byte(strings.Replace(string(mustJSON(a)), `"type":`, `"type" : `, 1))
	r := httptest.NewRequest(http.MethodPost, s.Origin+"/inbox", bytes.NewReader(body))
	r.Header.Set("Content-Type", activityType)
	if err := sign(r, body, ada+"#main-key", theKey(), s.Now()); err != nil {
		t.Fatal(err)
	}
	s.ServeHTTP(httptest.NewRecorder(), r)
	sent := s.Deliver(t.Context())
	if len(sent) != 3 || !strings.Contains(sent[0].Body, `"Accept"`) || !strings.Contains(sent[1].Body, `"object":`+string(body)) || !json.Valid([]byte(sent[1].Body)) ||
		!strings.Contains(sent[2].Body, `"actor":"`+cats) || strings.Contains(sent[2].Body, "Create") {
		t.Errorf("sent %+v", sent)
	}
	if err := frank.Remove(t.Context(), cats, "https://else.example/notes/1", ""); err != nil {
		t.Fatal(err)
	}
	if p, ok := s.Shown("https://else.example/notes/1"); !ok || !p.Removed || p.Deleted {
		t.Errorf("%+v", p)
	}
	if sent := s.Deliver(t.Context()); len(sent) != 1 || !strings.Contains(sent[0].Body, `"summary":""`) {
		t.Errorf("sent %+v", sent)
	}
}
