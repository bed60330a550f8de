package media_test

import (
	"bytes"
	"image"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/media"
)

func TestACopyIsServedInPlaceOfThePicture(t *testing.T) {
	t.Parallel()
	r := newRemote(t)
	r.on("a.example/cat.jpg", func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		for name, value := range map[string]string{
			"Content-Type": "text/html", "Set-Cookie": "who=you", "X-Evil": "1", "Link": "<https://a.example/track>; rel=preload",
			"Refresh": "0; url=https://a.example", "Access-Control-Allow-Origin": "*", "ETag": `"theirs"`, "Content-Disposition": `attachment; filename="x.html"`,
		} {
			h.Set(name, value)
		}
		w.Write(jpegOf(photo(660, 440)))
	})
	p := r.proxy(t, media.Config{})
	address := p.URL("https://a.example/cat.jpg", media.Preview)
	w := get(p, address)
	if w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	if got := decode(t, w.Body.Bytes()).Bounds().Size(); got != image.Pt(640, 427) {
		t.Errorf("a preview of 660 × 440 is %v", got)
	}
	etag := w.Header().Get("ETag")
	want := http.Header{
		"Content-Type": {"image/jpeg"}, "X-Content-Type-Options": {"nosniff"}, "Content-Security-Policy": {"default-src 'none'; sandbox"},
		"Cache-Control": {"public, max-age=604800, immutable"}, "Content-Disposition": {`inline; filename="preview.jpg"`},
		"Etag": {etag}, "Accept-Ranges": {"bytes"}, "Content-Length": w.Header()["Content-Length"], "Last-Modified": w.Header()["Last-Modified"],
	}
	if len(etag) < 20 || strings.Contains(etag, "theirs") {
		t.Errorf("ETag %s", etag)
	}
	for name, values := range w.Header() {
		if len(values) != 1 || want.Get(name) != values[0] {
			t.Errorf("the answer has %s: %q, want %q", name, values, want[name])
		}
	}
	for name := range want {
		if w.Header().Get(name) == "" {
			t.Errorf("the answer has no %s", name)
		}
	}

	for _, c := range []struct {
		name, header, value string
		status, length      int
	}{
		{"again", "", "", 200, w.Body.Len()},
		{"what the browser has", "If-None-Match", etag, 304, 0},
		{"part of it", "Range", "bytes=10-19", 206, 10},
		{"a part that there is not", "Range", "bytes=99999999-", 416, -1},
	} {
		req := httptest.NewRequest("GET", address, nil)
		if c.header != "" {
			req.Header.Set(c.header, c.value)
		}
		again := httptest.NewRecorder()
		p.ServeHTTP(again, req)
		if again.Code != c.status || c.length >= 0 && again.Body.Len() != c.length {
			t.Errorf("%s: status %d and %d bytes, want %d and %d", c.name, again.Code, again.Body.Len(), c.status, c.length)
		}
		if again.Header().Get("Content-Security-Policy") == "" || again.Header().Get("X-Content-Type-Options") == "" {
			t.Errorf("%s: without its guards: %v", c.name, again.Header())
		}
	}
	head := httptest.NewRecorder()
	p.ServeHTTP(head, httptest.NewRequest("HEAD", address, nil))
	if head.Code != 200 || head.Body.Len() != 0 || head.Header().Get("Content-Type") != "image/jpeg" {
		t.Errorf("HEAD: %d, %d bytes, %v", head.Code, head.Body.Len(), head.Header())
	}
	if n := r.requests(); n != 1 {
		t.Errorf("the other server was asked %d times", n)
	}
}

func TestTheOtherServerLearnsNothingOfTheReader(t *testing.T) {
	t.Parallel()
	r := newRemote(t)
	r.on("a.example/here", func(w http.ResponseWriter, req *http.Request) {
		http.Redirect(w, req, "https://b.example/cat.png", http.StatusFound)
	})
	r.has("b.example/cat.png", pngOf(photo(9, 9)))
	p := r.proxy(t, media.Config{})
	req := httptest.NewRequest("GET", p.URL("https://a.example/here#fragment", media.Full), nil)
	req.RemoteAddr = "198.51.100.77:1234"
	for name, value := range map[string]string{
		"User-Agent": "canary-browser", "Cookie": "session=canary", "Referer": "https://blog.example/canary", "Accept-Language": "canary",
		"X-Forwarded-For": "198.51.100.77", "Range": "bytes=0-8", "If-None-Match": `"canary"`, "Authorization": "Bearer canary",
	} {
		req.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, req)
	if w.Code != 206 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	if len(r.asked) != 2 {
		t.Fatalf("%d requests", len(r.asked))
	}
	for _, asked := range r.asked {
		for name, values := range asked.Header {
			switch name {
			case "User-Agent", "Accept", "Accept-Encoding":
			default:
				t.Errorf("%s was asked with %s: %q", asked.URL, name, values)
			}
			if text := strings.Join(values, ""); strings.Contains(text, "canary") || strings.Contains(text, "198.51.100.77") || strings.Contains(text, "blog.example") {
				t.Errorf("%s was asked with %s: %q", asked.URL, name, values)
			}
		}
	}
}

func TestOnlyAddressesOfOursAreServed(t *testing.T) {
	t.Parallel()
	r := newRemote(t)
	r.has("a.example/cat.png", pngOf(photo(9, 9)))
	p := r.proxy(t, media.Config{})
	other := r.proxy(t, media.Config{Keys: [][]byte{bytes.Repeat([]byte("x"), 32)}})
	good := p.URL("https://a.example/cat.png", media.Avatar)
	parts := strings.Split(good, "/") // "", "media", variant, end, signature, URL
	with := func(i int, to string) string {
		changed := append([]string{}, parts...)
		changed[i] = to
		return strings.Join(changed, "/")
	}
	for _, c := range []struct {
		name, address string
		status        int
	}{
		{"another key's signature", other.URL("https://a.example/cat.png", media.Avatar), 403},
		{"another variant", with(2, "full"), 403},
		{"a variant that there is not", with(2, "huge"), 403},
		{"another end", with(3, "zzzzzzz"), 403},
		{"an end that is written otherwise", with(3, "00"), 404},
		{"an end that is no number", with(3, "-"), 404},
		{"no signature", with(4, ""), 403},
		{"a short signature", with(4, parts[4][:8]), 403},
		{"a signature with more behind it", with(4, parts[4]+"AAAA"), 403},
		{"a signature that is no base64", with(4, "!"+parts[4][1:]), 404},
		{"another URL", with(5, strings.Split(other.URL("https://a.example/dog.png", media.Avatar), "/")[5]), 403},
		{"a URL as it is", with(5, "https:%2F%2Fa.example%2Fcat.png"), 404},
		{"more behind it", good + "/x", 404},
		{"less", strings.Join(parts[:5], "/"), 404},
		{"another path", "/other" + good, 404},
		{"nothing", "/media/", 404},
		{"a long one", good + strings.Repeat("A", 8000), 404},
	} {
		if w := get(p, c.address); w.Code != c.status {
			t.Errorf("%s: status %d, want %d", c.name, w.Code, c.status)
		} else if w.Header().Get("Cache-Control") != "no-store" || strings.Contains(w.Body.String(), "a.example") {
			t.Errorf("%s: %v %s", c.name, w.Header(), w.Body)
		}
	}
	for i := range good[len("/media/"):] {
		at := len("/media/") + i
		changed := []byte(good)
		changed[at] ^= 1
		req := httptest.NewRequest("GET", "/", nil)
		req.URL.Path = string(changed)
		w := httptest.NewRecorder()
		p.ServeHTTP(w, req)
		if w.Code == 200 {
			t.Errorf("%s is served", changed)
		}
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequest("POST", good, nil))
	if w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d %v", w.Code, w.Header())
	}
	if n := r.requests(); n != 0 {
		t.Errorf("something was fetched %d times for addresses that are not ours", n)
	}
	if w := get(p, good+"?utm_source=x"); w.Code != 200 {
		t.Errorf("the good one: %d", w.Code)
	}
}
