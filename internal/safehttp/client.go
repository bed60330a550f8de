package safehttp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"slices"
	"time"

	"golang.org/x/net/http/httpguts"
)

const (
	defaultTimeout   = 10 * time.Second
	defaultMaxBody   = 1 << 20
	defaultRedirects = 3
	defaultConns     = 16

	defaultConnect     = 5 * time.Second
	defaultTLS         = 5 * time.Second
	defaultIdle        = 90 * time.Second
	defaultMaxIdle     = 4096
	defaultIdlePerHost = 2
	defaultMaxHeader   = 64 << 10
	defaultRatio       = 100

	bufferSize = 1 << 10 // documents are small and there may be thousands of connections
)

// Config says how a client behaves. Its zero value is a working one.
type Config struct {
	// UserAgent is set on requests that have none. Zero means
	// "Fedihook/<version> (+https://github.com/fedihook/fedihook)".
	UserAgent string

	// Timeout bounds one exchange, from resolving the name to the last byte of the body; for the
	// client it bounds all hops of a redirected request together. Zero means 10 s.
	Timeout time.Duration

	// ConnectTimeout bounds, within Timeout, resolving a name and connecting to one of its addresses
	// together. Zero means 5 s.
	ConnectTimeout time.Duration

	// TLSTimeout bounds, within Timeout, the TLS handshake. Zero means 5 s.
	TLSTimeout time.Duration

	// HeaderTimeout bounds, within Timeout, the wait for the whole header of the answer once the
	// request is written. Zero means that Timeout alone does.
	HeaderTimeout time.Duration

	// MaxBody bounds the bytes read of one body, after decompression. Reading beyond it gives a
	// *BodyTooLargeError. Zero means 1 MiB.
	MaxBody int64

	// MaxRatio bounds how many times longer than what was received a body may become by
	// decompression, once it is longer than 64 KiB. Reading beyond it gives a *BodyTooLargeError.
	// Zero means 100; documents of the fediverse shrink to a tenth or so.
	MaxRatio int64

	// MaxHeader bounds the bytes read of one answer's header. A longer one is an error. Zero means 64 KiB.
	MaxHeader int64

	// MaxRedirects bounds the hops that the client follows for a GET or HEAD; one more gives a
	// *RedirectError. Zero means 3. Negative means that none is followed: the answer that
	// redirects is returned as it is, which is also what every other method gets.
	MaxRedirects int

	// MaxConnsPerHost bounds the connections to one host, idle ones included. Zero means 16. A
	// request that finds no free one waits, within its Timeout.
	MaxConnsPerHost int

	// MaxIdlePerHost bounds the idle connections to one host that are kept for the next request. Zero
	// means 2. One who has many requests for one host at once wants as many as MaxConnsPerHost.
	MaxIdlePerHost int

	// MaxIdle bounds the idle connections in all. Zero means 4096.
	MaxIdle int

	// IdleTimeout is how long an idle connection is kept. Zero means 90 s.
	IdleTimeout time.Duration

	// Allow is asked before each request and before each hop of a redirect. host is the URL's
	// authority: lower case, internationalised names in their xn-- form, with the port if it is not
	// 443 (80 for http). Its error is returned wrapped and nothing is dialled. Nil allows every host.
	// It may be called by many goroutines at once.
	Allow func(ctx context.Context, host string) error

	// AllowPort tells whether a port may be dialled. Nil allows 443 and those from 1024 up, which
	// keeps strangers' URLs away from mail servers, SSH and their like.
	AllowPort func(port uint16) bool

	// Private are ranges that are not dialled beside those that [Public] tells of: a network's own public
	// addresses behind its firewall, the prefix of its NAT64. Nil means none.
	Private []netip.Prefix

	// Proxy is a forward proxy ("http://proxy.lan:3128", also https, with user and password if it asks
	// for them) through which all connections are made, by CONNECT, but for those to InsecureAllowLoopback's
	// hosts. Names are still resolved here, and the proxy is told the address that was checked
	// instead of the name, so that all of the checks hold; a proxy that permits names only is of no
	// use. The proxy's own address is not checked. Nil means none, whatever the environment says.
	Proxy *url.URL

	// RootCAs are the authorities that servers' certificates must lead to. Nil means the system's.
	RootCAs *x509.CertPool

	// InsecureAllowLoopback is for tests. It maps a host as it stands in URLs ("a.test", or
	// "a.test:3000" for that port alone) to a loopback address ("127.0.0.1:8080", or "127.0.0.1" to
	// keep the URL's port). These hosts, and no others, may be reached over http, at any port, and
	// at a loopback address; nothing else may stand on the right.
	InsecureAllowLoopback map[string]string

	// InsecureDial is for tests that have a network of their own. It connects to a host and port as a URL names them
	// ("a.test:443"), in place of resolving the name and dialling its address. Addresses that are not public, and names that are
	// not in the DNS, are refused as ever, and servers there have to prove who they are by RootCAs. Proxy and Dial are not used with
	// it. Nil means that strangers are dialled.
	InsecureDial func(ctx context.Context, network, address string) (net.Conn, error)

	// Lookup resolves a name. Nil means the system's resolver. Answers are kept for 5 minutes, "no
	// such host" and answers without a public address for 30 seconds.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)

	// Dial connects to an address ("192.0.2.1:443") that was resolved and found permitted. Nil means
	// a net.Dialer that checks the address once more on the socket itself. For tests that have a
	// network of their own. It is also asked for Proxy's host, by name.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// New makes a client from a Config. It dials nothing and starts nothing. The client is safe for use
// by many goroutines. Its Transport keeps all of the Config's promises but those on redirects.
func New(c Config) (*http.Client, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	loopback, err := parseLoopback(c.InsecureAllowLoopback)
	if err != nil {
		return nil, err
	}
	c.InsecureAllowLoopback = nil // loopback holds it now; the caller's map may change

	d := &dialer{
		loopback: loopback, private: c.Private, names: newNames(c.Lookup), timeout: c.ConnectTimeout, dial: c.Dial,
		proxy: c.Proxy, rootCAs: c.RootCAs, userAgent: c.UserAgent, insecure: c.InsecureDial,
	}
	d.names.private = c.Private
	t := &transport{
		config:   c,
		loopback: loopback,
		base: &http.Transport{
			// Proxy stays nil: a proxy would resolve for us, unchecked. The dialer uses ours.
			DialContext:            d.dialContext,
			TLSClientConfig:        &tls.Config{RootCAs: c.RootCAs, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    c.TLSTimeout,
			ResponseHeaderTimeout:  c.HeaderTimeout,
			DisableCompression:     true, // body.go does it, with both sizes bounded
			MaxIdleConns:           c.MaxIdle,
			MaxIdleConnsPerHost:    c.MaxIdlePerHost,
			MaxConnsPerHost:        c.MaxConnsPerHost,
			IdleConnTimeout:        c.IdleTimeout,
			MaxResponseHeaderBytes: c.MaxHeader,
			WriteBufferSize:        bufferSize,
			ReadBufferSize:         bufferSize,
			ForceAttemptHTTP2:      true,
			// Without pings an HTTP/2 connection whose other end vanished swallows request after request.
			HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 5 * time.Second},
		},
	}
	return &http.Client{Transport: t, CheckRedirect: checkRedirect(c.MaxRedirects), Timeout: c.Timeout}, nil
}

// withDefaults checks c, and fills in what its zero fields mean.
func (c Config) withDefaults() (Config, error) {
	for _, d := range []struct {
		name  string
		field *time.Duration
		zero  time.Duration
	}{
		{"Timeout", &c.Timeout, defaultTimeout}, {"ConnectTimeout", &c.ConnectTimeout, defaultConnect},
		{"TLSTimeout", &c.TLSTimeout, defaultTLS}, {"HeaderTimeout", &c.HeaderTimeout, 0},
		{"IdleTimeout", &c.IdleTimeout, defaultIdle},
	} {
		if err := fill(d.name, d.field, d.zero); err != nil {
			return c, err
		}
	}
	for _, n := range []struct {
		name  string
		field *int
		zero  int
	}{
		{"MaxConnsPerHost", &c.MaxConnsPerHost, defaultConns}, {"MaxIdlePerHost", &c.MaxIdlePerHost, defaultIdlePerHost},
		{"MaxIdle", &c.MaxIdle, defaultMaxIdle},
	} {
		if err := fill(n.name, n.field, n.zero); err != nil {
			return c, err
		}
	}
	for _, n := range []struct {
		name  string
		field *int64
		zero  int64
	}{{"MaxBody", &c.MaxBody, defaultMaxBody}, {"MaxRatio", &c.MaxRatio, defaultRatio}, {"MaxHeader", &c.MaxHeader, defaultMaxHeader}} {
		if err := fill(n.name, n.field, n.zero); err != nil {
			return c, err
		}
	}
	if !httpguts.ValidHeaderFieldValue(c.UserAgent) {
		return c, fmt.Errorf("safehttp: Config.UserAgent %q is not a header value", c.UserAgent)
	}
	if c.UserAgent == "" {
		c.UserAgent = userAgent()
	}
	if c.MaxRedirects == 0 {
		c.MaxRedirects = defaultRedirects
	}
	if c.AllowPort == nil {
		c.AllowPort = func(port uint16) bool { return port == 443 || port >= 1024 }
	}
	for _, p := range c.Private {
		if !p.IsValid() || p.Addr().Is4In6() {
			return c, fmt.Errorf("safehttp: Config.Private: %v is not a range of IPv4 or of IPv6", p)
		}
	}
	c.Private = slices.Clone(c.Private)
	return c, checkProxy(c.Proxy)
}

func fill[T int | int64 | time.Duration](name string, field *T, zero T) error {
	if *field < 0 {
		return fmt.Errorf("safehttp: Config.%s is negative", name)
	}
	if *field == 0 {
		*field = zero
	}
	return nil
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
