package ldsig_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook/signature"
	"github.com/fedihook/fedihook/signature/ldsig"
)

// limit is what a document may cost, whatever it is; slowness allows for the race detector.
const limit = 50 * time.Millisecond

// cost is the time of the fastest of ten runs, since other tests may run beside; it stops when one
// was fast enough.
func cost(t *testing.T, document []byte) (time.Duration, ldsig.Result, error) {
	t.Helper()
	var result ldsig.Result
	var err error
	best := time.Hour
	for i := 0; i < 10 && best > limit*slowness; i++ {
		start := time.Now()
		result, err = verifier(t).Verify(t.Context(), document)
		best = min(best, time.Since(start))
	}
	return best, result, err
}

// unsound signs a document with a value that fits nothing, an hour ago: all work but the last is done.
func unsound(t testing.TB, members string) []byte {
	t.Helper()
	doc := `{"@context":["https://www.w3.org/ns/activitystreams","https://w3id.org/security/v1",
		{"toot":"http://joinmastodon.org/ns#","focalPoint":{"@id":"toot:focalPoint","@container":"@list"}}],
		"id":"https://a.example/1","type":"Create","actor":"` + alice + `","object":"https://a.example/2",` + members + `,
		"signature":{"type":"RsaSignature2017","creator":"` + aliceKey + `","created":"` +
		time.Now().Add(-time.Hour).UTC().Format(time.RFC3339) + `","signatureValue":"AAAA"}}`
	if !json.Valid([]byte(doc)) {
		t.Fatalf("not JSON: %s", doc)
	}
	return []byte(doc)
}

// each joins n texts.
func each(n int, f func(i int) string) string {
	texts := make([]string, n)
	for i := range texts {
		texts[i] = f(i)
	}
	return strings.Join(texts, ",")
}

// nested puts value n times into an anonymous node.
func nested(n int, open, value, end string) string {
	return strings.Repeat(open, n) + value + strings.Repeat(end, n)
}

func TestDocumentsThatAreDearToCanonicaliseAreRefusedAtOnce(t *testing.T) {
	for _, c := range []struct {
		name, members string
		kind          error
	}{
		{"two like parents of like children", `"attachment":[` + each(2, func(int) string {
			return `{"type":"Note","tag":[` + each(9, func(int) string { return `{"type":"Mention"}` }) + `]}`
		}) + `]`, ldsig.ErrTooComplex},
		{"a binary tree of like nodes", `"attachment":` + func() string {
			tree := `{"type":"Note"}`
			for range 6 {
				tree = `{"type":"Note","attachment":[` + tree + `,` + tree + `]}`
			}
			return tree
		}(), ldsig.ErrTooComplex},
		{"like children two levels down", `"attachment":[` + each(4, func(int) string {
			return `{"type":"Note","tag":{"type":"Note","tag":[` + each(5, func(int) string { return `{"type":"Mention"}` }) + `]}}`
		}) + `]`, ldsig.ErrTooComplex},
		{"a list of like values", `"focalPoint":[` + each(100, func(int) string { return `1` }) + `]`, ldsig.ErrTooComplex},
		{"a list of like nodes", `"orderedItems":[` + each(60, func(int) string { return `{"type":"Note"}` }) + `]`, ldsig.ErrTooComplex},
		{"too many anonymous nodes", `"tag":[` + each(201, func(i int) string { return fmt.Sprintf(`{"name":"%d"}`, i) }) + `]`, ldsig.ErrTooComplex},
		{"a long list", `"focalPoint":[` + each(201, func(i int) string { return fmt.Sprint(i) }) + `]`, ldsig.ErrTooComplex},
		{"too deep", `"attachment":` + nested(20, `{"type":"Note","attachment":`, `"x:y"`, `}`), ldsig.ErrTooComplex},
		{"too many values", each(8, func(i int) string {
			return fmt.Sprintf(`%q:[`, []string{"to", "cc", "bto", "bcc", "audience", "tag", "url", "items"}[i]) +
				each(256, func(i int) string { return fmt.Sprintf(`"x:%d"`, i) }) + `]`
		}), ldsig.ErrTooComplex},
		{"a long array", `"to":[` + each(257, func(i int) string { return fmt.Sprintf(`"x:%d"`, i) }) + `]`, ldsig.ErrTooComplex},
		{"long subjects", `"tag":[` + each(24, func(i int) string {
			return fmt.Sprintf(`{"id":"x:%d%s","name":[%s]}`, i, strings.Repeat("y", 1800), each(60, func(i int) string { return fmt.Sprintf(`"%d"`, i) }))
		}) + `]`, ldsig.ErrTooComplex},
		{"too large", `"content":"` + strings.Repeat("x", 64<<10) + `"`, signature.ErrTooLarge},
		{"ids of anonymous nodes", `"target":"_:a"`, ldsig.ErrUnprotected},
	} {
		t.Run(c.name, func(t *testing.T) {
			took, result, err := cost(t, unsound(t, c.members))
			refused(t, result, err, c.kind)
			if took > limit*slowness {
				t.Errorf("took %v", took)
			}
			if c.name == "too many values" && !strings.Contains(err.Error(), "2000 values") {
				t.Error(err) // the limit of statements would have done, but later
			}
		})
	}
}

// What the limits let through is worked through in that time, too.
func TestTheDearestDocumentsWithinTheLimitsAreBounded(t *testing.T) {
	for _, c := range []struct{ name, members string }{
		{"long arrays", each(3, func(i int) string {
			return fmt.Sprintf(`%q:[`, []string{"to", "cc", "bto"}[i]) +
				each(220, func(i int) string { return fmt.Sprintf(`"x:%d"`, i) }) + `]`
		})},
		{"texts in an array", each(3, func(i int) string {
			return fmt.Sprintf(`%q:[`, []string{"name", "summary", "content"}[i]) +
				each(220, func(i int) string { return fmt.Sprintf(`"%d"`, i) }) + `]`
		})},
		{"like leaves", `"tag":[` + each(200, func(int) string { return `{"type":"Mention","name":"x"}` }) + `]`},
		{"like leaves of several parents", `"attachment":[` + each(4, func(i int) string {
			return fmt.Sprintf(`{"type":"Note","name":"%d","tag":[%s]}`, i, each(49, func(int) string { return `{"type":"Mention"}` }))
		}) + `]`},
		{"like chains", `"attachment":[` + each(11, func(int) string {
			return nested(16, `{"type":"Note","attachment":`, `{"type":"Note"}`, `}`)
		}) + `]`},
		{"like lists", `"attachment":[` + each(6, func(int) string {
			return `{"type":"Note","focalPoint":[` + each(31, func(int) string { return `1` }) + `]}`
		}) + `]`},
		{"a text of 60 KiB", `"content":"` + strings.Repeat("x", 60<<10) + `"`},
		{"a text that is all escapes", `"content":"` + strings.Repeat(`\"`, 30<<10) + `"`},
		{"long subjects", `"tag":[` + each(12, func(i int) string {
			return fmt.Sprintf(`{"id":"x:%d%s","name":[%s]}`, i, strings.Repeat("y", 1800), each(8, func(i int) string { return fmt.Sprintf(`"%d"`, i) }))
		}) + `]`},
		{"http addresses that are long to match", `"to":[` + each(25, func(i int) string {
			return fmt.Sprintf(`"https://%s%d.example:0/"`, strings.Repeat("a-", 1000), i)
		}) + `]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			took, _, err := cost(t, unsound(t, c.members))
			if !errors.Is(err, signature.ErrBadSignature) && !errors.Is(err, ldsig.ErrUnprotected) {
				t.Errorf("not worked through: %v", err)
			}
			if took > limit*slowness {
				t.Errorf("took %v", took)
			}
		})
	}
}

var quad = regexp.MustCompile(`^(\S+) <(\S+)> (\S+) \.$`)

// clique makes JSON-LD of the poison graph's statements about its first n nodes.
func clique(t testing.TB, n int) string {
	t.Helper()
	nodes := make(map[string][]any)
	for _, line := range strings.Split(strings.TrimSpace(string(must[[]byte](t)(os.ReadFile("testdata/poison-clique.nq")))), "\n") {
		m := quad.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("line %q", line)
		}
		var from, to int
		if _, err := fmt.Sscanf(m[1]+" "+m[3], "_:e%d _:e%d", &from, &to); err != nil {
			t.Fatal(err)
		}
		if from < n && to < n {
			nodes[m[1]] = append(nodes[m[1]], map[string]any{"id": m[3]})
		}
	}
	var described []any
	for id, edges := range nodes {
		described = append(described, map[string]any{"id": id, "attachment": edges})
	}
	if len(described) != n {
		t.Fatalf("%d nodes", len(described))
	}
	return string(must[[]byte](t)(json.Marshal(described)))
}

func TestAttack37PoisonGraphs(t *testing.T) {
	v := must[*vectors](t)(readVectors())
	// A clique of six is harmless, and shows what each further node costs: the work is factorial.
	poisoned := func(n int) []byte {
		return v.document(t, "honest-create", func(doc map[string]any) {
			var nodes any
			if err := json.Unmarshal([]byte(clique(t, n)), &nodes); err != nil {
				t.Fatal(err)
			}
			object(doc)["attachment"] = nodes
		})
	}
	took := make(map[int]time.Duration)
	for _, n := range []int{4, 6} {
		signed := withoutRules(t).sign(t, poisoned(n), v.private, aliceKey, "2026-01-01T00:00:00Z")
		start := time.Now()
		if err := withoutRules(t).verify(signed, &v.private.PublicKey); err != nil {
			t.Fatalf("without rules: %v", err)
		}
		took[n] = time.Since(start)
		result, err := verifyAt(t, vectorTime, signed)
		refused(t, result, err, ldsig.ErrUnprotected)
	}
	if took[6] < 2*took[4] {
		t.Errorf("a clique of 4 took %v, one of 6 %v: this is no poison", took[4], took[6])
	}
	spent, result, err := cost(t, poisoned(10))
	refused(t, result, err, ldsig.ErrUnprotected)
	if spent > limit*slowness {
		t.Errorf("the whole clique took %v", spent)
	}
	// Nodes without any id do it as well.
	twins := func(n int) []byte {
		return v.document(t, "honest-create", func(doc map[string]any) {
			parent := map[string]any{"type": "Note"}
			var children []any
			for range n {
				children = append(children, map[string]any{"type": "Mention"})
			}
			parent["tag"] = children
			object(doc)["attachment"] = []any{parent, parent}
		})
	}
	for _, n := range []int{2, 6} {
		signed := withoutRules(t).sign(t, twins(n), v.private, aliceKey, "2026-01-01T00:00:00Z")
		start := time.Now()
		if err := withoutRules(t).verify(signed, &v.private.PublicKey); err != nil {
			t.Fatalf("without rules: %v", err)
		}
		took[n] = time.Since(start)
		result, err := verifyAt(t, vectorTime, signed)
		refused(t, result, err, ldsig.ErrTooComplex)
	}
	if took[6] < 3*took[2] {
		t.Errorf("twins with 2 children took %v, with 6 %v: this is no poison", took[2], took[6])
	}
}
