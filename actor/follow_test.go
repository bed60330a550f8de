package actor_test

import (
	"context"
	"errors"
	"testing"

	"github.com/fedihook/fedihook/actor"
)

// paged serves n follows; while one page is open it refuses another call.
type paged struct {
	actor.Followers
	n     int64
	calls int
	fail  error
}

func (p *paged) Follows(_ context.Context, q actor.FollowQuery) (out []actor.Follow, err error) {
	p.calls++
	if p.fail != nil && p.calls == 2 {
		return nil, p.fail
	}
	for seq := q.After + 1; seq <= p.n && len(out) < q.Limit; seq++ {
		out = append(out, actor.Follow{Followed: q.Followed, Seq: seq, State: q.State})
	}
	return out, nil
}

func TestAllWalksEveryPageOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		n            int64
		limit, calls int
	}{{0, 10, 1}, {9, 10, 1}, {10, 10, 2}, {25, 10, 3}, {101, 0, 2}} {
		store := &paged{n: c.n}
		walk := actor.All(t.Context(), store, actor.FollowQuery{Followed: "https://a.test/x", State: actor.Accepted, Limit: c.limit})
		for range 2 {
			store.calls = 0
			var last int64
			for f, err := range walk {
				if err != nil || f.Seq != last+1 || f.Followed != "https://a.test/x" || f.State != actor.Accepted {
					t.Fatalf("%+v, %v after %d", f, err, last)
				}
				last = f.Seq
			}
			if last != c.n || store.calls != c.calls {
				t.Errorf("%d of %d follows in %d calls, want %d", last, c.n, store.calls, c.calls)
			}
		}
	}
}

func TestAllEndsWithAnErrorOrWhenAsked(t *testing.T) {
	t.Parallel()
	store := &paged{n: 100, fail: errors.New("disk on fire")}
	seen, failed := 0, 0
	for _, err := range actor.All(t.Context(), store, actor.FollowQuery{Limit: 10}) {
		if err != nil {
			failed++
			continue
		}
		seen++
	}
	if seen != 10 || failed != 1 {
		t.Errorf("%d follows and %d errors", seen, failed)
	}
	store = &paged{n: 100}
	for range actor.All(t.Context(), store, actor.FollowQuery{Limit: 10}) {
		break
	}
	if store.calls != 1 {
		t.Errorf("%d calls", store.calls)
	}
}
