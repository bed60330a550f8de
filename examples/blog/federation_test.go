package main

import (
	"cmp"
	"context"
	"fmt"
	"html"
	"image"
	"image/png"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/internal/pgdb/pgtest"
	"github.com/fedihook/fedihook/storage"
)

// fediverse is the blog, and a server elsewhere where carol reads.
type fediverse struct {
	*site
	*visitor
	carol *fedihook.Server
	icon  atomic.Int32 // the address of carol's that is good

	mu    sync.Mutex
	heard []*inbox.Message // by carol
}

// inFediverse runs both over loopback. The blog's database is a file of SQLite, or db if that is not "".
func inFediverse(t *testing.T, db string) *fediverse {
	t.Helper()
	names := fedihook.Loopback{}
	listen := func(host string) net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		names[host] = l.Addr().String()
		return l
	}
	blog, far := listen("blog.test"), listen("far.test")
	dir := t.TempDir()
	if err := os.CopyFS(dir, samples); err != nil {
		t.Fatal(err)
	}
	v := &fediverse{}
	var err error
	db = cmp.Or(db, filepath.Join(dir, "blog.db"))
	register(t, db)
	if v.site, err = newSite(t.Context(), options{origin: "http://blog.test", data: dir, db: db, trial: names}); err != nil {
		t.Fatal(err)
	}
	v.visitor = &visitor{t, "http://" + names["blog.test"], newBrowser(t)}
	hear := func(_ context.Context, m *inbox.Message) error {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.heard = append(v.heard, m)
		return nil
	}
	if v.carol, err = fedihook.New(fedihook.Config{
		Origin: "http://far.test", Storage: storage.Memory(), InsecureAllowLoopback: names, Logger: slog.New(slog.DiscardHandler),
		Subscribe: "http://far.test/follow?who={uri}",
		Profile: func(_ context.Context, handle string) (actor.Profile, error) {
			if handle != "carol" {
				return actor.Profile{}, actor.ErrNotFound
			}
			return actor.Profile{Handle: handle, Icon: fmt.Sprintf("http://far.test/icon.png?%d", v.icon.Load())}, nil
		},
		Hooks: inbox.Hooks{Create: hear, Update: hear, Delete: hear, Accepted: hear},
	}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var all sync.WaitGroup
	run := func(f func(context.Context) error) {
		all.Go(func() {
			if err := f(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	there := http.NewServeMux()
	there.Handle("/", v.carol.Handler())
	there.HandleFunc("/icon.png", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != fmt.Sprint(v.icon.Load()) {
			http.Error(w, "over", http.StatusForbidden)
			return
		}
		w.Header().Set("Content-Type", "image/png")
		if err := png.Encode(w, image.NewGray(image.Rect(0, 0, 300, 200))); err != nil {
			t.Error(err)
		}
	})
	for l, h := range map[net.Listener]http.Handler{blog: v.site.handler(), far: there} {
		server := &http.Server{Handler: h}
		go server.Serve(l)
		t.Cleanup(func() { server.Close() })
	}
	for _, p := range v.site.parts {
		if p.run != nil {
			run(p.run)
		}
	}
	run(v.carol.Run)
	t.Cleanup(func() { stop(); all.Wait(); v.site.db.Close(); v.site.keep.Close() })
	return v
}

// until waits for something to become true.
func (v *fediverse) until(what string, is func() bool) {
	v.t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			v.t.Fatalf("it never came true that %s", what)
		}
	}
}

// got returns what carol's server was told of a type about an object.
func (v *fediverse) got(typ, object string) *inbox.Message {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, m := range v.heard {
		if m.Activity.Is(typ) && m.ObjectID == object {
			return m
		}
	}
	return nil
}

// follows says whether carol knows that somebody let her follow.
func (v *fediverse) follows() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.ContainsFunc(v.heard, func(m *inbox.Message) bool { return m.Activity.Is("Accept") })
}

func (v *fediverse) page(path string) string {
	_, page := v.get(path)
	return page
}

func TestTheBlogFederates(t *testing.T) {
	t.Parallel()
	walk(t, inFediverse(t, ""))
}

func TestTheBlogFederatesOnPostgres(t *testing.T) {
	t.Parallel()
	v := inFediverse(t, pgtest.URL(t))
	walk(t, v)
	if files, err := filepath.Glob(filepath.Join(v.site.data, "*.db")); err != nil || len(files) != 0 {
		t.Errorf("beside PostgreSQL there are %v, %v", files, err)
	}
}

// walk is a post's life, from the first follower to its end.
func walk(t *testing.T, v *fediverse) {
	ctx := t.Context()
	v.visitor.signIn("ada")
	ada, err := v.carol.Lookup(ctx, "@ada@blog.test")
	if err != nil || ada.Name != "Ada Byron" {
		t.Fatalf("she is found as %+v, %v", ada, err)
	}
	if _, err := v.carol.Follow(ctx, "carol", ada.ID); err != nil {
		t.Fatal(err)
	}
	v.until("she is listed as a follower", func() bool { return strings.Contains(v.page("/authors/ada"), "http://far.test/ap/users/carol") })
	v.until("she knows that she follows", func() bool { return v.follows() })

	v.visitor.post("/desk/posts", "slug", "hello", "source", hello)
	const hi = "http://blog.test/posts/hello"
	v.until("the post arrives", func() bool { return v.got("Create", hi) != nil })
	o := v.got("Create", hi).Object.(*activity.Object)
	preview, err := o.Preview.Document()
	if err != nil || !o.Is("Article") || o.Name != "Hello & welcome" || !preview.Is("Note") || len(o.Tag) != 2 {
		t.Errorf("it is %+v with the preview %+v, %v", o, preview, err)
	}
	v.visitor.post("/desk/posts", "slug", "secret", "source", strings.Replace(hello, "tags", "draft: true\ntags", 1))
	v.visitor.post("/desk/posts", "slug", "hello", "source", strings.Replace(hello, "*text*", "other text", 1))
	v.until("the edit arrives", func() bool { return v.got("Update", hi) != nil })

	if _, err := v.carol.Like(ctx, "carol", hi); err != nil {
		t.Fatal(err)
	}
	shared, err := v.carol.Announce(ctx, "carol", hi)
	if err != nil {
		t.Fatal(err)
	}
	reply := activity.Note("", "http://far.test/ap/users/carol", "<p>Well <b>said</b><script>alert(1)</script></p>", time.Now())
	reply.ReplyTo(o, "ada@blog.test")
	reply.To, reply.CC = activity.To(activity.Public), activity.To(ada.ID)
	said, err := v.carol.Publish(ctx, "carol", reply)
	if err != nil {
		t.Fatal(err)
	}
	whisper := &activity.Object{InReplyTo: activity.IRI(hi), Content: "between us", To: activity.To(ada.ID)}
	if _, err := v.carol.Publish(ctx, "carol", whisper); err != nil {
		t.Fatal(err)
	}
	v.until("like and share are counted", func() bool {
		p := v.page("/posts/hello")
		return strings.Contains(p, "1 like") && strings.Contains(p, "1 share")
	})
	v.until("the reply waits", func() bool { return strings.Contains(v.page("/desk"), "Well said") })
	if strings.Contains(v.page("/posts/hello"), "Well said") {
		t.Error("it is shown before it was approved")
	}
	v.visitor.post("/desk/comments", "id", said, "do", "approve")
	if p := v.page("/posts/hello"); !strings.Contains(p, "Well said") || !strings.Contains(p, "carol@far.test") || strings.Contains(p, "<script") {
		t.Errorf("afterwards the post is %s", p)
	}
	v.icon.Add(1) // as it is with Threads: its address is good for a while
	_, rest, _ := strings.Cut(v.page("/posts/hello"), `<img src="`)
	avatar, _, _ := strings.Cut(rest, `"`)
	if status, picture := v.get(html.UnescapeString(avatar)); !strings.HasPrefix(avatar, "/ap/media/") || status != http.StatusOK || http.DetectContentType([]byte(picture)) != "image/png" {
		t.Errorf("her avatar at %q is answered %d", avatar, status)
	}
	if _, err := v.carol.Undo(ctx, "carol", shared); err != nil {
		t.Fatal(err)
	}
	if _, err := v.carol.Delete(ctx, "carol", said); err != nil {
		t.Fatal(err)
	}
	v.until("the share and the comment are gone", func() bool {
		p := v.page("/posts/hello")
		return !strings.Contains(p, "1 share") && !strings.Contains(p, "Well said")
	})
	if p := v.page("/desk"); strings.Contains(p, "between us") {
		t.Error("what was for her eyes only waits as a comment")
	}
	v.visitor.post("/desk/posts", "slug", "hello", "do", "delete")
	v.until("the Delete arrives", func() bool { return v.got("Delete", hi) != nil })
	if v.got("Create", "http://blog.test/posts/secret") != nil {
		t.Error("a draft went out")
	}
}

func TestAVisitorFollowsFromTheirOwnServer(t *testing.T) {
	t.Parallel()
	v := inFediverse(t, "")
	page := v.page("/authors/ada")
	if !strings.Contains(page, `action="/ap/interact"`) || !strings.Contains(page, "@ada@blog.test") {
		t.Fatalf("there is no form in %s", page)
	}
	v.visitor.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := v.visitor.http.PostForm(v.base+"/ap/interact", map[string][]string{"id": {"http://blog.test/ap/users/ada"}, "visitor": {"@carol@far.test"}})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if want := "http://far.test/follow?who=http%3A%2F%2Fblog.test%2Fap%2Fusers%2Fada"; resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != want {
		t.Errorf("%d %s", resp.StatusCode, resp.Header.Get("Location"))
	}
	for name, form := range map[string][2]string{
		"nobody":         {"http://blog.test/ap/users/ada", "@nobody@far.test"},
		"no handle":      {"http://blog.test/ap/users/ada", "x"},
		"nothing":        {"http://blog.test/ap/users/ada", ""},
		"somewhere else": {"http://far.test/ap/users/carol", "@carol@far.test"},
	} {
		if status, _ := v.visitor.post("/ap/interact", "id", form[0], "visitor", form[1]); status != http.StatusNotFound && status != http.StatusBadRequest {
			t.Errorf("%s: %d", name, status)
		}
	}
}
