package media_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/internal/safehttp"
	"github.com/fedihook/fedihook/media"
)

func TestTheClientOfItsOwnReachesLoopbackOnlyWhereItIsSaid(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.UserAgent() != "blog/1" || r.Host != "a.test" {
			t.Errorf("%s asks %s", r.UserAgent(), r.Host)
		}
		w.Write(pngOf(photo(9, 9)))
	}))
	defer s.Close()
	p, err := media.New(media.Config{
		Keys: [][]byte{[]byte(secret)}, UserAgent: "blog/1", Dir: t.TempDir() + "/copies",
		InsecureAllowLoopback: map[string]string{"a.test": s.Listener.Addr().String()},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if got, err := p.Fetch(t.Context(), "http://a.test/cat.png", media.Full); err != nil || got.Type != "image/png" {
		t.Errorf("%v", err)
	}
	if got := p.URL("http://b.test/cat.png", media.Full); got != "" {
		t.Errorf("http elsewhere has the address %s", got)
	}
	for _, url := range []string{"https://" + s.Listener.Addr().String() + "/cat.png", "https://127.0.0.1/cat.png", "https://[::1]/cat.png", "https://localhost/cat.png"} {
		if _, err := p.Fetch(t.Context(), url, media.Full); !errors.Is(err, safehttp.ErrRefused) {
			t.Errorf("%s: %v", url, err)
		}
	}

	if _, err := media.New(media.Config{Keys: [][]byte{[]byte(secret)}, Client: &http.Client{}}); err == nil || !strings.Contains(err.Error(), "Config.Client") {
		t.Errorf("a client that dials anything: %v", err)
	}
	if _, err := media.New(media.Config{Keys: [][]byte{[]byte(secret)}, InsecureAllowLoopback: map[string]string{"a.test": "10.0.0.1:80"}}); err == nil {
		t.Error("an address that is not loopback is taken")
	}
}

func TestTheBoundsHoldWithTheAppsOwnClient(t *testing.T) {
	t.Parallel()
	r := newRemote(t)
	to := func(url string) http.HandlerFunc {
		return func(w http.ResponseWriter, req *http.Request) { http.Redirect(w, req, url, http.StatusFound) }
	}
	cat := pngOf(photo(30, 30))
	r.has("b.example/cat.png", cat)
	r.has("b.example/large.png", append(cat[:len(cat):len(cat)], make([]byte, 5000)...))
	r.on("a.example/cat.png", to("https://b.example/cat.png"))
	r.on("a.example/loop", to("https://a.example/loop"))
	r.on("a.example/rejected", to("https://img.a.example/cat.png"))
	r.has("img.a.example/cat.png", cat)
	p := r.proxy(t, media.Config{
		Client:   &http.Client{Transport: r.net.Client(t).Transport}, // which follows any redirect, and reads a megabyte
		MaxBytes: int64(len(cat)), Reject: rejects("img.a.example"),
	})
	for path, want := range map[string]error{
		"a.example/cat.png": nil, "b.example/large.png": media.ErrTooLarge, "a.example/loop": media.ErrFetch, "a.example/rejected": media.ErrRejected,
	} {
		if _, err := p.Fetch(t.Context(), "https://"+path, media.Full); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
	}
	hops := 0
	for _, asked := range r.asked {
		if asked.Host == "img.a.example" {
			t.Error("the rejected host was asked")
		}
		if asked.URL.Path == "/loop" {
			hops++
		}
		if from := asked.Referer(); from != "" {
			t.Errorf("%s%s was told of %s", asked.Host, asked.URL, from)
		}
	}
	if hops != 10 {
		t.Errorf("%d hops were followed", hops)
	}
}
