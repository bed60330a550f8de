package storagetest

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fedihook/fedihook/consent"
)

// RunStamps checks the contract of [consent.Stamps]. Open returns an empty store, which no other check uses.
func RunStamps(t *testing.T, open func(t *testing.T) consent.Stamps) {
	t.Helper()
	run(t, open, stampsChecks)
}

// stamp is one that can be told from all others, first saved.
func stamp(n int) consent.Stamp {
	return consent.Stamp{
		Kind: consent.Quote, Interaction: fmt.Sprintf("https://b.example/%d", n), Target: "https://a.example/post",
		Author: "https://a.example/ada", Actor: "https://b.example/bob", State: consent.Requested, At: start,
	}
}

var stampsChecks = []check[consent.Stamps]{
	{"a stamp comes back as it was saved", func(t *testing.T, ctx context.Context, s consent.Stamps) {
		full := consent.Stamp{
			Kind: consent.Announce, Interaction: odd + "i", Target: odd + "t", Author: odd + "a", Actor: odd, ID: odd + "id",
			Request: odd + "r", State: consent.Revoked, Audience: []string{odd, ""}, Theirs: true, At: start,
		}
		for n, put := range []consent.Stamp{full, {}} {
			ok(t, s.SaveStamp(ctx, put))
			put.Seq, put.Version = int64(n)+1, 1
			got := stampOf(t, ctx, s, put)
			if put.Seq = got.Seq; got.Seq <= 0 {
				t.Fatalf("Seq %d", got.Seq)
			}
			equal(t, "stamp", got, put)
			equal(t, "listed", exactly(t, 1, stamps(t, ctx, s, consent.Query{After: got.Seq - 1}))[0], put)
		}
	}},
	{"what is not there is ErrNone", func(t *testing.T, ctx context.Context, s consent.Stamps) {
		ok(t, s.SaveStamp(ctx, stamp(1)))
		for _, none := range []consent.Stamp{
			{Kind: consent.Reply, Interaction: stamp(1).Interaction, Target: stamp(1).Target},
			{Kind: consent.Quote, Interaction: stamp(2).Interaction, Target: stamp(1).Target},
			{Kind: consent.Quote, Interaction: stamp(1).Interaction, Target: "https://a.example/other"},
		} {
			_, err := s.Stamp(ctx, none.Kind, none.Interaction, none.Target)
			want(t, "stamp that was never saved", err, consent.ErrNone)
		}
	}},
	{"one is replaced by who has read it and by nobody else", func(t *testing.T, ctx context.Context, s consent.Stamps) {
		ok(t, s.SaveStamp(ctx, stamp(1)))
		want(t, "first save of what is there", s.SaveStamp(ctx, stamp(1)), consent.ErrStale)
		ok(t, s.SaveStamp(ctx, stamp(2)))
		first := stampOf(t, ctx, s, stamp(1))
		second := first
		second.State, second.ID, second.Request, second.Audience = consent.Granted, "https://a.example/stamps/1", "https://b.example/ask", []string{"c"}
		second.Author, second.Actor, second.At, second.Theirs = "https://a.example/eve", "https://b.example/ben", start.Add(time.Hour), true
		ok(t, s.SaveStamp(ctx, second))
		again := stampOf(t, ctx, s, stamp(1))
		second.Version = again.Version
		equal(t, "replaced", again, second)
		first.State = consent.Refused
		want(t, "save of an old version", s.SaveStamp(ctx, first), consent.ErrStale)
		equal(t, "after that", stampOf(t, ctx, s, stamp(1)), second)
		equal(t, "the other one", stampOf(t, ctx, s, stamp(2)).State, consent.Requested)
	}},
	{"what was never there can't be replaced", func(t *testing.T, ctx context.Context, s consent.Stamps) {
		one := stamp(1)
		one.Version = 3
		want(t, "save", s.SaveStamp(ctx, one), consent.ErrStale)
		equal(t, "stamps", len(stamps(t, ctx, s, consent.Query{})), 0)
	}},
	{"of ten who save at once one wins", func(t *testing.T, ctx context.Context, s consent.Stamps) {
		for round := range 2 { // adding, then replacing
			var won atomic.Int64
			base := stamp(1)
			if round > 0 {
				base = stampOf(t, ctx, s, base)
			}
			atOnce(10, func(i int) {
				mine := base
				mine.ID = fmt.Sprint(i)
				if s.SaveStamp(ctx, mine) == nil {
					won.Add(1)
				}
			})
			equal(t, "winners", won.Load(), 1)
		}
		exactly(t, 1, stamps(t, ctx, s, consent.Query{}))
	}},
	{"a query selects by each of its fields", func(t *testing.T, ctx context.Context, s consent.Stamps) {
		base := stamp(1)
		base.ID, base.Request = "https://a.example/stamps/1", "https://b.example/ask"
		for i, change := range []func(*consent.Stamp){
			func(*consent.Stamp) {},
			func(s *consent.Stamp) { s.Kind = consent.Like },
			func(s *consent.Stamp) { s.Interaction += "x" },
			func(s *consent.Stamp) { s.Target += "x" },
			func(s *consent.Stamp) { s.State = consent.Granted; s.Interaction += "state" },
			func(s *consent.Stamp) { s.Author += "x"; s.Interaction += "author" },
			func(s *consent.Stamp) { s.Actor += "x"; s.Interaction += "actor" },
			func(s *consent.Stamp) { s.ID += "x"; s.Interaction += "id" },
			func(s *consent.Stamp) { s.Request += "x"; s.Interaction += "request" },
		} {
			one := base
			one.Audience = []string{fmt.Sprint(i)}
			change(&one)
			ok(t, s.SaveStamp(ctx, one))
		}
		for name, c := range map[string]struct {
			q       consent.Query
			without string // the one that it leaves out
		}{
			"Kind": {consent.Query{Kind: base.Kind}, "1"}, "Target": {consent.Query{Target: base.Target}, "3"},
			"State": {consent.Query{State: base.State}, "4"}, "Author": {consent.Query{Author: base.Author}, "5"},
			"Actor": {consent.Query{Actor: base.Actor}, "6"}, "ID": {consent.Query{ID: base.ID}, "7"},
			"Request": {consent.Query{Request: base.Request}, "8"},
		} {
			for _, got := range exactly(t, 8, stamps(t, ctx, s, c.q)) {
				if slices.Contains(got.Audience, c.without) {
					t.Fatalf("%s lets %+v through", name, got)
				}
			}
		}
		exactly(t, 3, stamps(t, ctx, s, consent.Query{Interaction: base.Interaction}))
		exactly(t, 9, stamps(t, ctx, s, consent.Query{}))
		all := consent.Query{
			Kind: base.Kind, State: base.State, Interaction: base.Interaction, Target: base.Target, Author: base.Author, Actor: base.Actor,
			ID: base.ID, Request: base.Request,
		}
		equal(t, "all at once", exactly(t, 1, stamps(t, ctx, s, all))[0].Audience, []string{"0"})
	}},
	{"pages come in order and none is left out", func(t *testing.T, ctx context.Context, s consent.Stamps) {
		for i := range 150 {
			ok(t, s.SaveStamp(ctx, stamp(i)))
		}
		moved := stampOf(t, ctx, s, stamp(3)) // what is saved again keeps its place
		ok(t, s.SaveStamp(ctx, moved))
		equal(t, "page without a limit", len(stamps(t, ctx, s, consent.Query{})), 100)
		after, n := int64(0), 0
		for {
			page := stamps(t, ctx, s, consent.Query{Target: stamp(0).Target, After: after, Limit: 40})
			for _, one := range page {
				equal(t, "order", one.Interaction, stamp(n).Interaction)
				if one.Seq <= after {
					t.Fatalf("Seq %d after %d", one.Seq, after)
				}
				after, n = one.Seq, n+1
			}
			if len(page) < 40 {
				break
			}
		}
		equal(t, "stamps", n, 150)
	}},
	{"what is old and theirs is forgotten, and nothing else", func(t *testing.T, ctx context.Context, s consent.Stamps) {
		for i, at := range []time.Time{start, start.Add(-time.Microsecond), start.Add(-time.Hour)} {
			for j, theirs := range []bool{false, true} {
				one := stamp(10*i + j)
				one.At, one.Theirs = at, theirs
				ok(t, s.SaveStamp(ctx, one))
			}
		}
		ok(t, s.ForgetStamps(ctx, start))
		var left []string
		for _, one := range stamps(t, ctx, s, consent.Query{}) {
			left = append(left, one.Interaction)
		}
		equal(t, "left", left, []string{stamp(0).Interaction, stamp(1).Interaction, stamp(10).Interaction, stamp(20).Interaction})
		ok(t, s.SaveStamp(ctx, stamp(11))) // and may come again
	}},
}

func stampOf(t *testing.T, ctx context.Context, s consent.Stamps, like consent.Stamp) consent.Stamp {
	t.Helper()
	got, err := s.Stamp(ctx, like.Kind, like.Interaction, like.Target)
	ok(t, err)
	got.At, got.Audience = got.At.UTC(), some(got.Audience)
	if got.At.IsZero() {
		got.At = time.Time{}
	}
	return got
}

func stamps(t *testing.T, ctx context.Context, s consent.Stamps, q consent.Query) []consent.Stamp {
	t.Helper()
	list, err := s.Stamps(ctx, q)
	ok(t, err)
	for i := range list {
		list[i].At, list[i].Audience = list[i].At.UTC(), some(list[i].Audience)
		if list[i].At.IsZero() {
			list[i].At = time.Time{}
		}
	}
	return list
}
