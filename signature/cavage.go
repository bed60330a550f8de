package signature

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-fed/httpsig"
)

// checkCavageCoverage demands of a draft-cavage signature what makes it say something about a request:
// where it went, when, and with which body.
func (c *claim) checkCavageCoverage(m *message) error {
	switch {
	case !c.covers(requestTarget):
		return fail(ErrCoverage, "(request-target) is not covered")
	case !c.covers("host"):
		return fail(ErrCoverage, "host is not covered")
	case !c.covers("date") && !c.covers(createdName):
		return fail(ErrCoverage, "neither date nor (created) is covered")
	case hasBodyDigest(m.method) && !c.covers("digest"):
		return fail(ErrCoverage, "digest is not covered")
	}
	return nil
}

// dateFamily tells whether the library can judge the signature. It compares the two parameters
// with the wall clock and a tolerance of its own, so signatures that cover them are ours.
func (c *claim) dateFamily() bool { return !c.covers(createdName) && !c.covers(expiresName) }

// verifyCavage checks a draft-cavage signature against a key. pathOnly says that it fits only
// once the query is left out, which is tried for GET and HEAD: Misskey, Pixelfed, BookWyrm,
// Friendica and Mastodon before 4.3 (seen 2026-08) sign the bare path.
func (c *claim) verifyCavage(m *message, key crypto.PublicKey) (pathOnly bool, err error) {
	public, ok := key.(*rsa.PublicKey)
	if !ok {
		return false, fail(ErrBadSignature, "draft-cavage signature, but the key is %T", key)
	}
	if err = c.verifyCavagePath(m, public, m.path); err == nil {
		return false, nil
	}
	path, query := m.split()
	if query == "?" && path == m.path || m.method != http.MethodGet && m.method != http.MethodHead {
		return false, err
	}
	return true, c.verifyCavagePath(m, public, path)
}

func (c *claim) verifyCavagePath(m *message, key *rsa.PublicKey, path string) error {
	if c.dateFamily() {
		return verifyWithLibrary(c, m, key, path)
	}
	text, err := c.signingString(m, path)
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(text))
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], c.signature); err != nil {
		return fail(ErrBadSignature, "%v", err)
	}
	return nil
}

// signingString builds what is signed, draft-cavage-12 §2.3.
func (c *claim) signingString(m *message, path string) (string, error) {
	var b strings.Builder
	for i, name := range c.covered {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(name)
		b.WriteString(": ")
		switch name {
		case requestTarget:
			b.WriteString(strings.ToLower(m.method))
			b.WriteByte(' ')
			b.WriteString(path)
		case createdName:
			b.WriteString(strconv.FormatInt(c.created.Unix(), 10))
		case expiresName:
			b.WriteString(strconv.FormatInt(c.expires.Unix(), 10))
		default:
			value, err := m.field(name)
			if err != nil {
				return "", err
			}
			b.WriteString(value)
		}
	}
	return b.String(), nil
}

// synthetic makes the request that go-fed/httpsig sees: the covered fields in canonical form and
// nothing else. Its URL.Path is the target as received, query and all, and is never decoded:
// the library would put a decoded line feed into the signing string.
func synthetic(c *claim, m *message, path string) (*http.Request, error) {
	r := &http.Request{Method: m.method, URL: &url.URL{Path: path}, Header: make(http.Header, len(c.covered)+1)}
	for _, name := range c.covered {
		if strings.HasPrefix(name, "(") {
			continue
		}
		lines, err := m.lines(name)
		if err != nil {
			return nil, err
		}
		r.Header[textproto.CanonicalMIMEHeaderKey(name)] = lines
	}
	return r, nil
}

// libraryKeyID stands in for key ids before the library, which splits at commas even inside
// quotes. The key id is no part of what is signed.
const libraryKeyID = "key"

// verifyWithLibrary lets go-fed/httpsig check a signature over a Date. What it sees was written
// anew from what was parsed, so that its lenient parser cannot read anything else than ours.
func verifyWithLibrary(c *claim, m *message, key *rsa.PublicKey, path string) error {
	r, err := synthetic(c, m, path)
	if err != nil {
		return err
	}
	r.Header.Set("Signature", formatSignature(claim{keyID: libraryKeyID, covered: c.covered, signature: c.signature}))
	v, err := httpsig.NewVerifier(r)
	if err != nil {
		return fail(ErrMalformed, "%v", err)
	}
	if err := v.Verify(key, httpsig.RSA_SHA256); err != nil {
		return fail(ErrBadSignature, "%v", err)
	}
	return nil
}

// signWithLibrary lets go-fed/httpsig sign what c covers. A signer of its own for each request:
// they are not safe to share.
func signWithLibrary(c *claim, m *message, key *rsa.PrivateKey, path string) ([]byte, error) {
	r, err := synthetic(c, m, path)
	if err != nil {
		return nil, err
	}
	signer, _, err := httpsig.NewSigner([]httpsig.Algorithm{httpsig.RSA_SHA256}, httpsig.DigestSha256, c.covered, httpsig.Signature, 0)
	if err != nil {
		return nil, err
	}
	// Without a body: the Digest is in place, and the library refuses to overwrite it.
	if err := signer.SignRequest(key, libraryKeyID, r, nil); err != nil {
		return nil, err
	}
	signed, err := parseSignature(r.Header.Get("Signature"))
	return signed.signature, err
}
