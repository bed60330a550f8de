package safehttp_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/internal/safehttp"
)

func TestTwoTestNamesReachTwoServers(t *testing.T) {
	t.Parallel()
	tell := func(name string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%s asked as %s", name, r.Host) }
	}
	a, b, c := serve(t, tell("A")), serve(t, tell("B")), serve(t, tell("C"))
	_, port, err := net.SplitHostPort(c)
	if err != nil {
		t.Fatal(err)
	}
	client := newClient(t, safehttp.Config{InsecureAllowLoopback: map[string]string{
		"a.test": a, "B.test:3000": b, "b.test": a, "c.test": "127.0.0.1",
	}})
	for url, want := range map[string]string{
		"http://a.test/":           "A asked as a.test",
		"http://a.test:22/":        "A asked as a.test:22",
		"http://b.test:3000/":      "B asked as b.test:3000",
		"http://b.test:3001/":      "A asked as b.test:3001",
		"http://c.test:" + port:    "C asked as c.test:" + port,
		"http://A.TEST/upper-case": "A asked as A.TEST",
	} {
		if got, err := read(t, client, url); got != want || err != nil {
			t.Errorf("%s: %q, %v; want %q", url, got, err, want)
		}
	}
	_, err = read(t, client, "http://sub.a.test/")
	wantRefused(t, err, "scheme")
}

func TestCertificatesAreChecked(t *testing.T) {
	t.Parallel()
	address, roots := serveTLS(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) }, "a.test")
	names := map[string]string{"a.test": address, "b.test": address}

	client := newClient(t, safehttp.Config{RootCAs: roots, InsecureAllowLoopback: names})
	if got, err := read(t, client, "https://a.test/"); got != "HTTP/2.0" || err != nil {
		t.Errorf("with the right roots: %q, %v; want HTTP/2.0", got, err)
	}
	var wrongName x509.HostnameError
	if _, err := read(t, client, "https://b.test/"); !errors.As(err, &wrongName) {
		t.Errorf("certificate for another name: error is %v", err)
	}
	var unknown x509.UnknownAuthorityError
	client = newClient(t, safehttp.Config{InsecureAllowLoopback: names})
	if _, err := read(t, client, "https://a.test/"); !errors.As(err, &unknown) {
		t.Errorf("certificate of an unknown authority: error is %v", err)
	}
}

func TestARedirectToAForbiddenPlaceIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, location, reason string }{
		{"loopback", "https://127.0.0.1/", "public"},
		{"mapped loopback", "https://[::ffff:127.0.0.1]/", "public"},
		{"private", "https://192.168.1.1/admin", "public"},
		{"name of a private address", "https://router.example/", "no public address"},
		{"http", "http://a.example/", "scheme"},
		{"file", "file:///etc/passwd", "scheme"},
		{"mail", "https://a.example:25/", "port 25"},
		{"user name", "https://a.test@a.example/", "user name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			client := serveOne(t, safehttp.Config{Lookup: lookupAll("10.0.0.1")}, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Location", c.location)
				w.WriteHeader(http.StatusFound)
			})
			_, err := read(t, client, "http://a.test/")
			wantRefused(t, err, c.reason)
		})
	}
}

func TestAllowIsAskedAgainForEachHop(t *testing.T) {
	t.Parallel()
	errBlocked := errors.New("blocked here")
	var asked []string
	var reached atomic.Bool
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Host == "b.test" {
			reached.Store(true)
		}
		http.Redirect(w, r, "http://b.test/", http.StatusFound)
	})
	client := newClient(t, safehttp.Config{
		InsecureAllowLoopback: map[string]string{"a.test": address, "b.test": address},
		Allow: func(_ context.Context, host string) error {
			asked = append(asked, host)
			if host == "b.test" {
				return errBlocked
			}
			return nil
		},
	})
	_, err := read(t, client, "http://a.test/")
	if !errors.Is(err, errBlocked) || strings.Join(asked, " ") != "a.test b.test" {
		t.Errorf("asked about %v, error is %v", asked, err)
	}
	if reached.Load() {
		t.Error("the blocked host was asked")
	}
}

func TestRedirectsAreCounted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name           string
		max, hops, got int
		refused        bool
	}{
		{"as many as the default allows", 0, 3, 4, false},
		{"one more than the default allows", 0, 4, 4, true},
		{"a loop", 0, 1 << 30, 4, true},
		{"as many as the field allows", 1, 1, 2, false},
		{"one more than the field allows", 1, 2, 2, true},
		{"none wanted", -1, 5, 1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int32
			client := serveOne(t, safehttp.Config{MaxRedirects: c.max}, func(w http.ResponseWriter, r *http.Request) {
				if int(requests.Add(1)) <= c.hops {
					http.Redirect(w, r, "/", http.StatusFound)
				}
			})
			resp, err := get(t, client, "http://a.test/")
			var tooMany *safehttp.RedirectError
			if got := errors.As(err, &tooMany); got != c.refused || !c.refused && err != nil {
				t.Fatalf("error is %v", err)
			}
			if n := int(requests.Load()); n != c.got {
				t.Errorf("the server was asked %d times, want %d", n, c.got)
			}
			if c.refused {
				return
			}
			resp.Body.Close()
			if want := map[bool]int{true: http.StatusFound, false: http.StatusOK}[c.max < 0]; resp.StatusCode != want {
				t.Errorf("status is %d, want %d", resp.StatusCode, want)
			}
		})
	}
}

func TestOnlyGETAndHEADFollowRedirects(t *testing.T) {
	t.Parallel()
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete} {
			var requests atomic.Int32
			client := serveOne(t, safehttp.Config{}, func(w http.ResponseWriter, r *http.Request) {
				if requests.Add(1) == 1 {
					http.Redirect(w, r, "/elsewhere", status)
				}
			})
			req, err := http.NewRequest(method, "http://a.test/", strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			resp, err := client.Do(req)
			if err != nil {
				t.Fatalf("%s %d: %v", method, status, err)
			}
			resp.Body.Close()
			want, wantStatus := int32(1), status
			if method == http.MethodGet || method == http.MethodHead {
				want, wantStatus = 2, http.StatusOK
			}
			if requests.Load() != want || resp.StatusCode != wantStatus {
				t.Errorf("%s answered %d: %d requests, status %d at the end", method, status, requests.Load(), resp.StatusCode)
			}
		}
	}
}

func TestARedirectedRequestTellsNothingOfTheFirst(t *testing.T) {
	t.Parallel()
	var second http.Header
	client := serveOne(t, safehttp.Config{}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/first" {
			http.Redirect(w, r, "/second", http.StatusFound)
			return
		}
		second = r.Header.Clone()
	})
	req, err := http.NewRequest(http.MethodGet, "http://a.test/first", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Signature", "for the first URL")
	req.Header.Set("Signature-Input", "for the first URL")
	req.Header.Set("Accept", "application/activity+json")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	for _, name := range []string{"Referer", "Signature", "Signature-Input"} {
		if second.Get(name) != "" {
			t.Errorf("the second request has %s: %s", name, second.Get(name))
		}
	}
	if second.Get("Accept") != "application/activity+json" {
		t.Errorf("the second request lost its Accept: %v", second)
	}
}

func TestCookiesAreNotKept(t *testing.T) {
	t.Parallel()
	client := serveOne(t, safehttp.Config{}, func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "id", Value: "1"})
		io.WriteString(w, r.Header.Get("Cookie"))
	})
	for range 2 {
		if got, err := read(t, client, "http://a.test/"); got != "" || err != nil {
			t.Fatalf("the server got the cookie %q, %v", got, err)
		}
	}
}

// proxyTrap is a proxy that knows whether it was asked. There is one for the whole run, because
// net/http reads the environment once.
var proxyTrap = sync.OnceValues(func() (string, *atomic.Bool) {
	var asked atomic.Bool
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Store(true) }))
	return s.URL, &asked
})

func TestTheEnvironmentsProxyIsNotAsked(t *testing.T) {
	proxy, asked := proxyTrap()
	asked.Store(false)
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
		t.Setenv(name, proxy)
	}
	t.Setenv("NO_PROXY", "")
	t.Setenv("no_proxy", "")
	client := serveOne(t, safehttp.Config{}, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "server") })
	if got, err := read(t, client, "http://a.test/"); got != "server" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if asked.Load() {
		t.Error("the proxy was asked")
	}
	// The trap works: a client that obeys the environment falls into it.
	trapped := &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment}}
	defer trapped.CloseIdleConnections()
	if resp, err := get(t, trapped, "http://a.test/"); err == nil {
		resp.Body.Close()
	}
	if !asked.Load() {
		t.Error("the test's proxy is not one that net/http would ask")
	}
}

func TestTheUserAgentIsOursUnlessTheRequestHasOne(t *testing.T) {
	t.Parallel()
	echo := func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Header.Get("User-Agent")) }
	client := serveOne(t, safehttp.Config{}, echo)
	got, err := read(t, client, "http://a.test/")
	if err != nil || !strings.HasPrefix(got, "Fedihook/") || !strings.HasSuffix(got, " (+https://github.com/fedihook/fedihook)") {
		t.Errorf("the default is %q, %v", got, err)
	}
	client = serveOne(t, safehttp.Config{UserAgent: "Blog/1.0 (+https://blog.example)"}, echo)
	if got, err := read(t, client, "http://a.test/"); got != "Blog/1.0 (+https://blog.example)" || err != nil {
		t.Errorf("the configured one is %q, %v", got, err)
	}
	req, err := http.NewRequest(http.MethodGet, "http://a.test/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("User-Agent", "mine")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got, _ := io.ReadAll(resp.Body); string(got) != "mine" {
		t.Errorf("the request's own became %q", got)
	}
	if len(req.Header) != 1 {
		t.Errorf("the caller's request was changed: %v", req.Header)
	}
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	t.Parallel()
	client := serveOne(t, safehttp.Config{}, func(w http.ResponseWriter, r *http.Request) { gzipped(w, "hello") })
	reused := make([]bool, 0, 3)
	for range 3 {
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			GotConn: func(i httptrace.GotConnInfo) { reused = append(reused, i.Reused) },
		})
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://a.test/", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(resp.Body); string(got) != "hello" || err != nil {
			t.Fatalf("got %q, %v", got, err)
		}
		resp.Body.Close()
	}
	if fmt.Sprint(reused) != "[false true true]" {
		t.Errorf("connections reused: %v", reused)
	}
}

func TestConnectionsToOneHostAreBounded(t *testing.T) {
	t.Parallel()
	var now, most atomic.Int32
	client := serveOne(t, safehttp.Config{MaxConnsPerHost: 2}, func(http.ResponseWriter, *http.Request) {
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		time.Sleep(20 * time.Millisecond)
		now.Add(-1)
	})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := read(t, client, "http://a.test/"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if most.Load() != 2 {
		t.Errorf("%d requests at once, want 2", most.Load())
	}
}

func TestAHostThatAcceptsAndSaysNothingTimesOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ends []net.Conn
		client := newClient(t, safehttp.Config{
			Lookup: lookupAll("93.184.216.34"),
			Dial: func(context.Context, string, string) (net.Conn, error) {
				ours, theirs := net.Pipe()
				ends = append(ends, theirs)
				go io.Copy(io.Discard, theirs)
				return ours, nil
			},
		})
		start := time.Now()
		_, err := read(t, client, "https://a.example/")
		wantTimeout(t, err)
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("the TLS handshake took %v, want 5s", took)
		}
		for _, c := range ends {
			c.Close()
		}
	})
}

func TestANetworkOfATestIsDialedByNameAndNoLessGuarded(t *testing.T) {
	t.Parallel()
	var dialed []string
	client := newClient(t, safehttp.Config{
		InsecureDial: func(_ context.Context, _, address string) (net.Conn, error) {
			dialed = append(dialed, address)
			return nil, errNoNetwork
		},
		Lookup: func(context.Context, string) ([]netip.Addr, error) {
			t.Error("a name was looked up")
			return nil, errNoNetwork
		},
		Dial: func(context.Context, string, string) (net.Conn, error) {
			t.Error("an address was dialled")
			return nil, errNoNetwork
		},
	})
	for _, url := range []string{"https://a.example/", "https://a.example:8443/", "https://8.8.8.8/"} {
		if _, err := read(t, client, url); !errors.Is(err, errNoNetwork) {
			t.Errorf("GET %s: %v", url, err)
		}
	}
	if want := []string{"a.example:443", "a.example:8443", "8.8.8.8:443"}; !slices.Equal(dialed, want) {
		t.Errorf("dialled %q, want %q", dialed, want)
	}
	for _, url := range []string{"https://127.0.0.1/", "https://10.0.0.1/", "https://localhost/", "http://a.example/", "https://a.example:25/"} {
		_, err := read(t, client, url)
		wantRefused(t, err, "")
	}
	if len(dialed) != 3 {
		t.Errorf("what is refused was dialled: %q", dialed)
	}
}
