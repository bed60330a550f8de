// Package safehttptest is a network in memory for tests of what asks strangers, and the table of addresses
// that none of it may reach.
//
// Make a [Net], give it servers and names, and pass what its Config returns to safehttp.New. [Targets] are
// the addresses: every room that sends requests runs them, so that all rooms refuse the same.
//
// It is for tests alone, and works inside of synctest bubbles.
package safehttptest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fedihook/fedihook/internal/safehttp"
)

// ErrNoServer is what dialling an address without a server gives.
var ErrNoServer = errors.New("safehttptest: no server there")

// Net is a network in memory: names, addresses and servers behind them, which speak TLS with a
// certificate for whatever name they are asked for, HTTP/2 included. It may be used by many goroutines
// at once.
type Net struct {
	roots  *x509.CertPool
	config *tls.Config

	mu      sync.Mutex
	servers map[netip.Addr]*listener
	answers map[string][][]netip.Addr // by name: the first is for the first who looks it up
	lookups map[string]int
	dialed  []string
	conns   []net.Conn // the servers' ends
}

// NewNet makes a network of nobody, which ends with the test.
func NewNet(t testing.TB) *Net {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(365 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, authority, authority, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	n := &Net{
		roots: x509.NewCertPool(), servers: map[netip.Addr]*listener{},
		answers: map[string][][]netip.Addr{}, lookups: map[string]int{},
	}
	n.roots.AddCert(root)
	n.config = &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		leaf := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: root.NotBefore, NotAfter: root.NotAfter, DNSNames: []string{hello.ServerName}}
		der, err := x509.CreateCertificate(rand.Reader, leaf, root, key.Public(), key)
		if err != nil {
			return nil, err
		}
		return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
	}}
	return n
}

// Serve puts a server at all ports of an address, until the test ends and h, whose requests are
// cancelled then, has returned from all of them. It gives the address back.
func (n *Net) Serve(t testing.TB, addr string, h http.Handler) string {
	t.Helper()
	l := &listener{conns: make(chan net.Conn), closed: make(chan struct{})}
	var mu sync.Mutex // a request may begin as the server closes
	var over bool
	var running sync.WaitGroup
	s := &http.Server{TLSConfig: n.config.Clone(), ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		if over {
			mu.Unlock()
			return
		}
		running.Add(1)
		mu.Unlock()
		defer running.Done()
		h.ServeHTTP(w, r)
	})}
	done := make(chan struct{})
	go func() { defer close(done); s.ServeTLS(l, "", "") }()
	t.Cleanup(func() {
		s.Close()
		<-done
		mu.Lock()
		over = true
		mu.Unlock()
		running.Wait()
	})
	n.mu.Lock()
	defer n.mu.Unlock()
	n.servers[netip.MustParseAddr(addr)] = l
	return addr
}

// Name says what a name resolves to: the first of the answers for the first who looks it up, the second
// for the second, and the last for all after.
func (n *Net) Name(host string, answers ...[]string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.answers[host] = nil
	for _, answer := range answers {
		addrs := make([]netip.Addr, len(answer))
		for i, a := range answer {
			addrs[i] = netip.MustParseAddr(a)
		}
		n.answers[host] = append(n.answers[host], addrs)
	}
}

// NameTargets gives the [Targets] that are names their addresses, and returns all of them.
func (n *Net) NameTargets() []Target {
	targets := Targets()
	for _, to := range targets {
		if to.Addr != "" {
			host := to.Host
			if name, _, err := net.SplitHostPort(host); err == nil {
				host = name
			}
			n.Name(host, []string{to.Addr})
		}
	}
	return targets
}

// Config is that of a client which is in this network and in no other.
func (n *Net) Config() safehttp.Config {
	return safehttp.Config{Lookup: n.lookup, Dial: n.dial, RootCAs: n.roots}
}

// Client makes a client from Config, for the time of a test.
func (n *Net) Client(t testing.TB) *http.Client {
	t.Helper()
	client, err := safehttp.New(n.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// Dialed returns what was dialled, in order, as "192.0.2.1:443".
func (n *Net) Dialed() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.dialed)
}

// Lookups tells how often a name was looked up.
func (n *Net) Lookups(host string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.lookups[host]
}

// HangUp closes all connections that there are, from the servers' side and without a word.
func (n *Net) HangUp() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.conns {
		c.Close()
	}
	n.conns = nil
}

func (n *Net) lookup(_ context.Context, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lookups[host]++
	answers := n.answers[host]
	if len(answers) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return answers[min(n.lookups[host], len(answers))-1], nil
}

func (n *Net) dial(ctx context.Context, _, address string) (net.Conn, error) {
	n.mu.Lock()
	n.dialed = append(n.dialed, address)
	to, err := netip.ParseAddrPort(address)
	l := n.servers[to.Addr()]
	n.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if l == nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: ErrNoServer}
	}
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		n.mu.Lock()
		n.conns = append(n.conns, theirs)
		n.mu.Unlock()
		return ours, nil
	case <-l.closed:
	case <-ctx.Done():
	}
	ours.Close()
	theirs.Close()
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: ErrNoServer}
}

// listener is that of a server in a Net.
type listener struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *listener) Addr() net.Addr { return &net.TCPAddr{} }
