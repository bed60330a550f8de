package media_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/media"
)

func TestAFailureIsRememberedForAWhile(t *testing.T) {
	t.Parallel()
	type answer = http.HandlerFunc
	status := func(n int, after string) answer {
		return func(w http.ResponseWriter, _ *http.Request) {
			if after != "" {
				w.Header().Set("Retry-After", after)
			}
			w.WriteHeader(n)
		}
	}
	for _, c := range []struct {
		name   string
		answer answer
		want   time.Duration
	}{
		{"gone", status(410, ""), time.Hour},
		{"not found", status(404, ""), time.Hour},
		{"no picture", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("text")) }, time.Hour},
		{"broken", func(w http.ResponseWriter, _ *http.Request) { w.Write(pngOf(photo(9, 9))[:60]) }, time.Hour},
		{"down", status(500, ""), time.Minute},
		{"too many requests", status(429, "600"), 10 * time.Minute},
		{"too many for a year", status(503, "31536000"), time.Hour},
		{"too many for a moment", status(503, "1"), time.Minute},
		{"too many until a day", status(503, "Wed, 21 Oct 2065 07:28:00 GMT"), time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRemote(t)
				r.on("a.example/x", c.answer)
				p := r.proxy(t, media.Config{})
				_, first := p.Fetch(t.Context(), "https://a.example/x", media.Full)
				time.Sleep(c.want - time.Second)
				// Whichever variant: it is the same picture.
				if _, err := p.Fetch(t.Context(), "https://a.example/x", media.Avatar); err == nil || err.Error() != first.Error() || r.requests() != 1 {
					t.Errorf("a second before: %v, asked %d times", err, r.requests())
				}
				time.Sleep(2 * time.Second)
				r.has("a.example/x", pngOf(photo(9, 9)))
				if _, err := p.Fetch(t.Context(), "https://a.example/x", media.Full); err != nil || r.requests() != 2 {
					t.Errorf("a second after: %v, asked %d times", err, r.requests())
				}
				p.Close()
				r.net.HangUp()
			})
		})
	}
}

func TestAnOldCopyIsFetchedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRemote(t)
		p := r.proxy(t, media.Config{MaxAge: time.Hour})
		tags := map[string]string{}
		see := func(what string, status int) {
			t.Helper()
			w := get(p, p.URL("https://a.example/x", media.Full))
			if w.Code != status {
				t.Errorf("%s: status %d, want %d", what, w.Code, status)
			}
			tags[what] = w.Header().Get("ETag")
		}
		answer := func(status int) {
			r.on("a.example/x", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		}
		r.has("a.example/x", pngOf(photo(9, 9)))
		see("first", 200)
		r.has("a.example/x", pngOf(photo(8, 8)))
		time.Sleep(59 * time.Minute)
		see("young", 200)
		time.Sleep(time.Minute)
		see("old", 200)
		if tags["young"] != tags["first"] || tags["old"] == tags["first"] {
			t.Errorf("%v", tags)
		}
		for _, status := range []int{500, 503, 429, 403, 401} {
			answer(status)
			time.Sleep(time.Hour)
			n := r.requests()
			see("while it is not answered", 200)
			see("and again", 200)
			if r.requests() != n+1 {
				t.Errorf("%d: asked %d times", status, r.requests()-n)
			}
			if tags["and again"] != tags["old"] {
				t.Errorf("%v", tags)
			}
		}
		answer(410)
		time.Sleep(time.Hour)
		see("gone", 404)
		answer(500)
		time.Sleep(2 * time.Hour)
		see("gone and then down", 502)
		p.Close()
		r.net.HangUp()
	})
}

func TestAnAddressThatEndedIsFoundAnew(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		status  int // of the old URL
		found   string
		fails   error
		want    error // nil: shown
		asked   int   // how often Refresh is
		fetches int
	}{
		{"found", 403, "https://b.example/new.png", nil, nil, 1, 2},
		{"found after 404", 404, "https://b.example/new.png", nil, nil, 1, 2},
		{"there is none", 410, "", nil, media.ErrFetch, 1, 1},
		{"it is the same", 403, "https://a.example/old.png", nil, media.ErrFetch, 1, 1},
		{"not known", 404, "", errors.New("database is gone"), media.ErrFetch, 1, 1},
		{"found where nobody goes", 403, "http://b.example/new.png", nil, media.ErrFetch, 1, 1},
		{"found at who is rejected", 403, "https://img.a.example/new.png", nil, media.ErrRejected, 1, 1},
		{"found, and ended too", 403, "https://b.example/none.png", nil, media.ErrFetch, 1, 2},
		{"the server is down", 500, "https://b.example/new.png", nil, media.ErrFetch, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRemote(t)
			r.on("a.example/old.png", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(c.status) })
			r.has("b.example/new.png", pngOf(photo(9, 9)))
			r.has("img.a.example/new.png", pngOf(photo(9, 9)))
			var asked []string
			p := r.proxy(t, media.Config{Reject: rejects("img.a.example"), Refresh: func(_ context.Context, remote, _ string) (string, error) {
				asked = append(asked, remote)
				return c.found, c.fails
			}})
			_, err := p.Fetch(t.Context(), "https://a.example/old.png", media.Full)
			if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) || c.fails != nil && !errors.Is(err, c.fails) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if len(asked) != c.asked || c.asked > 0 && asked[0] != "https://a.example/old.png" || r.requests() != c.fetches {
				t.Errorf("Refresh was asked for %q, and the servers %d times", asked, r.requests())
			}
			if _, err := p.Fetch(t.Context(), "https://a.example/old.png", media.Full); (err == nil) != (c.want == nil) {
				t.Errorf("again: %v", err)
			}
			if c.want == nil && r.requests() != c.fetches {
				t.Errorf("asked again")
			}
		})
	}
}

func TestAPictureIsFoundByItsOwner(t *testing.T) {
	t.Parallel()
	r := newRemote(t)
	r.has("b.example/new.png", pngOf(photo(9, 9)))
	const ann, bob = "https://a.example/users/ann", "https://a.example/users/bob"
	p := r.proxy(t, media.Config{Refresh: func(_ context.Context, remote, owner string) (string, error) {
		if owner == ann {
			return "https://b.example/new.png", nil
		}
		return "", nil
	}})
	get := func(address string) int {
		w := httptest.NewRecorder()
		p.ServeHTTP(w, httptest.NewRequest(http.MethodGet, address, nil))
		return w.Code
	}
	hers, his := p.URLOf("https://a.example/1.png", ann, media.Avatar), p.URLOf("https://a.example/1.png", bob, media.Avatar)
	segment := func(of string) string { return of[strings.LastIndexByte(of, '/'):] }
	for name, address := range map[string]string{
		"his in place of hers": strings.TrimSuffix(hers, segment(hers)) + segment(his), "taken away": strings.TrimSuffix(hers, segment(hers)),
		"added": p.URL("https://a.example/1.png", media.Avatar) + segment(hers),
	} {
		if status := get(address); status != http.StatusForbidden {
			t.Errorf("an owner %s: %d", name, status)
		}
	}
	for _, address := range []string{hers + "/", hers + "/x", strings.TrimSuffix(hers, segment(hers)) + "/%21"} {
		if status := get(address); status != http.StatusNotFound {
			t.Errorf("%s: %d", address, status)
		}
	}
	if status := get(p.URLOf("https://a.example/2.png", bob, media.Avatar)); status != http.StatusNotFound {
		t.Errorf("a picture of bob's, who has none: %d", status)
	}
	if status := get(hers); status != http.StatusOK {
		t.Errorf("hers: %d", status)
	}
	if long := p.URLOf("https://a.example/1.png", ann+strings.Repeat("x", 2048), media.Avatar); long != p.URL("https://a.example/1.png", media.Avatar) {
		t.Errorf("an owner of more than 2,048 bytes is in the address %.100s", long)
	}
}

func TestWhatIsPurgedIsFetchedAgain(t *testing.T) {
	t.Parallel()
	r := newRemote(t)
	for _, at := range []string{"a.example/1", "a.example/2", "img.a.example/1", "b.example/1"} {
		r.has(at, pngOf(photo(9, 9)))
	}
	p := r.proxy(t, media.Config{})
	fetches := func(at string, v media.Variant) int {
		n := r.requests()
		if _, err := p.Fetch(t.Context(), "https://"+at, v); err != nil {
			t.Fatal(err)
		}
		return r.requests() - n
	}
	fill := func() {
		for _, at := range []string{"a.example/1", "a.example/2", "img.a.example/1", "b.example/1"} {
			fetches(at, media.Avatar)
			fetches(at, media.Full)
		}
	}
	fill()
	if err := p.PurgeURL(t.Context(), "https://A.example/1#x"); err != nil {
		t.Fatal(err)
	}
	for at, want := range map[string]int{"a.example/1": 1, "a.example/2": 0, "img.a.example/1": 0, "b.example/1": 0} {
		if got := fetches(at, media.Avatar) + fetches(at, media.Full); got != 2*want {
			t.Errorf("after its URL was purged %s is fetched %d times", at, got)
		}
	}
	if err := p.PurgeHost(t.Context(), "img.A.example"); err != nil {
		t.Fatal(err)
	}
	for at, want := range map[string]int{"a.example/1": 1, "a.example/2": 1, "img.a.example/1": 1, "b.example/1": 0} {
		if got := fetches(at, media.Avatar) + fetches(at, media.Full); got != 2*want {
			t.Errorf("after its host was purged %s is fetched %d times", at, got)
		}
	}
	for _, bad := range []string{"", "a/b", "a b", "u@a.example"} {
		if err := p.PurgeHost(t.Context(), bad); !errors.Is(err, media.ErrURL) {
			t.Errorf("PurgeHost(%q): %v", bad, err)
		}
	}
	if err := p.PurgeURL(t.Context(), "a.example"); !errors.Is(err, media.ErrURL) {
		t.Errorf("PurgeURL: %v", err)
	}
	// A failure is forgotten with it.
	if _, err := p.Fetch(t.Context(), "https://a.example/3", media.Full); err == nil {
		t.Fatal("there is one")
	}
	r.has("a.example/3", pngOf(photo(9, 9)))
	if err := p.PurgeURL(t.Context(), "https://a.example/3"); err != nil {
		t.Fatal(err)
	}
	if fetches("a.example/3", media.Full) != 1 {
		t.Error("not fetched")
	}
}

func TestWhatIsPurgedWhileItIsFetchedIsNotKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRemote(t)
		r.on("a.example/x", func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(2 * time.Second)
			w.Write(pngOf(photo(9, 9)))
		})
		p := r.proxy(t, media.Config{})
		go func() {
			time.Sleep(time.Second)
			if err := p.PurgeHost(t.Context(), "a.example"); err != nil {
				t.Error(err)
			}
		}()
		for want := 1; want <= 2; want++ {
			if _, err := p.Fetch(t.Context(), "https://a.example/x", media.Full); err != nil || r.requests() != want {
				t.Errorf("%v, asked %d times", err, r.requests())
			}
		}
		if _, err := p.Fetch(t.Context(), "https://a.example/x", media.Full); err != nil || r.requests() != 2 {
			t.Errorf("the second is not kept: %v, asked %d times", err, r.requests())
		}
		p.Close()
		r.net.HangUp()
	})
}

func TestLogsNameTheHostAndNotThePicture(t *testing.T) {
	t.Parallel()
	r := newRemote(t)
	r.on("a.example/direct-canary", func(w http.ResponseWriter, _ *http.Request) {
		http.Redirect(w, &http.Request{}, "https://b.example/other-canary", http.StatusFound)
	})
	r.has("b.example/other-canary", []byte("<html>canary"))
	var info, all bytes.Buffer
	for out, level := range map[*bytes.Buffer]slog.Level{&info: slog.LevelInfo, &all: slog.LevelDebug} {
		p := r.proxy(t, media.Config{Logger: slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: level}))})
		get(p, p.URL("https://a.example/direct-canary?token=canary", media.Full))
		get(p, p.URL("https://a.example/missing-canary", media.Full))
	}
	if text := info.String(); strings.Contains(text, "canary") || strings.Count(text, "host=a.example") != 2 || !strings.Contains(text, `reason="not a picture of a type that is shown"`) {
		t.Errorf("at Info: %s", text)
	}
	if text := all.String(); !strings.Contains(text, "direct-canary?token=canary") {
		t.Errorf("at Debug: %s", text)
	}
}
