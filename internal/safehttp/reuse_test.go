package safehttp_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/internal/safehttp"
)

// snac closes an idle connection just when it is used again (seen 2026-11).
func TestARequestOnAConnectionThatWasJustClosedIsMadeAgain(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var server sync.WaitGroup
	t.Cleanup(func() { l.Close(); server.Wait() })
	answered := make(chan string, 8)
	server.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			// One answer, then the next request is read and the connection closed over it.
			in := bufio.NewReader(conn)
			for n := range 2 {
				req, err := http.ReadRequest(in)
				if err != nil {
					break
				}
				body, _ := io.ReadAll(req.Body)
				if n == 0 {
					answered <- string(body)
					io.WriteString(conn, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
				}
			}
			conn.Close()
		}
	})
	client := newClient(t, safehttp.Config{InsecureAllowLoopback: map[string]string{"a.test": l.Addr().String()}})
	for _, body := range []string{"first", "second", "third"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://a.test/inbox", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header["Idempotency-Key"] = []string{} // net/http: may be sent twice; the header itself is not sent
		resp, err := client.Do(req)
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		resp.Body.Close()
		if got := <-answered; got != body {
			t.Errorf("the server got %q, want %q", got, body)
		}
	}
}

// An HTTP/2 connection whose other end vanished is not used for ever.
func TestAConnectionThatFellSilentIsGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		network := newPipes(t, "a.example")
		client := newClient(t, safehttp.Config{RootCAs: network.roots, Lookup: lookupAll("93.184.216.34"), Dial: network.dial})
		if got, err := read(t, client, "https://a.example/"); got != "HTTP/2.0" || err != nil {
			t.Fatalf("got %q, %v", got, err)
		}
		network.silence()
		time.Sleep(time.Second)
		_, err := read(t, client, "https://a.example/")
		wantTimeout(t, err)
		time.Sleep(20 * time.Second)
		if got, err := read(t, client, "https://a.example/"); got != "HTTP/2.0" || err != nil {
			t.Fatalf("after the connection fell silent: %q, %v", got, err)
		}
	})
}

// pipes is a network in memory with one server, which answers with the protocol's name.
type pipes struct {
	roots    *x509.CertPool
	accepted chan net.Conn
	closed   chan struct{}

	mu    sync.Mutex
	conns []*silent
}

func newPipes(t *testing.T, name string) *pipes {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	p := &pipes{roots: x509.NewCertPool(), accepted: make(chan net.Conn), closed: make(chan struct{})}
	p.roots.AddCert(cert)
	s := &http.Server{
		Handler:   http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) }),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}},
	}
	done := make(chan struct{})
	go func() { defer close(done); s.ServeTLS(p, "", "") }()
	t.Cleanup(func() { s.Close(); <-done })
	return p
}

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	c := &silent{Conn: ours, gone: make(chan struct{}), closed: make(chan struct{})}
	p.mu.Lock()
	p.conns = append(p.conns, c)
	p.mu.Unlock()
	p.accepted <- theirs
	return c, nil
}

// silence lets nothing through the connections that there are, which stay open.
func (p *pipes) silence() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		close(c.gone)
	}
	p.conns = nil
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.accepted:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// silent is a connection through which nothing comes or goes any more once gone is closed.
type silent struct {
	net.Conn
	gone   chan struct{}
	once   sync.Once
	closed chan struct{}
}

func (s *silent) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	select {
	case <-s.gone:
		<-s.closed
		return 0, net.ErrClosed
	default:
		return n, err
	}
}

func (s *silent) Write(p []byte) (int, error) {
	select {
	case <-s.gone:
		return len(p), nil
	default:
		return s.Conn.Write(p)
	}
}

func (s *silent) Close() error {
	s.once.Do(func() { close(s.closed) })
	return s.Conn.Close()
}
