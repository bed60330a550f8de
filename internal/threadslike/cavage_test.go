package threadslike

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// vectors are draft-cavage-12 appendix C; see testdata/README.md.
type vectors struct {
	Key struct {
		Public string `json:"public_pem"`
	}
	Request struct {
		Method, Target, Body string
		Headers              [][2]string
	}
	Cases []struct {
		ID        string
		Covered   []string
		String    string `json:"signing_string"`
		Signature string
	}
}

func readVectors(t *testing.T) (v vectors, key *rsa.PublicKey) {
	t.Helper()
	raw, err := os.ReadFile("testdata/cavage/draft-12-appendix-C.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(v.Key.Public))
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return v, parsed.(*rsa.PublicKey)
}

func TestTheVectorsOfTheDraftVerify(t *testing.T) {
	t.Parallel()
	v, key := readVectors(t)
	if len(v.Cases) != 3 {
		t.Fatalf("%d cases", len(v.Cases))
	}
	for _, c := range v.Cases {
		r, err := http.NewRequest(v.Request.Method, "http://example.com"+v.Request.Target, strings.NewReader(v.Request.Body))
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range v.Request.Headers {
			r.Header.Set(h[0], h[1])
		}
		field := `keyId="Test",algorithm="rsa-sha256",headers="` + strings.Join(c.Covered, " ") + `",signature="` + c.Signature + `"`
		p, err := parseParameters(field)
		if err != nil {
			t.Fatalf("%s: %v", c.ID, err)
		}
		if got, err := p.signingString(r); err != nil || got != c.String {
			t.Errorf("%s: signing string %q, %v; want %q", c.ID, got, err, c.String)
		}
		if err := p.checkSignature(r, key); err != nil {
			t.Errorf("%s: %v", c.ID, err)
		}
		r.Header.Set("Date", "Sun, 05 Jan 2014 21:31:41 GMT")
		if p.checkSignature(r, key) == nil {
			t.Errorf("%s: verifies with another Date", c.ID)
		}
		if err := checkDigest([]string{r.Header.Get("Digest")}, []byte(v.Request.Body)); err != nil {
			t.Errorf("%s: %v", c.ID, err)
		}
	}
}

func TestWhatIsSignedVerifiesAndNothingElse(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 6, 4, 12, 0, 0, 0, time.UTC)
	body := []byte(`{"a":1}`)
	for _, dateOnly := range []bool{false, true} {
		make := func() *http.Request {
			r, err := http.NewRequest(http.MethodPost, "https://a.example/inbox?q=1", bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if err := (signature{"https://b.example/u/#main-key", theKey(), at, dateOnly}).sign(r, body); err != nil {
				t.Fatal(err)
			}
			return r
		}
		verify := func(r *http.Request) error {
			p, err := parseParameters(r.Header.Get("Signature"))
			if err != nil {
				return err
			}
			if err := p.checkCoverage(r.Method); err != nil {
				return err
			}
			return p.checkSignature(r, &theKey().PublicKey)
		}
		if err := verify(make()); err != nil {
			t.Fatalf("dateOnly %v: %v", dateOnly, err)
		}
		hs2019 := strings.Contains(make().Header.Get("Signature"), `algorithm="hs2019",created=1780574400,expires=1780574700,`)
		if hs2019 == dateOnly {
			t.Errorf("dateOnly %v: %s", dateOnly, make().Header.Get("Signature"))
		}
		for name, spoil := range map[string]func(*http.Request){
			"another path":   func(r *http.Request) { r.URL.Path = "/outbox" },
			"another query":  func(r *http.Request) { r.URL.RawQuery = "q=2" },
			"another method": func(r *http.Request) { r.Method = http.MethodPut },
			"another host":   func(r *http.Request) { r.Host = "c.example" },
			"another digest": func(r *http.Request) { r.Header.Set("Digest", digest(nil)) },
			"another date":   func(r *http.Request) { r.Header.Set("Date", at.Add(time.Second).Format(http.TimeFormat)) },
			"less covered": func(r *http.Request) {
				r.Header.Set("Signature", strings.Replace(r.Header.Get("Signature"), " digest", "", 1))
			},
		} {
			r := make()
			spoil(r)
			if verify(r) == nil {
				t.Errorf("dateOnly %v: verifies with %s", dateOnly, name)
			}
		}
	}
}

func TestSignaturesThatCannotBeReadAreErrors(t *testing.T) {
	t.Parallel()
	for _, field := range []string{
		``, `keyId`, `keyId="a"`, `signature="AAAA"`, `keyId="a",signature=""`, `keyId="a",signature="?"`, `keyId="a`,
		`keyId="a",keyId="b",headers="host",signature="AAAA"`, `keyId="a",headers="host host",signature="AAAA"`,
		`keyId="a",headers="",signature="AAAA"`, `keyId="a"x,headers="host",signature="AAAA"`,
		`keyId="a",created=x,headers="host",signature="AAAA"`, `keyId="a",expires=-1,headers="host",signature="AAAA"`,
		`sig1=:AAAA:`,
	} {
		if p, err := parseParameters(field); err == nil {
			t.Errorf("%q is read as %+v", field, p)
		}
	}
	p, err := parseParameters(`keyId="a,b", algorithm = "HS2019" ,created=1,expires="2",headers="Host (created)",signature="AAAA",else=x`)
	if err != nil || p.keyID != "a,b" || p.algorithm != "hs2019" || p.created != 1 || p.expires != 2 || strings.Join(p.covered, " ") != "host (created)" {
		t.Errorf("got %+v, %v", p, err)
	}
}

// draft-cavage-12 §2.3: (created) and (expires) with an algorithm that begins with rsa are an error.
func TestCreatedIsNotForOldAlgorithms(t *testing.T) {
	t.Parallel()
	r, err := http.NewRequest(http.MethodGet, "https://a.example/", nil)
	if err != nil {
		t.Fatal(err)
	}
	for algorithm, good := range map[string]bool{"hs2019": true, "rsa-sha256": false} {
		p := parameters{algorithm: algorithm, created: 5, covered: []string{createdName}}
		if got, err := p.signingString(r); (err == nil) != good || good && got != "(created): 5" {
			t.Errorf("%s: %q, %v", algorithm, got, err)
		}
	}
	if _, err := (parameters{covered: []string{"x-absent"}}).signingString(r); err == nil {
		t.Error("a field that is not there can be signed")
	}
}

func FuzzParameters(f *testing.F) {
	f.Add(`keyId="a",algorithm="hs2019",created=1,expires=2,headers="(request-target) host",signature="AAAA"`)
	f.Add(`keyId = "a,b" , signature="AAAA"`)
	f.Fuzz(func(t *testing.T, field string) {
		p, err := parseParameters(field)
		if err != nil {
			return
		}
		if p.keyID == "" || len(p.signature) == 0 || len(p.covered) == 0 || p.created < 0 || p.expires < 0 {
			t.Errorf("%q is read as %+v", field, p)
		}
	})
}

// resigned signs what p covers anew, with theKey.
func resigned(t *testing.T, r *http.Request, p parameters) string {
	t.Helper()
	text, err := p.signingString(r)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(text))
	made, err := rsa.SignPKCS1v15(nil, theKey(), crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(made)
}
