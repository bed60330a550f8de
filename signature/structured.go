package signature

import (
	"strings"
	"time"

	"github.com/dunglas/httpsfv"
)

// maxLabels bounds the signatures of one RFC 9421 request that are looked at: the sender's, and
// one that a proxy may have added.
const maxLabels = 2

// activityPubTag is the tag that NodeBB (seen 2026-09) writes; any other belongs to another application.
const activityPubTag = "activitypub"

// parseDictionary reads a structured field and refuses every spelling but the canonical one, save
// for the space around commas. That leaves no room for duplicates, of which RFC 9651 lets the last
// win, nor for several spellings of one signature.
func parseDictionary(field, value string) (*httpsfv.Dictionary, error) {
	d, err := readDictionary(field, value)
	if err == nil {
		err = checkCanonical(d, field, value)
	}
	return d, err
}

// readDictionary is parseDictionary without its second half, which costs as much as the first.
func readDictionary(field, value string) (*httpsfv.Dictionary, error) {
	if len(value) > maxField {
		return nil, fail(ErrMalformed, "%s of %d bytes", field, len(value))
	}
	d, err := httpsfv.UnmarshalDictionary([]string{value})
	if err != nil {
		return nil, fail(ErrMalformed, "%s: %v", field, err)
	}
	return d, nil
}

func checkCanonical(d *httpsfv.Dictionary, field, value string) error {
	rest := trimSpace(value)
	if whole, err := httpsfv.Marshal(d); err == nil && whole == rest {
		return nil
	}
	for i, name := range d.Names() {
		if i > 0 {
			var ok bool
			if rest, ok = strings.CutPrefix(trimSpace(rest), ","); !ok {
				return fail(ErrMalformed, "%s is not canonical", field)
			}
			rest = trimSpace(rest)
		}
		one := httpsfv.NewDictionary()
		member, _ := d.Get(name)
		one.Add(name, member)
		text, err := httpsfv.Marshal(one)
		if err != nil {
			return fail(ErrMalformed, "%s: %v", field, err)
		}
		var ok bool
		if rest, ok = strings.CutPrefix(rest, text); !ok {
			return fail(ErrMalformed, "%s is not canonical at %.80q", field, name)
		}
	}
	if rest != "" {
		return fail(ErrMalformed, "%s is not canonical at its end", field)
	}
	return nil
}

// parseMessageSignatures reads Signature-Input and Signature (RFC 9421 §4) of a request with this
// method. A label that lies outside the profile or covers too little makes an entry of errs, in
// its place; what breaks the grammar of either field fails them all. Signature is not looked at
// if no label is left.
func parseMessageSignatures(method, input, signature string) (claims []claim, errs []error, err error) {
	inputs, err := readDictionary("Signature-Input", input)
	if err != nil {
		return nil, nil, err
	}
	labels := inputs.Names()
	if len(labels) == 0 || len(labels) > maxLabels {
		return nil, nil, fail(ErrMalformed, "%d labels in Signature-Input, want 1 to %d", len(labels), maxLabels)
	}
	claims, errs = make([]claim, len(labels)), make([]error, len(labels))
	left := false
	for i, label := range labels {
		member, _ := inputs.Get(label)
		list, ok := member.(httpsfv.InnerList)
		if !ok {
			return nil, nil, fail(ErrMalformed, "Signature-Input %s is not a list", label)
		}
		if claims[i], errs[i] = parseInput(list); errs[i] == nil {
			errs[i] = claims[i].checkMessageCoverage(method)
		}
		left = left || errs[i] == nil
	}
	if !left {
		return claims, errs, nil
	}
	if err := checkCanonical(inputs, "Signature-Input", input); err != nil {
		return nil, nil, err
	}
	return claims, errs, readSignatures(claims, inputs, signature)
}

// readSignatures adds to the claims, one for each label of inputs, what makes them checkable.
func readSignatures(claims []claim, inputs *httpsfv.Dictionary, signature string) error {
	signatures, err := parseDictionary("Signature", signature)
	if err != nil {
		return err
	}
	if n := len(signatures.Names()); n != len(claims) {
		return fail(ErrMalformed, "%d labels in Signature-Input and %d in Signature", len(claims), n)
	}
	for i, label := range inputs.Names() {
		member, ok := signatures.Get(label)
		item, isItem := member.(httpsfv.Item)
		sig, isBytes := item.Value.([]byte)
		if !ok || !isItem || !isBytes || len(sig) == 0 || len(sig) > maxSignature {
			return fail(ErrMalformed, "Signature %s is missing or not a byte sequence", label)
		}
		claims[i].signature = sig
		list, _ := inputs.Get(label)
		if claims[i].params, err = httpsfv.Marshal(list.(httpsfv.InnerList)); err != nil {
			return fail(ErrMalformed, "Signature-Input: %v", err)
		}
	}
	return nil
}

// parseInput reads the covered components and the parameters of one label (RFC 9421 §2.3).
func parseInput(list httpsfv.InnerList) (claim, error) {
	c := claim{scheme: RFC9421}
	var err error
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
	if tag != "" && tag != activityPubTag {
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
