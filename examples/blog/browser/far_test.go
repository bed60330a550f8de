//go:build browser

package browser_test

import (
	"context"
	"fmt"
	"html"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/storage"
)

// hearLimit is how long the walk waits for what the blog sends.
const hearLimit = 30 * time.Second

// far is the server of carol, who follows and answers. What she is to do walk.mjs tells it, at POST /carol/….
type far struct {
	listener net.Listener
	address  string
	server   *fedihook.Server

	mu    sync.Mutex
	heard []string        // "Type id"
	wrong []string        // what it should not have been sent
	asked map[string]bool // User-Agents that got the icon
}

func newFar(t *testing.T) *far {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return &far{listener: l, address: l.Addr().String(), asked: make(map[string]bool)}
}

// start runs the server until the test ends.
func (f *far) start(t *testing.T, blog string) {
	t.Helper()
	hear := func(_ context.Context, m *inbox.Message) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.heard = append(f.heard, m.Activity.Type.String()+" "+m.ObjectID)
		return nil
	}
	var err error
	f.server, err = fedihook.New(fedihook.Config{
		Origin: "http://far.test", Storage: storage.Memory(), Logger: slog.New(slog.DiscardHandler), Subscribe: "http://far.test/follow?who={uri}",
		InsecureAllowLoopback: fedihook.Loopback{"blog.test": blog, "far.test": f.address},
		Profile: func(_ context.Context, handle string) (actor.Profile, error) {
			if handle != "carol" {
				return actor.Profile{}, actor.ErrNotFound
			}
			return actor.Profile{Handle: handle, Name: "Carol Shaw", Icon: "http://far.test/icon.png"}, nil
		},
		Hooks: inbox.Hooks{Accepted: hear, Create: hear, Update: hear, Delete: hear},
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", f.server.Handler())
	mux.HandleFunc("GET /icon.png", f.icon)
	mux.HandleFunc("GET /follow", f.followPage)
	mux.HandleFunc("POST /follow", f.follow)
	mux.HandleFunc("POST /carol/{verb}", f.carol)
	web := &http.Server{Handler: mux}
	go func() { _ = web.Serve(f.listener) }() // until Close
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.server.Run(ctx) }()
	t.Cleanup(func() {
		web.Close()
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// icon is a picture that only the blog itself may ask for.
func (f *far) icon(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.asked[r.UserAgent()] = true
	f.mu.Unlock()
	m := image.NewRGBA(image.Rect(0, 0, 200, 200))
	draw.Draw(m, m.Bounds(), image.NewUniform(color.RGBA{0x8a, 0x3f, 0x6b, 0xff}), image.Point{}, draw.Src)
	draw.Draw(m, image.Rect(60, 60, 140, 140), image.NewUniform(color.RGBA{0xf3, 0xd9, 0x8b, 0xff}), image.Point{}, draw.Src)
	w.Header().Set("Content-Type", "image/png")
	_ = png.Encode(w, m) // who has gone away misses nothing
}

// followPage is where visitors of the blog confirm that they follow.
func (f *far) followPage(w http.ResponseWriter, r *http.Request) {
	for _, name := range []string{"Referer", "Cookie", "Origin"} {
		if value := r.Header.Get(name); value != "" {
			f.mu.Lock()
			f.wrong = append(f.wrong, name+": "+value)
			f.mu.Unlock()
		}
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, `<!doctype html><html lang="en"><title>Follow</title><link rel="icon" href="data:,"><form method="post"><h1>Follow</h1>`+
		`<input type="hidden" name="who" value="%s"><button>Follow</button></form>`, html.EscapeString(r.FormValue("who")))
}

func (f *far) follow(w http.ResponseWriter, r *http.Request) {
	if _, err := f.server.Follow(r.Context(), "carol", r.FormValue("who")); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprint(w, `<!doctype html><html lang="en"><title>Followed</title><link rel="icon" href="data:,"><h1>Followed</h1>`)
}

// carol has her do something about a post, once it has arrived; or wait for news of it.
func (f *far) carol(w http.ResponseWriter, r *http.Request) {
	post, typ, ctx := r.FormValue("post"), "Create", r.Context()
	if r.PathValue("verb") == "hear" {
		typ = r.FormValue("type")
	}
	err := f.wait(ctx, typ+" "+post)
	if err == nil {
		switch r.PathValue("verb") {
		case "hear":
		case "like":
			_, err = f.server.Like(ctx, "carol", post)
		case "share":
			_, err = f.server.Announce(ctx, "carol", post)
		case "reply":
			var ada *activity.Actor
			if ada, err = f.server.Lookup(ctx, "@ada@blog.test"); err == nil {
				_, err = f.server.Publish(ctx, "carol", &activity.Object{
					InReplyTo: activity.IRI(post), Content: r.FormValue("html"), To: activity.To(activity.Public), CC: activity.To(ada.ID),
				})
			}
		default:
			err = fmt.Errorf("there is no %q", r.PathValue("verb"))
		}
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// wait returns when an activity has come in.
func (f *far) wait(ctx context.Context, what string) error {
	ctx, cancel := context.WithTimeout(ctx, hearLimit)
	defer cancel()
	for {
		f.mu.Lock()
		there := slices.Contains(f.heard, what)
		f.mu.Unlock()
		if there {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s did not arrive: %w", what, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// check tells what others learnt of the readers.
func (f *far) check(t *testing.T) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.wrong) > 0 {
		t.Errorf("the visitor's server was told %q", f.wrong)
	}
	if len(f.asked) != 1 || !f.asked["Fedihook (+http://blog.test/)"] {
		t.Errorf("carol's picture was fetched by %v", f.asked)
	}
}
