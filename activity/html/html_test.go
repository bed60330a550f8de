package html_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/activity/html"
	nethtml "golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

const blank = ` rel="nofollow noopener"`

func TestSanitizeKeepsWhatPeersWrite(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, want string }{
		{"Mastodon's mention",
			`<p><span class="h-card" translate="no"><a href="https://a.example/@bob" class="u-url mention">@<span>bob</span></a></span> hi</p>`,
			`<p><span class="h-card" translate="no"><a href="https://a.example/@bob" class="u-url mention" target="_blank" rel="nofollow noopener">@<span>bob</span></a></span> hi</p>`},
		{"Mastodon's hashtag keeps rel tag and gains the rest",
			`<a href="https://a.example/tags/go" class="mention hashtag" rel="tag">#<span>go</span></a>`,
			`<a href="https://a.example/tags/go" class="mention hashtag" rel="tag nofollow noopener" target="_blank">#<span>go</span></a>`},
		{"Mastodon's shortened link",
			`<a href="https://a.example/long" rel="nofollow noopener noreferrer" target="_blank"><span class="invisible">https://</span><span class="ellipsis">a.example/l</span><span class="invisible">ong</span></a>`,
			`<a href="https://a.example/long" target="_blank" rel="nofollow noopener"><span class="invisible">https://</span><span class="ellipsis">a.example/l</span><span class="invisible">ong</span></a>`},
		{"Misskey's quote fallback",
			`<p><span>look</span><br><span class="quote-inline"><br>RE: <a href="https://m.example/notes/1">https://m.example/notes/1</a></span></p>`,
			`<p><span>look</span><br><span class="quote-inline"><br>RE: <a href="https://m.example/notes/1" target="_blank" rel="nofollow noopener">https://m.example/notes/1</a></span></p>`},
		{"Mastodon's quote fallback is a paragraph",
			`<p class="quote-inline">RE: x</p><p class="lead">y</p>`, `<p class="quote-inline">RE: x</p><p>y</p>`},
		{"Pleroma's mention has a user's id and an unclosed class",
			`<span class="h-card"><a class="u-url mention" data-user="9x" href="https://p.example/users/al" rel="ugc">@<span>al</span></a></span><br/>hi`,
			`<span class="h-card"><a href="https://p.example/users/al" class="u-url mention" target="_blank" rel="nofollow noopener">@<span>al</span></a></span><br>hi`},
		{"WordPress writes blocks and pictures",
			"<h2 class=\"wp-block-heading\">News</h2>\n\n<p class=\"wp-block-paragraph\">One</p>\n<figure class=\"wp-block-image\"><img src=\"https://w.example/1.png\" alt=\"x\"/><figcaption>Cat</figcaption></figure>",
			"<p><strong>News</strong></p>\n\n<p>One</p>\nCat"},
		{"headings keep their language", `<h6 lang="de" class="p-name">Eins</h6>zwei`, `<p lang="de"><strong>Eins</strong></p>zwei`},
		{"a heading is ended by the end of another", `<h1>a</h3>b`, `<p><strong>a</strong></p>b`},
		{"ordered lists keep their numbers", `<ol start="3" reversed="reversed" type="a"><li value="7">a<li>b</ol>`,
			`<ol start="3" reversed=""><li value="7">a</li><li>b</li></ol>`},
		{"lists in lists", `<ul><li>a<ul><li>b</ul><li>c</ul>`, `<ul><li>a<ul><li>b</li></ul></li><li>c</li></ul>`},
		{"ruby", `<ruby>明日<rp>(</rp><rt>あした</rt><rp>)</rp></ruby>`, `<ruby>明日<rp>(</rp><rt>あした</rt><rp>)</rp></ruby>`},
		{"ruby without ends", `<ruby>a<rt>b<rp>c</ruby>d`, `<ruby>a<rt>b</rt><rp>c</rp></ruby>d`},
		{"math in a line", `<p>so <math><semantics><mi>x</mi><annotation encoding="application/x-tex">x^2 &lt; y</annotation></semantics></math>.</p>`, `<p>so $x^2 &lt; y$.</p>`},
		{"math in a block", `<math display="block"><semantics><mi>x</mi><annotation encoding="application/x-tex">x</annotation></semantics></math>`, `$$x$$`},
		{"TeX goes before plain text", `<math><semantics><mi>x</mi><annotation encoding="text/plain">p</annotation><annotation encoding="application/x-tex">t</annotation></semantics></math>`, `$t$`},
		{"math in plain text", `<math><semantics><mi>x</mi><annotation encoding="text/plain">root of x</annotation></semantics></math>`, `root of x`},
		{"math that says nothing", `a<math><mi>x</mi></math>b`, `ab`},
		{"math without an end", `a<math><annotation encoding="application/x-tex">q`, `a$q$`},
		{"Lemmy's and Kbin's code", "<pre><code>if a &lt; b {\n\tx\n}</code></pre>", "<pre><code>if a &lt; b {\n\tx\n}</code></pre>"},
		{"blocks that are not kept leave a space", `<div>one</div><div><b>two</b></div><table><tr><td>3<td>4</table>`, `one <b>two</b> 3 4`},
		{"no space where one is", `<p>one <div>two</div></p>`, `<p>one two</p>`},
		{"languages", `<p lang="pt-BR">a <span lang="x y">b</span></p>`, `<p lang="pt-BR">a <span>b</span></p>`},
		{"translate is only ever no", `<a href="https://a.example/" translate="yes">a</a>`, `<a href="https://a.example/" target="_blank"` + blank + `>a</a>`},
		{"rel me would speak for the page", `<a href="https://a.example/" rel="me TAG next">a</a>`, `<a href="https://a.example/" rel="tag nofollow noopener" target="_blank">a</a>`},
		{"a link within a link ends the first", `<a href="https://a.example/">a<a href="https://b.example/">b</a></a>`,
			`<a href="https://a.example/" target="_blank"` + blank + `>a</a><a href="https://b.example/" target="_blank"` + blank + `>b</a>`},
		{"other schemes", `<a href="gemini://g.example/x">g</a><a href="xmpp:r@c.example?join">x</a><a href="magnet:?xt=urn:btih:aa&amp;dn=b">m</a><a href="dweb:/a/foo">d</a>`,
			`<a href="gemini://g.example/x" target="_blank"` + blank + `>g</a><a href="xmpp:r@c.example?join" target="_blank"` + blank + `>x</a><a href="magnet:?xt=urn:btih:aa&amp;dn=b" target="_blank"` + blank + `>m</a><a href="dweb:/a/foo" target="_blank"` + blank + `>d</a>`},
		{"a space within an address", `<a href="https://a.example/x?q=a b">a</a>`, `<a href="https://a.example/x?q=a%20b" target="_blank"` + blank + `>a</a>`},
		{"a host in another script", `<a href="https://bücher.example/ü">a</a>`, `<a href="https://b%C3%BCcher.example/%C3%BC" target="_blank"` + blank + `>a</a>`},
		{"an address in capitals", `<A HREF="HTTPS://A.example/X">a</A>`, `<a href="https://A.example/X" target="_blank"` + blank + `>a</a>`},
		{"text is text", `a & b < c "d" &amp;lt;`, `a &amp; b &lt; c &#34;d&#34; &amp;lt;`},
		{"nothing", ``, ``},
		{"what is open is closed", `<p><b>a<blockquote>b<ul><li><i>c`, `<p><b>a</b></p><blockquote>b<ul><li><i>c</i></li></ul></blockquote>`},
		{"what is closed twice is closed once", `<p>a</p></p></b></ul>b`, `<p>a</p>b`},
		{"a paragraph ends a paragraph", `<p>a<p>b`, `<p>a</p><p>b</p>`},
		{"crossed ends", `<b>1<i>2</b>3</i>`, `<b>1<i>2</i></b>3`},
		{"a block ends a link", `<a href="https://a.example/">a<blockquote>b</a>c</blockquote>`, `<a href="https://a.example/" target="_blank"` + blank + `>a</a><blockquote>bc</blockquote>`},
		{"an inline end does not end the block around it", `<b>1<ul><li>2</b>3</ul>4`, `<b>1<ul><li>23</li></ul>4</b>`},
		{"an item's end does not end the list around it", `<ul><li>a<ol></li>b</ol>c`, `<ul><li>a<ol>b</ol>c</li></ul>`},
		{"an item does not end the quote around it", `<ul><li>a<blockquote><li>b`, `<ul><li>a<blockquote><li>b</li></blockquote></li></ul>`},
		{"a paragraph's end does not end a heading", `<h1>a</p>b</h1>c`, `<p><strong>ab</strong></p>c`},
		{"pictures in pictures", `<svg><svg><text>a</text></svg><text>b</text></svg>c<svg/>d`, `cd`},
		{"the first TeX counts", `<math><annotation encoding="application/x-tex">a</annotation><annotation encoding="application/x-tex">b</annotation></math>`, `$a$`},
		{"white space after an address", `<a href="https://a.example/ &#10;">a</a>`, `<a href="https://a.example/" target="_blank"` + blank + `>a</a>`},
		{"the slash means nothing", `<b/>a<p/>b`, `<b>a<p>b</p></b>`},
		{"the end of a line break is one", `a</br>b`, `a<br>b`},
		{"bytes that are no text", "a\xff\xfe\x00b\x1b[31m&#1;&#x80;", "a\uFFFDb[31m€"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := html.Sanitize(c.in); got != c.want {
				t.Errorf("Sanitize(%q)\n got %q\nwant %q", c.in, got, c.want)
			}
			judge(t, new(html.Policy), c.in)
		})
	}
}

func TestLinksThatAreNotKeptBecomeTheirText(t *testing.T) {
	t.Parallel()
	for _, href := range []string{
		"", "#", "/settings/delete", "//evil.example/", "?a", "foo://bar", "mailto:a@b.example", "acct:a@b.example", "file:///etc/passwd",
		"https:settings/delete", "https:/settings", "https:///settings", `https:\\evil.example`, " https://a.example/", "https://a.example/%zz", "https://[::1",
		"https://a.example/?a\u009bb", "ipfs:/%2fé%20/", "magnet:/%2fA@^@:", "https://a.example/&#10;b", "https://a.example/&#127;",
	} {
		in := `<p><a href="` + href + `"><span class="invisible">https://</span><b>go</b> on</a> <b>x</b></p>`
		if got, want := html.Sanitize(in), `<p>https://go on <b>x</b></p>`; got != want {
			t.Errorf("href %q\n got %q\nwant %q", href, got, want)
		}
		judge(t, new(html.Policy), in)
	}
	if got := html.Sanitize(`<a>&lt;b&gt;<p>a<br>b</p></a>`); got != `&lt;b&gt;<p>a<br>b</p>` {
		t.Errorf("what a link without an address holds became %q", got)
	}
}

// judge fails if a rule that holds for whatever a policy returns does not hold for in.
func judge(t *testing.T, p *html.Policy, in string) {
	t.Helper()
	once := p.Sanitize(in)
	if limit := limitOf(p); len(once) > limit {
		t.Errorf("Sanitize(%.200q) has %d bytes, the limit is %d", in, len(once), limit)
	}
	if twice := p.Sanitize(once); twice != once {
		t.Errorf("Sanitize(%.500q) is not stable:\nonce  %.500q\ntwice %.500q", in, once, twice)
	}
	elements := p.Elements
	if elements == nil {
		elements = html.Elements()
	}
	// What follows in the page must stay where it is, whatever was left open.
	doc, err := nethtml.ParseFragment(strings.NewReader("<div>"+once+"</div>after"), &nethtml.Node{Type: nethtml.ElementNode, Data: "body", DataAtom: atom.Body})
	if err != nil {
		t.Fatalf("the page with Sanitize(%.200q) = %.200q: %v", in, once, err)
	}
	if len(doc) != 2 || doc[1].Type != nethtml.TextNode || doc[1].Data != "after" {
		t.Errorf("Sanitize(%.200q) = %.200q does not stay in its place", in, once)
	}
	for n := range doc[0].Descendants() {
		switch n.Type {
		case nethtml.TextNode:
		case nethtml.ElementNode:
			if !slices.Contains(elements, n.Data) || n.Namespace != "" {
				t.Errorf("Sanitize(%.200q) = %.200q has the element %s %s", in, once, n.Namespace, n.Data)
			}
			judgeAttributes(t, p, n, once)
		default:
			t.Errorf("Sanitize(%.200q) = %.200q has a node of type %d: %q", in, once, n.Type, n.Data)
		}
	}
	judgeText(t, p, in, once)
}

// values are all attributes there may be, and what they may say under the zero Policy.
var values = map[string]*regexp.Regexp{
	"* lang":      regexp.MustCompile(`^[A-Za-z0-9-]+$`),
	"a href":      regexp.MustCompile(`^(https?://[^/]|(dat|dweb|ipfs|ipns|ssb|gopher|xmpp|magnet|gemini):)[^\x00-\x20]*$`),
	"a class":     regexp.MustCompile(`^\S+( \S+)*$`),
	"a rel":       regexp.MustCompile(`^(tag )?nofollow (noreferrer )?noopener$`),
	"a target":    regexp.MustCompile(`^_blank$`),
	"a translate": regexp.MustCompile(`^no$`), "span translate": regexp.MustCompile(`^no$`),
	"span class": regexp.MustCompile(`^\S+( \S+)*$`), "p class": regexp.MustCompile(`^\S+( \S+)*$`),
	"ol start": regexp.MustCompile(`^-?\d+$`), "ol reversed": regexp.MustCompile(`^$`), "li value": regexp.MustCompile(`^-?\d+$`),
}

func judgeAttributes(t *testing.T, p *html.Policy, n *nethtml.Node, out string) {
	t.Helper()
	found := map[string]bool{}
	for _, a := range n.Attr {
		may := values[n.Data+" "+a.Key]
		if may == nil {
			may = values["* "+a.Key]
		}
		if may == nil || a.Namespace != "" || !may.MatchString(a.Val) {
			t.Errorf("%.300q: <%s> has %s=%q", out, n.Data, a.Key, a.Val)
		}
		if a.Key == "class" && p.Classes == nil {
			for _, class := range strings.Fields(a.Val) {
				if !regexp.MustCompile(`^((h|p|u|dt|e)-.*|mention|hashtag|ellipsis|invisible|quote-inline)$`).MatchString(class) {
					t.Errorf("%.300q: class %q", out, class)
				}
			}
		}
		found[a.Key] = true
	}
	if n.Data == "a" && !(found["href"] && found["rel"] && found["target"]) {
		t.Errorf("%.300q: a link lacks one of %v", out, n.Attr)
	}
}

func limitOf(p *html.Policy) int {
	if p.MaxSize > 0 {
		return p.MaxSize
	}
	return html.DefaultMaxSize
}

// contents are the strings of the recorded documents that hold, or may hold, HTML.
func contents(t testing.TB) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir("../testdata/wire", func(path string, d os.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".json" {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var v any
		if err := json.Unmarshal(data, &v); err != nil {
			return nil // some are recorded because they are broken
		}
		all = append(all, markup(v)...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 20 {
		t.Fatalf("%d contents in the recorded documents: the reader sees nothing", len(all))
	}
	return all
}

func markup(v any) (all []string) {
	switch v := v.(type) {
	case string:
		if strings.ContainsAny(v, "<&") {
			all = append(all, v)
		}
	case []any:
		for _, e := range v {
			all = append(all, markup(e)...)
		}
	case map[string]any:
		for _, e := range v {
			all = append(all, markup(e)...)
		}
	}
	return all
}

func TestRecordedContents(t *testing.T) {
	t.Parallel()
	for _, s := range contents(t) {
		judge(t, new(html.Policy), s)
	}
}
