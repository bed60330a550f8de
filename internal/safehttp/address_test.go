package safehttp_test

import (
	"net/netip"
	"testing"

	"github.com/fedihook/fedihook/internal/safehttp"
)

func TestOnlyGloballyRoutableUnicastIsPublic(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		addrs  []string
		public bool
	}{
		{"servers", []string{"1.1.1.1", "8.8.8.8", "93.184.216.34", "223.255.255.255", "2606:4700::1111", "2a01:4f8::1", "2620:4f:8000::1"}, true},
		{"just outside a special range", []string{"9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.0.3.0", "192.88.98.255", "192.88.100.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "198.51.99.255", "198.51.101.0", "203.0.112.255", "203.0.114.0", "168.63.129.15", "168.63.129.17", "2001:200::", "2001:db7:ffff::1", "2001:db9::", "2003::", "3ffe:ffff::", "3fff:1000::"}, true},
		{"public IPv4 mapped into IPv6", []string{"::ffff:8.8.8.8", "::ffff:808:808"}, true},

		{"this network", []string{"0.0.0.0", "0.255.255.255"}, false},
		{"RFC 1918", []string{"10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.0", "192.168.255.255"}, false},
		{"carrier-grade NAT", []string{"100.64.0.0", "100.100.100.200", "100.127.255.255"}, false},
		{"loopback", []string{"127.0.0.0", "127.0.0.1", "127.255.255.255", "::1"}, false},
		{"link-local and cloud metadata", []string{"169.254.0.0", "169.254.169.254", "169.254.255.255", "168.63.129.16", "fe80::1", "febf::1", "fd00:ec2::254"}, false},
		{"protocol assignments", []string{"192.0.0.0", "192.0.0.255", "2001::", "2001:1ff:ffff::1"}, false},
		{"documentation", []string{"192.0.2.1", "198.51.100.1", "203.0.113.255", "2001:db8::1", "3fff::1", "3fff:fff::1"}, false},
		{"6to4 relay", []string{"192.88.99.0", "192.88.99.255"}, false},
		{"benchmarks", []string{"198.18.0.0", "198.19.255.255", "2001:2::1"}, false},
		{"multicast", []string{"224.0.0.0", "239.255.255.255", "ff00::", "ff02::1", "ffff::"}, false},
		{"reserved and broadcast", []string{"240.0.0.0", "255.255.255.254", "255.255.255.255"}, false},
		{"unspecified", []string{"::"}, false},
		{"private IPv4 mapped into IPv6", []string{"::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0.0.0.0"}, false},
		{"IPv4-compatible", []string{"::127.0.0.1", "::8.8.8.8", "::10.0.0.1"}, false},
		{"NAT64", []string{"64:ff9b::127.0.0.1", "64:ff9b::8.8.8.8", "64:ff9b:1::1"}, false},
		{"6to4", []string{"2002::", "2002:7f00:1::1", "2002:808:808::1"}, false},
		{"Teredo", []string{"2001::1", "2001:0:ffff:ffff::1"}, false},
		{"ORCHID", []string{"2001:10::1", "2001:1f:ffff::1", "2001:20::1", "2001:2f:ffff::1"}, false},
		{"discard-only", []string{"100::1"}, false},
		{"segment routing", []string{"5f00::1"}, false},
		{"unique local", []string{"fc00::", "fdff:ffff::1"}, false},
		{"site-local", []string{"fec0::1"}, false},
		{"with a zone", []string{"fe80::1%eth0", "2606:4700::1111%eth0", "::ffff:8.8.8.8%eth0"}, false},
	} {
		for _, addr := range c.addrs {
			if got := safehttp.Public(netip.MustParseAddr(addr)); got != c.public {
				t.Errorf("%s: Public(%s) = %v, want %v", c.name, addr, got, c.public)
			}
		}
	}
	if safehttp.Public(netip.Addr{}) {
		t.Error("the zero Addr is public")
	}
}
