//go:build interop

package fedify_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func fedifyFindsAda(t *testing.T, w *blogWorld) {
	host := strings.TrimPrefix(w.Origin, "https://")
	for _, name := range []string{"@ada@" + host, w.ada} {
		found := w.p.lookup(t, name)
		if found.ID != w.ada || found.Type != "Person" || found.PreferredUsername != "ada" || found.Name != "Ada Byron" || found.URL != w.Origin+"/authors/ada" {
			t.Errorf("%s is found as %+v", name, found)
		}
		if len(found.Keys) != 1 || found.Keys[0].Owner != w.ada || found.Inbox == "" || found.SharedInbox == "" || found.Followers == "" {
			t.Errorf("%s has the keys %+v, the inboxes %q and %q, and the followers %q", name, found.Keys, found.Inbox, found.SharedInbox, found.Followers)
		}
	}
	if status, body := w.p.call(t, http.MethodPost, "/lookup", with{"id": "@nobody@" + host}, nil); status != http.StatusNotFound {
		t.Errorf("who does not write here is answered %d %s", status, body)
	}
}

func fedifyReadsThePages(t *testing.T, w *blogWorld) {
	post := w.p.lookup(t, w.Origin+"/posts/first-light")
	if post.Type != "Article" || post.Name != "First light" || post.AttributedTo != w.ada || post.Preview == nil || post.Preview.Type != "Note" {
		t.Errorf("the post is %+v with the preview %+v", post, post.Preview)
	}
	if author := w.p.lookup(t, w.Origin+"/authors/ada"); author.ID != w.ada {
		t.Errorf("her page leads to %+v", author)
	}
	w.shows(t, w.reader, "/posts/first-light", "<!doctype html>", "First light")
}

func fedifyReadsTheBlogsNodeInfo(t *testing.T, w *blogWorld) {
	var info struct {
		Software  struct{ Name string }
		Protocols []string
	}
	w.p.must(t, http.MethodPost, "/nodeinfo", with{"id": w.Origin}, &info)
	if info.Software.Name == "" || !slices.Equal(info.Protocols, []string{"activitypub"}) {
		t.Errorf("NodeInfo is %+v", info)
	}
}

func fedifyWalksAdasOutbox(t *testing.T, w *blogWorld) {
	var outbox struct {
		TotalItems int
		Items      []struct{ Type, ObjectID string }
	}
	w.p.must(t, http.MethodPost, "/traverse", with{"id": w.p.lookup(t, w.ada).Outbox}, &outbox)
	var posts []string
	for _, item := range outbox.Items {
		if item.Type == "Create" {
			posts = append(posts, strings.TrimPrefix(item.ObjectID, w.Origin+"/posts/"))
		}
	}
	if want := []string{"six-times-nine", "first-light"}; !slices.Equal(posts, want) || outbox.TotalItems != len(want) {
		t.Errorf("her outbox has %d items: %v", outbox.TotalItems, posts)
	}
}

func fredFollowsAda(t *testing.T, w *blogWorld) {
	w.shows(t, w.reader, "/authors/ada", "!"+w.p.Actor)
	follow := w.p.do(t, "follow", w.ada)
	w.took(t, follow.ID)
	w.shows(t, w.reader, "/authors/ada", w.p.Actor)
}

// fredKnowsThatHeFollows is about the Accept that came in the cell before.
func fredKnowsThatHeFollows(t *testing.T, w *blogWorld) {
	if !eventually(t, func() bool { return slices.Contains(w.p.state(t).Following, w.ada) }) {
		t.Errorf("fred follows %v", w.p.state(t).Following)
	}
	accepts := slices.DeleteFunc(w.p.events(t, 0), func(e event) bool { return e.Type != "Accept" || e.Actor != w.ada })
	if len(accepts) != 1 {
		t.Errorf("Fedify heard %+v", accepts)
	}
}

func adaPublishes(t *testing.T, w *blogWorld) {
	w.desk.Write(t, "hello", "ada", `"Hello & welcome"`, "summary: What is new.\ntags: [meta, engines]\n", "Some <script>x</script> *text*.")
	id := w.Origin + "/posts/hello"
	e := w.hears(t, "Create", id)
	o := e.Understood
	if o == nil || o.ID != id || o.Type != "Article" || o.Name != "Hello & welcome" || o.URL != id || o.AttributedTo != w.ada || o.Published == "" {
		t.Fatalf("Fedify takes it for %+v", o)
	}
	if !strings.Contains(o.Content, "<em>text</em>") || strings.Contains(o.Content, "<script") || o.Sensitive {
		t.Errorf("its text is %q, sensitive: %v", o.Content, o.Sensitive)
	}
	var tags []string
	for _, tag := range o.Hashtags {
		tags = append(tags, tag.Name+" "+strings.TrimPrefix(tag.Href, w.Origin))
	}
	if !slices.Equal(tags, []string{"#meta /tags/meta", "#engines /tags/engines"}) {
		t.Errorf("its hashtags are %q", tags)
	}
	if p := o.Preview; p == nil || p.Type != "Note" || !strings.Contains(p.Content, "Hello &amp; welcome") || !strings.Contains(p.Content, id) {
		t.Errorf("its preview is %+v", p)
	}
	if !slices.Contains(o.To, "https://www.w3.org/ns/activitystreams#Public") || !slices.Contains(o.CC, w.ada+"/followers") {
		t.Errorf("it is to %v, cc %v", o.To, o.CC)
	}
	if there := w.p.lookup(t, id); there.Content != o.Content || there.Type != o.Type || there.Preview == nil {
		t.Errorf("where it is Fedify reads %+v", there)
	}
}

func adaPublishesADraft(t *testing.T, w *blogWorld) {
	id := w.Origin + "/posts/slow"
	w.desk.Write(t, "slow", "ada", "Slow", "draft: true\n", "Not yet.")
	if status, body := w.p.call(t, http.MethodPost, "/lookup", with{"id": id}, nil); status != http.StatusNotFound {
		t.Errorf("Fedify asks for the draft and is answered %d %s", status, body)
	}
	w.desk.Write(t, "slow", "ada", "Slow", "", "Now.")
	e := w.hears(t, "Create", id)
	if e.Understood == nil || !strings.Contains(e.Understood.Content, "Now.") {
		t.Errorf("Fedify takes it for %+v", e.Understood)
	}
	for _, e := range w.p.exchanges(t, w.exchange) {
		if strings.Contains(e.Body, "Not yet.") {
			t.Errorf("the draft was sent: %s", e.Body)
		}
	}
}

func adaEdits(t *testing.T, w *blogWorld) {
	id := w.Origin + "/posts/hello"
	before := w.p.lookup(t, id)
	w.desk.Write(t, "hello", "ada", "Hello again", "", "Other *text*.")
	o := w.hears(t, "Update", id).Understood
	if o == nil || o.Type != "Article" || o.Name != "Hello again" || !strings.Contains(o.Content, "Other") || len(o.Hashtags) != 0 {
		t.Fatalf("Fedify takes it for %+v", o)
	}
	if o.Preview == nil || !strings.Contains(o.Preview.Content, "Hello again") {
		t.Errorf("its preview is %+v", o.Preview)
	}
	if o.Published != before.Published || o.Updated == "" {
		t.Errorf("published %s, before %s, and updated %q", o.Published, before.Published, o.Updated)
	}
}

func adaDeletes(t *testing.T, w *blogWorld) {
	id := w.Origin + "/posts/slow"
	w.desk.Delete(t, "slow")
	e := w.hears(t, "Delete", id)
	var deleted struct {
		Object struct{ ID, Type string }
	}
	if err := json.Unmarshal(e.Activity, &deleted); err != nil || deleted.Object.Type != "Tombstone" || deleted.Object.ID != id {
		t.Errorf("the Delete is %s, %v", e.Activity, err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, id, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", activityJSON)
	if body, status, err := exchangeWith(w.ca.client(t), request); err != nil || status != http.StatusGone {
		t.Errorf("where it was: %d %s, %v", status, body, err)
	}
}

// theBlogIsKilled kills it when a post is saved and may or may not have left.
func theBlogIsKilled(t *testing.T, w *blogWorld) {
	key := w.publicKey(t)
	w.desk.Write(t, "power", "ada", "Power", "", "Lost in the middle.")
	w.blog.Kill(t)
	w.start(t)
	w.hearsInAMinute(t, w.event, w.Origin+"/posts/power") // what the dead process had in hand is free after ten seconds
	if now := w.publicKey(t); now != key {
		t.Errorf("her key was %s, and is %s", key, now)
	}
	w.shows(t, w.reader, "/authors/ada", w.p.Actor)
	w.shows(t, w.desk, "/desk", "Power") // still signed in
	w.desk.Write(t, "after", "ada", "After", "", "Light again.")
	w.hears(t, "Create", w.Origin+"/posts/after")
}

func (w *blogWorld) publicKey(t *testing.T) string {
	t.Helper()
	var actor struct{ PublicKey struct{ PublicKeyPem string } }
	get(t, w.ca, w.ada, activityJSON, &actor)
	if actor.PublicKey.PublicKeyPem == "" {
		t.Fatal("she has no key")
	}
	return actor.PublicKey.PublicKeyPem
}

// fredIsOfferedOlderPosts waits for what leaves half a minute after he began to follow, cells ago.
func fredIsOfferedOlderPosts(t *testing.T, w *blogWorld) {
	for _, slug := range []string{"first-light", "six-times-nine"} {
		w.hearsInAMinute(t, 0, w.Origin+"/posts/"+slug)
	}
	if slices.ContainsFunc(w.p.events(t, 0), func(e event) bool { return strings.HasSuffix(e.ObjectID, "/posts/chain-and-sprocket") }) {
		t.Error("so was brian's, whom he does not follow")
	}
}

// hearsInAMinute waits for a Create after the event of this number.
func (w *blogWorld) hearsInAMinute(t *testing.T, after int, post string) {
	t.Helper()
	is := func(e event) bool { return e.Type == "Create" && e.Actor == w.ada && e.ObjectID == post }
	for end := time.Now().Add(time.Minute); !slices.ContainsFunc(w.p.events(t, after), is); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("Fedify never heard of %s", post)
		}
	}
}

func fredUnfollowsAda(t *testing.T, w *blogWorld) {
	follows := slices.DeleteFunc(w.p.exchanges(t, 0), func(e exchange) bool { return e.Direction != "out" || e.Type != "Follow" })
	if len(follows) == 0 {
		t.Fatal("Fedify has forgotten its Follow")
	}
	undo := w.p.do(t, "undo", follows[len(follows)-1].Activity)
	w.took(t, undo.ID)
	w.shows(t, w.reader, "/authors/ada", "!"+w.p.Actor)
	w.desk.Write(t, "alone", "ada", "Alone", "", "Nobody hears.")
	time.Sleep(500 * time.Millisecond)
	for _, e := range w.p.events(t, w.event) {
		if e.ObjectID == w.Origin+"/posts/alone" {
			t.Errorf("Fedify heard of %s", e.ObjectID)
		}
	}
}

func fredFollowsAdaAndLeaves(t *testing.T, w *blogWorld) {
	w.took(t, w.p.do(t, "follow", w.ada).ID)
	w.shows(t, w.reader, "/authors/ada", w.p.Actor)
	w.p.must(t, http.MethodPost, "/leave", with{"ids": []string{w.ada}}, nil)
	w.shows(t, w.reader, "/authors/ada", "!"+w.p.Actor)
}
