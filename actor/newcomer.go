package actor

import (
	"net/netip"
	"net/url"
	"sync"
	"time"

	"golang.org/x/net/publicsuffix"
)

const (
	newHostsWindow  = time.Minute
	newActorsWindow = 5 * time.Minute
	maxDomains      = 4096
)

// newcomers bounds what one registrable domain can make us learn. Who owns a domain has as many hosts below it as it
// likes for nothing, and as many actors on each, so that bounds per host bound nothing.
type newcomers struct {
	maxHosts, maxActors int

	mu      sync.Mutex
	domains *cache[*domain]
}

// domain is what is remembered of a registrable domain.
type domain struct {
	hosts  map[string]time.Time // those that were new in the last minute, and when
	since  time.Time
	actors int
}

func newNewcomers(hosts, actors int) *newcomers {
	return &newcomers{maxHosts: hosts, maxActors: actors, domains: newCache[*domain](maxDomains)}
}

// host counts u's host among the new ones, or reports that there are too many.
func (n *newcomers) host(u *url.URL, now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	d := n.domain(u)
	for name, at := range d.hosts {
		if now.Sub(at) >= newHostsWindow {
			delete(d.hosts, name)
		}
	}
	name := authority(u)
	if _, ok := d.hosts[name]; !ok && len(d.hosts) >= n.maxHosts {
		return false
	}
	d.hosts[name] = now
	return true
}

// actor counts an actor, or a key, that is to be looked up for the first time.
func (n *newcomers) actor(id string) bool {
	u, err := parseID(id)
	if err != nil {
		return true // never asked for
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	d, now := n.domain(u), time.Now()
	if now.Sub(d.since) >= newActorsWindow {
		d.since, d.actors = now, 0
	}
	if d.actors >= n.maxActors {
		return false
	}
	d.actors++
	return true
}

func (n *newcomers) domain(u *url.URL) *domain {
	name := registrable(u)
	d, ok := n.domains.get(name)
	if !ok {
		d = &domain{hosts: map[string]time.Time{}}
		n.domains.put(name, d, 1)
	}
	return d
}

// registrable is the part of u's host that somebody had to register: example.co.uk of a.b.example.co.uk. Addresses and
// hosts that are no domain names stand for themselves.
func registrable(u *url.URL) string {
	name := u.Hostname()
	if at := authority(u); at != "" {
		if plain, err := url.Parse("https://" + at); err == nil {
			name = plain.Hostname() // in lower case and ASCII
		}
	}
	if addr, err := netip.ParseAddr(name); err == nil {
		if addr.Is6() && !addr.Is4In6() {
			if block, err := addr.Prefix(64); err == nil {
				return block.String() // what one customer has
			}
		}
		return name
	}
	domain, err := publicsuffix.EffectiveTLDPlusOne(name)
	if err != nil {
		return name
	}
	return domain
}
