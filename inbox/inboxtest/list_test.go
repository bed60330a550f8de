package inboxtest_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/inbox/inboxtest"
)

// proper are the fields of Manner with which nothing is done wrong.
var proper = []string{"To", "Personal", "Scheme", "Ed25519", "Proof", "LDSignature", "Header", "Added"}

// TestWhatIsListedIsThereTestedAndShown: a misbehaviour that the package comment lists exists, a test against the whole library uses it,
// and so does an Example; and what there is, is listed.
func TestWhatIsListedIsThereTestedAndShown(t *testing.T) {
	t.Parallel()
	listed := listedIn(t, "doc.go")
	tested := used(t, "Test", "../../inboxtest_misbehaviour_test.go", "../../inboxtest_test.go")
	shown := used(t, "Example", "example_test.go", "../../example_fediverse_test.go")
	types := map[string]reflect.Type{
		"Server": reflect.TypeFor[*inboxtest.Server](), "Actor": reflect.TypeFor[*inboxtest.Actor](), "Manner": reflect.TypeFor[inboxtest.Manner](),
	}
	for _, name := range listed {
		typ, member, _ := strings.Cut(name, ".")
		is := false
		if typ == "Manner" {
			_, is = types[typ].FieldByName(member)
		} else if types[typ] != nil {
			_, is = types[typ].MethodByName(member)
		}
		if !is {
			t.Errorf("%s is listed and does not exist", name)
		}
		if !tested[member] {
			t.Errorf("%s is used by no test", name)
		}
		if !shown[member] {
			t.Errorf("%s is shown in no Example", name)
		}
	}
	for i := range types["Manner"].NumField() {
		if name := types["Manner"].Field(i).Name; !slices.Contains(proper, name) && !slices.Contains(listed, "Manner."+name) {
			t.Errorf("Manner.%s is not listed", name)
		}
	}
	for _, file := range []string{"fault.go", "threads.go"} {
		for name := range functions(t, file) {
			if ast.IsExported(name) && name != "Behave" && !slices.Contains(listed, "Server."+name) {
				t.Errorf("Server.%s is not listed", name)
			}
		}
	}
}

// listedIn reads the lines of the lists in a package comment: a tab, a link, and what it does.
func listedIn(t *testing.T, file string) (names []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^//\t\[([A-Za-z0-9.]+)\] +\S.*$`).FindAllSubmatch(text, -1) {
		names = append(names, string(m[1]))
	}
	if len(names) < 20 {
		t.Fatalf("%s lists %v", file, names)
	}
	return names
}

func functions(t *testing.T, file string) map[string]*ast.FuncDecl {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*ast.FuncDecl{}
	for _, d := range f.Decls {
		if d, ok := d.(*ast.FuncDecl); ok {
			all[d.Name.Name] = d
		}
	}
	return all
}

// used are the methods that functions of some files call, or hand on, and the fields that they set in a Manner. Those of v are not of
// this package: it is what those tests call the app.
func used(t *testing.T, prefix string, files ...string) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for _, file := range files {
		decls := functions(t, file)
		maps.DeleteFunc(decls, func(name string, _ *ast.FuncDecl) bool { return !strings.HasPrefix(name, prefix) })
		for _, d := range decls {
			ast.Inspect(d, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.SelectorExpr:
					if x, ok := n.X.(*ast.Ident); !ok || x.Name != "v" {
						all[n.Sel.Name] = true
					}
				case *ast.CompositeLit:
					typ, ok := n.Type.(*ast.SelectorExpr)
					if n.Type != nil && (!ok || typ.Sel.Name != "Manner") {
						return true // without a type it is an element of a list or a map, perhaps of Manners
					}
					for _, e := range n.Elts {
						if e, ok := e.(*ast.KeyValueExpr); ok {
							if key, ok := e.Key.(*ast.Ident); ok {
								all[key.Name] = true
							}
						}
					}
				}
				return true
			})
		}
	}
	return all
}
