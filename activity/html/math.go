package html

import "strings"

// formula gathers the annotations of a <math> element, which say in text what it shows (FEP-dc88).
type formula struct {
	block      bool
	tex, plain strings.Builder
	in         *strings.Builder // the annotation being read
}

// start begins an annotation; only the first of each encoding counts.
func (f *formula) start(encoding string) {
	f.in = nil
	switch {
	case encoding == "application/x-tex" && f.tex.Len() == 0:
		f.in = &f.tex
	case encoding == "text/plain" && f.plain.Len() == 0:
		f.in = &f.plain
	}
}

func (f *formula) text(b []byte) {
	if f.in != nil {
		f.in.Write(b)
	}
}

func (f *formula) end() { f.in = nil }

// String returns the formula as Mastodon writes it: its TeX between dollar signs, else its plain text, else nothing.
func (f *formula) String() string {
	switch {
	case f.tex.Len() == 0:
		return f.plain.String()
	case f.block:
		return "$$" + f.tex.String() + "$$"
	default:
		return "$" + f.tex.String() + "$"
	}
}
