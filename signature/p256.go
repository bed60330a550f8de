package signature

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/asn1"
	"math/big"
)

// p256Size is the length of each half of a signature (RFC 9421 §3.3.4).
const p256Size = 32

// checkP256 refuses other curves and points that lie on none.
func checkP256(k *ecdsa.PublicKey) error {
	if k == nil || k.Curve != elliptic.P256() {
		return fail(ErrBadKey, "ECDSA key that is not on P-256")
	}
	if k.X == nil || k.Y == nil { // on which ECDH panics
		return fail(ErrBadKey, "P-256 key without a point")
	}
	if _, err := k.ECDH(); err != nil {
		return fail(ErrBadKey, "P-256 key: %v", err)
	}
	return nil
}

func verifyP256(key *ecdsa.PublicKey, base string, signature []byte) error {
	if len(signature) != 2*p256Size {
		return fail(ErrBadSignature, "P-256 signature of %d bytes", len(signature))
	}
	sum := sha256.Sum256([]byte(base))
	r, s := new(big.Int).SetBytes(signature[:p256Size]), new(big.Int).SetBytes(signature[p256Size:])
	if !ecdsa.Verify(key, sum[:], r, s) {
		return fail(ErrBadSignature, "P-256 verification failed")
	}
	return nil
}

// fixedP256 turns a signature in ASN.1, which a crypto.Signer makes, into the two numbers side by
// side.
func fixedP256(key *ecdsa.PublicKey, der []byte) ([]byte, error) {
	var n struct{ R, S *big.Int }
	order := key.Params().N
	if rest, err := asn1.Unmarshal(der, &n); err != nil || len(rest) > 0 || n.R.Sign() <= 0 || n.S.Sign() <= 0 ||
		n.R.Cmp(order) >= 0 || n.S.Cmp(order) >= 0 {
		return nil, fail(ErrBadKey, "the key made no ECDSA signature")
	}
	out := make([]byte, 2*p256Size)
	n.R.FillBytes(out[:p256Size])
	n.S.FillBytes(out[p256Size:])
	return out, nil
}

// onlyP256 returns the one spelling of a valid P-256 signature: for every (r, s) there is an
// (r, n-s) that fits as well, which anyone can compute.
func onlyP256(key *ecdsa.PublicKey, signature []byte) []byte {
	order := key.Params().N
	s := new(big.Int).SetBytes(signature[p256Size:])
	if other := new(big.Int).Sub(order, s); other.Cmp(s) < 0 {
		out := append(make([]byte, 0, 2*p256Size), signature[:p256Size]...)
		return append(out, other.FillBytes(make([]byte, p256Size))...)
	}
	return signature
}
