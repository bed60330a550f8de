//go:build interop

package fedify_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/activity"
)

func fredPostsPublicly(t *testing.T, w *world) {
	s := w.p.post(t, post{Content: "Hello <you>", Summary: "careful"})
	h := w.oursHears(t, "Create", s.ID)
	o := h.object(t)
	if o.ID != s.Note || !o.Is("Note") || o.AttributedTo.First() != w.p.Actor || o.Published.IsZero() {
		t.Errorf("the post is %s by %s of %v", o.ID, o.AttributedTo.First(), o.Published)
	}
	if h.Owner != "" || !h.ToFollowers || !o.To.Has(activity.Public) || !o.CC.Has(w.p.Actor+"/followers") {
		t.Errorf("the post is in the inbox of %q, for followers: %v; it says to %v, cc %v", h.Owner, h.ToFollowers, o.To.IDs(), o.CC.IDs())
	}
	if o.Text() != "<p>Hello &lt;you&gt;</p>" || o.Summary != "careful" || !o.Sensitive {
		t.Errorf("its text is %q under %q, sensitive: %v", o.Text(), o.Summary, o.Sensitive)
	}
}

func fredMentionsGina(t *testing.T, w *world) {
	gina := w.o.actor("gina")
	s := w.p.post(t, post{Content: "Hello", Mention: []string{gina}})
	h := w.oursHears(t, "Create", s.ID)
	o := h.object(t)
	if m := tag[*activity.Link](t, o, "Mention"); m.Href != gina || m.Name != w.o.handle("gina") || !slices.Equal(o.Mentions(), []string{gina}) {
		t.Errorf("its mention is %s %q", m.Href, m.Name)
	}
	if !slices.Contains(h.To, gina) {
		t.Errorf("the post is for %v, not for gina", h.To)
	}
}

func fredTags(t *testing.T, w *world) {
	s := w.p.post(t, post{Content: "Hello :blob:", Hashtag: []string{"Interop"}, Emoji: []string{"blob"}})
	o := w.oursHears(t, "Create", s.ID).object(t)
	if h := tag[*activity.Link](t, o, "Hashtag"); h.Href != w.p.Origin+"/tags/Interop" || h.Name != "#Interop" {
		t.Errorf("its hashtag is %s %q", h.Href, h.Name)
	}
	e := tag[*activity.Object](t, o, "Emoji")
	if len(e.Icon) != 1 {
		t.Fatalf("its emoji %q has %d pictures", e.Name, len(e.Icon))
	}
	icon, err := e.Icon[0].Document()
	if err != nil {
		t.Fatal(err)
	}
	if image, ok := icon.(*activity.Object); !ok || e.Name != ":blob:" || image.MediaType != "image/png" || image.URL.First() != w.p.Origin+"/media/pixel.png" {
		t.Errorf("its emoji is %q, %+v", e.Name, icon)
	}
}

func fredShowsAPicture(t *testing.T, w *world) {
	s := w.p.post(t, post{Content: "See", Image: "one pixel"})
	o := w.oursHears(t, "Create", s.ID).object(t)
	if len(o.Attachment) != 1 {
		t.Fatalf("it has %d attachments", len(o.Attachment))
	}
	doc, err := o.Attachment[0].Document()
	if err != nil {
		t.Fatal(err)
	}
	image, ok := doc.(*activity.Object)
	if !ok || image.Name != "one pixel" || image.MediaType != "image/png" || image.URL.First() != w.p.Origin+"/media/pixel.png" || image.Width != 1 || image.Height != 1 {
		t.Errorf("its image is %+v", doc)
	}
}

// object is what a Create or Update carries.
func (h heard) object(t *testing.T) *activity.Object {
	t.Helper()
	o, ok := h.Object.(*activity.Object)
	if !ok {
		t.Fatalf("%s carries %T", h.Activity.ID, h.Object)
	}
	return o
}

// tag is the one tag of this type.
func tag[D activity.Document](t *testing.T, o *activity.Object, kind string) D {
	t.Helper()
	var found []D
	for _, ref := range o.Tag {
		doc, err := ref.Document()
		if err != nil {
			t.Fatal(err)
		}
		if doc, ok := doc.(D); ok && doc.Is(kind) {
			found = append(found, doc)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%s has %d tags of type %s", o.ID, len(found), kind)
	}
	return found[0]
}

func ginaMentionsFred(t *testing.T, w *world) {
	id := must(t)(w.o.f.Publish(t.Context(), "gina", &activity.Object{
		Content: "<p>Hello</p>", To: activity.To(activity.Public), CC: activity.To(activity.Followers, w.p.Actor),
		Tag: activity.List{activity.Embed(activity.Mention(w.p.Actor, w.p.Handle))},
	}))
	e := w.fedifyHears(t, "Create", "gina", func(e event) bool { return e.ObjectID == id })
	if n := e.Understood; n == nil || len(n.Mentions) != 1 || n.Mentions[0].Href != w.p.Actor || n.Mentions[0].Name != w.p.Handle {
		t.Errorf("the post came as %+v", e.Understood)
	}
}

func aliceTags(t *testing.T, w *world) {
	id := must(t)(w.o.f.Publish(t.Context(), "alice", &activity.Object{
		Content: "<p>:blob: #interop</p>",
		Tag: activity.List{
			activity.Embed(activity.Hashtag(w.o.Origin+"/tags/interop", "interop")),
			activity.Embed(activity.Emoji("blob", w.o.Origin+"/blob.png", "image/png")),
		},
	}))
	n := w.fedifyHears(t, "Create", "alice", func(e event) bool { return e.ObjectID == id }).Understood
	if n == nil || len(n.Hashtags) != 1 || n.Hashtags[0].Href != w.o.Origin+"/tags/interop" || n.Hashtags[0].Name != "#interop" {
		t.Fatalf("Fedify takes the post to be %+v", n)
	}
	if len(n.Emojis) != 1 || n.Emojis[0].Name != ":blob:" || n.Emojis[0].Icon != w.o.Origin+"/blob.png" {
		t.Errorf("Fedify takes for emojis %+v", n.Emojis)
	}
}

func aliceShowsAPicture(t *testing.T, w *world) {
	id := must(t)(w.o.f.Publish(t.Context(), "alice", &activity.Object{
		Content:    "<p>See</p>",
		Attachment: activity.List{activity.Embed(activity.Image(w.o.Origin+"/cat.png", "image/png", "a cat"))},
	}))
	n := w.fedifyHears(t, "Create", "alice", func(e event) bool { return e.ObjectID == id }).Understood
	if n == nil || len(n.Attachments) != 1 {
		t.Fatalf("Fedify takes the post to be %+v", n)
	}
	if a := n.Attachments[0]; a.Type != "Image" || a.Name != "a cat" || a.MediaType != "image/png" || a.URL != w.o.Origin+"/cat.png" {
		t.Errorf("Fedify takes for the picture %+v", a)
	}
}

func alicePostsPublicly(t *testing.T, w *world) {
	alice := w.o.actor("alice")
	id := must(t)(w.o.f.Publish(t.Context(), "alice", &activity.Object{
		Content: `<p>Hello &lt;you&gt; <a href="` + w.p.Actor + `">@fred</a></p>`, Summary: "careful", Sensitive: true,
		To: activity.To(activity.Public), CC: activity.To(activity.Followers, w.p.Actor),
		Tag: activity.List{
			activity.Embed(activity.Mention(w.p.Actor, w.p.Handle)),
			activity.Embed(activity.Hashtag(w.o.Origin+"/tags/interop", "interop")),
		},
		Attachment: activity.List{activity.Embed(activity.Image(w.o.Origin+"/cat.png", "image/png", "a cat"))},
	}))
	e := w.fedifyHears(t, "Create", "alice", func(e event) bool { return e.ObjectID == id })
	n := e.Understood
	if e.Inbox != "" || n == nil || n.ID != id || n.Type != "Note" || n.AttributedTo != alice || n.Published == "" {
		t.Fatalf("the post came as %+v", e)
	}
	if !slices.Equal(n.To, []string{activity.Public}) || !slices.Equal(n.CC, []string{alice + "/followers", w.p.Actor}) {
		t.Errorf("Fedify takes it to be to %v, cc %v", n.To, n.CC)
	}
	if !strings.HasPrefix(n.Content, "<p>Hello &lt;you&gt;") || n.Summary != "careful" || !n.Sensitive {
		t.Errorf("Fedify reads %q under %q, sensitive: %v", n.Content, n.Summary, n.Sensitive)
	}
	if len(n.Mentions) != 1 || n.Mentions[0].Href != w.p.Actor || n.Mentions[0].Name != w.p.Handle {
		t.Errorf("Fedify takes for mentions %+v", n.Mentions)
	}
	if len(n.Hashtags) != 1 || n.Hashtags[0].Href != w.o.Origin+"/tags/interop" || n.Hashtags[0].Name != "#interop" {
		t.Errorf("Fedify takes for hashtags %+v", n.Hashtags)
	}
	if len(n.Attachments) != 1 || n.Attachments[0].Name != "a cat" || n.Attachments[0].MediaType != "image/png" || n.Attachments[0].URL != w.o.Origin+"/cat.png" {
		t.Errorf("Fedify takes for pictures %+v", n.Attachments)
	}
	if found := w.p.lookup(t, id); found.ID != id || found.Content != n.Content || len(found.Mentions) != 1 {
		t.Errorf("Fedify fetches it as %+v", found)
	}
}

func fredReplies(t *testing.T, w *world) {
	id := w.alicePosts(t, "Who answers?")
	s := w.p.post(t, post{ID: id, Content: "I do"})
	h := w.oursHears(t, "Create", s.ID)
	if o := h.object(t); o.InReplyTo.ID != id || !strings.HasPrefix(o.Text(), "<p>I do") {
		t.Errorf("the reply to %s is %q to %s", id, o.Text(), o.InReplyTo.ID)
	}
	if !slices.Contains(h.To, w.o.actor("alice")) {
		t.Errorf("the reply is for %v, not for alice", h.To)
	}
}

func beaReplies(t *testing.T, w *world) {
	id := w.fredPosts(t, "Who answers?")
	reply := must(t)(w.o.f.Publish(t.Context(), "bea", &activity.Object{
		Content: "<p>I do</p>", InReplyTo: activity.IRI(id), To: activity.To(activity.Public), CC: activity.To(w.p.Actor),
		Tag: activity.List{activity.Embed(activity.Mention(w.p.Actor, w.p.Handle))},
	}))
	e := w.fedifyHears(t, "Create", "bea", func(e event) bool { return e.ObjectID == reply })
	if n := e.Understood; n == nil || n.InReplyTo != id || n.Content != "<p>I do</p>" || len(n.Mentions) != 1 {
		t.Errorf("the reply came as %+v", e.Understood)
	}
}

func fredWritesToGina(t *testing.T, w *world) {
	gina := w.o.actor("gina")
	s := w.p.post(t, post{Content: "For you alone", To: "direct", Mention: []string{gina}})
	h := w.oursHears(t, "Create", s.ID)
	if h.Owner != gina || !slices.Equal(h.To, []string{gina}) || h.ToFollowers {
		t.Errorf("the post is in the inbox of %q, for %v and followers: %v", h.Owner, h.To, h.ToFollowers)
	}
	if o := h.object(t); o.To.Has(activity.Public) || o.CC.Has(activity.Public) || !o.To.Has(gina) {
		t.Errorf("the post is to %v, cc %v", o.To.IDs(), o.CC.IDs())
	}
}

func ginaWritesToFred(t *testing.T, w *world) {
	id := must(t)(w.o.f.Publish(t.Context(), "gina", &activity.Object{
		Content: "<p>For you alone</p>", To: activity.To(w.p.Actor),
		Tag: activity.List{activity.Embed(activity.Mention(w.p.Actor, w.p.Handle))},
	}))
	e := w.fedifyHears(t, "Create", "gina", func(e event) bool { return e.ObjectID == id })
	if n := e.Understood; n == nil || !slices.Equal(n.To, []string{w.p.Actor}) || len(n.CC) != 0 {
		t.Errorf("the post came as %+v", e.Understood)
	}
	if found, status := w.p.lookupSigned(t, id); status != http.StatusOK || found.ID != id {
		t.Errorf("its recipient fetches it: %d %+v", status, found)
	}
	w.hiddenFromFedify(t, id, false)
}

func fredPostsToFollowers(t *testing.T, w *world) {
	s := w.p.post(t, post{Content: "For my followers", To: "followers"})
	h := w.oursHears(t, "Create", s.ID)
	if o := h.object(t); o.To.Has(activity.Public) || o.CC.Has(activity.Public) || !h.ToFollowers {
		t.Errorf("the post is to %v, cc %v, for followers: %v", o.To.IDs(), o.CC.IDs(), h.ToFollowers)
	}
	for reader, want := range map[string]int{"alice": http.StatusOK, "gina": http.StatusUnauthorized, "": http.StatusUnauthorized} {
		if status, body := w.o.read(t, s.Note, reader); status != want || strings.Contains(body, "For my followers") != (want == http.StatusOK) {
			t.Errorf("a GET by %q: %d %s, want %d", reader, status, body, want)
		}
	}
}

func alicePostsToFollowers(t *testing.T, w *world) {
	id := must(t)(w.o.f.Publish(t.Context(), "alice", &activity.Object{Content: "<p>For my followers</p>", To: activity.To(activity.Followers)}))
	e := w.fedifyHears(t, "Create", "alice", func(e event) bool { return e.ObjectID == id })
	if n := e.Understood; n == nil || !slices.Equal(n.To, []string{w.o.actor("alice") + "/followers"}) || len(n.CC) != 0 {
		t.Errorf("the post came as %+v", e.Understood)
	}
	if found, status := w.p.lookupSigned(t, id); status != http.StatusOK || found.ID != id || found.Content != "<p>For my followers</p>" {
		t.Errorf("the follower fetches it: %d %+v", status, found)
	}
	w.hiddenFromFedify(t, id, false)

	// gina has no followers, and to her fred is a stranger. What she says to him next tells that the post is out.
	other := must(t)(w.o.f.Publish(t.Context(), "gina", &activity.Object{Content: "<p>For my followers</p>", To: activity.To(activity.Followers)}))
	next := must(t)(w.o.f.Publish(t.Context(), "gina", &activity.Object{Content: "<p>Did you see it?</p>", To: activity.To(w.p.Actor)}))
	w.fedifyHears(t, "Create", "gina", func(e event) bool { return e.ObjectID == next })
	w.hiddenFromFedify(t, other, true)
	w.hiddenFromFedify(t, other, false)
}

// hiddenFromFedify checks that a post of ours is 404 to Fedify, signed by fred or not.
func (w *world) hiddenFromFedify(t *testing.T, id string, signed bool) {
	t.Helper()
	var found struct{ Found described }
	status, _ := w.p.call(t, http.MethodPost, "/lookup", map[string]any{"id": id, "signed": signed}, &found)
	if status != http.StatusNotFound {
		t.Errorf("Fedify's lookup, signed: %v, finds %+v", signed, found.Found)
	}
	asked := slices.DeleteFunc(w.p.exchanges(t, w.exchange), func(e exchange) bool {
		return e.Direction != "out" || e.URL != id || (e.Scheme != "") != signed
	})
	if len(asked) == 0 || slices.ContainsFunc(asked, func(e exchange) bool { return e.Status != http.StatusNotFound }) {
		t.Errorf("Fedify's GETs, signed: %v, got %+v, want 404", signed, asked)
	}
}

func fredEdits(t *testing.T, w *world) {
	id := w.fredPosts(t, "Helo")
	update := w.p.update(t, id, "Hello")
	h := w.oursHears(t, "Update", update.ID)
	if o := h.object(t); o.ID != id || o.Text() != "<p>Hello</p>" || o.Updated.IsZero() || o.Updated.Before(o.Published) {
		t.Errorf("the post is now %s %q of %v, published %v", o.ID, o.Text(), o.Updated, o.Published)
	}
}

func aliceEdits(t *testing.T, w *world) {
	id := w.alicePosts(t, "Helo")
	update := must(t)(w.o.f.Update(t.Context(), "alice", &activity.Object{ID: id, Content: "<p>Hello</p>"}))
	e := w.fedifyHearsID(t, "Update", "alice", update)
	if n := e.Understood; n == nil || n.ID != id || n.Content != "<p>Hello</p>" || n.Updated == "" || n.Published == "" || !slices.Equal(n.To, []string{activity.Public}) {
		t.Errorf("the Update came as %+v", e.Understood)
	}
	if found := w.p.lookup(t, id); found.Content != "<p>Hello</p>" || found.Updated == "" {
		t.Errorf("Fedify fetches the post as %+v", found)
	}
}

func fredDeletes(t *testing.T, w *world) {
	id := w.fredPosts(t, "Forget this")
	s := w.p.do(t, "delete", id)
	if h := w.oursHears(t, "Delete", s.ID); h.ObjectID != id {
		t.Errorf("what is deleted is %s, not %s", h.ObjectID, id)
	}
}

func aliceDeletes(t *testing.T, w *world) {
	id := w.alicePosts(t, "Forget this")
	s := must(t)(w.o.f.Delete(t.Context(), "alice", id))
	e := w.fedifyHearsID(t, "Delete", "alice", s)
	if tombstone := e.embedded(t); e.ObjectID != id || tombstone.ID != id || tombstone.Type != "Tombstone" {
		t.Errorf("the Delete came as %s", e.Activity)
	}
	if status, body := w.p.call(t, http.MethodPost, "/lookup", map[string]string{"id": id}, nil); status != http.StatusNotFound {
		t.Errorf("Fedify's lookup of what is gone: %d %s", status, body)
	}
	asked := slices.DeleteFunc(w.p.exchanges(t, w.exchange), func(e exchange) bool { return e.Direction != "out" || e.URL != id })
	if len(asked) == 0 || asked[len(asked)-1].Status != http.StatusGone {
		t.Errorf("Fedify asked for it as %+v, and was not answered 410", asked)
	}
}

// embedded is the object in an activity that Fedify heard.
func (e event) embedded(t *testing.T) (object struct{ ID, Type, Actor, Object string }) {
	t.Helper()
	document := struct{ Object any }{&object}
	if err := json.Unmarshal(e.Activity, &document); err != nil {
		t.Fatalf("%s does not embed its object: %v in %s", e.ID, err, e.Activity)
	}
	return object
}
