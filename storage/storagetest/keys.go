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

// keyPair is a key whose fields all differ from those of other keys.
func keyPair(actorID string, kind actor.KeyKind, serial int64) actor.KeyPair {
	return actor.KeyPair{
		ActorID: actorID, Serial: serial, Kind: kind, KeyID: fmt.Sprint(actorID, "#", kind),
		Private: []byte(fmt.Sprint(actorID, kind, serial)), Created: start.Add(time.Duration(serial) * time.Hour),
	}
}

func addKeys(t *testing.T, ctx context.Context, s actor.Keys, pairs ...actor.KeyPair) {
	t.Helper()
	for _, k := range pairs {
		kept, err := s.AddKey(ctx, k)
		ok(t, err)
		equal(t, "what is kept", plainKey(kept), plainKey(k))
	}
}

// hasKeys fails unless these are an actor's keys, in this order.
func hasKeys(t *testing.T, ctx context.Context, s actor.Keys, actorID string, pairs ...actor.KeyPair) {
	t.Helper()
	list, err := s.ActorKeys(ctx, actorID)
	ok(t, err)
	for i, k := range exactly(t, len(pairs), list) {
		equal(t, "key", plainKey(k), plainKey(pairs[i]))
	}
}

var keysChecks = []check[actor.Keys]{
	{"a key comes back as it was added", func(t *testing.T, ctx context.Context, s actor.Keys) {
		for _, k := range []actor.KeyPair{
			{ActorID: odd, Serial: 1 << 40, Kind: actor.KeyEd25519, KeyID: odd + "#key", Private: oddBytes(), Created: start, Retired: start.Add(time.Hour)},
			{ActorID: "zero"}, {},
		} {
			addKeys(t, ctx, s, k)
			hasKeys(t, ctx, s, k.ActorID, k)
		}
	}},
	{"an actor without a key has none", func(t *testing.T, ctx context.Context, s actor.Keys) {
		addKeys(t, ctx, s, keyPair("https://a.example/u", actor.KeyRSA, 1))
		for _, id := range []string{"", "https://a.example/U", "https://a.example/u/"} {
			hasKeys(t, ctx, s, id)
		}
	}},
	{"keys come ascending by serial and kind", func(t *testing.T, ctx context.Context, s actor.Keys) {
		rsa1, ed1, rsa2, ed10 := keyPair("a", actor.KeyRSA, 1), keyPair("a", actor.KeyEd25519, 1), keyPair("a", actor.KeyRSA, 2), keyPair("a", actor.KeyEd25519, 10)
		addKeys(t, ctx, s, ed1, keyPair("b", actor.KeyRSA, 1), ed10, rsa1, rsa2)
		hasKeys(t, ctx, s, "a", rsa1, ed1, rsa2, ed10)
	}},
	{"the first key of a kind and serial is kept", func(t *testing.T, ctx context.Context, s actor.Keys) {
		k := keyPair("a", actor.KeyRSA, 1)
		addKeys(t, ctx, s, k)
		second := k
		second.KeyID, second.Private, second.Created = "a#2", []byte("two"), start
		kept, err := s.AddKey(ctx, second)
		ok(t, err)
		equal(t, "what is kept", plainKey(kept), plainKey(k))
		hasKeys(t, ctx, s, "a", k)
		_, err = s.KeyOwner(ctx, "a#2")
		want(t, "owner of a key that was not kept", err, actor.ErrNotFound)
	}},
	{"a key comes too late where a later one of its kind is kept", func(t *testing.T, ctx context.Context, s actor.Keys) {
		third, fourth, other := keyPair("a", actor.KeyRSA, 3), keyPair("a", actor.KeyRSA, 4), keyPair("a", actor.KeyEd25519, 2)
		addKeys(t, ctx, s, third, fourth)
		kept, err := s.AddKey(ctx, keyPair("a", actor.KeyRSA, 2))
		ok(t, err)
		equal(t, "what is kept", plainKey(kept), plainKey(third))
		addKeys(t, ctx, s, other) // of another kind it is in time
		hasKeys(t, ctx, s, "a", other, third, fourth)
	}},
	{"all who add a key at once get the same", func(t *testing.T, ctx context.Context, s actor.Keys) {
		got := make([]actor.KeyPair, 10)
		atOnce(len(got), func(i int) {
			k, err := s.AddKey(ctx, actor.KeyPair{ActorID: "a", Serial: 1, Kind: actor.KeyRSA, KeyID: fmt.Sprint("a#", i), Private: []byte{byte(i)}})
			if err != nil {
				t.Error(err)
			}
			got[i] = k
		})
		for _, k := range got {
			hasKeys(t, ctx, s, "a", k)
		}
	}},
	{"keys retire once, up to a serial and of both kinds", func(t *testing.T, ctx context.Context, s actor.Keys) {
		rsa1, ed1, rsa2, ed2, other := keyPair("a", actor.KeyRSA, 1), keyPair("a", actor.KeyEd25519, 1), keyPair("a", actor.KeyRSA, 2), keyPair("a", actor.KeyEd25519, 2), keyPair("b", actor.KeyRSA, 1)
		addKeys(t, ctx, s, rsa1, ed1, rsa2, ed2, other)
		ok(t, s.RetireKeys(ctx, "nobody", 5, start))
		ok(t, s.RetireKeys(ctx, "a", 0, start))
		hasKeys(t, ctx, s, "a", rsa1, ed1, rsa2, ed2)
		ok(t, s.RetireKeys(ctx, "a", 1, start))
		rsa1.Retired, ed1.Retired = start, start
		hasKeys(t, ctx, s, "a", rsa1, ed1, rsa2, ed2)
		ok(t, s.RetireKeys(ctx, "a", 2, start.Add(time.Hour)))
		rsa2.Retired, ed2.Retired = start.Add(time.Hour), start.Add(time.Hour)
		hasKeys(t, ctx, s, "a", rsa1, ed1, rsa2, ed2)
		hasKeys(t, ctx, s, "b", other)
	}},
	{"dropped keys are gone and their ids too", func(t *testing.T, ctx context.Context, s actor.Keys) {
		rsa1, ed1, rsa2, ed2, other := keyPair("a", actor.KeyRSA, 1), keyPair("a", actor.KeyEd25519, 1), keyPair("a", actor.KeyRSA, 2), keyPair("a", actor.KeyEd25519, 2), keyPair("b", actor.KeyRSA, 1)
		rsa2.KeyID = "a#later"
		addKeys(t, ctx, s, rsa1, ed1, rsa2, ed2, other)
		ok(t, s.DropKeys(ctx, "nobody", 5))
		ok(t, s.DropKeys(ctx, "a", 1))
		hasKeys(t, ctx, s, "a", rsa2, ed2)
		hasKeys(t, ctx, s, "b", other)
		_, err := s.KeyOwner(ctx, rsa1.KeyID)
		want(t, "owner of a dropped key", err, actor.ErrNotFound)
		for _, keyID := range []string{rsa2.KeyID, ed2.KeyID} { // that of ed2 is ed1's too
			owner, err := s.KeyOwner(ctx, keyID)
			ok(t, err)
			equal(t, "owner", owner, "a")
		}
		ok(t, s.DropKeys(ctx, "a", 2))
		hasKeys(t, ctx, s, "a")
		addKeys(t, ctx, s, rsa1) // nothing remembers that there was a later one
	}},
	{"a key leads to its actor", func(t *testing.T, ctx context.Context, s actor.Keys) {
		a, b := keyPair("a", actor.KeyRSA, 1), keyPair("b", actor.KeyRSA, 1)
		a.KeyID, b.KeyID = odd, odd+"#"
		addKeys(t, ctx, s, a, b)
		for id, owner := range map[string]string{a.KeyID: "a", b.KeyID: "b"} {
			got, err := s.KeyOwner(ctx, id)
			ok(t, err)
			equal(t, "owner", got, owner)
		}
		for _, id := range []string{"", "a", "a#RSA"} {
			_, err := s.KeyOwner(ctx, id)
			want(t, fmt.Sprintf("owner of %q", id), err, actor.ErrNotFound)
		}
	}},
	{"what is given and returned is the caller's", func(t *testing.T, ctx context.Context, s actor.Keys) {
		k := actor.KeyPair{ActorID: "a", Private: []byte("key")}
		kept, err := s.AddKey(ctx, k)
		ok(t, err)
		equal(t, "what is kept", string(kept.Private), "key")
		k.Private[0], kept.Private[0] = 'X', 'Y'
		for range 2 {
			list, err := s.ActorKeys(ctx, "a")
			ok(t, err)
			equal(t, "key", string(exactly(t, 1, list)[0].Private), "key")
			list[0].Private[0] = 'Z'
		}
	}},
	{"a version, if there are any, ascends when keys go out of use", func(t *testing.T, ctx context.Context, s actor.Keys) {
		versions, can := s.(actor.KeysVersions)
		if !can {
			return
		}
		var last int64
		then := func(what string, ascends bool) {
			t.Helper()
			v, err := versions.KeysVersion(ctx)
			ok(t, err)
			if v > last != ascends || v < last {
				t.Errorf("%s: version %d after %d", what, v, last)
			}
			last = v
		}
		last, _ = versions.KeysVersion(ctx)
		addKeys(t, ctx, s, keyPair("a", actor.KeyRSA, 1), keyPair("a", actor.KeyRSA, 2))
		then("keys were added", false)
		ok(t, s.RetireKeys(ctx, "nobody", 9, start))
		then("nobody's keys retired", false)
		for _, first := range []bool{true, false} {
			ok(t, s.RetireKeys(ctx, "a", 1, start))
			then("a key retired", first)
		}
		for _, first := range []bool{true, false} {
			ok(t, s.DropKeys(ctx, "a", 1))
			then("a key was dropped", first)
		}
	}},
}

func plainKey(k actor.KeyPair) actor.KeyPair {
	k.Private = some(k.Private)
	k.Created, k.Retired = k.Created.UTC(), k.Retired.UTC()
	return k
}
