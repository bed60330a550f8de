package fedihook_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheReadmesProgramCompilesAndIsShort builds the program as it stands in the README.
func TestTheReadmesProgramCompilesAndIsShort(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(readme), "```go\n")
	program, _, closed := strings.Cut(rest, "```\n")
	if !ok || !closed || !strings.HasPrefix(program, "package main\n") {
		t.Fatal("README.md has no program")
	}
	if lines := strings.Count(program, "\n"); lines >= 60 {
		t.Errorf("the program has %d lines, want under 60", lines)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "main.go")
	if err := os.WriteFile(file, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "gofmt", "-l", file).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("gofmt: %s %v", out, err)
	}
	// It compiles what it uses and checks its types; linking takes longer than all that and finds nothing more.
	if out, err := exec.CommandContext(t.Context(), "go", "vet", file).CombinedOutput(); err != nil {
		t.Errorf("go vet: %v\n%s", err, out)
	}
}
