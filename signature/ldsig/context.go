package ldsig

import (
	"embed"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
)

//go:embed contexts/*.json
var contextFiles embed.FS

// published names the contexts that a document may refer to, with the files that hold them.
var published = map[string]string{
	"https://www.w3.org/ns/activitystreams":        "activitystreams",
	securityContext:                                "security-v1",
	"https://purl.archive.org/socialweb/webfinger": "webfinger",
	"http://joinmastodon.org/ns":                   "joinmastodon",
	"https://purl.archive.org/miscellany":          "miscellany",
	"https://gotosocial.org/ns":                    "gotosocial",
	"https://w3id.org/fep/7aa9":                    "fep-7aa9",
}

const securityContext = "https://w3id.org/security/v1"

// term is what a context says of a name: its IRI, the type of its values and the container they
// stand in. A type is "", "@id", an IRI or, in no context that documents have, "@vocab", a container "", "@list", "@language" or, of proofs, "@graph": a "@set" changes
// nothing in what is signed. The names id and type have the IRIs "@id" and "@type".
type term struct{ iri, kind, container string }

// isPrefix tells the terms that only serve to abbreviate IRIs.
func (t term) isPrefix() bool {
	return strings.HasSuffix(t.iri, "#") || strings.HasSuffix(t.iri, "/")
}

// vocabulary is a @context once read: what each name stands for.
type vocabulary map[string]term

// knowledge is what the files in contexts say. It is never changed.
type knowledge struct {
	contexts map[string]vocabulary // by address
	options  vocabulary            // of the properties of a signature
	// known has every definition that a document may bring along, and that a member may have.
	known map[string][]term
	// shared has the definitions that stand under several names, of which whoever forwards a document
	// could put one for the other. Such names are taken for undefined.
	shared map[term]bool
}

// know reads the embedded files once. They are part of the program, so an error here is ours; a
// test reads it.
var know = sync.OnceValues(func() (*knowledge, error) {
	k := &knowledge{contexts: make(map[string]vocabulary), known: make(map[string][]term)}
	for address, name := range published {
		v, err := readFile(name)
		if err != nil {
			return nil, err
		}
		k.contexts[address] = v
		k.learn(v)
	}
	for address, suite := range integrity {
		k.contexts[address] = integrityTerms(suite) // not learned: nobody brings it along
	}
	var err error
	if k.options, err = readFile("identity-v1"); err != nil {
		return nil, err
	}
	text, err := contextFiles.ReadFile("contexts/inline.json")
	if err != nil {
		return nil, err
	}
	var inline map[string]map[string]any
	if err := json.Unmarshal(text, &inline); err != nil {
		return nil, err
	}
	for _, definitions := range inline {
		v := make(vocabulary)
		if err := v.define(definitions); err != nil {
			return nil, err
		}
		k.learn(v)
	}
	names := make(map[term]int)
	for _, terms := range k.known {
		for _, t := range terms {
			names[t]++
		}
	}
	k.shared = make(map[term]bool)
	for t, n := range names {
		k.shared[t] = n > 1 && !t.isPrefix()
	}
	return k, nil
})

func (k *knowledge) learn(v vocabulary) {
	for name, t := range v {
		if !slices.Contains(k.known[name], t) {
			k.known[name] = append(k.known[name], t)
		}
	}
}

func readFile(name string) (vocabulary, error) {
	text, err := contextFiles.ReadFile("contexts/" + name + ".json")
	if err != nil {
		return nil, err
	}
	var file struct {
		Context map[string]any `json:"@context"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, err
	}
	delete(file.Context, "@vocab") // the "_:" of ActivityStreams, which makes undefined terms vanish
	v := make(vocabulary)
	for name, d := range file.Context {
		if d == "@id" || d == "@type" {
			v[name] = term{iri: d.(string)}
			delete(file.Context, name)
		}
	}
	return v, v.define(file.Context)
}

// read makes a vocabulary of a stranger's @context. It takes the addresses of published contexts,
// each once, and objects whose every definition is known.
func (k *knowledge) read(context any) (vocabulary, error) {
	entries, ok := context.([]any)
	if !ok {
		entries = []any{context}
	}
	if len(entries) > maxContexts {
		return nil, fail(ErrContext, "%d entries", len(entries))
	}
	v := make(vocabulary)
	seen := make(map[string]bool)
	for _, entry := range entries {
		switch entry := entry.(type) {
		case string:
			remote, ok := k.contexts[entry]
			if !ok || seen[entry] {
				return nil, fail(ErrContext, "%.200q is not compiled in, or there twice", entry)
			}
			if v["proof"] != (term{}) && remote["proof"] != (term{}) {
				return nil, fail(ErrContext, "a second context of proofs")
			}
			seen[entry] = true
			maps.Copy(v, remote)
		case map[string]any:
			if err := v.define(entry); err != nil {
				return nil, err
			}
			for name := range entry {
				if !slices.Contains(k.known[name], v[name]) {
					return nil, fail(ErrContext, "unknown definition of %.80q", name)
				}
			}
		default:
			return nil, fail(ErrContext, "it is missing, null, or has an entry of a strange kind")
		}
	}
	maps.DeleteFunc(v, func(_ string, t term) bool { return k.shared[t] })
	return v, nil
}

// define adds the definitions of one object. Of JSON-LD 1.1 §9.15.1 it knows @id, @type and
// @container, and no keyword under another name: that is all that federating software uses.
func (v vocabulary) define(definitions map[string]any) error {
	expand := func(iri string) string { return v.expand(iri, definitions) }
	own := make(vocabulary, len(definitions))
	for name, d := range definitions {
		var t term
		switch d := d.(type) {
		case string:
			t.iri = expand(d)
		case map[string]any:
			for key, value := range d {
				text, ok := value.(string)
				switch {
				case !ok:
					return fail(ErrContext, "definition of %.80q", name)
				case key == "@id":
					t.iri = expand(text)
				case key == "@type" && (text == "@id" || text == "@vocab"):
					t.kind = text
				case key == "@type":
					t.kind = expand(text)
				case key == "@container" && (text == "@list" || text == "@language"):
					t.container = text
				case key == "@container" && text == "@set":
				default:
					return fail(ErrContext, "%.80q in the definition of %.80q", key, name)
				}
			}
		}
		if !isIRI(t.iri) || t.kind != "" && t.kind[0] != '@' && !isIRI(t.kind) {
			return fail(ErrContext, "definition of %.80q", name)
		}
		own[name] = t
	}
	maps.Copy(v, own)
	return nil
}

// expand makes an IRI of one that may be abbreviated by a term of the same object, or of an earlier
// one. A prefix is not itself abbreviated.
func (v vocabulary) expand(iri string, definitions map[string]any) string {
	prefix, rest, ok := strings.Cut(iri, ":")
	if !ok || strings.HasPrefix(rest, "//") {
		return iri
	}
	if base, ok := definitions[prefix].(string); ok {
		return base + rest
	}
	if t, ok := v[prefix]; ok && t.kind == "" && t.container == "" {
		return t.iri + rest
	}
	return iri
}

// isIRI tells whether s is an absolute IRI that is written the same way everywhere. What RDF writes
// between < and > may hold none of the excluded characters (RFC 3987 §2.2): a library that does not
// escape them would sign one text for two graphs.
func isIRI(s string) bool {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || rest == "" || len(s) > maxIRI {
		return false
	}
	for i, c := range scheme {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || !('0' <= c && c <= '9' || c == '+' || c == '-' || c == '.')) {
			return false
		}
	}
	return scheme != "" && !strings.ContainsFunc(rest, func(c rune) bool {
		return c <= ' ' || 0x7f <= c && c <= 0xa0 || strings.ContainsRune("<>\"{}|^`\\", c)
	})
}
