package fedihook_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox/inboxtest"
	"github.com/fedihook/fedihook/outbox"
)

// followedBy makes an actor elsewhere a follower of a user here.
func (w *town) followedBy(who *inboxtest.Actor, handle string) {
	w.t.Helper()
	if got := who.Follow(here(handle)); got != http.StatusAccepted {
		w.t.Fatalf("the Follow was answered %d", got)
	}
	time.Sleep(time.Minute)
	if got := w.state(who.ID(), here(handle)); got != "accepted" {
		w.t.Fatalf("%s follows %s: %s", who.ID(), handle, got)
	}
}

func TestWhoMovesTellsTheFollowersAndIsShownToHaveMoved(t *testing.T) {
	t.Parallel()
	inTown(t, nil, func(t *testing.T, w *town) {
		eve := w.net.Server("third.example").Actor("eve")
		w.followedBy(eve, "alice")
		w.followedBy(w.old, "alice")
		w.new.Alias(here("alice"))
		id, err := w.Move(t.Context(), "alice", w.new.ID())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		for _, s := range []*inboxtest.Server{eve.Server(), w.old.Server()} {
			all := s.Received("")
			if len(all) < 2 {
				t.Fatalf("%s heard of %d activities", s.Origin(), len(all))
			}
			update, move := all[len(all)-2].Activity, all[len(all)-1].Activity
			doc, err := update.Object[0].Document()
			if shown, ok := doc.(*activity.Actor); !update.Is("Update") || err != nil || !ok || shown.MovedTo.ID != w.new.ID() || shown.ID != here("alice") {
				t.Errorf("before the Move came %s of %v, %v", update.Type, doc, err)
			}
			if !move.Is("Move") || move.ID != id || move.Object.First() != here("alice") || move.Target.ID != w.new.ID() {
				t.Errorf("the Move is %+v", move)
			}
		}
		if doc := w.document("alice"); !strings.Contains(doc, `"movedTo":"`+w.new.ID()+`"`) {
			t.Errorf("the document does not say so: %s", doc)
		}

		// The others come along, and one does not.
		w.old.Undo("Follow", here("alice"))
		time.Sleep(time.Minute)
		m, err := w.Moved(t.Context(), "alice")
		if err != nil || m.ID != id || m.Followers != 2 || m.Left != 1 || m.Came != 1 || m.Told.Targets != 2 || m.Told.Delivered != 2 {
			t.Errorf("Moved = %+v, %v", m, err)
		}
		// Nobody new follows, but who does may say so again.
		for who, c := range map[*inboxtest.Actor]struct{ answer, state string }{w.old: {"Reject", "none"}, eve: {"Accept", "accepted"}} {
			before := len(who.Server().Received(c.answer))
			who.Follow(here("alice"))
			time.Sleep(time.Minute)
			if n := len(who.Server().Received(c.answer)) - before; n != 1 || w.state(who.ID(), here("alice")) != c.state {
				t.Errorf("%s asked to follow: %d times %s, and follows: %s", who.ID(), n, c.answer, w.state(who.ID(), here("alice")))
			}
		}
		// The posts are there, and new ones go out.
		before := len(eve.Server().Received("Create"))
		if _, err := w.Publish(t.Context(), "alice", &activity.Object{Content: "<p>bye</p>"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if n := len(eve.Server().Received("Create")) - before; n != 1 {
			t.Errorf("eve got %d posts", n)
		}
	})
}

// A server that was down learns first where the actor is, and then that its followers are to follow.
func TestTheMoveComesAfterTheUpdateAlsoWhereBothWaited(t *testing.T) {
	t.Parallel()
	inTown(t, nil, func(t *testing.T, w *town) {
		w.followedBy(w.old, "alice")
		w.new.Alias(here("alice"))
		w.old.Server().TooMany(time.Hour)
		if _, err := w.Move(t.Context(), "alice", w.new.ID()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Minute)
		w.old.Server().Behave()
		time.Sleep(4 * time.Hour)
		var got []string
		for _, d := range w.old.Server().Received("") {
			if typ := d.Activity.Type.String(); typ == "Update" || typ == "Move" {
				got = append(got, typ)
			}
		}
		if strings.Join(got, " ") != "Update Move" {
			t.Errorf("what came is %q", got)
		}
	})
}

func TestAMoveIsRefusedWhereNobodyWouldFollow(t *testing.T) {
	t.Parallel()
	inTown(t, nil, func(t *testing.T, w *town) {
		w.followedBy(w.old, "alice")
		if _, err := w.Lookup(t.Context(), w.new.ID()); err != nil { // what is remembered of it is no proof
			t.Fatal(err)
		}
		for name, c := range map[string]struct {
			target string
			doc    func(*activity.Actor)
			want   error
		}{
			"no alias":      {w.new.ID(), func(a *activity.Actor) { a.AlsoKnownAs = nil }, fedihook.ErrMoveRefused},
			"another alias": {w.new.ID(), func(a *activity.Actor) { a.AlsoKnownAs = activity.List(activity.To(here("bea"))) }, fedihook.ErrMoveRefused},
			"moved on": {w.new.ID(), func(a *activity.Actor) {
				a.AlsoKnownAs, a.MovedTo = activity.List(activity.To(here("alice"))), activity.IRI(w.old.ID())
			}, fedihook.ErrMoveRefused},
			"suspended": {w.new.ID(), func(a *activity.Actor) {
				a.AlsoKnownAs, a.Suspended = activity.List(activity.To(here("alice"))), true
			}, fedihook.ErrMoveRefused},
			"itself":                  {here("alice"), nil, fedihook.ErrMoveRefused},
			"a post":                  {w.new.ID() + "/post", nil, fedihook.ErrMoveRefused},
			"nobody":                  {"https://new.example/users/nobody", nil, actor.ErrNotFound},
			"nobody here":             {here("nobody"), nil, actor.ErrNotFound},
			"a handle":                {"bob@new.example", nil, outbox.ErrIncomplete},
			"no alias of a neighbour": {here("bea"), nil, fedihook.ErrMoveRefused},
		} {
			if c.doc != nil {
				w.new.Edit(func(a *activity.Actor) { a.MovedTo, a.Suspended = activity.Ref{}, false })
				w.new.Edit(c.doc)
			}
			w.new.Server().Put(&activity.Object{ID: w.new.ID() + "/post", Type: activity.Types{"Note"}})
			var refused *fedihook.MoveError
			id, err := w.Move(t.Context(), "alice", c.target)
			if id != "" || !errors.Is(err, c.want) || !errors.As(err, &refused) || refused.From != here("alice") || refused.To != c.target {
				t.Errorf("%s: Move = %q, %v, want %v", name, id, err, c.want)
			}
			if err := w.CheckMove(t.Context(), here("alice"), c.target); name != "a handle" && !errors.Is(err, c.want) {
				t.Errorf("%s: CheckMove = %v, want %v", name, err, c.want)
			}
			if _, err := w.Send(t.Context(), "alice", &activity.Activity{Type: activity.Types{"Move"}, Target: activity.IRI(c.target)}); !errors.Is(err, c.want) {
				t.Errorf("%s: Send = %v, want %v", name, err, c.want)
			}
		}
		for name, s := range map[string]*fedihook.Server{"a transaction": w.In(noTx{}), "the future": w.At(time.Now().Add(time.Hour))} {
			if _, err := s.Move(t.Context(), "alice", w.new.ID()); !errors.Is(err, fedihook.ErrOutsideOnly) {
				t.Errorf("in %s: %v", name, err)
			}
			if _, err := s.Unmove(t.Context(), "alice"); !errors.Is(err, fedihook.ErrOutsideOnly) {
				t.Errorf("back in %s: %v", name, err)
			}
		}
		if _, err := w.Unmove(t.Context(), "alice"); !errors.Is(err, actor.ErrNotFound) {
			t.Errorf("Unmove of who has not moved: %v", err)
		}
		time.Sleep(time.Minute)
		if n := len(w.old.Server().Received("Move")) + len(w.old.Server().Received("Update")); n != 0 || strings.Contains(w.document("alice"), "movedTo") {
			t.Errorf("%d activities went out: %s", n, w.document("alice"))
		}
		w.new.Edit(func(a *activity.Actor) { a.MovedTo, a.Suspended = activity.Ref{}, false })
		w.new.Alias(here("alice"))
		if err := w.CheckMove(t.Context(), "alice", w.new.ID()); err != nil {
			t.Errorf("CheckMove of what is in order: %v", err)
		}
	})
}

func TestWhoHasMovedMayRepeatItAndTakeItBackAndMovesElsewhereAfterThirtyDays(t *testing.T) {
	t.Parallel()
	inTown(t, nil, func(t *testing.T, w *town) {
		w.followedBy(w.old, "alice")
		w.new.Alias(here("alice"))
		third := w.net.Server("third.example").Actor("alice")
		third.Alias(here("alice"))
		first, err := w.Move(t.Context(), "alice", w.new.ID())
		if err != nil {
			t.Fatal(err)
		}
		again, err := w.Move(t.Context(), "alice", w.new.ID())
		if err != nil || again != first {
			t.Errorf("the same again: %q, %v, want %q", again, err, first)
		}
		time.Sleep(time.Minute)
		var refused *fedihook.MoveError
		if _, err := w.Move(t.Context(), "alice", third.ID()); !errors.Is(err, fedihook.ErrMoveLately) || !errors.As(err, &refused) ||
			time.Until(refused.Until).Round(time.Hour) != 30*24*time.Hour {
			t.Errorf("elsewhere at once: %v", err)
		}
		back, err := w.Unmove(t.Context(), "alice")
		if err != nil || back == "" {
			t.Fatalf("Unmove = %q, %v", back, err)
		}
		if id, err := w.Unmove(t.Context(), "alice"); err != nil || id != back {
			t.Errorf("and again: %q, %v", id, err)
		}
		time.Sleep(time.Minute)
		moves, updates := w.old.Server().Received("Move"), w.old.Server().Received("Update")
		if len(moves) != 1 || len(updates) != 2 || strings.Contains(string(updates[1].Body), "movedTo") {
			t.Errorf("%d Moves and %d Updates went out", len(moves), len(updates))
		}
		if strings.Contains(w.document("alice"), "movedTo") {
			t.Error("the document says that she has moved")
		}
		eve := w.net.Server("third.example").Actor("eve")
		w.followedBy(eve, "alice")
		w.passes(29 * 24 * time.Hour)
		if _, err := w.Move(t.Context(), "alice", w.new.ID()); !errors.Is(err, fedihook.ErrMoveLately) {
			t.Errorf("after 29 days: %v", err)
		}
		w.passes(2 * 24 * time.Hour)
		if id, err := w.Move(t.Context(), "alice", third.ID()); err != nil || id == first {
			t.Errorf("after 31 days: %q, %v", id, err)
		}
		time.Sleep(time.Hour)
		if n := len(eve.Server().Received("Move")); n != 1 {
			t.Errorf("eve heard of %d Moves", n)
		}
		if m, err := w.Moved(t.Context(), "alice"); err != nil || m.To != third.ID() || m.Followers != 2 {
			t.Errorf("Moved = %+v, %v", m, err)
		}
	})
}

// TestAMoveThatACrashCutShortIsSaid begins where a process died that had kept the move and said nothing.
func TestAMoveThatACrashCutShortIsSaid(t *testing.T) {
	t.Parallel()
	inTown(t, nil, func(t *testing.T, w *town) {
		w.followedBy(w.old, "alice")
		w.stop()
		m := actor.Move{From: here("alice"), To: w.new.ID(), ID: "https://blog.example/ap/activities/cut", At: time.Now(), Step: actor.MoveSaying}
		if _, err := w.store.Moves.AddMove(t.Context(), m, time.Time{}); err != nil {
			t.Fatal(err)
		}
		w.start()
		time.Sleep(5 * time.Minute)
		if moves := w.old.Server().Received("Move"); len(moves) != 1 || moves[0].Activity.ID != m.ID || len(w.old.Server().Received("Update")) != 1 {
			t.Errorf("%d Moves: %+v", len(moves), moves)
		}
		if got, err := w.Moved(t.Context(), "alice"); err != nil || got.Step != actor.MoveDone {
			t.Errorf("Moved = %+v, %v", got, err)
		}
	})
}

func TestFollowersHereAreCarriedWhereverTheEndsAre(t *testing.T) {
	t.Parallel()
	t.Run("from here to here", func(t *testing.T) {
		t.Parallel()
		inTown(t, nil, func(t *testing.T, w *town) {
			for _, who := range []string{"cleo", "dan", "bea"} { // bea, to whom alice moves, follows her too
				if _, err := w.Follow(t.Context(), who, here("alice")); err != nil {
					t.Fatal(err)
				}
			}
			w.followedBy(w.old, "alice")
			time.Sleep(time.Minute)
			w.aliases.Store("bea", []string{here("alice")})
			if err := w.CheckMove(t.Context(), "alice", "bea"); err != nil {
				t.Errorf("CheckMove = %v", err)
			}
			if _, err := w.Move(t.Context(), "alice", here("bea")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
			for _, who := range []string{"cleo", "dan"} {
				if old, new := w.state(here(who), here("alice")), w.state(here(who), here("bea")); old != "none" || new != "accepted" {
					t.Errorf("%s follows alice: %s, bea: %s", who, old, new)
				}
			}
			if self := w.state(here("bea"), here("bea")); self != "none" || w.state(here("bea"), here("alice")) != "accepted" {
				t.Errorf("bea follows herself: %s", self)
			}
			m, err := w.Moved(t.Context(), "alice")
			if err != nil || m.Followers != 4 || m.Left != 2 || m.Came != 2 || m.There != 0 || m.ThereNow != 2 || m.Step != actor.MoveDone {
				t.Errorf("Moved = %+v, %v", m, err)
			}
		})
	})
	t.Run("from here to elsewhere", func(t *testing.T) {
		t.Parallel()
		inTown(t, nil, func(t *testing.T, w *town) {
			if _, err := w.Follow(t.Context(), "cleo", here("alice")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			w.new.Alias(here("alice"))
			if _, err := w.Move(t.Context(), "alice", w.new.ID()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			w.new.Accept(here("cleo"))
			time.Sleep(time.Minute)
			if old, new := w.state(here("cleo"), here("alice")), w.state(here("cleo"), w.new.ID()); old != "none" || new != "accepted" {
				t.Errorf("cleo follows alice: %s, the new account: %s", old, new)
			}
		})
	})
	t.Run("from elsewhere to here", func(t *testing.T) {
		t.Parallel()
		inTown(t, nil, func(t *testing.T, w *town) {
			w.follow("cleo", w.old)
			if err := w.CheckMove(t.Context(), w.old.ID(), "alice"); !errors.Is(err, fedihook.ErrMoveRefused) {
				t.Errorf("CheckMove before she says who she was: %v", err)
			}
			w.moves(here("alice"))
			w.follows("before she says who she was", "cleo", "accepted", "none")
			w.aliases.Store("alice", []string{w.old.ID()})
			if doc := w.document("alice"); !strings.Contains(doc, `"alsoKnownAs":"`+w.old.ID()+`"`) && !strings.Contains(doc, `"alsoKnownAs":["`+w.old.ID()+`"]`) {
				t.Errorf("alice's document does not say who she was: %s", doc)
			}
			if err := w.CheckMove(t.Context(), w.old.ID(), "alice"); err != nil {
				t.Errorf("CheckMove = %v", err)
			}
			w.moves(here("alice"))
			time.Sleep(time.Minute)
			if old, new := w.state(here("cleo"), w.old.ID()), w.state(here("cleo"), here("alice")); old != "none" || new != "accepted" {
				t.Errorf("cleo follows the old account: %s, alice: %s", old, new)
			}
		})
	})
}

// What the app says of its user comes first.
func TestAMovedToOfTheAppsIsHeeded(t *testing.T) {
	t.Parallel()
	inTown(t, func(c *fedihook.Config) {
		profile := c.Profile
		c.Profile = func(ctx context.Context, handle string) (actor.Profile, error) {
			p, err := profile(ctx, handle)
			if handle == "dan" {
				p.MovedTo = "https://elsewhere.example/dan"
			}
			return p, err
		}
	}, func(t *testing.T, w *town) {
		w.old.Follow(here("dan"))
		w.old.Server().Wait("Reject")
		if got := w.state(w.old.ID(), here("dan")); got != "none" {
			t.Errorf("the old account follows dan: %s", got)
		}
	})
}
