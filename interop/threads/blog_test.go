//go:build interop

package threads_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fedihook/fedihook/internal/threadslike"
	"github.com/fedihook/fedihook/interop/blog"
)

// blogWorld is the blog of examples/blog, which no test can look into, and the double with its user frank.
type blogWorld struct {
	threads *threadslike.Server
	frank   *threadslike.Account
	blog    *blog.Blog
	reader  *blog.Visitor
	desk    *blog.Visitor // ada, signed in

	address atomic.Pointer[string] // where the blog listens

	mu  sync.Mutex
	ago time.Duration
}

const ada = ourOrigin + "/ap/users/ada"

func (w *blogWorld) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(-w.ago)
}

// then sets the clock of the double back.
func (w *blogWorld) then(ago time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ago = ago
}

func newBlogWorld(t *testing.T, program string, adjust func(*threadslike.Config)) *blogWorld {
	t.Helper()
	w := &blogWorld{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var d net.Dialer
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		here := w.address.Load()
		switch {
		case address == "blog.test:80" && here != nil:
			address = *here
		case strings.Contains(address, "threads.net:") || strings.HasPrefix(address, "scontent."):
			address = l.Addr().String() // it asks itself, too
		default:
			return nil, errors.New("no host " + address)
		}
		return d.DialContext(ctx, network, address)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	c := threadslike.Config{Origin: "http://threads.net", Media: "http://scontent.cdninstagram.com", Now: w.now, Transport: transport, Strict: true, Remote: true}
	if adjust != nil {
		adjust(&c)
	}
	if w.threads, err = threadslike.New(c); err != nil {
		t.Fatal(err)
	}
	key, err := theKey()
	if err != nil {
		t.Fatal(err)
	}
	if w.frank, err = w.threads.AddUser(threadslike.User{Handle: "frank", Name: "Frank", Sharing: true, Key: key}); err != nil {
		t.Fatal(err)
	}
	serve(t, l, w.threads)
	w.blog = &blog.Blog{Program: program, Origin: ourOrigin}
	for _, host := range []string{"threads.net", "www.threads.net", "scontent.cdninstagram.com"} {
		w.blog.Hosts = append(w.blog.Hosts, host+"="+l.Addr().String())
	}
	w.blog.Start(t)
	w.address.Store(&w.blog.Address)
	w.reader, w.desk = blog.NewVisitor(t, ourOrigin, transport), blog.NewVisitor(t, ourOrigin, transport)
	w.desk.SignIn(t, "ada", w.blog.Password(t, "ada"))
	return w
}

// deliver makes the double send what is due, which the blog has to take.
func (w *blogWorld) deliver(t *testing.T) {
	t.Helper()
	for _, d := range w.threads.Deliver(t.Context()) {
		if d.Err != nil || d.Status != http.StatusAccepted {
			t.Fatalf("%s %s to %s: %d %v", d.Type, d.ID, d.Inbox, d.Status, d.Err)
		}
	}
}

func (w *blogWorld) until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: never; at Threads %+v", what, w.threads.Exchanges())
		}
	}
}

// shows waits until a page has a text, or has it not where that begins with "!".
func (w *blogWorld) shows(t *testing.T, v *blog.Visitor, path, text string) {
	t.Helper()
	unwanted, not := strings.CutPrefix(text, "!")
	w.until(t, path+" shows "+text, func() bool { return strings.Contains(v.Page(t, path), unwanted) != not })
}

func (w *blogWorld) follow(t *testing.T) {
	t.Helper()
	if _, err := w.frank.Follow(t.Context(), "@ada@blog.test"); err != nil {
		t.Fatal(err)
	}
	w.deliver(t)
	w.until(t, "the Accept", func() bool { accepted, _ := w.frank.Following(ada); return accepted })
	w.shows(t, w.reader, "/authors/ada", w.frank.ID())
}

// kept is what the double has of a post of the blog's.
func (w *blogWorld) kept(slug string) *threadslike.Shown {
	for _, p := range w.threads.Kept() {
		if p.ID == ourOrigin+"/posts/"+slug {
			return &p
		}
	}
	return nil
}

// reply makes frank answer a post an hour ago, which arrives now, and returns the id.
func (w *blogWorld) reply(t *testing.T, slug, text string) *threadslike.Post {
	t.Helper()
	w.then(time.Hour)
	p, err := w.frank.Reply(t.Context(), ourOrigin+"/posts/"+slug, threadslike.Draft{Text: text})
	w.then(0)
	if err != nil {
		t.Fatal(err)
	}
	w.deliver(t)
	w.shows(t, w.desk, "/desk", text)
	return p
}

func TestTheBlogAndThreadsFederate(t *testing.T) {
	t.Parallel()
	program := blog.Build(t)
	for name, dateOnly := range map[string]bool{"hs2019 with created and expires": false, "rsa-sha256 with a Date": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			walkWithThreads(t, newBlogWorld(t, program, func(c *threadslike.Config) { c.DateOnly = dateOnly }))
		})
	}
	t.Run("a picture's address ends", func(t *testing.T) {
		t.Parallel()
		pictureEnds(t, newBlogWorld(t, program, func(c *threadslike.Config) { c.MediaLife = 2 * time.Second }))
	})
}

func walkWithThreads(t *testing.T, w *blogWorld) {
	w.follow(t)

	w.desk.Write(t, "hello", "ada", `"Hello & welcome"`, "summary: What is new.\ntags: [meta]\n", "Some *text*.")
	w.until(t, "the post", func() bool { return w.kept("hello") != nil })
	post := w.kept("hello")
	// Articles are answered 200 and shown to nobody, as far as is known.
	if post.Type != "Article" || post.Author != ada || !strings.Contains(post.Hidden, "articles") || !strings.Contains(post.Content, "<em>text</em>") {
		t.Errorf("Threads has %+v", post)
	}
	w.desk.Write(t, "hello", "ada", "Hello again", "", "Other *text*.")
	w.until(t, "the edit", func() bool { return strings.Contains(w.kept("hello").Content, "Other") })
	if again := w.kept("hello"); !again.Published.Equal(post.Published) {
		t.Errorf("published %s after the edit, %s before", again.Published, post.Published)
	}

	reply := w.reply(t, "hello", "Late, but well said")
	w.shows(t, w.reader, "/posts/hello", "!Late, but well said")
	w.desk.Approve(t, reply.ID)
	w.shows(t, w.reader, "/posts/hello", "frank@threads.net")
	if page := w.reader.Page(t, "/posts/hello"); !strings.Contains(page, `datetime="`+reply.Published.UTC().Format(time.RFC3339)) {
		t.Errorf("written %s, and shown as %s", reply.Published, page)
	}
	w.frank.Edit(reply, "Late, and changed")
	w.deliver(t)
	w.shows(t, w.desk, "/desk", "Late, and changed")
	w.shows(t, w.reader, "/posts/hello", "!Late, but well said")
	w.frank.Delete(reply)
	w.deliver(t)
	w.shows(t, w.desk, "/desk", "!Late, and changed")

	for typ, do := range map[string]func(context.Context, string) error{"Like": w.frank.Like, "Announce": w.frank.Repost} {
		counted := map[string]string{"Like": "1 like", "Announce": "1 share"}[typ]
		if err := do(t.Context(), ourOrigin+"/posts/hello"); err != nil {
			t.Fatal(err)
		}
		w.deliver(t)
		w.shows(t, w.reader, "/posts/hello", counted)
		if err := w.frank.Undo(typ, ourOrigin+"/posts/hello"); err != nil {
			t.Fatal(err)
		}
		w.deliver(t)
		w.shows(t, w.reader, "/posts/hello", "!"+counted)
	}

	w.desk.Delete(t, "hello")
	w.until(t, "the Delete", func() bool { return w.kept("hello") == nil })
	if err := w.frank.Undo("Follow", ada); err != nil {
		t.Fatal(err)
	}
	w.deliver(t)
	w.shows(t, w.reader, "/authors/ada", "!"+w.frank.ID())

	var said []string
	for _, e := range w.threads.Exchanges() {
		if e.Method == http.MethodPost {
			said = append(said, e.Type)
			if e.Status != http.StatusOK || e.Signer != ada {
				t.Errorf("%s %s by %s was answered %d: %s", e.Type, e.ID, e.Signer, e.Status, e.Why)
			}
		}
	}
	if want := []string{"Accept", "Create", "Update", "Delete"}; !slices.Equal(said, want) {
		t.Errorf("Threads was told %q, not %q", said, want)
	}
}

// pictureEnds: a comment waits for longer than the address of its author's picture is good.
func pictureEnds(t *testing.T, w *blogWorld) {
	reply := w.reply(t, "first-light", "Look at me")
	w.desk.Approve(t, reply.ID)
	time.Sleep(3 * time.Second)
	address, status, picture := w.reader.Avatar(t, "/posts/first-light")
	if !strings.HasPrefix(address, "/ap/media/") || status != http.StatusOK || !strings.HasPrefix(http.DetectContentType(picture), "image/") {
		t.Errorf("frank's picture, at %q, is answered %d with %.100q", address, status, picture)
	}
}
