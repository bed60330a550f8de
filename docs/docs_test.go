// Package docs_test builds and runs what the pages of this folder show.
package docs_test

import (
	"fmt"
	"go/ast"
	gofmt "go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// fence is a block of code: its language, what the line says besides, and the code.
type fence struct{ language, about, code string }

var fences = regexp.MustCompile("(?m)^```([a-z]*)(?: (.+))?\n((?s:.*?))^```$")

// read returns the blocks of a page, given by its path from here.
func read(t *testing.T, page string) (list []fence) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range fences.FindAllStringSubmatch(string(text), -1) {
		list = append(list, fence{m[1], m[2], m[3]})
	}
	if marks := strings.Count("\n"+string(text), "\n```"); marks != 2*len(list) {
		t.Fatalf("%s has %d lines with a fence, and %d blocks", page, marks, len(list))
	}
	return list
}

// pages are all pages of this folder, by their paths from here.
func pages(t *testing.T) (list []string) {
	t.Helper()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(name) == ".md" {
			list = append(list, filepath.ToSlash(name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 10 {
		t.Fatalf("there are only the pages %q", list)
	}
	return list
}

// compile puts the Go of a page together: whole files, lines after or instead of others, and blocks that name no file and stand
// for themselves, which all go into one more file.
func compile(t *testing.T, list []fence) map[string]string {
	t.Helper()
	files, parts := map[string]string{}, ""
	for _, f := range list {
		if f.language != "go" {
			continue
		}
		name, place, _ := strings.Cut(f.about, " ")
		how, line, _ := strings.Cut(place, " ")
		old, n := files[name], strings.Count(files[name], line+"\n")
		switch {
		case name == "":
			parts += "\n" + f.code
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
	if parts != "" {
		files["parts.go"] = complete(t, parts)
	}
	return files
}

const module = "github.com/fedihook/fedihook"

// known are the packages that a block may use without saying so, by their names.
var known = map[string]string{
	"context": "context", "sql": "database/sql", "driver": "database/sql/driver", "json": "encoding/json", "errors": "errors",
	"fmt": "fmt", "io": "io", "iter": "iter", "log": "log", "slog": "log/slog", "http": "net/http", "netip": "net/netip",
	"slices": "slices", "strings": "strings", "sync": "sync", "time": "time", "rand": "crypto/rand", "template": "html/template", "os": "os",

	"pgx": "github.com/jackc/pgx/v5", "vocab": "github.com/go-ap/activitypub",

	"fedihook": module, "activity": module + "/activity", "html": module + "/activity/html", "actor": module + "/actor",
	"check": module + "/actor/check", "consent": module + "/consent", "delivery": module + "/delivery", "inbox": module + "/inbox",
	"inboxtest": module + "/inbox/inboxtest", "media": module + "/media", "moderation": module + "/moderation",
	"outbox": module + "/outbox", "signature": module + "/signature", "ldsig": module + "/signature/ldsig",
	"storage": module + "/storage", "queue": module + "/storage/queue", "storagetest": module + "/storage/storagetest",
}

// complete makes a file of declarations: they begin with the package and the imports that they need.
func complete(t *testing.T, parts string) string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "", "package page\n"+parts, parser.SkipObjectResolution)
	if err != nil {
		t.Errorf("%v in\n%s", err, parts)
		return ""
	}
	used := map[string]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && known[x.Name] != "" {
				used[x.Name] = true
			}
		}
		return true
	})
	var b strings.Builder
	b.WriteString("package page\n\nimport (\n")
	for name := range used {
		fmt.Fprintf(&b, "\t%s %q\n", name, known[name])
	}
	b.WriteString(")\n" + parts)
	return b.String()
}

// write puts files, by their paths, into a module of their own.
func write(t *testing.T, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	files["go.mod"] = strings.Replace(string(mod), "module "+module, "module journal", 1) +
		"\nrequire " + module + " v0.0.0\n\nreplace " + module + " => " + root + "\n"
	sum, err := os.ReadFile("../go.sum")
	if err != nil {
		t.Fatal(err)
	}
	files["go.sum"] = string(sum)
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
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

// format returns what gofmt makes of declarations if that is something else.
func format(t *testing.T, code string) string {
	t.Helper()
	out, err := gofmt.Source([]byte(code))
	if err != nil {
		t.Errorf("%v in\n%s", err, code)
	}
	if string(out) == code {
		return ""
	}
	return string(out)
}

func TestTheTutorialEndsWithASiteThatFederates(t *testing.T) {
	t.Parallel()
	dir := write(t, compile(t, read(t, "tutorial.md")))
	if out := run(t, dir, "gofmt", "-l", "."); out != "" {
		t.Errorf("gofmt would change %s", out)
	}
	run(t, dir, "go", "vet", ".")
	if out := run(t, dir, "go", "test", "-count=1", "-v", "."); !strings.Contains(out, "--- PASS: TestFollowersGetWhatIsWritten") {
		t.Errorf("the test says %s", out)
	}
}

// TestEveryPageShowsCodeThatCompiles vets the pages at once, each as a package of its own.
func TestEveryPageShowsCodeThatCompiles(t *testing.T) {
	t.Parallel()
	files := map[string]string{}
	for _, page := range pages(t) {
		blocks := read(t, page)
		for _, f := range blocks {
			if f.language == "go" && f.about == "" && !strings.HasPrefix(f.code, "\t") {
				if out := format(t, f.code); out != "" {
					t.Errorf("gofmt would change a block of %s:\n%s", page, out)
				}
			}
			if !slices.Contains([]string{"go", "sh", "sql", "diff", "nginx", "caddy", "text"}, f.language) {
				t.Errorf("nothing looks at this block of %s:\n```%s\n%s", page, f.language, f.code)
			}
		}
		if slices.Contains([]string{"tutorial.md", "blog.md", "telemetry.md"}, page) {
			continue // have tests of their own: here, here, and in package telemetry
		}
		for name, text := range compile(t, blocks) {
			files[strings.TrimSuffix(page, ".md")+"/"+name] = text
		}
	}
	if len(files) < 10 {
		t.Fatalf("%d files: no code was found", len(files))
	}
	run(t, write(t, files), "go", "vet", "./...")
}

// TestShellCommandsCanBeRead looks at the shell's grammar, and at whether what is run is there.
func TestShellCommandsCanBeRead(t *testing.T) {
	t.Parallel()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh")
	}
	for _, page := range pages(t) {
		for _, f := range read(t, page) {
			if f.language != "sh" {
				continue
			}
			c := exec.CommandContext(t.Context(), sh, "-n")
			c.Stdin = strings.NewReader(f.code)
			if out, err := c.CombinedOutput(); err != nil {
				t.Errorf("%s: %v: %s in\n%s", page, err, out, f.code)
			}
		}
	}
}
