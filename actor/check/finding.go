// Package check tells which peers would refuse an actor, or take it but not all of it, and by which of their rules.
//
// [Document] looks at an actor's document alone, a [Checker] at the actor where it is served: at WebFinger, at what the server
// answers to the Accepts and names by which peers ask, at its clock and its NodeInfo. [Rules] lists what they look at, and who
// goes by each rule: what was read in the sources of peers and seen of them, with version and date.
//
// It changes nothing and remembers nothing. The command examples/fedictl shows its findings.
//
// Experimental: names may change before version 1.0.
package check

import (
	"cmp"
	"fmt"
	"slices"
)

// Finding is a place where an actor, or its server, breaks a rule by which some peers go.
type Finding struct {
	Rule  string `json:"rule"`           // its name, see [Rules]
	Peers []Peer `json:"peers"`          // who goes by it, of those whom this case concerns
	Path  string `json:"path,omitempty"` // where: "$.inbox" in the document, or the URL that was asked
	Text  string `json:"text"`           // what is there
	Fix   string `json:"fix"`            // what should be there
	Spec  string `json:"specification,omitempty"`
}

// String is the rule, the place and the text.
func (f Finding) String() string {
	if f.Path == "" {
		return f.Rule + ": " + f.Text
	}
	return f.Rule + ": " + f.Path + ": " + f.Text
}

// Peer is software of others, as it was when somebody looked.
type Peer struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"` // "" where its makers don't tell
	Seen    string `json:"seen"`              // year and month
	// Refuses says that it takes nothing from such an actor: it can't be found, followed or heard there.
	Refuses bool `json:"refuses"`
	// Does is what it does instead, where it does not refuse.
	Does string `json:"does,omitempty"`
}

// String is the name, the version and the date.
func (p Peer) String() string {
	if p.Version == "" {
		return fmt.Sprintf("%s (seen %s)", p.Name, p.Seen)
	}
	return fmt.Sprintf("%s %s (seen %s)", p.Name, p.Version, p.Seen)
}

// Rule is what some peers ask of an actor or of its server.
type Rule struct {
	Name  string `json:"name"`                    // words with hyphens, which don't change
	Peers []Peer `json:"peers"`                   // all who go by it
	Fix   string `json:"fix"`                     // what to do to keep it
	Spec  string `json:"specification,omitempty"` // where a specification asks for the same, "" if none does
}

// Rules returns all rules by which [Document] and a [Checker] go, in the order in which they are looked at:
// first those of documents, then those of servers. The caller owns the result.
func Rules() []Rule {
	all := slices.Concat(documentRules, serverRules)
	for i := range all {
		all[i].Peers = slices.Clone(all[i].Peers)
	}
	return all
}

// Document names the rules of known peers that an actor's document breaks, as it would be served. It knows
// what was read in their sources and seen of them, and says nothing about whether the document is true:
// it fetches nothing, see [Checker]. A document that all of them take gives nil. At most 100 findings are
// returned, and none quotes more than some hundred bytes of the document. Any bytes may be given.
func Document(document []byte) []Finding {
	var i inspection
	i.document(document)
	return i.findings
}

// Refusals returns the names of the peers that refuse an actor with these findings, sorted.
func Refusals(findings []Finding) []string {
	return peersOf(findings, true)
}

// Impairments returns the names of the peers that take such an actor, but not all of it, sorted.
func Impairments(findings []Finding) []string {
	refused := peersOf(findings, true)
	return slices.DeleteFunc(peersOf(findings, false), func(name string) bool { return slices.Contains(refused, name) })
}

func peersOf(findings []Finding, refuses bool) (names []string) {
	for _, f := range findings {
		for _, p := range f.Peers {
			if p.Refuses == refuses {
				names = append(names, p.Name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

const (
	maxFindings   = 100
	maxCheckedDoc = 1 << 20 // bytes of a document, which Mastodon and Lemmy take at most
	maxDepth      = 6       // Pixelfed reads 7 deep, and an Update is one around the actor
)

// inspection collects findings.
type inspection struct {
	findings []Finding
	insecure func(iri string) bool // what a test serves over http and is not to be blamed for; nil: nothing

	top map[string]any
	id  string
	own bool // the id can be compared with
}

// find adds a finding with all peers of the rule, or with those named.
func (i *inspection) find(rule, path string, only []string, format string, args ...any) {
	if len(i.findings) >= maxFindings {
		return
	}
	f := Finding{Rule: rule, Path: path, Text: fmt.Sprintf(format, args...)}
	for _, list := range [][]Rule{documentRules, serverRules} {
		if at := slices.IndexFunc(list, func(r Rule) bool { return r.Name == rule }); at >= 0 {
			f.Peers, f.Fix, f.Spec = slices.Clone(list[at].Peers), list[at].Fix, list[at].Spec
		}
	}
	if only != nil {
		f.Peers = slices.DeleteFunc(f.Peers, func(p Peer) bool { return !slices.Contains(only, p.Name) })
	}
	slices.SortStableFunc(f.Peers, func(a, b Peer) int { return cmp.Compare(a.Name, b.Name) })
	i.findings = append(i.findings, f)
}
