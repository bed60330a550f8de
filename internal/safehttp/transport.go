package safehttp

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
)

// transport is the RoundTripper that keeps the promises of a Config.
type transport struct {
	config   Config
	loopback loopback
	base     *http.Transport
}

// RoundTrip makes one exchange if the request may be made at all.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(req.Context(), t.config.Timeout)
	resp, err := t.roundTrip(ctx, req)
	if err != nil {
		cancel()
		return nil, err
	}
	url := req.URL.Redacted()
	raw := &body{url: url, from: resp.Body, left: t.config.MaxBody, max: t.config.MaxBody, done: cancel}
	resp.Body = raw
	if resp.ContentLength > t.config.MaxBody && req.Method != http.MethodHead {
		raw.err = &BodyTooLargeError{URL: url, Max: t.config.MaxBody}
	}
	if req.Header.Get("Accept-Encoding") == "" && resp.ContentLength != 0 && req.Method != http.MethodHead &&
		strings.EqualFold(resp.Header.Get("Content-Encoding"), "gzip") {
		// Both sizes count: what is unpacked, and what is read for it, which can be endless empty
		// blocks. Packed bytes that do not shrink grow by less than a tenth of a per cent.
		raw.left = max(raw.left, raw.left+t.config.MaxBody/1000+1024) // max: a sum that overflows is negative
		resp.Body = &body{url: url, from: &unpacked{raw: raw}, left: t.config.MaxBody, max: t.config.MaxBody, done: cancel}
		resp.Header.Del("Content-Encoding")
		resp.Header.Del("Content-Length")
		resp.ContentLength = -1
		resp.Uncompressed = true
	}
	return resp, nil
}

func (t *transport) roundTrip(ctx context.Context, req *http.Request) (*http.Response, error) {
	if err := t.check(ctx, req); err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	out := req.Clone(ctx)
	if out.Header == nil {
		out.Header = http.Header{}
	}
	if out.Header.Get("User-Agent") == "" {
		out.Header.Set("User-Agent", t.config.UserAgent)
	}
	if out.Header.Get("Accept-Encoding") == "" && out.Header.Get("Range") == "" {
		out.Header.Set("Accept-Encoding", "gzip")
	}
	return t.base.RoundTrip(out)
}

// check refuses a request by what it says. What its host resolves to is judged when it is dialled.
func (t *transport) check(ctx context.Context, req *http.Request) error {
	if req.URL == nil {
		return &RefusedError{Reason: "no URL"}
	}
	refuse := func(reason string) error { return &RefusedError{URL: req.URL.Redacted(), Reason: reason} }
	if req.Method == http.MethodConnect {
		return refuse("method CONNECT")
	}
	to, reason := parseAuthority(req.URL)
	if reason != "" {
		return refuse(reason)
	}
	if req.Host != "" {
		// What Allow is asked about and what the server is told must be the same.
		if named, reason := withHost(authority{scheme: to.scheme, port: defaultPort(to.scheme)}, req.Host); reason != "" || named != to {
			return refuse(fmt.Sprintf("the request is for the host %q", req.Host))
		}
	}
	if _, mapped := t.loopback.find(to.host, to.port); !mapped {
		switch {
		case to.scheme != "https":
			return refuse("scheme is not https")
		case !t.config.AllowPort(to.port):
			return refuse(fmt.Sprintf("port %d", to.port))
		}
		if addr, err := netip.ParseAddr(to.host); err == nil && !Public(addr) {
			return refuse("not a public address")
		}
	}
	if t.config.Allow != nil {
		if err := t.config.Allow(ctx, to.String()); err != nil {
			return fmt.Errorf("safehttp: %s: %w", req.URL.Redacted(), err)
		}
	}
	return nil
}

// CloseIdleConnections closes the connections that no request uses now.
func (t *transport) CloseIdleConnections() { t.base.CloseIdleConnections() }

// body is a response's body, read up to a bound.
type body struct {
	url  string
	from io.ReadCloser
	left int64
	max  int64
	err  error // sticky
	done context.CancelFunc
}

func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if int64(len(p))-1 > b.left {
		p = p[:b.left+1] // one more than may be had shows whether there is more
	}
	n, err := b.from.Read(p)
	if int64(n) > b.left {
		n, err = int(b.left), &BodyTooLargeError{URL: b.url, Max: b.max}
	}
	b.left -= int64(n)
	b.err = err
	if err != nil {
		b.done() // all was read, or no more will be
	}
	return n, err
}

// Close lets go of the connection and of the exchange's deadline.
func (b *body) Close() error {
	err := b.from.Close()
	b.done()
	return err
}

// unpacked is a gzip body. It reads nothing before it is read.
type unpacked struct {
	raw *body
	zip *gzip.Reader
}

func (u *unpacked) Read(p []byte) (int, error) {
	if u.zip == nil {
		zip, err := gzip.NewReader(u.raw)
		if err != nil {
			return 0, u.explain(err)
		}
		u.zip = zip
	}
	n, err := u.zip.Read(p)
	return n, u.explain(err)
}

func (u *unpacked) explain(err error) error {
	if err == nil || err == io.EOF || err == u.raw.err {
		return err
	}
	return fmt.Errorf("safehttp: %s: %w", u.raw.url, err)
}

func (u *unpacked) Close() error { return u.raw.Close() }
