package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// room is what a package exports: "New", "Queue", "Queue.Run".
type room struct {
	names   map[string]bool
	embeds  map[string][]string // of a struct, the types of this package that it embeds
	undocs  []string            // what has no comment, with its place
	said    map[string]string   // a field's comment, on one line
	comment bool
}

// rooms reads every package that an app can import, by the folder from the module's root; the root is ".".
func rooms(t *testing.T) map[string]*room {
	t.Helper()
	all := map[string]*room{}
	err := filepath.WalkDir("..", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		dir, err := filepath.Rel("..", name)
		if err != nil {
			return err
		}
		dir = filepath.ToSlash(dir)
		if d.IsDir() {
			base := d.Name()
			if dir != "." && (strings.HasPrefix(base, ".") || slices.Contains([]string{"internal", "examples", "interop", "testdata", "node_modules", "docs"}, base)) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir = filepath.ToSlash(filepath.Dir(dir))
		if all[dir] == nil {
			all[dir] = &room{names: map[string]bool{}, embeds: map[string][]string{}, said: map[string]string{}}
		}
		all[dir].read(set, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{".", "activity", "delivery", "storage/queue"} {
		if all[want] == nil || len(all[want].names) < 5 {
			t.Fatalf("nothing was read of %s", want)
		}
	}
	return all
}

func (r *room) read(set *token.FileSet, f *ast.File) {
	r.comment = r.comment || f.Doc != nil
	note := func(name string, at token.Pos, docs ...*ast.CommentGroup) {
		r.names[name] = true
		if !slices.ContainsFunc(docs, func(c *ast.CommentGroup) bool { return strings.TrimSpace(c.Text()) != "" }) {
			r.undocs = append(r.undocs, set.Position(at).String()+": "+name)
		}
	}
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if !d.Name.IsExported() {
				continue
			}
			name := d.Name.Name
			if d.Recv != nil {
				of := base(d.Recv.List[0].Type)
				if !ast.IsExported(of) {
					continue
				}
				name = of + "." + name
			}
			note(name, d.Pos(), d.Doc)
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					r.members(s)
					if s.Name.IsExported() {
						note(s.Name.Name, s.Pos(), s.Doc, d.Doc)
					}
				case *ast.ValueSpec:
					for _, n := range s.Names {
						if n.IsExported() {
							note(n.Name, n.Pos(), s.Doc, s.Comment, d.Doc)
						}
					}
				}
			}
		}
	}
}

// members adds the fields and methods of a type. A field's comment may stand at the one above it, so that its lack is no fault.
func (r *room) members(s *ast.TypeSpec) {
	var list *ast.FieldList
	switch t := s.Type.(type) {
	case *ast.StructType:
		list = t.Fields
	case *ast.InterfaceType:
		list = t.Methods
	default:
		return
	}
	for _, f := range list.List {
		if len(f.Names) == 0 {
			name := base(f.Type)
			r.names[s.Name.Name+"."+name] = true
			r.embeds[s.Name.Name] = append(r.embeds[s.Name.Name], name)
		}
		for _, n := range f.Names {
			r.names[s.Name.Name+"."+n.Name] = true
			r.said[s.Name.Name+"."+n.Name] = strings.Join(strings.Fields(f.Doc.Text()+" "+f.Comment.Text()), " ")
		}
	}
}

// base is the name of a type, without its star and its parameters.
func base(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.StarExpr:
		return base(x.X)
	case *ast.IndexExpr:
		return base(x.X)
	case *ast.SelectorExpr:
		return x.Sel.Name
	case *ast.Ident:
		return x.Name
	}
	return ""
}

// has tells whether the room exports Name or Type.Member.
func (r *room) has(name string) bool {
	if r.names[name] {
		return true
	}
	of, member, ok := strings.Cut(name, ".")
	return ok && slices.ContainsFunc(r.embeds[of], func(e string) bool { return r.has(e + "." + member) })
}

var (
	quoted = regexp.MustCompile("`[^`\n]+`")
	// dotted is package.Name, package.Type.Member or Type.Member, with or without arguments.
	dotted = regexp.MustCompile(`^\*?(?:([a-z]+)\.)?([A-Z]\w*(?:\.[A-Z]\w*)*)(?:\(.*\))?$`)
	// foreign are other people's packages that pages speak of.
	foreign = []string{"http", "sql", "pgx", "slog", "synctest", "vocab", "streams", "pub", "testing", "errors", "b"}
	// variables stand in pages for a value of a type.
	variables = map[string]string{"f": "fedihook.Server.", "server": "fedihook.Server.", "bob": "inboxtest.Actor."}
)

func TestEveryNameThatAPageSaysIsThere(t *testing.T) {
	t.Parallel()
	all := rooms(t)
	byName := map[string]*room{"fedihook": all["."]}
	for dir, r := range all {
		if dir != "." {
			byName[dir[strings.LastIndexByte(dir, '/')+1:]] = r
		}
	}
	list := append(pages(t), "../README.md", "../FEDERATION.md", "../PEERS.md", "../CONTRIBUTING.md")
	found := 0
	for _, page := range list {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(fences.ReplaceAllStringFunc(string(text), blank), "\n") {
			for _, q := range quoted.FindAllString(line, -1) {
				m := dotted.FindStringSubmatch(strings.Trim(q, "`"))
				if m != nil && variables[m[1]] != "" {
					m = dotted.FindStringSubmatch(variables[m[1]] + m[2])
				}
				if m == nil || slices.Contains(foreign, m[1]) {
					continue
				}
				here := []*room{byName[m[1]]}
				if m[1] == "" {
					if !strings.Contains(m[2], ".") {
						continue // a word of a specification, or of a page that is about that room
					}
					here = []*room{all["."], byName[strings.TrimSuffix(filepath.Base(page), ".md")]}
				}
				found++
				if !slices.ContainsFunc(here, func(r *room) bool { return r != nil && r.has(m[2]) }) {
					t.Errorf("%s:%d says %s, which is not there", page, i+1, q)
				}
			}
		}
	}
	if found < 100 {
		t.Errorf("%d names were found: the reader sees nothing", found)
	}
}

// blank keeps the lines of a block and nothing else.
func blank(block string) string { return strings.Repeat("\n", strings.Count(block, "\n")) }

func TestTheReaderOfNamesKnowsWhatIsThere(t *testing.T) {
	t.Parallel()
	all := rooms(t)
	for _, c := range []struct {
		dir, name string
		want      bool
	}{
		{".", "New", true}, {".", "Server.Publish", true}, {".", "Config.Origin", true}, {".", "Server.Pubish", false}, {".", "Origin", false},
		{"delivery", "Queue.Run", true}, {"delivery", "Queue.MaxWindow", true}, {"delivery", "Queue.Config", true}, {"delivery", "Queue.MinWindow", false},
		{"inbox", "Journal.Keep", false}, {"signature", "KeySource.PublicKey", true}, {"activity", "TypeNote", true}, {"activity", "Object.ID", true},
	} {
		if got := all[c.dir].has(c.name); got != c.want {
			t.Errorf("%s has %s: %t", c.dir, c.name, got)
		}
	}
}

var limit = regexp.MustCompile("(?m)^\\| `([A-Z]\\w*\\.[A-Z]\\w*)` \\| ([^|]+) \\|")

// TestTheLimitsOfAPageAreThoseOfTheCode compares the second column of each table of limits with what the field's comment says.
func TestTheLimitsOfAPageAreThoseOfTheCode(t *testing.T) {
	t.Parallel()
	all, found := rooms(t), 0
	for _, page := range pages(t) {
		name, ok := strings.CutPrefix(strings.TrimSuffix(page, ".md"), "rooms/")
		if !ok {
			continue
		}
		if all[name] == nil {
			t.Errorf("%s is about no package", page)
			continue
		}
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, table := range strings.Split(string(text), "\n\n") {
			if !strings.HasPrefix(table, "| limit |") {
				continue
			}
			for _, m := range limit.FindAllStringSubmatch(table, -1) {
				found++
				if said := all[name].said[m[1]]; !strings.Contains(said, "means "+m[2]) {
					t.Errorf("%s: %s means %s, but its comment says: %s", page, m[1], m[2], said)
				}
			}
		}
	}
	if found < 40 {
		t.Errorf("%d limits were found", found)
	}
}

// TestEveryRoomHasAPage looks for the page of each package at the first level, and for each page in the list of pages.
func TestEveryRoomHasAPage(t *testing.T) {
	t.Parallel()
	list, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	here := pages(t)
	for dir := range rooms(t) {
		if dir == "." || strings.Contains(dir, "/") || slices.Contains(here, "rooms/"+dir+".md") || slices.Contains(here, dir+".md") {
			continue
		}
		t.Errorf("package %s has no page", dir)
	}
	for _, page := range here {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		if page != "README.md" && !strings.Contains(string(list), "]("+page+")") {
			t.Errorf("README.md does not list %s", page)
		}
		if n := strings.Count(string(text), "\n"); page != "tutorial.md" && n > 250 {
			t.Errorf("%s has %d lines", page, n)
		}
	}
}

var link = regexp.MustCompile(`\]\(([^)#\s:]*)(#[^)\s]*)?\)`)

// TestEveryLinkLeadsSomewhere follows links to files of this repository, and to headings in pages.
func TestEveryLinkLeadsSomewhere(t *testing.T) {
	t.Parallel()
	found := 0
	for _, page := range append(pages(t), "../README.md", "../FEDERATION.md", "../PEERS.md", "../CONTRIBUTING.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(fences.ReplaceAllString(string(text), ""), -1) {
			to := page
			if m[1] != "" {
				to = filepath.Join(filepath.Dir(page), m[1])
			}
			found++
			there, err := os.Stat(to)
			if err != nil {
				t.Errorf("%s: %v", page, err)
				continue
			}
			if m[2] == "" || there.IsDir() {
				continue
			}
			goal, err := os.ReadFile(to)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(headings(string(goal)), m[2]) {
				t.Errorf("%s: %s has no heading %s", page, to, m[2])
			}
		}
	}
	if found < 40 {
		t.Errorf("%d links were found", found)
	}
}

var (
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	dropped = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// headings are the names by which links lead to a page's headings.
func headings(page string) (list []string) {
	for _, m := range heading.FindAllStringSubmatch(fences.ReplaceAllString(page, ""), -1) {
		list = append(list, "#"+strings.ReplaceAll(dropped.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-"))
	}
	return list
}

func TestEveryExportedNameIsDocumented(t *testing.T) {
	t.Parallel()
	for dir, r := range rooms(t) {
		if !r.comment {
			t.Errorf("package %s has no comment", dir)
		}
		for _, name := range r.undocs {
			t.Error(strings.TrimPrefix(name, "../") + " has no comment")
		}
	}
}

// TestEveryRoomHasAnExample looks for one in the tests of each package; of storagetest every test of a store is one.
func TestEveryRoomHasAnExample(t *testing.T) {
	t.Parallel()
	for dir := range rooms(t) {
		files, err := filepath.Glob(filepath.Join("..", dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		if dir != "storage/storagetest" && !slices.ContainsFunc(files, func(name string) bool {
			text, err := os.ReadFile(name)
			return err == nil && strings.Contains(string(text), "\nfunc Example")
		}) {
			t.Errorf("package %s has no Example", dir)
		}
	}
}
