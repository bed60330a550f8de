//go:build interop

package fedify_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

const activityJSON = "application/activity+json"

func TestThePeerIsFoundOverTLS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	p := startPeer(t, ca)

	var found struct {
		Subject string
		Links   []struct{ Rel, Type, Href string }
	}
	handle := strings.TrimPrefix(p.Handle, "@")
	get(t, ca, p.Origin+"/.well-known/webfinger?resource="+url.QueryEscape("acct:"+handle), "application/jrd+json", &found)
	if found.Subject != "acct:"+handle {
		t.Errorf("WebFinger's subject is %q, not acct:%s", found.Subject, handle)
	}
	var self string
	for _, link := range found.Links {
		if link.Rel == "self" && link.Type == activityJSON {
			self = link.Href
		}
	}
	if self != p.Actor {
		t.Fatalf("WebFinger's self link is %q, not %s", self, p.Actor)
	}

	var actor struct {
		ID, Type, PreferredUsername, Name, Summary, Inbox, Outbox, Followers, Following string
		Endpoints                                                                       struct{ SharedInbox string }
		PublicKey                                                                       struct{ ID, Owner, PublicKeyPem string }
		AssertionMethod                                                                 []struct{ ID, Controller, PublicKeyMultibase string }
	}
	get(t, ca, self, activityJSON, &actor)
	if actor.ID != p.Actor || actor.Type != "Person" || actor.PreferredUsername != "fred" || actor.Name == "" || actor.Summary == "" {
		t.Errorf("the actor is %+v", actor)
	}
	if actor.PublicKey.ID != p.Actor+"#main-key" || actor.PublicKey.Owner != p.Actor || !strings.Contains(actor.PublicKey.PublicKeyPem, "PUBLIC KEY") {
		t.Errorf("the actor's RSA key is %+v", actor.PublicKey)
	}
	if len(actor.AssertionMethod) != 2 || actor.AssertionMethod[1].Controller != p.Actor || !strings.HasPrefix(actor.AssertionMethod[1].PublicKeyMultibase, "z6Mk") {
		t.Errorf("the actor's Ed25519 key is missing: %+v", actor.AssertionMethod)
	}

	s := p.state(t)
	if s.Actor != actor.ID || s.Inbox != actor.Inbox || s.SharedInbox != actor.Endpoints.SharedInbox || s.FirstKnock != rfc9421 {
		t.Errorf("the control API tells %+v, the actor document %+v", s, actor)
	}
	for _, collection := range []string{actor.Outbox, actor.Followers, actor.Following} {
		var document struct {
			ID, Type string
		}
		get(t, ca, collection, activityJSON, &document)
		if document.ID != collection || document.Type != "OrderedCollection" {
			t.Errorf("the collection %s is %+v", collection, document)
		}
	}

	var index struct{ Links []struct{ Rel, Href string } }
	get(t, ca, p.Origin+"/.well-known/nodeinfo", "application/jrd+json", &index)
	if len(index.Links) != 1 {
		t.Fatalf("the index of NodeInfo is %+v", index)
	}
	var info struct {
		Version   string
		Software  struct{ Name string }
		Protocols []string
	}
	get(t, ca, index.Links[0].Href, "application/json", &info)
	if info.Version != "2.1" || info.Software.Name != "fedify-peer" || len(info.Protocols) != 1 || info.Protocols[0] != "activitypub" {
		t.Errorf("NodeInfo is %+v", info)
	}
}

func TestThePeerIsNotTrustedWithoutItsAuthority(t *testing.T) {
	t.Parallel()
	p := startPeer(t, newAuthority(t))
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.Actor, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, status, err := exchangeWith(newAuthority(t).client(t), request); err == nil {
		t.Errorf("a client that trusts another authority got %d", status)
	}
}

func TestThePeerRefusesWhatIsNotSigned(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	p := startPeer(t, ca)
	like := `{"@context":"https://www.w3.org/ns/activitystreams","id":"` + p.Origin + `/activities/1","type":"Like","actor":"` + p.Actor + `","object":"` + p.Actor + `"}`
	digest := sha256.Sum256([]byte(like))
	encoded := base64.StdEncoding.EncodeToString(digest[:])
	garbage := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 256))
	date := time.Now().UTC().Format(http.TimeFormat)

	for _, test := range []struct {
		name, body string
		headers    map[string]string
		status     int
	}{
		{name: "no signature", body: like, status: http.StatusUnauthorized},
		{name: "garbage as draft-cavage", body: like, status: http.StatusUnauthorized, headers: map[string]string{
			"Date":      date,
			"Digest":    "SHA-256=" + encoded,
			"Signature": `keyId="` + p.Actor + `#main-key",algorithm="rsa-sha256",headers="(request-target) host date digest",signature="` + garbage + `"`,
		}},
		{name: "garbage as RFC 9421", body: like, status: http.StatusUnauthorized, headers: map[string]string{
			"Date":            date,
			"Content-Digest":  "sha-256=:" + encoded + ":",
			"Signature-Input": `sig1=("@method" "@target-uri" "content-digest");alg="rsa-v1_5-sha256";keyid="` + p.Actor + `#main-key";created=` + strconv.FormatInt(time.Now().Unix(), 10),
			"Signature":       "sig1=:" + garbage + ":",
		}},
		{name: "a key that is nowhere", body: like, status: http.StatusUnauthorized, headers: map[string]string{
			"Date":      date,
			"Digest":    "SHA-256=" + encoded,
			"Signature": `keyId="` + p.Origin + `/users/nobody#main-key",algorithm="rsa-sha256",headers="(request-target) host date digest",signature="` + garbage + `"`,
		}},
		{name: "a body that is not JSON", body: "{", status: http.StatusBadRequest},
	} {
		t.Run(test.name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.Actor+"/inbox", strings.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Content-Type", activityJSON)
			for name, value := range test.headers {
				request.Header.Set(name, value)
			}
			body, status, err := exchangeWith(ca.client(t), request)
			if err != nil {
				t.Fatal(err)
			}
			if status != test.status {
				t.Errorf("status %d, want %d: %s", status, test.status, body)
			}
		})
	}
	p.drain(t)
	if events := p.events(t, 0); len(events) != 0 {
		t.Errorf("the peer took %+v for verified", events)
	}
}

func TestTheControlAPISaysWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	p := startPeer(t, newAuthority(t))
	for _, test := range []struct {
		method, target string
		in             any
		status         int
	}{
		{http.MethodGet, "/nothing", nil, http.StatusNotFound},
		{http.MethodPost, "/constructor", nil, http.StatusNotFound},
		{http.MethodGet, "/events?after=x", nil, http.StatusBadRequest},
		{http.MethodPost, "/follow", []int{}, http.StatusBadRequest},
		{http.MethodPost, "/firstknock", map[string]string{"spec": "none"}, http.StatusBadRequest},
		{http.MethodPost, "/forge", forgery{Inbox: p.Actor + "/inbox", Object: p.Actor, Spec: cavage, Broken: "constructor"}, http.StatusBadRequest},
		{http.MethodPost, "/lookup", map[string]string{"handle": "@nobody@" + strings.TrimPrefix(p.Origin, "https://")}, http.StatusNotFound},
		{http.MethodPost, "/delete", map[string]string{"id": p.Actor}, http.StatusNotFound},
		{http.MethodPost, "/undo", map[string]string{"id": p.Actor}, http.StatusNotFound},
	} {
		status, body := p.call(t, test.method, test.target, test.in, nil)
		if status != test.status || !strings.Contains(body, `"error"`) {
			t.Errorf("%s %s: %d %s, want %d and an error", test.method, test.target, status, body, test.status)
		}
	}
}

// get reads a JSON document of the media type into out.
func get(t *testing.T, ca *authority, target, mediaType string, out any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", mediaType)
	response, err := ca.client(t).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		t.Fatalf("GET %s: %v", target, err)
	}
	if kind := response.Header.Get("Content-Type"); response.StatusCode != http.StatusOK || !strings.HasPrefix(kind, mediaType) {
		t.Fatalf("GET %s: %d %s, want 200 %s", target, response.StatusCode, kind, mediaType)
	}
	if err := json.Unmarshal(body, out); err != nil {
		t.Fatalf("GET %s answers %s: %v", target, body, err)
	}
}
