package html

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// plain writes text, at most limit bytes of it.
type plain struct {
	buf    []byte
	limit  int
	over   bool
	levels []level // one for each open element
	hidden int     // how many of them hide their text
	pre    int     // how many of them keep white space

	breaks int    // lines to end before the next text
	space  bool   // white space waits for the next text
	first  bool   // of the text in a <pre>
	lead   string // what the last line began with
}

// level is what an open element does to the text in it.
type level struct {
	mark    string // begins its first line
	lead    string // begins the others
	hidden  bool
	shorten bool
	step    int // an ordered list counts by it; 0: no numbers
	next    int
}

func (p *plain) full() bool { return p.over }

func (p *plain) open(e *element, attrs []attr) bool {
	p.boundary(e)
	l := level{}
	classes := strings.Fields(value(attrs, "class"))
	if l.hidden = slices.Contains(classes, "invisible"); l.hidden {
		p.hidden++
	}
	l.shorten = slices.Contains(classes, "ellipsis")
	switch e.name {
	case "blockquote":
		l.lead = "> "
	case "pre":
		p.pre++
		p.first = true
	case "ol":
		l.step, l.next = numbering(attrs)
	case "li":
		l.mark, l.lead = p.marker(value(attrs, "value")), "  "
	}
	p.levels = append(p.levels, l)
	return true
}

func (p *plain) close(e *element) {
	l := p.levels[len(p.levels)-1]
	p.levels = p.levels[:len(p.levels)-1]
	if l.shorten {
		p.say("…")
	}
	if l.hidden {
		p.hidden--
	}
	if e.name == "pre" {
		p.pre--
	}
	p.boundary(e)
}

func (p *plain) void(e *element, _ []attr) {
	if e.name == "br" {
		p.breaks = min(p.breaks+1, max(p.breaks, 2))
		p.space = false
		return
	}
	p.boundary(e)
}

func (p *plain) gap() { p.endLines(1) }

// boundary ends the line at the start and the end of a block. Paragraphs are set apart; items are not.
func (p *plain) boundary(e *element) {
	switch {
	case e.kind <= void:
	case e.name == "li", e.name == "dt", e.name == "dd", e.name == "figcaption":
		p.endLines(1)
	case (e.name == "ul" || e.name == "ol") && p.inItem():
		p.endLines(1)
	case e.kind == paragraph && p.marked(): // the first paragraph of an item stands beside its mark
	default:
		p.endLines(2)
	}
}

func (p *plain) endLines(n int) {
	p.breaks = max(p.breaks, n)
	p.space = false
}

func (p *plain) inItem() bool {
	return slices.ContainsFunc(p.levels, func(l level) bool { return l.lead == "  " })
}

// marked reports whether a mark waits for its text.
func (p *plain) marked() bool {
	return slices.ContainsFunc(p.levels, func(l level) bool { return l.mark != "" })
}

// numbering returns how an ordered list counts. One that counts down from the number of its items has no numbers here,
// because they are not known yet.
func numbering(attrs []attr) (step, next int) {
	reversed := slices.ContainsFunc(attrs, func(a attr) bool { return a.key == "reversed" })
	n, ok := integer(value(attrs, "start"))
	switch {
	case reversed && ok:
		return -1, n
	case reversed:
		return 0, 0
	case ok:
		return 1, n
	default:
		return 1, 1
	}
}

// marker returns what stands before the next item of the innermost list.
func (p *plain) marker(own string) string {
	if len(p.levels) == 0 || p.levels[len(p.levels)-1].step == 0 {
		return "- "
	}
	list := &p.levels[len(p.levels)-1]
	if n, ok := integer(own); ok {
		list.next = n
	}
	s := strconv.Itoa(list.next) + ". "
	list.next += list.step
	return s
}

func integer(s string) (int, bool) {
	if !number.MatchString(s) {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}

func value(attrs []attr, key string) string {
	for _, a := range attrs {
		if a.key == key {
			return a.val
		}
	}
	return ""
}

func (p *plain) text(s string) {
	if p.pre > 0 {
		p.verbatim(s)
		return
	}
	white := func(c rune) bool { return c == ' ' || c == '\n' || c == '\t' }
	for joint := true; s != "" && !p.over; joint = false {
		n := strings.IndexFunc(s, white)
		if n == 0 {
			p.space = len(p.buf) > 0 && p.breaks == 0
			s = s[1:]
			continue
		}
		if n < 0 {
			n = len(s)
		}
		p.word(s[:n], joint)
		s = s[n:]
	}
}

// verbatim writes the text of a <pre>, whose first line break means nothing (HTML §13.2.6.4.7).
func (p *plain) verbatim(s string) {
	for i, line := range strings.SplitAfter(s, "\n") {
		text, ended := strings.CutSuffix(line, "\n")
		if text != "" {
			p.word(text, i == 0)
		}
		if ended && !(p.first && i == 0 && text == "") {
			p.breaks++
		}
		if line != "" {
			p.first = false
		}
	}
}

// word writes what is not to be broken. At the joint of two texts a removed tag may have stood: if "<" came before it,
// what comes after must not make a tag of it.
func (p *plain) word(s string, joint bool) {
	if p.hidden > 0 || p.over {
		return
	}
	p.begin()
	if joint && tagBegins(p.buf, s) {
		p.write(" ")
	}
	p.write(s)
}

func (p *plain) say(s string) { p.word(s, false) }

// begin ends the lines that wait and writes what stands before the text of a new one.
func (p *plain) begin() {
	if len(p.buf) == 0 {
		p.breaks = 0
	} else if p.breaks == 0 {
		if p.space {
			p.write(" ")
		}
		p.space = false
		return
	}
	var mark, lead strings.Builder
	for i := range p.levels {
		l := &p.levels[i]
		if l.mark != "" {
			mark.WriteString(l.mark)
			l.mark = ""
		} else {
			mark.WriteString(l.lead)
		}
		lead.WriteString(l.lead)
	}
	empty := strings.TrimRightFunc(common(p.lead, lead.String()), unicode.IsSpace)
	for i := range p.breaks {
		if i > 0 {
			p.write(empty)
		}
		p.write("\n")
	}
	p.write(mark.String())
	p.lead, p.breaks, p.space = lead.String(), 0, false
}

func common(a, b string) string {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return a[:n]
}

func (p *plain) write(s string) {
	if room := p.limit - len(p.buf); len(s) > room {
		p.over = true
		for room > 0 && !utf8.RuneStart(s[room]) {
			room--
		}
		s = s[:max(room, 0)]
	}
	p.buf = append(p.buf, s...)
}

// tagBegins reports whether before and after together begin a tag, HTML §13.2.5.6, that neither is alone.
func tagBegins(before []byte, after string) bool {
	c := after[0] | 0x20
	letter := c >= 'a' && c <= 'z'
	switch s := string(before[max(0, len(before)-2):]); {
	case strings.HasSuffix(s, "<"):
		return letter || after[0] == '/' || after[0] == '!' || after[0] == '?'
	case s == "</":
		return letter
	}
	return false
}
