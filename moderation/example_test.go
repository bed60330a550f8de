package moderation_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/storage"
)

// The rule about the longest domain counts, and one without a severity is an exception.
func ExamplePolicy_Judge() {
	ctx := context.Background()
	p := &moderation.Policy{Rules: storage.Memory().Rules}
	err := p.Put(ctx,
		moderation.Rule{Key: moderation.Key{About: "spam.example"}, Severity: moderation.Suspend, Private: "a flood in May"},
		moderation.Rule{Key: moderation.Key{About: "good.spam.example"}},
		moderation.Rule{Key: moderation.Key{About: "loud.example"}, Severity: moderation.Limit, RejectMedia: true},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, host := range []string{"a.spam.example", "good.spam.example", "loud.example"} {
		v, err := p.Judge(ctx, moderation.Question{Host: host})
		fmt.Println(host, v.Refuse, v.Limit, v.NoMedia, v.Reason, err)
	}
	// Output:
	// a.spam.example true false false a flood in May <nil>
	// good.spam.example false false false  <nil>
	// loud.example false true true  <nil>
}

// A list of blocked domains as Mastodon exports it. What makes no rule is told, and the rest is read.
func ExampleReadBlocks() {
	rules, bad, err := moderation.ReadBlocks(strings.NewReader(`#domain,#severity,#reject_media,#reject_reports,#public_comment,#obfuscate
spam.example,suspend,false,false,Spam,false
loud.example,silence,true,false,,false
b**.example,suspend,false,false,,true
`))
	for _, r := range rules {
		fmt.Printf("%s: %s, without media %t, %q\n", r.About, r.Severity, r.RejectMedia, r.Public)
	}
	fmt.Println(len(bad), bad[0].Line, err)
	// Output:
	// spam.example: suspend, without media false, "Spam"
	// loud.example: silence, without media true, ""
	// 1 4 <nil>
}
