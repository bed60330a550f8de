package fedihook_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/inbox/inboxtest"
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/storage"
)

func TestFollowersHereFollowWhoHasMovedAndLeaveTheOldAccountWhenThatHasArrived(t *testing.T) {
	t.Parallel()
	inTown(t, nil, func(t *testing.T, w *town) {
		w.follow("alice", w.old)
		w.follow("bea", w.old)
		w.new.Server().Hang()
		w.moves(w.new.ID())
		w.sent("while the new server hangs", "alice", 0, 0)
		time.Sleep(5 * time.Hour)
		w.follows("while the new server hangs", "alice", "accepted", "none") // the Move itself can't be checked
		w.new.Server().Behave()
		time.Sleep(3 * time.Hour)
		for _, who := range []string{"alice", "bea"} {
			w.sent("in the end", who, 1, 1)
			w.follows("in the end", who, "none", "pending")
		}
		w.new.Accept(here("alice"))
		time.Sleep(time.Minute)
		w.follows("once accepted", "alice", "none", "accepted")
		m, err := w.Moved(t.Context(), w.old.ID())
		if err != nil || m.To != w.new.ID() || m.Followers != 2 || m.Left != 0 || m.Came != 2 || m.Step != actor.MoveDone {
			t.Errorf("Moved = %+v, %v", m, err)
		}
		known, err := w.store.Remotes.Remote(t.Context(), w.old.ID())
		if err != nil {
			t.Fatal(err)
		}
		if doc, err := activity.Decode(known.Document); err != nil || doc.(*activity.Actor).MovedTo.ID != w.new.ID() {
			t.Errorf("what is known of the old account: %s, %v", known.Document, err)
		}
	})
}

// The old follow stays until the new one has arrived, and if it never does.
func TestTheOldFollowStaysWhileTheNewOneIsUnderWayAndIfItIsGivenUp(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		misbehave func(*inboxtest.Server)
		old, new  string
		n, undos  int
	}{
		"down for hours":    {func(s *inboxtest.Server) { s.Down() }, "none", "pending", 1, 1},
		"gone for all time": {func(s *inboxtest.Server) { s.Gone() }, "accepted", "pending", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inTown(t, func(c *fedihook.Config) {
				// The target is looked at, then its server fails.
				c.Hooks.Move = func(context.Context, *inbox.Message) error { time.Sleep(time.Minute); return nil }
			}, func(t *testing.T, w *town) {
				w.follow("alice", w.old)
				if got := w.old.Move(w.new.ID()); got != http.StatusAccepted {
					t.Fatal(got)
				}
				time.Sleep(30 * time.Second)
				c.misbehave(w.new.Server())
				time.Sleep(3 * time.Hour)
				w.sent("meanwhile", "alice", 0, 0)
				if got := w.state(here("alice"), w.old.ID()); got != "accepted" {
					t.Errorf("meanwhile alice follows the old account: %s", got)
				}
				if name == "down for hours" {
					w.new.Server().Behave()
				}
				time.Sleep(6 * time.Hour)
				w.sent("in the end", "alice", c.n, c.undos)
				if got := w.state(here("alice"), w.old.ID()); got != c.old {
					t.Errorf("in the end alice follows the old account: %s, want %s", got, c.old)
				}
			})
		})
	}
}

func TestAMoveThatIsNotTrueCarriesNobody(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(w *town){
		"the target does not know the old account": func(w *town) { w.new.Alias("https://old.example/users/eve") },
		"the target has moved itself": func(w *town) {
			w.new.Edit(func(a *activity.Actor) { a.MovedTo = activity.IRI("https://third.example/users/bob") })
		},
		"the target is suspended":       func(w *town) { w.new.Edit(func(a *activity.Actor) { a.Suspended = true }) },
		"the target is no actor":        func(w *town) { w.new.Server().Put(&activity.Object{ID: w.new.ID(), Type: activity.Types{"Note"}}) },
		"the target is not there":       func(w *town) { w.new.Server().Gone() },
		"the target says it is another": func(w *town) { w.new.Server().Lie(w.new.ID(), w.new.ID()+"2") },
		"the target's server is suspended": func(w *town) {
			if err := (&moderation.Policy{Rules: w.store.Rules}).Suspend(w.t.Context(), "new.example", "a test"); err != nil {
				w.t.Fatal(err)
			}
			time.Sleep(2 * time.Second) // until the server has seen it
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inTown(t, func(c *fedihook.Config) { c.Policy = &moderation.Policy{Rules: c.Storage.Rules} }, func(t *testing.T, w *town) {
				w.follow("alice", w.old)
				spoil(w)
				w.moves(w.new.ID())
				time.Sleep(2 * time.Hour)
				w.sent("in the end", "alice", 0, 0)
				w.follows("in the end", "alice", "accepted", "none")
				if m, err := w.Moved(t.Context(), w.old.ID()); !errors.Is(err, actor.ErrNotFound) {
					t.Errorf("Moved = %+v, %v", m, err)
				}
			})
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		t.Parallel()
		inTown(t, nil, func(t *testing.T, w *town) {
			w.follow("alice", w.old)
			w.moves("https://new.example/users/")
			w.moves(w.old.ID())
			time.Sleep(2 * time.Hour)
			w.follows("in the end", "alice", "accepted", "none")
		})
	})
}

// What is sent again carries nobody twice, and who has moved can't move on at once.
func TestNoSecondMoveIsBelievedForSevenDays(t *testing.T) {
	t.Parallel()
	inTown(t, nil, func(t *testing.T, w *town) {
		third := w.net.Server("third.example").Actor("bob")
		third.Alias(w.old.ID())
		w.follow("alice", w.old)
		w.moves(w.new.ID())
		if got := w.old.Replay(); got != http.StatusAccepted {
			t.Errorf("the replay was answered %d", got)
		}
		w.sent("after the Move", "alice", 1, 1)
		w.follow("bea", w.old) // who knows that it has moved
		for _, to := range []string{third.ID(), w.new.ID()} {
			w.moves(to)
		}
		w.passes(6 * 24 * time.Hour)
		w.moves(third.ID())
		w.follows("within seven days", "bea", "accepted", "none")
		w.sent("within seven days", "alice", 1, 1)
		w.passes(2 * 24 * time.Hour)
		w.moves(third.ID())
		if old, new := w.state(here("bea"), w.old.ID()), w.state(here("bea"), third.ID()); old != "none" || new != "pending" {
			t.Errorf("after seven days: %s, %s", old, new)
		}
		w.sent("in the end", "alice", 1, 1)
	})
}

func TestWhoNeedNotOrDoesNotWantToFollowIsNotCarried(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 10)
	inTown(t, func(c *fedihook.Config) {
		c.Refollow = func(_ context.Context, follower, from, to string) (bool, error) {
			asked <- follower + " " + from + " " + to
			return follower != here("dan"), nil
		}
	}, func(t *testing.T, w *town) {
		for _, who := range []string{"alice", "bea", "cleo", "dan"} {
			w.follow(who, w.old)
		}
		w.follow("alice", w.new)
		if _, err := w.Follow(t.Context(), "bea", w.new.ID()); err != nil { // not answered yet
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if _, err := w.Block(t.Context(), "cleo", w.new.ID()); err != nil {
			t.Fatal(err)
		}
		w.moves(w.new.ID())
		time.Sleep(time.Hour)
		for who, c := range map[string]struct {
			new string
			n   int
		}{"alice": {"accepted", 1}, "bea": {"pending", 1}, "cleo": {"none", 0}, "dan": {"none", 0}} {
			w.follows("after the Move", who, "accepted", c.new)
			w.sent("after the Move", who, c.n, 0)
		}
		if got, want := <-asked, here("dan")+" "+w.old.ID()+" "+w.new.ID(); got != want || len(asked) != 0 {
			t.Errorf("the app was asked about %q and %d others", got, len(asked))
		}
		if m, err := w.Moved(t.Context(), w.old.ID()); err != nil || m.Left != 4 || m.Step != actor.MoveDone {
			t.Errorf("Moved = %+v, %v", m, err)
		}
	})
}

func TestABlockThatWasTakenBackDoesNotStandInTheWay(t *testing.T) {
	t.Parallel()
	inTown(t, nil, func(t *testing.T, w *town) {
		w.follow("alice", w.old)
		block, err := w.Block(t.Context(), "alice", w.new.ID())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if _, err := w.Undo(t.Context(), "alice", block); err != nil {
			t.Fatal(err)
		}
		w.moves(w.new.ID())
		w.follows("after the Move", "alice", "none", "pending")
	})
}

func TestAHookThatDropsAMoveKeepsTheFollowersWhereTheyAre(t *testing.T) {
	t.Parallel()
	var heard atomic.Int64
	inTown(t, func(c *fedihook.Config) {
		c.Hooks.Move = func(context.Context, *inbox.Message) error { heard.Add(1); return inbox.ErrDrop }
	}, func(t *testing.T, w *town) {
		w.follow("alice", w.old)
		w.moves(w.new.ID())
		w.follows("after the Move", "alice", "accepted", "none")
		w.sent("after the Move", "alice", 0, 0)
		if heard.Load() != 1 {
			t.Errorf("the hook ran %d times", heard.Load())
		}
	})
}

func TestFollowersGoAlongAChainOfMoves(t *testing.T) {
	t.Parallel()
	inTown(t, nil, func(t *testing.T, w *town) {
		third := w.net.Server("third.example").Actor("bob")
		third.Alias(w.new.ID())
		w.follow("alice", w.old)
		w.follow("bea", w.old)
		w.moves(w.new.ID())
		w.new.Accept(here("alice")) // bea waits for an answer still
		time.Sleep(time.Minute)
		if got := w.new.Move(third.ID()); got != http.StatusAccepted {
			t.Fatal(got)
		}
		time.Sleep(time.Minute)
		for _, who := range []string{"alice", "bea"} {
			w.follows("in the end", who, "none", "none")
			if got := w.state(here(who), third.ID()); got != "pending" {
				t.Errorf("%s follows the third account: %s", who, got)
			}
		}
	})
}

// What a user does between is heeded: nothing takes the place of the old follow then.
func TestWhatAUserSaysDuringTheMoveIsHeeded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		do       func(w *town) (string, error)
		old, new string
		follows  int // that come; what waits for who is blocked is cancelled
		undos    int
	}{
		"unfollows the new one": {func(w *town) (string, error) { return w.Unfollow(w.t.Context(), "alice", w.new.ID()) }, "accepted", "none", 1, 0},
		"blocks the new one":    {func(w *town) (string, error) { return w.Block(w.t.Context(), "alice", w.new.ID()) }, "accepted", "none", 0, 0},
		"unfollows the old one": {func(w *town) (string, error) { return w.Unfollow(w.t.Context(), "alice", w.old.ID()) }, "none", "pending", 1, 1},
		"follows the old one":   {func(w *town) (string, error) { return w.Follow(w.t.Context(), "alice", w.old.ID()) }, "accepted", "pending", 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inTown(t, func(c *fedihook.Config) {
				c.Refollow = func(context.Context, string, string, string) (bool, error) { time.Sleep(time.Minute); return true, nil }
			}, func(t *testing.T, w *town) {
				w.follow("alice", w.old)
				w.follow("bea", w.new) // so that it is known where the new one takes its post
				if got := w.old.Move(w.new.ID()); got != http.StatusAccepted {
					t.Fatal(got)
				}
				time.Sleep(30 * time.Second)
				w.new.Server().Down()
				time.Sleep(time.Hour)
				w.follows("while the new server is down", "alice", "accepted", "pending")
				if _, err := c.do(w); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Hour)
				w.new.Server().Behave()
				time.Sleep(6 * time.Hour)
				w.follows("in the end", "alice", c.old, c.new)
				w.sent("in the end", "alice", c.follows, c.undos)
			})
		})
	}
}

// TestAMoveGoesOnAfterACrash ends the process at each step, with hooks that run twice.
func TestAMoveGoesOnAfterACrash(t *testing.T) {
	t.Parallel()
	inTown(t, func(c *fedihook.Config) {
		c.Hooks = inboxtest.Twice(inbox.Hooks{Move: func(context.Context, *inbox.Message) error { return nil }})
		c.Refollow = func(context.Context, string, string, string) (bool, error) {
			time.Sleep(20 * time.Second)
			return true, nil
		}
	}, func(t *testing.T, w *town) {
		w.stop()
		path := filepath.Join(t.TempDir(), "own.db")
		var db *sql.DB
		open := func() {
			t.Helper()
			var err error
			if db, err = sql.Open("sqlite", path); err != nil {
				t.Fatal(err)
			}
			keys := w.store.Keys
			if w.store, err = storage.OpenSQLite(t.Context(), nil, db); err != nil {
				t.Fatal(err)
			}
			w.store.Keys = keys
			w.start()
		}
		reopen := func() {
			t.Helper()
			w.stop()
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			open()
		}
		open()
		defer func() { w.stop(); db.Close() }()
		for _, who := range []string{"alice", "bea", "cleo"} {
			w.follow(who, w.old)
		}
		if got := w.old.Move(w.new.ID()); got != http.StatusAccepted {
			t.Fatal(got)
		}
		time.Sleep(30 * time.Second)
		reopen() // in the middle of asking
		time.Sleep(10 * time.Second)
		reopen()
		w.new.Server().Down()
		time.Sleep(20 * time.Second)
		reopen() // while the Follows wait
		w.sent("while the new server is down", "cleo", 0, 0)
		time.Sleep(20 * time.Second)
		w.new.Server().Behave()
		reopen()
		w.arrives(10 * time.Minute)
		for _, who := range []string{"alice", "bea", "cleo"} {
			w.sent("in the end", who, 1, 1)
			w.follows("in the end", who, "none", "pending")
		}
		if m, err := w.Moved(t.Context(), w.old.ID()); err != nil || m.Step != actor.MoveDone || m.Came != 3 {
			t.Errorf("Moved = %+v, %v", m, err)
		}
	})
}

// dying is a store of moves whose process dies, as far as it can tell, at every other save.
type dying struct {
	actor.Moves
	n atomic.Int64
}

func (d *dying) SaveMove(ctx context.Context, m actor.Move) (bool, error) {
	if d.n.Add(1)%2 == 1 {
		return false, errors.New("the disk is full")
	}
	return d.Moves.SaveMove(ctx, m)
}

// TestHundredsOfFollowersAreCarriedPageByPage also when noting how far it came fails now and then.
func TestHundredsOfFollowersAreCarriedPageByPage(t *testing.T) {
	t.Parallel()
	const crowd = 250
	inTown(t, func(c *fedihook.Config) {
		c.Storage.Moves = &dying{Moves: c.Storage.Moves}
		c.Profile = func(_ context.Context, handle string) (actor.Profile, error) {
			return actor.Profile{Handle: handle}, nil
		}
	}, func(t *testing.T, w *town) {
		w.follow("alice", w.old) // the store knows the old account
		// One key will do for all of them.
		pairs, err := w.store.Keys.ActorKeys(t.Context(), here("alice"))
		if err != nil {
			t.Fatal(err)
		}
		for i := range crowd {
			id := here(fmt.Sprintf("u%d", i))
			k := pairs[0]
			k.ActorID, k.KeyID = id, id+"#main-key"
			if _, err := w.store.Keys.AddKey(t.Context(), k); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Follow(t.Context(), fmt.Sprintf("u%d", i), w.old.ID()); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Minute)
		w.moves(w.new.ID())
		w.arrives(3 * time.Hour)
		if f, u := len(w.new.Server().Received("Follow")), len(w.old.Server().Received("Undo")); f != crowd+1 || u != crowd+1 {
			t.Errorf("%d Follows and %d Undos, want %d of each", f, u, crowd+1)
		}
		if n, err := w.store.Followers.CountFollows(t.Context(), actor.FollowQuery{Followed: w.old.ID()}); err != nil || n != 0 {
			t.Errorf("%d follow the old account still, %v", n, err)
		}
		if m, err := w.Moved(t.Context(), w.old.ID()); err != nil || m.Step != actor.MoveDone {
			t.Errorf("Moved = %+v, %v", m, err)
		}
	})
}

// Nobody can fill the store with accounts that nobody here follows.
func TestOfAMoveThatConcernsNobodyNothingIsKept(t *testing.T) {
	t.Parallel()
	inTown(t, nil, func(t *testing.T, w *town) {
		if got := w.old.With(inboxtest.Manner{To: []string{here("alice")}}).Move(w.new.ID()); got != http.StatusAccepted {
			t.Fatal(got)
		}
		time.Sleep(time.Minute)
		if list, err := w.store.Moves.ListMoves(t.Context(), actor.MoveQuery{}); err != nil || len(list) != 0 {
			t.Errorf("kept: %+v, %v", list, err)
		}
	})
}
