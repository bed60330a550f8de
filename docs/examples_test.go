package docs_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// notShown are methods of Server that no Example calls, and why.
var notShown = map[string]string{
	"RevokeKeys": "it is called as RotateKeys is, and makes one more key, which takes long",
}

// TestEachVerbHasAnExample keeps the list: what a Server can do somebody can copy from an Example that Go runs.
func TestEachVerbHasAnExample(t *testing.T) {
	t.Parallel()
	verbs := map[string]bool{}
	for name := range rooms(t)["."].names {
		if verb, ok := strings.CutPrefix(name, "Server."); ok && ast.IsExported(verb) {
			verbs[verb] = true
		}
	}
	if len(verbs) < 50 || !verbs["Publish"] {
		t.Fatalf("read only %d methods of Server", len(verbs))
	}
	called := calledInExamples(t)
	for _, verb := range slices.Sorted(maps.Keys(verbs)) {
		reason, excepted := notShown[verb]
		switch {
		case excepted && called[verb]:
			t.Errorf("an Example calls Server.%s: take it out of notShown (%s)", verb, reason)
		case !excepted && !called[verb]:
			t.Errorf("no Example calls Server.%s: write one beside the others", verb)
		}
	}
	for verb := range notShown {
		if !verbs[verb] {
			t.Errorf("Server has no %s: take it out of notShown", verb)
		}
	}
}

// calledInExamples are the methods of Server that the façade's Examples call.
func calledInExamples(t *testing.T) map[string]bool {
	t.Helper()
	names, err := filepath.Glob("../*_test.go")
	if err != nil || len(names) < 10 {
		t.Fatal(len(names), err)
	}
	called, examples := map[string]bool{}, 0
	for _, name := range names {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range doc.Examples(f) {
			examples++
			if e.Output == "" && !e.EmptyOutput {
				t.Errorf("%s: Example%s has no Output, so that nobody runs it", name, e.Name)
			}
		}
		for _, d := range f.Decls {
			if example, ok := d.(*ast.FuncDecl); ok && example.Recv == nil && strings.HasPrefix(example.Name.Name, "Example") {
				servers{}.walk(example.Body, called)
			}
		}
	}
	if examples < 20 {
		t.Fatalf("read only %d Examples", examples)
	}
	return called
}

// servers are the names in a function that stand for a Server, or for a func that returns one.
type servers map[string]bool

// walk notes what is called on servers. Names are known in the order in which they are given.
func (s servers) walk(body ast.Node, called map[string]bool) {
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ValueSpec:
			if isServerType(n.Type) {
				for _, name := range n.Names {
					s[name.Name] = true
				}
			}
		case *ast.AssignStmt:
			if name, ok := n.Lhs[0].(*ast.Ident); ok && s.has(n.Rhs[0]) {
				s[name.Name] = true
			}
		case *ast.SelectorExpr:
			if s.has(n.X) {
				called[n.Sel.Name] = true
			}
		}
		return true
	})
}

// has tells whether e is a Server, or a func that returns one.
func (s servers) has(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return s[e.Name]
	case *ast.FuncLit:
		return e.Type.Results != nil && isServerType(e.Type.Results.List[0].Type)
	case *ast.CallExpr:
		method, ok := e.Fun.(*ast.SelectorExpr)
		if !ok {
			return s.has(e.Fun)
		}
		if pkg, ok := method.X.(*ast.Ident); ok && pkg.Name == "fedihook" {
			return method.Sel.Name == "New"
		}
		return slices.Contains([]string{"In", "At", "Except", "InGroup"}, method.Sel.Name) && s.has(method.X)
	}
	return false
}

func isServerType(e ast.Expr) bool {
	star, ok := e.(*ast.StarExpr)
	if !ok {
		return false
	}
	name, ok := star.X.(*ast.SelectorExpr)
	return ok && name.Sel.Name == "Server"
}
