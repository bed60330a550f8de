package arrows_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestImportsPointDown(t *testing.T) {
	t.Parallel()
	files := readModule(t, "../..")
	if !slices.ContainsFunc(files, func(f file) bool { return f.name == "internal/arrows/arrows_test.go" }) {
		t.Fatalf("this very file is not among the %d that were read", len(files))
	}
	for _, fault := range check(files) {
		t.Error(fault)
	}
}

func TestLeanExamplesReachOnlyTheirRoom(t *testing.T) {
	t.Parallel()
	for _, room := range lean {
		if _, err := os.Stat(filepath.Join("../..", room)); os.IsNotExist(err) {
			continue // the table covers the examples that there are
		}
		cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "./"+room)
		cmd.Dir = "../.."
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go list -deps ./%s: %v", room, err)
		}
		deps := strings.Fields(string(out))
		if !slices.Contains(deps, module+"/"+room) {
			t.Fatalf("go list -deps ./%s does not list it: %s", room, out)
		}
		own, err := filepath.Glob(filepath.Join("../..", room, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		var asked []string
		for _, path := range own {
			f, err := readFile(path, nil)
			if err != nil {
				t.Fatal(err)
			}
			asked = append(asked, f.imports...)
		}
		for _, fault := range checkLean(room, deps, asked) {
			t.Error(fault)
		}
	}
}

// check returns what is wrong with the imports of files.
func check(files []file) (faults []string) {
	for _, f := range files {
		fault := func(format string, args ...any) {
			faults = append(faults, f.name+": "+fmt.Sprintf(format, args...))
		}
		row, ok := rowOf(f.room)
		if !ok {
			fault("the package %s is not in the table of internal/arrows: enter it there, and its reason in CONTRIBUTING.md", f.room)
			continue
		}
		for _, path := range f.imports {
			to, ours := roomOf(path)
			switch {
			case matches(f.room, alone) && to != f.room && (ours || strings.Contains(strings.Split(path, "/")[0], ".")):
				fault("%s and its tests know the standard library alone, and may not import %s", f.room, path)
			case ours && f.test:
				if to != f.room && !within(f.room, row) && matches(to, notInTests) && f.room != "." {
					fault("a test of %s may not import %s", f.room, to)
				}
			case ours:
				if !(within(f.room, row) && within(to, row) && sameParent(f.room, to, row)) && !allowed(to, rooms[row]) {
					fault("%s may not import %s", f.room, to)
				}
			case !f.test:
				for library, users := range libraries {
					if under(path, library) && !matches(f.room, users) {
						fault("%s may not import %s, only %s may", f.room, path, strings.Join(users, ", "))
					}
				}
			}
		}
		if !f.test && !matches(f.room, mayDial) {
			for _, use := range f.uses {
				fault("%s uses %s, which dials unguarded: use internal/safehttp", f.room, use)
			}
		}
	}
	slices.Sort(faults)
	return faults
}

// checkLean returns which of deps, the packages that an example reaches, it should do without. asked are
// the example's own imports: a driver among them is its choice.
func checkLean(room string, deps, asked []string) (faults []string) {
	for _, dep := range deps {
		surprise := slices.ContainsFunc(notLean, func(p string) bool { return under(dep, p) })
		for library, users := range libraries {
			if &users[0] == &drivers[0] && under(dep, library) &&
				!slices.ContainsFunc(asked, func(p string) bool { return under(p, library) }) {
				surprise = true
			}
		}
		if surprise {
			faults = append(faults, fmt.Sprintf("%s reaches %s", room, dep))
		}
	}
	return faults
}

// roomOf names the package of ours that an import path leads to.
func roomOf(path string) (room string, ours bool) {
	if path == module {
		return ".", true
	}
	return strings.CutPrefix(path, module+"/")
}

// rowOf returns the name in rooms that fits a room best.
func rowOf(room string) (row string, ok bool) {
	for name := range rooms {
		if matches(room, []string{name}) && len(name) > len(row) {
			row, ok = name, true
		}
	}
	return row, ok
}

// allowed tells whether a row's right side lets to be imported.
func allowed(to string, right []string) bool {
	switch {
	case slices.Contains(right, "..."):
		return true
	case slices.Contains(right, "exported") && !slices.Contains(strings.Split(to, "/"), "internal") &&
		!under(to, "interop") && !under(to, "examples"):
		return true
	}
	return matches(to, right)
}

// sameParent tells whether two packages are in one folder of a row such as "examples/...".
func sameParent(a, b, row string) bool {
	parent := strings.TrimSuffix(row, "...")
	first := func(s string) string { s, _, _ = strings.Cut(strings.TrimPrefix(s, parent), "/"); return s }
	return first(a) == first(b)
}

// within tells whether row stands for a whole folder and room is in it.
func within(room, row string) bool {
	return strings.HasSuffix(row, "/...") && matches(room, []string{row})
}

// matches tells whether a room is one of names, or in a folder that one of them stands for.
func matches(room string, names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		folder, all := strings.CutSuffix(name, "/...")
		return room == name || all && under(room, folder)
	})
}

// under tells whether a path is folder or lies in it.
func under(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, folder+"/")
}
