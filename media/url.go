package media

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"

	"github.com/fedihook/fedihook/internal/safehttp"
)

const maxURL = 2048 // bytes of a remote URL; in an address they become 2,731

// source is a remote picture.
type source struct {
	url  string // as it is fetched
	host string // the authority, as Config.Reject is asked
	site string // the registrable domain: whose budgets it uses
}

// parseSource reads a remote URL, or returns an *Error with ErrURL.
func (p *Proxy) parseSource(remote string) (source, error) {
	refused := func(cause any) (source, error) {
		return source{}, &Error{URL: remote, Err: fmt.Errorf("%w: %v", ErrURL, cause)}
	}
	if len(remote) > maxURL {
		remote = remote[:maxURL]
		return refused("longer than 2,048 bytes")
	}
	u, err := url.Parse(remote)
	if err != nil {
		remote = "(not a URL)" // its text is in the cause
		return refused(err)
	}
	host, err := safehttp.Authority(u)
	if err != nil {
		return refused(err)
	}
	if u.Scheme != "https" && !p.loopback(host, u.Hostname()) {
		return refused("not https")
	}
	u.Host, u.Fragment, u.RawFragment = host, "", "" // so that one picture has one address
	text := u.String()
	if len(text) > maxURL { // escaping made it longer
		return refused("longer than 2,048 bytes")
	}
	return source{url: text, host: host, site: site(host)}, nil
}

// loopback tells whether InsecureAllowLoopback has an authority.
func (p *Proxy) loopback(host, name string) bool {
	_, whole := p.config.InsecureAllowLoopback[host]
	_, bare := p.config.InsecureAllowLoopback[name]
	return whole || bare
}

// site is the part of an authority that somebody had to register: example.co.uk of a.b.example.co.uk:8443. An IPv6
// address stands for its /64, which is what one customer has.
func site(host string) string {
	name := (&url.URL{Host: host}).Hostname()
	if addr, err := netip.ParseAddr(name); err == nil {
		if addr.Is6() {
			if block, err := addr.Prefix(64); err == nil {
				return block.String()
			}
		}
		return name
	}
	if domain, err := publicsuffix.EffectiveTLDPlusOne(name); err == nil {
		return domain
	}
	return name
}

// URL returns the address at which this proxy shows a remote picture: Config.Base, the variant, the time at which the
// address ends, the signature, and the remote URL, as path segments. It returns "" for what is never shown: a URL that
// is empty, no https, has a user name in it or is longer than 2,048 bytes, and a variant that there is not. Nothing is
// fetched. The address stays the same from call to call, but for a change once in a Config.Lifetime.
func (p *Proxy) URL(remote string, v Variant) string {
	src, err := p.parseSource(remote)
	if err != nil {
		return ""
	}
	if _, ok := p.config.Variants[v]; !ok {
		return ""
	}
	ends := "0"
	if life := p.config.Lifetime; life > 0 {
		// Rounded up, so that pages and their caches see one address for a while.
		step := max(int64(life/time.Second), 1)
		ends = strconv.FormatInt((time.Now().Unix()/step+2)*step, 36)
	}
	sum := mac(p.config.Keys[0], v, ends, src.url)
	return p.config.Base + string(v) + "/" + ends + "/" + base64.RawURLEncoding.EncodeToString(sum) + "/" +
		base64.RawURLEncoding.EncodeToString([]byte(src.url))
}

// openAddress reads what follows Config.Base in an address. ok is false if it is none of ours by its form. Its error is
// ErrSignature or ErrExpired; what it returns beside an error nobody vouches for.
func (p *Proxy) openAddress(path string) (remote string, v Variant, ok bool, err error) {
	parts := strings.Split(path, "/")
	if len(parts) != 4 || len(path) > 2*maxURL {
		return "", "", false, nil
	}
	v, ends := Variant(parts[0]), parts[1]
	sum, err1 := base64.RawURLEncoding.Strict().DecodeString(parts[2])
	text, err2 := base64.RawURLEncoding.Strict().DecodeString(parts[3])
	until, err3 := strconv.ParseInt(ends, 36, 64)
	if err1 != nil || err2 != nil || err3 != nil || strconv.FormatInt(until, 36) != ends {
		return "", "", false, nil
	}
	remote = string(text)
	good := false
	for _, key := range p.config.Keys {
		good = hmac.Equal(sum, mac(key, v, ends, remote)) || good // each is tried, whichever fits
	}
	switch {
	case !good:
		return remote, v, true, &Error{URL: remote, Err: ErrSignature}
	case until != 0 && time.Now().Unix() >= until:
		return remote, v, true, &Error{URL: remote, Err: ErrExpired}
	}
	return remote, v, true, nil
}

// mac is HMAC-SHA256 cut to half, which RFC 2104 §5 permits. The variant and ends have no newline in them: the variant is
// one of Config's names when it is signed, and ends is a number.
func mac(key []byte, v Variant, ends, remote string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte("fedihook media 1\n" + string(v) + "\n" + ends + "\n" + remote))
	return h.Sum(nil)[:16]
}
