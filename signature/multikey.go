package signature

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"strings"
)

// maxMultikey bounds a public key in multibase, in characters. The largest that counts, PKCS#1 of 8192
// bits in base58, has less than 1450.
const maxMultikey = 3 << 9

// didKey begins every did:key.
const didKey = "did:key:"

// The codes of keys in multicodec, as varints. Other codes, among them those of private and of key
// agreement keys, and longer spellings of these are not taken.
var (
	codeEd25519 = []byte{0xed, 0x01} // ed25519-pub
	codeRSA     = []byte{0x85, 0x24} // rsa-pub
	codeP256    = []byte{0x80, 0x24} // p256-pub
)

// GenerateEd25519Key makes an Ed25519 key, for proofs ([Prove]) and for [RFC9421]. Few servers take it
// for requests: an actor has an RSA key besides.
func GenerateEd25519Key() (ed25519.PrivateKey, error) {
	_, k, err := ed25519.GenerateKey(rand.Reader)
	return k, err
}

// MarshalMultikey writes the publicKeyMultibase of a Multikey (FEP-521a), in base58btc: an
// ed25519.PublicKey, an *rsa.PublicKey or an *ecdsa.PublicKey on P-256. The error wraps [ErrBadKey].
func MarshalMultikey(k crypto.PublicKey) (string, error) {
	if err := checkPublicKey(k); err != nil {
		return "", err
	}
	var raw []byte
	switch k := k.(type) {
	case ed25519.PublicKey:
		raw = append(bytes.Clone(codeEd25519), k...)
	case *rsa.PublicKey:
		raw = append(bytes.Clone(codeRSA), x509.MarshalPKCS1PublicKey(k)...)
	case *ecdsa.PublicKey:
		point, err := k.Bytes() // 4, X, Y
		if err != nil {
			return "", fail(ErrBadKey, "%v", err)
		}
		odd := point[len(point)-1] & 1
		raw = append(append(bytes.Clone(codeP256), 2|odd), point[1:1+len(point)/2]...)
	default:
		return "", fail(ErrBadKey, "key type %T", k)
	}
	return "z" + encodeBase58(raw), nil
}

// ParseMultikey reads the publicKeyMultibase of a stranger's Multikey (FEP-521a): at most 1536
// characters of base58btc ("z…", as the proposal wants it) or base64url without padding ("u…", which
// Data Integrity also allows). It holds an Ed25519 key, an RSA key in PKCS#1 or a compressed point of
// P-256, within the limits of [ParsePublicKey]; any other is refused. The error wraps [ErrBadKey].
func ParseMultikey(multibase string) (crypto.PublicKey, error) {
	if len(multibase) > maxMultikey {
		return nil, fail(ErrBadKey, "multikey of %d characters", len(multibase))
	}
	raw, ok := decodeMultibase(multibase)
	if !ok {
		return nil, fail(ErrBadKey, "multikey is neither base58btc nor base64url")
	}
	key, err := keyOfCode(raw)
	if err != nil {
		return nil, err
	}
	if err := checkPublicKey(key); err != nil {
		return nil, err
	}
	return key, nil
}

func keyOfCode(raw []byte) (crypto.PublicKey, error) {
	if rest, ok := bytes.CutPrefix(raw, codeEd25519); ok {
		return ed25519.PublicKey(rest), nil
	}
	if rest, ok := bytes.CutPrefix(raw, codeRSA); ok {
		key, err := x509.ParsePKCS1PublicKey(rest)
		if err != nil {
			return nil, fail(ErrBadKey, "multikey: %v", err)
		}
		return key, nil
	}
	if rest, ok := bytes.CutPrefix(raw, codeP256); ok {
		x, y := elliptic.UnmarshalCompressed(elliptic.P256(), rest)
		if x == nil {
			return nil, fail(ErrBadKey, "multikey is no point of P-256")
		}
		point := make([]byte, 65)
		point[0] = 4 // not compressed
		x.FillBytes(point[1:33])
		y.FillBytes(point[33:])
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
		if err != nil {
			return nil, fail(ErrBadKey, "multikey: %v", err)
		}
		return key, nil
	}
	return nil, fail(ErrBadKey, "multikey of another kind: % x", raw[:min(2, len(raw))])
}

// MarshalDIDKey writes a key as a did:key, a decentralized identifier that is the key itself. Keys are
// those of [MarshalMultikey].
func MarshalDIDKey(k crypto.PublicKey) (string, error) {
	multikey, err := MarshalMultikey(k)
	if err != nil {
		return "", err
	}
	return didKey + multikey, nil
}

// ParseDIDKey reads the key of a did:key, or of a DID URL that names it once more as its fragment,
// "did:key:z…#z…". Limits are those of [ParseMultikey], but only base58btc will do. The error wraps
// [ErrBadKey].
//
// A did:key tells who holds the key, never which https actor that is: an actor must name the DID, and
// the holder the actor.
func ParseDIDKey(did string) (crypto.PublicKey, error) {
	id, ok := strings.CutPrefix(did, didKey)
	if !ok {
		return nil, fail(ErrBadKey, "not a did:key")
	}
	id, fragment, named := strings.Cut(id, "#")
	if named && fragment != id {
		return nil, fail(ErrBadKey, "fragment of the did:key is another key")
	}
	if !strings.HasPrefix(id, "z") {
		return nil, fail(ErrBadKey, "did:key is not base58btc")
	}
	return ParseMultikey(id)
}

// decodeMultibase reads base58btc and base64url without padding. Its callers have bounded the length.
func decodeMultibase(text string) ([]byte, bool) {
	if rest, ok := strings.CutPrefix(text, "z"); ok {
		return decodeBase58(rest)
	}
	// The decoder would skip line breaks.
	if rest, ok := strings.CutPrefix(text, "u"); ok && !strings.ContainsAny(rest, "\r\n") {
		raw, err := base64.RawURLEncoding.Strict().DecodeString(rest)
		return raw, err == nil
	}
	return nil, false
}

// base58 holds the digits of base58btc; bigDigits are those of the same values in math/big.
const (
	base58    = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	bigDigits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUV"
)

// decodeBase58 reads a number in base 58, most significant digit first, each leading digit "1" of which
// stands for a leading byte 0. The time grows faster than the length: bound it first.
func decodeBase58(text string) ([]byte, bool) {
	zeros := len(text) - len(strings.TrimLeft(text, base58[:1]))
	if zeros == len(text) {
		return make([]byte, zeros), zeros > 0
	}
	digits := []byte(text[zeros:])
	for i, c := range digits {
		value := strings.IndexByte(base58, c)
		if value < 0 {
			return nil, false
		}
		digits[i] = bigDigits[value]
	}
	n, ok := new(big.Int).SetString(string(digits), len(base58))
	if !ok {
		return nil, false
	}
	return append(make([]byte, zeros), n.Bytes()...), true
}

func encodeBase58(raw []byte) string {
	zeros := len(raw) - len(bytes.TrimLeft(raw, "\x00"))
	text := []byte(strings.Repeat(base58[:1], zeros))
	if zeros == len(raw) {
		return string(text)
	}
	for _, c := range []byte(new(big.Int).SetBytes(raw).Text(len(base58))) {
		text = append(text, base58[strings.IndexByte(bigDigits, c)])
	}
	return string(text)
}
