package html_test

import (
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/fedihook/fedihook/activity/html"
)

func TestTextSaysWhatReadersRead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, want string }{
		{"paragraphs and line breaks", "<p>One<br>two<br/>three</p>\n<p>four</p>", "One\ntwo\nthree\n\nfour"},
		{"line breaks make one empty line at most", `a<br><br><br><br>b`, "a\n\nb"},
		{"white space is one space", "  a \n\t b <b> c</b> ", "a b c"},
		{"entities", `AT&amp;T &lt;b&gt; &#x1F600; &nbsp;&copy;`, "AT&T <b> 😀 \u00a0©"},
		{"Mastodon's mention and hashtag",
			`<p><span class="h-card"><a href="https://a.example/@bob" class="u-url mention">@<span>bob</span></a></span> <a href="https://a.example/t/go" class="mention hashtag">#<span>go</span></a></p>`, "@bob #go"},
		{"Mastodon's shortened link",
			`<a href="https://a.example/a/long/one"><span class="invisible">https://</span><span class="ellipsis">a.example/a/lo</span><span class="invisible">ng/one</span></a>.`, "a.example/a/lo…."},
		{"a link that is not kept hides nothing", `<a href="foo:x"><span class="invisible">https://</span>a.example</a>`, "https://a.example"},
		{"lists", `<p>Buy:</p><ul><li>milk</li><li>eggs<ul><li>brown</li></ul></li></ul>then`, "Buy:\n\n- milk\n- eggs\n  - brown\n\nthen"},
		{"numbers", `<ol start="9"><li>a<li>b<br>c<li value="3">d</ol>`, "9. a\n10. b\n  c\n3. d"},
		{"numbers that fall", `<ol reversed start="2"><li>a<li>b</ol><ol reversed><li>c</ol>`, "2. a\n1. b\n\n- c"},
		{"numbers that are none", `<ol start="x"><li value="9999999999">a</ol>`, "1. a"},
		{"paragraphs in items", `<ul><li><p>a</p><p>b</p></li><li><p>c</p></li></ul>`, "- a\n\n  b\n\n- c"},
		{"a paragraph in an item stands beside its mark", `<ul><li>a</li><li><p>b</p></li></ul>`, "- a\n- b"},
		{"quotes", `<p>he said</p><blockquote><p>a<br>b</p><p>c</p></blockquote><p>d</p>`, "he said\n\n> a\n> b\n>\n> c\n\nd"},
		{"quotes in quotes", `<blockquote>a<blockquote>b</blockquote>c</blockquote>`, "> a\n>\n> > b\n>\n> c"},
		{"code keeps its shape", "<pre>\nif a {\n\n\n\tb  c\n}\n</pre>end", "if a {\n\n\n\tb  c\n}\n\nend"},
		{"the first line break of code is none", "a<pre>\nb</pre>c", "a\n\nb\n\nc"},
		{"headings", `<h1>News</h1>today`, "News\n\ntoday"},
		{"blocks that are not kept", `<div>a</div><div>b</div>`, "a\nb"},
		{"scripts are not text", `a<script>alert("<b>")</script><style>p{}</style><noscript><p>x</p></noscript>b`, "ab"},
		{"math", `<math><semantics><mi>x</mi><annotation encoding="application/x-tex">\sqrt x</annotation></semantics></math>`, `$\sqrt x$`},
		{"ruby", `<ruby>明日<rp>(</rp><rt>あした</rt><rp>)</rp></ruby>`, "明日(あした)"},
		{"tags are not made out of pieces", `<<i>script>alert(1)<<!-- -->/script><<b>!-- &lt;/<i>p>`, "< script>alert(1)< /script>< !-- </ p>"},
		{"control characters", "a\x00\x1b[1m&#7;\u009bb", "a[1mb"},
		{"nothing", "<p> <br> </p>", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := html.Text(c.in); got != c.want {
				t.Errorf("Text(%q)\n got %q\nwant %q", c.in, got, c.want)
			}
			judge(t, new(html.Policy), c.in)
		})
	}
}

var tagLike = regexp.MustCompile(`<(/?[A-Za-z]|[!?])`)

// judgeText checks what holds for the text of whatever a stranger wrote. sanitized is p.Sanitize(in).
func judgeText(t *testing.T, p *html.Policy, in, sanitized string) {
	t.Helper()
	text := p.Text(in)
	if len(text) > limitOf(p) || !utf8.ValidString(text) {
		t.Errorf("Text(%.200q) has %d bytes, valid UTF-8: %t", in, len(text), utf8.ValidString(text))
	}
	// Without entities there is no way to write "<b" as text, so if it is there we made it out of markup.
	if !strings.Contains(in, "&") && tagLike.MatchString(text) {
		t.Errorf("Text(%.200q) = %.200q has a tag", in, text)
	}
	if len(in) > limitOf(p)/8 { // one of the two may have been cut
		return
	}
	if again := p.Text(sanitized); bare(again) != bare(text) {
		t.Errorf("Text and Sanitize disagree about %.300q:\nText            %.300q\nText ∘ Sanitize %.300q", in, text, again)
	}
}

// bare is s without white space and quotation marks, which depend on where lines end.
func bare(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsSpace(c) || c == '>' {
			return -1
		}
		return c
	}, s)
}
