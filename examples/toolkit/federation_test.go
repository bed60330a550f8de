package main

import (
	"context"
	"fmt"
	"html"
	"image"
	"image/png"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/inbox/inboxtest"
)

const (
	ada   = "https://blog.example/ap/users/ada"
	hi    = "https://blog.example/posts/hello"
	hello = "---\ntitle: Hello & welcome\nauthor: ada\ntags: [meta]\n---\n\nSome *text*.\n"
)

// world is the blog, in a network with carol of far.example, and a browser.
type world struct {
	t       *testing.T
	net     *inboxtest.Net
	far     *inboxtest.Server
	carol   *inboxtest.Actor
	browser *http.Client
}

// newBlog makes the blog with its sample posts.
func newBlog(t *testing.T, net http.RoundTripper) *site {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, samples); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "blog.db")
	db := openDB(file)
	defer db.Close()
	if _, err := db.Exec(usersTables); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ada", "brian"} { // a password of few rounds, which cost time
		if _, err := db.Exec(`INSERT INTO users (name, full_name, about, password) VALUES ($1, '', '', $2)`, name, hash("sesame", "salt", 1)); err != nil {
			t.Fatal(err)
		}
	}
	s, err := newSite(t.Context(), options{origin: "https://blog.example", data: dir, db: file, net: net})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// inFediverse runs f in a bubble, where no time passes while anybody works.
func inFediverse(t *testing.T, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, net: inboxtest.NewNet(t)}
		w.far = w.net.Server("far.example")
		w.carol, w.browser = w.far.Actor("carol"), w.net.Client()
		w.browser.Jar, _ = cookiejar.New(nil) // which never fails
		s := newBlog(t, w.net.Client().Transport)
		w.net.Serve("blog.example", s.handler())
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() {
			for _, p := range s.parts {
				if p.run != nil {
					done <- p.run(ctx)
				}
			}
		}()
		defer func() {
			stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
			w.browser.CloseIdleConnections()
			w.net.Close()
			s.db.Close()
			s.keep.Close()
		}()
		f(w)
	})
}

func (w *world) answer(resp *http.Response, err error) (status int, header http.Header, body string) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(text)
}

func (w *world) page(path string) string {
	w.t.Helper()
	_, _, page := w.answer(w.browser.Get("https://blog.example" + path))
	return page
}

func (w *world) post(path string, pairs ...string) (status int, header http.Header) {
	w.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	status, header, _ = w.answer(w.browser.PostForm("https://blog.example"+path, form))
	return status, header
}

// taken fails the test if something carol did was not.
func (w *world) taken(what string, status int) {
	w.t.Helper()
	if status != http.StatusAccepted {
		w.t.Errorf("%s: %d", what, status)
	}
}

func TestTheBlogFederatesByHand(t *testing.T) {
	t.Parallel()
	inFediverse(t, func(w *world) {
		w.net.Serve("img.example", http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			if err := png.Encode(rw, image.NewGray(image.Rect(0, 0, 30, 20))); err != nil {
				t.Error(err)
			}
		}))
		w.carol.Edit(func(doc *activity.Actor) {
			doc.Icon = activity.Refs{activity.Embed(&activity.Object{Type: activity.Types{"Image"}, URL: activity.Refs{activity.IRI("https://img.example/1.png")}})}
		})
		w.post("/signin", "name", "ada", "password", "sesame")

		w.taken("Follow", w.carol.Follow(ada))
		w.far.Wait("Accept")
		if page := w.page("/authors/ada"); !strings.Contains(page, w.carol.ID()) {
			t.Errorf("she is not listed in %s", page)
		}
		time.Sleep(time.Minute) // what ada wrote before comes half a minute later
		offered := []string{w.far.Wait("Create").Activity.Object.First(), w.far.Wait("Create").Activity.Object.First()}
		if slices.Sort(offered); !slices.Equal(offered, []string{"https://blog.example/posts/first-light", "https://blog.example/posts/six-times-nine"}) {
			t.Errorf("she was offered %s", offered)
		}

		w.post("/desk/posts", "slug", "secret", "source", strings.Replace(hello, "tags", "draft: true\ntags", 1))
		w.post("/desk/posts", "slug", "hello", "source", hello)
		doc, err := w.far.Wait("Create").Activity.Object[0].Document()
		if o, ok := doc.(*activity.Object); err != nil || !ok || o.ID != hi || !o.Is("Article") || o.Name != "Hello & welcome" || len(o.Tag) != 1 {
			t.Errorf("she got %+v, %v", doc, err)
		}
		w.post("/desk/posts", "slug", "hello", "source", strings.Replace(hello, "*text*", "other text", 1))
		if got := w.far.Wait("Update").Activity.Object.First(); got != hi {
			t.Errorf("the edit is of %s", got)
		}
		if status, header, body := w.carol.Get(hi); status != 200 || !strings.Contains(string(body), "other text") || header.Get("Content-Type") != activity.ContentType {
			t.Errorf("the post's URL shows her %d %s", status, body)
		}

		reply, whisper := w.carol.Reply(hi, "<p>Well <b>said</b><script>alert(1)</script></p>"), w.carol.Direct(ada, "<p>between us</p>")
		whisper.InReplyTo = activity.IRI(hi)
		w.taken("Like", w.carol.Like(hi))
		dan := w.far.Actor("dan") // whose server names nobody in a Like, as Mastodon does
		w.taken("Like", dan.Post("https://blog.example/ap/inbox", fmt.Appendf(nil, `{"@context":"https://www.w3.org/ns/activitystreams",
			"id":"https://far.example/likes/1","type":"Like","actor":%q,"object":%q}`, dan.ID(), hi)))
		w.taken("Announce", w.carol.Announce(hi))
		w.taken("Create", w.carol.Create(reply))
		w.taken("Create", w.carol.Create(whisper))
		w.net.Until("all of it is there", func() bool {
			p := w.page("/posts/hello")
			return strings.Contains(p, "2 likes") && strings.Contains(p, "1 share") && strings.Contains(w.page("/desk"), "Well said")
		})
		if strings.Contains(w.page("/posts/hello"), "Well said") || strings.Contains(w.page("/desk"), "between us") {
			t.Error("a comment is shown before it was approved, or what was for her eyes only waits")
		}
		w.post("/desk/comments", "id", reply.ID, "do", "approve")
		page := w.page("/posts/hello")
		if !strings.Contains(page, "Well said") || !strings.Contains(page, "carol@far.example") || strings.Contains(page, "<script") {
			t.Errorf("afterwards the post is %s", page)
		}
		_, rest, _ := strings.Cut(page, `<img src="`)
		avatar, _, _ := strings.Cut(rest, `"`)
		if picture := w.page(html.UnescapeString(avatar)); !strings.HasPrefix(avatar, "/ap/media/") || http.DetectContentType([]byte(picture)) != "image/png" {
			t.Errorf("her avatar is at %q", avatar)
		}

		w.taken("Undo", w.carol.Undo("Announce", hi))
		w.taken("Delete", w.carol.Delete(reply.ID))
		w.net.Until("both are gone", func() bool {
			p := w.page("/posts/hello")
			return !strings.Contains(p, "1 share") && !strings.Contains(p, "Well said")
		})
		w.post("/desk/posts", "slug", "hello", "do", "delete")
		if got := w.far.Wait("Delete").Activity.Object.First(); got != hi {
			t.Errorf("the Delete is of %s", got)
		}
		if status, _, body := w.carol.Get(hi); status != http.StatusGone || !strings.Contains(string(body), "Tombstone") {
			t.Errorf("what was deleted is %d %s", status, body)
		}
		w.taken("Undo", w.carol.Undo("Follow", ada))
		w.net.Until("nobody follows", func() bool { return !strings.Contains(w.page("/authors/ada"), w.carol.ID()) })
		time.Sleep(10 * time.Second)
		for _, d := range w.far.Received("") {
			if strings.HasSuffix(d.Activity.Object.First(), "/secret") {
				t.Error("a draft went out")
			}
		}
	})
}

func TestStrangersGetWhatIsForThem(t *testing.T) {
	t.Parallel()
	inFediverse(t, func(w *world) {
		eve := w.net.Server("evil.example").Actor("eve")
		w.taken("Follow", w.carol.Follow(ada))
		accept := w.far.Wait("Accept").Activity.ID
		w.net.Until("the posts are in the outbox", func() bool {
			_, _, body := w.carol.Get(ada + "/outbox")
			return strings.Contains(string(body), `"totalItems":2`)
		})
		for path, want := range map[string]string{
			"/.well-known/webfinger?resource=acct:ada@blog.example": ada, "/.well-known/nodeinfo": "nodeinfo/2.1", "/ap/users/ada": "publicKeyPem",
			"/ap/users/ada/followers": `"totalItems":1`, "/ap/users/ada/following": `"totalItems":0`, "/posts/first-light": `"Article"`,
		} {
			if status, _, body := eve.Get("https://blog.example" + path); status != http.StatusOK || !strings.Contains(string(body), want) {
				t.Errorf("%s: %d %s", path, status, body)
			}
		}
		for _, url := range []string{accept, "https://blog.example/ap/users/nobody", "https://blog.example/posts/none", "https://blog.example/ap/media/x"} {
			if status, _, body := eve.Get(url); status == http.StatusOK {
				t.Errorf("%s is shown: %s", url, body)
			}
		}
		if status := eve.With(inboxtest.Manner{ForeignKey: w.carol}).Follow(ada); status != http.StatusUnauthorized {
			t.Errorf("a Follow under a foreign key: %d", status)
		}
		if status := eve.Post("https://blog.example/ap/users/nobody/inbox", []byte(`{}`)); status != http.StatusNotFound {
			t.Errorf("nobody's inbox: %d", status)
		}
		w.taken("Delete", w.carol.DeleteSelf())
		w.net.Until("who is gone follows nobody", func() bool { return !strings.Contains(w.page("/authors/ada"), w.carol.ID()) })
	})
}

func TestAVisitorIsLedHome(t *testing.T) {
	t.Parallel()
	inFediverse(t, func(w *world) {
		w.net.Serve("home.example", http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", "application/jrd+json")
			_, _ = io.WriteString(rw, `{"subject":"acct:dan@home.example","links":[{"rel":"http://ostatus.org/schema/1.0/subscribe",
				"template":"https://home.example/follow?who={uri}"}]}`)
		}))
		if page := w.page("/authors/ada"); !strings.Contains(page, `action="/ap/interact"`) || !strings.Contains(page, "@ada@blog.example") {
			t.Fatalf("there is no form in %s", page)
		}
		w.browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		for visitor, want := range map[string]int{
			"@dan@home.example": http.StatusSeeOther, "@carol@far.example": http.StatusNotFound, "nobody": http.StatusNotFound, "": http.StatusBadRequest,
		} {
			status, header := w.post("/ap/interact", "id", ada, "visitor", visitor)
			if to := header.Get("Location"); status != want || (want == http.StatusSeeOther) != (to == "https://home.example/follow?who="+url.QueryEscape(ada)) {
				t.Errorf("%q: %d %s", visitor, status, to)
			}
		}
		if status, _ := w.post("/ap/interact", "id", "https://far.example/users/carol", "visitor", "@dan@home.example"); status != http.StatusBadRequest {
			t.Errorf("to follow somebody else: %d", status)
		}
	})
}

// A process may die after a hook and before that is noted. No network is needed to test what the hooks do then.
func TestReadersMayRunTwice(t *testing.T) {
	t.Parallel()
	s := newBlog(t, nil)
	defer s.db.Close()
	defer s.keep.Close()
	hooks := inboxtest.Twice(readers(s)).Hooks(inbox.Hooks{})
	const carol, post = "https://far.example/users/carol", "https://blog.example/posts/first-light"
	reply := activity.Note("https://far.example/posts/1", carol, "<p>Well said</p>", time.Now())
	reply.InReplyTo = activity.IRI(post)
	reply.Address(activity.VisibilityPublic, carol+"/followers")
	like := &activity.Activity{
		ID: "https://far.example/likes/1", Type: activity.Types{activity.TypeLike}, Actor: activity.IRI(carol), Object: activity.Refs{activity.IRI(post)},
	}
	for _, err := range []error{
		hooks.Create(t.Context(), inboxtest.Message(t, activity.Create("https://far.example/1", reply))),
		hooks.Like(t.Context(), inboxtest.Message(t, like)),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	waiting, err := s.comments(t.Context(), `post = 'first-light'`)
	if err != nil || len(waiting) != 1 || waiting[0].Text != "Well said" {
		t.Errorf("comments: %+v, %v", waiting, err)
	}
	if counts, err := s.counts(t.Context(), "first-light"); err != nil || len(counts) != 1 || counts[0] != (count{"like", 1}) {
		t.Errorf("counts: %+v, %v", counts, err)
	}
	gone := activity.Delete("https://far.example/2", &activity.Object{ID: reply.ID}, time.Now())
	gone.Actor = activity.IRI(carol)
	if err := hooks.Delete(t.Context(), inboxtest.Message(t, gone)); err != nil {
		t.Error(err)
	}
	if waiting, err := s.comments(t.Context(), `post = 'first-light'`); err != nil || len(waiting) != 0 {
		t.Errorf("comments after the Delete: %+v, %v", waiting, err)
	}
}

// Outside of a test's network the rooms guard themselves; a trial on one machine names its hosts.
func TestATrialNamesItsHosts(t *testing.T) {
	t.Parallel()
	var trial loopback
	if err := trial.Set("far.test=127.0.0.1:1"); err != nil || trial.Set("far.test") == nil || !strings.Contains(trial.String(), "far.test:127.0.0.1:1") {
		t.Fatal(trial, err)
	}
	for address, ok := range map[string]bool{"127.0.0.1:1": true, "192.0.2.1:80": false} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "authors.yaml"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := newSite(t.Context(), options{
			origin: "http://blog.test", data: dir, db: filepath.Join(dir, "blog.db"), trial: loopback{"far.test": address},
		})
		if (err == nil) != ok {
			t.Errorf("with %s: %v", address, err)
		}
		if err == nil {
			s.db.Close()
			s.keep.Close()
		}
	}
}
