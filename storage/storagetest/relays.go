package storagetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/fedihook/fedihook/outbox"
)

// RunRelays checks the contract of [outbox.Relays]. Open returns an empty store, which no other check uses.
func RunRelays(t *testing.T, open func(t *testing.T) outbox.Relays) {
	t.Helper()
	run(t, open, relaysChecks)
}

func aRelay(n int) outbox.Relay {
	origin := fmt.Sprintf("https://relay%d.example", n)
	return outbox.Relay{
		ID: origin + "/inbox", Style: outbox.MastodonRelay, Inbox: origin + "/inbox", FollowID: fmt.Sprintf("https://here.example/%d", n),
		State: outbox.RelayPending, Wanted: true, At: start,
	}
}

func relays(t *testing.T, ctx context.Context, s outbox.Relays) []outbox.Relay {
	t.Helper()
	list, err := s.Relays(ctx)
	ok(t, err)
	return list
}

var relaysChecks = []check[outbox.Relays]{
	{"a relay comes back as it was put", func(t *testing.T, ctx context.Context, s outbox.Relays) {
		equal(t, "relays of an empty store", len(relays(t, ctx, s)), 0)
		first := outbox.Relay{ID: "", State: outbox.RelayRejected}
		second := outbox.Relay{
			ID: odd, Style: outbox.LitePubRelay, Inbox: odd + "inbox", Actor: odd + "actor", FollowID: odd + "follow",
			State: outbox.RelayAccepted, Wanted: true, At: start,
		}
		ok(t, s.PutRelay(ctx, second))
		ok(t, s.PutRelay(ctx, first))
		equal(t, "relays", relays(t, ctx, s), []outbox.Relay{first, second})
	}},
	{"a relay with the same id is replaced", func(t *testing.T, ctx context.Context, s outbox.Relays) {
		ok(t, s.PutRelay(ctx, aRelay(1)))
		again := aRelay(1)
		again.Style, again.Inbox, again.Actor = outbox.LitePubRelay, "https://other.example/inbox", "https://other.example/actor"
		again.FollowID, again.State, again.Wanted, again.At = "https://here.example/again", outbox.RelayAccepted, false, start.Add(time.Hour)
		ok(t, s.PutRelay(ctx, again))
		equal(t, "relays", relays(t, ctx, s), []outbox.Relay{again})
	}},
	{"of a relay that was sent the same Follow only Wanted changes", func(t *testing.T, ctx context.Context, s outbox.Relays) {
		ok(t, s.PutRelay(ctx, aRelay(1)))
		read := aRelay(1)
		at := start.Add(time.Minute)
		ok(t, s.AnswerRelay(ctx, read.FollowID, "https://relay1.example/actor", outbox.RelayAccepted, at))
		read.Wanted = false
		ok(t, s.PutRelay(ctx, read))
		read.Actor, read.State, read.At = "https://relay1.example/actor", outbox.RelayAccepted, at
		equal(t, "relays", relays(t, ctx, s), []outbox.Relay{read})
	}},
	{"all relays are listed, by id", func(t *testing.T, ctx context.Context, s outbox.Relays) {
		for _, n := range []int{5, 1, 9, 3, 7, 2, 8, 4, 6} {
			ok(t, s.PutRelay(ctx, aRelay(n)))
		}
		for i, r := range exactly(t, 9, relays(t, ctx, s)) {
			equal(t, "a relay", r, aRelay(i+1))
		}
	}},
	{"an answer finds its relay by the Follow", func(t *testing.T, ctx context.Context, s outbox.Relays) {
		ok(t, s.PutRelay(ctx, aRelay(1)))
		ok(t, s.PutRelay(ctx, aRelay(2)))
		at := start.Add(time.Minute)
		ok(t, s.AnswerRelay(ctx, aRelay(2).FollowID, "https://relay2.example/actor", outbox.RelayAccepted, at))
		want := aRelay(2)
		want.Actor, want.State, want.At = "https://relay2.example/actor", outbox.RelayAccepted, at
		equal(t, "relays", relays(t, ctx, s), []outbox.Relay{aRelay(1), want})
	}},
	{"an answer leaves an actor that is known", func(t *testing.T, ctx context.Context, s outbox.Relays) {
		r := aRelay(1)
		r.Actor = "https://relay1.example/actor"
		ok(t, s.PutRelay(ctx, r))
		ok(t, s.AnswerRelay(ctx, r.FollowID, "https://evil.example/actor", outbox.RelayRejected, start))
		r.State = outbox.RelayRejected
		equal(t, "relays", relays(t, ctx, s), []outbox.Relay{r})
	}},
	{"an answer to a Follow that is forgotten changes nothing", func(t *testing.T, ctx context.Context, s outbox.Relays) {
		ok(t, s.PutRelay(ctx, aRelay(1)))
		old := aRelay(2)
		ok(t, s.PutRelay(ctx, old))
		ok(t, s.DeleteRelay(ctx, old.ID))
		want(t, "an answer", s.AnswerRelay(ctx, old.FollowID, "https://relay2.example/actor", outbox.RelayAccepted, start), outbox.ErrNoRelay)
		equal(t, "relays", relays(t, ctx, s), []outbox.Relay{aRelay(1)})
	}},
	{"a deleted relay is gone", func(t *testing.T, ctx context.Context, s outbox.Relays) {
		ok(t, s.PutRelay(ctx, aRelay(1)))
		ok(t, s.PutRelay(ctx, aRelay(2)))
		for range 2 { // the second time there is none
			ok(t, s.DeleteRelay(ctx, aRelay(1).ID))
		}
		equal(t, "relays", relays(t, ctx, s), []outbox.Relay{aRelay(2)})
	}},
	{"of ten simultaneous puts of a relay one is kept", func(t *testing.T, ctx context.Context, s outbox.Relays) {
		atOnce(10, func(i int) {
			r := aRelay(1)
			r.FollowID = fmt.Sprint(i)
			if err := s.PutRelay(ctx, r); err != nil {
				t.Error(err)
			}
		})
		exactly(t, 1, relays(t, ctx, s))
	}},
}
