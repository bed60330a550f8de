package signature

import (
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
	instances := strings.Split(value, ",")
	if len(instances) > maxDigests {
		return fail(ErrMalformed, "Digest lists %d instances", len(instances))
	}
	known := 0
	for _, instance := range instances {
		algorithm, encoded, ok := strings.Cut(strings.Trim(instance, " \t"), "=")
		if !ok || algorithm == "" {
			return fail(ErrMalformed, "Digest is not a list of algorithm=value")
		}
		want, ok := sumOf(strings.ToLower(algorithm), body)
		if !ok {
			continue
		}
		known++
		got, ok := decodeBase64(encoded)
		if !ok {
			return fail(ErrMalformed, "Digest %s is not canonical base64", strings.ToUpper(algorithm))
		}
		if string(got) != want {
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
		want, ok := sumOf(algorithm, body)
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
		if string(got) != want {
			return fail(ErrDigest, "Content-Digest %s, body of %d bytes", algorithm, len(body))
		}
	}
	if known == 0 {
		return fail(ErrDigest, "Content-Digest holds neither sha-256 nor sha-512")
	}
	return nil
}

// sumOf returns the digest of body under an algorithm that we know.
func sumOf(algorithm string, body []byte) (sum string, known bool) {
	switch algorithm {
	case "sha-256":
		s := sha256.Sum256(body)
		return string(s[:]), true
	case "sha-512":
		s := sha512.Sum512(body)
		return string(s[:]), true
	}
	return "", false
}

// decodeBase64 takes padded standard base64 in its one canonical form. Package encoding/base64
// skips CR and LF even when Strict, which would give one signature many spellings.
func decodeBase64(s string) ([]byte, bool) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, false
	}
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	return b, err == nil
}
