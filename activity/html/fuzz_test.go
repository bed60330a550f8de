package html_test

import (
	"testing"

	"github.com/fedihook/fedihook/activity/html"
)

// Whatever comes in: what goes out holds only what the policy keeps, stays in its place, is stable and bounded, and Text
// says the same. Size and depth are fuzzed too, because what is cut must hold to all of that.
func FuzzSanitize(f *testing.F) {
	for i, s := range append(contents(f), attacks...) {
		f.Add(s, i%200, i%7)
	}
	f.Fuzz(func(t *testing.T, s string, size, depth int) {
		judge(t, &html.Policy{}, s)
		judge(t, &html.Policy{MaxSize: size, MaxDepth: depth % 64, NoReferrer: depth%2 == 0}, s)
		judge(t, &html.Policy{Elements: html.Known(), Schemes: []string{"https", "mailto"}}, s)
		judge(t, &html.Policy{Elements: []string{"p", "strong", "ul"}}, s)
	})
}
