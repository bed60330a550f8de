package activity_test

import (
	"strings"
	"testing"

	"github.com/fedihook/fedihook/activity"
)

func TestAuthorityIsHostAndPort(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, a, b string
		same       bool
	}{
		{"one host", "https://a.example/1", "https://a.example/2#x", true},
		{"case", "https://A.Example/1", "HTTPS://a.example/2", true},
		{"an international name", "https://bücher.example/1", "https://xn--bcher-kva.example/2", true},
		{"an IPv6 address", "https://[2001:DB8::1]/1", "https://[2001:db8::1]:443/2", true},
		{"too long", "https://a.example/" + strings.Repeat("x", 2<<10), "https://a.example/", false},
		{"default port written out", "https://a.example:443/1", "https://a.example", true},
		{"another port", "https://a.example:8443/1", "https://a.example/1", false},
		{"another scheme", "http://a.example/1", "https://a.example/1", false},
		{"a subdomain", "https://b.a.example/1", "https://a.example/1", false},
		{"a user name that looks like a host", "https://a.example@evil.example/1", "https://a.example/1", false},
		{"another scheme of both", "acct:a@a.example", "acct:a@a.example", false},
		{"no host", "https:///1", "https:///1", false},
		{"nothing", "", "", false},
		{"a backslash", `https://a.example\@evil.example/`, "https://a.example/", false},
		{"a control character", "https://a.example\n/", "https://a.example/", false},
	} {
		if got := activity.SameAuthority(c.a, c.b); got != c.same {
			t.Errorf("%s: SameAuthority(%q, %q) = %v, want %v", c.name, c.a, c.b, got, c.same)
		}
	}
}
