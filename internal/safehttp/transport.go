package safehttp

import (
	"context"
	"fmt"
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
		resp.Body = &body{
			url: url, from: &unpacked{raw: raw, had: raw.left, ratio: t.config.MaxRatio},
			left: t.config.MaxBody, max: t.config.MaxBody, done: cancel,
		}
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
	return t.exchange(out)
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
		if addr, err := netip.ParseAddr(to.host); err == nil && !public(addr, t.config.Private) {
			return refuse("not a public address")
		}
		if reason := specialName(to.host); reason != "" {
			return refuse(reason)
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
