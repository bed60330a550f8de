package signature

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"strings"

	"github.com/dunglas/httpsfv"
)

// maxDigests bounds the instances of one digest field.
const maxDigests = 8

// makeDigest returns a Digest field (RFC 3230 §4.3.2). The algorithm is in upper case because
// Threads refuses it otherwise, and stands alone because Lemmy takes every list member for SHA-256.
func makeDigest(body []byte) string {
	sum := sha256.Sum256(body)
	return "SHA-256=" + base64.StdEncoding.EncodeToString(sum[:])
}

// makeContentDigest returns a Content-Digest field (RFC 9530 §2).
func makeContentDigest(body []byte) string {
	sum := sha256.Sum256(body)
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

// checkDigest compares a Digest field with the body: at least one SHA-256 or SHA-512, and every
// one of them must fit. Names of algorithms are taken in any case, unknown ones are skipped.
func checkDigest(value string, body []byte) error {
	known := 0
	for n, more := 1, true; more; n++ {
		if n > maxDigests {
			return fail(ErrMalformed, "Digest lists more than %d instances", maxDigests)
		}
		var instance string
		instance, value, more = strings.Cut(value, ",")
		algorithm, encoded, ok := strings.Cut(trimSpace(instance), "=")
		if !ok || algorithm == "" {
			return fail(ErrMalformed, "Digest is not a list of algorithm=value")
		}
		hash, ok := hashNamed(algorithm)
		if !ok {
			continue
		}
		known++
		got, ok := decodeBase64(encoded)
		if !ok {
			return fail(ErrMalformed, "Digest %s is not canonical base64", strings.ToUpper(algorithm))
		}
		if !hash.fits(got, body) {
			return fail(ErrDigest, "Digest %s, body of %d bytes", strings.ToUpper(algorithm), len(body))
		}
	}
	if known == 0 {
		return fail(ErrDigest, "Digest holds neither SHA-256 nor SHA-512")
	}
	return nil
}

// checkContentDigest does for Content-Digest, a dictionary of byte sequences, what checkDigest
// does for Digest.
func checkContentDigest(value string, body []byte) error {
	d, err := parseDictionary("Content-Digest", value)
	if err != nil {
		return err
	}
	if len(d.Names()) > maxDigests {
		return fail(ErrMalformed, "Content-Digest lists %d instances", len(d.Names()))
	}
	known := 0
	for _, algorithm := range d.Names() {
		hash, ok := hashNamed(algorithm)
		if !ok {
			continue
		}
		known++
		m, _ := d.Get(algorithm)
		item, _ := m.(httpsfv.Item)
		got, ok := item.Value.([]byte)
		if !ok {
			return fail(ErrMalformed, "Content-Digest %s is not a byte sequence", algorithm)
		}
		if !hash.fits(got, body) {
			return fail(ErrDigest, "Content-Digest %s, body of %d bytes", algorithm, len(body))
		}
	}
	if known == 0 {
		return fail(ErrDigest, "Content-Digest holds neither sha-256 nor sha-512")
	}
	return nil
}

// digestHash is one of the two hashes that digests are made with.
type digestHash bool

const (
	digestSHA256 digestHash = false
	digestSHA512 digestHash = true
)

// hashNamed returns the hash of a digest algorithm, if we know it.
func hashNamed(algorithm string) (h digestHash, known bool) {
	switch {
	case strings.EqualFold(algorithm, "sha-256"):
		return digestSHA256, true
	case strings.EqualFold(algorithm, "sha-512"):
		return digestSHA512, true
	}
	return digestSHA256, false
}

func (h digestHash) fits(sum, body []byte) bool {
	if h == digestSHA512 {
		want := sha512.Sum512(body)
		return bytes.Equal(sum, want[:])
	}
	want := sha256.Sum256(body)
	return bytes.Equal(sum, want[:])
}

// strictBase64 refuses loose bits at the end.
var strictBase64 = base64.StdEncoding.Strict()

// decodeBase64 takes padded standard base64 in its one canonical form. Package encoding/base64
// skips CR and LF even when Strict, which would give one signature many spellings.
func decodeBase64(s string) ([]byte, bool) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, false
	}
	b, err := strictBase64.DecodeString(s)
	return b, err == nil
}
