package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/inbox"
)

const blogPosts = "https://blog.example/posts/"

// told is readers that note what they are told.
func told(list *[]string) inbox.Readers {
	return inbox.Readers{
		Posts: blogPosts,
		Comment: func(_ context.Context, c inbox.Comment) error {
			*list = append(*list, fmt.Sprintf("comment %s on %s by %s (%s, %s): %s at %d", c.ID, c.Post, c.By, c.Name, c.Avatar, c.Content, c.Published.Unix()))
			return nil
		},
		Remove: func(_ context.Context, id, by string) error {
			*list = append(*list, "remove "+id+" by "+by)
			return nil
		},
		React: func(_ context.Context, post, kind, by string, yes bool) error {
			*list = append(*list, fmt.Sprint(kind, " ", post, " by ", by, " ", yes))
			return nil
		},
	}
}

func TestReadersAreToldOfWhatIsSaidOfPosts(t *testing.T) {
	t.Parallel()
	const bob = "https://far.example/users/bob"
	received := time.Unix(2000, 0)
	reply := func(change func(*activity.Object)) *activity.Object {
		o := activity.Note("https://far.example/1", bob, "<p>hi</p>", time.Unix(1000, 0))
		o.InReplyTo = activity.IRI(blogPosts + "one")
		o.To = activity.To(activity.Public)
		if change != nil {
			change(o)
		}
		return o
	}
	said := "comment https://far.example/1 on one by " + bob + " (" + bob + ", ): <p>hi</p> at 1000"
	gone := "remove https://far.example/1 by " + bob
	of := func(typ, object string) *activity.Activity {
		return &activity.Activity{Type: activity.Types{typ}, Actor: activity.IRI(bob), Object: activity.Refs{activity.IRI(object)}}
	}
	undo := func(a *activity.Activity) *activity.Activity {
		return &activity.Activity{Type: activity.Types{"Undo"}, Actor: activity.IRI(bob), Object: activity.Refs{activity.Embed(a)}}
	}
	for name, c := range map[string]struct {
		a      *activity.Activity
		object activity.Document
		want   string
	}{
		"a reply":                  {of("Create", "https://far.example/1"), reply(nil), said},
		"an unlisted reply":        {of("Create", "https://far.example/1"), reply(func(o *activity.Object) { o.CC, o.To = o.To, nil }), said},
		"an edit":                  {of("Update", "https://far.example/1"), reply(nil), said},
		"one for followers":        {of("Create", "https://far.example/1"), reply(func(o *activity.Object) { o.To = activity.To(bob + "/followers") }), ""},
		"a direct one":             {of("Create", "https://far.example/1"), reply(func(o *activity.Object) { o.To = activity.To("https://blog.example/ada") }), ""},
		"one that became private":  {of("Update", "https://far.example/1"), reply(func(o *activity.Object) { o.To = activity.To(bob + "/followers") }), gone},
		"one that became no reply": {of("Update", "https://far.example/1"), reply(func(o *activity.Object) { o.InReplyTo = activity.Ref{} }), gone},
		"to another's post":        {of("Create", "https://far.example/1"), reply(func(o *activity.Object) { o.InReplyTo = activity.IRI("https://blog.example/postscript") }), ""},
		"to no post":               {of("Create", "https://far.example/1"), reply(func(o *activity.Object) { o.InReplyTo = activity.IRI(blogPosts) }), ""},
		"from the future": {of("Create", "https://far.example/1"), reply(func(o *activity.Object) { o.Published = time.Unix(3000, 0) }),
			"comment https://far.example/1 on one by " + bob + " (" + bob + ", ): <p>hi</p> at 2000"},
		"of no time": {of("Create", "https://far.example/1"), reply(func(o *activity.Object) { o.Published = time.Time{} }),
			"comment https://far.example/1 on one by " + bob + " (" + bob + ", ): <p>hi</p> at 2000"},
		"an actor's edit":        {of("Update", bob), &activity.Actor{ID: bob}, ""},
		"a Delete":               {of("Delete", "https://far.example/1"), nil, gone},
		"a Like":                 {of("Like", blogPosts+"one"), nil, "like one by " + bob + " true"},
		"an EmojiReact":          {of("EmojiReact", blogPosts+"one"), nil, "like one by " + bob + " true"},
		"an Announce":            {of("Announce", blogPosts+"one"), nil, "share one by " + bob + " true"},
		"of something else":      {of("Like", "https://blog.example/about"), nil, ""},
		"an Undo of a Like":      {undo(of("Like", blogPosts+"one")), of("Like", blogPosts+"one"), "like one by " + bob + " false"},
		"an Undo of an Announce": {undo(of("Announce", blogPosts+"one")), of("Announce", blogPosts+"one"), "share one by " + bob + " false"},
		"an Undo of a Block":     {undo(of("Block", blogPosts+"one")), of("Block", blogPosts+"one"), ""},
		"an Undo of an id":       {of("Undo", "https://far.example/like"), nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var list []string
			h := told(&list).Hooks(inbox.Hooks{})
			hook := map[string]inbox.Hook{
				"Create": h.Create, "Update": h.Update, "Delete": h.Delete, "Like": h.Like, "EmojiReact": h.React, "Announce": h.Announce, "Undo": h.Undo,
			}[c.a.Type.String()]
			m := &inbox.Message{Activity: c.a, Sender: bob, Object: c.object, ObjectID: c.a.Object.First(), Received: received}
			if err := hook(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			var want []string
			if c.want != "" {
				want = []string{c.want}
			}
			if !slices.Equal(list, want) {
				t.Errorf("told %q, not %q", list, want)
			}
		})
	}
}

func TestReadersRunAfterTheHooksThatAreThere(t *testing.T) {
	t.Parallel()
	var list []string
	stop := errors.New("stop")
	h := told(&list).Hooks(inbox.Hooks{
		Like:     func(context.Context, *inbox.Message) error { list = append(list, "first"); return nil },
		Announce: func(context.Context, *inbox.Message) error { return stop },
	})
	a := &activity.Activity{Type: activity.Types{"Like"}, Object: activity.Refs{activity.IRI(blogPosts + "one")}}
	m := &inbox.Message{Activity: a, Sender: "bob"}
	if err := h.Like(t.Context(), m); err != nil || !slices.Equal(list, []string{"first", "like one by bob true"}) {
		t.Errorf("%q, %v", list, err)
	}
	if err := h.Announce(t.Context(), m); !errors.Is(err, stop) || len(list) != 2 {
		t.Errorf("%q, %v", list, err)
	}
	if h := (inbox.Readers{}).Hooks(inbox.Hooks{}); h.Create != nil || h.Update != nil || h.Delete != nil || h.Like != nil || h.Undo != nil {
		t.Error("readers of nothing have hooks")
	}
}

func TestAnAuthorIsShownAsWhoTells(t *testing.T) {
	t.Parallel()
	for _, noMedia := range []bool{false, true} {
		var got inbox.Comment
		h := inbox.Readers{
			Who: func(context.Context, string) inbox.Person {
				return inbox.Person{Handle: "bob@far.example", Avatar: "/pictures/1"}
			},
			Comment: func(_ context.Context, c inbox.Comment) error { got = c; return nil },
		}.Hooks(inbox.Hooks{})
		o := &activity.Object{ID: "https://far.example/1", InReplyTo: activity.IRI(blogPosts), To: activity.To(activity.Public)}
		m := &inbox.Message{Activity: &activity.Activity{Type: activity.Types{"Create"}}, Object: o, Sender: "https://far.example/bob", NoMedia: noMedia}
		if err := h.Create(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		if got.Name != "bob@far.example" || (got.Avatar == "") != noMedia || got.Post != blogPosts {
			t.Errorf("no media %v: %+v", noMedia, got)
		}
	}
}
