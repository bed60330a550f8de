package html

import (
	"slices"
	"strings"
	"unicode"

	nethtml "golang.org/x/net/html"
)

// sink receives what is kept, properly nested.
type sink interface {
	open(e *element, attrs []attr) bool // false: there is no room for it
	close(e *element)
	void(e *element, attrs []attr)
	text(s string)
	gap()       // a block that is not kept began or ended
	full() bool // nothing more fits
}

type attr struct{ key, val string }

// walker reads tags from left to right and keeps no more of them than the elements that are open.
type walker struct {
	*rules
	z     *nethtml.Tokenizer
	out   sink
	stack []opened // outermost first, at most maxDepth and a refused link

	skip  string // the dropped element we are in, or ""
	depth int    // how many of that name are open
	math  formula
}

// opened is an element that waits for its end.
type opened struct {
	*element
	refused bool // a link that is not kept: it is not written, nor is any inline element in it
	standIn bool // the <p> that stands for h1 to h6
}

// walk tells out what of s the rules keep. Its time is linear in the length of s, times maxDepth at worst.
func walk(r *rules, s string, out sink) {
	w := &walker{rules: r, z: nethtml.NewTokenizer(strings.NewReader(s)), out: out}
	for !out.full() {
		switch w.z.Next() {
		case nethtml.ErrorToken: // the end: a reader of a string has no other error
			if w.skip == "math" {
				w.text(w.math.String())
			}
			w.popTo(0)
			return
		case nethtml.TextToken:
			if w.skip == "" {
				w.text(string(w.z.Text()))
			} else {
				w.math.text(w.z.Text())
			}
		case nethtml.StartTagToken:
			w.start(false)
		case nethtml.SelfClosingTagToken:
			w.start(true)
		case nethtml.EndTagToken:
			w.end()
		}
	}
	w.popTo(0)
}

// text passes text on without control characters, which no reader can see: in pieces, as if a tag had stood for each.
func (w *walker) text(s string) {
	for piece := range strings.FieldsFuncSeq(s, invisible) {
		w.out.text(piece)
	}
}

func invisible(c rune) bool { return unicode.IsControl(c) && c != '\n' && c != '\t' }

func (w *walker) start(selfClosing bool) {
	tag, _ := w.z.TagName()
	name := string(tag)
	if w.skip != "" {
		w.skipped(name, selfClosing)
		return
	}
	if dropped[name] {
		if foreign := name == "svg" || name == "math"; foreign && selfClosing { // HTML §13.2.6.5; elsewhere the slash means nothing
			return
		}
		w.skip, w.depth, w.math = name, 1, formula{}
		if name == "math" {
			w.math.block = w.attribute("display") == "block"
		}
		return
	}
	e := known[name]
	switch {
	case e == nil:
		if apart[name] {
			w.out.gap()
		}
	case e.kind == link:
		w.startLink(e)
	case e.heading() && !w.elements[name] && w.elements["p"] && w.elements["strong"]:
		w.startHeading()
	default:
		w.keepOrPart(e)
	}
}

// keepOrPart opens e if the rules keep it, else it leaves a gap where a browser would begin a line.
func (w *walker) keepOrPart(e *element) {
	switch {
	case w.elements[e.name]:
		w.keep(e)
	case e.kind > link:
		w.out.gap()
	}
}

// skipped looks at a start tag inside a dropped element.
func (w *walker) skipped(name string, selfClosing bool) {
	switch {
	case name == w.skip && !selfClosing:
		w.depth++
	case dropped[name]: // what it holds is not the annotation's
		w.math.end()
	case name == "annotation" && w.skip == "math":
		w.math.start(w.attribute("encoding"))
	}
}

func (w *walker) keep(e *element) {
	if e.kind < void && w.inRefused() {
		return
	}
	w.makeRoom(e)
	attrs, _ := w.attributes(e)
	if e.kind == void || e.kind == rule {
		w.out.void(e, attrs)
		return
	}
	w.push(opened{element: e}, attrs)
}

// startLink opens a link or, if it may not be followed, remembers to write its text alone: text that Mastodon's classes
// would hide belongs to an address that is no longer there.
func (w *walker) startLink(e *element) {
	w.makeRoom(e)
	attrs, ok := w.attributes(e)
	if !ok || !w.elements["a"] {
		w.stack = append(w.stack, opened{element: e, refused: true}) // one at most, so not bounded by maxDepth
		return
	}
	w.push(opened{element: e}, attrs)
}

func (w *walker) startHeading() {
	w.makeRoom(known["p"])
	var attrs []attr
	if lang := w.attribute("lang"); lang != "" {
		attrs = append(attrs, attr{"lang", lang})
	}
	if w.push(opened{element: known["p"], standIn: true}, attrs) {
		w.push(opened{element: known["strong"]}, nil)
	}
}

func (w *walker) push(o opened, attrs []attr) bool {
	if len(w.stack) >= w.maxDepth {
		if o.kind > link {
			w.out.gap()
		}
		return false
	}
	if !w.out.open(o.element, attrs) {
		return false
	}
	w.stack = append(w.stack, o)
	return true
}

// makeRoom ends what cannot hold e.
func (w *walker) makeRoom(e *element) {
	for i := len(w.stack) - 1; i >= 0 && e.ends != nil; i-- {
		o := w.stack[i]
		if slices.Contains(e.ends, o.name) {
			w.popTo(i)
			break
		}
		if o.kind == block || slices.Contains(e.within, o.name) {
			break
		}
	}
	for i := range w.stack {
		k := w.stack[i].kind
		if k == link && (e.kind == link || e.kind == block) || k == paragraph && e.kind >= rule {
			w.popTo(i)
			return
		}
	}
}

func (w *walker) inRefused() bool {
	return slices.ContainsFunc(w.stack, func(o opened) bool { return o.refused })
}

func (w *walker) end() {
	tag, _ := w.z.TagName()
	name := string(tag)
	if w.skip != "" {
		w.endSkipped(name)
		return
	}
	e := known[name]
	switch {
	case e == nil:
		if apart[name] {
			w.out.gap()
		}
	case e.kind == void: // HTML §13.2.6.4.7: </br> is a <br>
		w.keepOrPart(e)
	default:
		w.close(e)
	}
}

// close ends e if it is open. An inline element is not ended from inside a block that it holds, nor an item from inside
// an inner list; a block ends with all that is open in it.
func (w *walker) close(e *element) {
	for i := len(w.stack) - 1; i >= 0; i-- {
		o := w.stack[i]
		if o.name == e.name && !o.standIn || e.heading() && (o.standIn || o.heading()) {
			w.popTo(i)
			return
		}
		if e.kind < void && o.kind == block || slices.Contains(e.within, o.name) {
			return
		}
	}
	if e.kind > link && !w.elements[e.name] {
		w.out.gap()
	}
}

func (w *walker) endSkipped(name string) {
	if name == "annotation" {
		w.math.end()
	}
	if name != w.skip {
		return
	}
	if w.depth--; w.depth > 0 {
		return
	}
	w.skip = ""
	if name == "math" {
		w.text(w.math.String())
	}
}

// popTo ends the elements from the innermost to that at i.
func (w *walker) popTo(i int) {
	for len(w.stack) > i {
		o := w.stack[len(w.stack)-1]
		w.stack = w.stack[:len(w.stack)-1]
		if !o.refused {
			w.out.close(o.element)
		}
	}
}

// attribute returns the value of one attribute of the tag just read.
func (w *walker) attribute(name string) string {
	for {
		key, val, more := w.z.TagAttr()
		if string(key) == name {
			return string(val)
		}
		if !more {
			return ""
		}
	}
}

// attributes returns what may be written of the tag just read, in e's order. It is false for a link that leads nowhere.
// The tokenizer gives each attribute once, as the first of its name has it (HTML §13.2.5.33).
func (w *walker) attributes(e *element) (attrs []attr, ok bool) {
	var vals [1 + 5]*string // lang, and a link's five
	for more := true; more; {
		var k, v []byte
		k, v, more = w.z.TagAttr()
		i := 0
		if string(k) != "lang" {
			if i = 1 + slices.Index(e.attrs, string(k)); i == 0 {
				continue
			}
		}
		s := string(v)
		vals[i] = &s
	}
	ok = e.kind != link
	if vals[0] != nil {
		attrs = append(attrs, attr{"lang", *vals[0]})
	}
	for i, key := range e.attrs {
		if key == "target" {
			attrs = append(attrs, attr{key, "_blank"})
			continue
		}
		if vals[1+i] == nil {
			continue
		}
		val, keep := *vals[1+i], true
		switch key {
		case "href":
			val, keep = w.link(val)
			ok = keep
		case "class":
			val = w.classList(val)
			keep = val != ""
		case "rel":
			val = rel(val)
			keep = val != ""
		case "reversed": // a boolean: any value means yes
			val = ""
		}
		if keep {
			attrs = append(attrs, attr{key, val})
		}
	}
	return attrs, ok
}
