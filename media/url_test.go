package media_test

import (
	"encoding/base64"
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

func TestWhatIsNeverShownHasNoAddress(t *testing.T) {
	t.Parallel()
	p := newRemote(t).proxy(t, media.Config{})
	for _, remote := range []string{
		"", "cat.png", "/cat.png", "//a.example/cat.png", "http://a.example/cat.png", "ftp://a.example/cat.png", "data:image/png;base64,AAAA",
		"javascript:alert(1)", "file:///etc/passwd", "https://", "https:///cat.png", "https://user:pw@a.example/cat.png", "https://127.1/x",
		"https://a.example./x", "https://a b.example/x", "https://a.example/x\n", "https://a.example:0/x", "https://a.example:99999/x", "https://[::1",
		"https://a.example/" + strings.Repeat("x", 2048), "https://a.example/" + strings.Repeat("ü", 600), "\xff",
	} {
		if got := p.URL(remote, media.Avatar); got != "" {
			t.Errorf("%.60q has the address %s", remote, got)
		}
		if _, err := p.Fetch(t.Context(), remote, media.Avatar); err == nil || !strings.HasPrefix(err.Error(), "media: ") {
			t.Errorf("%.60q: %v", remote, err)
		}
	}
	if got := p.URL("https://a.example/cat.png", "huge"); got != "" {
		t.Errorf("a variant that there is not has the address %s", got)
	}
	for _, remote := range []string{"https://a.example", "https://a.example:8443/cat.png?a=b&c", "https://bücher.example/ü.png", "https://A.EXAMPLE/x y"} {
		if got := p.URL(remote, media.Avatar); !strings.HasPrefix(got, "/media/avatar/0/") {
			t.Errorf("%q has the address %q", remote, got)
		}
	}
}

func TestKeysAreChangedWithoutBreakingPages(t *testing.T) {
	t.Parallel()
	r := newRemote(t)
	r.has("a.example/cat.png", pngOf(photo(9, 9)))
	old, next := []byte(strings.Repeat("o", 32)), []byte(strings.Repeat("n", 32))
	address := map[string]string{}
	for name, keys := range map[string][][]byte{"old": {old}, "both": {next, old}, "new": {next}} {
		address[name] = r.proxy(t, media.Config{Keys: keys}).URL("https://a.example/cat.png", media.Full)
	}
	if address["both"] != address["new"] || address["old"] == address["new"] {
		t.Errorf("the first key does not sign: %v", address)
	}
	for _, c := range []struct {
		name, address string
		keys          [][]byte
		status        int
	}{
		{"old address, both keys", address["old"], [][]byte{next, old}, 200},
		{"new address, both keys", address["new"], [][]byte{next, old}, 200},
		{"old address, new key", address["old"], [][]byte{next}, 403},
	} {
		if w := get(r.proxy(t, media.Config{Keys: c.keys}), c.address); w.Code != c.status {
			t.Errorf("%s: status %d, want %d", c.name, w.Code, c.status)
		}
	}
	changed := [][]byte{[]byte(secret)}
	p := r.proxy(t, media.Config{Keys: changed})
	before := p.URL("https://a.example/cat.png", media.Full)
	changed[0][0] = 'X'
	if p.URL("https://a.example/cat.png", media.Full) != before {
		t.Error("the caller's slice is the proxy's key")
	}
}

func TestAnAddressEndsAfterItsLifetime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRemote(t)
		r.has("a.example/cat.png", pngOf(photo(9, 9)))
		p := r.proxy(t, media.Config{Lifetime: time.Hour, MaxAge: 100 * time.Hour})
		defer p.Close()
		time.Sleep(17 * time.Minute)
		address := p.URL("https://a.example/cat.png", media.Full)
		if w := get(p, address); w.Code != 200 {
			t.Fatalf("at once: %d", w.Code)
		}
		changes, last := 0, address
		for range 59 {
			time.Sleep(time.Minute)
			if now := p.URL("https://a.example/cat.png", media.Full); now != last {
				changes, last = changes+1, now
			}
		}
		if changes != 1 {
			t.Errorf("the address changed %d times in an hour", changes)
		}
		if w := get(p, address); w.Code != 200 {
			t.Errorf("after 59 minutes: %d", w.Code)
		}
		time.Sleep(61 * time.Minute)
		if w := get(p, address); w.Code != 410 {
			t.Errorf("after two hours: %d", w.Code)
		}
		if w := get(p, p.URL("https://a.example/cat.png", media.Full)); w.Code != 200 {
			t.Errorf("a new one: %d", w.Code)
		}
	})
}

func TestAProxyMayHaveAHostOfItsOwn(t *testing.T) {
	t.Parallel()
	r := newRemote(t)
	r.has("a.example/cat.png", pngOf(photo(9, 9)))
	for base, path := range map[string]string{"https://cdn.example/": "/", "https://cdn.example/m/": "/m/", "/deep/er/": "/deep/er/"} {
		p := r.proxy(t, media.Config{Base: base})
		address := p.URL("https://a.example/cat.png", media.Full)
		rest, ok := strings.CutPrefix(address, base)
		if !ok {
			t.Errorf("the address %s does not begin with %s", address, base)
		}
		if w := get(p, path+rest); w.Code != 200 {
			t.Errorf("%s: status %d", base, w.Code)
		}
		if w := get(p, "/else"+path+rest); w.Code != 404 {
			t.Errorf("%s, elsewhere: status %d", base, w.Code)
		}
	}
}

func FuzzAddress(f *testing.F) {
	client := &http.Client{Transport: refusing{}}
	p, err := media.New(media.Config{Keys: [][]byte{[]byte(secret)}, Client: client, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(p.Close)
	good := p.URL("https://a.example/cat.png?a=b", media.Avatar)
	f.Add(good, "https://a.example/cat.png")
	f.Add("/media/full/0/AAAA/AAAA", "https://b\u00fccher.example:8443/%zz")
	f.Add("/media////", "https://[2606:4700::1111]/")
	f.Fuzz(func(t *testing.T, path, remote string) {
		ask := func(path string) int {
			req := httptest.NewRequest("GET", "/", nil)
			req.URL.Path = path
			w := httptest.NewRecorder()
			p.ServeHTTP(w, req)
			return w.Code
		}
		// What somebody thought up is never fetched.
		if code := ask(path); path != good && code != 403 && code != 404 {
			t.Fatalf("%q: status %d", path, code)
		}
		// What we signed is, and means what it meant.
		address := p.URL(remote, media.Full)
		if address == "" {
			return
		}
		if code := ask(address); code != 502 {
			t.Fatalf("%q has the address %s: status %d", remote, address, code)
		}
		encoded := address[strings.LastIndexByte(address, '/')+1:]
		text, err := base64.RawURLEncoding.DecodeString(encoded)
		if err != nil || p.URL(string(text), media.Full) != address {
			t.Fatalf("%q has an address for %q, which has another", remote, text)
		}
	})
}

// refusing is a network that is down.
type refusing struct{}

func (refusing) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("no network")
}

func TestNewNamesTheFieldThatIsWrong(t *testing.T) {
	t.Parallel()
	keys := [][]byte{[]byte(secret)}
	for _, c := range []struct {
		field  string
		config media.Config
	}{
		{"Keys", media.Config{}},
		{"Keys[1]", media.Config{Keys: [][]byte{[]byte(secret), []byte("short")}}},
		{"Base", media.Config{Keys: keys, Base: "/media"}},
		{"Base", media.Config{Keys: keys, Base: "media/"}},
		{"Base", media.Config{Keys: keys, Base: "//cdn.example/"}},
		{"Base", media.Config{Keys: keys, Base: "ftp://cdn.example/"}},
		{"Base", media.Config{Keys: keys, Base: "https://cdn.example/?x=/"}},
		{"Variants", media.Config{Keys: keys, Variants: map[media.Variant]media.Size{"a/b": {Width: 1, Height: 1}}}},
		{"Variants", media.Config{Keys: keys, Variants: map[media.Variant]media.Size{"a": {Width: 0, Height: 1}}}},
		{"Variants", media.Config{Keys: keys, Variants: map[media.Variant]media.Size{"a": {Width: 1, Height: 4097}}}},
		{"MaxBytes", media.Config{Keys: keys, MaxBytes: -1}},
		{"Timeout", media.Config{Keys: keys, Timeout: -1}},
		{"MaxStoredPerHost", media.Config{Keys: keys, MaxStoredPerHost: -1}},
	} {
		if _, err := media.New(c.config); err == nil || !strings.Contains(err.Error(), "Config."+c.field) {
			t.Errorf("%+v: %v, want one that names %s", c.config, err, c.field)
		}
	}
	p, err := media.New(media.Config{Keys: keys, Base: "https://cdn.example/m/"})
	if err != nil {
		t.Fatal(err)
	}
	if got := p.URL("https://a.example/x", media.Full); !strings.HasPrefix(got, "https://cdn.example/m/full/0/") {
		t.Errorf("with a host of its own: %s", got)
	}
}
