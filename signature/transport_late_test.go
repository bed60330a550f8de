package signature_test

import (
	"bytes"
	"context"
	"crypto/rsa"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/fedihook/fedihook/signature"
)

// A queue that has lost its lease while a request was being signed does not want it to be sent.
func TestARequestWhoseBodyMayNoLongerBeReadIsNotSent(t *testing.T) {
	t.Parallel()
	var came atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { came.Add(1) }))
	defer server.Close()
	key := must[*rsa.PrivateKey](t)(rsaKey())
	late := errors.New("too late")
	var lost atomic.Bool
	transport := &signature.Transport{
		Base: server.Client().Transport,
		Key: func(context.Context) (signature.Key, error) {
			lost.Store(true) // it takes a while to sign
			return signature.Key{ID: aliceKey, Private: key}, nil
		},
	}
	for name, c := range map[string]struct {
		again func() (io.ReadCloser, error)
		want  error
	}{
		"GetBody fails": {func() (io.ReadCloser, error) { return nil, late }, late},
		"its body can't be read": {func() (io.ReadCloser, error) {
			if lost.Load() {
				return io.NopCloser(failing{late}), nil
			}
			return io.NopCloser(bytes.NewReader([]byte("{}"))), nil
		}, late},
		"it may be read": {func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader([]byte("{}"))), nil }, nil},
		"no GetBody":     {nil, nil},
	} {
		before := came.Load()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, bytes.NewReader([]byte("{}")))
		if err != nil {
			t.Fatal(err)
		}
		r.GetBody = c.again
		resp, err := transport.RoundTrip(r)
		if err == nil {
			resp.Body.Close()
		}
		if !errors.Is(err, c.want) {
			t.Errorf("%s: RoundTrip = %v, want %v", name, err, c.want)
		}
		if got := came.Load() - before; got != map[bool]int64{true: 1}[c.want == nil] {
			t.Errorf("%s: %d requests came", name, got)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
