package main

import (
	"bytes"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What the tutorial promises: one file more, and four other lines.
const (
	maxAdded   = 59  // lines of federation.go
	maxColumns = 100 // of them, where a tab has eight
	maxChanged = 4   // lines of the rest
)

// added are the files of this folder that before does not have and an app would not copy.
var added = []string{"federation.go", "federation_test.go", "before_test.go"}

func TestFederationIsOneFileAndFourLines(t *testing.T) {
	t.Parallel()
	files, changed := 0, 0
	if err := filepath.WalkDir("before", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		before, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		here := strings.TrimPrefix(name, "before"+string(filepath.Separator))
		after, err := os.ReadFile(here)
		if err != nil {
			return err
		}
		n := differ(before, after)
		if changed += n; n > 0 {
			t.Logf("%s: %d lines", here, n)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if files < 10 || changed == 0 || changed > maxChanged {
		t.Errorf("%d lines of %d files differ; %d may", changed, files, maxChanged)
	}
	text, err := os.ReadFile("federation.go")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if len(lines) > maxAdded {
		t.Errorf("federation.go has %d lines, not %d", len(lines), maxAdded)
	}
	for i, line := range lines {
		if n := len([]rune(strings.ReplaceAll(line, "\t", "        "))); n > maxColumns {
			t.Errorf("line %d of federation.go has %d columns", i+1, n)
		}
	}
	here, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range here {
		if _, err := os.Stat(filepath.Join("before", name)); err != nil && !slices.Contains(added, name) {
			t.Errorf("%s is not in before", name)
		}
	}
}

// differ counts the lines of after that before does not have at their place, and those of before that are gone beside them: a line
// that was changed counts once.
func differ(before, after []byte) int {
	a, b := bytes.Split(before, []byte("\n")), bytes.Split(after, []byte("\n"))
	common := make([][]int, len(a)+1) // the longest common subsequence
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if common[i][j] = max(common[i+1][j], common[i][j+1]); bytes.Equal(a[i], b[j]) {
				common[i][j] = common[i+1][j+1] + 1
			}
		}
	}
	return max(len(a), len(b)) - common[0][0]
}

func TestLinesThatDifferAreCounted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		before, after string
		want          int
	}{
		{"a\nb\nc", "a\nb\nc", 0}, {"a\nb\nc", "a\nx\nc", 1}, {"a\nc", "a\nb\nc", 1}, {"a\nb\nc", "a\nc", 1}, {"a\nb", "x\na\ny\nb\nz", 3},
		{"a\nb\nc", "b\nc\nd", 1}, // one out, one in: as much as a change
	} {
		if got := differ([]byte(c.before), []byte(c.after)); got != c.want {
			t.Errorf("%q to %q: %d", c.before, c.after, got)
		}
	}
}

func TestBeforeKnowsNothingOfUs(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("before/*.go")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			if strings.Contains(i.Path.Value, "fedihook") {
				t.Errorf("%s imports %s", name, i.Path.Value)
			}
		}
	}
}
