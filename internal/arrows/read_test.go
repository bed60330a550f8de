package arrows_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// file is what the checker knows of one source file.
type file struct {
	name    string // from the module's root, with slashes
	room    string // the folder, "." for the root
	test    bool
	imports []string
	uses    []string // "net/http.Get": package-level names of the packages in dialing
}

// readModule reads every Go file of the module at root, whatever its build tags.
func readModule(t *testing.T, root string) []file {
	t.Helper()
	var files []file
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if d.IsDir() {
			base := d.Name()
			if name != "." && (strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" || base == "node_modules") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		f, err := readFile(path, nil)
		if err != nil {
			return err
		}
		f.name, f.test = name, strings.HasSuffix(name, "_test.go")
		f.room = filepath.ToSlash(filepath.Dir(name))
		files = append(files, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// readFile reads the imports of one file, and its uses of what dials. src may hold its text.
func readFile(path string, src any) (f file, err error) {
	tree, err := parser.ParseFile(token.NewFileSet(), path, src, parser.SkipObjectResolution)
	if err != nil {
		return f, err
	}
	called := map[string]string{} // the name a package has in this file
	for _, spec := range tree.Imports {
		from, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return f, err
		}
		f.imports = append(f.imports, from)
		name := from[strings.LastIndex(from, "/")+1:]
		if spec.Name != nil {
			name = spec.Name.Name
		}
		called[name] = from
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok {
				if from := called[x.Name]; slices.Contains(dialing[from], sel.Sel.Name) {
					f.uses = append(f.uses, from+"."+sel.Sel.Name)
				}
			}
		}
		return true
	})
	return f, nil
}
