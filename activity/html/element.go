package html

// kind tells how an element nests.
type kind int

const (
	inline    kind = iota
	link           // holds no block and no link
	void           // has no end
	rule           // has no end and ends a paragraph
	paragraph      // holds inlines only: a block ends it
	block
)

// element is what this package knows of an element that a Policy may keep.
type element struct {
	name   string
	kind   kind
	attrs  []string // besides lang, in the order they are written
	ends   []string // siblings that its start ends, HTML §13.1.2.4
	within []string // … unless one of these lies between
}

// heading reports whether e is one of h1 to h6.
func (e *element) heading() bool {
	return len(e.name) == 2 && e.name[0] == 'h' && e.name[1] >= '1' && e.name[1] <= '6'
}

// known has every element that may be written. Tables are not among them, because a browser moves what is misplaced in
// a table to before it; nor is anything whose content is not plain markup.
var known = func() map[string]*element {
	all := map[string]*element{}
	add := func(k kind, names ...string) {
		for _, name := range names {
			all[name] = &element{name: name, kind: k}
		}
	}
	add(inline, "span", "del", "s", "code", "b", "strong", "u", "i", "em", "ruby", "rt", "rp",
		"ins", "sub", "sup", "small", "mark", "q", "cite", "kbd", "samp", "var")
	add(link, "a")
	add(void, "br")
	add(rule, "hr")
	add(paragraph, "p", "h1", "h2", "h3", "h4", "h5", "h6")
	add(block, "pre", "blockquote", "ul", "ol", "li", "dl", "dt", "dd", "figure", "figcaption")

	all["a"].attrs = []string{"href", "class", "translate", "rel", "target"}
	all["span"].attrs = []string{"class", "translate"}
	all["p"].attrs = []string{"class"}
	all["ol"].attrs = []string{"start", "reversed"}
	all["li"].attrs = []string{"value"}

	for _, s := range []struct{ names, within []string }{
		{[]string{"li"}, []string{"ul", "ol"}},
		{[]string{"dt", "dd"}, []string{"dl"}},
		{[]string{"rt", "rp"}, []string{"ruby"}},
	} {
		for _, name := range s.names {
			all[name].ends, all[name].within = s.names, s.within
		}
	}
	return all
}()

// dropped are elements that go with all that is in them: none of it was meant to be read.
var dropped = set("script", "style", "iframe", "noembed", "noframes", "noscript", "plaintext", "xmp", "title", "textarea",
	"svg", "math", "template", "object", "applet", "frameset")

// apart are blocks that are never kept, and whose text must not run into what stands before and after it.
var apart = set("div", "section", "article", "aside", "header", "footer", "main", "nav", "address", "hgroup", "center",
	"details", "summary", "dialog", "fieldset", "legend", "form", "option", "optgroup", "menu", "dir", "table", "caption",
	"thead", "tbody", "tfoot", "tr", "td", "th", "body", "html", "head")

func set(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, name := range names {
		m[name] = true
	}
	return m
}
