// Package docs_test builds and runs what the pages of this folder show.
package docs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// fence is a block of code: its language, what the line says besides, and the code.
type fence struct{ language, about, code string }

var fences = regexp.MustCompile("(?m)^```([a-z]*)(?: (.+))?\n((?s:.*?))^```$")

func read(t *testing.T, page string) (list []fence) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range fences.FindAllStringSubmatch(string(text), -1) {
		list = append(list, fence{m[1], m[2], m[3]})
	}
	if len(list) == 0 {
		t.Fatalf("%s shows no code", page)
	}
	return list
}

// write puts the blocks that name a file into a module of their own: whole files, or lines after or instead of others.
func write(t *testing.T, list []fence) (dir string) {
	t.Helper()
	files := map[string]string{}
	for _, f := range list {
		if f.language != "go" {
			continue
		}
		name, place, _ := strings.Cut(f.about, " ")
		how, line, _ := strings.Cut(place, " ")
		old, n := files[name], strings.Count(files[name], line+"\n")
		switch {
		case name == "":
			t.Errorf("this block names no file:\n%s", f.code)
		case place == "" && old == "":
			files[name] = f.code
		case how == "after" && n > 0: // the first one, and the brace that closes its block
			before, after, _ := strings.Cut(old, line+"\n\t}\n")
			files[name] = before + line + "\n\t}\n" + f.code + after
		case how == "instead" && strings.Count(old, strings.TrimPrefix(line, "of ")) == 1:
			files[name] = strings.Replace(old, "\t"+strings.TrimPrefix(line, "of ")+"\n", f.code, 1)
		default:
			t.Errorf("%q of a block finds its place %d times", f.about, n)
		}
	}
	dir = t.TempDir()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	files["go.mod"] = strings.Replace(string(mod), "module github.com/fedihook/fedihook", "module journal", 1) +
		"\nrequire github.com/fedihook/fedihook v0.0.0\n\nreplace github.com/fedihook/fedihook => " + root + "\n"
	sum, err := os.ReadFile("../go.sum")
	if err != nil {
		t.Fatal(err)
	}
	files["go.sum"] = string(sum)
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	c.Dir = dir
	c.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=-mod=mod", "GOWORK=off")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestTheTutorialEndsWithASiteThatFederates(t *testing.T) {
	t.Parallel()
	dir := write(t, read(t, "tutorial.md"))
	if out := run(t, dir, "gofmt", "-l", "."); out != "" {
		t.Errorf("gofmt would change %s", out)
	}
	run(t, dir, "go", "vet", ".")
	if out := run(t, dir, "go", "test", "-count=1", "-v", "."); !strings.Contains(out, "--- PASS: TestFollowersGetWhatIsWritten") {
		t.Errorf("the test says %s", out)
	}
}
