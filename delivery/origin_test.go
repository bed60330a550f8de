package delivery

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestOriginsAreWrittenOneWay(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"https://a.example/inbox":             "https://a.example",
		"HTTPS://A.Example:443/inbox?x=1":     "https://a.example",
		"https://a.example:0443":              "https://a.example",
		"https://a.example:80/":               "https://a.example:80",
		"http://a.example:80/":                "http://a.example",
		"http://127.0.0.1:8080/":              "http://127.0.0.1:8080",
		"https://[2001:DB8::1]/":              "https://[2001:db8::1]",
		"https://[2001:db8::1]:8443/":         "https://[2001:db8::1]:8443",
		"https://a.example:/":                 "",
		"https://a.example:65536/":            "",
		"https://a.example:-1/":               "",
		"https://user@a.example/":             "",
		"https://a.example/#inbox":            "",
		"https://a.example/\x00":              "",
		"https://ä.example/":                  "",
		"https://aaaa%8000/":                  "",
		"https://[fe80::1%25eth0]/":           "",
		"https://[fe80::1%25a%20b]/":          "",
		"javascript:alert(1)":                 "",
		"https://" + strings.Repeat("a", 300): "",
	} {
		origin, authority, ok := originOf(raw)
		if !ok {
			origin = ""
		}
		if origin != want || ok && authorityOf(origin) != authority {
			t.Errorf("%q has origin %q (%q), want %q", raw, origin, authority, want)
		}
	}
}

func FuzzOrigin(f *testing.F) {
	for _, s := range []string{"https://a.example:443/x", "http://[::1]:80", "http://aaaa%8000", "http://[fe80::1%25a]", "https://a%20b/", "https://A:1/?#"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		origin, authority, ok := originOf(raw)
		if !ok {
			return
		}
		// A lane's name names itself, and what was accepted can be posted to.
		if again, _, ok := originOf(origin); !ok || again != origin {
			t.Fatalf("%q has origin %q, which has %q, %v", raw, origin, again, ok)
		}
		scheme, _, _ := strings.Cut(origin, "://")
		if again, ok := normalAuthority(scheme, authority); !ok || again != authority {
			t.Fatalf("%q has authority %q, which is written %q, %v", raw, authority, again, ok)
		}
		if _, err := http.NewRequest(http.MethodPost, raw, nil); err != nil {
			t.Fatalf("%q was accepted: %v", raw, err)
		}
	})
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"120", "Sat, 01 Jan 2000 00:10:00 GMT", "-1", "1e9", "99999999999999999999"} {
		f.Add(s)
	}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, value string) {
		wait, asked := (Policy{}).withDefaults().retryAfter(http.Header{"Retry-After": {value}}, now)
		if asked && (wait < time.Second || wait > 24*time.Hour) || !asked && wait != 0 {
			t.Fatalf("%q: %v, %v", value, wait, asked)
		}
	})
}

func TestHostsWaitLongerEachTime(t *testing.T) {
	t.Parallel()
	for _, r := range []float64{0, 0.5, 0.999} {
		p := Policy{Rand: func() float64 { return r }}.withDefaults()
		last, total := time.Duration(0), time.Duration(0)
		tries := 0
		for n := 1; n <= 1000; n++ {
			d := p.HostDelay(n)
			if d < last || d < 10*time.Second || d > 12*time.Hour {
				t.Fatalf("after %d failures %v, before %v", n, d, last)
			}
			if last = d; total < 24*time.Hour {
				tries++
			}
			total += d
		}
		if tries < 14 || tries > 25 {
			t.Errorf("%d tries on the first day", tries)
		}
		if d := p.HostDelay(-1); d < 10*time.Second {
			t.Errorf("%v for nonsense", d)
		}
	}
}

func TestItemsAreGivenUpWithinADay(t *testing.T) {
	t.Parallel()
	for _, r := range []float64{0, 0.999} {
		p := Policy{Rand: func() float64 { return r }}.withDefaults()
		total := time.Duration(0)
		n := 1
		for ; ; n++ {
			d, more := p.ItemDelay(n)
			if !more {
				break
			}
			total += d
		}
		if n != 7 || total < 20*time.Hour || total > 24*time.Hour {
			t.Errorf("%d attempts over %v", n, total)
		}
	}
}
