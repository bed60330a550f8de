package signature

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"strconv"
)

// The algorithms of RFC 9421 §3.3 that the profile holds. HMAC needs a shared secret, and P-384
// nobody uses.
const (
	rsaV15SHA256    = "rsa-v1_5-sha256"
	rsaPSSSHA512    = "rsa-pss-sha512"
	ecdsaP256SHA256 = "ecdsa-p256-sha256"
	algEd25519      = "ed25519"
)

// checkMessageCoverage demands of an RFC 9421 signature what checkCavageCoverage demands of the
// other. Where the target is covered in parts, all of them are needed: a query that is not
// covered could be taken away or added. The profile is the same under [Lenient].
func (c *claim) checkMessageCoverage(method string) error {
	byParts := (c.covers("@authority") || c.covers("host")) &&
		(c.covers("@request-target") || c.covers("@path") && c.covers("@query"))
	switch {
	case !c.covers("@method"):
		return fail(ErrCoverage, "@method is not covered")
	case !c.covers("@target-uri") && !byParts:
		return fail(ErrCoverage, "neither @target-uri nor @authority, @path and @query are covered")
	case hasBodyDigest(method) && !c.covers("content-digest"):
		return fail(ErrCoverage, "content-digest is not covered")
	}
	return nil
}

// signatureBase builds what is signed, RFC 9421 §2.5.
func (c *claim) signatureBase(m *message) (string, error) {
	b := make([]byte, 0, 512+len(c.params))
	for _, name := range c.covered {
		value, err := m.component(name)
		if err != nil {
			return "", err
		}
		b = append(append(append(b, '"'), name...), `": `...)
		b = append(append(b, value...), '\n')
	}
	b = append(append(b, `"@signature-params": `...), c.params...)
	return string(b), nil
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
	case *ecdsa.PublicKey:
		if algorithm != "" && algorithm != ecdsaP256SHA256 {
			return fail(ErrBadSignature, "alg %.80q with a P-256 key", algorithm)
		}
		return verifyP256(key, base, signature)
	}
	return fail(ErrBadSignature, "key is %T", key)
}

// checkAlgorithm refuses early what no key could make true.
func checkAlgorithm(algorithm string) error {
	switch algorithm {
	case "", rsaV15SHA256, rsaPSSSHA512, ecdsaP256SHA256, algEd25519:
		return nil
	}
	return fail(ErrUnsupported, "alg %.80q", algorithm)
}

// messageAlgorithm returns the name of the algorithm that signMessage signs with, and whether
// it takes the message itself instead of its hash.
func messageAlgorithm(public crypto.PublicKey) (name string, whole bool) {
	switch public.(type) {
	case ed25519.PublicKey:
		return algEd25519, true
	case *ecdsa.PublicKey:
		return ecdsaP256SHA256, false
	}
	return rsaV15SHA256, false
}

// signMessage signs what c covers and sets its algorithm, params and signature. What wanted asks
// for is added, if it is not nil.
func signMessage(c *claim, m *message, key crypto.Signer, public crypto.PublicKey, wanted *wanted) error {
	var whole bool
	c.algorithm, whole = messageAlgorithm(public)
	b := append(make([]byte, 0, 256), '(')
	for i, name := range c.covered {
		if i > 0 {
			b = append(b, ' ')
		}
		b = append(append(append(b, '"'), name...), '"')
	}
	b = strconv.AppendInt(append(b, ");created="...), c.created.Unix(), 10)
	// Neither the key id nor what is asked for holds quotes or backslashes, so that nothing needs
	// to be escaped.
	b = append(append(append(b, `;keyid="`...), c.keyID...), `";alg="`...)
	b = append(append(b, c.algorithm...), '"')
	if wanted != nil {
		b = wanted.appendParameters(b, c.created)
	}
	c.params = string(b)
	base, err := c.signatureBase(m)
	if err != nil {
		return err
	}
	if whole {
		c.signature, err = key.Sign(rand.Reader, []byte(base), crypto.Hash(0))
		return err
	}
	sum := sha256.Sum256([]byte(base))
	c.signature, err = key.Sign(rand.Reader, sum[:], crypto.SHA256)
	if p256, ok := public.(*ecdsa.PublicKey); ok && err == nil {
		c.signature, err = fixedP256(p256, c.signature)
	}
	return err
}
