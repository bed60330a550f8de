//go:build interop

package fedify_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
)

func fedifyFindsAlice(t *testing.T, w *world) {
	alice := w.o.actor("alice")
	found := w.p.lookup(t, w.o.handle("alice"))
	if found.ID != alice || found.Type != "Person" || found.PreferredUsername != "alice" || found.Name != "Name of alice" || found.Summary != "<p>I am alice.</p>" {
		t.Errorf("Fedify finds %+v at %s", found, w.o.handle("alice"))
	}
	if found.Inbox != alice+"/inbox" || found.SharedInbox != w.o.Origin+"/ap/inbox" || found.Followers != alice+"/followers" {
		t.Errorf("Fedify takes for her inboxes and followers %s, %s, %s", found.Inbox, found.SharedInbox, found.Followers)
	}
	if len(found.Keys) != 1 || found.Keys[0].ID != alice+"#main-key" || found.Keys[0].Owner != alice || found.Keys[0].Algorithm != "RSASSA-PKCS1-v1_5" {
		t.Errorf("Fedify takes for her keys %+v", found.Keys)
	}
	if status, _ := w.p.call(t, http.MethodPost, "/lookup", map[string]string{"id": w.o.handle("nobody")}, nil); status != http.StatusNotFound {
		t.Errorf("Fedify's lookup of nobody: %d, want 404", status)
	}
}

func oursFindsFred(t *testing.T, w *world) {
	found, err := w.o.f.Lookup(t.Context(), w.p.Handle)
	if err != nil {
		t.Fatal(err)
	}
	if found.ID != w.p.Actor || !found.Is("Person") || found.PreferredUsername != "fred" || found.Name != "Fred of Fedify" {
		t.Errorf("ours finds %+v at %s", found, w.p.Handle)
	}
	if found.Inbox.ID != w.p.Actor+"/inbox" || found.SharedInbox() != w.p.Origin+"/inbox" || found.Followers.ID != w.p.Actor+"/followers" {
		t.Errorf("ours takes for his inboxes and followers %s, %s, %s", found.Inbox.ID, found.SharedInbox(), found.Followers.ID)
	}
	if keys := found.Keys(); len(keys) != 1 || keys[0].ID != w.p.Actor+"#main-key" || keys[0].Owner != w.p.Actor {
		t.Errorf("ours takes for his keys %+v", keys)
	}
	if nobody, err := w.o.f.Lookup(t.Context(), strings.Replace(w.p.Handle, "fred", "nobody", 1)); err == nil {
		t.Errorf("ours finds %s where there is nobody", nobody.ID)
	}
}

func fedifyAsksWebFinger(t *testing.T, w *world) {
	alice, account := w.o.actor("alice"), "acct:"+strings.TrimPrefix(w.o.handle("alice"), "@")
	for _, resource := range []string{account, alice} {
		var found struct {
			Subject string
			Aliases []string
			Links   []struct{ Rel, Type, Href string }
		}
		w.p.must(t, http.MethodPost, "/webfinger", with{"id": resource}, &found)
		self := slices.IndexFunc(found.Links, func(l struct{ Rel, Type, Href string }) bool { return l.Rel == "self" })
		if found.Subject != account || !slices.Contains(found.Aliases, alice) {
			t.Errorf("Fedify takes %s to be %s, also known as %v", resource, found.Subject, found.Aliases)
		}
		if self < 0 || found.Links[self].Href != alice || found.Links[self].Type != activityJSON {
			t.Errorf("the links of %s are %+v", resource, found.Links)
		}
	}
	if status, body := w.p.call(t, http.MethodPost, "/webfinger", with{"id": strings.Replace(account, "alice", "nobody", 1)}, nil); status != http.StatusNotFound {
		t.Errorf("Fedify asks for nobody: %d %s", status, body)
	}
}

func oursAsksWebFinger(t *testing.T, w *world) {
	r, account := w.o.finder(t), strings.TrimPrefix(w.p.Handle, "@")
	found, err := r.WebFinger(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	if found.Subject != "acct:"+account || found.Self() != w.p.Actor {
		t.Errorf("ours takes %s to be %s at %s", account, found.Subject, found.Self())
	}
	fred, err := r.Lookup(t.Context(), w.p.Actor)
	if err != nil {
		t.Fatal(err)
	}
	if back, err := r.Handle(t.Context(), fred); err != nil || back != account {
		t.Errorf("ours takes the handle of %s to be %q: %v", fred.ID, back, err)
	}
	if nobody, err := r.WebFinger(t.Context(), strings.Replace(account, "fred", "nobody", 1)); !errors.Is(err, actor.ErrNotFound) {
		t.Errorf("ours asks for nobody: %+v, %v", nobody, err)
	}
}

func fedifyLooksUp(t *testing.T, w *world) {
	alice := w.o.actor("alice")
	account := strings.TrimPrefix(w.o.handle("alice"), "@")
	for _, name := range []string{"@" + account, "acct:" + account, alice} {
		if found := w.p.lookup(t, name); found.ID != alice || found.Outbox != alice+"/outbox" || found.Featured != w.o.featuredOf("alice") {
			t.Errorf("Fedify finds %s at %s, with %q and %q", found.ID, name, found.Outbox, found.Featured)
		}
	}
	instance := w.o.Origin + "/ap/actor"
	if found := w.p.lookup(t, instance); found.ID != instance || found.Type != "Application" || len(found.Keys) != 1 || found.Keys[0].ID != instance+"#main-key" {
		t.Errorf("Fedify takes the instance actor to be %+v", found)
	}
	id := must(t)(w.o.f.Publish(t.Context(), "jack", &activity.Object{Content: "<p>Look me up</p>"}))
	if !eventually(t, func() bool { status, _ := w.o.read(t, id, ""); return status == http.StatusOK }) {
		t.Fatalf("%s is not shown", id)
	}
	if found := w.p.lookup(t, id); found.ID != id || found.Type != "Note" || found.AttributedTo != w.o.actor("jack") || found.Content != "<p>Look me up</p>" {
		t.Errorf("Fedify takes a post to be %+v", found)
	}
	if status, body := w.p.call(t, http.MethodPost, "/lookup", with{"id": w.o.Origin + "/ap/objects/none"}, nil); status != http.StatusNotFound {
		t.Errorf("Fedify looks up what is not there: %d %s", status, body)
	}
}

func oursLooksUp(t *testing.T, w *world) {
	account := strings.TrimPrefix(w.p.Handle, "@")
	for _, name := range []string{"@" + account, "acct:" + account, account, w.p.Actor, w.p.Origin + "/@fred"} {
		found, err := w.o.finder(t).Lookup(t.Context(), name)
		if err != nil {
			t.Errorf("ours looks up %s: %v", name, err)
		} else if found.ID != w.p.Actor || found.Outbox.ID != w.p.Actor+"/outbox" || found.Featured.ID != w.p.Actor+"/featured" {
			t.Errorf("ours finds %s at %s, with %s and %s", found.ID, name, found.Outbox.ID, found.Featured.ID)
		}
	}
	s := w.p.post(t, post{Content: "Look me up", Quiet: true})
	doc, err := w.o.f.LookupURL(t.Context(), "", s.Note)
	if err != nil {
		t.Fatal(err)
	}
	if o, ok := doc.(*activity.Object); !ok || o.ID != s.Note || o.AttributedTo.First() != w.p.Actor || o.Text() != "<p>Look me up</p>" {
		t.Errorf("ours takes a post to be %+v", doc)
	}
	w.p.do(t, "delete", s.Note)
	for address, want := range map[string]actor.Reason{
		s.Note:                           actor.Gone,
		w.p.Origin + "/notes/none":       actor.Unknown,
		w.p.Origin + "/users/nobody":     actor.Unknown,
		"https://localhost:1/users/fred": actor.Unreachable,
	} {
		failed := (*actor.LookupError)(nil)
		if doc, err := w.o.finder(t).LookupURL(t.Context(), address); !errors.As(err, &failed) || failed.Reason != want {
			t.Errorf("ours looks up %s: %v, %v, want %v", address, doc, err, want)
		}
	}
}

func fedifyReadsNodeInfo(t *testing.T, w *world) {
	var n struct {
		Software  struct{ Name, Version string }
		Protocols []string
		Usage     struct {
			Users      struct{ Total int }
			LocalPosts int
		}
	}
	w.p.must(t, http.MethodPost, "/nodeinfo", with{"id": w.o.Origin}, &n)
	if n.Software.Name != "fedihook-interop" || n.Software.Version != "1.2.3" || !slices.Equal(n.Protocols, []string{"activitypub"}) {
		t.Errorf("Fedify reads %+v", n)
	}
	if n.Usage.Users.Total != len(users) || n.Usage.LocalPosts != 45 {
		t.Errorf("Fedify counts %+v", n.Usage)
	}
}

func oursReadsNodeInfo(t *testing.T, w *world) {
	w.p.post(t, post{Content: "One more", Quiet: true})
	posts := w.p.state(t).Posts
	found, err := w.o.finder(t).Software(t.Context(), strings.TrimPrefix(w.p.Origin, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	if found.Name != "fedify-peer" || found.Version != "1.0.0" || found.OpenRegistrations {
		t.Errorf("ours reads %+v", found)
	}
	if found.Users != 1 || found.Posts != int64(posts) || posts == 0 || found.ActiveMonth != -1 {
		t.Errorf("ours counts %+v, of %d posts", found, posts)
	}
}
