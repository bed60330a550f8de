package signature

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"strings"
)

// Limits of keys that strangers publish. A 16,384-bit modulus costs a thousand times a usual
// verification, and an exponent of 1 lets anyone sign. Of the elliptic curves there are Ed25519
// and, for ecdsa-p256-sha256 in RFC 9421 alone, P-256.
const (
	minRSABits     = 2048
	maxRSABits     = 8192
	maxRSAExponent = 1 << 17
	maxKeyPEM      = 8 << 10
	maxKeyID       = 2 << 10
)

// GenerateKey makes an RSA key of 2048 bits, the size that every peer takes. It costs about a
// tenth of a second.
func GenerateKey() (*rsa.PrivateKey, error) {
	return rsa.GenerateKey(rand.Reader, minRSABits)
}

// MarshalPrivateKey writes an RSA, Ed25519 or P-256 key as PEM with PKCS#8 ("BEGIN PRIVATE KEY").
// Who reads the text can sign as the actor.
func MarshalPrivateKey(k crypto.Signer) (string, error) {
	if _, err := publicOf(k); err != nil {
		return "", err
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		return "", fail(ErrBadKey, "%v", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), nil
}

// ParsePrivateKey reads what [MarshalPrivateKey] writes, and RSA keys as PEM with PKCS#1 ("BEGIN
// RSA PRIVATE KEY"), as other servers keep them. The text holds one block of at most 16 KiB.
// The error wraps [ErrBadKey] and never quotes the text. Parsing costs more than a tenth of a
// millisecond: keep the result.
func ParsePrivateKey(text string) (crypto.Signer, error) {
	if len(text) > 2*maxKeyPEM {
		return nil, fail(ErrBadKey, "private key PEM of %d bytes", len(text))
	}
	block, rest := pem.Decode([]byte(text))
	if block == nil || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fail(ErrBadKey, "private key is not one PEM block")
	}
	var parsed any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default:
		return nil, fail(ErrBadKey, "PEM block is no private key")
	}
	if err != nil {
		return nil, fail(ErrBadKey, "private key does not parse")
	}
	k, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, fail(ErrBadKey, "private key cannot sign")
	}
	if _, err := publicOf(k); err != nil {
		return nil, err
	}
	return k, nil
}

// publicOf returns the checked public half of k. The cases are those in which Public panics.
func publicOf(k crypto.Signer) (crypto.PublicKey, error) {
	switch k := k.(type) {
	case nil:
		return nil, fail(ErrBadKey, "no private key")
	case *rsa.PrivateKey:
		if k == nil {
			return nil, fail(ErrBadKey, "no private key")
		}
	case ed25519.PrivateKey:
		if len(k) != ed25519.PrivateKeySize {
			return nil, fail(ErrBadKey, "Ed25519 private key of %d bytes", len(k))
		}
	case *ecdsa.PrivateKey:
		if k == nil {
			return nil, fail(ErrBadKey, "no private key")
		}
	}
	public := k.Public()
	return public, checkPublicKey(public)
}

// MarshalPublicKey writes an *rsa.PublicKey, an ed25519.PublicKey or an *ecdsa.PublicKey on P-256
// as PEM with SPKI ("BEGIN PUBLIC KEY"), the form of publicKeyPem in actor documents.
func MarshalPublicKey(k crypto.PublicKey) (string, error) {
	if err := checkPublicKey(k); err != nil {
		return "", err
	}
	der, err := x509.MarshalPKIXPublicKey(k)
	if err != nil {
		return "", fail(ErrBadKey, "%v", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), nil
}

// ParsePublicKey reads the publicKeyPem of a stranger: one PEM block of at most 8 KiB with an
// SPKI ("BEGIN PUBLIC KEY") or PKCS#1 ("BEGIN RSA PUBLIC KEY") key. It returns an *rsa.PublicKey
// with 2048 to 8192 bits and an odd exponent from 3 to 2^17, an ed25519.PublicKey that is not
// of small order, or an *ecdsa.PublicKey on P-256. Spaces and line breaks may stand anywhere between the two markers, as some
// servers write them. The error wraps [ErrBadKey].
func ParsePublicKey(text string) (crypto.PublicKey, error) {
	if len(text) > maxKeyPEM {
		return nil, fail(ErrBadKey, "public key PEM of %d bytes", len(text))
	}
	text = strings.TrimSpace(text)
	var key crypto.PublicKey
	var err error
	if der, ok := unwrapPEM(text, "PUBLIC KEY"); ok {
		key, err = x509.ParsePKIXPublicKey(der)
	} else if der, ok := unwrapPEM(text, "RSA PUBLIC KEY"); ok {
		key, err = x509.ParsePKCS1PublicKey(der)
	} else {
		return nil, fail(ErrBadKey, "not one PEM block with a public key")
	}
	if err != nil {
		return nil, fail(ErrBadKey, "%v", err)
	}
	if err := checkPublicKey(key); err != nil {
		return nil, err
	}
	return key, nil
}

// unwrapPEM returns the bytes between the markers of a label. Package encoding/pem would skip
// what precedes the block, take headers, and refuse spaces in place of line breaks. Here a second
// block, headers and garbage are all bytes that base64 does not know.
func unwrapPEM(text, label string) (der []byte, ok bool) {
	inner, begun := strings.CutPrefix(text, "-----BEGIN "+label+"-----")
	inner, ended := strings.CutSuffix(inner, "-----END "+label+"-----")
	if !begun || !ended {
		return nil, false
	}
	der, err := strictBase64.DecodeString(strings.Join(strings.Fields(inner), ""))
	return der, err == nil
}

// checkPublicKey tells whether a key may be used at all, so that no later arithmetic panics,
// takes long or says yes to anyone.
func checkPublicKey(key crypto.PublicKey) error {
	switch k := key.(type) {
	case *rsa.PublicKey:
		switch {
		case k == nil || k.N == nil || k.N.Sign() <= 0:
			return fail(ErrBadKey, "RSA key without modulus")
		case k.N.BitLen() < minRSABits || k.N.BitLen() > maxRSABits:
			return fail(ErrBadKey, "RSA key of %d bits, want %d to %d", k.N.BitLen(), minRSABits, maxRSABits)
		case k.N.Bit(0) == 0:
			return fail(ErrBadKey, "RSA modulus is even")
		case k.E < 3 || k.E > maxRSAExponent || k.E%2 == 0:
			return fail(ErrBadKey, "RSA exponent %d, want odd, 3 to %d", k.E, maxRSAExponent)
		}
		return nil
	case ed25519.PublicKey:
		// ed25519.Verify panics on another length.
		if len(k) != ed25519.PublicKeySize {
			return fail(ErrBadKey, "Ed25519 key of %d bytes", len(k))
		}
		if smallOrder(k) {
			return fail(ErrBadKey, "Ed25519 key of small order")
		}
		return nil
	case *ecdsa.PublicKey:
		return checkP256(k)
	}
	return fail(ErrBadKey, "key type %T", key)
}

// smallOrder tells whether an Ed25519 public key lies in the subgroup of order 8. For such a key
// one signature fits many messages, and crypto/ed25519 says yes to it. The encodings are the
// points of orders 4, 1, 8, 8, 2 and two non-canonical ones; the sign bit does not matter.
func smallOrder(k ed25519.PublicKey) bool {
	masked := bytes.Clone(k)
	masked[31] &= 0x7f
	switch hex.EncodeToString(masked) {
	case "0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f":
		return true
	}
	return false
}
