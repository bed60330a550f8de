package storagetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/fedihook/fedihook/actor"
)

// RunKeys checks the contract of [actor.Keys]. Open returns an empty store, which no other check uses.
func RunKeys(t *testing.T, open func(t *testing.T) actor.Keys) {
	t.Helper()
	run(t, open, keysChecks)
}

var keysChecks = []check[actor.Keys]{
	{"a key comes back as it was added", func(t *testing.T, ctx context.Context, s actor.Keys) {
		for _, k := range []actor.KeyPair{{ActorID: odd, KeyID: odd + "#key", Private: oddBytes(), Created: start}, {ActorID: "zero"}, {}} {
			first, err := s.AddKey(ctx, k)
			ok(t, err)
			equal(t, "what is kept", plainKey(first), k)
			got, err := s.Key(ctx, k.ActorID)
			ok(t, err)
			equal(t, "key", plainKey(got), k)
		}
	}},
	{"an actor without a key has none", func(t *testing.T, ctx context.Context, s actor.Keys) {
		_, err := s.AddKey(ctx, actor.KeyPair{ActorID: "https://a.example/u"})
		ok(t, err)
		for _, id := range []string{"", "https://a.example/U", "https://a.example/u/"} {
			_, err := s.Key(ctx, id)
			want(t, fmt.Sprintf("key of %q", id), err, actor.ErrNotFound)
		}
	}},
	{"the first key of an actor is kept", func(t *testing.T, ctx context.Context, s actor.Keys) {
		k := actor.KeyPair{ActorID: "a", KeyID: "a#1", Private: []byte("one"), Created: start}
		_, err := s.AddKey(ctx, k)
		ok(t, err)
		kept, err := s.AddKey(ctx, actor.KeyPair{ActorID: "a", KeyID: "a#2", Private: []byte("two"), Created: start.Add(time.Hour)})
		ok(t, err)
		equal(t, "what is kept", plainKey(kept), k)
		got, err := s.Key(ctx, "a")
		ok(t, err)
		equal(t, "key", plainKey(got), k)
	}},
	{"all who add a key at once get the same", func(t *testing.T, ctx context.Context, s actor.Keys) {
		got := make([]actor.KeyPair, 10)
		atOnce(len(got), func(i int) {
			k, err := s.AddKey(ctx, actor.KeyPair{ActorID: "a", KeyID: fmt.Sprint("a#", i), Private: []byte{byte(i)}})
			if err != nil {
				t.Error(err)
			}
			got[i] = k
		})
		kept, err := s.Key(ctx, "a")
		ok(t, err)
		for _, k := range got {
			equal(t, "key", plainKey(k), plainKey(kept))
		}
	}},
	{"what is given and returned is the caller's", func(t *testing.T, ctx context.Context, s actor.Keys) {
		k := actor.KeyPair{ActorID: "a", Private: []byte("key")}
		kept, err := s.AddKey(ctx, k)
		ok(t, err)
		equal(t, "what is kept", string(kept.Private), "key")
		k.Private[0], kept.Private[0] = 'X', 'Y'
		got, err := s.Key(ctx, "a")
		ok(t, err)
		equal(t, "key", string(got.Private), "key")
		got.Private[0] = 'Z'
		got, err = s.Key(ctx, "a")
		ok(t, err)
		equal(t, "key", string(got.Private), "key")
	}},
}

func plainKey(k actor.KeyPair) actor.KeyPair {
	k.Private = some(k.Private)
	k.Created = k.Created.UTC()
	return k
}
