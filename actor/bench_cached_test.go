package actor_test

import (
	"testing"

	"github.com/fedihook/fedihook/actor"
)

func cachedKey(tb testing.TB) (*actor.Resolver, func()) {
	w := newWeb()
	w.set("b.test", newPages().json("/users/bob", person(tb, bob, nil)))
	r, err := actor.NewResolver(actor.ResolverConfig{Client: w.client(), Names: actor.Names{Origin: "https://a.test"}})
	if err != nil {
		tb.Fatal(err)
	}
	look := func() {
		if k, err := r.PublicKey(tb.Context(), bobKey); err != nil || k.Owner != bob {
			tb.Fatal(err)
		}
	}
	look()
	return r, look
}

func BenchmarkCachedKey(b *testing.B) {
	_, look := cachedKey(b)
	b.ReportAllocs()
	for b.Loop() {
		look()
	}
}

func BenchmarkCachedKeyByEveryone(b *testing.B) {
	_, look := cachedKey(b)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			look()
		}
	})
}

func BenchmarkCachedActor(b *testing.B) {
	r, _ := cachedKey(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Actor(b.Context(), bob); err != nil {
			b.Fatal(err)
		}
	}
}

func TestACachedKeyCostsNoMemory(t *testing.T) {
	_, look := cachedKey(t)
	if n := testing.AllocsPerRun(1000, look); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
