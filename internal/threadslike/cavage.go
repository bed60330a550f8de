package threadslike

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	requestTarget = "(request-target)"
	createdName   = "(created)"
	expiresName   = "(expires)"
)

// parameters are what a Signature field says. draft-cavage-12 §2.1
type parameters struct {
	keyID     string
	algorithm string
	created   int64 // 0: not said
	expires   int64
	covered   []string
	signature []byte
}

// parseParameters reads a Signature field: names, each with a quoted string or an integer, between commas. A name that comes
// twice, or a missing keyId or signature, is an error. Unknown names are passed over.
func parseParameters(field string) (p parameters, err error) {
	seen := map[string]string{}
	for rest := strings.TrimSpace(field); rest != ""; {
		name, after, ok := strings.Cut(rest, "=")
		name = strings.TrimSpace(name)
		if !ok || name == "" || strings.ContainsAny(name, `",: `) {
			return p, fmt.Errorf("no parameter in %.40q", rest)
		}
		if _, twice := seen[name]; twice {
			return p, fmt.Errorf("%s is there twice", name)
		}
		var value string
		after = strings.TrimLeft(after, " \t")
		if quoted, ok := strings.CutPrefix(after, `"`); ok {
			if value, after, ok = strings.Cut(quoted, `"`); !ok {
				return p, fmt.Errorf("%s has no end", name)
			}
			after = strings.TrimLeft(after, " \t")
			if after != "" && after[0] != ',' {
				return p, fmt.Errorf("%.20q after %s", after, name)
			}
			rest = strings.TrimPrefix(after, ",")
		} else {
			value, rest, _ = strings.Cut(after, ",")
		}
		seen[name], rest = strings.TrimSpace(value), strings.TrimSpace(rest)
	}
	p.keyID, p.algorithm = seen["keyId"], strings.ToLower(seen["algorithm"])
	if p.keyID == "" {
		return p, errors.New("no keyId")
	}
	for name, into := range map[string]*int64{"created": &p.created, "expires": &p.expires} {
		if text, ok := seen[name]; ok {
			if *into, err = strconv.ParseInt(text, 10, 64); err != nil || *into <= 0 {
				return p, fmt.Errorf("%s is %.20q", name, text)
			}
		}
	}
	list, said := seen["headers"]
	p.covered = strings.Fields(strings.ToLower(list))
	if !said {
		p.covered = []string{"date"} // what the drafts before the tenth and their appendices take it for
	}
	for i, name := range p.covered {
		if slices.Contains(p.covered[:i], name) {
			return p, fmt.Errorf("%s is covered twice", name)
		}
	}
	p.signature, err = base64.StdEncoding.DecodeString(seen["signature"])
	if err != nil || len(p.signature) == 0 || len(p.covered) == 0 {
		return p, errors.New("no signature, or over nothing")
	}
	return p, nil
}

// signingString is what is signed. draft-cavage-12 §2.3
func (p parameters) signingString(r *http.Request) (string, error) {
	var lines []string
	for _, name := range p.covered {
		var value string
		switch name {
		case requestTarget:
			value = strings.ToLower(r.Method) + " " + r.URL.RequestURI()
		case createdName, expiresName:
			at := p.created
			if name == expiresName {
				at = p.expires
			}
			if at == 0 || strings.HasPrefix(p.algorithm, "rsa") {
				return "", fmt.Errorf("%s is covered, with %q and %d", name, p.algorithm, at)
			}
			value = strconv.FormatInt(at, 10)
		case "host":
			if value = r.Host; value == "" {
				value = r.URL.Host
			}
		default:
			values := slices.Clone(r.Header.Values(name))
			if len(values) == 0 {
				return "", fmt.Errorf("%s is covered, and not there", name)
			}
			for i := range values {
				values[i] = strings.TrimSpace(values[i])
			}
			value = strings.Join(values, ", ")
		}
		lines = append(lines, name+": "+value)
	}
	return strings.Join(lines, "\n"), nil
}

// checkSignature verifies what p says r was signed with. RSA with SHA-256 is all there is; hs2019 means that too.
func (p parameters) checkSignature(r *http.Request, key *rsa.PublicKey) error {
	switch p.algorithm {
	case "", "rsa-sha256", "hs2019":
	default:
		return fmt.Errorf("algorithm %.20q", p.algorithm)
	}
	text, err := p.signingString(r)
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(text))
	return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], p.signature)
}

// checkCoverage demands what keeps a signature from being used for another request.
func (p parameters) checkCoverage(method string) error {
	need := []string{requestTarget, "host"}
	if method == http.MethodPost {
		need = append(need, "digest")
	}
	for _, name := range need {
		if !slices.Contains(p.covered, name) {
			return fmt.Errorf("%s is not covered", name)
		}
	}
	if !slices.Contains(p.covered, "date") && !slices.Contains(p.covered, createdName) {
		return errors.New("neither date nor (created) is covered")
	}
	return nil
}

// checkTime compares when r was signed with now: an hour at most, either way, and not after it expires.
func (p parameters) checkTime(r *http.Request, now time.Time) error {
	var at []time.Time
	if slices.Contains(p.covered, createdName) {
		at = append(at, time.Unix(p.created, 0))
	}
	if slices.Contains(p.covered, "date") {
		date, err := http.ParseTime(r.Header.Get("Date"))
		if err != nil {
			return err
		}
		at = append(at, date)
	}
	for _, t := range at {
		if now.Sub(t).Abs() > time.Hour {
			return fmt.Errorf("signed at %s, now is %s", t.UTC(), now.UTC())
		}
	}
	if p.expires != 0 && now.After(time.Unix(p.expires, 0)) {
		return errors.New("expired")
	}
	return nil
}

// signature says how requests are signed.
type signature struct {
	keyID    string
	key      *rsa.PrivateKey
	at       time.Time
	dateOnly bool
}

// signatureLife is what Friendica issue 14488 (2024-10) shows between created and expires.
const signatureLife = 5 * time.Minute

// sign gives r a Date, a Digest where it has a body, and a Signature over them. draft-cavage-12 §3.1
func (how signature) sign(r *http.Request, body []byte) error {
	r.Header.Set("Date", how.at.UTC().Format(http.TimeFormat))
	p := parameters{keyID: how.keyID, algorithm: "rsa-sha256", covered: []string{requestTarget, "host", "date"}}
	if !how.dateOnly {
		p.algorithm = "hs2019"
		p.created, p.expires = how.at.Unix(), how.at.Add(signatureLife).Unix()
		p.covered = []string{requestTarget, createdName, expiresName, "host", "date"}
	}
	if body != nil {
		r.Header.Set("Digest", digest(body))
		p.covered = append(p.covered, "digest")
	}
	text, err := p.signingString(r)
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(text))
	made, err := rsa.SignPKCS1v15(rand.Reader, how.key, crypto.SHA256, sum[:])
	if err != nil {
		return err
	}
	field := fmt.Sprintf(`keyId="%s",algorithm="%s"`, p.keyID, p.algorithm)
	if p.created != 0 {
		field += fmt.Sprintf(`,created=%d,expires=%d`, p.created, p.expires)
	}
	r.Header.Set("Signature", fmt.Sprintf(`%s,headers="%s",signature="%s"`,
		field, strings.Join(p.covered, " "), base64.StdEncoding.EncodeToString(made)))
	return nil
}

// digest is a Digest field. RFC 3230 §4.3.2
func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return "SHA-256=" + base64.StdEncoding.EncodeToString(sum[:])
}
