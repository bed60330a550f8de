package safehttp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	maxNames      = 4096
	keepFound     = 5 * time.Minute
	keepNone      = 30 * time.Second
	lookupTimeout = 5 * time.Second
)

// names resolves host names to public addresses and remembers the answers. Go's resolver keeps
// nothing, and one post can go to thousands of hosts.
type names struct {
	lookup  func(ctx context.Context, host string) ([]netip.Addr, error)
	private []netip.Prefix
	group   singleflight.Group

	mu    sync.Mutex
	known map[string]answer
}

type answer struct {
	addrs []netip.Addr // at most four, all public
	err   error
	until time.Time
}

func newNames(lookup func(context.Context, string) ([]netip.Addr, error)) *names {
	if lookup == nil {
		lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			// The dot keeps the machine's search domains out of it.
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host+".")
		}
	}
	return &names{lookup: lookup, known: map[string]answer{}}
}

// resolve returns the public addresses of a host, in the order in which to try them. All who ask for
// one name at once share one lookup, which outlives the first of them to give up.
func (n *names) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	a, ok := n.known[host]
	n.mu.Unlock()
	if ok && time.Now().Before(a.until) {
		return a.addrs, a.err
	}
	done := n.group.DoChan(host, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookupTimeout)
		defer cancel()
		addrs, err := n.ask(ctx, host)
		n.keep(host, addrs, err)
		return addrs, err
	})
	select {
	case r := <-done:
		addrs, _ := r.Val.([]netip.Addr)
		return addrs, r.Err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (n *names) ask(ctx context.Context, host string) ([]netip.Addr, error) {
	all, err := n.lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	// Two of each family are tried, in turns, so that a name with hundreds of addresses costs no more.
	var six, four []netip.Addr
	for _, addr := range all {
		if !public(addr, n.private) { // before Unmap, which drops a zone
			continue
		}
		if addr = addr.Unmap(); addr.Is4() {
			four = append(four, addr)
		} else {
			six = append(six, addr)
		}
	}
	var addrs []netip.Addr
	for i := range 2 {
		if i < len(six) {
			addrs = append(addrs, six[i])
		}
		if i < len(four) {
			addrs = append(addrs, four[i])
		}
	}
	if len(all) == 0 {
		return nil, &net.DNSError{Err: "no addresses", Name: host, IsNotFound: true}
	}
	if len(addrs) == 0 {
		return nil, &RefusedError{URL: host, Reason: "it has no public address"}
	}
	return addrs, nil
}

func (n *names) keep(host string, addrs []netip.Addr, err error) {
	a := answer{addrs, err, time.Now().Add(keepFound)}
	if err != nil {
		var dns *net.DNSError
		if !errors.Is(err, ErrRefused) && !(errors.As(err, &dns) && dns.IsNotFound) {
			return // the resolver's trouble, not the name's
		}
		a.until = time.Now().Add(keepNone)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.known[host]; !ok && len(n.known) >= maxNames {
		for some := range n.known { // any one: a map's order is random enough
			delete(n.known, some)
			break
		}
	}
	n.known[host] = a
}

// forget drops the answer for a host whose addresses did not answer: it may have moved.
func (n *names) forget(host string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.known, host)
}
