package lemmy_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/internal/lemmylike"
)

func TestTheyTalkInAGroupHere(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.theyFollow()
		ctx := t.Context()
		post := must(t)(w.frank.Post(ctx, club, "A cat", "whiskers & <b>paws</b>"))
		sent := w.settle()
		if p := shown(t, w.two, post); p.Author != w.frank.ID() || p.Community != club || p.Title != "A cat" {
			t.Errorf("%+v", p)
		}
		// Byte for byte what frank's server sent.
		same := slices.ContainsFunc(w.two.Exchanges(), func(e lemmylike.Exchange) bool {
			return e.Type == "Announce" && strings.Contains(e.Body, `"object":`+sent[0].Body)
		})
		if !same {
			t.Errorf("%s was not announced as it came", sent[0].Body)
		}
		comment := must(t)(w.kim.Comment(ctx, post, "meow"))
		if err := w.kim.Vote(ctx, post, -1); err != nil {
			t.Fatal(err)
		}
		w.settle()
		shown(t, w.one, comment)
		if p := shown(t, w.one, post); p.Score != 0 {
			t.Errorf("score %d", p.Score)
		}
		if err := w.kim.Vote(ctx, post, 0); err != nil {
			t.Fatal(err)
		}
		if err := w.frank.Edit(ctx, post, "claws"); err != nil {
			t.Fatal(err)
		}
		w.settle()
		if p := shown(t, w.one, post); p.Score != 1 {
			t.Errorf("score %d", p.Score)
		}
		if p := shown(t, w.two, post); p.Body != "claws" {
			t.Errorf("%+v", p)
		}
		ours := must(t)(w.ours.InGroup(club).Publish(ctx, "alice", &activity.Object{Name: "Ours", Content: "mine"}))
		w.settle()
		for _, s := range []*lemmylike.Server{w.one, w.two} {
			if p := shown(t, s, ours); p.Author != alice || p.Community != club {
				t.Errorf("%+v", p)
			}
			for _, why := range refused(s) {
				// The copy for Mastodon, and another try of it with RFC 9421.
				if why != "Announce cannot_receive_page" && why != `Announce keyId "" has no fragment` {
					t.Errorf("refused: %s", why)
				}
			}
		}
		if err := w.frank.Delete(ctx, post); err != nil {
			t.Fatal(err)
		}
		w.settle()
		if p := shown(t, w.two, post); !p.Deleted || p.Removed {
			t.Errorf("%+v", p)
		}
	})
}

func TestTheyModerateAGroupHere(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.theyFollow()
		ctx := t.Context()
		post := must(t)(w.frank.Post(ctx, club, "A dog", "woof"))
		w.settle()
		if err := w.kim.Remove(ctx, club, post, "no dogs"); err != nil {
			t.Fatal(err)
		}
		w.settle()
		if p := shown(t, w.one, post); !p.Removed || p.Deleted {
			t.Errorf("%+v", p)
		}
		if m := w.last("Moderate"); m.ObjectID != post || m.Group != club || m.Sender != w.kim.ID() {
			t.Errorf("%+v", m)
		}
		if err := w.kim.Ban(ctx, club, w.frank.ID()); err != nil {
			t.Fatal(err)
		}
		w.settle()
		if !w.one.Banned(club, w.frank.ID()) {
			t.Error("the ban was not announced")
		}
		banned := must(t)(w.frank.Post(ctx, club, "A dog again", "woof"))
		w.settle()
		if _, ok := w.two.Shown(banned); ok {
			t.Error("who is banned was announced")
		}
		// Nobody else moderates.
		kims := must(t)(w.kim.Post(ctx, club, "A cat", "meow"))
		w.settle()
		if err := w.frank.Remove(ctx, club, kims, "no cats"); err != nil {
			t.Fatal(err)
		}
		w.settle()
		if p := shown(t, w.two, kims); p.Removed {
			t.Errorf("%+v", p)
		}
	})
}
