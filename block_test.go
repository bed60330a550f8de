package fedihook_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/moderation"
)

// blockRule is alice's own rule about bob.
func (w *moderated) blockRule(t *testing.T) (moderation.Rule, bool) {
	t.Helper()
	r, ok, err := w.Policy().Find(t.Context(), moderation.Key{Local: alice, About: w.bob.ID()})
	if err != nil {
		t.Fatal(err)
	}
	return r, ok
}

func (w *moderated) block(t *testing.T) string {
	t.Helper()
	id, err := w.Block(t.Context(), "alice", w.bob.ID())
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestWhoIsBlockedIsNotHeardOfAnyMoreUntilThatIsUndone(t *testing.T) {
	t.Parallel()
	inModerated(t, func(c *fedihook.Config) { c.AuthorizedFetch = actor.FetchSigned }, func(t *testing.T, w *moderated) {
		follow(t, w.bob, alice)
		follow(t, w.bob, erin)
		w.followBack(t, "alice", w.bob)
		post := w.publish(t)
		block := w.block(t)
		settle()
		if blocks, rejects, undos := len(w.there.Received("Block")), len(w.there.Received("Reject")), len(w.there.Received("Undo")); blocks != 1 || rejects+undos != 0 {
			t.Errorf("told by %d Blocks, %d Rejects, %d Undos", blocks, rejects, undos)
		}
		if w.state(w.bob.ID(), alice) != 0 || w.state(alice, w.bob.ID()) != 0 || w.state(w.bob.ID(), erin) != actor.Accepted {
			t.Error("not the follows between the two are ended, or others")
		}
		if r, ok := w.blockRule(t); !ok || r.Severity != moderation.Suspend || r.By != alice {
			t.Errorf("the rule is %+v, %v", r, ok)
		}
		w.bob.Follow(alice)
		w.bob.Create(noteOf(w.bob, "1", alice))
		w.bob.Send(&activity.Activity{Type: activity.Types{"Like"}, Object: activity.Refs{activity.IRI(post)}}, alice)
		settle()
		if n := len(w.there.Received("Reject")); n != 1 || w.state(w.bob.ID(), alice) != 0 {
			t.Errorf("a later Follow had %d Rejects", n)
		}
		if creates, likes := len(w.of("Create", w.bob.ID())), len(w.of("Like", w.bob.ID())); creates+likes != 0 {
			t.Errorf("hooks ran for %d Creates and %d Likes", creates, likes)
		}
		if status := bobGets(w, post); status != http.StatusNotFound {
			t.Errorf("he gets her post: %d", status)
		}
		if _, err := w.Follow(t.Context(), "alice", w.bob.ID()); err != nil {
			t.Fatal(err)
		}
		settle()
		if got := w.state(alice, w.bob.ID()); got != 0 {
			t.Errorf("she asks to follow whom she blocks: %v", got)
		}

		if _, err := w.Undo(t.Context(), "alice", block); err != nil {
			t.Fatal(err)
		}
		settle()
		if _, ok := w.blockRule(t); ok {
			t.Error("the rule stays")
		}
		if n := len(w.there.Received("Undo")); n != 1 {
			t.Errorf("he is told by %d Undos", n)
		}
		follow(t, w.bob, alice)
		if status := bobGets(w, post); status != http.StatusOK {
			t.Errorf("he gets her post: %d", status)
		}
	})
}

func TestWhoeverBlocksAgainBlocks(t *testing.T) {
	t.Parallel()
	inModerated(t, nil, func(t *testing.T, w *moderated) {
		first := w.block(t)
		settle()
		w.block(t)
		settle()
		if n := len(w.there.Received("Block")); n != 2 {
			t.Errorf("%d Blocks came", n)
		}
		if _, err := w.Undo(t.Context(), "alice", first); err != nil {
			t.Fatal(err)
		}
		settle()
		if _, ok := w.blockRule(t); ok {
			t.Error("the Undo of the first lifts nothing")
		}
	})
}

func TestANeighbourCanBeBlocked(t *testing.T) {
	t.Parallel()
	inModerated(t, nil, func(t *testing.T, w *moderated) {
		if _, err := w.Follow(t.Context(), "erin", alice); err != nil {
			t.Fatal(err)
		}
		settle()
		if _, err := w.Block(t.Context(), "alice", erin); err != nil {
			t.Fatal(err)
		}
		settle()
		if _, err := w.Follow(t.Context(), "erin", alice); err != nil {
			t.Fatal(err)
		}
		settle()
		if got := w.state(erin, alice); got != 0 {
			t.Errorf("erin's follow is %v", got)
		}
	})
}

// dyingFollowers lose their database some times.
type dyingFollowers struct {
	actor.Followers
	left atomic.Int32
}

func (f *dyingFollowers) DeleteFollow(ctx context.Context, follower, followed string) error {
	if f.left.Add(-1) >= 0 {
		return errors.New("disk on fire")
	}
	return f.Followers.DeleteFollow(ctx, follower, followed)
}

func TestABlockThatIsTriedAgainMakesOneRule(t *testing.T) {
	t.Parallel()
	store := &dyingFollowers{}
	inModerated(t, func(c *fedihook.Config) {
		store.Followers = c.Storage.Followers
		c.Storage.Followers = store
	}, func(t *testing.T, w *moderated) {
		follow(t, w.bob, alice)
		store.left.Store(3)
		w.block(t)
		time.Sleep(time.Minute)
		if n := len(w.there.Received("Block")); n != 1 || w.state(w.bob.ID(), alice) != 0 {
			t.Errorf("%d Blocks came, and he is %v", n, w.state(w.bob.ID(), alice))
		}
		if trail, err := w.store.Rules.Trail(t.Context(), 0, 10); err != nil || len(trail) != 1 {
			t.Errorf("the trail is %+v, %v", trail, err)
		}
	})
}

func TestABlockForWhichThereIsNoRoomIsNotSaid(t *testing.T) {
	t.Parallel()
	inModerated(t, func(c *fedihook.Config) {
		c.Policy = &moderation.Policy{Rules: c.Storage.Rules, MaxOwn: 1}
	}, func(t *testing.T, w *moderated) {
		follow(t, w.bob, alice)
		r := suspend("else.example")
		r.Local = "alice"
		w.moderate(t, r)
		w.block(t)
		settle()
		if n := len(w.there.Received("Block")); n != 0 || w.state(w.bob.ID(), alice) != actor.Accepted || w.Counts().GivenUp != 1 {
			t.Errorf("%d Blocks came, he is %v, %+v", n, w.state(w.bob.ID(), alice), w.Counts())
		}
	})
}

func TestABlockInATransactionIsAsTheTransactionEnds(t *testing.T) {
	t.Parallel()
	b := newBlog(t)
	const bob, key = "https://there.test/users/bob", "https://blog.test/ap/users/anna"
	rule := func() bool {
		_, ok, err := b.Policy().Find(t.Context(), moderation.Key{Local: key, About: bob})
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	for _, commit := range []bool{false, true} {
		tx, err := b.app.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.In(tx).Block(t.Context(), "anna", bob); err != nil {
			t.Fatal(err)
		}
		if end := tx.Rollback; !commit {
			err = end()
		} else {
			err = tx.Commit()
		}
		if err != nil {
			t.Fatal(err)
		}
		// What is said later is taken up later: by then the Block would have been.
		if _, err := b.Publish(t.Context(), "anna", &activity.Object{Content: fmt.Sprint(commit)}); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(30 * time.Second); rule() != commit && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		}
		if rule() != commit {
			t.Errorf("there is a rule: %v", !commit)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestWhatWaitsForWhoIsBlockedIsCancelled(t *testing.T) {
	t.Parallel()
	inModerated(t, nil, func(t *testing.T, w *moderated) {
		var posts []string
		wave := func() {
			for _, by := range []string{"alice", "erin"} {
				for _, to := range []string{w.bob.ID(), w.carol.ID()} {
					id, err := w.Send(t.Context(), by, &activity.Activity{
						Type: activity.Types{"Travel"}, Object: activity.Refs{activity.IRI("https://blog.example/places/1")}, To: activity.To(to),
					})
					if err != nil {
						t.Fatal(err)
					}
					posts = append(posts, id)
				}
			}
			settle()
		}
		wave() // so that the inboxes are known
		w.there.Down()
		posts = nil
		wave()
		if _, err := w.Flag(t.Context(), "alice", w.bob.ID(), "spam"); err != nil {
			t.Fatal(err)
		}
		settle()
		w.block(t)
		settle()
		r := suspend("there.example")
		r.Local = "erin"
		if did := w.moderate(t, r); did.Deliveries != 2 {
			t.Errorf("erin's rule did %+v", did)
		}
		w.there.Behave()
		w.passes(t, 24*time.Hour)
		var came []string
		for _, d := range w.there.Received("") {
			if slices.Contains(posts, d.Activity.ID) {
				came = append(came, d.Activity.ID)
			}
		}
		if !slices.Equal(came, posts[1:2]) {
			t.Errorf("of %q came %q", posts, came)
		}
		if blocks, flags := len(w.there.Received("Block")), len(w.there.Received("Flag")); blocks != 1 || flags != 1 {
			t.Errorf("%d Blocks and %d Flags came", blocks, flags)
		}
	})
}
