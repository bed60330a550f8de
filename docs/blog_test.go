package docs_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestThePageAboutTheBlogShowsAllThatDiffers makes the blog from the one before and what the page shows, and compares.
func TestThePageAboutTheBlogShowsAllThatDiffers(t *testing.T) {
	t.Parallel()
	const before, after = "../examples/blog/before", "../examples/blog"
	file := func(name string) string {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	shown := map[string]string{}
	for _, f := range read(t, "blog.md") {
		switch f.language {
		case "go":
			shown[f.about] = f.code
		case "diff":
			shown[f.about] = patch(t, file(filepath.Join(before, f.about)), f.code)
		}
	}
	if len(shown) != 2 {
		t.Fatalf("the page shows %d files", len(shown))
	}
	for name, text := range shown {
		if text != file(filepath.Join(after, name)) {
			t.Errorf("%s is not what the page makes of it", name)
		}
	}
	same := 0
	err := filepath.WalkDir(before, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		here := strings.TrimPrefix(filepath.ToSlash(name), before+"/")
		if _, ok := shown[here]; ok {
			return nil
		}
		same++
		a, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		b, err := os.ReadFile(filepath.Join(after, here))
		if err != nil {
			return err
		}
		if !bytes.Equal(a, b) {
			t.Errorf("%s differs, and the page does not show it", here)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if same < 10 {
		t.Errorf("%d files are the same", same)
	}
}

// patch does what a unified diff says. Line numbers are not looked at: each hunk must fit at one place alone.
func patch(t *testing.T, text, diff string) string {
	t.Helper()
	for _, hunk := range strings.Split("\n"+diff, "\n@@ ")[1:] {
		var from, to strings.Builder
		_, lines, _ := strings.Cut(strings.TrimSuffix(hunk, "\n"), "\n")
		for line := range strings.Lines(lines + "\n") {
			switch line[0] {
			case '-':
				from.WriteString(line[1:])
			case '+':
				to.WriteString(line[1:])
			case ' ', '\n': // some editors take the space off an empty line
				line = " " + strings.TrimPrefix(line, " ")
				from.WriteString(line[1:])
				to.WriteString(line[1:])
			default:
				t.Fatalf("a line of a diff begins with %q", line[0])
			}
		}
		if n := strings.Count(text, from.String()); n != 1 {
			t.Fatalf("this fits at %d places:\n%s", n, from.String())
		}
		text = strings.Replace(text, from.String(), to.String(), 1)
	}
	return text
}
