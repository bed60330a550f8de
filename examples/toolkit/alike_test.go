package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// wires are the files that before does not have, as the package comment lists them.
var wires = []string{"federation.go", "wire.go", "say.go", "show.go", "follow.go", "peer.go", "visit.go"}

// TestTheBlogIsTheSame compares all else with examples/blog/before: after a change there copy it here.
func TestTheBlogIsTheSame(t *testing.T) {
	t.Parallel()
	before := os.DirFS("../blog/before")
	files := 0
	if err := fs.WalkDir(before, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, "_test.go") {
			return err
		}
		files++
		theirs, err := fs.ReadFile(before, name)
		if err != nil {
			return err
		}
		ours, err := os.ReadFile(name)
		if name == "main.go" {
			theirs, ours = code(theirs), code(ours)
		}
		if err != nil || !bytes.Equal(theirs, ours) {
			t.Errorf("%s is not what it is in examples/blog/before (%v)", name, err)
		}
		return nil
	}); err != nil || files < 10 {
		t.Fatal(files, err)
	}
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	main, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if _, err := fs.Stat(before, name); err == nil || strings.HasSuffix(name, "_test.go") {
			continue
		}
		if !slices.Contains(wires, name) || !bytes.Contains(main, []byte("//\t"+name+" ")) {
			t.Errorf("the package comment does not list %s", name)
		}
	}
}

// code is main.go without its package comment and the four lines that federation needs: two options, a flag, a part.
func code(file []byte) []byte {
	_, rest, _ := bytes.Cut(file, []byte("\npackage main\n"))
	rest = bytes.Replace(rest, []byte("discussion, federation}"), []byte("discussion}"), 1)
	return bytes.Join(slices.DeleteFunc(bytes.SplitAfter(rest, []byte("\n")), func(line []byte) bool {
		return slices.ContainsFunc([]string{"\ttrial  ", "\tnet  ", "\tflag.Var(&o.trial,"}, func(begin string) bool {
			return bytes.HasPrefix(line, []byte(begin))
		})
	}), nil)
}
