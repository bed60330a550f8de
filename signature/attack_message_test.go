package signature_test

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook/signature"
)

var inputMember = regexp.MustCompile(`^([a-z0-9-]+)=\(([^)]*)\)(.*)$`)

// arithmetic is an RFC 9421 verifier with no rules: it takes the last label and asks whether its
// signature fits alice's key, with PKCS#1 or Ed25519 whatever the label says.
func arithmetic(t *testing.T, r *http.Request) bool {
	t.Helper()
	inputs, values := r.Header.Values("Signature-Input"), r.Header.Values("Signature")
	members := strings.Split(inputs[len(inputs)-1], ", ")
	m := inputMember.FindStringSubmatch(members[len(members)-1])
	if m == nil {
		t.Fatalf("cannot read %q", members)
	}
	var sig []byte
	for _, value := range strings.Split(values[len(values)-1], ", ") {
		_, encoded, _ := strings.Cut(value, "=:") // the last, whatever its label
		sig = must[[]byte](t)(base64.StdEncoding.DecodeString(strings.TrimSuffix(encoded, ":")))
	}
	base := []byte(labelled{components: m[2], params: m[3]}.base(r))
	sum := sha256.Sum256(base)
	return rsa.VerifyPKCS1v15(&must[*rsa.PrivateKey](t)(rsaKey()).PublicKey, crypto.SHA256, sum[:], sig) == nil ||
		ed25519.Verify(must[ed25519.PrivateKey](t)(edKey()).Public().(ed25519.PublicKey), base, sig)
}

func TestAttack21MessageSignaturesThatMeanLess(t *testing.T) {
	t.Parallel()
	now := time.Now().Unix()
	id := `;keyid="` + aliceKey + `"`
	for name, tc := range map[string]struct {
		components, params string
		want               error
	}{
		"query-param":              {goodComponents + ` "@query-param";name="x"`, "", signature.ErrUnsupported},
		"sf":                       {goodComponents + ` "content-type";sf`, "", signature.ErrUnsupported},
		"key":                      {`"@method" "@target-uri" "content-digest";key="sha-256"`, "", signature.ErrUnsupported},
		"req":                      {goodComponents + ` "@authority";req`, "", signature.ErrUnsupported},
		"tr":                       {goodComponents + ` "date";tr`, "", signature.ErrUnsupported},
		"bs":                       {goodComponents + ` "date";bs`, "", signature.ErrUnsupported},
		"its own parameters":       {goodComponents + ` "@signature-params"`, "", signature.ErrUnsupported},
		"listed twice":             {goodComponents + ` "@method"`, "", signature.ErrMalformed},
		"digest not covered":       {`"@method" "@target-uri"`, "", signature.ErrCoverage},
		"no created":               {goodComponents, id, signature.ErrCoverage},
		"an unknown parameter":     {goodComponents, goodParams() + `;scope="read"`, signature.ErrUnsupported},
		"for another application":  {goodComponents, goodParams() + `;tag="payments"`, signature.ErrUnsupported},
		"alg that fits no RSA key": {goodComponents, goodParams() + `;alg="ed25519"`, signature.ErrBadSignature},
		"alg of a shared secret":   {goodComponents, goodParams() + `;alg="hmac-sha256"`, signature.ErrUnsupported},
		"created in 2001":          {goodComponents, fmt.Sprintf(";created=%d", 978307200) + id, signature.ErrExpired},
		"created tomorrow":         {goodComponents, fmt.Sprintf(";created=%d", now+86400) + id, signature.ErrExpired},
	} {
		if tc.params == "" {
			tc.params = goodParams()
		}
		r, body := knocked(t)
		attach(t, r, labelled{label: "s", components: tc.components, params: tc.params})
		if !arithmetic(t, r) {
			t.Errorf("%s: refused without the rules", name)
		}
		_, err := verifier(t).Verify(r, body)
		refused(t, name, err, tc.want)
	}

	// An attacker's label behind the sender's: who takes the last believes another key's owner.
	const evilKey = "https://evil.example/users/mallory#main-key"
	r, body := knocked(t)
	evil := labelled{label: "evil", components: `"@method"`, params: fmt.Sprintf(`;created=%d;keyid="%s"`, now, evilKey)}
	attach(t, r, labelled{label: "s", components: goodComponents, params: goodParams()}, evil)
	if !arithmetic(t, r) {
		t.Error("the attacker's label is refused without the rules")
	}
	if got, err := verifier(t).Verify(r, body); err != nil || got.KeyID != aliceKey {
		t.Errorf("beside a weak one of a stranger: %+v, %v", got, err)
	}
	attach(t, r, evil)
	_, err := verifier(t).Verify(r, body)
	refused(t, "the weak one alone", err, signature.ErrCoverage)
	three := labelled{label: "x", components: goodComponents, params: goodParams()}
	attach(t, r, evil, evilLabel(evil, "more"), three)
	if !arithmetic(t, r) {
		t.Error("three labels are refused without the rules")
	}
	_, err = verifier(t).Verify(r, body)
	refused(t, "three labels", err, signature.ErrMalformed)

	// Labels that do not match.
	attach(t, r, labelled{label: "s", components: goodComponents, params: goodParams()})
	r.Header.Set("Signature", "t"+strings.TrimPrefix(r.Header.Get("Signature"), "s"))
	if !arithmetic(t, r) {
		t.Error("another label is refused without the rules")
	}
	_, err = verifier(t).Verify(r, body)
	refused(t, "another label", err, signature.ErrMalformed)
}

func evilLabel(l labelled, label string) labelled { l.label = label; return l }

// Stripping Signature-Input off a request leaves what is no draft-cavage signature; and one that
// was signed so must hold as such.
func TestAttack22ADowngradeGainsNothing(t *testing.T) {
	t.Parallel()
	r, body := signed(t, signature.RFC9421)
	r.Header.Del("Signature-Input")
	_, err := verifier(t).Verify(r, body)
	refused(t, "RFC 9421 without its input", err, signature.ErrMalformed)

	// With both, the one that is there is read as RFC 9421 alone.
	cavage, body := signed(t, signature.Cavage)
	message, _ := signed(t, signature.RFC9421)
	cavage.Header.Set("Signature-Input", message.Header.Get("Signature-Input"))
	_, err = verifier(t).Verify(cavage, body)
	refused(t, "draft-cavage beside an input", err, signature.ErrMalformed)

	// What is left is as strict as the other, and says what it is.
	cavage.Header.Del("Signature-Input")
	if got, err := verifier(t).Verify(cavage, body); err != nil || got.Scheme != signature.Cavage {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestAttack23KeysThatProveNothing(t *testing.T) {
	t.Parallel()
	// With exponent 1 a signature is the padded hash, which anyone can write.
	one := &rsa.PublicKey{N: must[*rsa.PrivateKey](t)(rsaKey()).N, E: 1}
	padded := func(text []byte) []byte {
		sum := sha256.Sum256(text)
		prefix := []byte{0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20}
		block := slices.Concat(prefix, sum[:])
		out := bytesOf(0xff, 256)
		out[0], out[1], out[256-len(block)-1] = 0, 1, 0
		copy(out[256-len(block):], block)
		return out
	}
	m := new(big.Int).Exp(new(big.Int).SetBytes(padded([]byte("anything"))), big.NewInt(int64(one.E)), one.N)
	if !slices.Equal(m.FillBytes(make([]byte, 256)), padded([]byte("anything"))) {
		t.Error("the textbook refuses e = 1")
	}

	// The identity: one signature fits every message.
	small := make(ed25519.PublicKey, 32)
	small[0] = 1
	forged := make([]byte, 64)
	forged[0] = 1
	r, body := unsigned(t)
	forge{covered: "(request-target) host date digest", format: `keyId="` + aliceKey + `",algorithm="ed25519",headers="%s",signature="%.0s` +
		base64.StdEncoding.EncodeToString(forged) + `"`}.sign(t, r)
	v := verifier(t)
	v.Keys = keyring{aliceKey: small}
	if _, err := v.VerifyWithout(signature.RuleKey, r, body); err != nil {
		t.Errorf("a key of small order is refused without the rule: %v", err)
	}
	_, err := v.Verify(r, body)
	refused(t, "small order", err, signature.ErrNoKey)

	// Too short.
	var vectors struct {
		Key struct {
			Private string `json:"private_pem"`
		}
	}
	if err := json.Unmarshal(must[[]byte](t)(os.ReadFile("testdata/cavage/draft-12-appendix-C.json")), &vectors); err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(vectors.Key.Private))
	short := must[*rsa.PrivateKey](t)(x509.ParsePKCS1PrivateKey(block.Bytes))
	r, body = unsigned(t)
	forge{covered: "(request-target) host date digest", key: short}.sign(t, r)
	for name, key := range map[string]crypto.PublicKey{"1024 bits": &short.PublicKey} {
		v.Keys = keyring{aliceKey: key}
		if _, err := v.VerifyWithout(signature.RuleKey, r, body); err != nil {
			t.Errorf("%s: refused without the rule: %v", name, err)
		}
		_, err := v.Verify(r, body)
		refused(t, name, err, signature.ErrNoKey)
	}
	for name, key := range map[string]crypto.PublicKey{"exponent 1": one, "31 bytes": ed25519.PublicKey(make([]byte, 31))} {
		v.Keys = keyring{aliceKey: key}
		_, err := v.Verify(r, body)
		refused(t, name, err, signature.ErrNoKey)
	}

	// Texts that another parser takes.
	good := must[string](t)(signature.MarshalPublicKey(&must[*rsa.PrivateKey](t)(rsaKey()).PublicKey))
	other := must[string](t)(signature.MarshalPublicKey(&must[*rsa.PrivateKey](t)(otherKey()).PublicKey))
	for name, text := range map[string]string{
		"two blocks":     good + other,
		"text before it": "see below\n" + good,
		"PEM headers":    strings.Replace(good, "KEY-----\n", "KEY-----\nProc-Type: 4\n\n", 1),
	} {
		naive, _ := pem.Decode([]byte(text))
		if naive == nil {
			t.Errorf("%s: encoding/pem refuses it", name)
			continue
		}
		if _, err := x509.ParsePKIXPublicKey(naive.Bytes); err != nil {
			t.Errorf("%s: crypto/x509 refuses it: %v", name, err)
		}
		if _, err := signature.ParsePublicKey(text); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func bytesOf(b byte, n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = b
	}
	return out
}

// What is compared is no secret: digests of a body that the sender knows, and hashes of what it
// wrote. So nothing but equality may show, wherever the difference is.
func TestAttack24WhereADigestDiffersDoesNotShow(t *testing.T) {
	t.Parallel()
	texts := map[string]bool{}
	for _, at := range []int{0, 15, 31} {
		r, body := unsigned(t)
		sum := sha256.Sum256(body)
		sum[at] ^= 1
		r.Header.Set("Digest", "SHA-256="+base64.StdEncoding.EncodeToString(sum[:]))
		forge{covered: "(request-target) host date digest"}.sign(t, r)
		_, err := verifier(t).Verify(r, body)
		refused(t, fmt.Sprint(at), err, signature.ErrDigest)
		texts[err.Error()] = true
	}
	if len(texts) != 1 {
		t.Errorf("%d answers", len(texts))
	}
}

// Misskey before 2026.3.1 (CVE-2026-28432) could be led past its check. Here the result is a value
// that only a Verifier fills: the empty one speaks for nobody, and comes with every error.
func TestAttack25AResultThatNobodyVerified(t *testing.T) {
	t.Parallel()
	var none signature.Verified
	for _, actor := range []string{"", alice} {
		refused(t, actor, none.SignedBy(actor), signature.ErrOwner)
	}
	for _, scheme := range []signature.Scheme{signature.Cavage, signature.RFC9421} {
		r, _ := signed(t, scheme)
		got, err := verifier(t).Verify(r, []byte("{}"))
		if err == nil || got.Owner != "" || got.KeyID != "" || got.Covered != nil {
			t.Errorf("%+v, %v", got, err)
		}
	}
	if _, ok := signature.VerifiedFrom(t.Context()); ok {
		t.Error("a bare context is verified")
	}
}
