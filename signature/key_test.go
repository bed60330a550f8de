package signature

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"math/big"
	"strings"
	"sync"
	"testing"
)

var sharedKey = sync.OnceValues(GenerateKey)

func mustKey(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	k, err := sharedKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func mustEd25519(t testing.TB) ed25519.PublicKey {
	t.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return public
}

func TestPublicKeysOfStrangers(t *testing.T) {
	t.Parallel()
	var v struct {
		PEM []struct{ ID, PEM, Expect, Note string }
	}
	load(t, "keys/key-parsing.json", &v)
	if len(v.PEM) != 28 {
		t.Fatalf("%d cases", len(v.PEM))
	}
	for _, tc := range v.PEM {
		t.Run(tc.ID, func(t *testing.T) {
			if tc.ID == "oversize-1MiB" {
				tc.PEM = "-----BEGIN PUBLIC KEY-----\n" + strings.Repeat("A", 1<<20) + "\n-----END PUBLIC KEY-----"
			}
			if tc.ID == "spki-p256" {
				// The vectors were written for draft-cavage, where nobody uses it; by RFC 9421 §3.3.4
				// there is ecdsa-p256-sha256, and so it is here.
				tc.Expect = "accept-p256"
			}
			key, err := ParsePublicKey(tc.PEM)
			if accept := strings.HasPrefix(tc.Expect, "accept"); accept != (err == nil) {
				t.Fatalf("want %s (%s), got %v", tc.Expect, tc.Note, err)
			}
			if err != nil {
				if !errors.Is(err, ErrBadKey) || key != nil {
					t.Errorf("%v, %v", key, err)
				}
				return
			}
			text, err := MarshalPublicKey(key)
			if err != nil {
				t.Fatal(err)
			}
			again, err := ParsePublicKey(text)
			if err != nil || !sameKey(key, again) {
				t.Errorf("written and read again: %v, %v", again, err)
			}
			if _, isEd := key.(ed25519.PublicKey); isEd != (tc.Expect == "accept-ed25519") {
				t.Errorf("%T", key)
			}
			if _, isP256 := key.(*ecdsa.PublicKey); isP256 != (tc.Expect == "accept-p256") {
				t.Errorf("%T", key)
			}
		})
	}
}

func TestPrivateKeysSurviveTheirText(t *testing.T) {
	t.Parallel()
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaText, err := MarshalPrivateKey(mustKey(t))
	if err != nil {
		t.Fatal(err)
	}
	edText, err := MarshalPrivateKey(edKey)
	if err != nil {
		t.Fatal(err)
	}
	rsaAgain, err := ParsePrivateKey(rsaText)
	if err != nil || !mustKey(t).Equal(rsaAgain) {
		t.Errorf("RSA: %v", err)
	}
	edAgain, err := ParsePrivateKey(edText)
	if err != nil || !edKey.Equal(edAgain) {
		t.Errorf("Ed25519: %v", err)
	}
	var v appendixC
	load(t, "cavage/draft-12-appendix-C.json", &v)
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p256Text, err := MarshalPrivateKey(p256)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := ParsePrivateKey(p256Text); err != nil || !p256.Equal(again) {
		t.Errorf("P-256: %v", err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := MarshalPrivateKey(p384); !errors.Is(err, ErrBadKey) {
		t.Errorf("P-384: %v", err)
	}
	for name, text := range map[string]string{
		"empty":                "",
		"not PEM":              "secret",
		"two blocks":           rsaText + rsaText,
		"a public key":         v.Key.Public,
		"1024 bits":            v.Key.Private,
		"garbage in the block": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
		"too long":             rsaText + strings.Repeat("\n", 2*maxKeyPEM),
	} {
		k, err := ParsePrivateKey(text)
		if !errors.Is(err, ErrBadKey) || k != nil {
			t.Errorf("%s: %v, %v", name, k, err)
		}
		if text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("%s: the error quotes the key", name)
		}
	}
}

// Each of these panics, or says yes to anyone, further down.
func TestUnusableKeysAreErrors(t *testing.T) {
	t.Parallel()
	good := mustKey(t).N
	for name, key := range map[string]any{
		"nil":               nil,
		"nil RSA":           (*rsa.PublicKey)(nil),
		"no modulus":        &rsa.PublicKey{E: 65537},
		"negative modulus":  &rsa.PublicKey{N: new(big.Int).Neg(good), E: 65537},
		"exponent 1":        &rsa.PublicKey{N: good, E: 1},
		"even exponent":     &rsa.PublicKey{N: good, E: 65536},
		"huge exponent":     &rsa.PublicKey{N: good, E: 1<<17 + 1},
		"short Ed25519":     ed25519.PublicKey(make([]byte, 31)),
		"nil Ed25519":       ed25519.PublicKey(nil),
		"bytes":             []byte("public PEM as an HMAC key"),
		"RSA without a *":   rsa.PublicKey{N: good, E: 65537},
		"nil ECDSA":         (*ecdsa.PublicKey)(nil),
		"P-256, no point":   &ecdsa.PublicKey{Curve: elliptic.P256()},
		"P-256, off curve":  &ecdsa.PublicKey{Curve: elliptic.P256(), X: big.NewInt(1), Y: big.NewInt(1)},
		"P-256, zero":       &ecdsa.PublicKey{Curve: elliptic.P256(), X: new(big.Int), Y: new(big.Int)},
		"P-256, negative":   &ecdsa.PublicKey{Curve: elliptic.P256(), X: big.NewInt(-1), Y: big.NewInt(1)},
		"P-256, huge":       &ecdsa.PublicKey{Curve: elliptic.P256(), X: good, Y: good},
		"P-384":             &ecdsa.PublicKey{Curve: elliptic.P384(), X: big.NewInt(1), Y: big.NewInt(1)},
		"no curve":          &ecdsa.PublicKey{X: big.NewInt(1), Y: big.NewInt(1)},
		"zero Ed25519":      ed25519.PublicKey(make([]byte, 32)),
		"a private RSA key": mustKey(t),
	} {
		if err := checkPublicKey(key); !errors.Is(err, ErrBadKey) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := MarshalPublicKey(key); !errors.Is(err, ErrBadKey) {
			t.Errorf("%s: marshalled, %v", name, err)
		}
	}
	for _, k := range []ed25519.PrivateKey{nil, make([]byte, 31)} {
		if _, err := publicOf(k); !errors.Is(err, ErrBadKey) {
			t.Errorf("private key of %d bytes: %v", len(k), err)
		}
	}
	for _, k := range []crypto.Signer{(*rsa.PrivateKey)(nil), (*ecdsa.PrivateKey)(nil), nil} {
		if _, err := publicOf(k); !errors.Is(err, ErrBadKey) {
			t.Error(err)
		}
	}
}

func FuzzPublicKey(f *testing.F) {
	var v struct {
		PEM []struct{ PEM string }
	}
	load(f, "keys/key-parsing.json", &v)
	for _, c := range v.PEM {
		f.Add(c.PEM)
	}
	f.Fuzz(func(t *testing.T, text string) {
		key, err := ParsePublicKey(text)
		if err != nil {
			if !errors.Is(err, ErrBadKey) {
				t.Fatalf("%v", err)
			}
			return
		}
		if k, ok := key.(*rsa.PublicKey); ok && (k.N.BitLen() < 2048 || k.N.BitLen() > 8192 || k.E < 3 || k.E%2 == 0 || k.E > 1<<17) {
			t.Fatalf("took %d bits, exponent %d", k.N.BitLen(), k.E)
		}
		once, err := MarshalPublicKey(key)
		if err != nil {
			t.Fatalf("read %q but cannot write it: %v", text, err)
		}
		again, err := ParsePublicKey(once)
		if err != nil || !sameKey(key, again) {
			t.Fatalf("not stable: %v", err)
		}
	})
}
