package inboxtest

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
)

var errRefused = errors.New("connection refused")

// host is one name of a Net, and the listener of what is served there.
type host struct {
	server       *http.Server
	conns        chan net.Conn
	once         sync.Once
	closed, done chan struct{}
	running      sync.WaitGroup
	right, wrong *tls.Certificate

	mu           sync.Mutex
	live         map[net.Conn]bool
	down, broken bool
	stopping     bool
}

// set says how connections fail, and ends those that there are.
func (h *host) set(down, broken bool) {
	h.mu.Lock()
	same := h.down == down && h.broken == broken
	h.down, h.broken = down, broken
	var live []net.Conn
	if !same {
		for c := range h.live {
			live = append(live, c)
		}
	}
	h.mu.Unlock()
	for _, c := range live {
		c.Close()
	}
}

func (h *host) isDown() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.down
}

func (h *host) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.broken {
		return h.wrong, nil
	}
	return h.right, nil
}

// track remembers c until it is closed.
func (h *host) track(c *conn) net.Conn {
	t := &tracked{c, h}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.live[t] = true
	return t
}

// begin counts a request that is being answered, and reports false if there is to be none any more.
func (h *host) begin() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.stopping {
		h.running.Add(1)
	}
	return !h.stopping
}

func (h *host) stop() {
	h.mu.Lock()
	h.stopping = true
	h.mu.Unlock()
	h.server.Close()
	h.Close() // Serve may not have begun
	<-h.done
	h.running.Wait()
}

func (h *host) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

func (h *host) Close() error   { h.once.Do(func() { close(h.closed) }); return nil }
func (h *host) Addr() net.Addr { return endpoint("[2001:db8::]:443") }

type tracked struct {
	net.Conn
	h *host
}

func (t *tracked) Close() error {
	t.h.mu.Lock()
	delete(t.h.live, t)
	t.h.mu.Unlock()
	return t.Conn.Close()
}

// conn is an end of a pipe that has addresses, as log lines and limits per client want them.
type conn struct {
	net.Conn
	local, remote endpoint
}

func (c *conn) LocalAddr() net.Addr  { return c.local }
func (c *conn) RemoteAddr() net.Addr { return c.remote }

// endpoint is an address of a Net: "host:port".
type endpoint string

func (endpoint) Network() string  { return "tcp" }
func (e endpoint) String() string { return string(e) }
