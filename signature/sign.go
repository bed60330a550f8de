package signature

import (
	"crypto"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"net/http"
	"time"
)

// label names our signature in RFC 9421 fields.
const label = "sig1"

// extra are the fields that are covered where a request has them: the receiver acts on the one,
// and FEP-8fcf demands that the other is signed.
var extra = [...]string{"content-type", "collection-synchronization"}

// Sign signs an outgoing request with k. It sets Date, r.Host, Signature and, if the request has a
// body or is neither GET nor HEAD, Digest; under [RFC9421] Content-Digest and Signature-Input.
// Older values of all of these are replaced, so that a request may be signed again for another
// attempt. The query is signed with the path. Covered are
//
//	(request-target) host date [digest content-type collection-synchronization]
//	@method @target-uri @authority [content-digest content-type collection-synchronization]
//
// The body must hold the very bytes that will be sent; Sign neither reads nor sets r.Body, see
// [Transport]. A signature fits one host, path and method, and peers take it for as little as
// five minutes, so sign at send time, anew for each redirect and each retry.
//
// On error the request is as it was. The error wraps [ErrBadKey] if k cannot sign, [ErrMalformed]
// or [ErrTarget] if the URL or a covered field cannot go on the wire as it would be signed. Sign may be
// called by many goroutines at once on different requests.
func Sign(r *http.Request, body []byte, k Key, s Scheme) error {
	return sign(r, body, k, manner{scheme: s})
}

// manner is how a request is signed.
type manner struct {
	scheme   Scheme
	pathOnly bool    // Cavage: without the query in (request-target)
	wanted   *wanted // RFC9421: what the receiver asked for; nil is nothing
}

// sign is Sign in one of its manners.
func sign(r *http.Request, body []byte, k Key, how manner) error {
	fields, host, err := signedFields(r, body, k, how)
	if err != nil {
		return fmt.Errorf("signature: sign %s %s: %w", r.Method, r.URL, err)
	}
	if r.Header == nil {
		r.Header = make(http.Header, len(fields))
	}
	r.Host = host
	for _, name := range [...]string{"Host", "Date", "Digest", "Content-Digest", "Signature", "Signature-Input"} {
		if value, ok := fields[name]; ok {
			r.Header[name] = []string{value}
		} else {
			delete(r.Header, name)
		}
	}
	return nil
}

// signedFields computes the header fields that a signature adds, and the host it is for.
func signedFields(r *http.Request, body []byte, k Key, how manner) (map[string]string, string, error) {
	if k.ID == "" || len(k.ID) > maxKeyID || !every(k.ID, isQuotable) {
		return nil, "", fail(ErrBadKey, "key id %q", k.ID)
	}
	public, err := publicOf(k.Private)
	if err != nil {
		return nil, "", err
	}
	m, err := outgoing(r)
	if err != nil {
		return nil, "", err
	}
	now := time.Now()
	fields := map[string]string{"Date": now.UTC().Format(http.TimeFormat)}
	c := claim{scheme: how.scheme, keyID: k.ID, created: time.Unix(now.Unix(), 0)}
	digest := "digest"
	switch how.scheme {
	case Cavage:
		c.covered = []string{requestTarget, "host", "date"}
		fields["Digest"] = makeDigest(body)
	case RFC9421:
		c.covered = []string{"@method", "@target-uri", "@authority"}
		digest = "content-digest"
		fields["Content-Digest"] = makeContentDigest(body)
	default:
		return nil, "", fail(ErrUnsupported, "scheme %d", how.scheme)
	}
	if hasBodyDigest(m.method) || len(body) > 0 {
		c.covered = append(c.covered, digest)
		for _, name := range extra {
			if len(m.header[http.CanonicalHeaderKey(name)]) > 0 {
				c.covered = append(c.covered, name)
			}
		}
	} else {
		delete(fields, "Digest")
		delete(fields, "Content-Digest")
	}
	for name, value := range fields {
		m.header[name] = []string{value}
	}
	if how.scheme == RFC9421 {
		name := label
		if how.wanted != nil {
			name = how.wanted.label
			c.covered = how.wanted.appendCovered(c.covered, m)
		}
		if err := signMessage(&c, m, k.Private, public, how.wanted); err != nil {
			return nil, "", err
		}
		fields["Signature-Input"] = name + "=" + c.params
		fields["Signature"] = name + "=:" + base64.StdEncoding.EncodeToString(c.signature) + ":"
		return fields, m.host, nil
	}
	return fields, m.host, signCavage(&c, m, k.Private, how.pathOnly, fields)
}

// signCavage adds the Signature field of draft-cavage-12. The algorithm is written as rsa-sha256,
// which every peer takes; some do not know hs2019, and others read it as SHA-512.
func signCavage(c *claim, m *message, private crypto.Signer, pathOnly bool, fields map[string]string) error {
	if !isRSA(private) {
		return fail(ErrBadKey, "draft-cavage signs with RSA, not with %T", private)
	}
	path := m.path
	if pathOnly {
		path, _ = m.split()
	}
	var err error
	if key, ok := private.(*rsa.PrivateKey); ok {
		c.signature, err = signWithLibrary(c, m, key, path)
	} else {
		c.signature, err = signElsewhere(c, m, private, path)
	}
	if err != nil {
		return err
	}
	c.algorithm, c.created = "rsa-sha256", time.Time{}
	fields["Signature"] = formatSignature(*c)
	return nil
}

// isRSA tells whether a key that publicOf takes can sign as [Cavage].
func isRSA(private crypto.Signer) bool {
	_, ok := private.Public().(*rsa.PublicKey)
	return ok
}

// outgoing views a request as net/http will write it. Its header is a copy.
func outgoing(r *http.Request) (*message, error) {
	if r.URL == nil || r.URL.Opaque != "" {
		return nil, fail(ErrMalformed, "request without a plain URL")
	}
	if r.URL.Scheme != "https" && r.URL.Scheme != "http" {
		return nil, fail(ErrMalformed, "URL scheme %q", r.URL.Scheme)
	}
	method := r.Method
	if method == "" {
		method = http.MethodGet // as net/http has it
	}
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	// Without the default port: snac and others compare Host with their name alone.
	authority, ok := normalAuthority(host, r.URL.Scheme)
	if !ok {
		return nil, fail(ErrMalformed, "host %q", host)
	}
	copied := &http.Request{Method: method, Host: authority, URL: r.URL, Header: r.Header.Clone()}
	if copied.Header == nil {
		copied.Header = http.Header{}
	}
	for _, name := range [...]string{"Host", "Date", "Digest", "Content-Digest", "Signature", "Signature-Input"} {
		delete(copied.Header, name)
	}
	return received(copied, r.URL.Scheme)
}
