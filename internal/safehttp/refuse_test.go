package safehttp_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fedihook/fedihook/internal/safehttp"
)

func TestURLsThatNoServerOfTheFediverseHasAreRefusedBeforeAnythingIsDialed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, url, reason string }{
		{"http", "http://a.example/", "scheme"},
		{"ftp", "ftp://a.example/", "scheme"},
		{"file", "file:///etc/passwd", "scheme"},
		{"no scheme", "//a.example/", "scheme"},
		{"no authority", "https:a.example", "no authority"},
		{"no host", "https:///path", "host name"},
		{"only a port", "https://:443/", "host name"},
		{"user", "https://user@a.example/", "user name"},
		{"user and password", "https://user:secret@a.example/", "user name"},
		{"empty user", "https://@a.example/", "user name"},
		{"mail port", "https://a.example:25/", "port 25"},
		{"ssh port", "https://a.example:22/", "port 22"},
		{"http port", "https://a.example:80/", "port 80"},
		{"last privileged port", "https://a.example:1023/", "port 1023"},
		{"port zero", "https://a.example:0/", "no such port"},
		{"port beyond the last", "https://a.example:65536/", "no such port"},
		{"empty port", "https://a.example:/", "no such port"},
		{"loopback", "https://127.0.0.1/", "public"},
		{"loopback elsewhere", "https://127.9.9.9:8443/", "public"},
		{"loopback IPv6", "https://[::1]/", "public"},
		{"mapped loopback", "https://[::ffff:127.0.0.1]/", "public"},
		{"mapped loopback in hex", "https://[::ffff:7f00:1]/", "public"},
		{"unspecified", "https://0.0.0.0/", "public"},
		{"metadata", "https://169.254.169.254/latest/meta-data/", "public"},
		{"private", "https://10.1.2.3/", "public"},
		{"zone", "https://[fe80::1%25eth0]/", "host name"},
		{"short IPv4", "https://127.1/", "host name"},
		{"decimal IPv4", "https://2130706433/", "host name"},
		{"hexadecimal IPv4", "https://0x7f000001/", "host name"},
		{"hexadecimal last byte", "https://127.0.0.0x1/", "host name"},
		{"octal IPv4", "https://0177.0.0.1/", "host name"},
		{"full-width IPv4", "https://\uff11\uff12\uff17.0.0.1/", "host name"},
		{"final dot", "https://a.example./", "host name"},
		{"empty label", "https://a..example/", "host name"},
		{"long label", "https://" + strings.Repeat("a", 64) + ".example/", "host name"},
		{"long name", "https://" + strings.Repeat("a.", 126) + "example/", "host name"},
		{"odd characters", "https://a$b.example/", "host name"},
		{"percent", "https://a%2fb.example/", "host name"},
		{"space in the query", "https://a.example/?a b", "spaces"},
		{"long URL", "https://a.example/" + strings.Repeat("a", 9000), "longer than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			network := &noNetwork{}
			client := newClient(t, safehttp.Config{Dial: network.dial, Lookup: lookupAll("93.184.216.34")})
			u, err := url.Parse(c.url)
			if err != nil {
				// net/url is stricter than it was, or will be: what it refuses can't get here.
				u = &url.URL{Scheme: "https", Host: strings.TrimSuffix(strings.TrimPrefix(c.url, "https://"), "/"), Path: "/"}
			}
			// The Transport alone: http.Client would refuse some of these by itself.
			req := &http.Request{Method: http.MethodGet, URL: u, Header: http.Header{}}
			resp, err := client.Transport.RoundTrip(req)
			if err == nil {
				resp.Body.Close()
			}
			wantRefused(t, err, c.reason)
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error shows a password: %v", err)
			}
			if got := network.addresses(); len(got) != 0 {
				t.Errorf("dialed %v", got)
			}
		})
	}
}

func TestOrdinaryURLsAreDialed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, url, address string }{
		{"plain", "https://a.example/", "93.184.216.34:443"},
		{"default port", "https://a.example:443/", "93.184.216.34:443"},
		{"other port", "https://a.example:8443/users/a?b=c%20d#main-key", "93.184.216.34:8443"},
		{"upper case", "https://A.EXAMPLE/", "93.184.216.34:443"},
		{"internationalised", "https://bücher.example/", "93.184.216.34:443"},
		{"underscore", "https://a_b.example/", "93.184.216.34:443"},
		{"public IPv4", "https://1.1.1.1/", "1.1.1.1:443"},
		{"public IPv6", "https://[2606:4700::1111]/", "[2606:4700::1111]:443"},
		{"escaped newline in the path", "https://a.example/a%0Ab", "93.184.216.34:443"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			network := &noNetwork{}
			client := newClient(t, safehttp.Config{Dial: network.dial, Lookup: lookupAll("93.184.216.34")})
			_, err := read(t, client, c.url)
			if !errors.Is(err, errNoNetwork) {
				t.Fatalf("error is %v", err)
			}
			if got := network.addresses(); len(got) != 1 || got[0] != c.address {
				t.Fatalf("dialed %v, want %s", got, c.address)
			}
		})
	}
}

func TestANameThatResolvesToPrivateAddressesIsRefused(t *testing.T) {
	t.Parallel()
	network := &noNetwork{}
	client := newClient(t, safehttp.Config{Dial: network.dial, Lookup: lookupAll("127.0.0.1", "10.0.0.1", "::1", "::ffff:192.168.0.1")})
	_, err := read(t, client, "https://a.example/")
	wantRefused(t, err, "no public address")
	if got := network.addresses(); len(got) != 0 {
		t.Errorf("dialed %v", got)
	}
}

func TestPrivateAddressesAmongPublicOnesAreNotDialed(t *testing.T) {
	t.Parallel()
	network := &noNetwork{}
	client := newClient(t, safehttp.Config{Dial: network.dial, Lookup: lookupAll(
		"127.0.0.1", "1.1.1.1", "::1", "2606:4700::1", "10.0.0.1", "1.1.1.2", "1.1.1.3", "2606:4700::2", "2606:4700::3")})
	if _, err := read(t, client, "https://a.example/"); !errors.Is(err, errNoNetwork) {
		t.Fatal(err)
	}
	want := "[2606:4700::1]:443 1.1.1.1:443 [2606:4700::2]:443 1.1.1.2:443"
	if got := strings.Join(network.addresses(), " "); got != want {
		t.Fatalf("dialed %s, want two of each family: %s", got, want)
	}
}

func TestANameThatResolvesDifferentlyTheSecondTimeGainsNothing(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	network := &noNetwork{}
	client := newClient(t, safehttp.Config{Dial: network.dial, Lookup: func(context.Context, string) ([]netip.Addr, error) {
		if asked.Add(1) == 1 {
			return []netip.Addr{netip.MustParseAddr("93.184.216.34")}, nil
		}
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}})
	// One answer serves for the check and for dialling both.
	if _, err := read(t, client, "https://rebind.example/"); !errors.Is(err, errNoNetwork) {
		t.Fatal(err)
	}
	if n := asked.Load(); n != 1 {
		t.Fatalf("one request looked the name up %d times", n)
	}
	_, err := read(t, client, "https://rebind.example/")
	wantRefused(t, err, "no public address")
	if got := network.addresses(); len(got) != 1 || got[0] != "93.184.216.34:443" {
		t.Fatalf("dialed %v", got)
	}
}

func TestAHostHeaderForAnotherHostIsRefused(t *testing.T) {
	t.Parallel()
	network := &noNetwork{}
	client := newClient(t, safehttp.Config{Dial: network.dial, Lookup: lookupAll("93.184.216.34")})
	for host, refused := range map[string]bool{
		"blocked.example": true, "a.example:8443": true, "a.example ": true,
		"": false, "A.example": false, "a.example:443": false,
	} {
		req, err := http.NewRequest(http.MethodGet, "https://a.example/", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		_, err = client.Transport.RoundTrip(req)
		if got := errors.Is(err, safehttp.ErrRefused); got != refused {
			t.Errorf("Host %q: error is %v", host, err)
		}
	}
}

func TestAllowIsAskedForTheAuthorityAndItsErrorComesBack(t *testing.T) {
	t.Parallel()
	errBlocked := errors.New("blocked here")
	network := &noNetwork{}
	asked := ""
	client := newClient(t, safehttp.Config{Dial: network.dial, Allow: func(_ context.Context, host string) error {
		asked = host
		return errBlocked
	}})
	for from, want := range map[string]string{
		"https://A.Example/x":            "a.example",
		"https://a.example:443/":         "a.example",
		"https://a.example:8443/":        "a.example:8443",
		"https://bücher.example/":        "xn--bcher-kva.example",
		"https://[2606:4700::1]/":        "[2606:4700::1]",
		"https://[2606:4700:0::1]:1443/": "[2606:4700::1]:1443",
		"https://[::ffff:1.1.1.1]/":      "1.1.1.1",
	} {
		_, err := read(t, client, from)
		if !errors.Is(err, errBlocked) || asked != want {
			t.Errorf("%s: Allow was asked about %q, want %q; error is %v", from, asked, want, err)
		}
	}
	if got := network.addresses(); len(got) != 0 {
		t.Errorf("dialed %v", got)
	}
}

func TestARefusedRequestClosesItsBody(t *testing.T) {
	t.Parallel()
	client := newClient(t, safehttp.Config{})
	closed := make(chan struct{})
	req, err := http.NewRequest(http.MethodPost, "http://a.example/", closer{strings.NewReader("x"), closed})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Transport.RoundTrip(req)
	wantRefused(t, err, "scheme")
	select {
	case <-closed:
	default:
		t.Fatal("the body is still open")
	}
}

type closer struct {
	io.Reader
	closed chan struct{}
}

func (c closer) Close() error { close(c.closed); return nil }

func TestNewNamesTheFieldThatIsWrong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		config safehttp.Config
		want   string
	}{
		{"negative timeout", safehttp.Config{Timeout: -1}, "Config.Timeout"},
		{"negative body", safehttp.Config{MaxBody: -1}, "Config.MaxBody"},
		{"negative connections", safehttp.Config{MaxConnsPerHost: -1}, "Config.MaxConnsPerHost"},
		{"negative idle connections", safehttp.Config{MaxIdlePerHost: -1}, "Config.MaxIdlePerHost"},
		{"negative idle connections in all", safehttp.Config{MaxIdle: -1}, "Config.MaxIdle "},
		{"negative idle time", safehttp.Config{IdleTimeout: -1}, "Config.IdleTimeout"},
		{"negative time to connect", safehttp.Config{ConnectTimeout: -1}, "Config.ConnectTimeout"},
		{"negative time for TLS", safehttp.Config{TLSTimeout: -1}, "Config.TLSTimeout"},
		{"negative time for the header", safehttp.Config{HeaderTimeout: -1}, "Config.HeaderTimeout"},
		{"negative header", safehttp.Config{MaxHeader: -1}, "Config.MaxHeader"},
		{"negative ratio", safehttp.Config{MaxRatio: -1}, "Config.MaxRatio"},
		{"a range that is none", safehttp.Config{Private: []netip.Prefix{{}}}, "Config.Private"},
		{"a mapped range", safehttp.Config{Private: []netip.Prefix{netip.MustParsePrefix("::ffff:10.0.0.0/104")}}, "Config.Private"},
		{"a proxy of another kind", safehttp.Config{Proxy: &url.URL{Scheme: "socks5", Host: "proxy.lan"}}, "Config.Proxy"},
		{"a proxy without a host", safehttp.Config{Proxy: &url.URL{Scheme: "http"}}, "Config.Proxy"},
		{"line break in the user agent", safehttp.Config{UserAgent: "a\r\nX: y"}, "Config.UserAgent"},
		{"loopback to a public address", safehttp.Config{InsecureAllowLoopback: map[string]string{"a.test": "1.1.1.1:80"}}, "not a loopback address"},
		{"loopback to a private address", safehttp.Config{InsecureAllowLoopback: map[string]string{"a.test": "10.0.0.1"}}, "not a loopback address"},
		{"loopback to everywhere", safehttp.Config{InsecureAllowLoopback: map[string]string{"a.test": "0.0.0.0:80"}}, "not a loopback address"},
		{"loopback to a name", safehttp.Config{InsecureAllowLoopback: map[string]string{"a.test": "localhost:80"}}, "not an IP address"},
		{"loopback to port zero", safehttp.Config{InsecureAllowLoopback: map[string]string{"a.test": "127.0.0.1:0"}}, "port 0"},
		{"loopback of no host", safehttp.Config{InsecureAllowLoopback: map[string]string{"": "127.0.0.1"}}, "not a host"},
		{"loopback of a URL", safehttp.Config{InsecureAllowLoopback: map[string]string{"http://a.test": "127.0.0.1"}}, "not a host"},
	} {
		client, err := safehttp.New(c.config)
		if err == nil || client != nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want %q", c.name, err, c.want)
		}
	}
}

// Whatever URL a stranger writes: what gets dialled is a public address at a permitted port.
func FuzzURL(f *testing.F) {
	for _, s := range []string{"https://a.example/", "https://[::ffff:7f00:1]:8443/x?y", "https://127.1", "HTTPS://0x7f.1:22", "https://a.example:25/", "https://bücher.example@b"} {
		f.Add(s, "93.184.216.34")
		f.Add(s, "127.0.0.1")
	}
	f.Fuzz(func(t *testing.T, raw, resolved string) {
		req, err := http.NewRequest(http.MethodGet, raw, nil)
		if err != nil {
			return
		}
		addr, err := netip.ParseAddr(resolved)
		if err != nil {
			return
		}
		client, err := safehttp.New(safehttp.Config{
			Lookup: func(context.Context, string) ([]netip.Addr, error) { return []netip.Addr{addr}, nil },
			Dial: func(_ context.Context, _, address string) (net.Conn, error) {
				to, err := netip.ParseAddrPort(address)
				if err != nil {
					t.Errorf("%q is dialed at %q", raw, address)
				}
				if !safehttp.Public(to.Addr()) || to.Port() != 443 && to.Port() < 1024 {
					t.Errorf("%q is dialed at %s", raw, to)
				}
				return nil, errNoNetwork
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Transport.RoundTrip(req)
		if err == nil {
			resp.Body.Close()
			t.Fatalf("%q got an answer from nowhere", raw)
		}
		if !errors.Is(err, safehttp.ErrRefused) && !errors.Is(err, errNoNetwork) {
			t.Fatalf("%q: error is %v", raw, err)
		}
	})
}
