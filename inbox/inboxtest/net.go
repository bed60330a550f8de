package inboxtest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// Net is a network in memory: hosts by name, at port 443, that speak https over [net.Pipe]. It is a network of its own: whatever
// else is dialled through it, nobody answers. Its methods may be called by many goroutines at once.
type Net struct {
	// Patience bounds how long [Server.Wait] and [Net.Until] wait, and how long a fake server waits for an answer. Zero means 10 s.
	// Set it before anything else is called.
	Patience time.Duration

	t     testing.TB
	roots *x509.CertPool
	ca    *x509.Certificate
	key   *ecdsa.PrivateKey

	mu      sync.Mutex
	hosts   map[string]*host
	servers map[string]*Server
	actors  int
	closed  bool
	stops   []context.CancelFunc // of what Run runs
	running sync.WaitGroup
}

// NewNet makes a network of nobody, which ends with the test: connections are closed, and it waits for handlers and apps that run. t
// may be nil in an Example or a program; then [Net.Close] ends it, and what would fail a test panics.
func NewNet(t testing.TB) *Net {
	n := &Net{t: t, roots: x509.NewCertPool(), hosts: map[string]*host{}, servers: map[string]*Server{}}
	n.helper()
	var err error
	if n.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		n.fatalf("%v", err)
	}
	template := certificate()
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, n.key.Public(), n.key)
	if err != nil {
		n.fatalf("%v", err)
	}
	if n.ca, err = x509.ParseCertificate(der); err != nil {
		n.fatalf("%v", err)
	}
	n.roots.AddCert(n.ca)
	if t != nil {
		t.Cleanup(n.Close)
	}
	return n
}

// certificate is valid at all times that a test may think it is.
func certificate(names ...string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: names, NotBefore: time.Unix(0, 0), NotAfter: time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC),
	}
}

// Close ends the network. It may be called twice.
func (n *Net) Close() {
	n.mu.Lock()
	n.closed = true
	hosts, servers, stops := n.hosts, n.servers, n.stops
	n.hosts, n.stops = map[string]*host{}, nil
	n.mu.Unlock()
	for _, stop := range stops {
		stop()
	}
	for _, s := range servers {
		s.client.CloseIdleConnections()
	}
	for _, h := range hosts {
		h.stop() // also what an app waits for that posts to one that hangs
	}
	n.running.Wait()
}

// RootCAs are the authorities that certify this network's hosts, for a tls.Config or fedihook.Config.RootCAs.
func (n *Net) RootCAs() *x509.CertPool { return n.roots }

// Dial connects to a host of this network, "there.example:443". It fits fedihook.Config.InsecureDial and DialContext of an
// http.Transport.
func (n *Net) Dial(ctx context.Context, _, address string) (net.Conn, error) {
	return n.dial(ctx, address, endpoint("[2001:db8::1]:50000"))
}

func (n *Net) dial(ctx context.Context, address string, from endpoint) (net.Conn, error) {
	fail := func(err error) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: endpoint(address), Err: err}
	}
	name, isHTTPS := strings.CutSuffix(strings.ToLower(address), ":443")
	n.mu.Lock()
	h := n.hosts[name]
	n.mu.Unlock()
	if h == nil || !isHTTPS {
		return fail(&net.DNSError{Err: "no such host", Name: name, IsNotFound: true})
	}
	if h.isDown() {
		return fail(errRefused)
	}
	ours, theirs := net.Pipe()
	select {
	case h.conns <- h.track(&conn{theirs, endpoint(address), from}):
		return &conn{ours, from, endpoint(address)}, nil
	case <-h.closed:
	case <-ctx.Done():
	}
	ours.Close()
	theirs.Close()
	return fail(errRefused)
}

// Serve puts an app at a host, in the place of what was there. Requests that are not answered when the network ends are
// cancelled.
func (n *Net) Serve(name string, app http.Handler) {
	n.helper()
	name = strings.ToLower(name)
	h := &host{
		conns: make(chan net.Conn), closed: make(chan struct{}), done: make(chan struct{}), live: map[net.Conn]bool{},
		right: n.certify(name), wrong: n.certify("wrong.invalid"),
	}
	h.server = &http.Server{
		TLSConfig: &tls.Config{GetCertificate: h.certificate}, ErrorLog: log.New(io.Discard, "", 0),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if h.begin() {
				defer h.running.Done()
				app.ServeHTTP(w, r)
			}
		}),
	}
	n.mu.Lock()
	before, closed := n.hosts[name], n.closed
	if !closed {
		n.hosts[name] = h
	}
	n.mu.Unlock()
	if closed {
		n.errorf("inboxtest: %s is served in a network that has ended", name)
		return
	}
	if before != nil {
		before.stop()
	}
	go func() {
		defer close(h.done)
		_ = h.server.ServeTLS(h, "", "") // returns when stop is called
	}()
}

// App is what [Net.Run] runs, such as a *fedihook.Server.
type App interface {
	Handler() http.Handler
	// Run works until ctx ends, and returns nil then.
	Run(ctx context.Context) error
}

// Run puts an app at a host, as [Net.Serve] does, and keeps its Run going until the network ends, which waits for it. An error
// of Run is one of the test. What the app works with, such as a database, is to be closed after the network is: by a t.Cleanup
// from before [NewNet]. An app that ends earlier, or has pages, is put there by Serve.
func (n *Net) Run(name string, app App) {
	n.helper()
	n.Serve(name, app.Handler())
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed { // as Serve has said
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	n.stops = append(n.stops, stop)
	n.running.Add(1)
	go func() {
		defer n.running.Done()
		if err := app.Run(ctx); err != nil {
			n.errorf("inboxtest: the app at %s: %v", name, err)
		}
	}()
}

func (n *Net) certify(name string) *tls.Certificate {
	der, err := x509.CreateCertificate(rand.Reader, certificate(name), n.ca, n.key.Public(), n.key)
	if err != nil {
		n.fatalf("inboxtest: a certificate for %q: %v", name, err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: n.key}
}

// Client makes a client that reaches this network and no other, for a test's own requests: a browser's, say. It follows redirects.
func (n *Net) Client() *http.Client { return n.client(endpoint("[2001:db8::2]:50000")) }

func (n *Net) client(from endpoint) *http.Client {
	transport := &http.Transport{
		DialContext:     func(ctx context.Context, _, address string) (net.Conn, error) { return n.dial(ctx, address, from) },
		TLSClientConfig: &tls.Config{RootCAs: n.roots}, ForceAttemptHTTP2: true,
	}
	return &http.Client{Transport: transport, Timeout: n.patience()}
}

// Until waits until is reports true, which what describes. If that takes longer than Patience it ends the test.
func (n *Net) Until(what string, is func() bool) {
	n.helper()
	for end := time.Now().Add(n.patience()); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			n.fatalf("%s: not within %v", what, n.patience())
			return
		}
	}
}

func (n *Net) patience() time.Duration {
	if n.Patience > 0 {
		return n.Patience
	}
	return 10 * time.Second
}

func (n *Net) helper() {
	if n.t != nil {
		n.t.Helper()
	}
}

// fatalf ends the test, and so is for its own goroutine.
func (n *Net) fatalf(format string, args ...any) {
	n.helper()
	if n.t == nil {
		panic(fmt.Sprintf(format, args...))
	}
	n.t.Fatalf(format, args...)
}

func (n *Net) errorf(format string, args ...any) {
	n.helper()
	if n.t == nil {
		panic(fmt.Sprintf(format, args...))
	}
	n.t.Errorf(format, args...)
}

func (n *Net) logf(format string, args ...any) {
	n.helper()
	if n.t != nil {
		n.t.Logf(format, args...)
	}
}
