package signature_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/signature"
)

// serve passes a request to v's handler and tells what came of it.
func serve(t *testing.T, v *signature.Verifier, r *http.Request) (*httptest.ResponseRecorder, *signature.Verified, string) {
	t.Helper()
	var got *signature.Verified
	var body string
	h := v.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		verified, ok := signature.VerifiedFrom(r.Context())
		if !ok {
			t.Error("the handler is called without a Verified")
		}
		got = &verified
		data, err := io.ReadAll(r.Body)
		if err != nil || r.ContentLength != int64(len(data)) {
			t.Errorf("body of %d bytes, length %d, %v", len(data), r.ContentLength, err)
		}
		body = string(data)
		if same, ok := signature.BodyFrom(r.Context()); !ok || string(same) != body {
			t.Errorf("BodyFrom: %q, %v", same, ok)
		}
		w.WriteHeader(http.StatusAccepted)
	}))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w, got, body
}

// withBody puts back the body that arrive read.
func withBody(r *http.Request, body io.Reader, length int64) *http.Request {
	r.Body = io.NopCloser(body)
	r.ContentLength = length
	return r
}

func TestHandlerLetsVerifiedRequestsThrough(t *testing.T) {
	t.Parallel()
	for _, length := range []int64{int64(len(follow)), -1} {
		r, body := signed(t, signature.Cavage)
		w, got, seen := serve(t, verifier(t), withBody(r, strings.NewReader(string(body)), length))
		if w.Code != http.StatusAccepted || got == nil || got.Owner != alice || seen != follow {
			t.Errorf("%d, %+v, %q", w.Code, got, seen)
		}
	}
	r := must[*http.Request](t)(http.NewRequest(http.MethodGet, "https://our.example/ap/users/bob", nil))
	if err := signature.Sign(r, nil, aliceRSA(t), signature.Cavage); err != nil {
		t.Fatal(err)
	}
	arrived, _ := arrive(t, r)
	if w, got, _ := serve(t, verifier(t), arrived); w.Code != http.StatusAccepted || got == nil {
		t.Errorf("GET: %d %s", w.Code, w.Body)
	}
	if _, ok := signature.VerifiedFrom(t.Context()); ok {
		t.Error("a bare context is verified")
	}
	if _, ok := signature.BodyFrom(t.Context()); ok {
		t.Error("a bare context has a body")
	}
}

type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body is read")
	return 0, io.EOF
}

func TestHandlerAnswersWhatItRefuses(t *testing.T) {
	t.Parallel()
	down := verifier(t)
	down.Keys = ask(func(string) (signature.PublicKey, error) {
		return signature.PublicKey{}, errors.New("dial 10.0.0.7: refused")
	})
	small := verifier(t)
	small.MaxBody = int64(len(follow)) - 1
	exact := verifier(t)
	exact.MaxBody = int64(len(follow))
	for name, tc := range map[string]struct {
		v      *signature.Verifier
		change func(r *http.Request)
		status int
		text   string
	}{
		"unsigned": {verifier(t), func(r *http.Request) {
			r.Header.Del("Signature")
			withBody(r, unread{t}, 5)
		}, 401, "not signed"},
		"malformed": {verifier(t), func(r *http.Request) {
			r.Header.Set("Signature", "x")
			withBody(r, unread{t}, 5)
		}, 400, "malformed"},
		"another body": {verifier(t), func(r *http.Request) { withBody(r, strings.NewReader("{}"), 2) }, 401, "digest differs"},
		"broken body": {verifier(t), func(r *http.Request) {
			withBody(r, io.MultiReader(strings.NewReader("{"), broken{}), -1)
		}, 400, "broke off"},
		"announced as too large": {small, func(r *http.Request) { withBody(r, unread{t}, int64(len(follow))) }, 413, "too large"},
		"too large":              {small, func(r *http.Request) { withBody(r, strings.NewReader(follow), -1) }, 413, "too large"},
		"as large as it may be":  {exact, func(r *http.Request) {}, 202, ""},
		"key not available":      {down, func(r *http.Request) {}, 503, "key not available now\n"},
		"over the default limit": {verifier(t), func(r *http.Request) { withBody(r, strings.NewReader(strings.Repeat("x", 1<<20+1)), -1) }, 413, "1048576"},
	} {
		r, body := signed(t, signature.Cavage)
		withBody(r, strings.NewReader(string(body)), int64(len(body)))
		tc.change(r)
		w, got, _ := serve(t, tc.v, r)
		if w.Code != tc.status || (got != nil) != (tc.status == 202) || !strings.Contains(w.Body.String(), tc.text) {
			t.Errorf("%s: %d %q, want %d %q", name, w.Code, w.Body, tc.status, tc.text)
		}
		if challenge := w.Header().Get("WWW-Authenticate") != ""; challenge != (w.Code == 401) {
			t.Errorf("%s: %v", name, w.Header())
		}
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

func TestRefuseTakesTheAnswerOver(t *testing.T) {
	t.Parallel()
	v := verifier(t)
	v.Refuse = func(w http.ResponseWriter, _ *http.Request, err *signature.Error) {
		if !errors.Is(err, signature.ErrDigest) || err.KeyID != aliceKey || err.Status != 401 {
			t.Errorf("%+v", err)
		}
		w.WriteHeader(http.StatusTeapot)
	}
	r, _ := signed(t, signature.Cavage)
	if w, got, _ := serve(t, v, withBody(r, strings.NewReader("{}"), 2)); w.Code != http.StatusTeapot || got != nil {
		t.Errorf("%d", w.Code)
	}
}
