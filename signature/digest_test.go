package signature

import (
	"errors"
	"strings"
	"testing"
)

func TestDigestVectors(t *testing.T) {
	t.Parallel()
	var v struct {
		Cases []struct{ Header, Value, Body, Expect, Note string }
	}
	load(t, "digest/digest.json", &v)
	if len(v.Cases) != 14 {
		t.Fatalf("%d cases", len(v.Cases))
	}
	for _, tc := range v.Cases {
		check := checkDigest
		if tc.Header == "Content-Digest" {
			check = checkContentDigest
		}
		err := check(tc.Value, []byte(tc.Body))
		if accept := strings.HasPrefix(tc.Expect, "accept"); accept != (err == nil) {
			t.Errorf("%s: %s (%s): want %s, got %v", tc.Header, tc.Value, tc.Note, tc.Expect, err)
		}
		if err == nil && check(tc.Value, []byte(tc.Body+" ")) == nil {
			t.Errorf("%s: %s also fits another body", tc.Header, tc.Value)
		}
	}
}

func TestOtherSpellingsOfADigestAreRefused(t *testing.T) {
	t.Parallel()
	const good = "SHA-256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
	for name, value := range map[string]string{
		"empty":              "",
		"no value":           "SHA-256",
		"no algorithm":       "=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
		"line feed inside":   "SHA-256=47DE\nQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
		"loose bits":         "SHA-256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=",
		"trailing comma":     good + ",",
		"a short one beside": good + ",SHA-256=47DE",
		"nine of them":       strings.Repeat(good+",", 8) + good,
		"hex":                "SHA-256=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	} {
		if err := checkDigest(value, nil); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for _, value := range []string{good, " \t" + good + " , MD5=?, x=", strings.Repeat(good+",", 7) + good} {
		if err := checkDigest(value, nil); err != nil {
			t.Errorf("%q: %v", value, err)
		}
	}
	const structured = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"
	for name, value := range map[string]string{
		"twice":          structured + ", " + structured,
		"a parameter":    "sha-256=?1",
		"bare":           "sha-256",
		"unknown only":   "md5=:AAAA:",
		"too many":       structured + ", a=:AAAA:, b=:AAAA:, c=:AAAA:, d=:AAAA:, e=:AAAA:, f=:AAAA:, g=:AAAA:, h=:AAAA:",
		"inner list":     "sha-256=(:AAAA:)",
		"loose bits":     "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=:",
		"trailing comma": structured + ",",
	} {
		if err := checkContentDigest(value, nil); err == nil {
			t.Errorf("Content-Digest %s: accepted", name)
		}
	}
}

func FuzzDigest(f *testing.F) {
	var v struct {
		Cases []struct{ Value, Body string }
	}
	load(f, "digest/digest.json", &v)
	for _, c := range v.Cases {
		f.Add(c.Value, []byte(c.Body))
	}
	f.Fuzz(func(t *testing.T, value string, body []byte) {
		for _, check := range []func(string, []byte) error{checkDigest, checkContentDigest} {
			err := check(value, body)
			if err != nil && !errors.Is(err, ErrDigest) && !errors.Is(err, ErrMalformed) {
				t.Fatal(err)
			}
			if other := check(value, append(body, 'x')); err == nil && !errors.Is(other, ErrDigest) {
				t.Fatalf("%q fits two bodies: %v", value, other)
			}
		}
	})
}
