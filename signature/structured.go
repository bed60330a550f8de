package signature

import (
	"strings"
	"time"

	"github.com/dunglas/httpsfv"
)

// maxLabels bounds the signatures of one RFC 9421 request that are looked at: the sender's, and
// one that a proxy may have added.
const maxLabels = 2

// parseDictionary reads a structured field and refuses every spelling but the canonical one, save
// for the space around commas. That leaves no room for duplicates, of which RFC 9651 lets the last
// win, nor for several spellings of one signature.
func parseDictionary(field, value string) (*httpsfv.Dictionary, error) {
	if len(value) > maxField {
		return nil, fail(ErrMalformed, "%s of %d bytes", field, len(value))
	}
	d, err := httpsfv.UnmarshalDictionary([]string{value})
	if err != nil {
		return nil, fail(ErrMalformed, "%s: %v", field, err)
	}
	rest := trimSpace(value)
	for i, name := range d.Names() {
		if i > 0 {
			var ok bool
			if rest, ok = strings.CutPrefix(trimSpace(rest), ","); !ok {
				return nil, fail(ErrMalformed, "%s is not canonical", field)
			}
			rest = trimSpace(rest)
		}
		one := httpsfv.NewDictionary()
		member, _ := d.Get(name)
		one.Add(name, member)
		text, err := httpsfv.Marshal(one)
		if err != nil {
			return nil, fail(ErrMalformed, "%s: %v", field, err)
		}
		var ok bool
		if rest, ok = strings.CutPrefix(rest, text); !ok {
			return nil, fail(ErrMalformed, "%s is not canonical at %.80q", field, name)
		}
	}
	if rest != "" {
		return nil, fail(ErrMalformed, "%s is not canonical at its end", field)
	}
	return d, nil
}

// parseMessageSignatures reads Signature-Input and Signature (RFC 9421 §4). A label that lies
// outside the profile makes an entry of errs, in its place; what breaks the grammar of either
// field fails them all.
func parseMessageSignatures(input, signature string) (claims []claim, errs []error, err error) {
	inputs, err := parseDictionary("Signature-Input", input)
	if err != nil {
		return nil, nil, err
	}
	signatures, err := parseDictionary("Signature", signature)
	if err != nil {
		return nil, nil, err
	}
	labels := inputs.Names()
	if len(labels) == 0 || len(labels) > maxLabels || len(signatures.Names()) != len(labels) {
		return nil, nil, fail(ErrMalformed, "%d labels in Signature-Input and %d in Signature, want 1 to %d in both",
			len(labels), len(signatures.Names()), maxLabels)
	}
	for _, label := range labels {
		m, _ := inputs.Get(label)
		list, ok := m.(httpsfv.InnerList)
		if !ok {
			return nil, nil, fail(ErrMalformed, "Signature-Input %s is not a list", label)
		}
		m, ok = signatures.Get(label)
		item, isItem := m.(httpsfv.Item)
		sig, isBytes := item.Value.([]byte)
		if !ok || !isItem || !isBytes || len(sig) == 0 || len(sig) > maxSignature {
			return nil, nil, fail(ErrMalformed, "Signature %s is missing or not a byte sequence", label)
		}
		c, err := parseInput(list)
		c.signature = sig
		claims = append(claims, c)
		errs = append(errs, err)
	}
	return claims, errs, nil
}

// parseInput reads the covered components and the parameters of one label (RFC 9421 §2.3).
func parseInput(list httpsfv.InnerList) (claim, error) {
	c := claim{scheme: RFC9421}
	var err error
	if c.params, err = httpsfv.Marshal(list); err != nil {
		return c, fail(ErrMalformed, "Signature-Input: %v", err)
	}
	// The key id comes first, so that an error about the rest can name it.
	if c.keyID, err = parameter[string](list.Params, "keyid"); err != nil {
		return c, err
	}
	if c.keyID == "" || len(c.keyID) > maxKeyID {
		return c, fail(ErrCoverage, "keyid is missing, empty or too long")
	}
	if c.algorithm, err = parameter[string](list.Params, "alg"); err != nil {
		return c, err
	}
	if c.created, err = parameterTime(list.Params, "created"); err != nil {
		return c, err
	}
	if c.expires, err = parameterTime(list.Params, "expires"); err != nil {
		return c, err
	}
	if _, err = parameter[string](list.Params, "nonce"); err != nil {
		return c, err
	}
	tag, err := parameter[string](list.Params, "tag")
	if err != nil {
		return c, err
	}
	// NodeBB (seen 2026-09) writes this tag; any other belongs to another application.
	if tag != "" && tag != "activitypub" {
		return c, fail(ErrUnsupported, "tag %.80q", tag)
	}
	for _, name := range list.Params.Names() {
		switch name {
		case "keyid", "alg", "created", "expires", "nonce", "tag":
		default:
			return c, fail(ErrUnsupported, "signature parameter %.80q", name)
		}
	}
	if c.created.IsZero() {
		return c, fail(ErrCoverage, "created is missing")
	}
	return c, c.parseComponents(list.Items)
}

// parseComponents takes the derived components of the profile and plain fields. Component
// parameters (sf, key, bs, req, tr, name) are refused: each is another way to mean less than the
// field that the application reads.
func (c *claim) parseComponents(items []httpsfv.Item) error {
	if len(items) > maxCovered {
		return fail(ErrMalformed, "covers %d components", len(items))
	}
	for _, item := range items {
		name, ok := item.Value.(string)
		switch {
		case !ok:
			return fail(ErrMalformed, "a covered component is not a string")
		case len(item.Params.Names()) > 0:
			return fail(ErrUnsupported, "component %.80q has parameters", name)
		case c.covers(name):
			return fail(ErrMalformed, "covers %.80q twice", name)
		}
		switch name {
		case "@method", "@target-uri", "@authority", "@scheme", "@request-target", "@path", "@query":
		default:
			if strings.HasPrefix(name, "@") || !coverable(name) {
				return fail(ErrUnsupported, "component %.80q", name)
			}
			if name == "" || token(name) != name || strings.ToLower(name) != name {
				return fail(ErrMalformed, "component %.80q is no field name in lower case", name)
			}
		}
		c.covered = append(c.covered, name)
	}
	return nil
}

// parameter returns a signature parameter, or the zero value if it is absent.
func parameter[T any](p *httpsfv.Params, name string) (T, error) {
	var none T
	v, ok := p.Get(name)
	if !ok {
		return none, nil
	}
	t, ok := v.(T)
	if !ok {
		return none, fail(ErrMalformed, "signature parameter %.80q is of the wrong type", name)
	}
	return t, nil
}

func parameterTime(p *httpsfv.Params, name string) (time.Time, error) {
	n, err := parameter[int64](p, name)
	if _, ok := p.Get(name); !ok || err != nil {
		return time.Time{}, err
	}
	if n < 0 || n > maxUnix {
		return time.Time{}, fail(ErrMalformed, "signature parameter %.80q is out of range", name)
	}
	return time.Unix(n, 0), nil
}
