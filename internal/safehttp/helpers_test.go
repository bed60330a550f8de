package safehttp_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fedihook/fedihook/internal/safehttp"
)

var errNoNetwork = errors.New("there is no network in this test")

// noNetwork is a Config.Dial that connects to nothing and remembers where it should have.
type noNetwork struct {
	mu     sync.Mutex
	dialed []string
}

func (n *noNetwork) dial(_ context.Context, _, address string) (net.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dialed = append(n.dialed, address)
	return nil, errNoNetwork
}

func (n *noNetwork) addresses() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string(nil), n.dialed...)
}

// lookupAll is a Config.Lookup that gives every name the same addresses.
func lookupAll(addrs ...string) func(context.Context, string) ([]netip.Addr, error) {
	return func(context.Context, string) (out []netip.Addr, _ error) {
		for _, a := range addrs {
			out = append(out, netip.MustParseAddr(a))
		}
		return out, nil
	}
}

func newClient(t *testing.T, c safehttp.Config) *http.Client {
	t.Helper()
	client, err := safehttp.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// serve starts a plain server and returns its loopback address.
func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// serveOne starts a plain server and returns a client that knows it as a.test.
func serveOne(t *testing.T, c safehttp.Config, h http.HandlerFunc) *http.Client {
	t.Helper()
	c.InsecureAllowLoopback = map[string]string{"a.test": serve(t, h)}
	return newClient(t, c)
}

// serveTLS starts a server, HTTP/2 included, whose certificate is for names, and returns its loopback
// address and the authority that signed the certificate.
func serveTLS(t *testing.T, h http.HandlerFunc, names ...string) (string, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "safehttp test"}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.EnableHTTP2 = true
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String(), pool
}

func get(t *testing.T, client *http.Client, url string) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return client.Do(req)
}

// read gets a URL and its whole body.
func read(t *testing.T, client *http.Client, url string) (string, error) {
	t.Helper()
	resp, err := get(t, client, url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var b strings.Builder
	_, err = io.Copy(&b, resp.Body)
	return b.String(), err
}

func wantRefused(t *testing.T, err error, reason string) {
	t.Helper()
	var refused *safehttp.RefusedError
	if !errors.As(err, &refused) || !errors.Is(err, safehttp.ErrRefused) {
		t.Fatalf("error is %v, want a RefusedError", err)
	}
	if !strings.Contains(refused.Reason, reason) {
		t.Fatalf("refused because of %q, want %q", refused.Reason, reason)
	}
}

func wantTimeout(t *testing.T, err error) {
	t.Helper()
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Fatalf("error is %v, want a net.Error that is a timeout", err)
	}
}
