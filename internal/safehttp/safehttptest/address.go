package safehttptest

import (
	"fmt"
	"net/netip"
)

// Range is a kind of address, with some of its addresses: the first, the last and those between that
// were forgotten elsewhere.
type Range struct {
	Name  string
	Addrs []string
}

// Special returns what no stranger's server may be reached at: IANA's special-purpose registries of IPv4
// and IPv6 (RFC 6890) as of 2026, multicast, and what leads back to IPv4 by way of IPv6.
func Special() []Range {
	return []Range{
		{"this network", []string{"0.0.0.0", "0.0.0.1", "0.255.255.255"}},
		{"private", []string{"10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.0", "192.168.255.255"}},
		{"carrier-grade NAT", []string{"100.64.0.0", "100.100.100.200", "100.127.255.255"}},
		{"loopback", []string{"127.0.0.0", "127.0.0.1", "127.255.255.255", "::1"}},
		{"link-local", []string{"169.254.0.0", "169.254.255.255", "fe80::", "fe80::1", "febf:ffff::1"}},
		{"a cloud's metadata", []string{"169.254.169.254", "169.254.170.2", "168.63.129.16", "fd00:ec2::254"}},
		{"IETF protocol assignments", []string{"192.0.0.0", "192.0.0.8", "192.0.0.170", "192.0.0.255", "2001::", "2001:1::1", "2001:3::1", "2001:4:112::1", "2001:1ff:ffff::1"}},
		{"documentation", []string{"192.0.2.0", "192.0.2.255", "198.51.100.0", "198.51.100.255", "203.0.113.0", "203.0.113.255", "2001:db8::1", "2001:db8:ffff::1", "3fff::", "3fff:fff:ffff::1"}},
		{"AS112", []string{"192.31.196.0", "192.31.196.255", "192.175.48.0", "192.175.48.255", "2620:4f:8000::1"}},
		{"multicast tunnels", []string{"192.52.193.0", "192.52.193.255"}},
		{"6to4 relay", []string{"192.88.99.0", "192.88.99.1", "192.88.99.255"}},
		{"benchmarks", []string{"198.18.0.0", "198.19.255.255", "2001:2::1"}},
		{"multicast", []string{"224.0.0.0", "239.255.255.255", "ff00::", "ff02::1", "ffff:ffff::1"}},
		{"reserved", []string{"240.0.0.0", "255.255.255.254"}},
		{"broadcast", []string{"255.255.255.255"}},
		{"unspecified", []string{"::"}},
		{"IPv4 mapped into IPv6", []string{"::ffff:0.0.0.0", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:7f00:1"}},
		{"IPv4-compatible", []string{"::127.0.0.1", "::10.0.0.1", "::169.254.169.254", "::8.8.8.8"}},
		{"IPv4-translated", []string{"::ffff:0:127.0.0.1", "::ffff:0:8.8.8.8"}},
		{"NAT64", []string{"64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::8.8.8.8", "64:ff9b:1::1", "64:ff9b:1:ffff::10.0.0.1"}},
		{"6to4", []string{"2002::", "2002:7f00:1::1", "2002:a00:1::1", "2002:808:808::1"}},
		{"Teredo", []string{"2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:0:ffff:ffff::1"}},
		{"ORCHID", []string{"2001:10::1", "2001:1f:ffff::1", "2001:20::1", "2001:2f:ffff::1", "2001:30::1"}},
		{"discard-only", []string{"100::", "100::1", "100:0:0:1::1"}},
		{"segment routing", []string{"5f00::1"}},
		{"unique local", []string{"fc00::", "fc00::1", "fd12:3456::1", "fdff:ffff::1"}},
		{"site-local", []string{"fec0::", "fec0::1", "feff::1"}},
		{"with a zone", []string{"fe80::1%eth0", "2606:4700::1111%eth0", "::ffff:8.8.8.8%eth0"}},
	}
}

// Ordinary returns what a stranger's server may be reached at, the neighbours of each special range
// among them.
func Ordinary() []Range {
	return []Range{
		{"servers", []string{"1.1.1.1", "8.8.8.8", "93.184.216.34", "223.255.255.255", "2606:4700::1111", "2a01:4f8::1"}},
		{"just outside a special range", []string{"1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
			"168.63.129.15", "168.63.129.17", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.0.3.0",
			"192.31.195.255", "192.31.197.0", "192.52.192.255", "192.52.194.0", "192.88.98.255", "192.88.100.0", "192.167.255.255", "192.169.0.0",
			"192.175.47.255", "192.175.49.0", "198.17.255.255", "198.20.0.0", "198.51.99.255", "198.51.101.0", "203.0.112.255", "203.0.114.0",
			"2000::1", "2001:200::", "2001:db7:ffff::1", "2001:db9::", "2003::", "2620:4f:7fff::1", "2620:4f:8001::1", "3ffe:ffff::", "3fff:1000::"}},
		{"public IPv4 mapped into IPv6", []string{"::ffff:8.8.8.8", "::ffff:808:808"}},
	}
}

// Target is where a stranger may want us to send a request.
type Target struct {
	Name string
	Host string // as it stands in a URL, with a port if need be
	Addr string // what Host resolves to; "" if it is no name
}

// Targets returns everything that is to be refused: each special address as it is and behind a name of
// its own, other spellings of addresses, and ports and names that are nobody's server.
func Targets() []Target {
	var targets []Target
	for _, r := range Special() {
		for _, text := range r.Addrs {
			host := text
			if addr := netip.MustParseAddr(text); addr.Zone() != "" {
				host = "[" + addr.WithZone("").String() + "%25" + addr.Zone() + "]"
			} else if addr.Is6() {
				host = "[" + text + "]"
			}
			targets = append(targets,
				Target{Name: r.Name + ": " + text, Host: host},
				Target{Name: r.Name + ": a name of " + text, Host: fmt.Sprintf("h%d.example", len(targets)), Addr: text})
		}
	}
	for _, host := range []string{
		"127.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.0.0.1.", "[::ffff:7f00:1]:8443",
		"localhost", "db.localhost", "printer.local", "vault.internal", "hidden.onion", "eepsite.i2p",
	} {
		targets = append(targets, Target{Name: "the host " + host, Host: host, Addr: "93.184.216.34"})
	}
	for i, port := range []string{"22", "25", "80", "110", "1023", "0"} {
		targets = append(targets, Target{Name: "port " + port, Host: fmt.Sprintf("p%d.example:%s", i, port), Addr: "93.184.216.34"})
	}
	return targets
}
