package check_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/actor/check"
	"github.com/fedihook/fedihook/signature"
)

// served is a server on loopback with one actor, at http://a.test, that does nothing wrong until a test has it.
type served struct {
	document map[string]any // at /ap/users/alice
	jrd      string
	links    string
	nodeInfo string
	before   func(w http.ResponseWriter, r *http.Request) (done bool) // asked first

	mu    sync.Mutex
	asked []string // paths
}

const (
	aliceID  = "http://a.test/ap/users/alice"
	goodJRD  = `{"subject":"acct:alice@a.test","links":[{"rel":"self","type":"application/activity+json","href":"http://a.test/ap/users/alice"}]}`
	goodInfo = `{"version":"2.1","software":{"name":"blog","version":"1"},"protocols":["activitypub"],"services":{"inbound":[],"outbound":[]},
		"openRegistrations":false,"usage":{"users":{}},"metadata":{"privacyPolicyUrl":"http://a.test/privacy","minimumAge":16,"publicFeedUrl":"http://a.test/feed"}}`
	goodLinks = `{"links":[{"rel":"http://nodeinfo.diaspora.software/ns/schema/2.0","href":"http://a.test/2.0"},
		{"rel":"http://nodeinfo.diaspora.software/ns/schema/2.1","href":"http://a.test/2.1"},
		{"rel":"https://www.w3.org/ns/activitystreams#Application","href":"http://a.test/ap/actor"}]}`
)

func (s *served) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = append(s.asked, r.URL.Path)
	s.mu.Unlock()
	if s.before != nil && s.before(w, r) {
		return
	}
	answer := func(kind, body string) {
		if w.Header().Get("Content-Type") == "" {
			w.Header().Set("Content-Type", kind)
		}
		_, _ = io.WriteString(w, body)
	}
	switch r.Host + r.URL.Path {
	case "a.test/ap/users/alice":
		body, _ := json.Marshal(s.document)
		answer(activity.ContentType, string(body))
	case "a.test/ap/actor":
		answer(activity.ContentType, `{"@context":"https://www.w3.org/ns/activitystreams","id":"http://a.test/ap/actor","type":"Application"}`)
	case "a.test/.well-known/webfinger":
		answer("application/jrd+json", s.jrd)
	case "a.test/.well-known/nodeinfo":
		answer("application/json", s.links)
	case "a.test/2.1":
		answer("application/json", s.nodeInfo)
	case "a.test/privacy", "a.test/feed":
		answer("text/html", "<p>words</p>")
	case "b.test/new":
		answer(activity.ContentType, `{"id":"http://b.test/new","type":"Person","inbox":"http://b.test/inbox","alsoKnownAs":["http://a.test/ap/users/alice"]}`)
	case "b.test/unaware":
		answer(activity.ContentType, `{"id":"http://b.test/unaware","type":"Person","inbox":"http://b.test/inbox"}`)
	case "b.test/gone-on":
		answer(activity.ContentType, `{"id":"http://b.test/gone-on","type":"Person","inbox":"http://b.test/inbox","alsoKnownAs":["http://a.test/ap/users/alice"],"movedTo":"http://b.test/new"}`)
	default:
		http.NotFound(w, r)
	}
}

func serve(t *testing.T, change func(*served)) (*served, *check.Checker) {
	t.Helper()
	text, err := os.ReadFile("testdata/correct/blog.json")
	if err != nil {
		t.Fatal(err)
	}
	s := &served{jrd: goodJRD, links: goodLinks, nodeInfo: goodInfo}
	if err := json.Unmarshal([]byte(strings.ReplaceAll(string(text), "https://blog.example", "http://a.test")), &s.document); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(s)
	}
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	return s, checker(t, check.Config{}, web.Listener.Addr().String())
}

func checker(t *testing.T, c check.Config, address string) *check.Checker {
	t.Helper()
	c.InsecureAllowLoopback = map[string]string{"a.test": address, "b.test": address}
	k, err := check.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// status answers requests for a path, or for all with "", by a status alone.
func status(path string, code int) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if path != "" && r.URL.Path != path {
			return false
		}
		w.WriteHeader(code)
		return true
	}
}

func header(name, value string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set(name, value)
		return false
	}
}

func offBy(d time.Duration) func(*served) {
	return func(s *served) {
		s.before = func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Date", time.Now().Add(d).UTC().Format(http.TimeFormat))
			return false
		}
	}
}

// Whatever is wrong with a server is named, and nothing else.
func TestEachBrokenServerNamesItsRuleAndWhoGoesByIt(t *testing.T) {
	t.Parallel()
	const page = "/ap/users/alice"
	tests := []struct {
		name   string
		query  string // zero: the handle
		change func(*served)
		want   string // rules, each with those who refuse and, after a bar, those who are impaired
	}{
		{"nothing", "", nil, ""},
		{"nothing, by its id", aliceID, nil, ""},
		{"nothing, by its profile", "http://a.test/@alice", func(s *served) {
			s.before = func(_ http.ResponseWriter, r *http.Request) bool {
				r.URL.Path = strings.Replace(r.URL.Path, "/@alice", page, 1)
				return false
			}
		}, ""},
		{"no WebFinger", aliceID, func(s *served) { s.before = status("/.well-known/webfinger", 404) }, "webfinger-missing: GoToSocial, Mastodon |"},
		{"no WebFinger for the handle that was asked", "", func(s *served) { s.before = status("/.well-known/webfinger", 404) }, "webfinger-missing: GoToSocial, Mastodon |"},
		{"WebFinger with a page", "", func(s *served) { s.jrd = "<html>" }, "webfinger-missing: GoToSocial, Mastodon |"},
		{"WebFinger without an actor", "", func(s *served) { s.jrd = `{"subject":"acct:alice@a.test"}` }, "webfinger-without-actor: GoToSocial, Mastodon |"},
		{"WebFinger without an actor, by its id", aliceID, func(s *served) { s.jrd = `{"subject":"acct:alice@a.test"}` }, "webfinger-without-actor: GoToSocial, Mastodon |"},
		{"WebFinger with another actor", aliceID, func(s *served) { s.jrd = strings.Replace(goodJRD, "users/alice", "users/bob", 1) }, "webfinger-other-actor: GoToSocial, Mastodon |"},
		{"no actor", "", func(s *served) { s.before = status(page, 404) }, "actor-not-served: Akkoma, GoToSocial, Lemmy, Mastodon, Misskey, PeerTube, Pixelfed, Threads |"},
		{"a fire", "", func(s *served) { s.before = status(page, 503) }, "actor-not-served: Akkoma, GoToSocial, Lemmy, Mastodon, Misskey, PeerTube, Pixelfed, Threads |"},
		{"signatures wanted", "", func(s *served) { s.before = status(page, 401) }, "actor-needs-signature: Epicyon | Threads"},
		{"another id at the same host", "", func(s *served) { s.document["id"] = aliceID + "/" },
			"id-differs: Akkoma, Lemmy, Mastodon, Misskey | key-id-of-another: Akkoma, Misskey | key-owner-differs: GoToSocial | Mastodon webfinger-other-actor: GoToSocial, Mastodon |"},
		{"JSON", "", func(s *served) { s.before = header("Content-Type", "application/json") },
			"content-type-refused: Akkoma, GoToSocial, Lemmy, Mastodon, Misskey | server-actor-closed: | GoToSocial, Mastodon"},
		{"ld+json without a profile", "", func(s *served) { s.before = header("Content-Type", "application/ld+json") },
			"content-type-refused: Akkoma, GoToSocial, Lemmy, Mastodon, Misskey | server-actor-closed: | GoToSocial, Mastodon"},
		{"a page", "", func(s *served) {
			s.before = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != page {
					return false
				}
				w.Header().Set("Content-Type", "text/html")
				_, _ = io.WriteString(w, "<html>")
				return true
			}
		}, "content-type-refused: Akkoma, GoToSocial, Lemmy, Mastodon, Misskey |"},
		{"another charset", "", func(s *served) { s.before = header("Content-Type", `application/activity+json;charset="UTF-8"`) }, "content-type-unusual: Lemmy |"},
		{"bare ld+json not understood", "", func(s *served) {
			s.before = func(w http.ResponseWriter, r *http.Request) bool {
				return r.Header.Get("Accept") == "application/ld+json" && status(page, 406)(w, r)
			}
		}, "accept-ignored: PieFed |"},
		{"profiles not understood", "", func(s *served) {
			s.before = func(w http.ResponseWriter, r *http.Request) bool {
				return strings.Contains(r.Header.Get("Accept"), "profile=") && status(page, 406)(w, r)
			}
		}, "accept-ignored: Epicyon | accept-ignored: | Mastodon"},
		{"a clock 2 minutes ahead", "", offBy(2 * time.Minute), "clock-off: Friendica |"},
		{"a clock 2 minutes late", "", offBy(-2 * time.Minute), ""},
		{"a clock 10 minutes late", "", offBy(-10 * time.Minute), "clock-off: BookWyrm, Friendica |"},
		{"a clock 62 minutes late", "", offBy(-62 * time.Minute), "clock-off: BookWyrm, Friendica, Lemmy, PieFed |"},
		{"a clock 2 hours late", "", offBy(-2 * time.Hour), "clock-off: BookWyrm, Friendica, Lemmy, Mastodon, PieFed |"},
		{"a clock 2 hours ahead", "", offBy(2 * time.Hour), "clock-off: Friendica, Lemmy, Mastodon, PieFed |"},
		{"a cached answer", "", func(s *served) {
			offBy(-2 * time.Hour)(s)
			late := s.before
			s.before = func(w http.ResponseWriter, r *http.Request) bool { w.Header().Set("Age", "7200"); return late(w, r) }
		}, ""},
		{"a wall", "", func(s *served) {
			s.before = func(w http.ResponseWriter, r *http.Request) bool {
				return strings.HasPrefix(r.Header.Get("User-Agent"), "facebook") && status("", 403)(w, r)
			}
		}, "meta-agent-refused: Threads |"},
		{"a stub where the key is", "", func(s *served) {
			s.document["publicKey"].(map[string]any)["id"] = aliceID + "/main-key"
			s.before = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != page+"/main-key" {
					return false
				}
				w.Header().Set("Content-Type", activity.ContentType)
				_, _ = io.WriteString(w, `{"id":"`+aliceID+`","type":"Person","publicKey":{}}`)
				return true
			}
		}, "key-id-without-fragment: Threads | Lemmy key-url-not-actor: Flipboard, Threads |"},
		{"nothing where the key is", "", func(s *served) { s.document["publicKey"].(map[string]any)["id"] = aliceID + "/main-key" },
			"key-id-without-fragment: Threads | Lemmy key-url-not-actor: Flipboard, Threads |"},
		{"a server's actor that is closed", "", func(s *served) { s.before = status("/ap/actor", 401) }, "server-actor-closed: | GoToSocial, Mastodon"},
		{"moved", "", func(s *served) { s.document["movedTo"] = "http://b.test/new" }, ""},
		{"moved to who does not know", "", func(s *served) { s.document["movedTo"] = "http://b.test/unaware" }, "move-unconfirmed: | Mastodon"},
		{"moved to nobody", "", func(s *served) { s.document["movedTo"] = "http://b.test/nobody" }, "move-unconfirmed: | Mastodon"},
		{"moved to who has moved", "", func(s *served) { s.document["movedTo"] = "http://b.test/gone-on" }, "move-target-moved: | Mastodon"},
		{"no NodeInfo", "", func(s *served) { s.before = status("/.well-known/nodeinfo", 404) },
			"nodeinfo-missing: | Friendica, Misskey, PeerTube, Pixelfed privacy-policy-missing: | Threads public-feed-missing: | Threads age-rule-missing: | Threads"},
		{"NodeInfo that leads nowhere", "", func(s *served) { s.links = `{"links":[null,1,{"rel":1}]}` },
			"nodeinfo-missing: | Friendica, Misskey, PeerTube, Pixelfed privacy-policy-missing: | Threads public-feed-missing: | Threads age-rule-missing: | Threads"},
		{"NodeInfo with an odd name", "", func(s *served) { s.nodeInfo = strings.Replace(goodInfo, `"blog"`, `"My Blog"`, 1) }, "nodeinfo-malformed: | Friendica, Misskey, Pixelfed"},
		{"NodeInfo without its protocol", "", func(s *served) { s.nodeInfo = strings.Replace(goodInfo, `"activitypub"`, "", 1) }, "nodeinfo-malformed: | Friendica, Misskey, Pixelfed"},
		{"no privacy policy", "", func(s *served) { s.nodeInfo = strings.Replace(goodInfo, "privacyPolicyUrl", "x", 1) }, "privacy-policy-missing: | Threads"},
		{"a privacy policy that is gone", "", func(s *served) { s.before = status("/privacy", 410) }, "privacy-policy-missing: | Threads"},
		{"no age rule", "", func(s *served) { s.nodeInfo = strings.Replace(goodInfo, "minimumAge", "x", 1) }, "age-rule-missing: | Threads"},
		{"an age rule for children", "", func(s *served) { s.nodeInfo = strings.Replace(goodInfo, "16", "12", 1) }, "age-rule-missing: | Threads"},
		{"no public feed", "", func(s *served) { s.nodeInfo = strings.Replace(goodInfo, "publicFeedUrl", "x", 1) }, "public-feed-missing: | Threads"},
		{"a feed for those who log in", "", func(s *served) { s.before = status("/feed", 401) }, "public-feed-missing: | Threads"},
	}
	tried := make(map[string]bool)
	for _, tt := range tests {
		for _, rule := range serverRules {
			if strings.Contains(tt.want, rule+":") {
				tried[rule] = true
			}
		}
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, c := serve(t, tt.change)
			report, err := c.Actor(t.Context(), cmp.Or(tt.query, "@alice@a.test"))
			if err != nil {
				t.Fatal(err)
			}
			if slices.ContainsFunc(report.Findings, func(f check.Finding) bool { return f.Path == "" || f.Text == "" || f.Fix == "" }) {
				t.Errorf("says too little: %+v", report.Findings)
			}
			var got []string
			for _, f := range report.Findings {
				one := []check.Finding{f}
				line := f.Rule + ": " + strings.Join(check.Refusals(one), ", ")
				got = append(got, strings.TrimSpace(strings.TrimSuffix(line, " ")+" | "+strings.Join(check.Impairments(one), ", ")))
			}
			squeeze := func(s string) string { return strings.Join(strings.Fields(strings.ReplaceAll(s, "|", " | ")), " ") }
			if text := squeeze(strings.Join(got, " ")); text != squeeze(tt.want) {
				t.Errorf("found\n%s\nwant\n%s\n%v", text, tt.want, report.Findings)
			}
			if tt.want == "" && (report.ID != aliceID || report.Handle != "alice@a.test") {
				t.Errorf("found %q, %q", report.ID, report.Handle)
			}
		})
	}
	for _, rule := range serverRules {
		if !tried[rule] {
			t.Errorf("no server here breaks %s", rule)
		}
	}
}

func TestASignatureOpensWhatIsClosed(t *testing.T) {
	t.Parallel()
	s, _ := serve(t, nil)
	s.before = func(w http.ResponseWriter, r *http.Request) bool {
		return r.Header.Get("Signature") == "" && status("/ap/users/alice", 401)(w, r)
	}
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	c := checker(t, check.Config{Key: func(context.Context) (signature.Key, error) {
		return signature.Key{ID: "https://me.example/actor#main-key", Private: private}, nil
	}}, web.Listener.Addr().String())
	report, err := c.Actor(t.Context(), aliceID)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Findings) != 1 || report.Findings[0].Rule != "actor-needs-signature" || report.Handle != "alice@a.test" {
		t.Errorf("found %v, handle %q: the document was not looked at", report.Findings, report.Handle)
	}
}

func TestNothingToCheckIsAnError(t *testing.T) {
	t.Parallel()
	_, c := serve(t, nil)
	for query, want := range map[string]error{
		"alice":                      actor.ErrInvalidID,
		"":                           actor.ErrInvalidID,
		"https://":                   actor.ErrInvalidID,
		"https://127.0.0.1/":         actor.ErrUnreachable,
		"@alice@nowhere.invalid":     actor.ErrUnreachable,
		"https://nowhere.invalid/me": actor.ErrUnreachable,
	} {
		report, err := c.Actor(t.Context(), query)
		if !errors.Is(err, want) || report != nil {
			t.Errorf("%q: %v and %v, want %v", query, report, err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Actor(ctx, aliceID); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}

func TestAServerThatNeverEndsIsLeft(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-release:
		}
	}))
	t.Cleanup(func() { close(release); web.Close() })
	c := checker(t, check.Config{Timeout: 50 * time.Millisecond}, web.Listener.Addr().String())
	if _, err := c.Actor(t.Context(), aliceID); !errors.Is(err, actor.ErrUnreachable) {
		t.Error(err)
	}
}

func TestAnActorOfAMebibyteIsNotReadToItsEnd(t *testing.T) {
	t.Parallel()
	_, c := serve(t, func(s *served) { s.document["summary"] = strings.Repeat("x", 2<<20) })
	report, err := c.Actor(t.Context(), aliceID)
	if err != nil || len(report.Findings) != 1 || report.Findings[0].Rule != "document-too-large" {
		t.Errorf("%+v, %v", report, err)
	}
}
