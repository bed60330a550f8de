package actor

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/fedihook/fedihook/activity"
)

// What a stranger's header and page lead to is an absolute URL that could be asked for, or nothing.

func FuzzAlternateInHeader(f *testing.F) {
	f.Add(`<https://b.test/u>; rel="alternate"; type="application/activity+json"`)
	f.Add(`<a>; rel=x; title="\"", <b>;rel=alternate ; type = "application/ld+json; profile=\"https://www.w3.org/ns/activitystreams\""`)
	f.Add(`<;;,=">"`)
	f.Fuzz(func(t *testing.T, field string) {
		checkAlternate(t, answer{from: "https://a.test/@x", link: []string{field}})
		// What a field says is not changed by one behind it that has nothing to do with it.
		href, ok := alternateInHeader([]string{field})
		if again, okAgain := alternateInHeader([]string{field, `</x.css>; rel=preload`}); ok && (again != href || !okAgain) && len(field) < maxLinkHeader-100 {
			t.Errorf("%q, then %q", href, again)
		}
	})
}

func FuzzAlternateInHTML(f *testing.F) {
	f.Add(`<!doctype html><head><base href=/b/><link rel=alternate type="application/activity+json" href=u>`)
	f.Add(`<link rel="alternate" type='application/ld+json; profile="https://www.w3.org/ns/activitystreams"' href="//b.test/u"/><body>`)
	f.Add(`<svg><title><link></title><script><!--`)
	f.Fuzz(func(t *testing.T, page string) {
		checkAlternate(t, answer{from: "https://a.test/@x", contentType: "text/html", body: []byte(page)})
		lie := `<body><link rel=alternate type="application/activity+json" href="https://lie.test/">`
		if href, ok := alternateInHTML(&url.URL{Scheme: "https", Host: "a.test"}, []byte(lie+page)); ok {
			t.Errorf("after the head: %q", href)
		}
	})
}

func checkAlternate(t *testing.T, a answer) {
	if to := alternate(a); to != "" {
		if _, ok := activity.Authority(to); !ok || !validURL(to) {
			t.Errorf("leads to %q", to)
		}
	}
}

func FuzzLRDD(f *testing.F) {
	f.Add([]byte(`<XRD xmlns="http://docs.oasis-open.org/ns/xri/xrd-1.0"><Link rel="lrdd" template="https://b.test/?r={uri}"/></XRD>`))
	f.Add([]byte(`{"links":[{"rel":"lrdd","template":"https://b.test/?r={uri}"}]}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		template, err := lrdd(doc)
		if (err == nil) != strings.Contains(template, "{uri}") || err != nil && !errors.Is(err, ErrMalformed) {
			t.Errorf("%q, %v", template, err)
		}
	})
}

func FuzzNodeInfo(f *testing.F) {
	f.Add([]byte(`{"software":{"name":"x","version":"1"},"usage":{"users":{"total":1}}}`))
	f.Add([]byte(`{"links":[{"rel":"http://nodeinfo.diaspora.software/ns/schema/2.0","href":"https://b.test/"}]}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		s, err := parseNodeInfo(doc)
		if err != nil && !errors.Is(err, ErrMalformed) {
			t.Error(err)
		}
		if err == nil && s.Name == "" || len(s.Name) > maxName || len(s.Version) > maxName || !utf8.ValidString(s.Name+s.Version) || s.Users < -1 {
			t.Errorf("%+v, %v", s, err)
		}
		for _, address := range []string{s.Repository, s.Homepage} {
			if address != "" && !validURL(address) {
				t.Errorf("address %q", address)
			}
		}
		if href, app := nodeInfoLinks(doc); href != "" && !validURL(href) || app != "" && !validURL(app) {
			t.Errorf("links %q, %q", href, app)
		}
	})
}

func TestRegistrableDomains(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"a.b.example.co.uk": "example.co.uk", "EXAMPLE.com:8443": "example.com", "localhost": "localhost", "192.0.2.1": "192.0.2.1",
		"[2001:db8:1:2::1]": "2001:db8:1:2::/64", "[2001:db8:1:2:ffff::9]:8443": "2001:db8:1:2::/64", "co.uk": "co.uk",
		"x.bücher.example": "xn--bcher-kva.example", "a.test": "a.test",
	} {
		if got := registrable(&url.URL{Scheme: "https", Host: host}); got != want {
			t.Errorf("%s: %s, want %s", host, got, want)
		}
	}
}
