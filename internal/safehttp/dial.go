package safehttp

import (
	"cmp"
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"syscall"
	"time"
)

// fallbackDelay is how long one address may keep the next one waiting (RFC 8305 §8).
const fallbackDelay = 250 * time.Millisecond

// dialer makes the connections of a transport.
type dialer struct {
	loopback loopback
	private  []netip.Prefix
	names    *names
	timeout  time.Duration                                                        // zero: 5 s
	dial     func(ctx context.Context, network, address string) (net.Conn, error) // nil: the system's
	insecure func(ctx context.Context, network, address string) (net.Conn, error) // Config.InsecureDial

	proxy     *url.URL // nil: none
	rootCAs   *x509.CertPool
	userAgent string
}

func (d *dialer) public(addr netip.Addr) bool { return public(addr, d.private) }

func (d *dialer) dialContext(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(d.timeout, defaultConnect))
	defer cancel()
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("safehttp: dial %s: %w", address, err)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("safehttp: dial %s: %w", address, err)
	}
	host, ok := cleanHost(host)
	if !ok {
		return nil, &RefusedError{URL: address, Reason: "not a host name"}
	}
	if to, ok := d.loopback.find(host, uint16(port)); ok {
		return d.dialAddr(ctx, network, to, netip.Addr.IsLoopback)
	}
	if reason := specialName(host); reason != "" {
		return nil, &RefusedError{URL: address, Reason: reason}
	}
	addr, err := netip.ParseAddr(host)
	if err == nil && !d.public(addr) {
		return nil, &RefusedError{URL: address, Reason: "not a public address"}
	}
	if d.insecure != nil {
		return d.insecure(ctx, network, net.JoinHostPort(host, portText))
	}
	if err == nil {
		return d.dialAddr(ctx, network, netip.AddrPortFrom(addr, uint16(port)), d.public)
	}
	addrs, err := d.names.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	conn, err := race(ctx, addrs, func(ctx context.Context, addr netip.Addr) (net.Conn, error) {
		return d.dialAddr(ctx, network, netip.AddrPortFrom(addr, uint16(port)), d.public)
	})
	if err != nil {
		d.names.forget(host)
	}
	return conn, err
}

// dialAddr connects to one address if it is permitted, which the socket is asked once more.
func (d *dialer) dialAddr(ctx context.Context, network string, to netip.AddrPort, permitted func(netip.Addr) bool) (net.Conn, error) {
	if !permitted(to.Addr()) {
		return nil, &RefusedError{URL: to.String(), Reason: "not a public address"}
	}
	if d.proxy != nil && !to.Addr().IsLoopback() {
		return d.dialProxy(ctx, network, to)
	}
	if d.dial != nil {
		return d.dial(ctx, network, to.String())
	}
	dialer := net.Dialer{Control: func(_, address string, _ syscall.RawConn) error {
		return checkSocket(address, permitted)
	}}
	return dialer.DialContext(ctx, network, to.String())
}

func checkSocket(address string, permitted func(netip.Addr) bool) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !permitted(to.Addr()) {
		return &RefusedError{URL: address, Reason: "not a public address"}
	}
	return nil
}

// race dials addresses in order, each when the one before has failed or kept it waiting, and returns
// the first connection, or the first error if there is none (RFC 8305 §5).
func race(ctx context.Context, addrs []netip.Addr, dial func(context.Context, netip.Addr) (net.Conn, error)) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		conn net.Conn
		err  error
	}
	results := make(chan result)
	var first error
	started, running := 0, 0
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		var turn <-chan time.Time
		if started < len(addrs) {
			turn = next.C
		} else if running == 0 {
			return nil, first
		}
		select {
		case <-turn:
			addr := addrs[started]
			started++
			running++
			next.Reset(fallbackDelay)
			go func() {
				conn, err := dial(ctx, addr)
				select {
				case results <- result{conn, err}:
				case <-ctx.Done(): // another was faster
					if conn != nil {
						conn.Close()
					}
				}
			}()
		case r := <-results:
			running--
			if r.err == nil {
				return r.conn, nil
			}
			if first == nil {
				first = r.err
			}
			next.Reset(0)
		case <-ctx.Done():
			if first == nil {
				first = ctx.Err()
			}
			return nil, first
		}
	}
}
