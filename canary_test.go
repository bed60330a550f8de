package fedihook_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/png"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/media"
	"github.com/fedihook/fedihook/storage"
)

// What must not get out, and the only places where it may be. A place is what [passage.place] says.
var canaries = []struct {
	name, word string
	belongs    []string // patterns of places; each must have it
}{
	// What the app knows of its users, and visitors' browsers of them.
	{"an e-mail address", "canarymail", []string{`^answer to GET /me for visitor$`}},
	{"a session's id", "canary5e55i0n", []string{`^answer to POST /signin for visitor$`}},
	{"a bearer token", "canaryt0ken", nil},
	{"the address of a visitor behind the proxy", "203.0.113.77", []string{`^answer to GET /me for visitor$`}},
	{"the address of a connection", "198.51.100.23", []string{`^answer to GET /me for visitor$`}},
	{"where a visitor came from", "canaryreferrer", nil},
	// Some type their e-mail address where their handle is asked for.
	{"what a visitor typed as their handle", "canarytyped", []string{`^GET far\.test/\.well-known/webfinger$`}},
	// What an app's hook says went wrong.
	{"an error of the app", "canaryfault", []string{`^log$`}},
	// What pictures tell of those who took them.
	{"a comment in a picture", "canarycamera", nil},
	// To whom alice writes, and what.
	{"who is in bto", "http://other.test/ap/users/bob", []string{`^answer to GET /told for app$`}},
	{"who is in bcc", "http://other.test/ap/users/locky", []string{`^answer to GET /told for app$`}},
	{"who is in bcc and is gone", "http://other.test/ap/users/gone", []string{`^answer to GET /told for app$`}},
	{"who is in bcc and whose inbox fails", "http://pics.test/deaf", []string{`^answer to GET /told for app$`}},
	{"a direct post", "canarydirect", []string{`^POST far\.test/ap/inbox$`, `^POST pics\.test/deaf/inbox$`, `^answer to GET /ap/objects/[^ ]+ for http://far\.test/ap/users/bob#main-key$`}},
	{"a direct post that came in", "canarywhisper", []string{`^answer to GET /told for app$`}},
}

func TestWhatIsPrivateIsFoundOnlyWhereItBelongs(t *testing.T) {
	t.Parallel()
	v := newAviary(t)
	v.walk()
	v.stop()
	passages := v.wire.passages()
	for _, said := range []string{"far.test", "fedihook.delivery.outcome"} { // what telemetry does say was looked through
		if !slices.ContainsFunc(passages, func(p passage) bool { return p.place == "telemetry" && p.holds(said) }) {
			t.Errorf("telemetry does not say %q", said)
		}
	}
	for _, c := range canaries {
		found := make(map[string]bool)
		for _, p := range passages {
			if !p.holds(c.word) {
				continue
			}
			home := ""
			for _, pattern := range c.belongs {
				if regexp.MustCompile(pattern).MatchString(p.place) {
					home = pattern
				}
			}
			if found[home] = true; home == "" {
				t.Errorf("%s is in %s:\n%.3000s", c.name, p.place, p.text)
			}
		}
		for _, pattern := range c.belongs {
			if !found[pattern] {
				t.Errorf("%s is not where it belongs, at %s", c.name, pattern)
			}
		}
	}
	if t.Failed() {
		for _, p := range passages {
			t.Logf("%s (%d bytes)", p.place, len(p.text))
		}
	}
	for _, p := range passages {
		if regexp.MustCompile(`"b(to|cc)"`).MatchString(p.text) {
			t.Errorf("%s has bto or bcc:\n%s", p.place, p.text)
		}
		if strings.Contains(p.text, "Content-Encoding") || strings.HasPrefix(p.place, "what could not be read") {
			t.Errorf("%s can't be searched", p.place)
		}
	}
}

// aviary is a site behind a wire: an app with sessions, alice's followers elsewhere, and those to whom she writes in secret.
type aviary struct {
	t          *testing.T
	wire       *wire
	blog       *site
	far, other *site
	observed   *sdk
	stop       func()

	told string // what the app's own page shows to who runs it
}

func newAviary(t *testing.T) *aviary {
	v := &aviary{t: t, wire: newWire(t), observed: newSDK(sdktrace.ParentBased(sdktrace.AlwaysSample()))}
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	pictures := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/cat.png":
			w.Header().Set("Content-Type", "image/png")
			_, _ = w.Write(pictureWith(t, "Comment\x00by canarycamera"))
		case "/deaf":
			w.Header().Set("Content-Type", "application/activity+json")
			_, _ = io.WriteString(w, `{"id":"http://pics.test/deaf","type":"Person","preferredUsername":"deaf","inbox":"http://pics.test/deaf/inbox"}`)
		case "/deaf/inbox": // which says of what it was sent what it did not like
			body, _ := io.ReadAll(r.Body) // of what does not arrive it says nothing
			http.Error(w, "not liked: "+regexp.MustCompile("canary[a-z]+").FindString(string(body)), http.StatusUnsupportedMediaType)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(pictures.Close)
	l := listen()
	address := v.wire.to("", l.Addr().String())
	names := map[string]string{"pics.test": v.wire.to("pics.test", pictures.Listener.Addr().String()), "blog.test": address}
	peers := newSites(t, func(_ string, c *fedihook.Config) {
		c.InsecureAllowLoopback["blog.test"] = address
		c.Subscribe = c.Origin + "/follow?who={uri}"
		c.Wants = func(context.Context, *activity.Activity) (bool, error) { return true, nil } // what is forwarded
	}, "far.test", "other.test")
	v.far, v.other = peers[0], peers[1]
	for _, p := range peers {
		host := strings.TrimPrefix(p.origin, "http://")
		names[host] = v.wire.to(host, p.address)
	}

	v.blog = &site{t: t, origin: "http://blog.test", address: address, store: storage.Memory()}
	v.blog.haveKeys(v.blog.store.Keys)
	hear := v.blog.hear
	var err error
	v.blog.Server, err = fedihook.New(fedihook.Config{
		Origin: v.blog.origin, Storage: v.blog.store, InsecureAllowLoopback: names, PicturesDir: t.TempDir(), OfferPosts: 5,
		Telemetry: &v.observed.Telemetry,
		Logger:    slog.New(slog.NewJSONHandler(v.wire.writer("log"), nil)), // at Info
		Proxies:   []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")},
		Profile: func(_ context.Context, handle string) (actor.Profile, error) {
			switch handle {
			case "alice":
				return actor.Profile{Handle: handle, Name: "Alice"}, nil
			case "ill":
				return actor.Profile{}, errors.New("users: canaryfault: no such table")
			}
			return actor.Profile{}, actor.ErrNotFound
		},
		Hooks: inbox.Hooks{
			Create: hear, Update: hear, Delete: hear, Like: hear, Announce: hear, Undo: hear, Block: hear, Flag: hear,
			React: func(context.Context, *inbox.Message) error {
				return fmt.Errorf("reactions: canaryfault: %w", inbox.ErrDrop)
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Server{Handler: v.blog.Wrap(v.app())}
	go web.Serve(fromAfar{l, "198.51.100.23:4711"})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- v.blog.Run(ctx) }()
	v.stop = func() {
		web.Close()
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
		v.observed.tell(t, v.wire.writer("telemetry"))
		v.stop = func() {}
	}
	t.Cleanup(func() { v.stop() })
	return v
}

// app is what the site has besides federation: users who sign in, and pages of their own that say what is known of them.
func (v *aviary) app() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /signin", func(w http.ResponseWriter, _ *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "canary5e55i0n", HttpOnly: true})
	})
	mux.HandleFunc("GET /me", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "alice, canarymail@private.test, from", r.Header.Get("X-Forwarded-For"), "by", r.RemoteAddr)
	})
	mux.HandleFunc("GET /told", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, v.told) })
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "a page") })
	return mux
}

// visit has a visitor's browser ask for a path, with all that it says of the visitor.
func (v *aviary) visit(method, path, accept string, form url.Values) (status int, body string) {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), method, "http://"+v.blog.address+path, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	r.Host = "blog.test"
	r.Header = http.Header{
		"Asker": {"visitor"}, "Accept": {cmp.Or(accept, "text/html")}, "Cookie": {"session=canary5e55i0n"}, "Authorization": {"Bearer canaryt0ken"},
		"X-Forwarded-For": {"203.0.113.77"}, "X-Real-Ip": {"203.0.113.77"}, "Forwarded": {"for=203.0.113.77"}, "From": {"canarymail@private.test"},
		"Referer": {"http://canaryreferrer.test/"}, "User-Agent": {"Browser (canarymail@private.test)"},
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return resp.StatusCode, string(raw)
}

// want visits and wants a status.
func (v *aviary) want(status int, method, path, accept string, form url.Values) (body string) {
	v.t.Helper()
	got, body := v.visit(method, path, accept, form)
	if got != status {
		v.t.Errorf("%s %s: %d %s, want %d", method, path, got, body, status)
	}
	return body
}

// say is a verb that must not fail.
func (v *aviary) say(id string, err error) string {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
	return id
}

// walk has everything said and asked of the site that can be.
func (v *aviary) walk() {
	t, ctx, alice := v.t, v.t.Context(), v.blog.id("alice")
	v.want(200, "POST", "/signin", "", nil)
	v.want(200, "GET", "/me", "", nil)

	v.far.follow("carol", v.blog, "alice")
	v.other.follow("carol", v.blog, "alice")
	v.blog.follow("alice", v.far, "bob")

	// What she says, and to whom.
	bto, bcc, gone, deaf := v.other.id("bob"), v.other.id("locky"), v.other.id("gone"), "http://pics.test/deaf"
	post := &activity.Object{Content: "<p>hello</p>", To: activity.To(activity.Public), CC: activity.To(alice + "/followers")}
	post.BTo, post.BCC = activity.To(bto), activity.To(bcc, gone, deaf)
	public := v.say(v.blog.Publish(ctx, "alice", post))
	for _, s := range []*site{v.far, v.other} {
		s.waitFor("Create", public)
	}
	edited := *post
	edited.ID, edited.Content = public, "<p>hello again</p>"
	v.say(v.blog.Update(ctx, "alice", &edited))
	v.far.waitFor("Update", public)
	quiet := &activity.Object{Content: "<p>for some</p>", To: activity.To(alice + "/followers"), BCC: activity.To(bcc)}
	private := v.say(v.blog.Publish(ctx, "alice", quiet))
	v.far.waitFor("Create", private)
	secret := note(v.far.id("bob"))
	secret.BCC = activity.To(deaf)
	secret.Content = "<p>canarydirect</p>"
	direct := v.say(v.blog.Publish(ctx, "alice", secret))
	v.far.waitFor("Create", direct)
	secret.ID, secret.Content = direct, "<p>canarydirect, edited</p>"
	v.say(v.blog.Update(ctx, "alice", secret))
	v.far.waitFor("Update", direct)

	// What others say, and what of it the app is told.
	liked := v.say(v.far.Like(ctx, "carol", public))
	v.say(v.far.React(ctx, "carol", public, "🐦", nil))
	v.say(v.far.Announce(ctx, "carol", public))
	whisper := note(alice)
	whisper.Content, whisper.InReplyTo = "<p>canarywhisper</p>", activity.IRI(public)
	whispered := v.say(v.far.Publish(ctx, "bob", whisper))
	v.blog.waitFor("Create", whispered)
	v.blog.waitFor("Like", public)
	reply := note(activity.Public)
	reply.CC, reply.InReplyTo = activity.To(alice), activity.IRI(public)
	replied := v.say(v.far.Publish(ctx, "bob", reply)) // which is forwarded
	v.other.waitFor("Create", replied)
	v.say(v.far.Undo(ctx, "carol", liked))
	v.say(v.far.Delete(ctx, "bob", whispered))
	v.blog.waitFor("Delete", whispered)
	v.told = strings.Join([]string{bto, bcc, gone, deaf, "canarywhisper"}, "\n")
	v.ask("GET", "/told", "app", nil)

	// Who asks for documents.
	docs := []string{alice, v.blog.origin + "/ap/actor", alice + "/outbox", alice + "/followers", alice + "/following", public, private, direct}
	for i := 0; i < len(docs); i++ {
		path := strings.TrimPrefix(docs[i], v.blog.origin)
		_, body := v.visit("GET", path, "application/activity+json", nil)
		var page struct{ First, Next, Last string }
		if err := json.Unmarshal([]byte(body), &page); err == nil { // what is a page leads to others
			for _, next := range []string{page.First, page.Next, page.Last} {
				if next != "" && len(docs) < 30 {
					docs = append(docs, next)
				}
			}
		}
		v.far.fetch(v, docs[i], "carol")
		v.far.fetch(v, docs[i], "bob")
		v.other.fetch(v, docs[i], "bob") // who was in bto
		v.visit("GET", path, "text/html", nil)
	}
	if len(docs) < 11 {
		t.Errorf("collections have no pages: %q", docs)
	}
	for path, status := range map[string]int{
		"/.well-known/webfinger?resource=acct:alice@blog.test":           200,
		"/.well-known/webfinger?resource=acct:canarytyped@blog.test":     404,
		"/.well-known/webfinger?resource=mailto:canarymail@private.test": 404,
		"/.well-known/nodeinfo":          200,
		"/.well-known/host-meta":         200,
		"/ap/users/ill":                  503,
		"/ap/users/nobody":               404,
		"/ap/media/x":                    404,
		"/?From=canarymail@private.test": 200,
	} {
		v.want(status, "GET", path, "application/activity+json", nil)
	}

	// Pictures, and the way to a visitor's own server.
	for remote, status := range map[string]int{"http://pics.test/cat.png": 200, "http://pics.test/none.png": 404} {
		v.want(status, "GET", v.say(v.blog.Picture(ctx, remote, media.Avatar)), "image/*", nil)
	}
	for visitor, status := range map[string]int{"carol@far.test": 303, "canarytyped@far.test": 404, "canarytyped": 404, "canarytyped@nowhere.test": 404} {
		v.want(status, "POST", "/ap/interact", "", url.Values{"id": {alice}, "visitor": {visitor}})
	}

	// What is refused.
	for name, body := range map[string]string{
		"not signed":  `{"id":"http://far.test/1","type":"Create","actor":"http://far.test/ap/users/bob","object":{"type":"Note","content":"canarywhisper"}}`,
		"no document": `canarywhisper canarymail@private.test`,
	} {
		if status, _ := v.ask("POST", "/ap/inbox", "stranger", []byte(body)); status/100 != 4 {
			t.Errorf("%s: %d", name, status)
		}
	}

	// The end of it.
	v.say(v.blog.Flag(ctx, "alice", v.other.id("carol"), "rude", replied))
	v.say(v.blog.Delete(ctx, "alice", direct))
	v.say(v.blog.Delete(ctx, "alice", public))
	v.far.waitFor("Delete", direct)
	v.far.waitFor("Delete", public)
	v.blog.until("the deaf are given up", func() bool {
		v.wire.mu.Lock()
		defer v.wire.mu.Unlock()
		return strings.Contains(v.wire.kept["log"].String(), "delivery: gave up")
	})
	for id, status := range map[string]int{direct: 404, public: 410} {
		v.want(status, "GET", strings.TrimPrefix(id, v.blog.origin), "application/activity+json", nil)
		v.far.fetch(v, id, "carol")
	}
}

// fetch asks for a document of the blog as somebody here.
func (s *site) fetch(v *aviary, id, as string) {
	s.t.Helper()
	v.blog.get(id, "application/activity+json", s, as)
}

// ask sends a request without a signature.
func (v *aviary) ask(method, path, who string, body []byte) (status int, answer string) {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), method, "http://"+v.blog.address+path, bytes.NewReader(body))
	if err != nil {
		v.t.Fatal(err)
	}
	r.Host = "blog.test"
	r.Header.Set("Asker", who)
	r.Header.Set("Content-Type", "application/activity+json")
	r.Header.Set("X-Forwarded-For", "203.0.113.77")
	resp, err := new(http.Client).Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return resp.StatusCode, string(raw)
}

// pictureWith is a PNG with a comment in it, as a chunk of the type tEXt behind its header.
func pictureWith(t *testing.T, comment string) []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 30, 20))); err != nil {
		t.Error(err)
	}
	chunk := append([]byte("tEXt"), comment...)
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(chunk))
	chunk = append(binary.BigEndian.AppendUint32(nil, uint32(len(comment))), chunk...)
	const header = 8 + 25 // the signature and IHDR
	return append(append(bytes.Clone(b.Bytes()[:header]), chunk...), b.Bytes()[header:]...)
}
