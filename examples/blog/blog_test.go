package main

import (
	"context"
	"database/sql"
	"encoding/xml"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// visitor is somebody with a browser.
type visitor struct {
	t    *testing.T
	base string
	http *http.Client
}

// visit serves a blog with the sample posts.
func visit(t *testing.T) (*site, *visitor) {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, samples); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "blog.db")
	register(t, file)
	s, err := newSite(t.Context(), options{origin: "http://blog.example", data: dir, db: file})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.db.Close(); s.keep.Close() })
	server := httptest.NewServer(s.handler())
	t.Cleanup(server.Close)
	return s, &visitor{t, server.URL, newBrowser(t)}
}

// register puts the authors into a new database, with a password that costs little: passwords of new ones are hashed with care.
func register(t *testing.T, file string) {
	t.Helper()
	db := openDB(file)
	defer db.Close()
	if _, err := db.Exec(usersTables); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ada", "brian"} {
		if _, err := db.Exec(`INSERT INTO users (name, full_name, about, password) VALUES ($1, '', '', $2)`, name, hash("open sesame", "salt", 1000)); err != nil {
			t.Fatal(err)
		}
	}
}

func newBrowser(t *testing.T) *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar}
}

func (v *visitor) read(resp *http.Response, err error) (int, string) {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func (v *visitor) get(path string) (int, string) {
	v.t.Helper()
	return v.read(v.http.Get(v.base + path))
}

func (v *visitor) post(path string, pairs ...string) (int, string) {
	v.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return v.read(v.http.PostForm(v.base+path, form))
}

// signIn signs a user in.
func (v *visitor) signIn(name string) {
	v.t.Helper()
	if status, page := v.post("/signin", "name", name, "password", "open sesame"); status != http.StatusOK || !strings.Contains(page, "desk") {
		v.t.Fatalf("signed in: %d %s", status, page)
	}
}

const hello = "---\ntitle: Hello & welcome\nauthor: ada\ntags: [meta, \"a b\"]\n---\n\nSome <script>alert(1)</script> *text*.\n"

func TestPagesShowWhatIsPublished(t *testing.T) {
	t.Parallel()
	_, v := visit(t)
	for path, want := range map[string]string{
		"/":                  "A chain is as old as its sprocket",
		"/posts/first-light": "<em>for myself</em>",
		"/authors/ada":       "Ada Byron",
		"/tags/bicycles":     "A chain is as old as its sprocket",
		"/style.css":         "prefers-color-scheme",
	} {
		if status, page := v.get(path); status != http.StatusOK || !strings.Contains(page, want) {
			t.Errorf("%s: %d, without %q", path, status, want)
		}
	}
	for _, path := range []string{"/posts/none", "/authors/none", "/tags/none", "/nowhere"} {
		if status, _ := v.get(path); status != http.StatusNotFound {
			t.Errorf("%s: %d", path, status)
		}
	}
}

func TestTheFeedListsTheNewestFirst(t *testing.T) {
	t.Parallel()
	_, v := visit(t)
	_, text := v.get("/feed.xml")
	var f rss
	if err := xml.Unmarshal([]byte(text), &f); err != nil {
		t.Fatal(err)
	}
	if len(f.Items) != 3 || f.Items[0].Link != "http://blog.example/posts/six-times-nine" || !strings.Contains(f.Items[0].HTML, "<code>42</code>") {
		t.Errorf("%+v", f.Items)
	}
}

func TestAnAuthorWritesEditsAndDeletes(t *testing.T) {
	t.Parallel()
	_, v := visit(t)
	v.signIn("ada")
	draft := strings.Replace(hello, "tags", "draft: true\ntags", 1)
	v.post("/desk/posts", "slug", "hello", "source", draft)
	stranger := &visitor{t, v.base, newBrowser(t)}
	if status, _ := stranger.get("/posts/hello"); status != http.StatusNotFound {
		t.Errorf("a stranger reads a draft: %d", status)
	}
	if status, _ := v.get("/posts/hello"); status != http.StatusOK {
		t.Errorf("its author does not: %d", status)
	}
	v.post("/desk/posts", "slug", "hello", "source", hello)
	_, page := stranger.get("/posts/hello")
	if !strings.Contains(page, "Hello &amp; welcome") || !strings.Contains(page, "<em>text</em>") || strings.Contains(page, "<script>") {
		t.Errorf("the post is %s", page)
	}
	if _, page := stranger.get("/tags/a%20b"); !strings.Contains(page, "/posts/hello") {
		t.Errorf("its tag shows %s", page)
	}
	v.post("/desk/posts", "slug", "hello", "source", strings.Replace(hello, "meta, ", "", 1))
	if _, page := stranger.get("/tags/meta"); strings.Contains(page, "/posts/hello") {
		t.Error("a tag that was taken away still shows it")
	}
	if status, _ := v.post("/desk/posts", "slug", "hello", "source", draft); status != http.StatusUnprocessableEntity {
		t.Errorf("what is published becomes a draft: %d", status)
	}
	v.post("/desk/posts", "slug", "hello", "do", "delete")
	if status, _ := stranger.get("/posts/hello"); status != http.StatusGone {
		t.Errorf("after it was deleted: %d", status)
	}
	if status, _ := v.post("/desk/posts", "slug", "hello", "source", hello); status != http.StatusUnprocessableEntity {
		t.Errorf("another one takes its place: %d", status)
	}
}

func TestNobodyWritesForAnother(t *testing.T) {
	t.Parallel()
	s, v := visit(t)
	if status, _ := v.post("/desk/posts", "slug", "hello", "source", hello); status != http.StatusForbidden {
		t.Errorf("a stranger: %d", status)
	}
	v.signIn("brian")
	for name, form := range map[string][]string{
		"in her name":    {"slug", "hello", "source", hello},
		"over her post":  {"slug", "first-light", "source", strings.Replace(hello, "ada", "brian", 1)},
		"to delete hers": {"slug", "first-light", "do", "delete"},
	} {
		v.post("/desk/posts", form...)
		if p, err := s.post(t.Context(), "first-light"); err != nil || p.Author != "ada" || p.Title != "First light" {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
		if _, err := s.post(t.Context(), "hello"); err == nil {
			t.Errorf("%s: it is there", name)
		}
	}
}

func TestACommentIsShownAfterItsApproval(t *testing.T) {
	t.Parallel()
	s, v := visit(t)
	v.post("/posts/first-light/comments", "name", "Zoe", "text", "<b>Nice</b> place")
	if _, page := v.get("/posts/first-light"); strings.Contains(page, "Zoe") {
		t.Error("it is shown at once")
	}
	waiting, err := s.comments(t.Context(), `approved = 0`)
	if err != nil || len(waiting) != 1 {
		t.Fatalf("%+v, %v", waiting, err)
	}
	brian := &visitor{t, v.base, newBrowser(t)}
	brian.signIn("brian")
	brian.post("/desk/comments", "id", waiting[0].ID, "do", "approve")
	if _, page := v.get("/posts/first-light"); strings.Contains(page, "Zoe") {
		t.Error("brian approved it, and it is ada's post")
	}
	v.signIn("ada")
	v.post("/desk/comments", "id", waiting[0].ID, "do", "approve")
	if _, page := v.get("/posts/first-light"); !strings.Contains(page, "&lt;b&gt;Nice&lt;/b&gt; place") {
		t.Errorf("after ada's approval: %s", page)
	}
	edited := waiting[0]
	edited.URL, edited.Text = "http://eve.example/", "not hers"
	if err := s.addComment(t.Context(), edited); err != nil {
		t.Fatal(err)
	}
	if err := s.removeComment(t.Context(), edited.ID, edited.URL); err != nil {
		t.Fatal(err)
	}
	if _, page := v.get("/posts/first-light"); !strings.Contains(page, "Nice") {
		t.Error("somebody else has changed or removed it")
	}
	edited = waiting[0]
	edited.Text = "something else"
	if err := s.addComment(t.Context(), edited); err != nil {
		t.Fatal(err)
	}
	if _, page := v.get("/posts/first-light"); strings.Contains(page, "something else") {
		t.Error("what was edited is shown before it was read again")
	}
}

func TestWhatIsNoCommentIsRefused(t *testing.T) {
	t.Parallel()
	s, v := visit(t)
	for name, form := range map[string][]string{
		"no name":  {"text", "x"},
		"no text":  {"name", "x"},
		"too long": {"name", "x", "text", strings.Repeat("x", maxComment+1)},
		"a NUL":    {"name", "x", "text", "\x00"},
		"no UTF-8": {"name", "x", "text", "\xff"},
	} {
		if status, page := v.post("/posts/first-light/comments", form...); status != http.StatusUnprocessableEntity || !strings.Contains(page, `role="alert"`) {
			t.Errorf("%s: %d", name, status)
		}
	}
	v.post("/posts/none/comments", "name", "x", "text", "x")
	if list, err := s.comments(t.Context(), `true`); err != nil || len(list) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestAFormOnAnotherSiteChangesNothing(t *testing.T) {
	t.Parallel()
	_, v := visit(t)
	v.signIn("ada")
	r, err := http.NewRequest(http.MethodPost, v.base+"/desk/posts", strings.NewReader("slug=first-light&do=delete"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if status, _ := v.read(v.http.Do(r)); status != http.StatusForbidden {
		t.Errorf("it is answered %d", status)
	}
	if status, _ := v.get("/posts/first-light"); status != http.StatusOK {
		t.Errorf("the post: %d", status)
	}
}

func TestReactionsAreCountedOnce(t *testing.T) {
	t.Parallel()
	s, v := visit(t)
	for _, who := range []string{"a", "b", "a"} {
		if err := s.react(t.Context(), "first-light", "like", who, true); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.react(t.Context(), "none", "like", "a", true); err != nil {
		t.Fatal(err)
	}
	if _, page := v.get("/posts/first-light"); !strings.Contains(page, "<li>2 likes</li>") {
		t.Errorf("it shows %s", page)
	}
	if err := s.react(t.Context(), "first-light", "like", "a", false); err != nil {
		t.Fatal(err)
	}
	if _, page := v.get("/posts/first-light"); !strings.Contains(page, "<li>1 like</li>") {
		t.Errorf("afterwards it shows %s", page)
	}
}

func TestPasswordsAreOnesOwn(t *testing.T) {
	t.Parallel()
	kept := hash("open sesame", "salt", 1000)
	if !is("open sesame", kept) || is("open sesame ", kept) || is("", kept) || is("", "") || is("", "0$$") {
		t.Error("it is not looked at")
	}
	s, v := visit(t)
	if _, err := s.db.Exec(`DELETE FROM users WHERE name = 'ada'`); err != nil {
		t.Fatal(err)
	}
	if err := s.readUsers(t.Context()); err != nil {
		t.Fatal(err)
	}
	u, err := s.user(t.Context(), "ada")
	if err != nil || !strings.HasPrefix(u.password, "600000$") || u.FullName != "Ada Byron" {
		t.Errorf("a new author is %+v, %v", u, err)
	}
	for _, form := range [][]string{{"name", "brian", "password", "x"}, {"name", "nobody", "password", "open sesame"}} {
		if status, _ := v.post("/signin", form...); status != http.StatusForbidden {
			t.Errorf("%v is answered %d", form, status)
		}
	}
}

func TestSourcesThatAreNoPosts(t *testing.T) {
	t.Parallel()
	for name, source := range map[string]string{
		"no front matter": "hello",
		"no end":          "---\ntitle: x\n",
		"no title":        "---\nauthor: ada\n---\nx",
		"no author":       "---\ntitle: x\n---\nx",
		"a typing error":  "---\ntitel: x\nauthor: ada\n---\nx",
		"too long":        "---\ntitle: x\nauthor: ada\n---\n" + strings.Repeat("x", maxSource),
	} {
		if p, err := parse("x", source); err == nil {
			t.Errorf("%s: %+v", name, p)
		}
	}
	for _, slug := range []string{"", "A", "a/b", "..", "a b", strings.Repeat("a", 101)} {
		if _, err := parse(slug, hello); err == nil {
			t.Errorf("%q is taken", slug)
		}
	}
}

func TestPostsOfTheFolderAreTakenInOnce(t *testing.T) {
	t.Parallel()
	s, _ := visit(t)
	before, err := s.post(t.Context(), "first-light")
	if err != nil {
		t.Fatal(err)
	}
	changes := 0
	s.parts = append(s.parts, part{saved: func(context.Context, *sql.Tx, string, *post, *post) error { changes++; return nil }})
	if err := s.readPosts(t.Context()); err != nil || changes != 0 {
		t.Errorf("%d changes, %v", changes, err)
	}
	if err := os.WriteFile(filepath.Join(s.data, "posts", "first-light.md"), []byte(before.Source+"\nMore.\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.readPosts(t.Context()); err != nil || changes != 1 {
		t.Errorf("%d changes, %v", changes, err)
	}
}
