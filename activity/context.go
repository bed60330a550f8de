package activity

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"slices"

	"github.com/go-ap/jsonld"
	"github.com/go-json-experiment/json/jsontext"
)

// Contexts that every peer has built in.
const (
	securityContext  = "https://w3id.org/security/v1"
	integrityContext = "https://w3id.org/security/data-integrity/v2"
)

// term is the definition of a name that the ActivityStreams context lacks. Names are defined in
// place where they can be: a context at an address is one more server that a peer may fail to reach.
type term struct {
	remote string // the context that defines it, if we refer to one; else:
	prefix string // a name of prefixes, "" if iri needs none or one of the ActivityStreams context
	iri    string
	kind   string      // value of @type
	holds  jsonld.Term // value of @container
}

var prefixes = map[string]string{
	"toot":    "http://joinmastodon.org/ns#",
	"schema":  "http://schema.org#", // not schema.org's own name for itself, but what Mastodon has always written
	"ostatus": "http://ostatus.org#",
	"misskey": "https://misskey-hub.net/ns#",
	"litepub": "http://litepub.social/ns#",
	"sec":     "https://w3id.org/security#",
	"wf":      "https://purl.archive.org/socialweb/webfinger#",
}

// terms are the names that we write in their usual spelling. ActivityStreams §2.1.
var terms = map[string]term{
	"publicKey":    {remote: securityContext},
	"owner":        {remote: securityContext},
	"publicKeyPem": {remote: securityContext},
	"signature":    {remote: securityContext}, // and all that stands in it
	"proof":        {remote: integrityContext},

	"Key":                {prefix: "sec", iri: "sec:Key"},
	"Multikey":           {prefix: "sec", iri: "sec:Multikey"},
	"assertionMethod":    {prefix: "sec", iri: "sec:assertionMethod", kind: "@id", holds: jsonld.SetKw},
	"controller":         {prefix: "sec", iri: "sec:controller", kind: "@id"},
	"publicKeyMultibase": {prefix: "sec", iri: "sec:publicKeyMultibase", kind: "sec:multibase"},
	"webfinger":          {prefix: "wf", iri: "wf:webfinger", kind: "xsd:string"},

	"Hashtag":                   {iri: "as:Hashtag"},
	"sensitive":                 {iri: "as:sensitive"},
	"manuallyApprovesFollowers": {iri: "as:manuallyApprovesFollowers"},
	"alsoKnownAs":               {iri: "as:alsoKnownAs", kind: "@id"}, // in today's context, but not in older copies of it
	"movedTo":                   {iri: "as:movedTo", kind: "@id"},
	"quoteUrl":                  {iri: "as:quoteUrl", kind: "@id"},

	"QuoteRequest":       {iri: "https://w3id.org/fep/044f#QuoteRequest"},
	"QuoteAuthorization": {iri: "https://w3id.org/fep/044f#QuoteAuthorization"},

	"Emoji":        {prefix: "toot", iri: "toot:Emoji"},
	"featured":     {prefix: "toot", iri: "toot:featured", kind: "@id"},
	"featuredTags": {prefix: "toot", iri: "toot:featuredTags", kind: "@id"},
	"discoverable": {prefix: "toot", iri: "toot:discoverable"},
	"indexable":    {prefix: "toot", iri: "toot:indexable"},
	"suspended":    {prefix: "toot", iri: "toot:suspended"},
	"memorial":     {prefix: "toot", iri: "toot:memorial"},
	"votersCount":  {prefix: "toot", iri: "toot:votersCount"},
	"blurhash":     {prefix: "toot", iri: "toot:blurhash"},
	"focalPoint":   {prefix: "toot", iri: "toot:focalPoint", holds: jsonld.ListKw},

	"PropertyValue": {prefix: "schema", iri: "schema:PropertyValue"},
	"value":         {prefix: "schema", iri: "schema:value"},

	"EmojiReact":     {prefix: "litepub", iri: "litepub:EmojiReact"},
	"ChatMessage":    {prefix: "litepub", iri: "litepub:ChatMessage"},
	"conversation":   {prefix: "ostatus", iri: "ostatus:conversation"},
	"_misskey_quote": {prefix: "misskey", iri: "misskey:_misskey_quote", kind: "@id"},
}

// contextFor makes the smallest @context that defines the terms used, which are sorted.
func contextFor(used []string) (json.RawMessage, error) {
	context := []any{Namespace}
	inline := make(map[string]any)
	for _, name := range used {
		t := terms[name]
		if t.remote != "" {
			if !slices.Contains(context, any(t.remote)) {
				context = append(context, t.remote)
			}
			continue
		}
		inline[name] = t.definition()
		if t.prefix != "" {
			inline[t.prefix] = prefixes[t.prefix]
		}
	}
	if len(inline) > 0 {
		context = append(context, inline)
	}
	if len(context) == 1 {
		return json.Marshal(context[0])
	}
	return json.Marshal(context)
}

func (t term) definition() any {
	if t.kind == "" && t.holds == "" {
		return t.iri
	}
	long := map[string]string{string(jsonld.IdKw): t.iri}
	if t.kind != "" {
		long[string(jsonld.TypeKw)] = t.kind
	}
	if t.holds != "" {
		long[string(jsonld.ContainerKw)] = string(t.holds)
	}
	return long
}

// isBlind tells the properties that never leave the server. ActivityPub §6.
func isBlind(name string) bool { return name == "bto" || name == "bcc" }

// survey lists, sorted, the names of members and the types in body that terms defines, at any
// depth, and reports whether a member is blind. It does not look into contexts.
func survey(body []byte) (used []string, blind bool, err error) {
	found := make(map[string]bool)
	d := jsontext.NewDecoder(bytes.NewBuffer(body))
	var inType []bool // for each open object and list: a string that comes now is a type
	for {
		t, err := d.ReadToken()
		if err == io.EOF {
			return slices.Sorted(maps.Keys(found)), blind, nil
		}
		if err != nil {
			return nil, false, err
		}
		last := len(inType) - 1
		switch t.Kind() {
		case '{':
			inType = append(inType, false)
		case '[':
			inType = append(inType, last >= 0 && inType[last])
		case '}', ']':
			inType = inType[:last]
		case '"':
			isName := atName(d)
			if !isName && !inType[last] {
				continue
			}
			text := t.String()
			if _, ok := terms[text]; ok {
				found[text] = true
			}
			if !isName {
				continue
			}
			inType[last] = text == "type"
			blind = blind || isBlind(text)
			if text == string(jsonld.ContextKw) {
				if err := d.SkipValue(); err != nil {
					return nil, false, err
				}
			}
		}
	}
}

// atName reports whether the string that d has just read is the name of a member.
func atName(d *jsontext.Decoder) bool {
	kind, n := d.StackIndex(d.StackDepth())
	return kind == '{' && n%2 == 1
}

// withoutBlind copies body without its blind members.
func withoutBlind(body []byte) ([]byte, error) {
	var out bytes.Buffer
	d := jsontext.NewDecoder(bytes.NewBuffer(body))
	e := jsontext.NewEncoder(&out, jsontext.PreserveRawStrings(true))
	for {
		t, err := d.ReadToken()
		if err == io.EOF {
			return bytes.TrimSpace(out.Bytes()), nil
		}
		if err != nil {
			return nil, err
		}
		name := ""
		if t.Kind() == '"' && atName(d) {
			name = t.String()
		}
		if isBlind(name) {
			if err := d.SkipValue(); err != nil {
				return nil, err
			}
			continue
		}
		if err := e.WriteToken(t); err != nil {
			return nil, err
		}
		if name == string(jsonld.ContextKw) {
			v, err := d.ReadValue()
			if err != nil {
				return nil, err
			}
			if err := e.WriteValue(v); err != nil {
				return nil, err
			}
		}
	}
}
