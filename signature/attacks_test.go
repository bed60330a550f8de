package signature_test

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// attacks are those that were found on servers of the fediverse or in their libraries, with the rule
// that stops each and the room that keeps it. The test of number n there is named TestAttack<n>….
var attacks = []struct {
	number int
	room   string // its folder, seen from here
	rule   string
	// instead names the test of a room that has none of its own named after the attack.
	instead string
}{
	{1, ".", "the digest is covered, and computed anew over the bytes that were read", ""},
	{2, ".", "method, target, host, time and body are covered", ""},
	{3, ".", "the target is taken as it came, and no value holds a control character", ""},
	{4, ".", "one strict parse feeds policy and arithmetic", ""},
	{5, ".", "what is covered is there", ""},
	{6, ".", "what is covered and has one value is there once", ""},
	{7, ".", "the key decides the algorithm, and the label fits it", ""},
	{8, ".", "the key's owner is the activity's actor", ""},
	{9, ".", "the owner lists the key, under the id that was asked for", ""},
	{10, "../actor", "a document's id is its URL", ""},
	{11, "../actor", "an actor has the media type of one", ""},
	{12, "../actor", "redirects are few, and each is checked like the first request", ""},
	{13, "../actor", "addresses are checked when they are dialled", ""},
	{14, "../actor", "one fetch serves all who ask, and failures are remembered", ""},
	{15, "../actor", "the instance actor signs fetches and is served unsigned", ""},
	{16, ".", "a signature passes once, for one host and target", ""},
	{17, ".", "a signature has a date, neither old nor ahead", ""},
	{18, ".", "times are unsigned numbers of 40 bits, and expires is honoured", ""},
	{19, ".", "the host is one of those that the configuration names", ""},
	{20, ".", "signatures stand in Signature alone", ""},
	{21, ".", "the profile of RFC 9421 is closed, and one label decides", ""},
	{22, ".", "both schemes are strict, and the result says which it was", ""},
	{23, ".", "keys are imported within limits", ""},
	{24, ".", "what is compared is no secret", ""},
	{25, ".", "a result is a value that only verification fills", ""},
	{26, "../inbox", "nothing is kept before the signature holds", ""},
	{27, "ldsig", "nothing is spelled twice", ""},
	{28, "ldsig", "keywords that move nodes are refused", ""},
	{29, "ldsig", "contexts define known terms and nothing else", ""},
	{30, "ldsig", "every member survives into the statements that are signed", ""},
	{31, "ldsig", "contexts are ours and do not change", ""},
	{32, "ldsig", "nothing is fetched", ""},
	{33, "ldsig", "sets come back as they were written", ""},
	{34, "ldsig", "values are of the kind that their names have", ""},
	{35, "ldsig", "the creator's owner is the actor", ""},
	{36, "ldsig", "a signature ends", ""},
	{37, "ldsig", "the work is bounded before it begins", ""},
	{38, "ldsig", "characters that are escaped differently are refused", ""},
	{39, ".", "a document has one reading", ""},
	{40, ".", "a proof's contexts are those of its document", ""},
	{41, ".", "a key is for assertions, and its controller is the actor", ""},
	{42, ".", "a proof is of the object that it stands in", ""},
	{43, ".", "a proof has its time", ""},
	{44, ".", "all proofs of a document hold", ""},
	{45, ".", "a proof value is one multibase text of 64 bytes", ""},
	{46, ".", "an LD signature is no part of what is proved", ""},
	{47, ".", "a did:key speaks for no https actor", ""},
	{48, ".", "an unknown suite is no proof, and no reason to drop", ""},
	{49, ".", "a proof speaks for its owner's origin", ""},
}

var attackName = regexp.MustCompile(`^TestAttack(\d\d)\p{Lu}`)

// testsIn returns the names of the tests in a folder, each with the words of its body.
func testsIn(t *testing.T, room string) map[string]int {
	t.Helper()
	tests := map[string]int{}
	read := 0
	entries, err := os.ReadDir(room)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(gotoken.NewFileSet(), filepath.Join(room, e.Name()), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		read++
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Test") {
				tests[fn.Name.Name] = len(fn.Body.List)
			}
		}
	}
	if read == 0 {
		t.Fatalf("no tests in %s", room)
	}
	return tests
}

func TestEveryAttackHasItsTestAndEveryTestItsAttack(t *testing.T) {
	t.Parallel()
	rooms, rules := map[string]map[string]int{}, map[string]bool{}
	for i, a := range attacks {
		if a.number != i+1 || a.rule == "" || rules[a.rule] {
			t.Errorf("row %d: number %d, rule %q", i+1, a.number, a.rule)
		}
		rules[a.rule] = true
		if rooms[a.room] == nil {
			rooms[a.room] = testsIn(t, a.room)
		}
	}
	if len(attacks) != 49 {
		t.Errorf("%d attacks", len(attacks))
	}
	named := map[int][]string{}
	for room, tests := range rooms {
		for name, statements := range tests {
			m := attackName.FindStringSubmatch(name)
			if m == nil {
				if strings.HasPrefix(name, "TestAttack") && strings.ContainsAny(name, "0123456789") {
					t.Errorf("%s in %s has no number of two digits", name, room)
				}
				continue
			}
			n := int(m[1][0]-'0')*10 + int(m[1][1]-'0')
			if n < 1 || n > len(attacks) {
				t.Errorf("%s in %s is of no attack", name, room)
				continue
			}
			if a := attacks[n-1]; a.room != room {
				t.Errorf("%s is in %s, its rule in %s", name, room, a.room)
			}
			if statements < 2 {
				t.Errorf("%s in %s does nothing", name, room)
			}
			named[n] = append(named[n], name)
		}
	}
	for _, a := range attacks {
		tests := named[a.number]
		switch _, has := rooms[a.room][a.instead]; {
		case len(tests) == 1 && a.instead == "":
		case len(tests) == 0 && has:
		case len(tests) > 0 && a.instead != "":
			t.Errorf("attack %d has its test, %q: nothing stands in for it any more", a.number, tests)
		default:
			slices.Sort(tests)
			t.Errorf("attack %d (%s) has the tests %q in %s", a.number, a.rule, tests, a.room)
		}
	}
	// No attack is tested outside these rooms, where this would not see it.
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git") {
			return filepath.SkipDir
		}
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		dir, rel := filepath.Dir(path), ""
		if rel, err = filepath.Rel("../signature", dir); err != nil {
			return err
		}
		if _, known := rooms[filepath.ToSlash(rel)]; known {
			return nil
		}
		text, err := os.ReadFile(path)
		if regexp.MustCompile(`(?m)^func TestAttack\d\d`).Match(text) {
			t.Errorf("%s tests an attack", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
