package threadslike

import (
	"net/http"
	"strings"
	"testing"
)

func (w *world) sees(t *testing.T, want ...string) {
	t.Helper()
	var got []string
	for _, p := range w.frank.Feed() {
		got = append(got, p.ID)
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("frank sees %v, want %v", got, want)
	}
}

// asks makes frank ask to follow ada, and returns his Follow.
func (w *world) asks(t *testing.T) object {
	t.Helper()
	if _, err := w.frank.Follow(t.Context(), "@ada@elsewhere.example"); err != nil {
		t.Fatal(err)
	}
	return w.deliver("Follow").activity
}

func TestABareAcceptIs500AndTheFollowStaysPending(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	follow := w.asks(t)
	for name, inner := range map[string]any{
		"bare": follow["id"], "without object": object{"id": follow["id"], "type": "Follow", "actor": w.frank.ID()},
		"without actor": object{"id": follow["id"], "type": "Follow", "object": w.ada.id},
	} {
		if status, _ := w.post(w.ada.says("Accept", inner)); status != http.StatusInternalServerError {
			t.Errorf("an Accept %s: %d", name, status)
		}
	}
	if status, why := w.post(w.ada.says("Accept", object{"id": "https://else.example/1", "type": "Follow", "actor": w.frank.ID(), "object": w.ada.id})); status != http.StatusOK || why == "" {
		t.Errorf("an Accept of another Follow: %d %s", status, why)
	}
	if accepted, pending := w.frank.Following(w.ada.id); accepted || !pending {
		t.Errorf("accepted %v, pending %v", accepted, pending)
	}
	delete(follow, "@context")
	if status, why := w.post(w.ada.says("Accept", follow)); status != http.StatusOK || why != "" {
		t.Errorf("the whole Accept: %d %s", status, why)
	}
	if accepted, pending := w.frank.Following(w.ada.id); !accepted || pending {
		t.Errorf("accepted %v, pending %v", accepted, pending)
	}
	if status, _ := w.post(w.ada.says("Reject", follow["id"])); status != http.StatusInternalServerError {
		t.Errorf("a bare Reject: %d", status)
	}
	w.post(w.ada.says("Reject", follow))
	if accepted, pending := w.frank.Following(w.ada.id); accepted || pending {
		t.Errorf("after a Reject: accepted %v, pending %v", accepted, pending)
	}
}

func TestABareUndoIs500(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	follow := w.ada.says("Follow", w.frank.ID())
	w.post(follow)
	accept := w.deliver("Accept").activity
	if inner, _ := accept["object"].(object); inner["id"] != follow["id"] || inner["actor"] != w.ada.id || inner["object"] != w.frank.ID() {
		t.Errorf("accepted %v", inner)
	}
	if got := w.frank.Followers(); len(got) != 1 || got[0] != w.ada.id {
		t.Fatalf("followers %v", got)
	}
	if status, _ := w.post(w.ada.says("Undo", follow["id"])); status != http.StatusInternalServerError || len(w.frank.Followers()) != 1 {
		t.Errorf("a bare Undo: %d, followers %v", status, w.frank.Followers())
	}
	if status, _ := w.post(w.ada.says("Undo", follow)); status != http.StatusOK || len(w.frank.Followers()) != 0 {
		t.Errorf("a whole Undo: %d, followers %v", status, w.frank.Followers())
	}
}

func TestAnInlinedActorIs500(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	follow := w.ada.says("Follow", w.frank.ID())
	follow["actor"] = object{"id": w.ada.id, "type": "Person"}
	if status, _ := w.post(follow); status != http.StatusInternalServerError {
		t.Errorf("%d", status)
	}
}

func TestTheSame500ComesEachTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	act := w.ada.says("Undo", w.ada.id+"/follow")
	for range 3 {
		if status, _ := w.post(act); status != http.StatusInternalServerError {
			t.Fatalf("%d", status)
		}
	}
}

func TestWhichNotesAreTaken(t *testing.T) {
	t.Parallel()
	all := object{"content": "<p>words</p>", "name": "a name", "summary": "a summary"}
	for _, c := range []struct {
		name          string
		change        object
		loose, strict int
	}{
		{"as seen to be shown", nil, 200, 200},
		{"with HTML, name and summary", all, 500, 500},
		{"with HTML", object{"content": "<p>words</p>"}, 200, 500},
		{"with a name", object{"name": "a name"}, 200, 500},
		{"with a summary", object{"summary": "a summary"}, 200, 500},
		{"with null for a summary", object{"summary": nil}, 200, 200},
		{"with others in cc", object{"cc": []string{"https://elsewhere.example/ada/followers", "https://else.example/bob"}}, 200, 500},
		{"without published", object{"published": nil}, 200, 500},
	} {
		for strict, want := range map[bool]int{false: c.loose, true: c.strict} {
			w := newWorld(t, func(cfg *Config) { cfg.Strict = strict })
			status, why := w.post(w.ada.says("Create", w.ada.note("post", c.change)))
			if status != want {
				t.Errorf("a Note %s, strict %v: %d %s", c.name, strict, status, why)
			}
			if kept := len(w.Kept()); (kept == 1) != (want == 200) {
				t.Errorf("a Note %s, strict %v: %d kept", c.name, strict, kept)
			}
		}
	}
}

func TestWhichArticlesAreTaken(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name          string
		change        object
		loose, strict int
	}{
		{"whole", object{"updated": "2026-06-04T11:30:00Z", "mediaType": "text/html", "atomUri": "x"}, 200, 200},
		{"with atomUri alone", object{"atomUri": "x"}, 500, 500},
		{"with atomUri and no updated", object{"mediaType": "text/html", "atomUri": "x"}, 500, 500},
		{"without both", nil, 200, 500},
	} {
		for strict, want := range map[bool]int{false: c.loose, true: c.strict} {
			w := newWorld(t, func(cfg *Config) { cfg.Strict = strict })
			change := object{"type": "Article", "content": "<p>long</p>", "name": "a title"}
			for name, value := range c.change {
				change[name] = value
			}
			status, why := w.post(w.ada.says("Create", w.ada.note("article", change)))
			if status != want {
				t.Errorf("an Article %s, strict %v: %d %s", c.name, strict, status, why)
			}
			if want == 200 && (len(w.Kept()) != 1 || w.Kept()[0].Hidden == "") {
				t.Errorf("an Article is shown: %v", w.Kept())
			}
		}
	}
}

func TestUpdateAndDeleteAreTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	follow := w.asks(t)
	w.post(w.ada.says("Accept", follow))
	note := w.ada.note("post", nil)
	id := text(note, "id")
	if status, why := w.post(w.ada.says("Update", note)); status != http.StatusOK || !strings.HasPrefix(why, "ignored") {
		t.Errorf("Update before Create: %d %s", status, why)
	}
	w.post(w.ada.says("Create", note))
	w.post(w.ada.says("Create", note)) // twice is once
	w.sees(t, id)
	if status, _ := w.post(w.ada.says("Update", w.ada.note("post", object{"content": "other words"}))); status != http.StatusOK || w.frank.Feed()[0].Content != "other words" {
		t.Errorf("Update: %d, %v", status, w.frank.Feed())
	}
	if status, _ := w.post(w.ada.says("Update", w.ada.docs["/ada"])); status != http.StatusOK {
		t.Errorf("Update of the actor: %d", status)
	}
	for _, gone := range []any{id, object{"id": id, "type": "Tombstone"}} {
		if status, _ := w.post(w.ada.says("Delete", gone)); status != http.StatusOK {
			t.Errorf("Delete: %d", status)
		}
		w.sees(t)
		w.post(w.ada.says("Create", note))
		w.sees(t, id)
	}
	w.post(w.ada.says("Delete", w.ada.id))
	w.sees(t)
	if accepted, pending := w.frank.Following(w.ada.id); accepted || pending {
		t.Error("frank follows who is deleted")
	}
}

func TestAPostIsShownOnlyIfItsIDIsActivityPub(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*elsewhere){
		"served":              func(*elsewhere) {},
		"a page":              func(e *elsewhere) { e.types["/post"] = "text/html" },
		"not found":           func(e *elsewhere) { delete(e.docs, "/post") },
		"that of another one": func(e *elsewhere) { e.docs["/post"] = object{"id": "https://elsewhere.example/other"} },
	} {
		w := newWorld(t, nil)
		note := w.ada.note("post", nil)
		spoil(w.ada)
		status, _ := w.post(w.ada.says("Create", note))
		if kept := w.Kept(); status != http.StatusOK || len(kept) != 1 || (kept[0].Hidden == "") != (name == "served") {
			t.Errorf("a post whose id is %s: %d %v", name, status, kept)
		}
	}
}

func TestViewOriginalLeadsToThePage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for name, c := range map[string]struct {
		url  any
		want string
	}{
		"page": {"https://elsewhere.example/page.html", "https://elsewhere.example/page.html"},
		"none": {nil, ""}, "same": {"https://elsewhere.example/same", ""},
	} {
		w.post(w.ada.says("Create", w.ada.note(name, object{"url": c.url})))
		all := w.Kept()
		if got := all[len(all)-1]; got.Original != c.want {
			t.Errorf("%s: view original leads to %q", name, got.Original)
		}
	}
}

func TestWhatIsIgnoredIs200(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.follow()
	post := w.frank.Post(Draft{Text: "hello"})
	for name, act := range map[string]object{
		"a reply":                  w.ada.says("Create", w.ada.note("reply", object{"inReplyTo": post.ID})),
		"a poll":                   w.ada.says("Create", w.ada.note("poll", object{"type": "Question", "oneOf": []any{}})),
		"a video":                  w.ada.says("Create", w.ada.note("video", object{"type": "Video"})),
		"for followers":            w.ada.says("Create", w.ada.note("private", object{"to": []string{w.ada.id + "/followers"}, "cc": []string{}})),
		"a bare Create":            w.ada.says("Create", w.ada.id+"/post"),
		"a reaction":               w.ada.says("EmojiReact", post.ID),
		"a report":                 w.ada.says("Flag", w.frank.ID()),
		"a block":                  w.ada.says("Block", w.frank.ID()),
		"a move":                   w.ada.says("Move", w.ada.id),
		"a like of another's post": w.ada.says("Like", "https://else.example/1"),
		"an Undo of a block":       w.ada.says("Undo", w.ada.says("Block", w.frank.ID())),
	} {
		if status, why := w.post(act); status != http.StatusOK || why == "" {
			t.Errorf("%s: %d %q", name, status, why)
		}
	}
	w.sees(t)
	for _, typ := range []string{"Like", "Announce"} {
		did := w.ada.says(typ, post.ID)
		w.post(did)
		w.post(did)
		if got := post.Reactions(typ); len(got) != 1 || got[0] != w.ada.id {
			t.Errorf("%s: %v", typ, got)
		}
		w.post(w.ada.says("Undo", did))
		if got := post.Reactions(typ); len(got) != 0 {
			t.Errorf("%s undone: %v", typ, got)
		}
	}
}

func TestNobodySpeaksForOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	bob := newElsewhere("else.example")
	w.net.hosts[bob.host] = bob
	follow := bob.says("Follow", w.frank.ID())
	if status, _ := w.post(follow); status != http.StatusNotFound { // signed by ada
		t.Errorf("bob's Follow, signed by ada: %d", status)
	}
	note := bob.note("post", nil)
	if status, _ := w.post(w.ada.says("Create", note)); status != http.StatusNotFound || len(w.Kept()) != 0 {
		t.Errorf("ada's Create of bob's post: %d", status)
	}
	if status, _ := w.postTo(w.frank.ID()+"inbox/", object{"actor": w.ada.id}, nil); status != http.StatusInternalServerError {
		t.Errorf("no type: %d", status)
	}
	if status, _ := w.postTo("https://threads.net/ap/users/1/inbox/", w.ada.says("Follow", w.frank.ID()), nil); status != http.StatusNotFound {
		t.Errorf("nobody's inbox: %d", status)
	}
}
