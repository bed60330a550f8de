package safehttp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"time"

	"golang.org/x/net/http/httpguts"
)

const (
	defaultTimeout   = 10 * time.Second
	defaultMaxBody   = 1 << 20
	defaultRedirects = 3
	defaultConns     = 16

	dialTimeout    = 5 * time.Second // resolving included
	tlsTimeout     = 5 * time.Second
	idleTimeout    = 90 * time.Second
	maxIdle        = 4096
	maxIdlePerHost = 2
	maxHeader      = 64 << 10
	bufferSize     = 1 << 10 // documents are small and there may be thousands of connections
)

// Config says how a client behaves. Its zero value is a working one.
type Config struct {
	// UserAgent is set on requests that have none. Zero means
	// "Fedihook/<version> (+https://github.com/fedihook/fedihook)".
	UserAgent string

	// Timeout bounds one exchange, from resolving the name to the last byte of the body; for the
	// client it bounds all hops of a redirected request together. Zero means 10 s. Within it,
	// resolving and connecting may take 5 s and the TLS handshake another 5 s.
	Timeout time.Duration

	// MaxBody bounds the bytes read of one body, after decompression. Reading beyond it gives a
	// *BodyTooLargeError. Zero means 1 MiB.
	MaxBody int64

	// MaxRedirects bounds the hops that the client follows for a GET or HEAD; one more gives a
	// *RedirectError. Zero means 3. Negative means that none is followed: the answer that
	// redirects is returned as it is, which is also what every other method gets.
	MaxRedirects int

	// MaxConnsPerHost bounds the connections to one host, idle ones included. Zero means 16. A
	// request that finds no free one waits, within its Timeout.
	MaxConnsPerHost int

	// Allow is asked before each request and before each hop of a redirect. host is the URL's
	// authority: lower case, internationalised names in their xn-- form, with the port if it is not
	// 443 (80 for http). Its error is returned wrapped and nothing is dialled. Nil allows every host.
	// It may be called by many goroutines at once.
	Allow func(ctx context.Context, host string) error

	// AllowPort tells whether a port may be dialled. Nil allows 443 and those from 1024 up, which
	// keeps strangers' URLs away from mail servers, SSH and their like.
	AllowPort func(port uint16) bool

	// RootCAs are the authorities that servers' certificates must lead to. Nil means the system's.
	RootCAs *x509.CertPool

	// InsecureAllowLoopback is for tests. It maps a host as it stands in URLs ("a.test", or
	// "a.test:3000" for that port alone) to a loopback address ("127.0.0.1:8080", or "127.0.0.1" to
	// keep the URL's port). These hosts, and no others, may be reached over http, at any port, and
	// at a loopback address; nothing else may stand on the right.
	InsecureAllowLoopback map[string]string

	// Lookup resolves a name. Nil means the system's resolver. Answers are kept for 5 minutes, "no
	// such host" and answers without a public address for 30 seconds.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)

	// Dial connects to an address ("192.0.2.1:443") that was resolved and found permitted. Nil means
	// a net.Dialer that checks the address once more on the socket itself. For tests that have a
	// network of their own.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// New makes a client from a Config. It dials nothing and starts nothing. The client is safe for use
// by many goroutines. Its Transport keeps all of the Config's promises but those on redirects.
func New(c Config) (*http.Client, error) {
	switch {
	case c.Timeout < 0:
		return nil, errors.New("safehttp: Config.Timeout is negative")
	case c.MaxBody < 0:
		return nil, errors.New("safehttp: Config.MaxBody is negative")
	case c.MaxConnsPerHost < 0:
		return nil, errors.New("safehttp: Config.MaxConnsPerHost is negative")
	case !httpguts.ValidHeaderFieldValue(c.UserAgent):
		return nil, fmt.Errorf("safehttp: Config.UserAgent %q is not a header value", c.UserAgent)
	}
	if c.UserAgent == "" {
		c.UserAgent = userAgent()
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.MaxBody == 0 {
		c.MaxBody = defaultMaxBody
	}
	if c.MaxRedirects == 0 {
		c.MaxRedirects = defaultRedirects
	}
	if c.MaxConnsPerHost == 0 {
		c.MaxConnsPerHost = defaultConns
	}
	if c.AllowPort == nil {
		c.AllowPort = func(port uint16) bool { return port == 443 || port >= 1024 }
	}
	loopback, err := parseLoopback(c.InsecureAllowLoopback)
	if err != nil {
		return nil, err
	}
	c.InsecureAllowLoopback = nil // loopback holds it now; the caller's map may change

	d := &dialer{loopback: loopback, names: newNames(c.Lookup), dial: c.Dial}
	t := &transport{
		config:   c,
		loopback: loopback,
		base: &http.Transport{
			// Proxy stays nil: a proxy would resolve and dial for us, unchecked.
			DialContext:            d.dialContext,
			TLSClientConfig:        &tls.Config{RootCAs: c.RootCAs, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    tlsTimeout,
			DisableCompression:     true, // transport.go does it, with both sizes bounded
			MaxIdleConns:           maxIdle,
			MaxIdleConnsPerHost:    maxIdlePerHost,
			MaxConnsPerHost:        c.MaxConnsPerHost,
			IdleConnTimeout:        idleTimeout,
			MaxResponseHeaderBytes: maxHeader,
			WriteBufferSize:        bufferSize,
			ReadBufferSize:         bufferSize,
			ForceAttemptHTTP2:      true,
			// Without pings an HTTP/2 connection whose other end vanished swallows request after request.
			HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 5 * time.Second},
		},
	}
	return &http.Client{Transport: t, CheckRedirect: checkRedirect(c.MaxRedirects), Timeout: c.Timeout}, nil
}

func checkRedirect(most int) func(*http.Request, []*http.Request) error {
	return func(req *http.Request, via []*http.Request) error {
		if m := via[0].Method; most < 0 || m != "" && m != http.MethodGet && m != http.MethodHead {
			return http.ErrUseLastResponse
		}
		if len(via) > most {
			return &RedirectError{URL: via[0].URL.Redacted(), Max: most}
		}
		req.Header.Del("Referer") // net/http tells the next host where it was sent from
		// A signature made for the first URL is wrong for this one. A signing Transport makes a new one.
		for _, name := range []string{"Signature", "Signature-Input", "Digest", "Content-Digest", "Host"} {
			req.Header.Del(name)
		}
		return nil
	}
}

// userAgent names the version of this module that the program was built with.
func userAgent() string {
	const path = "github.com/fedihook/fedihook"
	version := "devel"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range append(info.Deps, &info.Main) {
			if m.Path == path && m.Version != "" && m.Version != "(devel)" {
				version = m.Version
			}
		}
	}
	return "Fedihook/" + version + " (+https://" + path + ")"
}
