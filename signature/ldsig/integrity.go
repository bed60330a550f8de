package ldsig

import (
	"maps"
	"reflect"
	"slices"

	"github.com/piprate/json-gold/ld"
)

// Object integrity proofs (FEP-8b32) have contexts of their own, whose terms mean something only inside of a proof. What is read
// here is the one shape that proofs have, so their statements are written down and not worked out.

const security = "https://w3id.org/security#"

// integrity names the contexts that define the member proof, with the type that each gives to the name of a cryptosuite.
var integrity = map[string]string{
	"https://w3id.org/security/data-integrity/v1": ld.XSDString,
	"https://w3id.org/security/data-integrity/v2": security + "cryptosuiteString",
}

// integrityTerms is what such a context says of the members of a document: a proof is a graph of its own. The type is not that of
// the values, which are no graphs of ours, but the one of cryptosuites.
func integrityTerms(suite string) vocabulary {
	return vocabulary{
		"id": {iri: "@id"}, "type": {iri: "@type"},
		"proof": {iri: security + "proof", kind: suite, container: "@graph"},
	}
}

// integrity checks the proof of a document, and keeps what it states.
func (s *shape) integrity(t term, document map[string]any, value any) error {
	m, ok := value.(map[string]any)
	id, named := document["id"].(string)
	if !ok || !named {
		return fail(ErrUnprotected, "a proof that is not one object, or of a document without id")
	}
	const graph, node = "_:proofs", "_:proof"
	state := func(property string, object ld.Node) {
		s.proof = append(s.proof, ld.NewQuad(ld.NewBlankNode(node), ld.NewIRI(property), object, graph))
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if name == "@context" && reflect.DeepEqual(m[name], document[name]) {
			continue // eddsa-jcs-2022 repeats it there; it changes nothing
		}
		v, ok := m[name].(string)
		if !ok {
			return fail(ErrUnprotected, "%.80q of the proof is not a string", name)
		}
		if err := text(name, v); err != nil {
			return err
		}
		switch {
		case name == "type" && v == "DataIntegrityProof":
			state(ld.RDFType, ld.NewIRI(security+v))
		case name == "proofPurpose" && v == "assertionMethod":
			state(security+name, ld.NewIRI(security+v))
		case name == "verificationMethod":
			if _, err := s.iri(name, v); err != nil {
				return err
			}
			state(security+name, ld.NewIRI(v))
		case name == "cryptosuite":
			state(security+name, ld.NewLiteral(v, t.kind, ""))
		case name == "proofValue":
			state(security+name, ld.NewLiteral(v, security+"multibase", ""))
		case name == "created":
			state("http://purl.org/dc/terms/created", ld.NewLiteral(v, xsd+"dateTime", ""))
		case name == "expires":
			state(security+"expiration", ld.NewLiteral(v, xsd+"dateTime", ""))
		default:
			return fail(ErrUnprotected, "%.80q of the proof", name)
		}
	}
	s.proof = append(s.proof, ld.NewQuad(ld.NewIRI(id), ld.NewIRI(t.iri), ld.NewBlankNode(graph), ""))
	return nil
}
