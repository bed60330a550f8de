// Package html makes the HTML of strangers safe to show: the content, summary or biography that another server sent goes
// in, markup that can stand in a page of ours, or plain text, comes out.
//
// [Sanitize] keeps what Mastodon keeps and [Text] says the same without markup. An app that wants it stricter, or wants
// headings in its long articles, sets the fields of a [Policy]; its zero value is what the two functions use. Both take
// any bytes, never fail, answer at most 256 KiB, and may be called by many goroutines at once. What is sanitised twice
// is the same as what is sanitised once.
//
// Two judges look at every byte. The first reads tags from left to right, closes what was left open, bounds depth and
// size, and rewrites what Mastodon rewrites; it builds no tree, so that its time is linear and no depth of nesting makes
// it give up. What it wrote then passes through github.com/microcosm-cc/bluemonday, which decides about the values of
// attributes and has the last word. Pictures, custom emoji and link previews are left to others: nothing that a reader's
// browser would fetch by itself is kept. It knows nothing of ActivityPub's documents.
//
// Experimental: names may change before version 1.0.
package html

// standard is the zero Policy, which is Mastodon's. Its rules are made on first use.
var standard Policy

// Sanitize returns s as markup that is safe to put inside an element of a page (not into an attribute, a script or a
// style sheet): the zero [Policy]'s [Policy.Sanitize].
func Sanitize(s string) string { return standard.Sanitize(s) }

// Text returns what a reader of Sanitize(s) would read, as plain text: the zero [Policy]'s [Policy.Text]. Escape it like
// any other text before it goes into a page.
func Text(s string) string { return standard.Text(s) }
