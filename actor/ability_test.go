package actor_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/signature"
)

func TestWhatAServerCanDoIsToldFromMemoryAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		generator := func(hrefs ...string) map[string]any {
			var list []any
			for _, href := range hrefs {
				list = append(list, map[string]string{"href": href, "name": "x"})
			}
			return map[string]any{"type": "Application", "implements": list}
		}
		const rfc9421, ed25519 = "https://datatracker.ietf.org/doc/html/rfc9421", "https://datatracker.ietf.org/doc/html/rfc9421#name-eddsa-using-curve-edwards25"
		w, store := newWeb(), newMemory()
		w.set("b.test", newPages().
			json("/users/bob", person(t, bob, map[string]any{"generator": generator(rfc9421, "https://example.com/else")})).
			json("/silent", person(t, "https://b.test/silent", nil)))
		w.set("c.test:8443", newPages().json("/u", person(t, "https://c.test:8443/u", map[string]any{
			"generator": generator(rfc9421, ed25519), "assertionMethod": multikey(t, "https://c.test:8443/u#k", "https://c.test:8443/u", edKey(1)),
		})))
		w.set("d.test", newPages().json("/u", person(t, "https://d.test/u", map[string]any{"generator": "https://d.test/app"})))
		r := resolver(t, actor.ResolverConfig{Client: w.client(), Store: store})
		ids := []string{bob, "https://b.test/silent", "https://c.test:8443/u", "https://d.test/u"}
		for _, id := range ids {
			if _, ok := r.Capabilities(id); ok {
				t.Errorf("%s is known", id)
			}
		}
		if _, ok := r.Verifies(t.Context(), "b.test"); ok || w.total() != 0 {
			t.Fatalf("known, or asked %d times", w.total())
		}
		for _, id := range ids {
			if _, err := r.Actor(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
		check := func(r *actor.Resolver) {
			t.Helper()
			asked := w.total()
			for host, want := range map[string]signature.Suite{"b.test": signature.SuiteRFC9421, "c.test:8443": signature.SuiteEd25519} {
				if got, ok := r.Verifies(t.Context(), host); !ok || got != want {
					t.Errorf("%s: %v, %v; want %v", host, got, ok, want)
				}
			}
			for _, host := range []string{"c.test", "d.test", "e.test", ""} {
				if got, ok := r.Verifies(t.Context(), host); ok {
					t.Errorf("%q is said to verify %v", host, got)
				}
			}
			if w.total() != asked {
				t.Error("something was asked")
			}
		}
		check(r)
		if c, ok := r.Capabilities(bob); !ok || !c.RFC9421 || c.Ed25519 || c.Proofs || len(c.Implements) != 2 {
			t.Errorf("%+v, %v", c, ok)
		}
		if c, ok := r.Capabilities("https://c.test:8443/u"); !ok || !c.RFC9421 || !c.Ed25519 || !c.Proofs {
			t.Errorf("%+v, %v", c, ok)
		}
		if c, ok := r.Capabilities("https://d.test/u"); !ok || c.RFC9421 || len(c.Implements) != 0 {
			t.Errorf("%+v, %v", c, ok)
		}

		again := resolver(t, actor.ResolverConfig{Client: w.client(), Store: store})
		for _, id := range ids {
			if _, err := again.Actor(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
		check(again)
		time.Sleep(31 * 24 * time.Hour)
		if _, ok := r.Verifies(t.Context(), "b.test"); ok {
			t.Error("a month later it still counts")
		}
	})
}
