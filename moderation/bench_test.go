package moderation_test

import (
	"fmt"
	"testing"

	"github.com/fedihook/fedihook/moderation"
)

// A decision with 10,000 rules in memory: about a host that has none, one far below a domain that has one, and an actor with one.
func BenchmarkJudge(b *testing.B) {
	var rules []moderation.Rule
	for i := range 9_000 {
		rules = append(rules, rule(fmt.Sprintf("host%d.example", i), moderation.Suspend))
	}
	for i := range 1_000 {
		rules = append(rules, rule(fmt.Sprintf("https://people.example/users/%d", i), moderation.Limit))
	}
	p := policy(b, rules...)
	for name, q := range map[string]moderation.Question{
		"none":   {Host: "social.fine.example", Actor: "https://social.fine.example/users/alice", Type: "Create"},
		"domain": {Host: "a.b.c.host77.example", Actor: "https://a.b.c.host77.example/users/alice", Type: "Create"},
		"actor":  {Host: "people.example", Actor: "https://people.example/users/77", Type: "Create"},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if v := judge(b, p, q); name == "none" && v.Any() || name != "none" && !v.Any() {
					b.Fatal(v)
				}
			}
		})
	}
}
