package fedihook_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/inbox/inboxtest"
	"github.com/fedihook/fedihook/moderation"
)

// announcedBy has a group elsewhere, whom alice follows, announce what somebody else says.
type announcedBy struct {
	*moderated
	group, dan *inboxtest.Actor
}

func inAnnounced(t *testing.T, f func(t *testing.T, w *announcedBy)) {
	t.Helper()
	inModerated(t, func(c *fedihook.Config) {
		c.Owner = func(_ context.Context, id string) (string, error) { // what the app keeps of others
			author, _, ok := strings.Cut(id, "/notes/")
			if !ok {
				return "", nil
			}
			return author, nil
		}
	}, func(t *testing.T, w *moderated) {
		a := &announcedBy{moderated: w, group: w.net.Server("lemmy.example").Actor("catsgroup"), dan: w.net.Server("lemmy.example").Actor("dan")}
		a.group.Edit(func(doc *activity.Actor) { doc.Type = activity.Types{"Group"} })
		w.followBack(t, "alice", a.group)
		w.bob.Like(w.publish(t)) // so that bob's server is no stranger
		settle()
		f(t, a)
	})
}

// create announces a post of bob's, like announces the Like of one by dan, who is of the group's server. Each returns the status and the message that a hook got, if one did.
func (w *announcedBy) create(t *testing.T, name string) (int, *inbox.Message) {
	note := noteOf(w.bob, name)
	w.there.Put(note)
	return w.announce(t, w.bob, &activity.Activity{
		ID: note.ID + "/create", Type: activity.Types{"Create"}, Actor: activity.IRI(w.bob.ID()), To: note.To, Object: activity.Refs{activity.Embed(note)},
	})
}

func (w *announcedBy) like(t *testing.T, name string) (int, *inbox.Message) {
	like := &activity.Activity{
		ID: w.dan.ID() + "/likes/" + name, Type: activity.Types{"Like"}, Actor: activity.IRI(w.dan.ID()), To: activity.To(activity.Public),
		Object: activity.Refs{activity.IRI(w.bob.ID() + "/notes/" + name)},
	}
	return w.announce(t, w.dan, like)
}

func (w *announcedBy) announce(t *testing.T, by *inboxtest.Actor, a *activity.Activity) (int, *inbox.Message) {
	t.Helper()
	raw, err := activity.Encode(a)
	if err != nil {
		t.Fatal(err)
	}
	status := w.group.Send(&activity.Activity{Type: activity.Types{"Announce"}, To: activity.To(activity.Public), Object: activity.Refs{{ID: a.ID, Raw: raw}}}, alice)
	settle()
	for _, m := range slices.Backward(w.of(a.Type.String(), by.ID())) {
		if m.ObjectID == a.Object.First() && m.Group == w.group.ID() {
			return status, m
		}
	}
	return status, nil
}

func TestAllWhomAGroupsAnnounceIsOfAreJudged(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		about  func(w *announcedBy, name string) string
		what   func(w *announcedBy, t *testing.T, name string) (int, *inbox.Message)
		status int // if that is suspended
	}{
		"the group":                   {func(w *announcedBy, _ string) string { return w.group.ID() }, (*announcedBy).create, http.StatusForbidden},
		"its host":                    {func(w *announcedBy, _ string) string { return "lemmy.example" }, (*announcedBy).create, http.StatusForbidden},
		"who says it":                 {func(w *announcedBy, _ string) string { return w.bob.ID() }, (*announcedBy).create, http.StatusAccepted},
		"the host of that":            {func(w *announcedBy, _ string) string { return "there.example" }, (*announcedBy).create, http.StatusAccepted},
		"the object":                  {func(w *announcedBy, name string) string { return w.bob.ID() + "/notes/" + name }, (*announcedBy).create, http.StatusAccepted},
		"the author of what is liked": {func(w *announcedBy, _ string) string { return w.bob.ID() }, (*announcedBy).like, http.StatusAccepted},
		"the host of what is liked":   {func(w *announcedBy, _ string) string { return "there.example" }, (*announcedBy).like, http.StatusAccepted},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inAnnounced(t, func(t *testing.T, w *announcedBy) {
				if status, m := c.what(w, t, "1"); status != http.StatusAccepted || m == nil || m.Limited || m.NoMedia {
					t.Fatalf("without a rule: %d, %+v", status, m)
				}
				r := about(c.about(w, "2"), moderation.Limit)
				r.RejectMedia = true
				w.moderate(t, r)
				if status, m := c.what(w, t, "2"); status != http.StatusAccepted || m == nil || !m.Limited || !m.NoMedia {
					t.Errorf("limited: %d, %+v", status, m)
				}
				w.lift(t, "", r.About)
				w.moderate(t, suspend(c.about(w, "3")))
				gets := w.gets()
				if status, m := c.what(w, t, "3"); status != c.status || m != nil {
					t.Errorf("suspended: %d, %+v", status, m)
				}
				if n := w.gets(); n != gets {
					t.Errorf("%d documents were asked for", n-gets)
				}
			})
		})
	}
}

func TestWhatAGroupAnnouncesDoesNotReachWhoBlocksTheGroup(t *testing.T) {
	t.Parallel()
	inAnnounced(t, func(t *testing.T, w *announcedBy) {
		said := func(name string) *inbox.Message {
			note := noteOf(w.bob, name, alice, erin)
			w.there.Put(note)
			_, m := w.announce(t, w.bob, &activity.Activity{
				ID: note.ID + "/create", Type: activity.Types{"Create"}, Actor: activity.IRI(w.bob.ID()), To: note.To, Object: activity.Refs{activity.Embed(note)},
			})
			return m
		}
		if m := said("1"); m == nil || !slices.Contains(m.To, alice) || !slices.Contains(m.To, erin) {
			t.Fatalf("before: %+v", m)
		}
		if _, err := w.Block(t.Context(), "alice", w.group.ID()); err != nil {
			t.Fatal(err)
		}
		settle()
		if m := said("2"); m == nil || !slices.Equal(m.To, []string{erin}) {
			t.Errorf("after it was blocked: %+v", m)
		}
	})
}
