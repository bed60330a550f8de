package actor_test

import (
	"crypto/rsa"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/signature"
)

const bobKey = bob + "#main-key"

// keyDoc writes a document that is itself a key.
func keyDoc(t *testing.T, id, owner string, k *rsa.PrivateKey) string {
	t.Helper()
	b, err := json.Marshal(map[string]string{
		"@context": "https://w3id.org/security/v1", "id": id, "type": "Key", "owner": owner, "publicKeyPem": pem(t, k),
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// listing is a change to an actor's document: this key instead of the usual one.
func listing(t *testing.T, id, owner string, k *rsa.PrivateKey) map[string]any {
	t.Helper()
	return map[string]any{"publicKey": map[string]string{"id": id, "owner": owner, "publicKeyPem": pem(t, k)}}
}

func TestKeysAreFoundWhereverServersPutThem(t *testing.T) {
	t.Parallel()
	k := testKeys()[0]
	for _, c := range []struct {
		name, keyID string
		site        *pages
	}{
		{"in the actor", bobKey, newPages().json("/users/bob", person(t, bob, nil))},
		{"as one of several", bob + "#second", newPages().json("/users/bob", person(t, bob, map[string]any{"publicKey": []any{
			"https://b.test/elsewhere",
			map[string]string{"id": bob + "#first", "owner": bob, "publicKeyPem": pem(t, testKeys()[1])},
			map[string]string{"id": bob + "#second", "owner": bob, "publicKeyPem": pem(t, k)},
		}}))},
		{"without an owner of its own", bobKey, newPages().json("/users/bob", person(t, bob, map[string]any{"publicKey": map[string]string{"id": bobKey, "publicKeyPem": pem(t, k)}}))},
		{"under the actor's own id", bob, newPages().json("/users/bob", person(t, bob, listing(t, bob, bob, k)))},
		{"behind a slash, as BookWyrm's", bob + "/#main-key", newPages().
			json("/users/bob", person(t, bob, listing(t, bob+"/#main-key", bob, k))).
			json("/users/bob/", person(t, bob, listing(t, bob+"/#main-key", bob, k)))},
		{"at a stub of the actor, as GoToSocial's", bob + "/main-key", newPages().
			json("/users/bob", person(t, bob, listing(t, bob+"/main-key", bob, k))).
			json("/users/bob/main-key", person(t, bob, map[string]any{"inbox": nil, "outbox": nil, "followers": nil,
				"publicKey": map[string]string{"id": bob + "/main-key", "owner": bob, "publicKeyPem": pem(t, k)}}))},
		{"as a document of its own, shown by the actor", "https://b.test/keys/1", newPages().
			json("/users/bob", person(t, bob, listing(t, "https://b.test/keys/1", bob, k))).
			json("/keys/1", keyDoc(t, "https://b.test/keys/1", bob, k))},
		{"as a document of its own, named by the actor", "https://b.test/keys/1", newPages().
			json("/users/bob", person(t, bob, map[string]any{"publicKey": "https://b.test/keys/1"})).
			json("/keys/1", keyDoc(t, "https://b.test/keys/1", bob, k))},
		{"as a document of its own, with a fragment", "https://b.test/keys/1#key", newPages().
			json("/users/bob", person(t, bob, map[string]any{"publicKey": "https://b.test/keys/1#key"})).
			json("/keys/1", keyDoc(t, "https://b.test/keys/1#key", bob, k))},
		{"with a query, as WordPress's", "https://b.test/?author=1#main-key", newPages().
			json("/?author=1", person(t, "https://b.test/?author=1", listing(t, "https://b.test/?author=1#main-key", "https://b.test/?author=1", k)))},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w, store := newWeb(), newMemory()
			w.set("b.test", c.site)
			r := resolver(t, actor.ResolverConfig{Client: w.client(), Store: store})
			got, err := r.PublicKey(t.Context(), c.keyID)
			if err != nil {
				t.Fatal(err)
			}
			if got.ID != c.keyID || !strings.HasPrefix(c.keyID, got.Owner) && got.Owner != bob || !k.PublicKey.Equal(got.Key) {
				t.Errorf("got %+v", got)
			}
			asked := w.total()
			if again, err := r.PublicKey(t.Context(), c.keyID); err != nil || again != got || w.total() != asked {
				t.Errorf("again: %v, %v, %d more requests", again, err, w.total()-asked)
			}
			if store.written() != 0 {
				t.Error("a key that proved nothing yet was stored")
			}
			if err := r.Trust(t.Context(), got.Owner); err != nil {
				t.Fatal(err)
			}
			kept, ok := store.stored(got.Owner)
			if !ok || len(kept.Document) == 0 {
				t.Fatal("Trust stored nothing")
			}
			doc, err := activity.Decode(kept.Document)
			if err != nil || doc.(*activity.Actor).Inbox.ID == "" {
				t.Errorf("a stub was stored: %s", kept.Document)
			}
			if err := r.Trust(t.Context(), got.Owner); err != nil || store.written() != 1 {
				t.Errorf("trusted twice: %v, written %d times", err, store.written())
			}
			restarted := resolver(t, actor.ResolverConfig{Client: w.client(), Store: store})
			if again, err := restarted.PublicKey(t.Context(), c.keyID); err != nil || again.Owner != got.Owner {
				t.Errorf("after a restart: %v, %v", again, err)
			}
		})
	}
}

func TestKeysThatProveNothingAreRefused(t *testing.T) {
	t.Parallel()
	k, other := testKeys()[0], testKeys()[1]
	alice := "https://b.test/users/alice"
	for _, c := range []struct {
		name, keyID string
		site        *pages
	}{
		{"listed by one actor for another", bobKey, newPages().json("/users/bob", person(t, bob, listing(t, bobKey, alice, k)))},
		{"of an owner on another host", "https://b.test/key", newPages().json("/key", keyDoc(t, "https://b.test/key", "https://victim.test/users/v", k))},
		{"of an owner at another port", "https://b.test/key", newPages().json("/key", keyDoc(t, "https://b.test/key", "https://b.test:8443/users/v", k))},
		{"that its owner does not list", "https://b.test/key", newPages().json("/key", keyDoc(t, "https://b.test/key", bob, k)).json("/users/bob", person(t, bob, nil))},
		{"that its owner lists with other material", "https://b.test/key", newPages().
			json("/key", keyDoc(t, "https://b.test/key", bob, k)).json("/users/bob", person(t, bob, listing(t, "https://b.test/key", bob, other)))},
		{"with the id of another key", "https://b.test/key", newPages().json("/key", keyDoc(t, "https://b.test/key#else", bob, k)).json("/users/bob", person(t, bob, nil))},
		{"with an id on another host", "https://b.test/key", newPages().json("/key", keyDoc(t, "https://victim.test/key", bob, k))},
		{"that the actor lacks", bob + "#other", newPages().json("/users/bob", person(t, bob, nil))},
		{"named without material", bobKey, newPages().json("/users/bob", person(t, bob, map[string]any{"publicKey": bobKey}))},
		{"with material that is none", bobKey, newPages().json("/users/bob", person(t, bob, map[string]any{"publicKey": map[string]string{"id": bobKey, "owner": bob, "publicKeyPem": "-----BEGIN"}}))},
		{"in a web page", bobKey, newPages().put("/users/bob", page{kind: "text/html", body: person(t, bob, nil)})},
		{"in a collection", bobKey, newPages().json("/users/bob", `{"id":"`+bob+`","type":"OrderedCollection"}`)},
		{"of nobody", bobKey, newPages()},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWeb()
			w.set("b.test", c.site)
			w.set("victim.test", newPages().json("/users/v", person(t, "https://victim.test/users/v", listing(t, "https://b.test/key", "https://victim.test/users/v", k))))
			r := resolver(t, actor.ResolverConfig{Client: w.client(), Store: newMemory()})
			got, err := r.PublicKey(t.Context(), c.keyID)
			if !errors.Is(err, signature.ErrNoKey) || got.Key != nil {
				t.Errorf("got %+v, %v; want signature.ErrNoKey", got, err)
			}
			if w.count("https://victim.test/users/v") != 0 {
				t.Error("the other host was asked")
			}
		})
	}
}

func TestAKeyErrorTellsTheVerifierWhatToAnswer(t *testing.T) {
	t.Parallel()
	w := newWeb()
	w.set("b.test", newPages().put("/gone", page{status: 410}).put("/busy", page{status: 503}).put("/signed", page{status: 401}))
	r := resolver(t, actor.ResolverConfig{Client: w.client(), Names: actor.Names{Origin: "https://a.test"}})
	for keyID, want := range map[string]error{
		"https://b.test/gone#k": signature.ErrKeyGone,
		"https://b.test/404#k":  signature.ErrNoKey,
		"https://a.test/ours#k": signature.ErrNoKey, // ours are never anyone's proof
		"acct:bob@b.test":       signature.ErrNoKey,
		"https://b.test/busy#k": nil,
		"https://b.test/signed": nil,
		"https://no.test/users": nil,
	} {
		_, err := r.PublicKey(t.Context(), keyID)
		for _, sentinel := range []error{signature.ErrKeyGone, signature.ErrNoKey, signature.ErrRefused} {
			if err == nil || errors.Is(err, sentinel) != (sentinel == want) {
				t.Errorf("%s: %v; errors.Is %v is wrong", keyID, err, sentinel)
			}
		}
	}
}

func TestAStubNeverReplacesTheActor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, store := newWeb(), newMemory()
		full := person(t, bob, map[string]any{"name": "Bob"})
		site := newPages().json("/users/bob", full)
		w.set("b.test", site)
		r := resolver(t, actor.ResolverConfig{Client: w.client(), Store: store})
		if _, err := r.Actor(t.Context(), bob); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		site.json("/users/bob", person(t, bob, map[string]any{"inbox": nil, "outbox": nil}))
		if _, err := r.RefreshKey(t.Context(), bobKey); err != nil {
			t.Fatal(err)
		}
		if w.count(bob) != 2 {
			t.Fatal("the stub was not fetched")
		}
		if err := r.Trust(t.Context(), bob); err != nil {
			t.Fatal(err)
		}
		a, err := r.Actor(t.Context(), bob)
		if err != nil || a.Name != "Bob" || a.Inbox.ID == "" {
			t.Errorf("got %+v, %v", a, err)
		}
		if kept, _ := store.stored(bob); string(kept.Document) != full {
			t.Errorf("stored %s", kept.Document)
		}
	})
}

func TestAChangedKeyIsFetchedOnceInFiveMinutes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWeb()
		site := newPages().json("/users/bob", person(t, bob, nil))
		w.set("b.test", site)
		r := resolver(t, actor.ResolverConfig{Client: w.client()})
		if _, err := r.PublicKey(t.Context(), bobKey); err != nil {
			t.Fatal(err)
		}
		refresh := func(want *rsa.PrivateKey, requests int) {
			t.Helper()
			for range 1000 {
				k, err := r.RefreshKey(t.Context(), bobKey)
				if err != nil || !want.PublicKey.Equal(k.Key) {
					t.Fatalf("%v, %v", k, err)
				}
			}
			if w.count(bob) != requests {
				t.Fatalf("%d requests, want %d", w.count(bob), requests)
			}
		}
		site.json("/users/bob", person(t, bob, listing(t, bobKey, bob, testKeys()[1])))
		refresh(testKeys()[0], 1) // fetched for this very request
		time.Sleep(6 * time.Minute)
		refresh(testKeys()[1], 2)
		if k, err := r.PublicKey(t.Context(), bobKey); err != nil || !testKeys()[1].PublicKey.Equal(k.Key) {
			t.Errorf("after the refresh: %v, %v", k, err)
		}

		time.Sleep(6 * time.Minute)
		site.put("/users/bob", page{status: 500})
		if _, err := r.RefreshKey(t.Context(), bobKey); err == nil || errors.Is(err, signature.ErrNoKey) {
			t.Errorf("a refresh that failed for now: %v", err)
		}
		refresh(testKeys()[1], 3)
		if _, err := r.PublicKey(t.Context(), bobKey); err != nil {
			t.Errorf("the key that is still young: %v", err)
		}
		time.Sleep(25 * time.Hour)
		if _, err := r.PublicKey(t.Context(), bobKey); err != nil {
			t.Errorf("an old key while its server fails: %v", err)
		}
		time.Sleep(2 * time.Minute)
		site.json("/users/bob", person(t, bob, map[string]any{"publicKey": nil}))
		if _, err := r.PublicKey(t.Context(), bobKey); !errors.Is(err, signature.ErrNoKey) {
			t.Errorf("a key that was withdrawn: %v", err)
		}
	})
}

func TestAForgedRequestLeavesTheStoresUnchanged(t *testing.T) {
	t.Parallel()
	w := newWeb()
	s := newSite(t, w, "a.test")
	w.set("b.test", newPages().json("/users/bob", person(t, bob, nil)))
	v := &signature.Verifier{Keys: s.resolver, Authorities: []string{"a.test"}, Scheme: "https"}

	body := []byte(`{"type":"Create"}`)
	request := func(k *rsa.PrivateKey) *http.Request {
		req := httptest.NewRequest(http.MethodPost, "https://a.test/ap/inbox", strings.NewReader(string(body)))
		req.Header.Set("Content-Type", activity.ContentType)
		if err := signature.Sign(req, body, signature.Key{ID: bobKey, Private: k}, signature.Cavage); err != nil {
			t.Fatal(err)
		}
		req.RequestURI = "/ap/inbox"
		return req
	}
	if _, err := v.Verify(request(testKeys()[1]), body); !errors.Is(err, signature.ErrBadSignature) {
		t.Fatalf("forged: %v", err)
	}
	if _, ok := s.store.stored(bob); ok {
		t.Error("a forged request left something in the store")
	}
	verified, err := v.Verify(request(testKeys()[0]), body)
	if err != nil || verified.Owner != bob {
		t.Fatalf("honest: %+v, %v", verified, err)
	}
	if err := s.resolver.Trust(t.Context(), verified.Owner); err != nil {
		t.Fatal(err)
	}
	if _, ok := s.store.stored(bob); !ok {
		t.Error("the honest sender was not stored")
	}
}

func TestNobodyTakesAnotherHostsKeyIntoItsOwnName(t *testing.T) {
	t.Parallel()
	w, store := newWeb(), newMemory()
	const evil = "https://evil.test/users/eve"
	w.set("evil.test", newPages().json("/users/eve", person(t, evil, map[string]any{"publicKey": []any{
		map[string]string{"id": evil + "#main-key", "owner": evil, "publicKeyPem": pem(t, testKeys()[1])},
		map[string]string{"id": bobKey, "owner": evil, "publicKeyPem": pem(t, testKeys()[1])},
	}})))
	w.set("b.test", newPages().json("/users/bob", person(t, bob, nil)))
	r := resolver(t, actor.ResolverConfig{Client: w.client(), Store: store})
	if _, err := r.Actor(t.Context(), evil); err != nil {
		t.Fatal(err)
	}
	kept, _ := store.stored(evil)
	if len(kept.KeyIDs) != 1 || kept.KeyIDs[0] != evil+"#main-key" {
		t.Errorf("stored under the keys %v", kept.KeyIDs)
	}
	// Even a store that has it so, from whatever time, is not believed.
	kept.KeyIDs = append(kept.KeyIDs, bobKey)
	if err := store.PutRemote(t.Context(), kept); err != nil {
		t.Fatal(err)
	}
	for _, r := range []*actor.Resolver{r, resolver(t, actor.ResolverConfig{Client: w.client(), Store: store})} {
		k, err := r.PublicKey(t.Context(), bobKey)
		if err != nil || k.Owner != bob || !testKeys()[0].PublicKey.Equal(k.Key) {
			t.Errorf("%+v, %v", k, err)
		}
	}
}
