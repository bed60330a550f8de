package signature_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/signature"
)

// FuzzVerify presents requests of every shape with genuine signatures taken from other requests.
// Whatever verifies was signed over those very bytes, method, target and host.
func FuzzVerify(f *testing.F) {
	type original struct {
		method, target, host, body string
		header                     http.Header
	}
	// The keys are fixed: seeds travel to worker processes, which must know the same ones.
	var vectors struct {
		Keys map[string]struct {
			PEM string `json:"private_pem"`
		}
	}
	if err := json.Unmarshal(must[[]byte](f)(os.ReadFile("testdata/rfc9421/appendix-B.json")), &vectors); err != nil {
		f.Fatal(err)
	}
	parse := func(name string) crypto.Signer {
		return must[crypto.Signer](f)(signature.ParsePrivateKey(vectors.Keys[name].PEM))
	}
	const edID, p256ID = "https://peer.example/users/alice#ed25519-key", "https://peer.example/users/alice#p256-key"
	rsaSigner := signature.Key{ID: aliceKey, Private: parse("test-key-rsa")}
	edSigner := signature.Key{ID: edID, Private: parse("test-key-ed25519")}
	sec1, _ := pem.Decode([]byte(vectors.Keys["test-key-ecc-p256"].PEM))
	p256Signer := signature.Key{ID: p256ID, Private: must[*ecdsa.PrivateKey](f)(x509.ParseECPrivateKey(sec1.Bytes))}
	v := &signature.Verifier{
		Keys: keyring{aliceKey: rsaSigner.Private.Public(), edID: edSigner.Private.Public(),
			p256ID: p256Signer.Private.Public()},
		Authorities: []string{"our.example", "also.example", "our.example:8443"},
	}

	var originals []original
	add := func(method, target, body string, key signature.Key, s signature.Scheme) {
		r := must[*http.Request](f)(http.NewRequest(method, "https://our.example"+target, strings.NewReader(body)))
		if err := signature.Sign(r, []byte(body), key, s); err != nil {
			f.Fatal(err)
		}
		originals = append(originals, original{method, target, r.Host, body, r.Header})
		if _, err := v.Verify(r, []byte(body)); err != nil {
			f.Fatal(err)
		}
		input := r.Header.Get("Signature-Input")
		f.Add(uint8(len(originals)-1), method, target, r.Host, []byte(body), r.Header.Get("Signature"), input,
			r.Header.Get("Digest")+r.Header.Get("Content-Digest"), r.Header.Get("Date"))
	}
	for _, target := range []string{"/ap/inbox", "/ap/users/bob?page=1", "/a%0Ab?"} {
		add("POST", target, follow, rsaSigner, signature.Cavage)
		add("GET", target, "", rsaSigner, signature.Cavage)
		add("POST", target, follow, rsaSigner, signature.RFC9421)
		add("GET", target, "", edSigner, signature.RFC9421)
		add("PUT", target, "x", edSigner, signature.RFC9421)
		add("POST", target, follow, p256Signer, signature.RFC9421)
	}

	f.Fuzz(func(t *testing.T, which uint8, method, target, host string, body []byte, sig, input, digest, date string) {
		o := originals[int(which)%len(originals)]
		h := o.header.Clone()
		set := func(name, value string) {
			if value == "" {
				h.Del(name)
			} else {
				h.Set(name, value)
			}
		}
		set("Signature", sig)
		set("Signature-Input", input)
		set("Date", date)
		set("Digest", digest)
		set("Content-Digest", digest)
		r := &http.Request{Method: method, RequestURI: target, Host: host, Header: h}
		got, err := v.Verify(r, body)
		id, idErr := signature.KeyID(r)
		if err != nil {
			var e *signature.Error
			if !errors.As(err, &e) || e.Status < 400 || e.Status > 503 || e.Public() == "" || e.Error() == "" {
				t.Fatalf("%#v", err)
			}
			return
		}
		if idErr != nil || id != got.KeyID {
			t.Fatalf("KeyID %q, %v; verified %q", id, idErr, got.KeyID)
		}
		// The signature verifies, so it is one of ours: find what it was made for.
		for _, o := range originals {
			sameHost := strings.TrimSuffix(strings.ToLower(host), ":443") == o.host
			path := strings.TrimPrefix(target, "https://"+host)
			sameTarget := path == o.target || path == "" && o.target == "/"
			if got.QueryUnsigned {
				path, _, _ = strings.Cut(path, "?")
				sameTarget = path == o.target && (method == "GET" || method == "HEAD")
			}
			// draft-cavage signs the method in lower case.
			sameMethod := method == o.method || got.Scheme == signature.Cavage && strings.EqualFold(method, o.method)
			if sameHost && sameTarget && sameMethod && string(body) == o.body {
				return
			}
		}
		t.Fatalf("%s %s at %s with %q verified as %+v", method, target, host, body, got)
	})
}
