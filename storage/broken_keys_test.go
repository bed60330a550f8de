package storage_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fedihook/fedihook/actor"
)

// brokenKey does what its funcs do, where they are set.
type brokenKey struct {
	actor.Keys
	keys   func(ctx context.Context, actorID string) ([]actor.KeyPair, error)
	add    func(ctx context.Context, k actor.KeyPair) (actor.KeyPair, error)
	retire func(ctx context.Context, actorID string, serial int64, at time.Time) error
	drop   func(ctx context.Context, actorID string, serial int64) error
	owner  func(ctx context.Context, keyID string) (string, error)
}

func (b *brokenKey) ActorKeys(ctx context.Context, actorID string) ([]actor.KeyPair, error) {
	if b.keys != nil {
		return b.keys(ctx, actorID)
	}
	return b.Keys.ActorKeys(ctx, actorID)
}

func (b *brokenKey) AddKey(ctx context.Context, k actor.KeyPair) (actor.KeyPair, error) {
	if b.add != nil {
		return b.add(ctx, k)
	}
	return b.Keys.AddKey(ctx, k)
}

func (b *brokenKey) RetireKeys(ctx context.Context, actorID string, serial int64, at time.Time) error {
	if b.retire != nil {
		return b.retire(ctx, actorID, serial, at)
	}
	return b.Keys.RetireKeys(ctx, actorID, serial, at)
}

func (b *brokenKey) DropKeys(ctx context.Context, actorID string, serial int64) error {
	if b.drop != nil {
		return b.drop(ctx, actorID, serial)
	}
	return b.Keys.DropKeys(ctx, actorID, serial)
}

func (b *brokenKey) KeyOwner(ctx context.Context, keyID string) (string, error) {
	if b.owner != nil {
		return b.owner(ctx, keyID)
	}
	return b.Keys.KeyOwner(ctx, keyID)
}

// returnsItsOwn gives everyone back the key that they brought, whichever is kept.
func returnsItsOwn(s actor.Keys) actor.Keys {
	return &brokenKey{Keys: s, add: func(ctx context.Context, k actor.KeyPair) (actor.KeyPair, error) {
		_, err := s.AddKey(ctx, k)
		return k, err
	}}
}

var brokenKeys = []struct {
	check string
	fault func(s actor.Keys) actor.Keys
}{
	{"a version, if there are any, ascends when keys go out of use", func(s actor.Keys) actor.Keys { return sameKeys{s} }},
	{"a key comes back as it was added", func(s actor.Keys) actor.Keys {
		return &brokenKey{Keys: s, keys: func(ctx context.Context, id string) ([]actor.KeyPair, error) {
			list, err := s.ActorKeys(ctx, id)
			for i := range list {
				list[i].KeyID = list[i].ActorID + "#main-key"
			}
			return list, err
		}}
	}},
	{"a key comes back as it was added", func(s actor.Keys) actor.Keys {
		return &brokenKey{Keys: s, add: func(ctx context.Context, k actor.KeyPair) (actor.KeyPair, error) {
			k.Retired = time.Time{}
			return s.AddKey(ctx, k)
		}}
	}},
	{"an actor without a key has none", func(s actor.Keys) actor.Keys {
		return &brokenKey{Keys: s, keys: func(ctx context.Context, id string) ([]actor.KeyPair, error) {
			return s.ActorKeys(ctx, strings.TrimSuffix(id, "/"))
		}}
	}},
	{"keys come ascending by serial and kind", func(s actor.Keys) actor.Keys {
		return &brokenKey{Keys: s, keys: func(ctx context.Context, id string) ([]actor.KeyPair, error) {
			list, err := s.ActorKeys(ctx, id)
			slices.SortStableFunc(list, func(a, b actor.KeyPair) int { return int(a.Kind) - int(b.Kind) })
			return list, err
		}}
	}},
	{"the first key of a kind and serial is kept", returnsItsOwn},
	{"a key comes too late where a later one of its kind is kept", func(s actor.Keys) actor.Keys {
		return &brokenKey{Keys: s, add: func(ctx context.Context, k actor.KeyPair) (actor.KeyPair, error) {
			list, _ := s.ActorKeys(ctx, k.ActorID)
			for _, have := range slices.Backward(list) { // the last instead of the next
				if have.Kind == k.Kind && have.Serial >= k.Serial {
					return have, nil
				}
			}
			return s.AddKey(ctx, k)
		}}
	}},
	{"a key comes too late where a later one of its kind is kept", func(s actor.Keys) actor.Keys {
		return &brokenKey{Keys: s, add: func(ctx context.Context, k actor.KeyPair) (actor.KeyPair, error) {
			list, _ := s.ActorKeys(ctx, k.ActorID)
			for _, have := range list { // of whatever kind
				if have.Serial >= k.Serial {
					return have, nil
				}
			}
			return s.AddKey(ctx, k)
		}}
	}},
	{"all who add a key at once get the same", returnsItsOwn},
	{"keys retire once, up to a serial and of both kinds", func(s actor.Keys) actor.Keys {
		return &brokenKey{Keys: s, retire: func(ctx context.Context, id string, serial int64, at time.Time) error {
			return s.RetireKeys(ctx, id, serial+1, at)
		}}
	}},
	{"keys retire once, up to a serial and of both kinds", func(s actor.Keys) actor.Keys {
		var last atomic.Int64
		return &brokenKey{Keys: s, // the last word counts
			retire: func(ctx context.Context, id string, serial int64, at time.Time) error {
				last.Store(at.UnixMicro())
				return s.RetireKeys(ctx, id, serial, at)
			},
			keys: func(ctx context.Context, id string) ([]actor.KeyPair, error) {
				list, err := s.ActorKeys(ctx, id)
				for i := range list {
					if !list[i].Retired.IsZero() {
						list[i].Retired = time.UnixMicro(last.Load())
					}
				}
				return list, err
			}}
	}},
	{"dropped keys are gone and their ids too", func(s actor.Keys) actor.Keys {
		return &brokenKey{Keys: s, drop: func(ctx context.Context, id string, serial int64) error {
			return s.RetireKeys(ctx, id, serial, time.Now())
		}}
	}},
	{"dropped keys are gone and their ids too", func(s actor.Keys) actor.Keys {
		return &brokenKey{Keys: s, drop: func(ctx context.Context, id string, _ int64) error {
			return s.DropKeys(ctx, id, 1<<62)
		}}
	}},
	{"dropped keys are gone and their ids too", func(s actor.Keys) actor.Keys {
		var ids sync.Map
		return &brokenKey{Keys: s, // ids stay
			add: func(ctx context.Context, k actor.KeyPair) (actor.KeyPair, error) {
				ids.Store(k.KeyID, k.ActorID)
				return s.AddKey(ctx, k)
			},
			owner: func(ctx context.Context, keyID string) (string, error) {
				if id, ok := ids.Load(keyID); ok {
					return id.(string), nil
				}
				return s.KeyOwner(ctx, keyID)
			}}
	}},
	{"a key leads to its actor", func(s actor.Keys) actor.Keys {
		return &brokenKey{Keys: s, owner: func(ctx context.Context, keyID string) (string, error) {
			owner, err := s.KeyOwner(ctx, keyID)
			if err != nil {
				return s.KeyOwner(ctx, keyID+"#RSA")
			}
			return owner, err
		}, add: func(ctx context.Context, k actor.KeyPair) (actor.KeyPair, error) {
			k.KeyID, _, _ = strings.Cut(k.KeyID, "#")
			return s.AddKey(ctx, k)
		}}
	}},
	{"what is given and returned is the caller's", func(s actor.Keys) actor.Keys {
		var kept atomic.Value
		return &brokenKey{Keys: s,
			add: func(ctx context.Context, k actor.KeyPair) (actor.KeyPair, error) {
				kept.Store(k.Private)
				return s.AddKey(ctx, k)
			},
			keys: func(ctx context.Context, id string) ([]actor.KeyPair, error) {
				list, err := s.ActorKeys(ctx, id)
				for i := range list {
					list[i].Private, _ = kept.Load().([]byte)
				}
				return list, err
			}}
	}},
}
