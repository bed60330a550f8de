package storagetest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/fedihook/fedihook/actor"
)

// RunFollowers checks the contract of [actor.Followers]. Open returns an empty store, which no other check uses.
func RunFollowers(t *testing.T, open func(t *testing.T) actor.Followers) {
	t.Helper()
	run(t, open, followersChecks)
}

var followersChecks = []check[actor.Followers]{
	{"a follow comes back as it was put", func(t *testing.T, ctx context.Context, s actor.Followers) {
		for _, f := range []actor.Follow{
			{Follower: odd + "1", Followed: odd + "2", ID: odd + "3", State: actor.Accepted, Inbox: odd + "4", SharedInbox: odd + "5", At: start, Seq: 99},
			{Follower: "a", Followed: "b"},
			{},
		} {
			ok(t, s.PutFollow(ctx, f))
			got := follow(t, ctx, s, f.Follower, f.Followed)
			if got.Seq <= 0 || got.Seq == 99 {
				t.Errorf("Seq is %d", got.Seq)
			}
			f.Seq = got.Seq
			equal(t, "follow", got, f)
		}
	}},
	{"what was never put is not found", func(t *testing.T, ctx context.Context, s actor.Followers) {
		ok(t, s.PutFollow(ctx, actor.Follow{Follower: "a", Followed: "b", ID: "i"}))
		for _, pair := range [][2]string{{"b", "a"}, {"a", ""}, {"", "b"}, {"A", "b"}} {
			_, err := s.Follow(ctx, pair[0], pair[1])
			want(t, fmt.Sprint("pair ", pair), err, actor.ErrNotFound)
		}
		ok(t, s.PutFollow(ctx, actor.Follow{Follower: "c", Followed: "b"})) // without an id
		for _, id := range []string{"j", "I", ""} {
			_, err := s.FollowByID(ctx, id)
			want(t, fmt.Sprintf("id %q", id), err, actor.ErrNotFound)
		}
	}},
	{"a follow that is replaced keeps its Seq", func(t *testing.T, ctx context.Context, s actor.Followers) {
		ok(t, s.PutFollow(ctx, actor.Follow{Follower: "a", Followed: "b", ID: "1", State: actor.Accepted, Inbox: "i", SharedInbox: "s", At: start}))
		ok(t, s.PutFollow(ctx, actor.Follow{Follower: "c", Followed: "b"}))
		seq := follow(t, ctx, s, "a", "b").Seq
		if next := follow(t, ctx, s, "c", "b").Seq; next <= seq {
			t.Errorf("Seq %d after %d", next, seq)
		}
		second := actor.Follow{Follower: "a", Followed: "b", ID: "2", State: actor.Pending}
		ok(t, s.PutFollow(ctx, second))
		second.Seq = seq
		equal(t, "follow", follow(t, ctx, s, "a", "b"), second)
		_, err := s.FollowByID(ctx, "1")
		want(t, "by the old id", err, actor.ErrNotFound)
		count(t, ctx, s, actor.FollowQuery{Followed: "b"}, 2)
	}},
	{"of ten simultaneous follows of a pair one is kept", func(t *testing.T, ctx context.Context, s actor.Followers) {
		atOnce(10, func(i int) {
			if err := s.PutFollow(ctx, actor.Follow{Follower: "a", Followed: "b", ID: fmt.Sprint(i)}); err != nil {
				t.Error(err)
			}
		})
		count(t, ctx, s, actor.FollowQuery{}, 1)
		f := follow(t, ctx, s, "a", "b")
		equal(t, "follows", page(t, ctx, s, actor.FollowQuery{}), []actor.Follow{f})
	}},
	{"a deleted follow is gone and its number too", func(t *testing.T, ctx context.Context, s actor.Followers) {
		var last int64
		for range 3 {
			ok(t, s.PutFollow(ctx, actor.Follow{Follower: "a", Followed: "b", ID: "i"}))
			f := follow(t, ctx, s, "a", "b")
			if f.Seq <= last {
				t.Errorf("Seq %d after %d", f.Seq, last)
			}
			last = f.Seq
			ok(t, s.DeleteFollow(ctx, "b", "a")) // there is none
			follow(t, ctx, s, "a", "b")
			for range 2 {
				ok(t, s.DeleteFollow(ctx, "a", "b"))
			}
			_, err := s.Follow(ctx, "a", "b")
			want(t, "pair", err, actor.ErrNotFound)
			_, err = s.FollowByID(ctx, "i")
			want(t, "id", err, actor.ErrNotFound)
			count(t, ctx, s, actor.FollowQuery{}, 0)
		}
	}},
	{"a follow is found by its id, of several the first", func(t *testing.T, ctx context.Context, s actor.Followers) {
		for _, follower := range []string{"z", "a", "m"} {
			ok(t, s.PutFollow(ctx, actor.Follow{Follower: follower, Followed: "b", ID: odd}))
		}
		for _, follower := range []string{"z", "a", "m"} {
			f, err := s.FollowByID(ctx, odd)
			ok(t, err)
			f.At = f.At.UTC()
			equal(t, "follow", f, follow(t, ctx, s, follower, "b"))
			ok(t, s.DeleteFollow(ctx, follower, "b"))
		}
	}},
	{"a query selects by follower, followed and state", func(t *testing.T, ctx context.Context, s actor.Followers) {
		for i, f := range []actor.Follow{
			{Follower: "a", Followed: "b", State: actor.Accepted},
			{Follower: "a", Followed: "c", State: actor.Pending},
			{Follower: "b", Followed: "a", State: actor.Accepted},
			{Follower: "d", Followed: "b", State: actor.Pending},
			{Follower: "a", Followed: "d", State: actor.Accepted},
		} {
			f.ID = fmt.Sprint(i)
			ok(t, s.PutFollow(ctx, f))
		}
		for _, c := range []struct {
			q   actor.FollowQuery
			ids []string
		}{
			{actor.FollowQuery{}, []string{"0", "1", "2", "3", "4"}},
			{actor.FollowQuery{Follower: "a"}, []string{"0", "1", "4"}},
			{actor.FollowQuery{Follower: "a", State: actor.Accepted}, []string{"0", "4"}},
			{actor.FollowQuery{Followed: "b"}, []string{"0", "3"}},
			{actor.FollowQuery{Followed: "b", State: actor.Pending}, []string{"3"}},
			{actor.FollowQuery{Follower: "a", Followed: "b"}, []string{"0"}},
			{actor.FollowQuery{State: actor.Pending}, []string{"1", "3"}},
			{actor.FollowQuery{Follower: "b", Followed: "b"}, nil},
			{actor.FollowQuery{Follower: "A"}, nil},
		} {
			equal(t, fmt.Sprintf("%+v", c.q), followIDs(page(t, ctx, s, c.q)), c.ids)
			count(t, ctx, s, c.q, len(c.ids))
		}
	}},
	{"pages neither skip nor repeat", func(t *testing.T, ctx context.Context, s actor.Followers) {
		const n = 105
		var ids []string
		for i := range n {
			id := fmt.Sprint(i)
			ids = append(ids, id)
			ok(t, s.PutFollow(ctx, actor.Follow{Follower: "f" + id, Followed: "b", ID: id, State: actor.Pending}))
			ok(t, s.PutFollow(ctx, actor.Follow{Follower: "f" + id, Followed: "other"}))
		}
		q := actor.FollowQuery{Followed: "b", Limit: 10}
		var got []string
		for len(got) < n {
			list := page(t, ctx, s, q)
			got = append(got, followIDs(list)...)
			if len(list) < q.Limit {
				break
			}
			for _, f := range list { // accepted meanwhile, it stays where it was
				f.State = actor.Accepted
				ok(t, s.PutFollow(ctx, f))
			}
			ok(t, s.DeleteFollow(ctx, list[0].Follower, "b"))
			q.After = list[len(list)-1].Seq
		}
		equal(t, "ids", got, ids)
		count(t, ctx, s, q, n-10)
		q = actor.FollowQuery{Followed: "other"}
		equal(t, "a page without a limit", len(page(t, ctx, s, q)), 100)
		count(t, ctx, s, actor.FollowQuery{Followed: "other", Limit: 1, After: 1 << 40}, n)
	}},
	{"inboxes of accepted followers come once each", func(t *testing.T, ctx context.Context, s actor.Followers) {
		takePost(t, ctx, s, "b")
		for _, f := range []actor.Follow{
			{Follower: "1", Inbox: "i1", SharedInbox: "s"},
			{Follower: "2", Inbox: "i2", SharedInbox: "s"},
			{Follower: "3", Inbox: "i3"},
			{Follower: "4", Inbox: "i3"},
			{Follower: "5", Inbox: "I3"},
			{Follower: "6", Inbox: odd},
			{Follower: "7", Inbox: "i7", SharedInbox: odd + "s"},
			{Follower: "8", Inbox: "pending", State: actor.Pending},
			{Follower: "9", Followed: "other", Inbox: "i9"},
			{Follower: "b", Followed: "9", Inbox: "i10"},
		} {
			f.Followed, f.State = cmp.Or(f.Followed, "b"), cmp.Or(f.State, actor.Accepted)
			ok(t, s.PutFollow(ctx, f))
		}
		takePost(t, ctx, s, "b", "s", "i3", "I3", odd, odd+"s")
		takePost(t, ctx, s, "B")
		takePost(t, ctx, s, "")
		for _, ours := range []string{"10", "11"} {
			ok(t, s.PutFollow(ctx, actor.Follow{Follower: ours, Followed: "b", State: actor.Accepted}))
		}
		takePost(t, ctx, s, "b", "", "s", "i3", "I3", odd, odd+"s")
		for range s.Inboxes(ctx, "b") {
			break // and nothing more is asked for
		}
	}},
	{"an inbox goes with the last follower who takes post there", func(t *testing.T, ctx context.Context, s actor.Followers) {
		put := func(follower, inbox, shared string, state actor.FollowState) {
			t.Helper()
			ok(t, s.PutFollow(ctx, actor.Follow{Follower: follower, Followed: "b", State: state, Inbox: inbox, SharedInbox: shared}))
		}
		put("1", "i1", "s", actor.Pending)
		takePost(t, ctx, s, "b")
		put("1", "i1", "s", actor.Accepted)
		put("2", "i2", "s", actor.Accepted)
		put("2", "i2", "s", actor.Accepted)
		takePost(t, ctx, s, "b", "s")
		ok(t, s.DeleteFollow(ctx, "2", "b"))
		takePost(t, ctx, s, "b", "s")
		put("1", "i1", "", actor.Accepted)
		takePost(t, ctx, s, "b", "i1")
		put("2", "i2", "s", actor.Accepted)
		put("1", "elsewhere", "", actor.Accepted)
		takePost(t, ctx, s, "b", "elsewhere", "s")
		put("1", "elsewhere", "s", actor.Accepted)
		put("2", "i2", "s", actor.Pending)
		takePost(t, ctx, s, "b", "s")
		put("1", "elsewhere", "new", actor.Pending)
		takePost(t, ctx, s, "b")
		put("1", "elsewhere", "", actor.Accepted)
		takePost(t, ctx, s, "b", "elsewhere")
		for _, follower := range []string{"1", "1", "2"} {
			ok(t, s.DeleteFollow(ctx, follower, "b"))
		}
		takePost(t, ctx, s, "b")
	}},
	{"inboxes may be changed while they are walked", func(t *testing.T, ctx context.Context, s actor.Followers) {
		const n = 30
		f := actor.Follow{Followed: "b", State: actor.Accepted}
		var want []string
		for i := range n {
			f.Follower, f.Inbox = fmt.Sprint("f", i), fmt.Sprint("i", i)
			want = append(want, f.Inbox)
			ok(t, s.PutFollow(ctx, f))
		}
		got := map[string]int{}
		for url, err := range s.Inboxes(ctx, "b") {
			ok(t, err)
			if got[url]++; len(got)%5 == 0 && url[0] == 'i' {
				f.Follower, f.Inbox = fmt.Sprint("g", len(got)), fmt.Sprint("j", len(got))
				ok(t, s.PutFollow(ctx, f))
				ok(t, s.DeleteFollow(ctx, "f"+url[1:], "b")) // it was seen
			}
		}
		for _, url := range want {
			if got[url] != 1 {
				t.Errorf("%s came %d times", url, got[url])
			}
		}
	}},
	{"a version, if there are any, is another one after each change of somebody's followers", func(t *testing.T, ctx context.Context, s actor.Followers) {
		versions, can := s.(actor.FollowersVersions)
		if !can {
			return
		}
		seen := make(map[int64]bool)
		var last int64
		changed := func(what string, some bool) {
			t.Helper()
			v, err := versions.FollowersVersion(ctx, "u")
			ok(t, err)
			if some == (v == 0) || some && seen[v] {
				t.Errorf("%s: version %d", what, v)
			}
			seen[v], last = true, v
		}
		changed("nobody follows", false)
		for range 3 {
			for _, follower := range []string{"a", "b", "b"} {
				ok(t, s.PutFollow(ctx, actor.Follow{Follower: follower, Followed: "u"}))
				changed("a follow was put", true)
			}
			ok(t, s.PutFollow(ctx, actor.Follow{Follower: "u", Followed: "other"}))
			v, err := versions.FollowersVersion(ctx, "u")
			ok(t, err)
			equal(t, "version after one of another's", v, last)
			for i, follower := range []string{"a", "b"} {
				ok(t, s.DeleteFollow(ctx, follower, "u"))
				changed("a follow was deleted", i == 0)
			}
		}
	}},
}

func follow(t *testing.T, ctx context.Context, s actor.Followers, follower, followed string) actor.Follow {
	t.Helper()
	f, err := s.Follow(ctx, follower, followed)
	ok(t, err)
	f.At = f.At.UTC()
	return f
}

// takePost checks where all followers of an actor do.
func takePost(t *testing.T, ctx context.Context, s actor.Followers, followed string, want ...string) {
	t.Helper()
	var got []string
	for url, err := range s.Inboxes(ctx, followed) {
		ok(t, err)
		got = append(got, url)
	}
	slices.Sort(got)
	slices.Sort(want)
	equal(t, "inboxes of the followers of "+followed, got, want)
}

// page also checks that the follows ascend.
func page(t *testing.T, ctx context.Context, s actor.Followers, q actor.FollowQuery) []actor.Follow {
	t.Helper()
	list, err := s.Follows(ctx, q)
	ok(t, err)
	last := q.After
	for i, f := range list {
		if f.Seq <= last {
			t.Fatalf("%+v: Seq %d after %d", q, f.Seq, last)
		}
		last = f.Seq
		list[i].At = f.At.UTC()
	}
	return list
}

func count(t *testing.T, ctx context.Context, s actor.Followers, q actor.FollowQuery, want int) {
	t.Helper()
	n, err := s.CountFollows(ctx, q)
	ok(t, err)
	if n != int64(want) {
		t.Fatalf("%+v counts %d follows, want %d", q, n, want)
	}
}

func followIDs(list []actor.Follow) []string {
	var ids []string
	for _, f := range list {
		ids = append(ids, f.ID)
	}
	return ids
}
