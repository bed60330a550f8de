package signature_test

import (
	"bufio"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/fedihook/fedihook/signature"
	"golang.org/x/sync/semaphore"
)

// base makes a func a RoundTripper.
type base func(r *http.Request) (*http.Response, error)

func (f base) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// server is our.example and others behind one RoundTripper: each request goes over a wire and is
// verified at the host that it names.
type server struct {
	mu   sync.Mutex
	seen []string
	next http.HandlerFunc
}

func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	pr, pw := io.Pipe()
	go func() { pw.CloseWithError(r.Write(pw)) }()
	arrived, err := http.ReadRequest(bufio.NewReader(pr))
	if err != nil {
		return nil, err
	}
	key, err := rsaKey()
	if err != nil {
		return nil, err
	}
	v := &signature.Verifier{Keys: keyring{aliceKey: &key.PublicKey}, Authorities: []string{r.URL.Host}}
	w := httptest.NewRecorder()
	v.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, _ := signature.VerifiedFrom(r.Context())
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.seen = append(s.seen, fmt.Sprintf("%s %s %s %s %q %v", r.Method, r.Host, r.RequestURI, got.Scheme, body, got.QueryUnsigned))
		s.mu.Unlock()
		if s.next != nil {
			s.next(w, r)
		}
	})).ServeHTTP(w, arrived)
	_, _ = io.Copy(io.Discard, pr)
	response := w.Result()
	response.Request = r
	return response, nil
}

func alicesTransport(t testing.TB, b http.RoundTripper) *signature.Transport {
	key := aliceRSA(t)
	return &signature.Transport{Base: b, Key: func(context.Context) (signature.Key, error) { return key, nil }}
}

func TestTransportSignsWhatItSends(t *testing.T) {
	t.Parallel()
	for _, scheme := range []signature.Scheme{signature.Cavage, signature.RFC9421} {
		s := &server{}
		transport := alicesTransport(t, s)
		transport.Scheme = scheme
		client := &http.Client{Transport: transport}
		r := post(t)
		for range 2 {
			r.Body = must[io.ReadCloser](t)(r.GetBody())
			response, err := client.Do(r)
			if err != nil || response.StatusCode != 200 {
				t.Fatalf("%v, %v", response, err)
			}
		}
		if len(r.Header) != 1 || r.Host != "our.example" {
			t.Errorf("the caller's request is changed: %v", r.Header)
		}
		response, err := client.Get("https://our.example/ap/users/bob?x=1")
		if err != nil || response.StatusCode != 200 {
			t.Fatalf("%v, %v", response, err)
		}
		want := fmt.Sprintf("POST our.example /ap/inbox %s %q false", scheme, follow)
		if !slices.Equal(s.seen, []string{want, want, fmt.Sprintf("GET our.example /ap/users/bob?x=1 %s \"\" false", scheme)}) {
			t.Errorf("%q", s.seen)
		}
	}
}

func TestRedirectsAreSignedForWhereTheyLead(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		method, to string
		status     int
		want       []string
	}{
		{"GET", "https://moved.example/x", 302, []string{"our.example/ap/inbox", "moved.example/x"}},
		{"HEAD", "https://moved.example/x", 308, []string{"our.example/ap/inbox", "moved.example/x"}},
		{"POST", "/elsewhere", 307, []string{"our.example/ap/inbox", "our.example/elsewhere"}},
		{"POST", "https://moved.example/x", 307, []string{"our.example/ap/inbox"}},
		{"POST", "https://our.example:8443/x", 308, []string{"our.example/ap/inbox"}},
	} {
		var seen []string
		s := &server{next: func(w http.ResponseWriter, r *http.Request) {
			seen = append(seen, r.Host+r.RequestURI)
			if r.RequestURI == "/ap/inbox" {
				http.Redirect(w, r, tc.to, tc.status)
			}
		}}
		client := &http.Client{Transport: alicesTransport(t, s)}
		var body io.Reader
		if tc.method == "POST" {
			body = strings.NewReader(follow)
		}
		response, err := client.Do(must[*http.Request](t)(http.NewRequest(tc.method, inboxURL, body)))
		if followed := len(tc.want) == 2; followed && (err != nil || response.StatusCode != 200) || !followed && !errors.Is(err, signature.ErrTarget) {
			t.Errorf("%s to %s: %v", tc.method, tc.to, err)
		}
		if !slices.Equal(seen, tc.want) {
			t.Errorf("%s to %s: saw %q", tc.method, tc.to, seen)
		}
	}
}

// closing counts how often a body is closed.
type closing struct {
	io.Reader
	closed *atomic.Int32
}

func (c closing) Close() error { c.closed.Add(1); return nil }

func TestTransportFailsBeforeItSends(t *testing.T) {
	t.Parallel()
	noKey := errors.New("no key for this actor")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	full := semaphore.NewWeighted(1)
	if !full.TryAcquire(1) {
		t.Fatal("semaphore")
	}
	for name, tc := range map[string]struct {
		change  func(tr *signature.Transport)
		request func(r *http.Request) *http.Request
		want    error
	}{
		"no base":     {change: func(tr *signature.Transport) { tr.Base = nil }},
		"no key func": {change: func(tr *signature.Transport) { tr.Key = nil }},
		"no key": {change: func(tr *signature.Transport) {
			tr.Key = func(context.Context) (signature.Key, error) { return signature.Key{}, noKey }
		}, want: noKey},
		"an empty key": {change: func(tr *signature.Transport) {
			tr.Key = func(context.Context) (signature.Key, error) { return signature.Key{}, nil }
		}, want: signature.ErrBadKey},
		"body too long": {change: func(tr *signature.Transport) { tr.MaxBody = 3 }, want: signature.ErrTooLarge},
		"broken body":   {request: func(r *http.Request) *http.Request { r.Body = io.NopCloser(broken{}); return r }},
		"no signer free": {change: func(tr *signature.Transport) { tr.Signers = full }, want: context.Canceled,
			request: func(r *http.Request) *http.Request { return r.WithContext(cancelled) }},
		"two content types": {request: func(r *http.Request) *http.Request { r.Header.Add("Content-Type", "x"); return r }, want: signature.ErrMalformed},
		"opaque URL":        {request: func(r *http.Request) *http.Request { r.URL.Opaque = "//x"; return r }, want: signature.ErrMalformed},
		"IDN not in ASCII":  {request: func(r *http.Request) *http.Request { r.URL.Host, r.Host = "bücher.example", ""; return r }, want: signature.ErrMalformed},
		"another scheme":    {request: func(r *http.Request) *http.Request { r.URL.Scheme = "ftp"; return r }, want: signature.ErrMalformed},
		"space in query":    {request: func(r *http.Request) *http.Request { r.URL.RawQuery = "a b"; return r }, want: signature.ErrMalformed},
		"unknown scheme":    {change: func(tr *signature.Transport) { tr.Scheme = 9 }, want: signature.ErrUnsupported},
	} {
		transport := alicesTransport(t, base(func(*http.Request) (*http.Response, error) {
			t.Errorf("%s: sent", name)
			return nil, errors.New("sent")
		}))
		if tc.change != nil {
			tc.change(transport)
		}
		var closed atomic.Int32
		r := post(t)
		r.Body = closing{r.Body, &closed}
		if tc.request != nil {
			r = tc.request(r)
		}
		_, err := transport.RoundTrip(r)
		if err == nil || tc.want != nil && !errors.Is(err, tc.want) || !strings.HasPrefix(err.Error(), "signature: ") {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
		if name != "broken body" && closed.Load() != 1 {
			t.Errorf("%s: body closed %d times", name, closed.Load())
		}
	}
}

func TestErrorsOfBaseComeThroughUnchanged(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	transport := alicesTransport(t, base(func(*http.Request) (*http.Response, error) { return nil, down }))
	if _, err := transport.RoundTrip(post(t)); err != down { //nolint:errorlint // the very error
		t.Error(err)
	}
}

// BookWyrm and others check a GET against the path without its query.
func TestAGetThatIsRefusedIsSignedOnceMoreWithoutItsQuery(t *testing.T) {
	t.Parallel()
	key := must[*rsa.PrivateKey](t)(rsaKey())
	for _, tc := range []struct {
		method, query string
		scheme        signature.Scheme
		tries, status int
	}{
		{"GET", "?page=1", signature.Cavage, 2, 200},
		{"HEAD", "?page=1", signature.Cavage, 2, 200},
		{"GET", "", signature.Cavage, 1, 200},
		{"GET", "?page=1", signature.RFC9421, 1, 401},
		{"POST", "?page=1", signature.Cavage, 1, 401},
	} {
		var tries int
		transport := alicesTransport(t, base(func(r *http.Request) (*http.Response, error) {
			tries++
			// The peer verifies what it received as if it had no query.
			stripped := r.Clone(r.Context())
			stripped.RequestURI = r.URL.Path
			body, _ := io.ReadAll(r.Body)
			v := &signature.Verifier{Keys: keyring{aliceKey: &key.PublicKey}, Authorities: []string{"our.example"}}
			status := 200
			if _, err := v.Verify(stripped, body); err != nil {
				status = 401
			}
			if r.URL.RawQuery != strings.TrimPrefix(tc.query, "?") {
				t.Errorf("sent to %s", r.URL)
			}
			return &http.Response{StatusCode: status, Body: http.NoBody, Request: r}, nil
		}))
		transport.Scheme, transport.Fixed = tc.scheme, true
		r := must[*http.Request](t)(http.NewRequest(tc.method, "https://our.example/ap/users/bob"+tc.query, http.NoBody))
		response, err := transport.RoundTrip(r)
		if err != nil || response.StatusCode != tc.status || tries != tc.tries {
			t.Errorf("%s %s %s: %v, %v after %d tries", tc.method, tc.query, tc.scheme, response, err, tries)
		}
	}
}

func TestSignersAreBounded(t *testing.T) {
	t.Parallel()
	const limit, askers = 2, 40
	var now, most atomic.Int32
	inner := must[*rsa.PrivateKey](t)(rsaKey())
	counting := counter{inner, &now, &most}
	transport := &signature.Transport{
		Scheme:  signature.RFC9421, // which takes any crypto.Signer
		Signers: semaphore.NewWeighted(limit),
		Key: func(context.Context) (signature.Key, error) {
			return signature.Key{ID: aliceKey, Private: counting}, nil
		},
		Base: &server{},
	}
	var wg sync.WaitGroup
	for range askers {
		wg.Go(func() {
			response, err := transport.RoundTrip(post(t))
			if err != nil || response.StatusCode != 200 {
				t.Errorf("%v, %v", response, err)
			}
		})
	}
	wg.Wait()
	if most.Load() > limit || most.Load() == 0 {
		t.Errorf("%d signed at once", most.Load())
	}
}

func TestSignersAreBoundedByDefault(t *testing.T) {
	t.Parallel()
	var now, most atomic.Int32
	counting := counter{must[*rsa.PrivateKey](t)(rsaKey()), &now, &most}
	transport := &signature.Transport{Base: &server{}, Key: func(context.Context) (signature.Key, error) {
		return signature.Key{ID: aliceKey, Private: counting}, nil
	}}
	var wg sync.WaitGroup
	for range 20 * runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			if _, err := transport.RoundTrip(post(t)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if most.Load() > int32(runtime.GOMAXPROCS(0)) || most.Load() == 0 {
		t.Errorf("%d signed at once", most.Load())
	}
}

// counter is a crypto.Signer that notes how many sign at once.
type counter struct {
	*rsa.PrivateKey
	now, most *atomic.Int32
}

func (c counter) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	n := c.now.Add(1)
	defer c.now.Add(-1)
	for m := c.most.Load(); n > m && !c.most.CompareAndSwap(m, n); m = c.most.Load() {
	}
	return c.PrivateKey.Sign(rand, digest, opts)
}

func TestSignLeavesARequestThatItCannotSign(t *testing.T) {
	t.Parallel()
	good := aliceRSA(t)
	for name, tc := range map[string]struct {
		key    signature.Key
		change func(r *http.Request)
		want   error
	}{
		"no key id":          {signature.Key{Private: good.Private}, nil, signature.ErrBadKey},
		"quote in key id":    {signature.Key{ID: `a"b`, Private: good.Private}, nil, signature.ErrBadKey},
		"newline in key id":  {signature.Key{ID: "a\nb", Private: good.Private}, nil, signature.ErrBadKey},
		"long key id":        {signature.Key{ID: strings.Repeat("x", 2049), Private: good.Private}, nil, signature.ErrBadKey},
		"no private key":     {signature.Key{ID: aliceKey}, nil, signature.ErrBadKey},
		"Ed25519":            {signature.Key{ID: aliceKey, Private: must[ed25519.PrivateKey](t)(edKey())}, nil, signature.ErrBadKey},
		"no URL":             {good, func(r *http.Request) { r.URL = nil }, signature.ErrMalformed},
		"control characters": {good, func(r *http.Request) { r.Header.Set("Content-Type", "a\nb") }, signature.ErrMalformed},
		"no host":            {good, func(r *http.Request) { r.Host, r.URL.Host = "", "" }, signature.ErrMalformed},
		"relative path":      {good, func(r *http.Request) { r.URL.Path = "*" }, signature.ErrTarget},
	} {
		r := post(t)
		r.Header.Set("Signature", "old")
		if tc.change != nil {
			tc.change(r)
		}
		before := fmt.Sprint(r.Header, r.Host)
		if err := signature.Sign(r, []byte(follow), tc.key, signature.Cavage); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", name, err)
		}
		if after := fmt.Sprint(r.Header, r.Host); after != before {
			t.Errorf("%s: changed from %s to %s", name, before, after)
		}
	}
	bare := &http.Request{URL: must[*url.URL](t)(url.Parse(inboxURL))}
	if err := signature.Sign(bare, nil, good, signature.Cavage); err != nil || bare.Header.Get("Signature") == "" || bare.Header.Get("Digest") != "" {
		t.Errorf("a request without method and header: %v, %v", bare.Header, err)
	}
}
