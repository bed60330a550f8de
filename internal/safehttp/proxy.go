package safehttp

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// maxConnectAnswer bounds the header of a proxy's answer.
const maxConnectAnswer = 16 << 10

func checkProxy(proxy *url.URL) error {
	switch {
	case proxy == nil:
		return nil
	case proxy.Scheme != "http" && proxy.Scheme != "https", proxy.Hostname() == "", proxy.Opaque != "":
		return fmt.Errorf("safehttp: Config.Proxy %q is not the http or https URL of a proxy", proxy.Redacted())
	}
	return nil
}

// dialProxy has the proxy connect to an address (RFC 9110 §9.3.6). It is told the address that was found
// permitted, never a name: that it would resolve by itself, unchecked.
func (d *dialer) dialProxy(ctx context.Context, network string, to netip.AddrPort) (net.Conn, error) {
	fail := func(err error) (net.Conn, error) {
		return nil, fmt.Errorf("safehttp: proxy %s: connect to %s: %w", d.proxy.Host, to, err)
	}
	port := d.proxy.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[d.proxy.Scheme]
	}
	dial := d.dial
	if dial == nil {
		dial = new(net.Dialer).DialContext // the operator's own machine: no stranger chose its address
	}
	conn, err := dial(ctx, network, net.JoinHostPort(d.proxy.Hostname(), port))
	if err != nil {
		return fail(err)
	}
	if d.proxy.Scheme == "https" {
		secure := tls.Client(conn, &tls.Config{ServerName: d.proxy.Hostname(), RootCAs: d.rootCAs, MinVersion: tls.VersionTLS12})
		if err := secure.HandshakeContext(ctx); err != nil {
			conn.Close()
			return fail(err)
		}
		conn = secure
	}
	// Neither side of a net.Conn hears of ctx: a deadline that has passed wakes it.
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	err = d.connect(conn, to)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return fail(err)
	}
	return conn, nil
}

// connect asks for the tunnel.
func (d *dialer) connect(conn net.Conn, to netip.AddrPort) error {
	req := &http.Request{
		Method: http.MethodConnect, URL: &url.URL{Opaque: to.String()}, Host: to.String(),
		Header: http.Header{"User-Agent": {d.userAgent}},
	}
	if user := d.proxy.User; user != nil {
		password, _ := user.Password()
		basic := &http.Request{Header: http.Header{}}
		basic.SetBasicAuth(user.Username(), password)
		req.Header.Set("Proxy-Authorization", basic.Header.Get("Authorization"))
	}
	if err := req.Write(conn); err != nil {
		return err
	}
	in := bufio.NewReader(io.LimitReader(conn, maxConnectAnswer))
	resp, err := http.ReadResponse(in, req)
	if err != nil {
		return err
	}
	resp.Body.Close()
	switch {
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("status %s", resp.Status)
	case in.Buffered() > 0: // in TLS the client speaks first
		return errors.New("bytes after the answer")
	}
	return nil
}
