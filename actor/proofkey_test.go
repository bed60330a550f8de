package actor_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/signature"
)

const bobMultikey = bob + "#ed25519-key"

func edKey(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize))
}

func multikey(t *testing.T, id, controller string, k ed25519.PrivateKey) map[string]any {
	t.Helper()
	text, err := signature.MarshalMultikey(k.Public())
	if err != nil {
		t.Fatal(err)
	}
	return map[string]any{"id": id, "type": "Multikey", "controller": controller, "publicKeyMultibase": text}
}

func text(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestAMultikeyIsFoundWhereItsOwnerListsIt(t *testing.T) {
	t.Parallel()
	k := edKey(1)
	const apart = "https://b.test/keys/1"
	for name, c := range map[string]struct {
		id   string
		site *pages
	}{
		"in the actor": {bobMultikey, newPages().json("/users/bob", person(t, bob, map[string]any{"assertionMethod": multikey(t, bobMultikey, bob, k)}))},
		"as one of several": {bobMultikey, newPages().json("/users/bob", person(t, bob, map[string]any{"assertionMethod": []any{
			"https://b.test/else", multikey(t, bob+"#other", bob, edKey(2)), multikey(t, bobMultikey, bob, k),
		}}))},
		"in a document of its own": {apart, newPages().
			json("/keys/1", text(t, multikey(t, apart, bob, k))).
			json("/users/bob", person(t, bob, map[string]any{"assertionMethod": []any{apart}}))},
		"in both": {apart, newPages().
			json("/keys/1", text(t, multikey(t, apart, bob, k))).
			json("/users/bob", person(t, bob, map[string]any{"assertionMethod": []any{multikey(t, apart, bob, k)}}))},
		"without a publicKey beside it": {bobMultikey, newPages().json("/users/bob", person(t, bob, map[string]any{
			"publicKey": nil, "assertionMethod": multikey(t, bobMultikey, bob, k)}))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, store := newWeb(), newMemory()
			w.set("b.test", c.site)
			r := resolver(t, actor.ResolverConfig{Client: w.client(), Store: store})
			for what, ask := range map[string]func() (signature.PublicKey, error){
				"for proofs":   func() (signature.PublicKey, error) { return r.ProofKey(t.Context(), c.id) },
				"for requests": func() (signature.PublicKey, error) { return r.PublicKey(t.Context(), c.id) },
			} {
				if got, err := ask(); err != nil || got.Owner != bob || got.ID != c.id || !k.Public().(ed25519.PublicKey).Equal(got.Key) {
					t.Errorf("%s: %+v, %v", what, got, err)
				}
			}
			if err := r.Trust(t.Context(), bob); err != nil {
				t.Fatal(err)
			}
			asked := w.total()
			if c.id == bobMultikey {
				again := resolver(t, actor.ResolverConfig{Client: w.client(), Store: store})
				if got, err := again.ProofKey(t.Context(), c.id); err != nil || got.Owner != bob || w.total() != asked {
					t.Errorf("after a restart: %v, %v, %d requests", got, err, w.total()-asked)
				}
			}
		})
	}
}

func TestAMultikeyThatProvesNothingIsRefused(t *testing.T) {
	t.Parallel()
	k := edKey(1)
	const apart = "https://b.test/keys/1"
	expired := multikey(t, bobMultikey, bob, k)
	expired["expires"] = "2020-01-01T00:00:00Z"
	for name, c := range map[string]struct {
		id   string
		site *pages
	}{
		"for requests alone":           {bobKey, newPages().json("/users/bob", person(t, bob, nil))},
		"of another controller":        {bobMultikey, newPages().json("/users/bob", person(t, bob, map[string]any{"assertionMethod": multikey(t, bobMultikey, "https://b.test/users/eve", k)}))},
		"expired":                      {bobMultikey, newPages().json("/users/bob", person(t, bob, map[string]any{"assertionMethod": expired}))},
		"not listed":                   {bobMultikey, newPages().json("/users/bob", person(t, bob, nil))},
		"listed by nobody":             {apart, newPages().json("/keys/1", text(t, multikey(t, apart, bob, k))).json("/users/bob", person(t, bob, nil))},
		"listed with another material": {apart, newPages().json("/keys/1", text(t, multikey(t, apart, bob, edKey(2)))).json("/users/bob", person(t, bob, map[string]any{"assertionMethod": multikey(t, apart, bob, k)}))},
		"of an owner elsewhere":        {apart, newPages().json("/keys/1", text(t, multikey(t, apart, "https://c.test/users/carol", k)))},
		"without a controller":         {apart, newPages().json("/keys/1", `{"id":"`+apart+`","type":"Multikey","publicKeyMultibase":"z6Mk"}`)},
		"with another id":              {apart, newPages().json("/keys/1", text(t, multikey(t, "https://b.test/keys/2", bob, k)))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWeb()
			w.set("b.test", c.site)
			w.set("c.test", newPages().json("/users/carol", person(t, "https://c.test/users/carol", map[string]any{"assertionMethod": []any{apart}})))
			r := resolver(t, actor.ResolverConfig{Client: w.client()})
			if got, err := r.ProofKey(t.Context(), c.id); err == nil || got.Key != nil {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestAResolverServesAProofVerifier(t *testing.T) {
	t.Parallel()
	w := newWeb()
	w.set("b.test", newPages().json("/users/bob", person(t, bob, map[string]any{"assertionMethod": multikey(t, bobMultikey, bob, edKey(1))})))
	r := resolver(t, actor.ResolverConfig{Client: w.client()})
	note := `{"id":"https://b.test/1","type":"Note","attributedTo":"` + bob + `","content":"x"}`
	proved, err := signature.Prove([]byte(note), signature.Key{ID: bobMultikey, Private: edKey(1)}, signature.ProofOptions{})
	if err != nil {
		t.Fatal(err)
	}
	v := &signature.ProofVerifier{Key: r.ProofKey, Refresh: r.RefreshProofKey}
	if got, err := v.Verify(t.Context(), proved); err != nil || got.Owner != bob {
		t.Errorf("%+v, %v", got, err)
	}
	forged, err := signature.Prove([]byte(note), signature.Key{ID: bobMultikey, Private: edKey(2)}, signature.ProofOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(t.Context(), forged); !errors.Is(err, signature.ErrBadSignature) {
		t.Errorf("forged: %v", err)
	}
}

func TestAKeyUnderANewIDIsFoundMinutesAfterItsOwnerWasFetched(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWeb()
		site := newPages().json("/users/bob", person(t, bob, nil))
		w.set("b.test", site)
		r := resolver(t, actor.ResolverConfig{Client: w.client()})
		if _, err := r.Actor(t.Context(), bob); err != nil {
			t.Fatal(err)
		}
		for i := range 100 { // anyone can make up ids
			if _, err := r.PublicKey(t.Context(), bob+"#"+string(rune('a'+i%26))); !errors.Is(err, actor.ErrNotFound) {
				t.Fatal(err)
			}
		}
		if w.total() != 1 {
			t.Errorf("%d requests for ids that nobody lists", w.total())
		}
		if _, err := r.PublicKey(t.Context(), bob+"#new"); !errors.Is(err, signature.ErrNoKey) {
			t.Fatal(err)
		}
		site.json("/users/bob", person(t, bob, listing(t, bob+"#new", bob, testKeys()[1])))
		time.Sleep(6 * time.Minute)
		if k, err := r.PublicKey(t.Context(), bob+"#new"); err != nil || k.Owner != bob {
			t.Errorf("%+v, %v", k, err)
		}
	})
}

func TestAnUpdateWithoutKeysIsNotTheWholeActor(t *testing.T) {
	t.Parallel()
	w, store := newWeb(), newMemory()
	site := newPages().json("/users/bob", person(t, bob, nil))
	w.set("b.test", site)
	r := resolver(t, actor.ResolverConfig{Client: w.client(), Store: store})
	if _, err := r.PublicKey(t.Context(), bobKey); err != nil {
		t.Fatal(err)
	}
	site.json("/users/bob", person(t, bob, map[string]any{"name": "As it is now"}))
	doc, err := activity.Decode([]byte(person(t, bob, map[string]any{"name": "As it says", "publicKey": nil})))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Update(t.Context(), doc.(*activity.Actor), nil); err != nil {
		t.Fatal(err)
	}
	a, err := r.Actor(t.Context(), bob)
	if err != nil || a.Name != "As it is now" || len(a.Keys()) != 1 || w.count(bob) != 2 {
		t.Errorf("%+v, %v after %d requests", a, err, w.count(bob))
	}
}
