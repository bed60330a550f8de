package storagetest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/fedihook/fedihook/actor"
)

// RunMoves checks the contract of [actor.Moves]. Open returns an empty store, which no other check uses.
func RunMoves(t *testing.T, open func(t *testing.T) actor.Moves) {
	t.Helper()
	run(t, open, movesChecks)
}

func aMove(from string) actor.Move {
	return actor.Move{From: from, To: "https://b.example/bob", ID: from + "#move", At: start, Step: actor.MoveAsking}
}

var movesChecks = []check[actor.Moves]{
	{"a move comes back as it was added, with a version", func(t *testing.T, ctx context.Context, s actor.Moves) {
		for _, m := range []actor.Move{
			{From: odd, To: odd + "to", ID: odd + "id", At: start, Back: start.Add(time.Hour), Followers: 1 << 40, There: 7, Step: actor.MoveEnding, After: 1 << 41},
			{From: "https://zero.example/"},
		} {
			got, err := s.AddMove(ctx, m, time.Time{})
			ok(t, err)
			m.Version = 1
			equal(t, "what AddMove returns", utc(got), m)
			equal(t, "the move", moveFrom(t, ctx, s, m.From), m)
		}
	}},
	{"what was never added is not found", func(t *testing.T, ctx context.Context, s actor.Moves) {
		addMove(t, ctx, s, aMove("https://a.example/alice"))
		for _, from := range []string{"", "https://a.example/Alice", "https://b.example/bob"} {
			_, err := s.Move(ctx, from)
			want(t, "move of "+from, err, actor.ErrNotFound)
		}
	}},
	{"a move takes the place of one that is older than since, and of no other", func(t *testing.T, ctx context.Context, s actor.Moves) {
		first := addMove(t, ctx, s, aMove("https://a.example/alice"))
		second := aMove(first.From)
		second.To, second.ID, second.At = "https://c.example/", "second", start.Add(time.Hour)
		for _, since := range []time.Time{{}, start.Add(-time.Microsecond)} {
			got, err := s.AddMove(ctx, second, since)
			ok(t, err)
			equal(t, "the move that is too young to go", utc(got), first)
		}
		got, err := s.AddMove(ctx, second, start)
		ok(t, err)
		second.Version = 1
		equal(t, "the new move", utc(got), second)
		equal(t, "the move", moveFrom(t, ctx, s, first.From), second)
	}},
	{"a move that is added again stays as it is", func(t *testing.T, ctx context.Context, s actor.Moves) {
		m := addMove(t, ctx, s, aMove("https://a.example/alice"))
		m.After, m.Step = 9, actor.MoveEnding
		saved(t, ctx, s, m, true)
		m.Version++
		got, err := s.AddMove(ctx, aMove(m.From), start.Add(time.Hour))
		ok(t, err)
		equal(t, "the move", utc(got), m)
	}},
	{"of ten simultaneous moves of one actor all are told of the same", func(t *testing.T, ctx context.Context, s actor.Moves) {
		var mu sync.Mutex
		got := map[string]bool{}
		atOnce(10, func(i int) {
			m := aMove("https://a.example/alice")
			m.ID = fmt.Sprint(i)
			kept, err := s.AddMove(ctx, m, start.Add(-time.Hour))
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			got[kept.ID] = true
		})
		equal(t, "moves that were returned", len(got), 1)
		equal(t, "is the one that is kept", got[moveFrom(t, ctx, s, "https://a.example/alice").ID], true)
	}},
	{"a move is saved by who knows how it is", func(t *testing.T, ctx context.Context, s actor.Moves) {
		m := addMove(t, ctx, s, aMove("https://a.example/alice"))
		other := addMove(t, ctx, s, aMove("https://a.example/other"))
		next := m
		next.Back, next.Followers, next.There, next.Step, next.After = start.Add(time.Minute), 3, 4, actor.MoveDone, 5
		changed := next
		changed.To, changed.At = "https://c.example/", start.Add(time.Hour) // which are left alone
		saved(t, ctx, s, changed, true)
		next.Version = 2
		equal(t, "the move", moveFrom(t, ctx, s, m.From), next)
		equal(t, "another one", moveFrom(t, ctx, s, other.From), other)
		saved(t, ctx, s, m, false) // of the version before
		later := next
		later.ID, later.After = "another", 99
		saved(t, ctx, s, later, false)
		later = next
		later.From, later.After = "https://nobody.example/", 99
		saved(t, ctx, s, later, false)
		equal(t, "the move", moveFrom(t, ctx, s, m.From), next)
	}},
	{"pages select and ascend by from", func(t *testing.T, ctx context.Context, s actor.Moves) {
		for i := range 250 {
			m := aMove(fmt.Sprintf("https://a.example/%03d", 249-i))
			if i%2 == 0 {
				m.To = "https://c.example/"
			}
			if i%5 == 0 {
				m.Step = actor.MoveDone
			}
			addMove(t, ctx, s, m)
		}
		for name, c := range map[string]struct {
			q     actor.MoveQuery
			count int
		}{
			"all": {actor.MoveQuery{}, 250}, "by target": {actor.MoveQuery{To: "https://c.example/"}, 125},
			"unfinished": {actor.MoveQuery{Unfinished: true}, 200}, "both": {actor.MoveQuery{To: "https://c.example/", Unfinished: true, Limit: 7}, 100},
			"nowhere": {actor.MoveQuery{To: "https://d.example/"}, 0}, "the rest": {actor.MoveQuery{After: "https://a.example/199"}, 50},
		} {
			n, last := 0, c.q.After
			for q := c.q; ; {
				page, err := s.ListMoves(ctx, q)
				ok(t, err)
				limit := q.Limit
				if limit == 0 {
					limit = 100
				}
				if len(page) > limit {
					t.Fatalf("%s: a page of %d, limit %d", name, len(page), limit)
				}
				for _, m := range page {
					if m.From <= last || c.q.To != "" && m.To != c.q.To || c.q.Unfinished && m.Step == actor.MoveDone {
						t.Fatalf("%s: %+v after %s", name, m, last)
					}
					last = m.From
				}
				n += len(page)
				q.After = last
				if len(page) < limit {
					break
				}
			}
			equal(t, name, n, c.count)
		}
	}},
}

func addMove(t *testing.T, ctx context.Context, s actor.Moves, m actor.Move) actor.Move {
	t.Helper()
	got, err := s.AddMove(ctx, m, time.Time{})
	ok(t, err)
	return utc(got)
}

func saved(t *testing.T, ctx context.Context, s actor.Moves, m actor.Move, is bool) {
	t.Helper()
	got, err := s.SaveMove(ctx, m)
	ok(t, err)
	equal(t, "was saved", got, is)
}

func moveFrom(t *testing.T, ctx context.Context, s actor.Moves, from string) actor.Move {
	t.Helper()
	m, err := s.Move(ctx, from)
	ok(t, err)
	return utc(m)
}

func utc(m actor.Move) actor.Move {
	m.At, m.Back = m.At.UTC(), m.Back.UTC()
	return m
}
