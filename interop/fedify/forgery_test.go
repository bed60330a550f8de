//go:build interop

package fedify_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/signature"
)

func fredKnocksByRFC9421(t *testing.T, w *world) { w.fredKnocks(t, rfc9421) }
func fredKnocksByCavage(t *testing.T, w *world)  { w.fredKnocks(t, cavage) }

// fredKnocks checks on both sides that Fedify signed as it was told and had to try only once.
func (w *world) fredKnocks(t *testing.T, spec string) {
	t.Helper()
	post := w.alicePosts(t, "How do you sign?")
	w.p.knockFirst(t, spec)
	defer w.p.knockFirst(t, rfc9421)
	like := w.p.do(t, "like", post)
	w.oursHears(t, "Like", like.ID)
	w.p.drain(t) // until the answers to its requests are there
	if posts := w.o.waitPosts(t, like.ID, 1); len(posts) != 1 || posts[0].scheme != spec || posts[0].status != http.StatusAccepted {
		t.Errorf("ours was sent it %d times, at first by %s, and answered %d", len(posts), posts[0].scheme, posts[0].status)
	}
	knocks := slices.DeleteFunc(w.p.exchanges(t, w.exchange), func(e exchange) bool { return e.Direction != "out" || e.Activity != like.ID })
	if len(knocks) != 1 || knocks[0].Scheme != spec || knocks[0].Status != http.StatusAccepted {
		t.Errorf("Fedify sent it as %+v", knocks)
	}
}

// aliceSignsAsFredDoes checks that what a server uses itself it is sent.
func aliceSignsAsFredDoes(t *testing.T, w *world) {
	w.fredKnocks(t, rfc9421)
	like := w.aliceReacts(t, "Like")
	knocks := slices.DeleteFunc(w.p.exchanges(t, w.exchange), func(e exchange) bool { return e.Direction != "in" || e.Activity != like.ID })
	if len(knocks) != 1 || knocks[0].Scheme != rfc9421 || knocks[0].Status != http.StatusAccepted {
		t.Errorf("ours sent it as %+v", knocks)
	}
}

// fredSaysNothingOfEd25519 checks what FEP-844e has words for: that Fedify's document of fred does not use them, and that ours
// keeps to RSA therefore, though alice has an Ed25519 key and Fedify's would verify it.
func fredSaysNothingOfEd25519(t *testing.T, w *world) {
	fred, err := w.o.f.Lookup(t.Context(), w.p.Actor)
	if err != nil {
		t.Fatal(err)
	}
	if says := fred.Capabilities(); len(says) != 0 {
		t.Errorf("Fedify says that it can do %v", says)
	}
	if found := w.p.lookup(t, w.o.actor("alice")); len(found.AssertionMethods) != 1 || found.AssertionMethods[0].Algorithm != "Ed25519" {
		t.Errorf("Fedify takes for her Multikeys %+v", found.AssertionMethods)
	}
	like := w.aliceReacts(t, "Like")
	for _, e := range w.p.exchanges(t, w.exchange) {
		if e.Direction == "in" && e.Activity == like.ID && e.keyID() != w.o.actor("alice")+"#main-key" {
			t.Errorf("ours signed with %q", e.keyID())
		}
	}
}

// keyID is what a request says it is signed with.
func (e exchange) keyID() string {
	for name, value := range e.Headers {
		switch {
		case strings.EqualFold(name, "Signature-Input"):
			_, value, _ = strings.Cut(value, `;keyid="`)
		case strings.EqualFold(name, "Signature") && e.Scheme == cavage:
			_, value, _ = strings.Cut(value, `keyId="`)
		default:
			continue
		}
		id, _, _ := strings.Cut(value, `"`)
		return id
	}
	return ""
}

func oursRefusesForgeries(t *testing.T, w *world) {
	post := w.alicePosts(t, "Do you mean that?")
	alice := w.o.actor("alice")
	personal, shared := alice+"/inbox", w.o.Origin+"/ap/inbox"
	var refused []string
	for _, spec := range []string{rfc9421, cavage} {
		for _, test := range []struct {
			broken, as string
			status     int
		}{
			{broken: "body", status: http.StatusUnauthorized},
			{broken: "both", status: http.StatusUnauthorized},
			{broken: "path", status: http.StatusUnauthorized},
			{broken: "old", status: http.StatusUnauthorized},
			{broken: "actor", as: w.p.Origin + "/users/ghost", status: http.StatusForbidden},
			{broken: "actor", as: alice, status: http.StatusForbidden},
			{broken: "actor", as: "https://elsewhere.example/users/fred", status: http.StatusForbidden},
		} {
			status, id := w.p.forge(t, forgery{Inbox: personal, Object: post, Spec: spec, Broken: test.broken, At: shared, As: test.as})
			// What an actor of the signer's own server is said to have said may be taken for hearsay, which that server denies.
			hearsay := test.as == w.p.Origin+"/users/ghost" && status == http.StatusAccepted
			if status != test.status && !hearsay {
				t.Errorf("%s, broken in %s %s: %d, want %d", spec, test.broken, test.as, status, test.status)
			}
			refused = append(refused, id)
		}
		status, id := w.p.forge(t, forgery{Inbox: personal, Object: post, Spec: spec, Broken: "nothing"})
		if status != http.StatusAccepted {
			t.Errorf("%s, broken in nothing: %d, want 202", spec, status)
		}
		w.oursHears(t, "Like", id) // comes after what was refused, in the order of arrival
		for _, id := range refused {
			if n := w.o.times(id); n != 0 {
				t.Errorf("%s: %s was refused, and %d hooks heard of it", spec, id, n)
			}
		}
	}
}

func fedifyRefusesForgeries(t *testing.T, w *world) {
	post := w.fredPosts(t, "Do you mean that?")
	for _, scheme := range []signature.Scheme{signature.Cavage, signature.RFC9421} {
		for _, test := range []struct {
			broken string
			status int
		}{
			{"body", http.StatusUnauthorized},
			{"both", http.StatusUnauthorized},
			{"path", http.StatusUnauthorized},
			{"actor", http.StatusUnauthorized},
			{"nothing", http.StatusAccepted},
		} {
			status, id := w.forge(t, post, scheme, test.broken)
			if status != test.status {
				t.Errorf("%s, broken in %s: %d, want %d", scheme, test.broken, status, test.status)
			}
			w.p.drain(t)
			heard := slices.ContainsFunc(w.p.events(t, w.event), func(e event) bool { return e.ID == id })
			if heard != (test.status == http.StatusAccepted) {
				t.Errorf("%s, broken in %s: that Fedify's listener ran is %v", scheme, test.broken, heard)
			}
		}
	}
}

// forge signs a Like of alice's as ours does, breaks it as the peer's forge does, and posts it to fred.
func (w *world) forge(t *testing.T, post string, scheme signature.Scheme, broken string) (status int, id string) {
	t.Helper()
	like := map[string]string{
		"@context": activity.Namespace,
		"id":       fmt.Sprintf("%s/ap/activities/forged-%d-%s", w.o.Origin, scheme, broken),
		"type":     "Like", "actor": w.o.actor("alice"), "object": post,
	}
	if broken == "actor" {
		like["actor"] = w.o.actor("bea")
	}
	encode := func() []byte {
		body, err := json.Marshal(like)
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	body, inbox := encode(), w.p.Actor+"/inbox"
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, inbox, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", activity.ContentType)
	if err := signature.Sign(request, body, w.o.key(t, "alice"), scheme); err != nil {
		t.Fatal(err)
	}
	switch broken {
	case "body", "both":
		like["content"] = "changed on the way"
		body = encode()
	case "path":
		inbox = w.p.Origin + "/inbox"
	}
	if broken == "both" {
		digest := sha256.Sum256(body)
		encoded := base64.StdEncoding.EncodeToString(digest[:])
		if scheme == signature.RFC9421 {
			request.Header.Set("Content-Digest", "sha-256=:"+encoded+":")
		} else {
			request.Header.Set("Digest", "SHA-256="+encoded)
		}
	}
	return w.o.post(t, inbox, request.Header, body), like["id"]
}

func replayIsTakenOnce(t *testing.T, w *world) {
	_, like := w.fredReacts(t, "like", "Like")
	w.replay(t, w.o.waitPosts(t, like, 1)[0])
	w.heardOnce(t, like)
}

// replay sends ours the very bytes that it was sent before.
func (w *world) replay(t *testing.T, p posted) {
	t.Helper()
	if status := w.o.post(t, w.o.Origin+p.target, p.header, p.body); status != http.StatusAccepted {
		t.Errorf("the replay of %s: %d, want 202", p.id, status)
	}
	w.o.waitPosts(t, p.id, 2)
}

// heardOnce checks that hooks were called once for a Like of fred's. Its Undo runs after all that was kept of it.
func (w *world) heardOnce(t *testing.T, like string) {
	t.Helper()
	undo := w.p.do(t, "undo", like)
	w.oursHears(t, "Undo", undo.ID)
	if n := w.o.times(like); n != 1 {
		t.Errorf("hooks were called %d times for %s", n, like)
	}
}

func lostAnswerIsTakenOnce(t *testing.T, w *world) {
	post := w.alicePosts(t, "Did you get me?")
	w.o.loseAnswer()
	like := w.p.do(t, "like", post)
	w.o.waitID(t, "Like", like.ID)
	for i, p := range w.o.waitPosts(t, like.ID, 2) {
		if p.status != http.StatusAccepted {
			t.Errorf("knock %d: %d, want 202", i+1, p.status)
		}
	}
	w.p.drain(t)
	w.p.knockFirst(t, rfc9421) // after a 503 Fedify would sign otherwise for good
	w.heardOnce(t, like.ID)
}
