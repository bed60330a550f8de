//go:build interop

package fedify_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
)

// guard starts ours again, asking so far for signatures.
func (w *world) guard(t *testing.T, how actor.AuthorizedFetch) {
	t.Helper()
	w.o.adjust = func(c *fedihook.Config) { c.AuthorizedFetch = how }
	w.o.restart(t)
}

func bothLookUp(t *testing.T, w *world) {
	type answer struct {
		actor *activity.Actor
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		found, err := w.o.f.Lookup(t.Context(), w.p.Actor)
		answers <- answer{found, err}
	}()
	if found, status := w.p.lookupSigned(t, w.o.actor("alice")); status != http.StatusOK || found.ID != w.o.actor("alice") {
		t.Errorf("Fedify finds alice: %d %+v", status, found)
	}
	if a := <-answers; a.err != nil || a.actor.ID != w.p.Actor {
		t.Errorf("ours finds fred: %+v, %v", a.actor, a.err)
	}
	// Each had to verify the other: fred's key was fetched with the signature of our instance actor, whose key is for all.
	keys := w.asked(t, "in", w.p.Actor, func(e exchange) bool {
		return e.Status == http.StatusOK && e.keyID() == w.o.Origin+"/ap/actor#main-key"
	})
	instance := w.asked(t, "out", w.o.Origin+"/ap/actor", func(e exchange) bool { return e.Status == http.StatusOK && e.Scheme == "" })
	if len(keys) == 0 || len(instance) == 0 {
		t.Errorf("fred was fetched as %q and our instance actor as %q", keys, instance)
	}
}

func strangersAreRefused(t *testing.T, w *world) {
	alice := w.o.actor("alice")
	id := must(t)(w.o.f.Publish(t.Context(), "alice", &activity.Object{Content: "<p>Hello</p>"}))
	if !eventually(t, func() bool { _, status := w.p.lookupSigned(t, id); return status == http.StatusOK }) {
		t.Fatalf("%s is not shown", id)
	}
	w.begin(t)
	for _, closed := range []string{alice, id, alice + "/outbox", alice + "/followers"} {
		if status, body := w.p.call(t, http.MethodPost, "/lookup", with{"id": closed}, nil); status != http.StatusNotFound {
			t.Errorf("Fedify's unsigned lookup of %s: %d %s", closed, status, body)
		}
		if asked := w.asked(t, "out", closed, func(e exchange) bool { return e.URL == closed }); len(asked) == 0 || slices.ContainsFunc(asked, not401) {
			t.Errorf("an unsigned GET of %s was answered %q, not 401", closed, asked)
		}
	}
	if found := w.p.lookup(t, w.o.Origin+"/ap/actor"); found.Type != "Application" {
		t.Errorf("Fedify's unsigned lookup of the instance actor finds %+v", found)
	}
	for verb, id := range map[string]string{"/webfinger": "acct:" + strings.TrimPrefix(w.o.handle("alice"), "@"), "/nodeinfo": w.o.Origin} {
		w.p.must(t, http.MethodPost, verb, with{"id": id}, nil)
	}
}

func not401(asked string) bool { return !strings.HasSuffix(asked, `by "": 401`) }

func fredReadsSigned(t *testing.T, w *world) {
	alice := w.o.actor("alice")
	id := must(t)(w.o.f.Publish(t.Context(), "alice", &activity.Object{Content: "<p>Hello again</p>"}))
	if !eventually(t, func() bool { _, status := w.p.lookupSigned(t, id); return status == http.StatusOK }) {
		t.Fatalf("%s is not shown", id)
	}
	if found, status := w.p.lookupSigned(t, alice); status != http.StatusOK || found.ID != alice || found.PreferredUsername != "alice" || len(found.Keys) != 1 {
		t.Errorf("Fedify's signed lookup of alice: %d %+v", status, found)
	}
	if found, status := w.p.lookupSigned(t, id); status != http.StatusOK || found.Content != "<p>Hello again</p>" {
		t.Errorf("Fedify's signed lookup of %s: %d %+v", id, status, found)
	}
	// A page has a query, which Fedify leaves out of what it signs in draft-cavage.
	c := w.p.traverse(t, alice+"/outbox", true)
	if len(c.Items) == 0 || c.Items[0].ObjectID != id || c.TotalItems != len(c.Items) {
		t.Errorf("Fedify's signed walk through the outbox finds %+v", c)
	}
}

func oursReadsSigned(t *testing.T, w *world) {
	s := w.p.post(t, post{Content: "Hello", Quiet: true})
	for _, closed := range []string{w.p.Actor, s.Note, w.p.Actor + "/outbox"} {
		if status, body := w.o.read(t, closed, ""); status != http.StatusUnauthorized {
			t.Errorf("an unsigned GET of %s: %d %s", closed, status, body)
		}
	}
	r := w.o.finder(t)
	if found, err := r.Lookup(t.Context(), w.p.Handle); err != nil || found.ID != w.p.Actor || len(found.Keys()) != 1 {
		t.Errorf("ours looks up fred: %+v, %v", found, err)
	}
	if found, err := r.Object(t.Context(), s.Note); err != nil || found.Text() != "<p>Hello</p>" {
		t.Errorf("ours looks up %s: %+v, %v", s.Note, found, err)
	}
	if items := activity.List(walk(t, r, w.p.Actor+"/outbox")).IDs(); !slices.Contains(items, s.ID) {
		t.Errorf("ours walks through the outbox and finds %v", items)
	}
	if doc, err := w.o.f.LookupURL(t.Context(), "", s.Note); err != nil || doc.DocumentID() != s.Note {
		t.Errorf("the site looks up %s: %v, %v", s.Note, doc, err)
	}
}

// firstFollowIsCompleted is the first Follow of fred here, with actors that everyone may fetch.
func firstFollowIsCompleted(t *testing.T, w *world) {
	w.guard(t, actor.FetchSigned)
	pinned := w.p.post(t, post{Content: "Above all", Quiet: true})
	w.p.do(t, "pin", pinned.Note)
	w.begin(t)
	w.isFollower(t, "alice")
	var past []*actor.Completion
	if !eventually(t, func() bool { past = w.o.completions(); return len(past) > 0 }) {
		t.Fatal("the app was given nothing")
	}
	c := past[0]
	if c.Actor.ID != w.p.Actor || c.Posts != int64(len(walk(t, w.o.finder(t), w.p.Actor+"/outbox"))) || c.Followers != 1 {
		t.Errorf("the app is told of %s, %d posts, %d followers", c.Actor.ID, c.Posts, c.Followers)
	}
	if len(c.Featured) != 1 || c.Featured[0].ID != pinned.Note || len(c.Outbox) == 0 || c.Outbox[0].Activity.ID != pinned.ID || c.Outbox[0].Object.ID != pinned.Note {
		t.Errorf("the app is given %d featured posts and the outbox %+v", len(c.Featured), c.Outbox)
	}
}

func fredReadsOn(t *testing.T, w *world) {
	quiet := w.p.post(t, post{Content: "Hello", Quiet: true})
	if doc, err := w.o.f.LookupURL(t.Context(), "alice", quiet.Note); err != nil || doc.DocumentID() != quiet.Note {
		t.Errorf("alice looks up %s: %v, %v", quiet.Note, doc, err)
	}
	w.fredIsFollower(t, "alice")
	id := w.alicePosts(t, "Who follows me?")
	s := w.p.post(t, post{ID: id, Content: "I do"})
	if h := w.oursHears(t, "Create", s.ID); h.object(t).InReplyTo.ID != id {
		t.Errorf("the reply is to %s", h.object(t).InReplyTo.ID)
	}
}

// fredReadsKeysSigned has Fedify verify what comes to its inboxes with keys that it shows to it only with a signature: the peer
// signs as fred what it fetches for the shared inbox too.
func fredReadsKeysSigned(t *testing.T, w *world) {
	w.guard(t, actor.FetchSignedActors)
	w.begin(t)
	id := must(t)(w.o.f.Publish(t.Context(), "bea", &activity.Object{Content: "<p>Who am I?</p>", To: activity.To(w.p.Actor)}))
	w.fedifyHears(t, "Create", "bea", func(e event) bool { return e.ObjectID == id })
	if asked := w.fetchedKey(t, "bea"); len(asked) == 0 || slices.ContainsFunc(asked, func(a string) bool { return strings.Contains(a, `by "":`) }) {
		t.Errorf("Fedify fetched the key so: %q", asked)
	}
}
