package storage_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fedihook/fedihook/actor"
)

type brokenRemote struct {
	actor.Remotes
	remote func(ctx context.Context, id string) (actor.Remote, error)
	byKey  func(ctx context.Context, keyID string) (actor.Remote, error)
	put    func(ctx context.Context, r actor.Remote) error
	remove func(ctx context.Context, id string) error
	prune  func(ctx context.Context, before time.Time, limit int) (int, error)
	ids    func(ctx context.Context, after string, limit int) ([]string, error)
}

func (b *brokenRemote) RemoteIDs(ctx context.Context, after string, limit int) ([]string, error) {
	if b.ids != nil {
		return b.ids(ctx, after, limit)
	}
	return b.Remotes.RemoteIDs(ctx, after, limit)
}

func (b *brokenRemote) Remote(ctx context.Context, id string) (actor.Remote, error) {
	if b.remote != nil {
		return b.remote(ctx, id)
	}
	return b.Remotes.Remote(ctx, id)
}

func (b *brokenRemote) RemoteByKey(ctx context.Context, keyID string) (actor.Remote, error) {
	if b.byKey != nil {
		return b.byKey(ctx, keyID)
	}
	return b.Remotes.RemoteByKey(ctx, keyID)
}

func (b *brokenRemote) PutRemote(ctx context.Context, r actor.Remote) error {
	if b.put != nil {
		return b.put(ctx, r)
	}
	return b.Remotes.PutRemote(ctx, r)
}

func (b *brokenRemote) DeleteRemote(ctx context.Context, id string) error {
	if b.remove != nil {
		return b.remove(ctx, id)
	}
	return b.Remotes.DeleteRemote(ctx, id)
}

func (b *brokenRemote) PruneRemotes(ctx context.Context, before time.Time, limit int) (int, error) {
	if b.prune != nil {
		return b.prune(ctx, before, limit)
	}
	return b.Remotes.PruneRemotes(ctx, before, limit)
}

var brokenRemotes = []struct {
	check string
	fault func(s actor.Remotes) actor.Remotes
}{
	{"an actor comes back as it was put", func(s actor.Remotes) actor.Remotes {
		return &brokenRemote{Remotes: s, put: func(ctx context.Context, r actor.Remote) error {
			r.KeyIDs = slices.Sorted(slices.Values(r.KeyIDs))
			return s.PutRemote(ctx, r)
		}}
	}},
	{"what was never put is not found", func(s actor.Remotes) actor.Remotes {
		return &brokenRemote{Remotes: s, byKey: func(ctx context.Context, keyID string) (actor.Remote, error) {
			if r, err := s.Remote(ctx, keyID); err == nil {
				return r, nil
			}
			return s.RemoteByKey(ctx, keyID)
		}}
	}},
	{"an actor that is put again is replaced, keys included", func(s actor.Remotes) actor.Remotes {
		return &brokenRemote{Remotes: s, put: func(ctx context.Context, r actor.Remote) error {
			if old, err := s.Remote(ctx, r.ID); err == nil {
				r.KeyIDs = append(old.KeyIDs, r.KeyIDs...)
			}
			return s.PutRemote(ctx, r)
		}}
	}},
	{"of ten simultaneous puts of an actor one remains whole", func(s actor.Remotes) actor.Remotes {
		return &brokenRemote{Remotes: s, byKey: func(ctx context.Context, keyID string) (actor.Remote, error) {
			return s.Remote(ctx, strings.Split(keyID, "#")[0])
		}}
	}},
	{"a deleted actor is gone and its keys too", func(s actor.Remotes) actor.Remotes {
		return &brokenRemote{Remotes: s, remove: func(ctx context.Context, id string) error {
			r, err := s.Remote(ctx, id)
			if err != nil {
				return nil
			}
			return s.PutRemote(ctx, actor.Remote{ID: id, Gone: r.Fetched})
		}}
	}},
	{"a deleted actor is gone and its keys too", func(s actor.Remotes) actor.Remotes {
		return &brokenRemote{Remotes: s, remove: func(ctx context.Context, id string) error {
			if _, err := s.Remote(ctx, id); err != nil {
				return fmt.Errorf("there is none: %w", err)
			}
			return s.DeleteRemote(ctx, id)
		}}
	}},
	{"old actors are pruned with their keys, and no others", func(s actor.Remotes) actor.Remotes {
		return &brokenRemote{Remotes: s, prune: func(ctx context.Context, before time.Time, limit int) (int, error) {
			return s.PruneRemotes(ctx, before, 1000)
		}}
	}},
	{"old actors are pruned with their keys, and no others", func(s actor.Remotes) actor.Remotes {
		return &brokenRemote{Remotes: s, prune: func(ctx context.Context, before time.Time, limit int) (int, error) {
			return s.PruneRemotes(ctx, before.Add(time.Microsecond), limit)
		}}
	}},
	{"old actors are pruned with their keys, and no others", func(s actor.Remotes) actor.Remotes {
		return &brokenRemote{Remotes: s, prune: func(ctx context.Context, before time.Time, limit int) (int, error) {
			s.DeleteRemote(ctx, "old and gone of late")
			return s.PruneRemotes(ctx, before, limit)
		}}
	}},
	{"old actors are pruned with their keys, and no others", func(s actor.Remotes) actor.Remotes {
		return &brokenRemote{Remotes: s, prune: func(ctx context.Context, before time.Time, limit int) (int, error) {
			n, err := s.PruneRemotes(ctx, before, limit)
			s.PutRemote(ctx, actor.Remote{ID: "left", KeyIDs: []string{"old#1"}, Fetched: before})
			return n, err
		}}
	}},
	{"old actors are pruned with their keys, and no others", func(s actor.Remotes) actor.Remotes {
		return &brokenRemote{Remotes: s, prune: func(context.Context, time.Time, int) (int, error) { return 0, nil }}
	}},
	{"an actor that is put again without validators and handle has none", func(s actor.Remotes) actor.Remotes {
		return &brokenRemote{Remotes: s, put: func(ctx context.Context, r actor.Remote) error {
			if old, err := s.Remote(ctx, r.ID); err == nil && r.ETag == "" {
				r.ETag = old.ETag
			}
			return s.PutRemote(ctx, r)
		}}
	}},
	{"an actor that is put again without validators and handle has none", func(s actor.Remotes) actor.Remotes {
		return &brokenRemote{Remotes: s, put: func(ctx context.Context, r actor.Remote) error {
			if old, err := s.Remote(ctx, r.ID); err == nil && r.Handle == "" {
				r.Handle = old.Handle
			}
			return s.PutRemote(ctx, r)
		}}
	}},
	{"an actor comes back as it was put", func(s actor.Remotes) actor.Remotes {
		return &brokenRemote{Remotes: s, put: func(ctx context.Context, r actor.Remote) error {
			r.LastModified = ""
			return s.PutRemote(ctx, r)
		}}
	}},
	{"an actor comes back as it was put", func(s actor.Remotes) actor.Remotes {
		return &brokenRemote{Remotes: s, put: func(ctx context.Context, r actor.Remote) error {
			r.Proved = r.Fetched
			return s.PutRemote(ctx, r)
		}}
	}},
	{"pages of ids neither skip nor repeat, and leave out who is gone", func(s actor.Remotes) actor.Remotes {
		return &brokenRemote{Remotes: s, put: func(ctx context.Context, r actor.Remote) error {
			r.Gone = time.Time{}
			return s.PutRemote(ctx, r)
		}}
	}},
	{"pages of ids neither skip nor repeat, and leave out who is gone", func(s actor.Remotes) actor.Remotes {
		return &brokenRemote{Remotes: s, ids: func(ctx context.Context, after string, limit int) ([]string, error) {
			ids, err := s.RemoteIDs(ctx, after, limit+1)
			return ids[min(1, len(ids)):], err
		}}
	}},
	{"what is given and returned is the caller's", func(s actor.Remotes) actor.Remotes {
		var kept atomic.Value
		return &brokenRemote{Remotes: s,
			put: func(ctx context.Context, r actor.Remote) error {
				kept.Store(r.Document)
				return s.PutRemote(ctx, r)
			},
			remote: func(ctx context.Context, id string) (actor.Remote, error) {
				r, err := s.Remote(ctx, id)
				r.Document, _ = kept.Load().([]byte)
				return r, err
			}}
	}},
}
