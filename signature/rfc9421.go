package signature

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"strconv"
	"strings"
)

// The algorithms of RFC 9421 §3.3 that the profile holds. HMAC needs a shared secret, and no
// server of the fediverse publishes ECDSA keys.
const (
	rsaV15SHA256 = "rsa-v1_5-sha256"
	rsaPSSSHA512 = "rsa-pss-sha512"
	algEd25519   = "ed25519"
)

// checkMessageCoverage demands of an RFC 9421 signature what checkCavageCoverage demands of the
// other. Where the target is covered in parts, all of them are needed: a query that is not
// covered could be taken away or added.
func (c *claim) checkMessageCoverage(m *message) error {
	byParts := (c.covers("@authority") || c.covers("host")) &&
		(c.covers("@request-target") || c.covers("@path") && c.covers("@query"))
	switch {
	case !c.covers("@method"):
		return fail(ErrCoverage, "@method is not covered")
	case !c.covers("@target-uri") && !byParts:
		return fail(ErrCoverage, "neither @target-uri nor @authority, @path and @query are covered")
	case hasBodyDigest(m.method) && !c.covers("content-digest"):
		return fail(ErrCoverage, "content-digest is not covered")
	}
	return nil
}

// signatureBase builds what is signed, RFC 9421 §2.5.
func (c *claim) signatureBase(m *message) (string, error) {
	var b strings.Builder
	for _, name := range c.covered {
		value, err := m.component(name)
		if err != nil {
			return "", err
		}
		b.WriteString(`"` + name + `": ` + value + "\n")
	}
	b.WriteString(`"@signature-params": ` + c.params)
	return b.String(), nil
}

// component returns the value of a derived component (RFC 9421 §2.2) or of a field.
func (m *message) component(name string) (string, error) {
	path, query := m.split()
	switch name {
	case "@method":
		return m.method, nil
	case "@target-uri":
		return m.scheme + "://" + m.authority + m.path, nil
	case "@authority":
		return m.authority, nil
	case "@scheme":
		return m.scheme, nil
	case "@request-target":
		return m.request, nil
	case "@path":
		return path, nil
	case "@query":
		return query, nil
	}
	return m.field(name)
}

// verifyMessage checks an RFC 9421 signature over base. The key's type decides which algorithms
// there are, and an alg parameter must name one of them; RSA without it is rsa-v1_5-sha256.
func verifyMessage(algorithm string, key crypto.PublicKey, base string, signature []byte) error {
	switch key := key.(type) {
	case *rsa.PublicKey:
		var err error
		switch algorithm {
		case "", rsaV15SHA256:
			sum := sha256.Sum256([]byte(base))
			err = rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature)
		case rsaPSSSHA512:
			// RFC 9421 §3.3.1: a salt of 64 bytes.
			sum := sha512.Sum512([]byte(base))
			err = rsa.VerifyPSS(key, crypto.SHA512, sum[:], signature, &rsa.PSSOptions{SaltLength: 64})
		default:
			return fail(ErrBadSignature, "alg %.80q with an RSA key", algorithm)
		}
		if err != nil {
			return fail(ErrBadSignature, "%v", err)
		}
		return nil
	case ed25519.PublicKey:
		if algorithm != "" && algorithm != algEd25519 {
			return fail(ErrBadSignature, "alg %.80q with an Ed25519 key", algorithm)
		}
		if !ed25519.Verify(key, []byte(base), signature) {
			return fail(ErrBadSignature, "Ed25519 verification failed")
		}
		return nil
	}
	return fail(ErrBadSignature, "key is %T", key)
}

// checkAlgorithm refuses early what no key could make true.
func checkAlgorithm(algorithm string) error {
	switch algorithm {
	case "", rsaV15SHA256, rsaPSSSHA512, algEd25519:
		return nil
	}
	return fail(ErrUnsupported, "alg %.80q", algorithm)
}

// signMessage signs what c covers and sets its algorithm, params and signature.
func signMessage(c *claim, m *message, key crypto.Signer, public crypto.PublicKey) error {
	var options crypto.SignerOpts = crypto.SHA256
	c.algorithm = rsaV15SHA256
	if _, ok := public.(ed25519.PublicKey); ok {
		options, c.algorithm = crypto.Hash(0), algEd25519
	}
	quoted := make([]string, len(c.covered))
	for i, name := range c.covered {
		quoted[i] = `"` + name + `"`
	}
	// The key id holds neither quotes nor backslashes, so that nothing needs to be escaped.
	c.params = "(" + strings.Join(quoted, " ") + ");created=" + strconv.FormatInt(c.created.Unix(), 10) +
		`;keyid="` + c.keyID + `";alg="` + c.algorithm + `"`
	base, err := c.signatureBase(m)
	if err != nil {
		return err
	}
	input := []byte(base)
	if options.HashFunc() == crypto.SHA256 {
		sum := sha256.Sum256(input)
		input = sum[:]
	}
	c.signature, err = key.Sign(rand.Reader, input, options)
	return err
}
