package actor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/internal/safehttp"
	"github.com/fedihook/fedihook/internal/safehttp/safehttptest"
	"github.com/fedihook/fedihook/signature"
)

// notInside asks for an actor, a key, a handle and a URL at every one of these addresses, as it is and
// behind a name, and by a redirect from a server that is honest to begin with.
func notInside(t *testing.T, addresses ...string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := safehttptest.NewNet(t)
		n.Name("honest.example", []string{n.Serve(t, "93.184.216.34", bobAt(t, "https://honest.example/users/bob"))})
		r := resolver(t, actor.ResolverConfig{Client: n.Client(t)})
		ask := func(host string) []error {
			_, one := r.Actor(t.Context(), "https://"+host+"/users/bob")
			_, two := r.PublicKey(t.Context(), "https://"+host+"/users/bob#main-key")
			_, three := r.Lookup(t.Context(), "@bob@"+host)
			_, four := r.Lookup(t.Context(), "https://"+host+"/@bob")
			return []error{one, two, three, four}
		}
		for i, err := range ask("honest.example") {
			if err != nil {
				t.Fatalf("an honest server, way %d: %v", i, err)
			}
		}
		before := len(n.Dialed())
		if before == 0 {
			t.Fatal("the honest server was not dialled")
		}
		n.Name("redirects.example", []string{n.Serve(t, "93.184.217.1", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https:/"+r.URL.Path, http.StatusFound)
		}))})
		led := resolver(t, actor.ResolverConfig{Client: n.Client(t), Key: ourKey})
		for i, address := range addresses {
			name, literal := fmt.Sprintf("h%d.example", i), address
			if strings.Contains(address, ":") {
				literal = "[" + address + "]"
			}
			n.Serve(t, address, bobAt(t, "https://"+name+"/users/bob"))
			n.Name(name, []string{address})
			for _, host := range []string{literal, name} {
				for way, err := range ask(host) {
					if err == nil {
						t.Errorf("%s: way %d got an answer", host, way)
					}
				}
			}
			if _, err := led.Lookup(t.Context(), "https://redirects.example/"+name+"/users/bob"); !errors.Is(err, safehttp.ErrRefused) {
				t.Errorf("a redirect to %s: %v", address, err)
			}
		}
		for _, address := range n.Dialed()[before:] {
			if address != "93.184.217.1:443" {
				t.Errorf("dialled %s", address)
			}
		}
	})
}

// mastodonMissed is what Mastodon's lists of addresses lacked, by and by until 4.6.4: the unspecified address
// and IPv4 inside of IPv6 in each of its forms. Each advisory's test runs all of it.
func mastodonMissed() []string {
	return []string{
		"::", "0.0.0.0", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:0.0.0.0", "::ffff:169.254.169.254",
		"64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b:1::10.0.0.1",
		"::127.0.0.1", "::10.0.0.1", "::169.254.169.254", "::192.168.0.1",
	}
}

func TestCVE_2026_22245_IPv4InsideOfIPv6IsNotAsked(t *testing.T) {
	t.Parallel()
	notInside(t, mastodonMissed()...)
}

func TestCVE_2026_46348_MappedAndTranslatedAddressesAreNotAsked(t *testing.T) {
	t.Parallel()
	notInside(t, append(mastodonMissed(), "::ffff:0:127.0.0.1", "64:ff9b:1:ffff::10.0.0.1")...)
}

func TestCVE_2026_47389_CompatibleAddressesAreNotAsked(t *testing.T) {
	t.Parallel()
	notInside(t, append(mastodonMissed(), "::2", "::1:0:0", "::ac10:1")...)
}

// The list here is none of what is forbidden: of IPv6 nothing but 2000::/3 is asked.
func TestGHSA_vwhj_3g83_v276_NothingButGlobalUnicastIsAsked(t *testing.T) {
	t.Parallel()
	notInside(t, append(mastodonMissed(), "::1", "100::1", "100:0:0:1::1", "1000::1", "4000::1", "5f00::1", "fc00::1", "fe80::1", "fec0::1", "ff02::1")...)
}

// Fedify let special ranges of IPv4 through, and IPv6 that leads to IPv4.
func TestCVE_2026_50131_SpecialRangesAndTransitionAddressesAreNotAsked(t *testing.T) {
	t.Parallel()
	notInside(t, "100.64.0.1", "192.0.0.8", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
		"64:ff9b::7f00:1", "2001::1", "2001:0:4136:e378:8000:63bf:80ff:fffe", "2002:7f00:1::1", "2002:a00:1::1")
}

// Lemmy's activitypub-federation had no list at first.
func TestCVE_2025_25194_PrivateAddressesAreNotAsked(t *testing.T) {
	t.Parallel()
	notInside(t, "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "::1", "fc00::1")
}

// And then one without 0.0.0.0, which Linux takes for loopback.
func TestCVE_2026_33693_TheUnspecifiedAddressIsNotAsked(t *testing.T) {
	t.Parallel()
	notInside(t, "0.0.0.0", "0.0.0.1", "::")
}

// Fedify followed redirects of a key without end, and did not remember that it had failed.
func TestCVE_2026_34148_RedirectsEndAndFailuresAreRemembered(t *testing.T) {
	t.Parallel()
	p := newPeers()
	site := people(t, "evil.test", named(t, mallory, nil)).put("/loop", page{to: "/loop"}).put("/a", page{to: "/b"}).put("/b", page{to: "/a"}).
		put("/moved", page{to: "/elsewhere"}).json("/elsewhere", named(t, "http://evil.test/moved", nil))
	p.serve(t, "evil.test", site)
	r := p.resolver(t, actor.ResolverConfig{})
	if _, err := r.PublicKey(t.Context(), "http://evil.test/moved#main-key"); err != nil {
		t.Fatalf("one honest redirect: %v", err)
	}
	for _, path := range []string{"/loop", "/a"} {
		before := len(p.all())
		for range 50 {
			if k, err := r.PublicKey(t.Context(), "http://evil.test"+path+"#main-key"); !errors.Is(err, signature.ErrNoKey) {
				t.Fatalf("%s: %+v, %v", path, k, err)
			}
		}
		if n := len(p.all()) - before; n != 4 {
			t.Errorf("%s: %d requests for 50 times", path, n)
		}
	}
}

// Fedify sent a signed request wherever it was redirected to.
func TestCVE_2026_77632_ASignedRequestIsNotRedirectedInside(t *testing.T) {
	t.Parallel()
	p := newPeers()
	secret := p.secret(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	site := people(t, "evil.test", named(t, mallory, nil)).
		put("/here", page{to: "/users/mallory"}).
		put("/inside", page{to: "http://" + secret + "/admin?delete=all"}).
		put("/away", page{to: "http://victim.test/collect"})
	p.serve(t, "evil.test", site).serve(t, "victim.test", newPages())
	r := p.resolver(t, actor.ResolverConfig{Key: ourKey})
	if doc, _, err := r.Fetch(t.Context(), "http://evil.test/here"); err != nil || doc.DocumentID() != mallory {
		t.Fatalf("an honest redirect: %v, %v", doc, err)
	}
	as := func(ctx context.Context) (signature.Key, error) {
		return signature.Key{ID: "http://us.test/ap/users/alice#main-key", Private: testKeys()[0]}, nil
	}
	for _, path := range []string{"/inside", "/away"} {
		if _, _, err := r.Fetch(t.Context(), "http://evil.test"+path); err == nil {
			t.Errorf("%s: there was an answer", path)
		}
		if _, _, err := r.As(as).Fetch(t.Context(), "http://evil.test"+path); err == nil {
			t.Errorf("%s, for a user: there was an answer", path)
		}
		if _, err := r.Lookup(t.Context(), "http://evil.test"+path); err == nil {
			t.Errorf("%s, a search: there was an answer", path)
		}
	}
	for _, got := range p.all() {
		switch {
		case got.Host == secret:
			t.Errorf("the server inside was asked for %s", got.RequestURI)
		case got.Host == "victim.test" && strings.Contains(got.Header.Get("Signature"), "alice"):
			t.Error("a user's signature went to another host")
		}
	}
}

// fingerRedirects runs WebFinger against a server that redirects it.
func fingerRedirects(t *testing.T, locations ...string) {
	t.Helper()
	p := newPeers()
	secret := p.secret(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/jrd+json")
		io.WriteString(w, jrd("acct:mallory@evil.test", mallory).body)
	}))
	site := people(t, "evil.test", named(t, mallory, nil))
	path := fingerOf + "moved@evil.test"
	site.put(path, page{to: "http://wf.test/moved"})
	for i, to := range locations {
		site.put(fmt.Sprintf("%sliar%d@evil.test", fingerOf, i), page{to: strings.ReplaceAll(to, "SECRET", secret)})
	}
	p.serve(t, "evil.test", site).serve(t, "wf.test", newPages().put("/moved", jrd("acct:moved@evil.test", mallory)))
	r := p.resolver(t, actor.ResolverConfig{})
	if j, err := r.WebFinger(t.Context(), "moved@evil.test"); err != nil || j.Self() != mallory {
		t.Fatalf("an honest redirect to another host: %v, %v", j, err)
	}
	for i, to := range locations {
		before := len(p.all())
		if j, err := r.WebFinger(t.Context(), fmt.Sprintf("liar%d@evil.test", i)); err == nil {
			t.Errorf("%s: %v", to, j)
		}
		if n := len(p.all()) - before; n > 4 {
			t.Errorf("%s: %d requests", to, n)
		}
		if _, err := r.Lookup(t.Context(), fmt.Sprintf("@liar%d@evil.test", i)); err == nil {
			t.Errorf("a search by %s has a result", to)
		}
	}
	for _, got := range p.all() {
		if got.Host == secret {
			t.Errorf("the server inside was asked for %s", got.RequestURI)
		}
	}
}

// Fedify followed WebFinger's redirects without end, to any address.
func TestCVE_2025_23221_WebFingerIsNotRedirectedWithoutEndOrInside(t *testing.T) {
	t.Parallel()
	fingerRedirects(t, "/.well-known/webfinger?resource=acct:liar0@evil.test", "http://127.0.0.1/", "http://SECRET/", "http://[::ffff:127.0.0.1]/", "http://10.0.0.1/", "http://169.254.169.254/")
}

// Fedify fetched whatever a document named, by any scheme.
func TestCVE_2024_39687_OtherSchemesAndPrivateNamesAreNotFetched(t *testing.T) {
	t.Parallel()
	fingerRedirects(t, "file:///etc/passwd", "data:application/jrd+json,{}", "ftp://evil.test/", "gopher://127.0.0.1:70/", "javascript:alert(1)", "https://localhost/", "//SECRET/", "http://SECRET@evil.test/")
	p := newPeers()
	p.serve(t, "evil.test", people(t, "evil.test", named(t, mallory, nil)))
	r := p.resolver(t, actor.ResolverConfig{})
	for _, id := range []string{"file:///etc/passwd", "data:application/activity+json,{}", "ftp://evil.test/users/mallory", "blob:http://evil.test/x", "acct:mallory@evil.test", "https://localhost/users/mallory"} {
		if a, err := r.Actor(t.Context(), id); err == nil {
			t.Errorf("%s: %v", id, a)
		}
	}
	if _, err := r.Actor(t.Context(), mallory); err != nil {
		t.Errorf("an honest id: %v", err)
	}
}

// Fedify fetched whatever a host's NodeInfo linked to.
func TestCVE_2026_62857_NodeInfoLeadsNowhereElse(t *testing.T) {
	t.Parallel()
	info := page{kind: "application/json", body: `{"version":"2.1","software":{"name":"honest","version":"1"}}`}
	p := newPeers()
	secret := p.secret(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, info.body) }))
	p.serve(t, "c.test", newPages().put("/2.1", info).put("/.well-known/nodeinfo", nodeInfoLinks(infoLink("2.1", "http://c.test/2.1"))))
	if s, err := p.resolver(t, actor.ResolverConfig{}).Software(t.Context(), "c.test"); err != nil || s.Name != "honest" {
		t.Fatalf("an honest host: %+v, %v", s, err)
	}
	before := len(p.all())
	links := func(href string) *pages {
		return newPages().put("/.well-known/nodeinfo", nodeInfoLinks(infoLink("2.1", href)))
	}
	sites := []*pages{
		links("http://evil.test/to").put("/to", page{to: "http://" + secret + "/"}), links("http://evil.test/to").put("/to", page{to: "http://c.test/2.1"}),
		links("http://evil.test/to").put("/to", page{to: "/to"}),
	}
	for _, href := range []string{
		"http://" + secret + "/", "http://127.0.0.1/", "http://[::ffff:127.0.0.1]/", "http://169.254.169.254/latest/meta-data/", "https://localhost/", "http://c.test/2.1",
		"data:application/json," + info.body, "file:///etc/passwd", "ftp://evil.test/2.1", "//" + secret + "/", "http://evil.test@" + secret + "/", "http://evil.test:81/2.1", "/2.1", "",
	} {
		sites = append(sites, links(strings.ReplaceAll(href, `"`, `\"`)), newPages().put("/.well-known/nodeinfo", page{to: href}))
	}
	for i, site := range sites {
		p.serve(t, "evil.test", site)
		r := p.resolver(t, actor.ResolverConfig{})
		if s, err := r.Software(t.Context(), "evil.test"); err == nil {
			t.Errorf("site %d runs %+v", i, s)
		}
		if info, err := r.HostInfo(t.Context(), "evil.test"); err == nil {
			t.Errorf("site %d says %+v", i, info)
		}
	}
	for _, got := range p.all()[before:] {
		if got.Host != "evil.test" {
			t.Errorf("%s was asked for %s", got.Host, got.RequestURI)
		}
	}
}
