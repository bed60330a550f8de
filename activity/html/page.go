package html

import (
	"strings"
	"unicode/utf8"

	nethtml "golang.org/x/net/html"
)

// page writes markup. What it wrote, with the ends of all that is open and what the gate adds to links, is never longer
// than limit.
type page struct {
	buf     []byte
	limit   int
	due     int  // bytes that must still be written: ends, and rel on links
	over    bool // something did not fit
	between bool // a gap waits for text to set apart
	said    bool // there is text in this line
}

// addedToLinks is at least what the gate adds to one link.
const addedToLinks = len(` rel="nofollow noreferrer noopener"`)

func (p *page) full() bool { return p.over }

func (p *page) room() int { return p.limit - p.due - len(p.buf) }

func (p *page) open(e *element, attrs []attr) bool {
	if p.between && e.kind <= link {
		p.text(" ")
	}
	tag := startTag(e, attrs)
	due := len("</>") + len(e.name)
	if e.kind == link {
		due += addedToLinks
	}
	if len(tag)+due > p.room() {
		p.over = true
		return false
	}
	p.buf = append(p.buf, tag...)
	p.due += due
	p.line(e)
	return true
}

func (p *page) close(e *element) {
	p.due -= len("</>") + len(e.name)
	p.buf = append(p.buf, "</"...)
	p.buf = append(p.buf, e.name...)
	p.buf = append(p.buf, '>')
	p.line(e)
}

func (p *page) void(e *element, attrs []attr) {
	tag := startTag(e, attrs)
	if p.over = len(tag) > p.room(); p.over {
		return
	}
	p.buf = append(p.buf, tag...)
	p.line(e)
}

// line notes that a browser begins a line before or after e.
func (p *page) line(e *element) {
	if e.kind > link {
		p.said, p.between = false, false
	}
}

func (p *page) gap() { p.between = p.said }

func (p *page) text(s string) {
	if p.between && !strings.ContainsAny(s[:1], " \n\t") {
		s = " " + s
	}
	p.between, p.said = false, !strings.ContainsAny(s[len(s)-1:], " \n\t")
	if escaped := nethtml.EscapeString(s); len(escaped) <= p.room() {
		p.buf = append(p.buf, escaped...)
		return
	}
	p.over = true
	for len(s) > 0 {
		_, n := utf8.DecodeRuneInString(s)
		c := nethtml.EscapeString(s[:n])
		if len(c) > p.room() {
			return
		}
		p.buf = append(p.buf, c...)
		s = s[n:]
	}
}

func startTag(e *element, attrs []attr) string {
	var b strings.Builder
	b.WriteString("<")
	b.WriteString(e.name)
	for _, a := range attrs {
		b.WriteString(" " + a.key + `="` + nethtml.EscapeString(a.val) + `"`)
	}
	b.WriteString(">")
	return b.String()
}
