package actor_test

import (
	"bytes"
	"context"
	"crypto/rsa"
	"errors"
	"net/http"
	"testing"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
)

// newcomers is a handler of a site with ids of several kinds: alice (minted), jane (an id of the site's own, a key with an
// id of its own), sue (who was called tom when her id was minted) and one who is gone.
func newcomers(t *testing.T) (*actor.Handler, *http.ServeMux, *memoryKeys) {
	t.Helper()
	store, ring := newKeys()
	if err := ring.Adopt(t.Context(), "https://a.test/author/jane", "https://a.test/author/jane/main-key", rsaPool()[5]); err != nil {
		t.Fatal(err)
	}
	users := []actor.Profile{
		{Handle: "alice", URL: "https://a.test/@alice"},
		{Handle: "jane", ID: "https://a.test/author/jane"},
		{Handle: "sue", ID: "https://a.test/ap/users/tom"},
	}
	h := &actor.Handler{Names: ring.Names, Keyring: ring, Profile: func(_ context.Context, who string) (actor.Profile, error) {
		for _, p := range users {
			if who == p.Handle || p.ID == who || p.URL == who || p.Handle == "sue" && who == "tom" {
				return p, nil
			}
		}
		switch who {
		case "gone", "https://a.test/author/gone":
			return actor.Profile{}, actor.ErrGone
		case "broken":
			return actor.Profile{}, errors.New("no database")
		}
		return actor.Profile{}, actor.ErrNotFound
	}}
	mux := http.NewServeMux()
	h.Register(mux)
	mux.HandleFunc("GET /", h.ServeActor)
	return h, mux, store
}

func TestWhoseTakesEveryIRIApart(t *testing.T) {
	t.Parallel()
	h, _, _ := newcomers(t)
	n := h.Names
	const a, jane, tom = "https://a.test/ap/users/alice", "https://a.test/author/jane", "https://a.test/ap/users/tom"
	for iri, want := range map[string]struct {
		kind actor.Kind
		id   string
	}{
		a: {actor.KindActor, a}, a + "#main-key": {actor.KindKey, a}, a + "#ed25519-key": {actor.KindKey, a},
		a + "/inbox": {actor.KindInbox, a}, a + "/outbox": {actor.KindOutbox, a}, a + "/followers": {actor.KindFollowers, a},
		a + "/following": {actor.KindFollowing, a}, a + "/featured": {actor.KindFeatured, a}, a + "/tags": {actor.KindFeaturedTags, a},
		a + "/liked": {actor.KindLiked, a}, "https://a.test/@alice": {actor.KindAlias, a}, "https://a.test/ap/users/ALICE": {actor.KindAlias, a},
		jane: {actor.KindActor, jane}, jane + "/main-key": {actor.KindKey, jane}, jane + "#ed25519-key": {actor.KindKey, jane},
		n.Inbox(jane, "jane"): {actor.KindInbox, jane}, n.Followers(jane, "jane"): {actor.KindFollowers, jane}, n.Actor("jane"): {actor.KindAlias, jane},
		tom: {actor.KindActor, tom}, tom + "#main-key": {actor.KindKey, tom}, tom + "/inbox": {actor.KindInbox, tom}, n.Actor("sue"): {actor.KindAlias, tom},
		n.Instance(): {actor.KindInstance, n.Instance()}, n.KeyID(n.Instance()): {actor.KindKey, n.Instance()}, n.Instance() + "/inbox": {actor.KindInbox, n.Instance()},
		n.SharedInbox(): {actor.KindSharedInbox, ""}, n.Object("1"): {actor.KindObject, ""}, n.Activity("1"): {actor.KindActivity, ""},
	} {
		kind, p, ok, err := h.Whose(t.Context(), iri)
		if kind != want.kind || p.ID != want.id || !ok || err != nil {
			t.Errorf("%s: kind %d of %q, %v, %v; want %d of %q", iri, kind, p.ID, ok, err, want.kind, want.id)
		}
	}
	for _, iri := range []string{
		"", "alice", "https://b.test/ap/users/alice", "https://a.test", "https://a.test/nothing", n.Actor("nobody"), n.Actor("nobody") + "/inbox", n.KeyID(n.Actor("nobody")),
		a + "/other", a + "#other", jane + "#other", jane + "/other-key", n.KeyID(n.Actor("sue")), n.KeyID("https://a.test/@alice"), "https://a.test/nothing#main-key",
	} {
		if kind, p, ok, err := h.Whose(t.Context(), iri); ok || err != nil || kind != 0 || p.Handle != "" {
			t.Errorf("%s: %d of %q, %v, %v", iri, kind, p.ID, ok, err)
		}
	}
	for _, iri := range []string{n.Actor("gone"), n.Actor("gone") + "/inbox", n.KeyID(n.Actor("gone")), "https://a.test/author/gone", "https://a.test/author/gone#main-key"} {
		if _, _, ok, err := h.Whose(t.Context(), iri); !ok || !errors.Is(err, actor.ErrGone) {
			t.Errorf("%s: %v, %v", iri, ok, err)
		}
	}
	if _, _, ok, err := h.Whose(t.Context(), n.Actor("broken")); ok || err == nil {
		t.Errorf("a database that is down: %v, %v", ok, err)
	}
}

func TestWhoAsksForAKeyGetsTheWholeActor(t *testing.T) {
	t.Parallel()
	h, mux, store := newcomers(t)
	for _, iri := range []string{"https://a.test/author/jane", "https://a.test/author/jane/main-key"} {
		rec := get(mux, iri, ap)
		doc, err := activity.Decode(rec.Body.Bytes())
		if err != nil || rec.Code != 200 || rec.Header().Get("Content-Type") != activity.ContentType {
			t.Fatalf("%s: %d %s, %v", iri, rec.Code, rec.Body, err)
		}
		a, ok := doc.(*activity.Actor)
		if !ok || a.ID != "https://a.test/author/jane" || a.Inbox.ID == "" || a.Keys()[0].ID != "https://a.test/author/jane/main-key" {
			t.Errorf("%s: %s", iri, rec.Body)
		}
	}
	for _, key := range []string{"https://a.test/author/jane/main-key", "https://a.test/ap/users/alice#main-key"} {
		if a, err := h.Document(t.Context(), key); err != nil || a.Inbox.ID == "" {
			t.Errorf("the document of %s: %v", key, err)
		}
	}
	if rec := get(mux, "https://a.test/author/jane/other-key", ap); rec.Code != 404 {
		t.Errorf("another key: %d", rec.Code)
	}
	store.keysMu.Lock()
	store.broken = errors.New("no database")
	store.keysMu.Unlock()
	if rec := get(mux, "https://a.test/author/nobody", ap); rec.Code != 503 {
		t.Errorf("a key that may be there or not: %d", rec.Code)
	}
}

func TestOldHandlesAndOtherCaseLeadToTheActor(t *testing.T) {
	t.Parallel()
	_, mux, _ := newcomers(t)
	for iri, to := range map[string]string{
		"https://a.test/ap/users/ALICE": "https://a.test/ap/users/alice",
		"https://a.test/ap/users/sue":   "https://a.test/ap/users/tom",
		"https://a.test/ap/users/jane":  "https://a.test/author/jane",
	} {
		if rec := get(mux, iri, ap); rec.Code != 301 || rec.Header().Get("Location") != to {
			t.Errorf("%s: %d %q", iri, rec.Code, rec.Header().Get("Location"))
		}
	}
	for acct, subject := range map[string]string{
		"Alice@a.test": "acct:alice@a.test", "tom@a.test": "acct:sue@a.test", "TOM@a.test": "acct:sue@a.test",
	} {
		rec := get(mux, "https://a.test/.well-known/webfinger?resource=acct:"+acct, nil)
		if rec.Code != 200 || !bytes.Contains(rec.Body.Bytes(), []byte(`"subject":"`+subject+`"`)) {
			t.Errorf("%s: %d %s", acct, rec.Code, rec.Body)
		}
	}
}

func TestWhoComesWhileTooManyKeysAreMadeIsToComeBack(t *testing.T) {
	t.Parallel()
	h, mux, _ := newcomers(t)
	going, release := make(chan bool), make(chan bool)
	ring := &actor.Keyring{Store: &memoryKeys{makeKeys: true}, Names: h.Names, MaxWaiting: 1, Generate: func() (*rsa.PrivateKey, error) {
		going <- true
		<-release
		return rsaPool()[0], nil
	}}
	h.Keyring = ring
	done := make(chan int)
	go func() { done <- get(mux, "https://a.test/ap/users/alice", ap).Code }()
	<-going
	rec := get(mux, "https://a.test/ap/users/tom", ap)
	if rec.Code != 503 || rec.Header().Get("Retry-After") == "" {
		t.Errorf("%d %v", rec.Code, rec.Header())
	}
	close(release)
	if code := <-done; code != 200 {
		t.Errorf("who came first got %d", code)
	}
}
