package check_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/actor/check"
)

// serverRules are those that no document breaks: checker_test.go breaks them.
var serverRules = []string{
	"webfinger-missing", "webfinger-without-actor", "webfinger-other-actor", "actor-not-served", "actor-needs-signature",
	"id-differs", "content-type-refused", "content-type-unusual", "accept-ignored", "clock-off", "meta-agent-refused",
	"key-url-not-actor", "server-actor-closed", "move-unconfirmed", "move-target-moved", "nodeinfo-missing",
	"nodeinfo-malformed", "privacy-policy-missing", "age-rule-missing", "public-feed-missing",
}

// expected is what the text beside a broken actor says.
type expected struct {
	at                string
	refused, impaired []string
}

func readExpected(t *testing.T, file string) (e expected) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if len(lines) != 4 {
		t.Fatalf("%s has %d lines, want what it is, at:, refused by: and impaired at:", file, len(lines))
	}
	for n, into := range []func(string){
		func(s string) { e.at = s },
		func(s string) { e.refused = names(s) },
		func(s string) { e.impaired = names(s) },
	} {
		rest, ok := strings.CutPrefix(lines[n+1], []string{"at:", "refused by:", "impaired at:"}[n])
		if !ok {
			t.Fatalf("%s: line %d is %q", file, n+2, lines[n+1])
		}
		into(strings.TrimSpace(rest))
	}
	return e
}

func names(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ", ")
}

// ruleOf is the rule after which a file is named.
func ruleOf(t *testing.T, file string) string {
	t.Helper()
	name := strings.TrimSuffix(filepath.Base(file), ".json")
	best := ""
	for _, r := range check.Rules() {
		if (name == r.Name || strings.HasPrefix(name, r.Name+"-")) && len(r.Name) > len(best) {
			best = r.Name
		}
	}
	if best == "" {
		t.Fatalf("%s is named after no rule", file)
	}
	return best
}

// broken are the actors that break one rule each: what the files hold, and what is too long for one.
func broken(t *testing.T) map[string]expected {
	t.Helper()
	files, err := filepath.Glob("testdata/broken/*.json")
	if err != nil || len(files) < 25 {
		t.Fatalf("%d broken actors: %v", len(files), err)
	}
	all := make(map[string]expected)
	for _, file := range files {
		all[file] = readExpected(t, strings.TrimSuffix(file, ".json")+".txt")
	}
	texts, err := filepath.Glob("testdata/broken/*.txt")
	if err != nil || len(texts) != len(files) {
		t.Fatalf("%d texts beside %d actors: %v", len(texts), len(files), err)
	}
	all["document-too-large.json"] = expected{"$", []string{"Lemmy", "Mastodon"}, nil}
	return all
}

func readBroken(t *testing.T, file string) []byte {
	t.Helper()
	if file == "document-too-large.json" {
		return []byte(`{"summary":"` + strings.Repeat("x", 1<<20) + `"}`)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestEachBrokenActorNamesItsRuleAndWhoGoesByIt(t *testing.T) {
	t.Parallel()
	for file, want := range broken(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			rule := ruleOf(t, file)
			got := check.Document(readBroken(t, file))
			if len(got) != 1 {
				t.Fatalf("%d findings, want one: %v", len(got), got)
			}
			f := got[0]
			if f.Rule != rule || f.Path != want.at {
				t.Errorf("found %s at %s, want %s at %s", f.Rule, f.Path, rule, want.at)
			}
			if f.Text == "" || f.Fix == "" {
				t.Errorf("says neither what is there nor what should be: %+v", f)
			}
			if refused := check.Refusals(got); !slices.Equal(refused, want.refused) {
				t.Errorf("refused by %q, want %q", refused, want.refused)
			}
			if impaired := check.Impairments(got); !slices.Equal(impaired, want.impaired) {
				t.Errorf("impaired at %q, want %q", impaired, want.impaired)
			}
			for _, p := range f.Peers {
				if p.Seen == "" || p.Refuses == (p.Does != "") {
					t.Errorf("a peer without a date, or that neither refuses nor does anything: %+v", p)
				}
			}
		})
	}
}

// Each rule is broken by an actor, and by those together that break it all its peers are named.
func TestEveryRuleHasItsBrokenActor(t *testing.T) {
	t.Parallel()
	peers := make(map[string][]string)
	for file, want := range broken(t) {
		rule := ruleOf(t, file)
		peers[rule] = append(append(peers[rule], want.refused...), want.impaired...)
	}
	known := make(map[string]bool)
	for _, r := range check.Rules() {
		if known[r.Name] {
			t.Errorf("there are two rules %s", r.Name)
		}
		known[r.Name] = true
		if len(r.Peers) == 0 || r.Fix == "" {
			t.Errorf("%s: nobody goes by it, or nothing keeps it", r.Name)
		}
		if slices.Contains(serverRules, r.Name) {
			if peers[r.Name] != nil {
				t.Errorf("%s is a server's rule and has a broken document", r.Name)
			}
			continue
		}
		var all []string
		for _, p := range r.Peers {
			all = append(all, p.Name)
		}
		named := slices.Compact(slices.Sorted(slices.Values(peers[r.Name])))
		if slices.Sort(all); !slices.Equal(named, all) {
			t.Errorf("%s: its broken actors name %q, its peers are %q", r.Name, named, all)
		}
		delete(peers, r.Name)
	}
	for _, name := range serverRules {
		if !known[name] {
			t.Errorf("%s is no rule", name)
		}
	}
	if len(peers) > 0 {
		t.Errorf("broken actors without a rule: %q", slices.Collect(maps.Keys(peers)))
	}
}

func TestCorrectActorsNameNobody(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/correct/*.json")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d correct actors: %v", len(files), err)
	}
	for _, file := range files {
		if found := check.Document(readBroken(t, file)); found != nil {
			t.Errorf("%s: %v", file, found)
		}
	}
}

func TestCallersMayChangeTheRulesTheyGot(t *testing.T) {
	t.Parallel()
	first := check.Rules()
	first[0].Peers[0].Name = "changed"
	if second := check.Rules(); second[0].Peers[0].Name == "changed" || len(second) != len(first) {
		t.Error("a change to what Rules returned is seen by others")
	}
}

func TestFindingsQuoteLittleOfAStranger(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é\x1b", 10_000)
	found := check.Document(fmt.Appendf(nil, `{"type":"Person","id":%q,"inbox":"x","publicKey":{"id":"%s"},"toot:%s":1}`, "https://a.example/", strings.Repeat("y", 5000), strings.Repeat("z", 5000)))
	found = append(found, check.Document(fmt.Appendf(nil, `{"type":"Person","preferredUsername":%q}`, long))...)
	if len(found) < 10 {
		t.Fatalf("only %d findings", len(found))
	}
	for _, f := range found {
		if s := f.String(); len(s) > 1000 || strings.Contains(s, "\x1b") {
			t.Errorf("%d bytes: %.100q", len(s), s)
		}
	}
}

func TestAHundredFindingsAreEnough(t *testing.T) {
	t.Parallel()
	doc := strings.Builder{}
	doc.WriteString(`{"type":"Person"`)
	for n := range 200 {
		fmt.Fprintf(&doc, `,"toot:%d":1`, n)
	}
	doc.WriteString("}")
	if found := check.Document([]byte(doc.String())); len(found) != 100 {
		t.Errorf("%d findings", len(found))
	}
}

func FuzzCheck(f *testing.F) {
	files, err := filepath.Glob("testdata/*/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"type":["Person",null],"publicKey":[],"assertionMethod":[[]],"url":[{}],"endpoints":[],"@context":[{}]}`))
	known := make(map[string]bool)
	for _, r := range check.Rules() {
		known[r.Name] = true
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		found := check.Document(data)
		if len(found) > 100 {
			t.Errorf("%d findings", len(found))
		}
		for _, one := range found {
			if !known[one.Rule] || len(one.Peers) == 0 {
				t.Errorf("%s: no rule, or nobody's", one.Rule)
			}
			if len(one.String()) > 2000 {
				t.Errorf("%s: %d bytes", one.Rule, len(one.String()))
			}
		}
		if again := check.Document(data); len(again) != len(found) {
			t.Errorf("%d findings, and then %d", len(found), len(again))
		}
	})
}
