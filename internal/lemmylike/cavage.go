package lemmylike

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// field finds the parameters of a Signature. draft-cavage-12 §2.1
var field = regexp.MustCompile(`([A-Za-z]+)=(?:"([^"]*)"|([0-9]+))`)

// parameters are what a Signature says.
type parameters struct {
	keyID     string
	covered   []string
	signature []byte
}

func parse(header string) (p parameters, err error) {
	said := map[string]string{}
	for _, m := range field.FindAllStringSubmatch(header, -1) {
		if _, twice := said[m[1]]; twice {
			return p, fmt.Errorf("%s is there twice", m[1])
		}
		said[m[1]] = m[2] + m[3]
	}
	p.keyID, p.covered = said["keyId"], strings.Fields(said["headers"])
	if actor, fragment, ok := strings.Cut(p.keyID, "#"); !ok || actor == "" || fragment == "" {
		return p, fmt.Errorf("keyId %q has no fragment", p.keyID)
	}
	p.signature, err = base64.StdEncoding.DecodeString(said["signature"])
	if err == nil && len(p.signature) == 0 {
		err = errors.New("no signature")
	}
	return p, err
}

// text is what is signed. draft-cavage-12 §2.3
func (p parameters) text(r *http.Request) (string, error) {
	var lines []string
	for _, name := range p.covered {
		var value string
		switch name {
		case "(request-target)":
			value = strings.ToLower(r.Method) + " " + r.URL.RequestURI()
		case "host":
			if value = r.Host; value == "" {
				value = r.URL.Host
			}
		default:
			if len(r.Header.Values(name)) == 0 {
				return "", fmt.Errorf("%s is covered, and not there", name)
			}
			value = strings.Join(r.Header.Values(name), ", ")
		}
		lines = append(lines, name+": "+value)
	}
	return strings.Join(lines, "\n"), nil
}

// check verifies a request's signature, and that it is over the request: for a POST with a digest.
func (p parameters) check(r *http.Request, key *rsa.PublicKey, now time.Time) error {
	need := []string{"(request-target)", "host", "date"}
	if r.Method == http.MethodPost {
		need = append(need, "digest")
	}
	for _, name := range need {
		if !slices.Contains(p.covered, name) {
			return fmt.Errorf("%s is not covered", name)
		}
	}
	date, err := http.ParseTime(r.Header.Get("Date"))
	if err != nil || now.Sub(date).Abs() > time.Hour {
		return fmt.Errorf("signed at %q", r.Header.Get("Date"))
	}
	text, err := p.text(r)
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(text))
	return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], p.signature)
}

// checkDigest takes every part for SHA-256, as Lemmy does.
func checkDigest(header string, body []byte) error {
	sum := sha256.Sum256(body)
	want := base64.StdEncoding.EncodeToString(sum[:])
	for part := range strings.SplitSeq(header, ",") {
		if _, value, _ := strings.Cut(part, "="); value != want {
			return fmt.Errorf("the Digest %q is not the body's", part)
		}
	}
	return nil
}

// sign gives r what it needs, and a Signature over that.
func sign(r *http.Request, body []byte, keyID string, key *rsa.PrivateKey, now time.Time) error {
	r.Header.Set("Date", now.UTC().Format(http.TimeFormat))
	p := parameters{keyID: keyID, covered: []string{"(request-target)", "date", "host"}}
	if body != nil {
		sum := sha256.Sum256(body)
		r.Header.Set("Digest", "SHA-256="+base64.StdEncoding.EncodeToString(sum[:]))
		p.covered = []string{"(request-target)", "content-type", "date", "digest", "host"}
	}
	text, err := p.text(r)
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(text))
	made, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		return err
	}
	r.Header.Set("Signature", fmt.Sprintf(`keyId="%s",algorithm="hs2019",headers="%s",signature="%s"`,
		keyID, strings.Join(p.covered, " "), base64.StdEncoding.EncodeToString(made)))
	return nil
}
