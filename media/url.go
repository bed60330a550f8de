package media

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"

	"github.com/fedihook/fedihook/internal/safehttp"
)

const maxURL = 2048 // bytes of a remote URL; in an address they become 2,731

// source is a remote picture.
type source struct {
	url   string // as it is fetched
	host  string // the authority, as Config.Reject is asked
	site  string // the registrable domain: whose budgets it uses
	owner string // of whom or of what it is a picture; "" if nobody said
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
func (p *Proxy) URL(remote string, v Variant) string { return p.URLOf(remote, "", v) }

// URLOf is URL for a picture of an actor or a post, whose id is owner: Config.Refresh is told of it, however much later. It is
// the address's last segment, and signed too. One of more than 2,048 bytes is left out.
func (p *Proxy) URLOf(remote, owner string, v Variant) string {
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
	if len(owner) > maxURL {
		owner = ""
	}
	sum := mac(p.config.Keys[0], v, ends, src.url, owner)
	address := p.config.Base + string(v) + "/" + ends + "/" + base64.RawURLEncoding.EncodeToString(sum) + "/" +
		base64.RawURLEncoding.EncodeToString([]byte(src.url))
	if owner != "" {
		address += "/" + base64.RawURLEncoding.EncodeToString([]byte(owner))
	}
	return address
}

// openAddress reads what follows Config.Base in an address. ok is false if it is none of ours by its form. Its error is
// ErrSignature or ErrExpired; what it returns beside an error nobody vouches for.
func (p *Proxy) openAddress(path string) (remote, owner string, v Variant, ok bool, err error) {
	if len(path) > 4*maxURL {
		return "", "", "", false, nil
	}
	parts := strings.Split(path, "/")
	if slices.ContainsFunc(parts, func(part string) bool { return len(part) > base64.RawURLEncoding.EncodedLen(maxURL) }) {
		return "", "", "", false, nil
	}
	if len(parts) == 5 && parts[4] != "" {
		text, err := base64.RawURLEncoding.Strict().DecodeString(parts[4])
		if err != nil {
			return "", "", "", false, nil
		}
		owner, parts = string(text), parts[:4]
	}
	if len(parts) != 4 {
		return "", "", "", false, nil
	}
	v, ends := Variant(parts[0]), parts[1]
	sum, err1 := base64.RawURLEncoding.Strict().DecodeString(parts[2])
	text, err2 := base64.RawURLEncoding.Strict().DecodeString(parts[3])
	until, err3 := strconv.ParseInt(ends, 36, 64)
	if err1 != nil || err2 != nil || err3 != nil || strconv.FormatInt(until, 36) != ends {
		return "", "", "", false, nil
	}
	remote = string(text)
	good := false
	for _, key := range p.config.Keys {
		good = hmac.Equal(sum, mac(key, v, ends, remote, owner)) || good // each is tried, whichever fits
	}
	switch {
	case !good:
		return remote, owner, v, true, &Error{URL: remote, Err: ErrSignature}
	case until != 0 && time.Now().Unix() >= until:
		return remote, owner, v, true, &Error{URL: remote, Err: ErrExpired}
	}
	return remote, owner, v, true, nil
}

// mac is HMAC-SHA256 cut to half, which RFC 2104 §5 permits. The variant and ends have no newline in them: the variant is
// one of Config's names when it is signed, ends is a number, and a URL that was parsed escapes it.
func mac(key []byte, v Variant, ends, remote, owner string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte("fedihook media 1\n" + string(v) + "\n" + ends + "\n" + remote))
	if owner != "" {
		h.Write([]byte("\n" + owner))
	}
	return h.Sum(nil)[:16]
}
