package signature_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/signature"
)

// token is a signer that shows no private key, as a security module is.
type token struct {
	public crypto.PublicKey
	sign   func(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error)
}

func (k token) Public() crypto.PublicKey { return k.public }

func (k token) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return k.sign(rand, digest, opts)
}

func TestAProvedDocumentKeepsItsBytes(t *testing.T) {
	t.Parallel()
	a := newActors(t, alice)
	k := signature.Key{ID: aliceEd, Private: token{a[alice].Public(), a[alice].Sign}}
	for _, document := range []string{
		aliceNote,
		" {\n \"attributedTo\" : \"" + alice + "\",\n \"x\": [1.50, 1e2, \"\\u00e9\\/\", {\"b\":{},\"a\":{}}]\t}\r\n",
		`{"attributedTo":"` + alice + `","@context":["https://www.w3.org/ns/activitystreams",{"x":{"@id":"x:y","@type":"@id"}}],"Proof":"}"}`,
		`{"@context":"https://www.w3.org/ns/activitystreams","attributedTo":"` + alice + `"}`,
	} {
		before := []byte(document)
		proved, err := signature.Prove(before, k, signature.ProofOptions{})
		if err != nil {
			t.Fatal(err)
		}
		body := strings.TrimRight(document, " \r\n\t}")
		if string(before) != document || !strings.HasPrefix(string(proved), body) || !json.Valid(proved) {
			t.Errorf("%s became %s", document, proved)
		}
		begin := bytes.LastIndex(proved, []byte(`,"proof":{`))
		end := begin + bytes.LastIndexByte(bytes.TrimRight(proved[begin:], " \r\n\t}"), '"') + 2
		if rest := string(proved[:begin]) + string(proved[end:]); rest != document {
			t.Errorf("without its proof %q is %q", document, rest)
		}
		p, err := a.verifier().Verify(t.Context(), proved)
		want, lost := signature.LaxJCS([]byte(document))
		if err != nil || lost != nil || !bytes.Equal(p.Document, want) || p.Owner != alice || p.Method != aliceEd ||
			time.Since(p.Created) > time.Minute || !p.Expires.IsZero() {
			t.Errorf("%+v, %v", p, err)
		}
	}
	// An empty object belongs to nobody, but has room for a proof.
	proved, err := signature.Prove([]byte(" { } "), k, signature.ProofOptions{})
	if err != nil || !strings.HasPrefix(string(proved), ` { "proof":{"created":`) || !json.Valid(proved) {
		t.Errorf("%s, %v", proved, err)
	}
}

func TestWhatIsNotProved(t *testing.T) {
	t.Parallel()
	a := newActors(t, alice)
	good := signature.Key{ID: aliceEd, Private: a[alice]}
	broken := errors.New("the module has gone")
	rsaSigner := must[*rsa.PrivateKey](t)(rsaKey())
	for name, c := range map[string]struct {
		document string
		key      signature.Key
		options  signature.ProofOptions
		want     error
	}{
		"a document with a proof":     {`{"proof":null}`, good, signature.ProofOptions{}, signature.ErrMalformed},
		"a document with a signature": {`{"signature":{}}`, good, signature.ProofOptions{}, signature.ErrMalformed},
		"two members of one name":     {`{"a":1,"a":1}`, good, signature.ProofOptions{}, signature.ErrMalformed},
		"a context that is none":      {`{"@context":[null]}`, good, signature.ProofOptions{}, signature.ErrMalformed},
		"a list":                      {`[]`, good, signature.ProofOptions{}, signature.ErrMalformed},
		"nothing":                     {``, good, signature.ProofOptions{}, signature.ErrMalformed},
		"too much":                    {`{"a":"` + strings.Repeat("x", 1<<20) + `"}`, good, signature.ProofOptions{}, signature.ErrTooLarge},
		"too much with the proof":     {`{"a":"` + strings.Repeat("x", 1<<20-20) + `"}`, good, signature.ProofOptions{}, signature.ErrTooLarge},
		"no key":                      {`{}`, signature.Key{ID: aliceEd}, signature.ProofOptions{}, signature.ErrBadKey},
		"an RSA key":                  {`{}`, signature.Key{ID: aliceEd, Private: rsaSigner}, signature.ProofOptions{}, signature.ErrBadKey},
		"a P-256 key":                 {`{}`, signature.Key{ID: aliceEd, Private: must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))}, signature.ProofOptions{}, signature.ErrBadKey},
		"a key without an id":         {`{}`, signature.Key{Private: a[alice]}, signature.ProofOptions{}, signature.ErrBadKey},
		"an id with a quote":          {`{}`, signature.Key{ID: `a"b`, Private: a[alice]}, signature.ProofOptions{}, signature.ErrBadKey},
		"an id too long":              {`{}`, signature.Key{ID: strings.Repeat("x", 2049), Private: a[alice]}, signature.ProofOptions{}, signature.ErrBadKey},
		"over before it is made":      {`{}`, good, signature.ProofOptions{Expires: time.Now().Add(-time.Second)}, signature.ErrExpired},
		"a signer that fails": {`{}`, signature.Key{ID: aliceEd, Private: token{a[alice].Public(), func(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
			return nil, broken
		}}}, signature.ProofOptions{}, broken},
	} {
		out, err := signature.Prove([]byte(c.document), c.key, c.options)
		if !errors.Is(err, c.want) || out != nil || !strings.HasPrefix(err.Error(), "signature: prove: ") || len(err.Error()) > 300 {
			t.Errorf("%s: %s, %v", name, out, err)
		}
	}
}

func TestProofsLastAsLongAsTheySay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newActors(t, alice)
		k := signature.Key{ID: aliceEd, Private: a[alice]}
		start := time.Now()
		forever := must[[]byte](t)(signature.Prove([]byte(aliceNote), k, signature.ProofOptions{}))
		hour := must[[]byte](t)(signature.Prove([]byte(aliceNote), k, signature.ProofOptions{Expires: start.Add(time.Hour)}))
		ahead := must[[]byte](t)(signature.Prove([]byte(aliceNote), k, signature.ProofOptions{Created: start.Add(time.Hour)}))
		timeless := forgeProof(t, a[alice], aliceNote, `{"created":"2000-01-01T00:00:00Z"}`)
		check := func(v *signature.ProofVerifier, document []byte, want error) {
			t.Helper()
			p, err := v.Verify(t.Context(), document)
			if !errors.Is(err, want) || (want == nil) != (err == nil) {
				t.Errorf("after %s: %v, want %v", time.Since(start), err, want)
			}
			if err == nil && bytes.Equal(document, hour) && !p.Expires.Equal(start.Add(time.Hour)) {
				t.Errorf("expires %s", p.Expires)
			}
		}
		young := a.verifier()
		young.MaxAge, young.Skew = time.Hour, time.Minute
		check(a.verifier(), ahead, signature.ErrExpired)
		check(young, forever, nil)
		time.Sleep(55*time.Minute - time.Nanosecond)
		check(a.verifier(), ahead, signature.ErrExpired)
		time.Sleep(time.Nanosecond)
		check(a.verifier(), ahead, nil)
		time.Sleep(6 * time.Minute)
		check(young, forever, nil)
		check(young, hour, nil)
		time.Sleep(time.Nanosecond)
		check(young, forever, signature.ErrExpired)
		check(young, hour, signature.ErrExpired)
		check(a.verifier(), hour, nil)
		time.Sleep(4*time.Minute - time.Nanosecond)
		check(a.verifier(), hour, nil)
		time.Sleep(time.Nanosecond)
		check(a.verifier(), hour, signature.ErrExpired)
		time.Sleep(10 * 365 * 24 * time.Hour)
		check(a.verifier(), forever, nil)
		check(a.verifier(), timeless, nil)
		check(young, timeless, signature.ErrExpired)
	})
}

func TestAProofWithoutATimeHasAnyAge(t *testing.T) {
	t.Parallel()
	a := newActors(t, alice)
	document := provedWith(t, a[alice], func(p map[string]any) { delete(p, "created") })
	if p, err := a.verifier().Verify(t.Context(), document); err != nil || !p.Created.IsZero() {
		t.Errorf("%+v, %v", p, err)
	}
	young := a.verifier()
	young.MaxAge = 250 * 365 * 24 * time.Hour
	if _, err := young.Verify(t.Context(), document); !errors.Is(err, signature.ErrExpired) {
		t.Error(err)
	}
}

// provedWith is aliceNote with a genuine proof whose members have been changed before it was signed.
func provedWith(t *testing.T, k ed25519.PrivateKey, change func(map[string]any)) []byte {
	t.Helper()
	p := map[string]any{"type": "DataIntegrityProof", "cryptosuite": "eddsa-jcs-2022", "proofPurpose": "assertionMethod",
		"verificationMethod": aliceEd, "created": "2026-01-02T03:04:05Z"}
	change(p)
	p["proofValue"] = "z" + signature.Base58(ed25519.Sign(k, signature.SignedHash(lax(t, p), lax(t, json.RawMessage(aliceNote)))))
	return withMember(aliceNote, "proof", string(must[[]byte](t)(json.Marshal(p))))
}

func TestMalformedProofsAreRefused(t *testing.T) {
	t.Parallel()
	a := newActors(t, alice)
	for name, c := range map[string]struct {
		member string
		value  any
		want   error
	}{
		"a time without a zone":       {"created", "2026-01-02T03:04:05", signature.ErrMalformed},
		"a date":                      {"created", "2026-01-02", signature.ErrMalformed},
		"an empty time":               {"created", "", signature.ErrMalformed},
		"no time at all":              {"expires", "0001-01-01T00:00:00Z", signature.ErrMalformed},
		"a number for a time":         {"created", 1700000000, signature.ErrMalformed},
		"a time with a comma":         {"created", "2026-01-02T03:04:05,678Z", signature.ErrMalformed},
		"null for a time":             {"expires", nil, signature.ErrMalformed},
		"a long time":                 {"created", "2026-01-02T03:04:05." + strings.Repeat("0", 100) + "Z", signature.ErrMalformed},
		"no purpose":                  {"proofPurpose", nil, signature.ErrMalformed},
		"a list of purposes":          {"proofPurpose", []string{"assertionMethod"}, signature.ErrMalformed},
		"no method":                   {"verificationMethod", "", signature.ErrMalformed},
		"an embedded method":          {"verificationMethod", map[string]string{"id": aliceEd}, signature.ErrMalformed},
		"a method with a line break":  {"verificationMethod", aliceEd + "\n", signature.ErrMalformed},
		"a long method":               {"verificationMethod", alice + strings.Repeat("x", 2048), signature.ErrMalformed},
		"a method that is no id":      {"verificationMethod", "#ed25519-key", signature.ErrOwner},
		"a method by acct":            {"verificationMethod", "acct:alice@peer.example", signature.ErrOwner},
		"a broken did:key":            {"verificationMethod", "did:key:z6Mk", signature.ErrNoKey},
		"a key that is not published": {"verificationMethod", alice + "#other", signature.ErrNoKey},
		"fractions of a second":       {"created", "2026-01-02T03:04:05.678901Z", nil},
		"another zone":                {"created", "2026-01-02T03:04:05+02:00", nil},
		"a member of somebody's own":  {"nonce", "1", nil},
	} {
		document := provedWith(t, a[alice], func(p map[string]any) { p[c.member] = c.value })
		p, err := a.verifier().Verify(t.Context(), document)
		if !errors.Is(err, c.want) || (c.want == nil) != (err == nil) || (p.Document == nil) != (err != nil) {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	genuine := string(provedWith(t, a[alice], func(map[string]any) {}))
	for name, c := range map[string]struct {
		document string
		want     error
	}{
		"null":                    {string(withMember(aliceNote, "proof", `null`)), signature.ErrUnsigned},
		"an id":                   {string(withMember(aliceNote, "proof", `"https://peer.example/proof"`)), signature.ErrUnsigned},
		"an empty list":           {string(withMember(aliceNote, "proof", `[]`)), signature.ErrUnsigned},
		"too many":                {string(withMember(aliceNote, "proof", `[1,2,3,4,"eddsa-jcs-2022"]`)), signature.ErrMalformed},
		"another suite by name":   {string(withMember(aliceNote, "proof", `{"type":"eddsa-jcs-2022"}`)), signature.ErrUnsigned},
		"cut short":               {genuine[:len(genuine)-1], signature.ErrMalformed},
		"no value":                {strings.Replace(genuine, `"proofValue"`, `"proofvalue"`, 1), signature.ErrMalformed},
		"a value cut short":       {strings.Replace(genuine, `"proofValue":"z`, `"proofValue":"z2","x":"`, 1), signature.ErrMalformed},
		"a document with two ids": {strings.Replace(genuine, `{"id":`, `{"id":"https://peer.example/2","id":`, 1), signature.ErrMalformed},
		"an id that is none":      {strings.Replace(genuine, `"https://peer.example/notes/1"`, `7`, 1), signature.ErrMalformed},
		"an empty id":             {strings.Replace(genuine, `"https://peer.example/notes/1"`, `""`, 1), signature.ErrMalformed},
		"no owner":                {strings.Replace(genuine, `"attributedTo"`, `"attributedto"`, 1), signature.ErrMalformed},
		"not a document":          {`[` + genuine + `]`, signature.ErrMalformed},
		"too large":               {genuine + strings.Repeat(" ", 1<<20), signature.ErrTooLarge},
	} {
		_, err := a.verifier().Verify(t.Context(), []byte(c.document))
		var e *signature.Error
		if !errors.Is(err, c.want) || !errors.As(err, &e) || c.document == genuine || len(err.Error()) > 500 {
			t.Errorf("%s: %v", name, err)
		}
	}
	long := strings.Replace(genuine, `"proofValue":"z`, `"proofValue":"z`+strings.Repeat("2", 10000), 1)
	if _, err := a.verifier().Verify(t.Context(), []byte(long)); err == nil || !strings.HasSuffix(err.Error(), "is not an Ed25519 signature in base58btc") {
		t.Errorf("decoded before it was refused: %v", err)
	}
	small := a.verifier()
	small.MaxSize = len(genuine) - 1
	if _, err := small.Verify(t.Context(), []byte(genuine)); !errors.Is(err, signature.ErrTooLarge) {
		t.Error(err)
	}
}

func TestWhatIsNotProvedNeedNotBeStrict(t *testing.T) {
	t.Parallel()
	for name, member := range map[string]string{
		"minus zero":                  `"longitude":-0.0`,
		"a large number":              `"size":1e30`,
		"two members of one name":     `"name":"a","name":"b"`,
		"deep":                        `"x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100),
		"half a character":            `"name":"\ud83d"`,
		"an unknown proof and a zero": `"proof":{"type":"DataIntegrityProof","cryptosuite":"mldsa44-jcs-2024"},"x":-0`,
		"an inner proof and a zero":   `"object":{"proof":{"type":"DataIntegrityProof","cryptosuite":"eddsa-jcs-2022"}},"x":-0`,
	} {
		_, err := new(signature.ProofVerifier).Verify(t.Context(), []byte("{"+member+"}"))
		if !errors.Is(err, signature.ErrUnsigned) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestASetOfGoodProofsHoldsAndUnknownOnesArePassedOver(t *testing.T) {
	t.Parallel()
	a := newActors(t, alice)
	var proofs []string
	for _, nonce := range []string{"1", "2"} {
		var d struct{ Proof json.RawMessage }
		if err := json.Unmarshal(provedWith(t, a[alice], func(p map[string]any) { p["nonce"] = nonce }), &d); err != nil {
			t.Fatal(err)
		}
		proofs = append(proofs, string(d.Proof))
	}
	set := withMember(aliceNote, "proof", `[{"type":"DataIntegrityProof","cryptosuite":"mldsa44-jcs-2024"},`+strings.Join(proofs, ",")+`]`)
	if p, err := a.verifier().Verify(t.Context(), set); err != nil || p.Owner != alice {
		t.Errorf("%+v, %v", p, err)
	}
}
