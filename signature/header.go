package signature

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits on what a stranger writes.
const (
	maxField      = 8 << 10 // bytes of one header field
	maxParameters = 16      // parameters of one signature
	maxCovered    = 64      // names that one signature covers
	maxSignature  = maxRSABits / 8
	maxUnix       = 1 << 40 // seconds; the year 36812
)

// The pseudo-headers of draft-cavage-12 §2.3.
const (
	requestTarget = "(request-target)"
	createdName   = "(created)"
	expiresName   = "(expires)"
)

// claim is what a request says about its own signature: parsed, and nothing of it proved.
type claim struct {
	scheme    Scheme
	keyID     string
	algorithm string   // empty: not said
	covered   []string // lower case, in order, each once
	signature []byte

	// The zero Time means that the parameter is absent.
	created, expires time.Time

	params string // RFC 9421: the value of @signature-params

	// What admit finds out.
	host string    // authority of the key id
	end  time.Time // when it is too old for this verifier
}

func (c *claim) covers(name string) bool { return slices.Contains(c.covered, name) }

// parameters are those of one Signature field, as they stand.
type parameters struct {
	list [maxParameters]struct{ name, value string }
	n    int
}

func (p *parameters) get(name string) (value string, ok bool) {
	for _, q := range p.list[:p.n] {
		if q.name == name {
			return q.value, true
		}
	}
	return "", false
}

// parseSignature reads the Signature field of draft-cavage-12 §4.1: parameters in any order, each
// once, quoted or, where they are tokens or numbers, bare; spaces around "=" and ","; the word
// "Signature" before them, as PeerTube writes it. There is no escaping: no URL needs it.
func parseSignature(value string) (claim, error) {
	c := claim{scheme: Cavage}
	var params parameters
	if err := params.parse(value); err != nil {
		return c, err
	}
	c.keyID, _ = params.get("keyId")
	if c.keyID == "" || len(c.keyID) > maxKeyID {
		return c, fail(ErrMalformed, "keyId is missing, empty or too long")
	}
	algorithm, named := params.get("algorithm")
	c.algorithm = algorithm
	if named && !isCavageAlgorithm(algorithm) {
		return c, fail(ErrUnsupported, "algorithm %.80q", algorithm)
	}
	var err error
	if c.created, err = params.unix("created"); err != nil {
		return c, err
	}
	if c.expires, err = params.unix("expires"); err != nil {
		return c, err
	}
	headers, ok := params.get("headers")
	if !ok {
		return c, fail(ErrCoverage, "no headers parameter, so that but one header is covered")
	}
	if c.covered, err = parseCovered(headers); err != nil {
		return c, err
	}
	for _, p := range [...]struct {
		name string
		at   time.Time
	}{{createdName, c.created}, {expiresName, c.expires}} {
		if !c.covers(p.name) {
			continue
		}
		if p.at.IsZero() {
			return c, fail(ErrMalformed, "covers %s without the parameter", p.name)
		}
		// draft-cavage-12 §2.3: not with algorithms that are named rsa, hmac or ecdsa.
		if strings.HasPrefix(c.algorithm, "rsa") {
			return c, fail(ErrMalformed, "covers %s under algorithm %s", p.name, c.algorithm)
		}
	}
	encoded, _ := params.get("signature")
	c.signature, ok = decodeBase64(encoded)
	if !ok || len(c.signature) == 0 || len(c.signature) > maxSignature {
		return c, fail(ErrMalformed, "signature parameter is missing or not canonical base64")
	}
	return c, nil
}

// parse splits the field. Names are kept as they are; two that differ only in case are
// duplicates, because peers disagree on whether they are the same.
func (p *parameters) parse(field string) error {
	if len(field) > maxField {
		return fail(ErrMalformed, "Signature of %d bytes", len(field))
	}
	rest := trimSpace(field)
	if after, ok := strings.CutPrefix(rest, "Signature "); ok {
		rest = trimSpace(after)
	}
	for {
		name, value, after, err := parseParameter(rest)
		if err != nil {
			return err
		}
		if p.n == maxParameters {
			return fail(ErrMalformed, "Signature has more than %d parameters", maxParameters)
		}
		for _, seen := range p.list[:p.n] {
			if strings.EqualFold(seen.name, name) {
				return fail(ErrMalformed, "Signature parameter %.80q twice", name)
			}
		}
		p.list[p.n].name, p.list[p.n].value = name, value
		p.n++
		after = trimSpace(after)
		if after == "" {
			return nil
		}
		if after[0] != ',' {
			return fail(ErrMalformed, "Signature parameter %.80q is followed by %q", name, after[0])
		}
		rest = trimSpace(after[1:])
	}
}

// parseParameter reads name=value or name="value" from the start of s.
func parseParameter(s string) (name, value, after string, err error) {
	name = token(s)
	s, ok := strings.CutPrefix(trimSpace(s[len(name):]), "=")
	if name == "" || !ok {
		return "", "", "", fail(ErrMalformed, "Signature is not a list of name=value")
	}
	s = trimSpace(s)
	if !strings.HasPrefix(s, `"`) {
		if value = token(s); value == "" {
			return "", "", "", fail(ErrMalformed, "Signature parameter %.80q has no value", name)
		}
		return name, value, s[len(value):], nil
	}
	value, after, ok = strings.Cut(s[1:], `"`)
	if !ok || !every(value, isQuotable) {
		return "", "", "", fail(ErrMalformed, "Signature parameter %.80q is not a plain quoted string", name)
	}
	return name, value, after, nil
}

// unix reads a time in whole seconds. Absent is the zero Time.
func (p *parameters) unix(name string) (time.Time, error) {
	value, ok := p.get(name)
	if !ok {
		return time.Time{}, nil
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || !every(value, isDigit) || n > maxUnix {
		return time.Time{}, fail(ErrMalformed, "%s is not a number of seconds", name)
	}
	return time.Unix(n, 0), nil
}

// parseCovered reads the headers parameter: names parted by single spaces.
func parseCovered(headers string) ([]string, error) {
	names := strings.Split(strings.ToLower(headers), " ")
	if len(names) > maxCovered {
		return nil, fail(ErrMalformed, "covers %d headers", len(names))
	}
	for i, name := range names {
		switch {
		case name == requestTarget || name == createdName || name == expiresName:
		case name == "" || token(name) != name:
			if strings.HasPrefix(name, "(") {
				return nil, fail(ErrUnsupported, "covers the unknown pseudo-header %.80q", name)
			}
			return nil, fail(ErrMalformed, "headers names %.80q", name)
		case !coverable(name):
			return nil, fail(ErrUnsupported, "covers %.80q", name)
		}
		if slices.Contains(names[:i], name) {
			return nil, fail(ErrMalformed, "covers %.80q twice", name)
		}
	}
	return names, nil
}

// coverable tells whether a field may be signed at all. Signatures do not sign themselves, and
// go-fed/httpsig looks into Authorization for signatures.
func coverable(name string) bool {
	return name != "signature" && name != "signature-input" && name != "authorization"
}

// formatSignature writes the field as every peer reads it: no space after commas, because
// BookWyrm, PieFed and Pixelfed do not trim; each value quoted.
func formatSignature(c claim) string {
	b := make([]byte, 0, 128+len(c.keyID)+16*len(c.covered)+base64.StdEncoding.EncodedLen(len(c.signature)))
	b = append(append(append(b, `keyId="`...), c.keyID...), '"')
	if c.algorithm != "" {
		b = append(append(append(b, `,algorithm="`...), c.algorithm...), '"')
	}
	if !c.created.IsZero() {
		b = append(strconv.AppendInt(append(b, `,created="`...), c.created.Unix(), 10), '"')
	}
	if !c.expires.IsZero() {
		b = append(strconv.AppendInt(append(b, `,expires="`...), c.expires.Unix(), 10), '"')
	}
	b = append(b, `,headers="`...)
	for i, name := range c.covered {
		if i > 0 {
			b = append(b, ' ')
		}
		b = append(b, name...)
	}
	b = base64.StdEncoding.AppendEncode(append(b, `",signature="`...), c.signature)
	return string(append(b, '"'))
}

// trimSpace removes the optional white space of RFC 9110 §5.6.3.
func trimSpace(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// token returns the longest token (RFC 9110 §5.6.2) at the start of s.
func token(s string) string {
	i := 0
	for i < len(s) && isTokenChar(s[i]) {
		i++
	}
	return s[:i]
}

func isTokenChar(c byte) bool {
	switch c {
	case '!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~':
		return true
	}
	return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'z'
}

func isQuotable(c byte) bool { return ' ' <= c && c < 0x7f && c != '"' && c != '\\' }
