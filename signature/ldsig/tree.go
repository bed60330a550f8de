package ldsig

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"slices"
	"strconv"

	"github.com/fedihook/fedihook/signature"
	"github.com/go-json-experiment/json/jsontext"
)

// Limits of what is looked at. They keep the JSON-LD library, which knows no limits and can't be
// stopped, to some milliseconds.
const (
	maxDocument  = 64 << 10 // bytes
	maxDepth     = 20       // objects and arrays in each other
	maxValues    = 2000     // of the whole document, its @context included
	maxElements  = 256      // of one array
	maxInteger   = 1 << 53  // beyond which two integers can be one float64
	maxIRI       = 2 << 10  // bytes
	maxContexts  = 8        // entries of @context
	maxAnonymous = 200      // nodes without id, cells of lists included
	maxAlike     = 32       // anonymous nodes in one neighbourhood that only their neighbours tell apart
	maxQuadBytes = 32 << 20 // statements times their bytes, for the library joins them one by one
)

// readTree reads one JSON object into the values that the JSON-LD library knows: map[string]any,
// []any, string, float64, bool and nil. Duplicate names, text that is not UTF-8 and lone surrogates
// are errors: two readers could see two documents.
func readTree(document []byte) (map[string]any, error) {
	if len(document) > maxDocument {
		return nil, fail(signature.ErrTooLarge, "more than %d bytes", maxDocument)
	}
	r := reader{d: jsontext.NewDecoder(bytes.NewReader(document))}
	v, err := r.value(0)
	if err != nil {
		return nil, err
	}
	if _, err := r.d.ReadToken(); err != io.EOF {
		return nil, malformed("more than one JSON value")
	}
	tree, ok := v.(map[string]any)
	if !ok {
		return nil, malformed("not a JSON object")
	}
	return tree, nil
}

type reader struct {
	d      *jsontext.Decoder
	values int
}

func (r *reader) value(depth int) (any, error) {
	if r.values++; r.values > maxValues {
		return nil, fail(ErrTooComplex, "more than %d values", maxValues)
	}
	t, err := r.d.ReadToken()
	if err != nil {
		return nil, malformed("%v", err)
	}
	switch t.Kind() {
	case '{', '[':
		if depth >= maxDepth {
			return nil, fail(ErrTooComplex, "more than %d levels", maxDepth)
		}
		if t.Kind() == '[' {
			return r.array(depth + 1)
		}
		return r.object(depth + 1)
	case '"':
		return t.String(), nil
	case '0':
		return number(t.String())
	case 't', 'f':
		return t.Bool(), nil
	}
	return nil, nil
}

func (r *reader) object(depth int) (any, error) {
	m := make(map[string]any)
	for r.d.PeekKind() != '}' {
		name, err := r.d.ReadToken()
		if err != nil {
			return nil, malformed("%v", err)
		}
		key := name.String() // the token is the decoder's again with the next read
		if m[key], err = r.value(depth); err != nil {
			return nil, err
		}
	}
	_, err := r.d.ReadToken()
	return m, err
}

func (r *reader) array(depth int) (any, error) {
	list := []any{}
	for r.d.PeekKind() != ']' {
		if len(list) == maxElements {
			return nil, fail(ErrTooComplex, "an array of more than %d elements", maxElements)
		}
		v, err := r.value(depth)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err := r.d.ReadToken()
	return list, err
}

// number takes a number that stays itself on its way through RDF.
func number(text string) (any, error) {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.Abs(f) >= maxInteger {
		return nil, fail(ErrUnprotected, "a number of %d digits", len(text))
	}
	return f + 0, nil // never -0
}

// round leaves of a fraction what is signed: in RDF it has fifteen decimals.
func round(f float64) float64 {
	if f == math.Trunc(f) {
		return f
	}
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(f, 'E', 15, 64), 64)
	if err != nil {
		return f // which can't be: what was written is in range
	}
	return rounded
}

// encode writes a tree in one way: names sorted, no spaces.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, malformed("%v", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// sortSet puts a set, whose order is not signed, into the order of its JSON. It tells whether a
// value is there twice; two anonymous nodes may be alike.
func sortSet(set []any) (twice bool, err error) {
	type member struct {
		text  []byte
		value any
	}
	members := make([]member, len(set))
	for i, v := range set {
		text, err := encode(v)
		if err != nil {
			return false, err
		}
		members[i] = member{text, v}
	}
	slices.SortFunc(members, func(a, b member) int { return bytes.Compare(a.text, b.text) })
	for i, m := range members {
		set[i] = m.value
		if _, node := m.value.(map[string]any); !node && i > 0 && bytes.Equal(m.text, members[i-1].text) {
			twice = true
		}
	}
	return twice, nil
}
