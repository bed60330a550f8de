//go:build interop

package fedify_test

import (
	"html"
	"net/http"
	"strings"
	"testing"
)

// commented is a comment of fred's on the post "hello", which waits.
func (w *blogWorld) commented(t *testing.T, text string) (id string) {
	t.Helper()
	s := w.p.post(t, post{ID: w.Origin + "/posts/hello", Content: text})
	w.took(t, s.ID)
	w.shows(t, w.desk, "/desk", html.EscapeString(text))
	return s.Note
}

func fredComments(t *testing.T, w *blogWorld) {
	id := w.commented(t, "Well said, and <not> markup")
	w.shows(t, w.reader, "/posts/hello", "!Well said")
	w.desk.Approve(t, id)
	w.shows(t, w.reader, "/posts/hello", html.EscapeString("Well said, and <not> markup"), strings.TrimPrefix(w.p.Handle, "@"), w.p.Actor)
	w.shows(t, w.desk, "/desk", "!Well said")
	address, status, picture := w.reader.Avatar(t, "/posts/hello")
	if !strings.HasPrefix(address, "/ap/media/") || status != http.StatusOK || http.DetectContentType(picture) != "image/png" {
		t.Errorf("his picture, at %q, is answered %d with %q", address, status, http.DetectContentType(picture))
	}
}

func fredWhispers(t *testing.T, w *blogWorld) {
	s := w.p.post(t, post{ID: w.Origin + "/posts/hello", Content: "Between us", To: "direct"})
	w.took(t, s.ID)
	w.commented(t, "After the whisper") // of the same host, and so taken after it
	w.shows(t, w.desk, "/desk", "!Between us")
}

func fredEditsHisComment(t *testing.T, w *blogWorld) {
	id := w.commented(t, "First version")
	w.desk.Approve(t, id)
	w.shows(t, w.reader, "/posts/hello", "First version")
	w.took(t, w.p.update(t, id, "Second version").ID)
	w.shows(t, w.desk, "/desk", "Second version")
	w.shows(t, w.reader, "/posts/hello", "!First version", "!Second version")
	w.desk.Approve(t, id)
	w.shows(t, w.reader, "/posts/hello", "Second version")
}

func fredDeletesHisComment(t *testing.T, w *blogWorld) {
	id := w.commented(t, "Better not")
	w.desk.Approve(t, id)
	w.shows(t, w.reader, "/posts/hello", "Better not")
	w.took(t, w.p.do(t, "delete", id).ID)
	w.shows(t, w.reader, "/posts/hello", "!Better not")
	w.shows(t, w.desk, "/desk", "!Better not")
}

// reacts sends what verb says of the post "hello", sees it counted, and then what takes it back.
func (w *blogWorld) reacts(t *testing.T, verb string, parameters with, counted string) (id string) {
	t.Helper()
	w.shows(t, w.reader, "/posts/hello", "!"+counted)
	parameters["id"] = w.Origin + "/posts/hello"
	id = w.p.doWith(t, verb, parameters).ID
	w.took(t, id)
	w.shows(t, w.reader, "/posts/hello", counted)
	return id
}

func (w *blogWorld) takesBack(t *testing.T, id, counted string) {
	t.Helper()
	w.took(t, w.p.do(t, "undo", id).ID)
	w.shows(t, w.reader, "/posts/hello", "!"+counted)
}

func fredLikesAdasPost(t *testing.T, w *blogWorld) {
	w.reacts(t, "like", with{}, "1 like")
	w.took(t, w.p.do(t, "like", w.Origin+"/posts/hello").ID)
	w.commented(t, "After the second like")
	w.shows(t, w.reader, "/posts/hello", "1 like", "!2 likes")
}

// fredUnlikesAdasPost takes a Like back: it is one, however often it was said.
func fredUnlikesAdasPost(t *testing.T, w *blogWorld) {
	like := w.p.do(t, "like", w.Origin+"/posts/hello").ID
	w.took(t, like)
	w.shows(t, w.reader, "/posts/hello", "1 like")
	w.takesBack(t, like, "1 like")
}

func fredReactsToAdasPost(t *testing.T, w *blogWorld) {
	id := w.reacts(t, "react", with{"content": "🎉"}, "1 like")
	w.takesBack(t, id, "1 like")
}

func fredSharesAdasPost(t *testing.T, w *blogWorld) { w.reacts(t, "announce", with{}, "1 share") }

func fredUnsharesAdasPost(t *testing.T, w *blogWorld) {
	share := w.p.do(t, "announce", w.Origin+"/posts/hello").ID
	w.took(t, share)
	w.shows(t, w.reader, "/posts/hello", "1 share", "!2 shares")
	w.takesBack(t, share, "1 share")
}

func theBlogRefusesForgeries(t *testing.T, w *blogWorld) {
	post := w.Origin + "/posts/hello"
	for _, spec := range []string{rfc9421, cavage} {
		for _, f := range []forgery{
			{Broken: "body"}, {Broken: "both"}, {Broken: "old"},
			{Broken: "actor", As: "https://elsewhere.example/users/fred"}, {Broken: "path", At: w.Origin + "/ap/users/brian/inbox"},
		} {
			f.Inbox, f.Object, f.Spec = w.ada+"/inbox", post, spec
			if status, _ := w.p.forge(t, f); status < 400 || status > 403 {
				t.Errorf("by %s, broken %s: %d", spec, f.Broken, status)
			}
		}
	}
	w.commented(t, "After the forgeries")
	w.shows(t, w.reader, "/posts/hello", "!1 like")
	if status, _ := w.p.forge(t, forgery{Inbox: w.ada + "/inbox", Object: post, Spec: rfc9421, Broken: "nothing"}); status != http.StatusAccepted {
		t.Errorf("what is not broken: %d", status)
	}
	w.shows(t, w.reader, "/posts/hello", "1 like")
}

func fredCommentsFromAGuardedServer(t *testing.T, w *blogWorld) {
	w.p.must(t, http.MethodPost, "/strict", with{"mode": "actors"}, nil)
	defer w.p.must(t, http.MethodPost, "/strict", with{"mode": "open"}, nil)
	id := w.commented(t, "From behind a fence")
	w.desk.Approve(t, id)
	w.shows(t, w.reader, "/posts/hello", "From behind a fence", strings.TrimPrefix(w.p.Handle, "@"))
}
