package fedihook_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/consent"
	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/inbox/inboxtest"
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/outbox"
	"github.com/fedihook/fedihook/storage"
)

type (
	someRelays interface{ outbox.Relays }
	someRules  interface{ moderation.Rules }
	someStamps interface{ consent.Stamps }
)

// durable is a Storage that looks as if it outlived the process.
func durable(s storage.Storage) storage.Storage {
	s.Intents, s.Log = struct{ outbox.Intents }{s.Intents}, struct{ outbox.Log }{s.Log}
	s.Journal, s.Followers, s.Keys = struct{ inbox.Journal }{s.Journal}, struct{ actor.Followers }{s.Followers}, struct{ actor.Keys }{s.Keys}
	s.Remotes, s.Relays, s.Forwards = struct{ actor.Remotes }{s.Remotes}, struct{ someRelays }{s.Relays}, struct{ inbox.Forwards }{s.Forwards}
	s.Moves, s.Rules, s.Hosts = struct{ actor.Moves }{s.Moves}, struct{ someRules }{s.Rules}, struct{ moderation.Hosts }{s.Hosts}
	s.Stamps = struct{ someStamps }{s.Stamps}
	s.Queue = struct{ delivery.Store }{s.Queue}
	return s
}

// without is a proxy that takes a field off requests.
func without(field string) func(http.Handler) http.Handler {
	return changing(func(r *http.Request) { r.Header.Del(field) })
}

func changing(change func(*http.Request)) func(http.Handler) http.Handler {
	return func(app http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			change(r)
			app.ServeHTTP(w, r)
		})
	}
}

// closed is a proxy that does not pass on what is under a path.
func closed(path string) func(http.Handler) http.Handler {
	return func(app http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, path) {
				_, _ = io.WriteString(w, "<!doctype html><title>Welcome</title>")
				return
			}
			app.ServeHTTP(w, r)
		})
	}
}

func TestEachMisconfigurationIsFoundAndNothingElse(t *testing.T) {
	t.Parallel()
	type net = *inboxtest.Net
	for _, c := range []struct {
		name   string
		change func(n net, c *fedihook.Config)
		proxy  func(app http.Handler) http.Handler
		before func(t *testing.T, s *fedihook.Server)
		code   fedihook.Code
		says   string
	}{
		{name: "a site that is well set"},
		{name: "a site that is well set, with users", change: func(_ net, c *fedihook.Config) { c.Checks.Handles = []string{"alice"} }},
		{name: "a proxy that takes a path off, said so", change: func(_ net, c *fedihook.Config) { c.Mount = "/blog" },
			proxy: func(app http.Handler) http.Handler {
				mux := http.NewServeMux()
				mux.Handle("/blog/", http.StripPrefix("/blog", changing(func(r *http.Request) { r.RequestURI = strings.TrimPrefix(r.RequestURI, "/blog") })(app)))
				mux.Handle("/.well-known/", app)
				return mux
			}},
		{name: "an origin by http", code: fedihook.CodeInsecure, change: func(_ net, c *fedihook.Config) {
			c.Origin = "http://blog.example"
		}},
		{name: "stores in memory", code: fedihook.CodeVolatile, says: "Keys, Queue", change: func(_ net, c *fedihook.Config) {
			memory := storage.Memory()
			c.Storage.Keys, c.Storage.Queue = memory.Keys, memory.Queue
			c.Storage.Keys = madeOnce()
			if _, ok := c.Storage.Keys.(interface{ Volatile() }); !ok {
				panic("the keys are not in memory")
			}
		}},
		{name: "Run never called", code: fedihook.CodeNotRunning, before: func(t *testing.T, s *fedihook.Server) {
			if _, err := s.Publish(t.Context(), "alice", &activity.Object{Content: "<p>hello</p>"}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Minute)
		}},
		{name: "something said a moment ago", before: func(t *testing.T, s *fedihook.Server) {
			if _, err := s.Publish(t.Context(), "alice", &activity.Object{Content: "<p>hello</p>"}); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "a store that fails", code: fedihook.CodeStorage, says: "Storage.Log", change: func(_ net, c *fedihook.Config) {
			c.Storage.Log = brokenLog{c.Storage.Log}
		}},
		{name: "a name that leads nowhere", code: fedihook.CodeUnreachable, change: func(_ net, c *fedihook.Config) { c.Origin = "https://elsewhere.example" }},
		{name: "WebFinger that the app before it answers", code: fedihook.CodeWebFinger, proxy: closed("/.well-known/")},
		{name: "WebFinger without its query", code: fedihook.CodeWebFinger, proxy: changing(func(r *http.Request) { r.URL.RawQuery = "" })},
		{name: "WebFinger of another site", code: fedihook.CodeWebFinger, says: "leads to", proxy: func(app http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.URL.Path, "/.well-known/") {
					_, _ = io.WriteString(w, `{"links":[{"rel":"self","type":"application/activity+json","href":"https://old.example/actor"}]}`)
					return
				}
				app.ServeHTTP(w, r)
			})
		}},
		{name: "a domain of handles that redirects", change: func(n net, c *fedihook.Config) {
			c.HandleDomain = "example.com"
			n.Serve("example.com", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "https://blog.example"+r.RequestURI, http.StatusFound)
			}))
		}},
		{name: "a domain of handles that does not redirect", code: fedihook.CodeHandleDomain, change: func(n net, c *fedihook.Config) {
			c.HandleDomain = "example.com"
			n.Serve("example.com", http.NotFoundHandler())
		}},
		{name: "a domain of handles that is not there", code: fedihook.CodeHandleDomain, change: func(_ net, c *fedihook.Config) { c.HandleDomain = "example.com" }},
		{name: "a cache that shows the page", code: fedihook.CodeActor, proxy: closed("/ap/actor")},
		{name: "a proxy that calls documents JSON", code: fedihook.CodeActor, says: `"application/json"`, proxy: func(app http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				app.ServeHTTP(&renamed{ResponseWriter: w, under: strings.HasPrefix(r.URL.Path, "/ap/actor")}, r)
			})
		}},
		{name: "a proxy without Signature", code: fedihook.CodeProxy, says: "Signature", proxy: without("Signature")},
		{name: "a proxy without Signature-Input", code: fedihook.CodeProxy, says: "Signature-Input", proxy: without("Signature-Input")},
		{name: "a proxy without Digest", code: fedihook.CodeProxy, says: "Digest", proxy: without("Digest")},
		{name: "a proxy without Date", code: fedihook.CodeProxy, says: "Date", proxy: without("Date")},
		{name: "a proxy with a Host of its own", code: fedihook.CodeProxy, says: "Host", proxy: changing(func(r *http.Request) { r.Host = "127.0.0.1:8080" })},
		{name: "a proxy that changes bodies", code: fedihook.CodeProxy, says: "body", proxy: changing(func(r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(append(body, ' ')))
		})},
		{name: "a proxy that changes what is asked for", code: fedihook.CodeProxy, says: "path", proxy: changing(func(r *http.Request) { r.RequestURI += "?by=proxy" })},
		{name: "a firewall against POST", code: fedihook.CodeProxy, says: "POST", proxy: func(app http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost {
					http.Error(w, "no", http.StatusForbidden)
					return
				}
				app.ServeHTTP(w, r)
			})
		}},
		{name: "a clock that is off", code: fedihook.CodeClock, says: "10m0s", change: func(n net, c *fedihook.Config) {
			c.Checks.Clock = "https://time.example/"
			n.Serve("time.example", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Date", time.Now().Add(10*time.Minute).UTC().Format(http.TimeFormat))
			}))
		}},
		{name: "a clock that is right", change: func(n net, c *fedihook.Config) {
			c.Checks.Clock = "https://time.example/"
			n.Serve("time.example", http.NotFoundHandler())
		}},
		{name: "a proxy with another clock", code: fedihook.CodeClock, proxy: func(app http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
				app.ServeHTTP(w, r)
			})
		}},
		{name: "a user who is not there", code: fedihook.CodeProfile, change: func(_ net, c *fedihook.Config) { c.Checks.Handles = []string{"nobody"} }},
		{name: "a user whose id is elsewhere", code: fedihook.CodeOtherAuthority, change: func(_ net, c *fedihook.Config) {
			c.Checks.Handles = []string{"alice"}
			c.Profile = func(_ context.Context, handle string) (actor.Profile, error) {
				return actor.Profile{Handle: handle, ID: "https://www.blog.example/users/" + handle}, nil
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			keys := madeOnce()
			synctest.Test(t, func(t *testing.T) {
				n := inboxtest.NewNet(t)
				config := fedihook.Config{
					Origin: "https://blog.example", Storage: storage.Memory(), InsecureDial: n.Dial, RootCAs: n.RootCAs(), Logger: slog.New(slog.DiscardHandler),
					Profile: func(_ context.Context, handle string) (actor.Profile, error) {
						if handle != "alice" {
							return actor.Profile{}, actor.ErrNotFound
						}
						return actor.Profile{Handle: handle}, nil
					},
				}
				config.Storage.Keys = keys
				config.Storage = durable(config.Storage)
				if c.change != nil {
					c.change(n, &config)
				}
				s, err := fedihook.New(config)
				if err != nil {
					t.Fatal(err)
				}
				app := s.Handler()
				if c.proxy != nil {
					app = c.proxy(app)
				}
				n.Serve("blog.example", app)
				if c.before != nil {
					c.before(t, s)
				}
				found := s.Check(t.Context())
				if c.code == "" {
					for _, f := range found {
						t.Errorf("found %v", f)
					}
					return
				}
				if len(found) != 1 || found[0].Code != c.code || found[0].Do == "" || !strings.Contains(found[0].Error(), c.says) {
					t.Errorf("found %v, want one %s", found, c.code)
				}
			})
		})
	}
}

// renamed answers with another media type.
type renamed struct {
	http.ResponseWriter
	under bool
}

func (r *renamed) WriteHeader(status int) {
	if r.under {
		r.Header().Set("Content-Type", "application/json")
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *renamed) Write(b []byte) (int, error) {
	if r.under {
		r.Header().Set("Content-Type", "application/json")
	}
	return r.ResponseWriter.Write(b)
}

type brokenLog struct{ outbox.Log }

func (brokenLog) DueRecords(context.Context, time.Time, int) ([]outbox.Record, error) {
	return nil, errors.New("disk I/O error")
}

// findings remembers what was logged as one.
type findings struct {
	slog.Handler
	mu   sync.Mutex
	list []*fedihook.Finding
}

func (h *findings) Enabled(context.Context, slog.Level) bool { return true }

func (h *findings) Handle(_ context.Context, r slog.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	r.Attrs(func(a slog.Attr) bool {
		if f, ok := a.Value.Any().(*fedihook.Finding); ok && r.Level == slog.LevelWarn {
			h.list = append(h.list, f)
		}
		return true
	})
	return nil
}

func TestRunLogsOnceWhatIsWrong(t *testing.T) {
	t.Parallel()
	inStoredFediverse(t, func(c *fedihook.Config) { c.Checks.After = time.Minute }, func(t *testing.T, v *storedFediverse) {
		// The one that inStoredFediverse made does not tell: a second one over the same network does.
		h := &findings{}
		s, err := fedihook.New(fedihook.Config{
			Origin: "https://blog.example", Storage: v.store, InsecureDial: v.net.Dial, RootCAs: v.net.RootCAs(), Logger: slog.New(h),
			Checks:  fedihook.Checks{After: 10 * time.Second},
			Profile: func(context.Context, string) (actor.Profile, error) { return actor.Profile{}, actor.ErrNotFound },
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		time.Sleep(time.Hour)
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		if len(h.list) != 1 || h.list[0].Code != fedihook.CodeVolatile {
			t.Errorf("logged %v", h.list)
		}
	})
}

func TestNewTellsAllThatIsWrong(t *testing.T) {
	t.Parallel()
	_, err := fedihook.New(fedihook.Config{Origin: "https://here.example/blog", Prefix: "ap", Subscribe: "https://here.example/follow"})
	var first *fedihook.Finding
	if !errors.As(err, &first) || first.Code != fedihook.CodeMissing || first.Field != "Profile" {
		t.Errorf("the first is %+v of %v", first, err)
	}
	for _, field := range []string{"Config.Profile", "Config.Origin", "Config.Prefix", "Config.Subscribe", "Config.Mount"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("it does not tell of %s: %v", field, err)
		}
	}
	profile := func(context.Context, string) (actor.Profile, error) { return actor.Profile{}, actor.ErrNotFound }
	seal := func(context.Context, []byte, []byte) ([]byte, error) { return nil, nil }
	for field, change := range map[string]func(*fedihook.Config){
		"Origin":          func(c *fedihook.Config) { c.Origin = "https://here.example/" },
		"Prefix":          func(c *fedihook.Config) { c.Prefix = "/ap/" },
		"Mount":           func(c *fedihook.Config) { c.Mount = "blog" },
		"HandleDomain":    func(c *fedihook.Config) { c.HandleDomain = "https://example.com" },
		"Collections":     func(c *fedihook.Config) { c.Collections.Own = map[string]actor.Source{"bad path": nil} },
		"AuthorizedFetch": func(c *fedihook.Config) { c.AuthorizedFetch = 99 },
		"OpenKey":         func(c *fedihook.Config) { c.SealKey = seal },
		"SealKey":         func(c *fedihook.Config) { c.OpenKey = seal },
		"PublishDelay":    func(c *fedihook.Config) { c.PublishDelay = -1 },
		"OfferPosts":      func(c *fedihook.Config) { c.OfferPosts = -1 },
		"MaxRelayed":      func(c *fedihook.Config) { c.MaxRelayed = -1 },
		"Storage.Intents": func(c *fedihook.Config) { c.Storage.Log = storage.Memory().Log },
	} {
		c := fedihook.Config{Origin: "https://here.example", Profile: profile}
		change(&c)
		_, err := fedihook.New(c)
		var f *fedihook.Finding
		if !errors.As(err, &f) || f.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}
