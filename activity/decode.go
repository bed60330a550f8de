package activity

import (
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// Decoder holds the limits under which documents are read. Its zero value is ready to use and
// may be used by many goroutines at once.
type Decoder struct {
	// MaxBytes bounds the length of a document. Zero means 1 MiB; 1 GiB is the most.
	MaxBytes int
	// MaxDepth bounds how deeply objects and arrays nest. Zero means 64; 10,000 is the most.
	MaxDepth int
	// MaxValues bounds how many values a document holds at all depths, itself and every object,
	// list, string, number and literal in it; names do not count. Zero means 50,000.
	MaxValues int

	// Sharing lets the document have parts of data, which nobody may change from then on, nor what the document holds of it: it
	// spares a copy. Zero means that the two share nothing.
	Sharing bool
}

func (d Decoder) limits() limits {
	return limits{
		bytes:  min(orElse(d.MaxBytes, 1<<20), mostBytes),
		depth:  min(orElse(d.MaxDepth, 64), mostDepth),
		values: orElse(d.MaxValues, 50_000),
	}
}

func orElse(n, zero int) int {
	if n == 0 {
		return zero
	}
	return n
}

// Decode reads one document with the limits of the zero [Decoder]. The result does not share
// memory with data, but its strings do with each other: strings.Clone one that shall live longer than
// the document.
func Decode(data []byte) (Document, error) { return Decoder{}.Decode(data) }

// Decode reads one document. It fails with [ErrMalformed] or [ErrTooLarge] and never because of what
// a property holds: a value that does not fit its field stays in Extra. What is embedded in the
// document is kept as it is, see [Ref].
//
// An error names the place of the fault by its JSON pointer, RFC 6901, or as much of it as makes a
// readable line.
func (d Decoder) Decode(data []byte) (doc Document, err error) {
	err = scanShared(data, d.limits(), d.Sharing, func(v value) { doc = documentOf(v) })
	return doc, err
}

// scanDocument calls fill with a document, whose index fill may keep in a Ref but nowhere else.
func scanDocument(data []byte, l limits, fill func(value)) error {
	return scanShared(data, l, false, fill)
}

// scanShared is scanDocument; with sharing the index refers to data itself.
func scanShared(data []byte, l limits, sharing bool, fill func(value)) error {
	s := scanners.Get().(*scanner)
	defer s.release()
	if err := s.read(data, l); err != nil {
		return err
	}
	if s.nodes[0].kind != '{' {
		return fmt.Errorf("activity: %w: no object but %.40q", ErrMalformed, data)
	}
	in := s.index(s.base, !sharing)
	fill(value{in, 0})
	in.settle()
	return nil
}

// documentOf reads an object into its shape.
func documentOf(v value) Document {
	switch shapeOf(v) {
	case shapeActivity:
		return fill(&Activity{}, v)
	case shapeActor:
		return fill(&Actor{}, v)
	case shapeCollection:
		return fill(&Collection{}, v)
	case shapeLink:
		return fill(&Link{}, v)
	default:
		return fill(&Object{}, v)
	}
}

// trusted is for text that was read strictly before.
var trusted = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// readString reads a JSON string whose text is known to be valid.
func readString(raw []byte) (string, bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	text, err := jsontext.AppendUnquote(nil, raw)
	return string(text), err == nil
}
