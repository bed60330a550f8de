package lemmy_test

import (
	"slices"
	"testing"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox"
)

func TestWePostInACommunityThere(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.weFollow()
		in, ctx := w.ours.InGroup(w.cats.ID()), t.Context()
		post := must(t)(in.Publish(ctx, "alice", &activity.Object{Name: "A cat", Content: "whiskers"}))
		w.settle()
		if p := shown(t, w.one, post); p.Title != "A cat" || p.Body != "whiskers" || p.Author != alice || p.Community != w.cats.ID() {
			t.Errorf("%+v", p)
		}
		// What comes back is ours: nothing to believe, but that the community shares it.
		if w.count("Create", post) != 0 || w.count("Announce", post) != 1 {
			t.Errorf("heard of our own post %d times, of its share %d times", w.count("Create", post), w.count("Announce", post))
		}
		must(t)(in.Update(ctx, "alice", &activity.Object{ID: post, Type: activity.Types{"Page"}, Name: "A cat", Content: "paws"}))
		comment, err := w.frank.Comment(ctx, post, "meow")
		must(t)(comment, err)
		w.settle()
		if p := shown(t, w.one, post); p.Body != "paws" {
			t.Errorf("%+v", p)
		}
		if m := w.last("Create"); m.ObjectID != comment || m.Sender != w.frank.ID() || m.Group != w.cats.ID() || !slices.Equal(m.To, []string{alice}) || !m.ToMembers || m.By != inbox.ByGroup {
			t.Errorf("a comment: %+v", m)
		}
		ours := must(t)(in.Publish(ctx, "alice", &activity.Object{Content: "purr", InReplyTo: activity.IRI(comment)}))
		vote := must(t)(in.Like(ctx, "alice", comment))
		w.settle()
		if p := shown(t, w.one, ours); p.Parent != comment {
			t.Errorf("%+v", p)
		}
		if p := shown(t, w.one, comment); p.Score != 2 {
			t.Errorf("score %d", p.Score)
		}
		must(t)(in.Undo(ctx, "alice", vote))
		must(t)(in.Dislike(ctx, "alice", comment))
		w.settle()
		if p := shown(t, w.one, comment); p.Score != 0 {
			t.Errorf("score %d", p.Score)
		}
		must(t)(in.Delete(ctx, "alice", post))
		w.settle()
		if p := shown(t, w.one, post); !p.Deleted || p.Removed {
			t.Errorf("%+v", p)
		}
		if list := refused(w.one); len(list) != 0 {
			t.Errorf("refused %q", list)
		}
	})
}

func TestANoteThatMentionsACommunityIsAPostThere(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		o := content("whiskers")
		o.Tag = activity.List{activity.Embed(activity.Mention(w.cats.ID(), "cats@one.example"))}
		o.Address(activity.VisibilityPublic, activity.Followers)
		id := must(t)(w.ours.Publish(t.Context(), "alice", o))
		w.settle()
		if p := shown(t, w.one, id); p.Title != "whiskers" || p.Community != w.cats.ID() {
			t.Errorf("%+v", p)
		}
	})
}

func TestWhatOthersDoInACommunityThere(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.weFollow()
		ctx := t.Context()
		// Of the community's host, and, by way of the community, of another one, whose word is asked for.
		must(t)(w.kim.Follow(ctx, w.cats.Handle()))
		w.settle()
		franks := must(t)(w.frank.Post(ctx, w.cats.ID(), "One", "of frank"))
		kims := must(t)(w.kim.Post(ctx, w.cats.ID(), "Two", "of kim"))
		w.settle()
		for id, by := range map[string]inbox.Proof{franks: inbox.ByGroup, kims: inbox.ByOrigin} {
			if w.count("Create", id) != 1 || w.count("Announce", id) != 0 {
				t.Errorf("%s: Create %d times, its copy %d times", id, w.count("Create", id), w.count("Announce", id))
			}
			w.mu.Lock()
			i := slices.IndexFunc(w.heard, func(h heard) bool { return h.hook == "Create" && h.ObjectID == id })
			if i < 0 || w.heard[i].By != by || w.heard[i].Group != w.cats.ID() {
				t.Errorf("%s: %v", id, w.heard)
			}
			w.mu.Unlock()
		}
		if err := w.frank.Vote(ctx, franks, 1); err != nil {
			t.Fatal(err)
		}
		if err := w.frank.Edit(ctx, franks, "of frank, edited"); err != nil {
			t.Fatal(err)
		}
		w.settle()
		if err := w.frank.Vote(ctx, franks, 0); err != nil {
			t.Fatal(err)
		}
		if err := w.frank.Delete(ctx, franks); err != nil {
			t.Fatal(err)
		}
		if err := w.frank.Remove(ctx, w.cats.ID(), kims, "off topic"); err != nil {
			t.Fatal(err)
		}
		w.settle()
		for hook, n := range map[string]int{"Like": w.count("Like", franks), "Update": w.count("Update", franks), "Undo": w.count("Undo", w.frank.ID()), "Delete": w.count("Delete", franks), "Moderate": w.count("Moderate", kims)} {
			if n != 1 {
				t.Errorf("%s: %d times", hook, n)
			}
		}
		if m := w.last("Moderate"); m.Activity.Summary != "off topic" || m.Sender != w.frank.ID() || !m.Moderates {
			t.Errorf("%+v", m)
		}
	})
}

func TestWeAreRemovedAndBannedThere(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.weFollow()
		ctx := t.Context()
		post := must(t)(w.ours.InGroup(w.cats.ID()).Publish(ctx, "alice", &activity.Object{Name: "A cat", Content: "whiskers"}))
		w.settle()
		if err := w.frank.Remove(ctx, w.cats.ID(), post, ""); err != nil {
			t.Fatal(err)
		}
		if err := w.frank.Ban(ctx, w.cats.ID(), alice); err != nil {
			t.Fatal(err)
		}
		w.settle()
		if w.count("Moderate", post) != 1 || w.count("Moderate", alice) != 1 {
			t.Errorf("%d removals, %d bans", w.count("Moderate", post), w.count("Moderate", alice))
		}
		if page, err := w.ours.Collection(ctx, actor.Query{Name: "outbox", Owner: alice}); err != nil || page.Total != 1 {
			t.Errorf("alice's outbox: %+v, %v", page, err) // the post is still hers
		}
		again := must(t)(w.ours.InGroup(w.cats.ID()).Publish(ctx, "alice", &activity.Object{Name: "Again", Content: "whiskers"}))
		w.settle()
		if _, ok := w.one.Shown(again); ok {
			t.Error("a post of who is banned was taken")
		}
		if list := refused(w.one); !slices.Contains(list, "Create person_is_banned_from_community") {
			t.Errorf("refused %q", list)
		}
	})
}
