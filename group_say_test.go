package fedihook_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/fedihook/fedihook/activity"
)

func TestModeratorsOfAGroupAreHeardWhereverTheyAre(t *testing.T) {
	t.Parallel()
	inClub(t, nil, func(t *testing.T, w *clubWorld) {
		post := page(w.ann, "whiskers")
		w.ann.Create(post)
		passing()
		removal := &activity.Activity{
			ID: w.kim.ID() + "/activities/removal-1", Type: activity.Types{"Delete"}, Object: activity.Refs{activity.IRI(post.ID)}, Summary: "no whiskers",
			To: activity.To(cats, activity.Public),
		}
		if status := w.kim.Send(removal, cats); status != http.StatusAccepted {
			t.Errorf("a moderator's removal: %d", status)
		}
		forged := *removal
		forged.ID = w.ben.ID() + "/activities/removal-1"
		if status := w.ben.Send(&forged, cats); status != http.StatusForbidden {
			t.Errorf("somebody else's removal: %d", status)
		}
		passing()
		// A moderator here bans, and is told of by the group.
		here := w.club.InGroup(cats)
		ban, err := here.Block(t.Context(), "alma", w.ben.ID())
		if err != nil {
			t.Fatal(err)
		}
		passing()
		if _, err := here.Undo(t.Context(), "alma", ban); err != nil {
			t.Fatal(err)
		}
		if _, err := here.Send(t.Context(), "alma", &activity.Activity{Type: activity.Types{"Lock"}, Object: activity.Refs{activity.IRI(post.ID)}}); err != nil {
			t.Fatal(err)
		}
		passing()
		got := announced(w.ann)
		for _, want := range []string{"Delete " + post.ID, "Undo Announce " + post.ID, "Block " + w.ben.ID(), "Undo " + ban, "Lock " + post.ID} {
			if !slices.Contains(got, want) {
				t.Errorf("%s is missing in %q", want, got)
			}
		}
		for host, want := range map[string]int{"club.example": 4, "blog.example": 4} {
			w.mu.Lock()
			n := 0
			for _, s := range w.heard[host] {
				if s.hook == "Moderate" && s.Group == cats && s.Moderates {
					n++
				} else if s.hook == "Delete" || s.hook == "Block" {
					t.Errorf("%s: %s of %s", host, s.hook, s.ObjectID)
				}
			}
			w.mu.Unlock()
			if n != want {
				t.Errorf("%s heard of %d acts of moderators, want %d", host, n, want)
			}
		}
		// Who is shown as a moderator.
		doc, err := w.blog.LookupURL(t.Context(), "", cats)
		if err != nil {
			t.Fatal(err)
		}
		if a := doc.(*activity.Actor); a.AttributedTo.First() != cats+"/moderators" {
			t.Errorf("moderators at %q", a.AttributedTo.First())
		}
		doc, err = w.blog.LookupURL(t.Context(), "", cats+"/moderators")
		if err != nil {
			t.Fatal(err)
		}
		if c := doc.(*activity.Collection); !slices.Equal(c.OrderedItems.IDs(), w.moderators) {
			t.Errorf("moderators %v", c.OrderedItems.IDs())
		}
	})
}

func TestWhatAModeratorRemovesStaysItsAuthors(t *testing.T) {
	t.Parallel()
	inClub(t, nil, func(t *testing.T, w *clubWorld) {
		id, err := w.club.InGroup(cats).Publish(t.Context(), "alma", &activity.Object{Name: "Mine", Content: "whiskers"})
		if err != nil {
			t.Fatal(err)
		}
		passing()
		if got, want := announced(w.ben), []string{"Create " + id, id}; !slices.Equal(got, want) {
			t.Fatalf("announced %q, want %q", got, want)
		}
		removed, err := w.club.InGroup(cats).RemovePost(t.Context(), "alma", id, "")
		if err != nil {
			t.Fatal(err)
		}
		passing()
		doc, err := w.blog.LookupURL(t.Context(), "", id)
		if err != nil || doc.(*activity.Object).Content != "whiskers" {
			t.Errorf("%s shows %v, %v", id, doc, err)
		}
		if _, err := w.club.InGroup(cats).Undo(t.Context(), "alma", removed); err != nil {
			t.Error(err)
		}
		if _, err := w.club.Delete(t.Context(), "alma", id); err != nil {
			t.Error(err)
		}
		passing()
		if doc, err := w.blog.LookupURL(t.Context(), "", id); err == nil {
			t.Errorf("deleted, and shows %v", doc)
		}
		if _, err := w.club.RemovePost(t.Context(), "alma", id, ""); err == nil {
			t.Error("removed from no group")
		}
		// What waits to be said is not taken back by it either.
		later, err := w.club.At(time.Now().Add(time.Hour)).Publish(t.Context(), "alma", &activity.Object{Content: "later"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.club.InGroup(cats).RemovePost(t.Context(), "alma", later, ""); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		if _, err := w.blog.LookupURL(t.Context(), "", later); err != nil {
			t.Error(err)
		}
		// Not a moderator: nobody hears of it.
		other := page(w.ann, "hers")
		w.ann.Create(other)
		passing()
		w.mu.Lock()
		w.moderators = nil
		before := len(w.heard["club.example"])
		w.mu.Unlock()
		if _, err := w.club.InGroup(cats).RemovePost(t.Context(), "alma", other.ID, "why not"); err != nil {
			t.Error(err)
		}
		passing()
		if w.mu.Lock(); len(w.heard["club.example"]) != before {
			t.Errorf("heard %v", w.heard["club.example"][before:])
		}
		w.mu.Unlock()
	})
}

func TestAPostInAGroupElsewhereIsAddressedAsGroupsExpect(t *testing.T) {
	t.Parallel()
	inClub(t, nil, func(t *testing.T, w *clubWorld) {
		there := w.ann.Server().Actor("dogs")
		there.Edit(func(a *activity.Actor) { a.Type = activity.Types{"Group"} })
		dogs := w.blog.InGroup(there.ID())
		id, err := dogs.Publish(t.Context(), "rita", &activity.Object{Name: "A dog", Content: "woof"})
		if err != nil {
			t.Fatal(err)
		}
		create := there.Server().Wait("Create").Activity
		doc, err := create.Object[0].Document()
		if err != nil {
			t.Fatal(err)
		}
		o := doc.(*activity.Object)
		for name, to := range map[string]activity.Audience{"activity": create.To, "object": o.To} {
			if got := to.IDs(); !slices.Equal(got, []string{there.ID(), activity.Public}) {
				t.Errorf("%s to %q", name, got)
			}
		}
		if o.Audience.First() != there.ID() || create.Audience.First() != there.ID() || !o.Is("Page") || o.Name != "A dog" || o.ID != id {
			t.Errorf("%+v", o)
		}
		vote, err := dogs.Dislike(t.Context(), "rita", there.ID()+"/posts/1")
		if err != nil {
			t.Fatal(err)
		}
		if a := there.Server().Wait("Dislike").Activity; a.Audience.First() != there.ID() || a.IsFor(activity.Public) {
			t.Errorf("%+v", a)
		}
		if _, err := dogs.Undo(t.Context(), "rita", vote); err != nil {
			t.Fatal(err)
		}
		undo := there.Server().Wait("Undo").Activity
		if inner, err := undo.Object[0].Document(); err != nil || !inner.Is("Dislike") || undo.Audience.First() != there.ID() {
			t.Errorf("%+v, %v", undo, err)
		}
		comment := &activity.Object{Content: "hm", InReplyTo: activity.IRI(there.ID() + "/posts/1"), Name: ""}
		if _, err := dogs.Publish(t.Context(), "rita", comment); err != nil {
			t.Fatal(err)
		}
		if o, err := there.Server().Wait("Create").Activity.Object[0].Document(); err != nil || !o.Is("Note") {
			t.Errorf("%v, %v", o, err)
		}
		if _, err := dogs.Update(t.Context(), "rita", &activity.Object{ID: id, Name: "A dog", Content: "wuff"}); err != nil {
			t.Fatal(err)
		}
		if a := there.Server().Wait("Update").Activity; a.Audience.First() != there.ID() {
			t.Errorf("%+v", a)
		}
		if _, err := dogs.Delete(t.Context(), "rita", id); err != nil {
			t.Fatal(err)
		}
		if a := there.Server().Wait("Delete").Activity; a.Audience.First() != there.ID() || a.Summary != "" {
			t.Errorf("%+v", a)
		}
		found, err := w.blog.Lookup(t.Context(), "!cats@club.example")
		if err != nil || found.ID != cats {
			t.Errorf("Lookup = %v, %v", found, err)
		}
	})
}
