package html

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/microcosm-cc/bluemonday"
)

// Limits where a Policy names none.
const (
	DefaultMaxSize  = 256 << 10 // bytes
	DefaultMaxDepth = 64        // elements within elements
)

// Policy says what of a stranger's HTML is kept. Its zero value is what Mastodon 4.6 keeps. Its methods may be called by
// many goroutines at once; don't change a field, or copy the Policy, after the first call.
//
// Whatever its fields say, no script, style, form, picture or frame is kept, no attribute that starts with "on", and no
// link that could run code. Each link kept gets rel="nofollow noopener" and target="_blank"; of its own rel only "tag"
// stays, because another one ("me") would speak for the page.
type Policy struct {
	// Elements are the names of the elements to keep. Nil means [Elements]. Those of [Known] may be named. Of an element
	// that is not kept its text is; h1 to h6 become <p><strong>, and another block leaves a space.
	Elements []string

	// Schemes are the link schemes to keep, without the colon. Nil means [Schemes]. A link of another scheme, or a
	// relative one, becomes its text. "javascript", "vbscript", "data" and "blob" are never kept.
	Schemes []string

	// Classes reports whether a class name is kept. Nil means Mastodon's: mention, hashtag, ellipsis, invisible,
	// quote-inline, and the microformats, which are all names that start with h-, p-, u-, dt- or e-. A site whose own
	// style sheet gives such names a meaning (h-screen, p-4) says so here. It may be called by many goroutines at once.
	Classes func(name string) bool

	// NoReferrer adds "noreferrer" to each link's rel, for pages whose address is itself a secret. The default leaves it
	// to the page's Referrer-Policy, as Mastodon does.
	NoReferrer bool

	// MaxSize bounds, in bytes, what is read and what is returned. Longer input is cut before a character, and what is
	// left of it is treated like any other. Zero or less means DefaultMaxSize.
	MaxSize int

	// MaxDepth bounds how many elements may be open at once. Deeper ones are dropped and their text is kept. Zero or
	// less means DefaultMaxDepth.
	MaxDepth int

	once  sync.Once
	rules *rules
}

// Elements returns the names of the elements that a Policy keeps if it names none.
func Elements() []string {
	return []string{
		"p", "br", "span", "a", "del", "s", "pre", "blockquote", "code", "b", "strong", "u", "i", "em",
		"ul", "ol", "li", "ruby", "rt", "rp",
	}
}

// Schemes returns the link schemes that a Policy keeps if it names none.
func Schemes() []string {
	return []string{"http", "https", "dat", "dweb", "ipfs", "ipns", "ssb", "gopher", "xmpp", "magnet", "gemini"}
}

// Known returns, sorted, the names of the elements that a Policy may keep.
func Known() []string {
	var names []string
	for name := range known {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Check returns an error that names the field and the value of p that Sanitize would ignore: an element that is not
// among [Known], a scheme that is malformed or never kept. Call it once where the Policy is made.
func (p *Policy) Check() error {
	for _, name := range p.Elements {
		if _, ok := known[name]; !ok {
			return fmt.Errorf("html: Policy.Elements: %q cannot be kept", name)
		}
	}
	for _, s := range p.Schemes {
		if !schemeName.MatchString(s) || slices.Contains(neverKept, strings.ToLower(s)) {
			return fmt.Errorf("html: Policy.Schemes: %q cannot be kept", s)
		}
	}
	return nil
}

// Sanitize returns s as markup that is safe to put inside an element of a page. Every element in it is closed, so that it
// can't leak into what follows.
func (p *Policy) Sanitize(s string) string {
	r := p.compiled()
	out := &page{limit: r.maxSize}
	walk(r, r.cut(s), out)
	return r.gate.Sanitize(string(out.buf))
}

// Text returns s as plain text. Paragraphs are set apart by an empty line, a <br> ends a line, list items start with "- "
// or their number, quoted lines with "> "; white space is collapsed except in <pre>. What Mastodon hides of a long link
// (class invisible) is left out, and what it shortens (class ellipsis) ends in "…". Where removing a tag would make
// two pieces of text look like a tag, a space keeps them apart.
func (p *Policy) Text(s string) string {
	r := p.compiled()
	out := &plain{limit: r.maxSize}
	walk(r, r.cut(s), out)
	return string(out.buf)
}

// rules are a Policy made ready for use. Nothing changes them afterwards.
type rules struct {
	elements map[string]bool
	schemes  map[string]bool
	classes  func(string) bool
	maxSize  int
	maxDepth int
	gate     *bluemonday.Policy
}

func (p *Policy) compiled() *rules {
	p.once.Do(func() { p.rules = compile(p) })
	return p.rules
}

func compile(p *Policy) *rules {
	r := &rules{
		elements: map[string]bool{}, schemes: map[string]bool{},
		classes: p.Classes, maxSize: p.MaxSize, maxDepth: p.MaxDepth,
	}
	if r.maxSize <= 0 {
		r.maxSize = DefaultMaxSize
	}
	if r.maxDepth <= 0 {
		r.maxDepth = DefaultMaxDepth
	}
	names, schemes := p.Elements, p.Schemes
	if names == nil {
		names = Elements()
	}
	if schemes == nil {
		schemes = Schemes()
	}
	for _, name := range names {
		if _, ok := known[name]; ok {
			r.elements[name] = true
		}
	}
	for _, s := range schemes {
		if s = strings.ToLower(s); schemeName.MatchString(s) && !slices.Contains(neverKept, s) {
			r.schemes[s] = true
		}
	}
	className := regexp.MustCompile(`^[^\s]+( [^\s]+)*$`)
	if r.classes == nil {
		r.classes = mastodonClass
		className = mastodonClasses
	}
	r.gate = gate(r, className, p.NoReferrer)
	return r
}

var (
	mastodonClasses = regexp.MustCompile(`^` + oneClass + `( ` + oneClass + `)*$`)
	schemeName      = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*$`) // RFC 3986 §3.1
	language        = regexp.MustCompile(`^[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8}){0,8}$`)
	number          = regexp.MustCompile(`^-?[0-9]{1,9}$`)
	neverKept       = []string{"javascript", "vbscript", "data", "blob"}
)

const oneClass = `(?:(?:h|p|u|dt|e)-\S*|mention|hashtag|ellipsis|invisible|quote-inline)`

// gate makes the second judge: which elements, attributes, values and schemes there may be at all, and what a link must say.
func gate(r *rules, class *regexp.Regexp, noReferrer bool) *bluemonday.Policy {
	g := bluemonday.NewPolicy()
	g.RequireParseableURLs(true)
	g.AllowRelativeURLs(false)
	g.RequireNoFollowOnLinks(true)
	g.RequireNoReferrerOnLinks(noReferrer)
	for s := range r.schemes {
		g.AllowURLSchemes(s)
	}
	g.AllowAttrs("lang").Matching(language).Globally()
	for name := range r.elements {
		g.AllowElements(name)
		g.AllowNoAttrs().OnElements(name)
		for _, attr := range known[name].attrs {
			allow := g.AllowAttrs(attr)
			switch attr {
			case "class":
				allow = allow.Matching(class)
			case "translate":
				allow = allow.Matching(regexp.MustCompile(`^no$`))
			case "rel":
				allow = allow.Matching(regexp.MustCompile(`^tag$`))
			case "target":
				allow = allow.Matching(regexp.MustCompile(`^_blank$`)) // bluemonday then adds noopener
			case "start", "value":
				allow = allow.Matching(number)
			case "reversed":
				allow = allow.Matching(regexp.MustCompile(`^$`))
			}
			allow.OnElements(name)
		}
	}
	return g
}

// cut bounds s before anything looks at it, and makes it valid UTF-8.
func (r *rules) cut(s string) string {
	if len(s) > r.maxSize {
		end := r.maxSize
		for end > 0 && !utf8.RuneStart(s[end]) {
			end--
		}
		s = s[:end]
		if amp := strings.LastIndexByte(s, '&'); amp >= max(0, len(s)-32) && !strings.ContainsAny(s[amp:], "; <>\n") {
			s = s[:amp] // half an entity would be shown as its letters
		}
		s = strings.TrimSuffix(strings.TrimSuffix(s, "</"), "<") // and the beginning of a tag as itself
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
