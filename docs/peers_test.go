package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	row     = regexp.MustCompile(`(?m)^\| (.+?) \| .+ \| (.+?) \|$`)
	folder  = regexp.MustCompile("`([a-z/]+)`")
	capital = regexp.MustCompile(`\b([A-Z][A-Za-z]+|snac|activitypub\.bot)\b`)
)

// TestEveryPeerIsNamedWhereThePageSays looks for the names of PEERS.md's first column in the packages of its last.
func TestEveryPeerIsNamedWhereThePageSays(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../PEERS.md")
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]string{} // what the code of a package says, in lower case
	found := 0
	for _, m := range row.FindAllStringSubmatch(string(page), -1) {
		if m[1] == "Peer" || strings.HasPrefix(m[1], "---") {
			continue
		}
		var dirs []string
		for _, d := range folder.FindAllStringSubmatch(m[2], -1) {
			dirs = append(dirs, d[1])
		}
		if strings.Contains(m[2], "root") {
			dirs = append(dirs, ".")
		}
		text := ""
		for _, dir := range dirs {
			if said[dir] == "" {
				said[dir] = code(t, dir)
			}
			text += said[dir]
		}
		if text == "" {
			t.Errorf("%s: %q names no package", m[1], m[2])
			continue
		}
		found++
		for _, name := range capital.FindAllString(m[1], -1) {
			if !strings.Contains(text, strings.ToLower(name)) {
				t.Errorf("no comment in %s names %s", m[2], name)
			}
		}
	}
	if found < 40 {
		t.Errorf("%d rows were found", found)
	}
}

// code is that of a package, without tests, in lower case.
func code(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(strings.ToLower(string(text)))
	}
	return b.String()
}
