package safehttp

import "net/netip"

// special are the ranges within IPv4, and within IPv6's 2000::/3, that are not globally routable
// unicast by the IANA special-purpose address registries (RFC 6890), or that lead back to one that is
// not. Ranges that the registries call reachable but where no web server is are here too: anycast of
// relays and of DNS sinks, which is answered by a machine inside of many a network.
var special = [...]netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),        // this network; Linux dials 0.0.0.0 as loopback
	netip.MustParsePrefix("10.0.0.0/8"),       // private
	netip.MustParsePrefix("100.64.0.0/10"),    // carrier-grade NAT, and some clouds' metadata
	netip.MustParsePrefix("127.0.0.0/8"),      // loopback
	netip.MustParsePrefix("168.63.129.16/32"), // Azure's host agent: a public number, answered by the hypervisor
	netip.MustParsePrefix("169.254.0.0/16"),   // link-local, and most clouds' metadata
	netip.MustParsePrefix("172.16.0.0/12"),    // private
	netip.MustParsePrefix("192.0.0.0/24"),     // IETF protocol assignments
	netip.MustParsePrefix("192.0.2.0/24"),     // documentation
	netip.MustParsePrefix("192.31.196.0/24"),  // AS112, a sink for stray DNS
	netip.MustParsePrefix("192.52.193.0/24"),  // multicast tunnels (AMT)
	netip.MustParsePrefix("192.88.99.0/24"),   // 6to4 relay
	netip.MustParsePrefix("192.168.0.0/16"),   // private
	netip.MustParsePrefix("192.175.48.0/24"),  // AS112
	netip.MustParsePrefix("198.18.0.0/15"),    // benchmarks
	netip.MustParsePrefix("198.51.100.0/24"),  // documentation
	netip.MustParsePrefix("203.0.113.0/24"),   // documentation
	netip.MustParsePrefix("224.0.0.0/4"),      // multicast
	netip.MustParsePrefix("240.0.0.0/4"),      // reserved, broadcast

	netip.MustParsePrefix("2001::/23"),         // IETF protocol assignments: Teredo, ORCHID, benchmarks
	netip.MustParsePrefix("2001:db8::/32"),     // documentation
	netip.MustParsePrefix("2002::/16"),         // 6to4: any IPv4 address, private ones too
	netip.MustParsePrefix("2620:4f:8000::/48"), // AS112
	netip.MustParsePrefix("3fff::/20"),         // documentation
}

// globalUnicast is the only part of IPv6 that is handed out for global unicast (RFC 4291 §2.4). All
// else is refused with it: ::, ::1, IPv4-compatible ::/96, IPv4-translated ::ffff:0:0:0/96, NAT64
// 64:ff9b::/96 and 64:ff9b:1::/48, discard-only 100::/64, segment routing 5f00::/16, unique-local
// fc00::/7, link-local fe80::/10, site-local fec0::/10, multicast ff00::/8.
var globalUnicast = netip.MustParsePrefix("2000::/3")

// Public tells whether addr is globally routable unicast: what a stranger's server may have and our
// own network has not. An IPv4-mapped IPv6 address is judged as the IPv4 address that it is. The zero
// Addr and addresses with a zone are not public.
func Public(addr netip.Addr) bool {
	if !addr.IsValid() || addr.Zone() != "" {
		return false
	}
	addr = addr.Unmap()
	if addr.Is6() && !globalUnicast.Contains(addr) {
		return false
	}
	for _, p := range special {
		if p.Contains(addr) {
			return false
		}
	}
	return true
}

// public tells whether addr is [Public] and in none of the private ranges.
func public(addr netip.Addr, private []netip.Prefix) bool {
	if !Public(addr) {
		return false
	}
	addr = addr.Unmap()
	for _, p := range private {
		if p.Contains(addr) {
			return false
		}
	}
	return true
}
