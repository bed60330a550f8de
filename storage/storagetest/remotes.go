package storagetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/fedihook/fedihook/actor"
)

// RunRemotes checks the contract of [actor.Remotes]. Open returns an empty store, which no other check uses.
func RunRemotes(t *testing.T, open func(t *testing.T) actor.Remotes) {
	t.Helper()
	run(t, open, remotesChecks)
}

var remotesChecks = []check[actor.Remotes]{
	{"an actor comes back as it was put", func(t *testing.T, ctx context.Context, s actor.Remotes) {
		for _, r := range []actor.Remote{
			{ID: odd, Document: oddBytes(), KeyIDs: []string{odd + "#b", odd + "#a", ""}, Fetched: start, Gone: start.Add(time.Hour),
				ETag: `W/"` + odd + `"`, LastModified: "Wed, 04 Mar 2026 05:06:07 GMT",
				Handle: odd, Proved: start.Add(2 * time.Hour)},
			{ID: "zero"},
			{},
		} {
			ok(t, s.PutRemote(ctx, r))
			equal(t, "actor", remote(t, ctx, s, r.ID), r)
			for _, key := range r.KeyIDs {
				equal(t, fmt.Sprintf("owner of %q", key), keyOwner(t, ctx, s, key), r.ID)
			}
		}
	}},
	{"what was never put is not found", func(t *testing.T, ctx context.Context, s actor.Remotes) {
		ok(t, s.PutRemote(ctx, actor.Remote{ID: "a", KeyIDs: []string{"a#1"}}))
		for _, id := range []string{"", "A", "a#1"} {
			_, err := s.Remote(ctx, id)
			want(t, fmt.Sprintf("actor %q", id), err, actor.ErrNotFound)
		}
		for _, id := range []string{"", "A#1", "a"} {
			_, err := s.RemoteByKey(ctx, id)
			want(t, fmt.Sprintf("key %q", id), err, actor.ErrNotFound)
		}
	}},
	{"an actor that is put again is replaced, keys included", func(t *testing.T, ctx context.Context, s actor.Remotes) {
		ok(t, s.PutRemote(ctx, actor.Remote{ID: "a", Document: []byte("one"), KeyIDs: []string{"a#1", "a#2"}, Fetched: start, Gone: start}))
		ok(t, s.PutRemote(ctx, actor.Remote{ID: "b", KeyIDs: []string{"b#1"}}))
		second := actor.Remote{ID: "a", Document: []byte("two"), KeyIDs: []string{"a#2", "a#3", "a#3"}, Fetched: start.Add(time.Hour)}
		ok(t, s.PutRemote(ctx, second))
		equal(t, "actor", remote(t, ctx, s, "a"), second)
		_, err := s.RemoteByKey(ctx, "a#1")
		want(t, "old key", err, actor.ErrNotFound)
		for key, owner := range map[string]string{"a#2": "a", "a#3": "a", "b#1": "b"} {
			equal(t, "owner of "+key, keyOwner(t, ctx, s, key), owner)
		}
	}},
	{"of ten simultaneous puts of an actor one remains whole", func(t *testing.T, ctx context.Context, s actor.Remotes) {
		atOnce(10, func(i int) {
			if err := s.PutRemote(ctx, actor.Remote{ID: "a", Document: []byte{byte(i)}, KeyIDs: []string{fmt.Sprint("a#", i)}}); err != nil {
				t.Error(err)
			}
		})
		r := remote(t, ctx, s, "a")
		exactly(t, 1, r.Document)
		for i := range 10 {
			found, err := s.RemoteByKey(ctx, fmt.Sprint("a#", i))
			if i == int(r.Document[0]) {
				ok(t, err)
				equal(t, "actor", found.Document, r.Document)
			} else {
				want(t, "another's key", err, actor.ErrNotFound)
			}
		}
	}},
	{"a deleted actor is gone and its keys too", func(t *testing.T, ctx context.Context, s actor.Remotes) {
		ok(t, s.PutRemote(ctx, actor.Remote{ID: "a", KeyIDs: []string{"a#1", "shared"}}))
		ok(t, s.PutRemote(ctx, actor.Remote{ID: "b", KeyIDs: []string{"shared"}}))
		if owner := keyOwner(t, ctx, s, "shared"); owner != "a" && owner != "b" {
			t.Errorf("a key that both list is %q's", owner)
		}
		for range 2 { // the second time there is none
			ok(t, s.DeleteRemote(ctx, "a"))
		}
		_, err := s.Remote(ctx, "a")
		want(t, "actor", err, actor.ErrNotFound)
		_, err = s.RemoteByKey(ctx, "a#1")
		want(t, "key", err, actor.ErrNotFound)
		equal(t, "owner of the other key", keyOwner(t, ctx, s, "shared"), "b")
	}},
	{"an actor that is put again without validators and handle has none", func(t *testing.T, ctx context.Context, s actor.Remotes) {
		ok(t, s.PutRemote(ctx, actor.Remote{ID: "a", ETag: `"1"`, LastModified: "then", Handle: "a@a.test", Proved: start, Fetched: start}))
		ok(t, s.PutRemote(ctx, actor.Remote{ID: "a", Fetched: start}))
		equal(t, "actor", remote(t, ctx, s, "a"), actor.Remote{ID: "a", Fetched: start})
	}},
	{"old actors are pruned with their keys, and no others", func(t *testing.T, ctx context.Context, s actor.Remotes) {
		day := 24 * time.Hour
		for _, r := range []actor.Remote{
			{ID: "young", KeyIDs: []string{"young#1"}, Fetched: start},
			{ID: "at the time", Fetched: start.Add(-day)},
			{ID: "old", KeyIDs: []string{"old#1"}, Fetched: start.Add(-2 * day)},
			{ID: "old and gone of late", Fetched: start.Add(-2 * day), Gone: start},
			{ID: "long gone", KeyIDs: []string{"gone#1"}, Fetched: start.Add(-3 * day), Gone: start.Add(-2 * day)},
			{ID: "never fetched"},
		} {
			ok(t, s.PutRemote(ctx, r))
		}
		n, err := s.PruneRemotes(ctx, start.Add(-day), 2)
		ok(t, err)
		equal(t, "pruned of three, two at most", n, 2)
		n, err = s.PruneRemotes(ctx, start.Add(-day), 2)
		ok(t, err)
		equal(t, "pruned of the one that is left", n, 1)
		n, err = s.PruneRemotes(ctx, start.Add(-day), 2)
		ok(t, err)
		equal(t, "pruned again", n, 0)
		for _, id := range []string{"young", "at the time", "old and gone of late"} {
			remote(t, ctx, s, id)
		}
		for _, id := range []string{"old", "long gone", "never fetched"} {
			_, err := s.Remote(ctx, id)
			want(t, id, err, actor.ErrNotFound)
		}
		equal(t, "owner of a young key", keyOwner(t, ctx, s, "young#1"), "young")
		for _, key := range []string{"old#1", "gone#1"} {
			_, err := s.RemoteByKey(ctx, key)
			want(t, key, err, actor.ErrNotFound)
		}
	}},
	{"pages of ids neither skip nor repeat, and leave out who is gone", func(t *testing.T, ctx context.Context, s actor.Remotes) {
		for _, id := range []string{"b", "B", "a", "é", "d", "c"} {
			ok(t, s.PutRemote(ctx, actor.Remote{ID: id, Fetched: start}))
		}
		ok(t, s.PutRemote(ctx, actor.Remote{ID: "bb", Fetched: start, Gone: start}))
		var got []string
		for after := ""; ; {
			page, err := s.RemoteIDs(ctx, after, 2)
			ok(t, err)
			got = append(got, page...)
			if len(page) < 2 {
				break
			}
			after = page[1]
		}
		equal(t, "ids", got, []string{"B", "a", "b", "c", "d", "é"})
	}},
	{"what is given and returned is the caller's", func(t *testing.T, ctx context.Context, s actor.Remotes) {
		fresh := func() actor.Remote {
			return actor.Remote{ID: "a", Document: []byte("doc"), KeyIDs: []string{"a#1"}}
		}
		spoil := func(r actor.Remote) { r.Document[0], r.KeyIDs[0] = 'X', "X" }
		r := fresh()
		ok(t, s.PutRemote(ctx, r))
		spoil(r)
		equal(t, "actor", remote(t, ctx, s, "a"), fresh())
		spoil(remote(t, ctx, s, "a"))
		equal(t, "actor", remote(t, ctx, s, "a"), fresh())
		r, err := s.RemoteByKey(ctx, "a#1")
		ok(t, err)
		equal(t, "actor by its key", r, fresh())
		spoil(r)
		equal(t, "actor", remote(t, ctx, s, "a"), fresh())
	}},
}

func remote(t *testing.T, ctx context.Context, s actor.Remotes, id string) actor.Remote {
	t.Helper()
	r, err := s.Remote(ctx, id)
	ok(t, err)
	r.Document, r.KeyIDs = some(r.Document), some(r.KeyIDs)
	r.Fetched, r.Gone = r.Fetched.UTC(), r.Gone.UTC()
	return r
}

func keyOwner(t *testing.T, ctx context.Context, s actor.Remotes, keyID string) string {
	t.Helper()
	r, err := s.RemoteByKey(ctx, keyID)
	ok(t, err)
	return r.ID
}
