package fedihook_test

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/outbox"
)

// forgetful are intents that lose those that hold some words, while there is something to lose.
type forgetful struct {
	outbox.Intents
	words []byte
	left  atomic.Int32
}

func (f *forgetful) AddIntent(ctx context.Context, tx outbox.Execer, in outbox.Intent) error {
	if bytes.Contains(in.Activity, f.words) && f.left.Add(-1) >= 0 {
		return errors.New("the disk is full")
	}
	return f.Intents.AddIntent(ctx, tx, in)
}

// Between what is kept of leave that ends with a post and what is said of it a process may die.
func TestLeaveThatEndsWithItsPostIsTakenBackAloudAfterAFailure(t *testing.T) {
	t.Parallel()
	store := &forgetful{words: []byte("QuoteAuthorization")}
	inFediverseWith(t, func(c *fedihook.Config) { store.Intents, c.Storage.Intents = c.Storage.Intents, store }, func(t *testing.T, v *fediverse) {
		post := v.post(t, quotable(activity.To(activity.Public), nil))
		answer := v.asks(t, v.bob, quotes(v.bob, post), post, nil)
		if answer == nil || !answer.Is("Accept") {
			t.Fatalf("answered %+v", answer)
		}
		store.left.Store(1)
		if _, err := v.Delete(t.Context(), "alice", post); err != nil {
			t.Fatal(err)
		}
		v.settle()
		if store.left.Load() > 0 {
			t.Fatal("nothing failed")
		}
		got := v.there.Received("Delete")
		if len(got) != 1 || got[0].Activity.Object.First() != answer.Result.ID {
			t.Errorf("%d Deletes came", len(got))
		}
	})
}
