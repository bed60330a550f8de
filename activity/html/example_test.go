package html_test

import (
	"fmt"

	"github.com/fedihook/fedihook/activity/html"
)

func ExampleSanitize() {
	content := `<h1 onclick="alert(1)">Hello</h1><script>alert(1)</script><p>by <a href="https://a.example/@bob" class="u-url mention big">@<span>bob</span></a> <a href="javascript:alert(1)">here`
	fmt.Println(html.Sanitize(content))
	// Output:
	// <p><strong>Hello</strong></p><p>by <a href="https://a.example/@bob" class="u-url mention" target="_blank" rel="nofollow noopener">@<span>bob</span></a> here</p>
}

func ExampleText() {
	content := `<p>Read <a href="https://a.example/a/long/address"><span class="invisible">https://</span><span class="ellipsis">a.example/a/lo</span><span class="invisible">ng/address</span></a></p><ul><li>fish</li><li>chips &amp; peas</li></ul>`
	fmt.Println(html.Text(content))
	// Output:
	// Read a.example/a/lo…
	//
	// - fish
	// - chips & peas
}

// A site that shows articles keeps their headings, and no class name that its own style sheet uses.
func ExamplePolicy() {
	articles := &html.Policy{
		Elements: append(html.Elements(), "h2", "h3", "hr"),
		Schemes:  []string{"https"},
		Classes:  func(name string) bool { return name == "mention" },
	}
	if err := articles.Check(); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(articles.Sanitize(`<h2>One</h2><p class="mention h-screen">two</p><hr><a href="http://a.example/">three</a>`))
	// Output:
	// <h2>One</h2><p class="mention">two</p><hr>three
}
