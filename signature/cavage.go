package signature

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-fed/httpsig"
)

// isCavageAlgorithm tells whether draft-cavage signatures may name an algorithm. HMAC needs a
// shared secret, SHA-1 is broken, and nobody in the fediverse signs with ECDSA in this scheme.
func isCavageAlgorithm(name string) bool {
	switch name {
	case "hs2019", "rsa-sha256", "rsa-sha512", "ed25519":
		return true
	}
	return false
}

// cavageAlgorithm returns what a key and the label together mean. The key decides; a label that
// is neither absent, as Shuttlecraft leaves it, nor hs2019 must fit it. With RSA, hs2019 is SHA-256: the draft left it to the
// key's metadata, of which actors have none, and all peers mean this.
func cavageAlgorithm(key crypto.PublicKey, label string) (httpsig.Algorithm, error) {
	switch key.(type) {
	case *rsa.PublicKey:
		switch label {
		case "", "hs2019", "rsa-sha256":
			return httpsig.RSA_SHA256, nil
		case "rsa-sha512":
			return httpsig.RSA_SHA512, nil
		}
	case ed25519.PublicKey:
		switch label {
		case "", "hs2019", "ed25519":
			return httpsig.ED25519, nil
		}
	}
	return "", fail(ErrBadSignature, "draft-cavage signature with algorithm %.80q, but the key is %T", label, key)
}

// checkCavageCoverage demands of a draft-cavage signature what makes it say something about a request:
// where it went, when, and with which body. What a lenient profile leaves out is said at [Lenient].
func (c *claim) checkCavageCoverage(m *message, p Profile) error {
	target, host, digest := c.covers(requestTarget), c.covers("host"), c.covers("digest")
	if p == Lenient {
		target = target || digest
		host = host || m.method != http.MethodGet
	}
	switch {
	case !target:
		return fail(ErrCoverage, "(request-target) is not covered")
	case !host:
		return fail(ErrCoverage, "host is not covered")
	case !c.covers("date") && !c.covers(createdName):
		return fail(ErrCoverage, "neither date nor (created) is covered")
	case hasBodyDigest(m.method) && !digest:
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
func (c *claim) verifyCavage(m *message, key crypto.PublicKey, p Profile) (pathOnly bool, err error) {
	algorithm, err := cavageAlgorithm(key, c.algorithm)
	if err != nil {
		return false, err
	}
	if err = c.verifyCavagePath(m, key, algorithm, m.path); err == nil {
		return false, nil
	}
	path, query := m.split()
	if query == "?" && path == m.path || hasBodyDigest(m.method) && p != Lenient || !c.covers(requestTarget) {
		return false, err
	}
	return true, c.verifyCavagePath(m, key, algorithm, path)
}

func (c *claim) verifyCavagePath(m *message, key crypto.PublicKey, algorithm httpsig.Algorithm, path string) error {
	if c.dateFamily() {
		return verifyWithLibrary(c, m, key, algorithm, path)
	}
	text, err := c.signingString(m, path)
	if err != nil {
		return err
	}
	switch key := key.(type) {
	case *rsa.PublicKey:
		if algorithm == httpsig.RSA_SHA512 {
			sum := sha512.Sum512([]byte(text))
			err = rsa.VerifyPKCS1v15(key, crypto.SHA512, sum[:], c.signature)
		} else {
			sum := sha256.Sum256([]byte(text))
			err = rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], c.signature)
		}
		if err != nil {
			return fail(ErrBadSignature, "%v", err)
		}
		return nil
	case ed25519.PublicKey:
		if !ed25519.Verify(key, []byte(text), c.signature) {
			return fail(ErrBadSignature, "Ed25519 verification failed")
		}
		return nil
	}
	return fail(ErrBadSignature, "key is %T", key)
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
func verifyWithLibrary(c *claim, m *message, key crypto.PublicKey, algorithm httpsig.Algorithm, path string) error {
	r, err := synthetic(c, m, path)
	if err != nil {
		return err
	}
	r.Header["Signature"] = []string{formatSignature(claim{keyID: libraryKeyID, covered: c.covered, signature: c.signature})}
	v, err := httpsig.NewVerifier(r)
	if err != nil {
		return fail(ErrMalformed, "%v", err)
	}
	if err := v.Verify(key, algorithm); err != nil {
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

// signElsewhere signs what c covers with a key that is not in this process's memory, which the
// library does not take.
func signElsewhere(c *claim, m *message, key crypto.Signer, path string) ([]byte, error) {
	text, err := c.signingString(m, path)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(text))
	return key.Sign(rand.Reader, sum[:], crypto.SHA256)
}
