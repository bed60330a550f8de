package ldsig

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/piprate/json-gold/ld"
)

// graph is a set of statements that is cheap to canonicalise.
type graph struct{ statements []*ld.Quad }

// reading is a tree as the JSON-LD library understood it.
type reading struct {
	options  *ld.JsonLdOptions
	terms    *ld.Context
	expanded any
}

// understand expands a tree whose terms are used. The library never sees a stranger's @context: it gets
// one of ours that has just these definitions, whole, and so has nothing to load.
func understand(tree map[string]any, used vocabulary) (r *reading, err error) {
	defer recovered(&err)
	definitions := make(map[string]any, len(used))
	for name, t := range used {
		if t.iri[0] == '@' {
			definitions[name] = t.iri
			continue
		}
		d := map[string]any{"@id": t.iri}
		if t.kind != "" {
			d["@type"] = t.kind
		}
		if t.container != "" {
			d["@container"] = t.container
		}
		definitions[name] = d
	}
	r = &reading{options: ld.NewJsonLdOptions("")}
	r.options.DocumentLoader = noLoader{}
	if r.terms, err = ld.NewContext(nil, r.options).Parse(definitions); err != nil {
		return nil, malformed("terms: %v", err)
	}
	if r.expanded, err = ld.NewJsonLdApi().Expand(r.terms, "", tree, r.options, false, nil); err != nil {
		return nil, malformed("expansion: %v", err)
	}
	return r, checkExpanded(r.expanded)
}

// compact writes what was understood with the same terms.
func (r *reading) compact() (compacted any, err error) {
	defer recovered(&err)
	if compacted, err = ld.NewJsonLdApi().Compact(r.terms, "", r.expanded, true); err != nil {
		return nil, malformed("compaction: %v", err)
	}
	return compacted, nil
}

// graph makes statements of what was understood.
func (r *reading) graph() (g *graph, err error) {
	defer recovered(&err)
	dataset, err := ld.NewJsonLdApi().ToRDF([]any{r.expanded}, r.options)
	if err != nil {
		return nil, malformed("statements: %v", err)
	}
	if len(dataset.Graphs) != 1 {
		return nil, fail(ErrRestructured, "%d graphs", len(dataset.Graphs))
	}
	return &graph{dataset.GetQuads("@default")}, nil
}

// recovered makes an error of a panic. The library asserts types in many places; the shapes that get
// to it never made it panic, but they come from strangers.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = malformed("the JSON-LD library panicked: %v", r)
	}
}

// checkExpanded refuses, at any depth, keywords that could hide or move a node, and names without
// an absolute IRI.
func checkExpanded(v any) error {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			if err := checkExpanded(e); err != nil {
				return err
			}
		}
	case map[string]any:
		for name, e := range v {
			switch name {
			case "@id", "@type", "@value", "@language":
				continue
			case "@list":
			default:
				if !isIRI(name) {
					return fail(ErrRestructured, "%.80q after expansion", name)
				}
			}
			if err := checkExpanded(e); err != nil {
				return err
			}
		}
	}
	return nil
}

// sameAs compares what the library compacted with the tree that was inspected, member by member.
func (s *shape) sameAs(compacted any) error {
	normal, err := s.normal("", compacted)
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(normal, any(s.tree)) {
		return fail(ErrRestructured, "compaction changed it")
	}
	return nil
}

// normal sorts the sets of a compacted tree.
func (s *shape) normal(name string, v any) (any, error) {
	switch v := v.(type) {
	case float64:
		return round(v), nil
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, e := range v {
			n, err := s.normal(name, e)
			if err != nil {
				return nil, err
			}
			if list, ok := n.([]any); ok && len(list) == 0 && s.used[name].container != "@list" {
				continue // an empty set survives compaction, but states nothing
			}
			out[name] = n
		}
		return out, nil
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			n, err := s.normal(name, e)
			if err != nil {
				return nil, err
			}
			out[i] = n
		}
		if s.used[name].container != "@list" {
			if _, err := sortSet(out); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return v, nil
}

// canonical writes the statements as URDNA2015 has it. It works through them only if check has
// found that it ends soon.
func (g *graph) canonical() (text string, err error) {
	defer recovered(&err)
	if err := g.check(); err != nil {
		return "", err
	}
	options := ld.NewJsonLdOptions("")
	options.DocumentLoader = noLoader{}
	options.Algorithm = ld.AlgorithmURDNA2015
	options.Format = "application/n-quads"
	dataset := ld.NewRDFDataset()
	for _, q := range g.statements {
		name := "@default"
		if q.Graph != nil {
			name = q.Graph.GetValue()
		}
		dataset.Graphs[name] = append(dataset.Graphs[name], q)
	}
	out, err := ld.NewJsonLdApi().Normalize(dataset, options)
	if err != nil {
		return "", malformed("canonicalisation: %v", err)
	}
	text, ok := out.(string)
	if !ok {
		return "", malformed("canonicalisation left no text")
	}
	return text, nil
}

// check bounds the work of canonicalisation. URDNA2015 tells an anonymous node by its own statements
// where it can. Those that look alike it tells by their neighbours, going from one to the next; where
// a node has several neighbours that look alike on one side, it tries them in every order, and each
// may have more. So that must not be: what is left is one path through each neighbourhood.
func (g *graph) check() error {
	size := 0
	for _, q := range g.statements {
		size += len(q.Subject.GetValue()) + len(q.Predicate.GetValue()) + len(q.Object.GetValue())
	}
	if len(g.statements)*size > maxQuadBytes {
		return fail(ErrTooComplex, "%d statements of %d bytes", len(g.statements), size)
	}
	looks := g.looks()
	if len(looks) > maxAnonymous {
		return fail(ErrTooComplex, "%d anonymous nodes", len(looks))
	}
	alike := make(map[string]int)
	for _, look := range looks {
		alike[look]++
	}
	next := make(map[string][]string) // between nodes that are not alone in their looks
	side := make(map[string]string)   // of a node, a direction, a property and a look: the one that is there
	for _, q := range g.statements {
		from, to := q.Subject.GetValue(), q.Object.GetValue()
		if !ld.IsBlankNode(q.Subject) || !ld.IsBlankNode(q.Object) || alike[looks[from]] < 2 || alike[looks[to]] < 2 {
			continue
		}
		out := from + " > " + q.Predicate.GetValue() + " " + looks[to]
		in := to + " < " + q.Predicate.GetValue() + " " + looks[from]
		if other, ok := side[out]; ok && other != to {
			return fail(ErrTooComplex, "a node with several others that look alike")
		}
		if other, ok := side[in]; ok && other != from {
			return fail(ErrTooComplex, "a node of several others that look alike")
		}
		side[out], side[in] = to, from
		next[from] = append(next[from], to)
		next[to] = append(next[to], from)
	}
	seen := make(map[string]bool)
	for start := range next {
		size := 0
		for todo := []string{start}; len(todo) > 0; {
			node := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			if seen[node] {
				continue
			}
			seen[node] = true
			size++
			todo = append(todo, next[node]...)
		}
		if size > maxAlike {
			return fail(ErrTooComplex, "%d neighbours that look alike", size)
		}
	}
	return nil
}

// looks gives for each anonymous node its own statements, in which other anonymous nodes have no
// name: what URDNA2015 hashes first.
func (g *graph) looks() map[string]string {
	statements := make(map[string][]string)
	for _, q := range g.statements {
		for _, end := range []ld.Node{q.Subject, q.Object} {
			if ld.IsBlankNode(end) {
				id := end.GetValue()
				statements[id] = append(statements[id], look(q.Subject, id)+" "+q.Predicate.GetValue()+" "+look(q.Object, id))
			}
		}
	}
	looks := make(map[string]string, len(statements))
	for id, lines := range statements {
		slices.Sort(lines)
		looks[id] = strings.Join(lines, "\n")
	}
	return looks
}

func look(n ld.Node, self string) string {
	switch {
	case ld.IsBlankNode(n) && n.GetValue() == self:
		return "_:a"
	case ld.IsBlankNode(n):
		return "_:z"
	}
	return fmt.Sprintf("%#v", n)
}

// noLoader is asked for nothing, and has nothing.
type noLoader struct{}

func (noLoader) LoadDocument(string) (*ld.RemoteDocument, error) {
	return nil, errors.New("nothing is loaded")
}
