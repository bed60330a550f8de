package activity

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// ErrMalformed is wrapped by every error about bytes that are no document: no JSON object, invalid
// UTF-8, a member name twice, or something after the end.
var ErrMalformed = errors.New("malformed document")

// ErrTooLarge is wrapped by errors about documents that exceed a limit of the [Decoder].
var ErrTooLarge = errors.New("document exceeds a limit")

// Decoder holds the limits under which documents are read. Its zero value is ready to use and
// may be used by many goroutines at once.
type Decoder struct {
	// MaxBytes bounds the length of a document. Zero means 1 MiB.
	MaxBytes int
	// MaxDepth bounds how deeply objects and arrays nest. Zero means 64; 10,000 is the most.
	MaxDepth int
	// MaxValues bounds how many values a document holds at all depths, itself and every object,
	// list, string, number and literal in it; names do not count. Zero means 50,000.
	MaxValues int
}

// Decode reads one document with the limits of the zero [Decoder]. The result does not share
// memory with data.
func Decode(data []byte) (Document, error) { return Decoder{}.Decode(data) }

// Decode reads one document. It fails with [ErrMalformed] or [ErrTooLarge] and never because of what
// a property holds: a value that does not fit its field stays in Extra. What is embedded in the
// document is kept as it is, see [Ref].
func (d Decoder) Decode(data []byte) (Document, error) {
	if err := d.check(data); err != nil {
		return nil, err
	}
	var top members
	if err := top.read(bytes.Clone(data)); err != nil {
		return nil, err
	}
	switch shapeOf(top) {
	case shapeActivity:
		return fill(&Activity{}, top), nil
	case shapeActor:
		return fill(&Actor{}, top), nil
	case shapeCollection:
		return fill(&Collection{}, top), nil
	case shapeLink:
		return fill(&Link{}, top), nil
	default:
		return fill(&Object{}, top), nil
	}
}

// check counts before anything is allocated. What it counts is only right if data is JSON, which is
// for the parser to find out.
func (d Decoder) check(data []byte) error {
	maxBytes, maxDepth, maxValues := orElse(d.MaxBytes, 1<<20), orElse(d.MaxDepth, 64), orElse(d.MaxValues, 50_000)
	if len(data) > maxBytes {
		return fmt.Errorf("activity: %d bytes, at most %d are read: %w", len(data), maxBytes, ErrTooLarge)
	}
	depth, values := 0, 1
	opened := false // the last token opened an object or a list, which may be empty
	for i := 0; i < len(data); i++ {
		switch c := data[i]; c {
		case ' ', '\t', '\r', '\n':
			continue
		case '}', ']':
			depth--
			opened = false
			continue
		case ',':
			values++
		default:
			if opened {
				values++
			}
			if opened = c == '{' || c == '['; opened {
				if depth++; depth > maxDepth {
					return fmt.Errorf("activity: nested more than %d deep: %w", maxDepth, ErrTooLarge)
				}
			}
			if c == '"' {
				i = endOfString(data, i)
			}
		}
		if values > maxValues {
			return fmt.Errorf("activity: more than %d values: %w", maxValues, ErrTooLarge)
		}
	}
	return nil
}

// endOfString is the index of the quote that ends the string which begins at start.
func endOfString(data []byte, start int) int {
	for i := start + 1; i < len(data); i++ {
		switch data[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return len(data)
}

func orElse(n, zero int) int {
	if n == 0 {
		return zero
	}
	return n
}

// member is one name and its verbatim value.
type member struct {
	name  string
	value jsontext.Value
}

type members []member

func (m members) get(name string) (jsontext.Value, bool) {
	for _, one := range m {
		if one.name == name {
			return one.value, true
		}
	}
	return nil, false
}

// read splits a JSON object into its members without copying their values. jsontext refuses
// duplicate names and invalid UTF-8 at every depth.
func (m *members) read(data []byte) error {
	d := jsontext.NewDecoder(bytes.NewBuffer(data))
	start, err := d.ReadToken()
	if err != nil {
		return malformed(err)
	}
	if start.Kind() != '{' {
		return fmt.Errorf("activity: %w: a JSON %v instead of an object", ErrMalformed, start.Kind())
	}
	*m = make(members, 0, 16)
	for d.PeekKind() != '}' {
		token, err := d.ReadToken()
		if err != nil {
			return malformed(err)
		}
		name := token.String()
		value, err := readValue(d, data)
		if err != nil {
			return malformed(err)
		}
		*m = append(*m, member{name, value})
	}
	if _, err := d.ReadToken(); err != nil {
		return malformed(err)
	}
	switch _, err := d.ReadToken(); err {
	case io.EOF:
		return nil
	case nil:
		return fmt.Errorf("activity: %w: something after the end", ErrMalformed)
	default:
		return malformed(err)
	}
}

func malformed(err error) error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("activity: %w: %w", ErrMalformed, err)
}

// readValue reads a value as a piece of data, which is what d reads from. Nobody can append to it.
func readValue(d *jsontext.Decoder, data []byte) (jsontext.Value, error) {
	v, err := d.ReadValue()
	if err != nil {
		return nil, err
	}
	end := d.InputOffset()
	return data[end-int64(len(v)) : end : end], nil
}

// trusted is for text that was read strictly before.
var trusted = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// elements splits a JSON list whose text is known to be valid.
func elements(raw []byte) ([]jsontext.Value, bool) {
	d := jsontext.NewDecoder(bytes.NewBuffer(raw), trusted...)
	if t, err := d.ReadToken(); err != nil || t.Kind() != '[' {
		return nil, false
	}
	var out []jsontext.Value
	for d.PeekKind() != ']' {
		v, err := readValue(d, raw)
		if err != nil {
			return nil, false
		}
		out = append(out, v)
	}
	return out, true
}

// idOf reads "id", or else "href" of a Link, from an object whose text is known to be valid. It stops
// at the id, which servers write first, so that a large document is not read twice.
func idOf(raw []byte) string {
	d := jsontext.NewDecoder(bytes.NewBuffer(raw), trusted...)
	if _, err := d.ReadToken(); err != nil {
		return ""
	}
	href := ""
	for d.PeekKind() == '"' {
		name, err := d.ReadToken()
		if err != nil {
			return ""
		}
		isID, isHref := name.String() == "id", name.String() == "href"
		if !isID && !isHref {
			if d.SkipValue() != nil {
				return ""
			}
			continue
		}
		v, err := readValue(d, raw)
		if err != nil {
			return ""
		}
		text, _ := readString(v)
		if isID && text != "" {
			return text
		}
		if isHref {
			href = text
		}
	}
	return href
}
