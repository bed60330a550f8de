package safehttp_test

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/fedihook/fedihook/internal/safehttp"
	"github.com/fedihook/fedihook/internal/safehttp/safehttptest"
)

func TestOnlyGloballyRoutableUnicastIsPublic(t *testing.T) {
	t.Parallel()
	for public, ranges := range map[bool][]safehttptest.Range{true: safehttptest.Ordinary(), false: safehttptest.Special()} {
		for _, r := range ranges {
			for _, addr := range r.Addrs {
				if got := safehttp.Public(netip.MustParseAddr(addr)); got != public {
					t.Errorf("%s: Public(%s) = %v, want %v", r.Name, addr, got, public)
				}
			}
		}
	}
	if safehttp.Public(netip.Addr{}) {
		t.Error("the zero Addr is public")
	}
}

// The table that every room runs, against the Transport alone.
func TestNothingThatIsNoStrangersServerIsDialed(t *testing.T) {
	t.Parallel()
	n := safehttptest.NewNet(t)
	client := n.Client(t)
	for _, to := range n.NameTargets() {
		_, err := read(t, client, "https://"+to.Host+"/")
		if err == nil {
			t.Errorf("%s: there was an answer", to.Name)
		}
		// net/url refuses some by itself.
		if got := n.Dialed(); len(got) != 0 {
			t.Fatalf("%s: dialed %v", to.Name, got)
		}
	}
	n.Name("a.example", []string{"93.184.216.34"})
	if _, err := read(t, client, "https://a.example/"); !errors.Is(err, safehttptest.ErrNoServer) || len(n.Dialed()) != 1 {
		t.Errorf("a stranger's server: %v after dialling %v", err, n.Dialed())
	}
}

func TestARangeMayBePrivateByConfiguration(t *testing.T) {
	t.Parallel()
	n := safehttptest.NewNet(t)
	config := n.Config()
	config.Private = []netip.Prefix{netip.MustParsePrefix("93.184.216.0/24"), netip.MustParsePrefix("2a01:4f8:64::/96")}
	client := newClient(t, config)
	n.Name("inside.example", []string{"93.184.216.34", "2a01:4f8:64::a00:1"})
	n.Name("both.example", []string{"93.184.216.34", "93.184.217.1"})
	for _, host := range []string{"inside.example", "93.184.216.34", "[::ffff:93.184.216.1]", "[2a01:4f8:64::a00:1]"} {
		_, err := read(t, client, "https://"+host+"/")
		wantRefused(t, err, "public address")
	}
	if got := n.Dialed(); len(got) != 0 {
		t.Errorf("dialed %v", got)
	}
	if _, err := read(t, client, "https://both.example/"); !errors.Is(err, safehttptest.ErrNoServer) {
		t.Errorf("error is %v", err)
	}
	if got := n.Dialed(); len(got) != 1 || got[0] != "93.184.217.1:443" {
		t.Errorf("dialed %v", got)
	}
}

func FuzzPublic(f *testing.F) {
	for _, s := range []string{"127.0.0.1", "::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "93.184.216.34", "2606:4700::1111"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return
		}
		// Whatever form an address is written in, it is judged as the one that would be dialled.
		if addr.Zone() == "" && safehttp.Public(addr) != safehttp.Public(addr.Unmap()) {
			t.Fatalf("%s and %s differ", addr, addr.Unmap())
		}
		if safehttp.Public(addr) && (addr.IsPrivate() || addr.IsLoopback() || addr.IsLinkLocalUnicast() || addr.IsMulticast() || addr.IsUnspecified() || !addr.IsGlobalUnicast()) {
			t.Fatalf("%s is public", addr)
		}
	})
}
