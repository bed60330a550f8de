package signature

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Limits of documents with proofs.
const (
	maxDocument = 1 << 20
	maxNesting  = 64
)

// object is a JSON object in canonical form (RFC 8785): its members in their order, their names with the
// quotes, their values without a space.
type object []member

type member struct{ name, value []byte }

// readObject reads a document of at most limit bytes, 1 MiB if limit is zero or less. It refuses what two
// programs could read in two ways: see [ErrMalformed] and checkStrict.
func readObject(document []byte, limit int) (object, error) {
	if limit = orLimit(limit); len(document) > limit {
		return nil, fail(ErrTooLarge, "document of %d bytes, want at most %d", len(document), limit)
	}
	if err := checkStrict(document); err != nil {
		return nil, err
	}
	canonical, err := canonicalize(document)
	if err != nil {
		return nil, err
	}
	return members(canonical)
}

func orLimit(limit int) int {
	if limit <= 0 {
		return maxDocument
	}
	return limit
}

// canonicalize returns the canonical form of a JSON value. Duplicate names, lone surrogates and invalid
// UTF-8 are errors; numbers are rounded to the nearest double, as RFC 8785 §3.2.2.3 has it.
func canonicalize(document []byte) ([]byte, error) {
	v := jsontext.Value(bytes.Clone(document))
	if err := v.Canonicalize(); err != nil {
		return nil, syntaxError(err)
	}
	return v, nil
}

// checkStrict refuses what has a canonical form but loses its meaning on the way there, or would cost
// more than it is worth: numbers that are not what a double can hold, and depth.
func checkStrict(document []byte) error {
	d := reader(document)
	for {
		token, err := d.ReadToken()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return syntaxError(err)
		}
		switch token.Kind() {
		case '0':
			if text := token.String(); !exactNumber(text) {
				return fail(ErrMalformed, "number %.40s has no exact meaning", text)
			}
		case '{', '[':
			if d.StackDepth() > maxNesting {
				return fail(ErrMalformed, "nested more than %d deep", maxNesting)
			}
		}
	}
}

// reader reads what was, or will be, searched for members of one name elsewhere.
func reader(text []byte) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewBuffer(text), jsontext.AllowDuplicateNames(true))
}

// exactNumber refuses numbers of 2^53 and beyond, where 9007199254740993 and 9007199254740992 are the
// same double, what is too small for one, and minus zero, which is written as zero.
func exactNumber(text string) bool {
	f, _ := strconv.ParseFloat(text, 64) // infinite if it is too large for a double
	if math.Abs(f) >= 1<<53 {
		return false
	}
	if f != 0 {
		return true
	}
	digits, _, _ := strings.Cut(strings.ToLower(text), "e")
	return strings.Trim(digits, "0.") == ""
}

// syntaxError says what is wrong without quoting the document at length.
func syntaxError(err error) error {
	var s *jsontext.SyntacticError
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return fail(ErrMalformed, "a JSON object has two members of one name")
	case errors.As(err, &s):
		return fail(ErrMalformed, "not JSON that all read alike, at byte %d: %.80v", s.ByteOffset, s.Err)
	}
	return fail(ErrMalformed, "not JSON that all read alike: %.80v", err)
}

// members splits the canonical form of an object. The members share its memory.
func members(canonical []byte) (object, error) {
	if len(canonical) == 0 || canonical[0] != '{' {
		return nil, fail(ErrMalformed, "not a JSON object")
	}
	d := reader(canonical)
	if _, err := d.ReadToken(); err != nil {
		return nil, syntaxError(err)
	}
	var o object
	for d.PeekKind() == '"' {
		// In canonical form one byte parts what stands side by side: a comma, or a colon.
		begin := d.InputOffset() + int64(min(len(o), 1))
		if err := d.SkipValue(); err != nil {
			return nil, syntaxError(err)
		}
		colon := d.InputOffset()
		if err := d.SkipValue(); err != nil {
			return nil, syntaxError(err)
		}
		o = append(o, member{canonical[begin:colon], canonical[colon+1 : d.InputOffset()]})
	}
	return o, nil
}

// elements splits the canonical form of a list; what is none is returned as a list of itself. The elements
// share its memory.
func elements(canonical []byte) ([][]byte, error) {
	if len(canonical) == 0 || canonical[0] != '[' {
		return [][]byte{canonical}, nil
	}
	d := reader(canonical)
	if _, err := d.ReadToken(); err != nil {
		return nil, syntaxError(err)
	}
	list := [][]byte{}
	for k := d.PeekKind(); k != ']' && k != 0; k = d.PeekKind() {
		begin := d.InputOffset() + int64(min(len(list), 1)) // a comma
		if err := d.SkipValue(); err != nil {
			return nil, syntaxError(err)
		}
		list = append(list, canonical[begin:d.InputOffset()])
	}
	return list, nil
}

// get returns the canonical text of a member's value, or nil. The name is one that is written without
// escapes.
func (o object) get(name string) []byte {
	for _, m := range o {
		if len(m.name) == len(name)+2 && string(m.name[1:len(m.name)-1]) == name {
			return m.value
		}
	}
	return nil
}

// text writes the object in canonical form, without the members named. If context is not nil it takes
// the place of the member @context.
func (o object) text(context []byte, without ...string) []byte {
	out := []byte{'{'}
next:
	for _, m := range o {
		name := string(m.name[1 : len(m.name)-1])
		for _, w := range without {
			if name == w {
				continue next
			}
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		value := m.value
		if context != nil && name == "@context" {
			value = context
		}
		out = append(append(append(out, m.name...), ':'), value...)
	}
	return append(out, '}')
}

// stringOf returns what a value in canonical form says if it is a string.
func stringOf(value []byte) (string, bool) {
	if len(value) == 0 || value[0] != '"' {
		return "", false
	}
	text, err := jsontext.AppendUnquote(nil, value)
	return string(text), err == nil
}
