package activity

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Problem is something in a document at which a peer is known to stumble.
type Problem struct {
	Path string // where, as in $.object.attachment[0].url
	Peer string // who stumbles, with others perhaps; "" for all
	Text string // over what
}

// String is the path, the peer and the text.
func (p Problem) String() string {
	if p.Peer == "" {
		return p.Path + ": " + p.Text
	}
	return p.Path + ": " + p.Peer + ": " + p.Text
}

const (
	maxProblems = 100
	maxName     = 50 // bytes of a property's name in a path

	// Limits of peers, by which [Check] goes.
	maxInboxBody = 64 << 10 // Misskey, of the body of a POST
	maxNesting   = 7        // Pixelfed reads JSON less deep than 8 (seen 2024-03)
	maxMediaURL  = 254      // Pixelfed, which cuts off the rest
)

// Check names what in d, as [Encode] writes it, would break where. It knows the faults of peers that were seen
// and says nothing about whether d is true or complete in other ways. A document without problems is nil.
// It looks into the object of a Create, Update and the like, but fetches nothing. It names at most 100.
func Check(d Document) []Problem {
	data, err := Encode(d)
	if err != nil {
		return []Problem{{Path: "$", Text: err.Error()}}
	}
	return CheckBytes(data)
}

// CheckBytes is [Check] for the bytes that are sent.
func CheckBytes(data []byte) []Problem {
	d, err := Decode(data)
	if err != nil {
		return []Problem{{Path: "$", Text: err.Error()}}
	}
	var top map[string]any // by exact name, and numbers don't matter
	if err := json.Unmarshal(data, &top); err != nil {
		return []Problem{{Path: "$", Text: err.Error()}}
	}
	c := &checker{}
	if len(data) > maxInboxBody {
		c.add("$", "Misskey", "%d bytes, an inbox takes %d", len(data), maxInboxBody)
	}
	if n := nesting(top); n > maxNesting {
		c.add("$", "Pixelfed", "nested %d deep, %d are read", n, maxNesting)
	}
	if top["@context"] == nil {
		c.add("$.@context", "Pixelfed", "missing")
	}
	switch d.(type) {
	case *Activity:
		c.activity("$", top)
	case *Actor:
		c.actor("$", top)
	case *Object:
		c.object("$", top)
	}
	c.everywhere("$", top)
	return c.problems
}

type checker struct{ problems []Problem }

func (c *checker) add(path, peer, format string, args ...any) {
	if len(c.problems) < maxProblems {
		c.problems = append(c.problems, Problem{path, peer, fmt.Sprintf(format, args...)})
	}
}

func nesting(v any) int {
	deepest := 0
	switch v := v.(type) {
	case map[string]any:
		for _, one := range v {
			deepest = max(deepest, nesting(one))
		}
	case []any:
		for _, one := range v {
			deepest = max(deepest, nesting(one))
		}
	default:
		return 0
	}
	return deepest + 1
}

// everywhere looks for what is wrong wherever it stands.
func (c *checker) everywhere(path string, v any) {
	switch v := v.(type) {
	case []any:
		for i, one := range v {
			c.everywhere(fmt.Sprintf("%s[%d]", path, i), one)
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			at, value := path+"."+shorten(name), v[name]
			switch name {
			case "@context":
				continue
			case "to", "cc":
				c.audience(at, value)
			case "tag", "attachment":
				if value == nil {
					c.add(at, "Mastodon", "null instead of a list")
				}
			case "bto", "bcc":
				c.add(at, "", "blind copies are for nobody to see")
			case "published", "updated":
				if raw, _ := json.Marshal(value); value != nil && !isTime(raw) {
					c.add(at, "Mastodon", "no xsd:dateTime")
				}
			}
			c.everywhere(at, value)
		}
	}
}

// shorten keeps paths short, of which there may be 50,000, each with a name that takes half of the document.
func shorten(name string) string {
	if len(name) <= maxName {
		return name
	}
	return strings.ToValidUTF8(name[:maxName], "") + "…"
}

func isTime(raw []byte) bool {
	_, ok := readTime(raw)
	return ok
}

// audience wants lists, with Public by its full name.
func (c *checker) audience(path string, v any) {
	list, ok := v.([]any)
	if !ok {
		c.add(path, "Pixelfed", "%s instead of a list", kindOf(v))
		list = []any{v}
	}
	for i, one := range list {
		if id, _ := one.(string); id != Public && IsPublic(id) {
			c.add(fmt.Sprintf("%s[%d]", path, i), "Pixelfed", "Public not by its full name")
		} else if id == Followers {
			c.add(fmt.Sprintf("%s[%d]", path, i), "", "followers without the id of their collection")
		}
	}
}

func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "nothing"
	case string:
		return "a string"
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	case bool:
		return "a boolean"
	}
	return "a number"
}

// activity wants what the inboxes of all peers take.
func (c *checker) activity(path string, a map[string]any) {
	typ := c.typed(path, a)
	id := c.id(path, a)
	actor, ok := a["actor"].(string)
	if !ok {
		c.add(path+".actor", "Threads", "%s instead of an id", kindOf(a["actor"]))
	} else {
		c.sameHost(path+".id", "Misskey", id, actor, "its actor")
	}
	if a["object"] == nil {
		c.add(path+".object", "Pixelfed", "missing")
	}
	switch at := path + ".object"; typ {
	case TypeFollow, TypeLike, TypeAnnounce:
		c.reference(at, typ, a["object"])
	case TypeAccept, TypeReject, TypeUndo:
		c.embedded(at, typ, a["object"], actor)
	case TypeCreate, TypeUpdate:
		c.made(at, a["object"], actor)
	}
	switch typ {
	case TypeCreate, TypeAnnounce:
		if a["to"] == nil && a["cc"] == nil {
			c.add(path+".to", "Mastodon", "addresses nobody, so it is direct")
		}
	case TypeFollow, TypeAccept, TypeReject, TypeUndo:
		if a["to"] == nil && a["cc"] == nil {
			c.add(path+".to", "Lemmy", "addresses nobody")
		}
	}
}

// typed is the type, which has to be one string.
func (c *checker) typed(path string, v map[string]any) string {
	typ, ok := v["type"].(string)
	if !ok {
		c.add(path+".type", "Pixelfed", "%s instead of a string", kindOf(v["type"]))
	}
	return typ
}

func (c *checker) id(path string, v map[string]any) string {
	id, ok := v["id"].(string)
	switch {
	case !ok:
		c.add(path+".id", "Misskey", "%s instead of an id", kindOf(v["id"]))
	case !strings.HasPrefix(id, "https://"):
		c.add(path+".id", "Pixelfed", "no https URL")
	}
	return id
}

func (c *checker) sameHost(path, peer, id, other, whose string) {
	if id != "" && other != "" && !SameAuthority(id, other) {
		c.add(path, peer, "not at the host of %s", whose)
	}
}

// reference wants an id where an embedded object is refused. Only a group announces whole activities, FEP-1b12.
func (c *checker) reference(path, typ string, v any) {
	if _, ok := v.(string); ok || v == nil {
		return
	}
	if o, ok := v.(map[string]any); ok && typ == TypeAnnounce {
		if inner, _ := o["type"].(string); IsActivityType(inner) {
			return
		}
	}
	c.add(path, "Pixelfed", "%s instead of an id", kindOf(v))
}

// embedded wants the whole activity in its answer and in its Undo.
func (c *checker) embedded(path, typ string, v any, actor string) {
	inner, ok := v.(map[string]any)
	if !ok {
		if v != nil {
			c.add(path, "Threads", "%s instead of the activity", kindOf(v))
		}
		return
	}
	for _, name := range []string{"id", "type", "actor", "object"} {
		if inner[name] == nil {
			c.add(path+"."+name, map[bool]string{true: "Mastodon", false: "Pixelfed"}[typ == TypeUndo], "missing")
		}
	}
	if _, isObject := inner["actor"].(map[string]any); isObject {
		c.add(path+".actor", "Threads", "an object instead of an id")
	}
	whose, name := inner["actor"], "actor"
	if typ != TypeUndo {
		whose, name = inner["object"], "object"
	}
	// Only of a Follow is the object the actor who answers.
	if id, ok := whose.(string); ok && id != actor && (typ == TypeUndo || inner["type"] == TypeFollow) {
		c.add(path+"."+name, "Pixelfed", "not who the actor is")
	}
}

// made wants an object of the actor's own.
func (c *checker) made(path string, v any, actor string) {
	o, ok := v.(map[string]any)
	if !ok {
		if v != nil {
			c.add(path, "Pixelfed", "%s instead of an object", kindOf(v))
		}
		return
	}
	if typ, _ := o["type"].(string); IsActorType(typ) {
		c.actor(path, o)
		if id, _ := o["id"].(string); id != actor {
			c.add(path+".id", "Mastodon", "an actor other than the activity's")
		}
		return
	}
	c.object(path, o)
	if id, _ := o["id"].(string); actor != "" {
		c.sameHost(path+".id", "Mastodon", id, actor, "the activity's actor")
	}
	if author, _ := o["attributedTo"].(string); author != "" && actor != "" && author != actor {
		c.add(path+".attributedTo", "Pixelfed", "not the activity's actor")
	}
}

// Names of users that Misskey and its kin take.
var username = regexp.MustCompile(`^\w([\w.-]*\w)?$`)

// actor wants what peers need to know of somebody.
func (c *checker) actor(path string, a map[string]any) {
	c.typed(path, a)
	id := c.id(path, a)
	if name, _ := a["preferredUsername"].(string); len(name) > 128 || !username.MatchString(name) {
		c.add(path+".preferredUsername", "Misskey", "not of 1 to 128 letters, digits, and . _ - between")
	}
	for _, name := range []string{"inbox", "outbox", "followers", "following"} {
		at, isID := a[name].(string)
		switch {
		case isID:
			c.sameHost(path+"."+name, "Misskey", at, id, "the actor")
		case name == "inbox":
			c.add(path+"."+name, "", "%s instead of an id", kindOf(a[name]))
		case name == "followers":
			c.add(path+"."+name, "Mastodon", "%s instead of an id", kindOf(a[name]))
		}
	}
	key, ok := a["publicKey"].(map[string]any)
	if !ok {
		c.add(path+".publicKey", "PeerTube", "%s instead of an object", kindOf(a["publicKey"]))
	} else {
		keyID, _ := key["id"].(string)
		c.sameHost(path+".publicKey.id", "Misskey", keyID, id, "the actor")
		if !strings.Contains(keyID, "#") {
			c.add(path+".publicKey.id", "Lemmy", "without a fragment")
		}
		for _, name := range []string{"id", "owner", "publicKeyPem"} {
			if _, ok := key[name].(string); !ok {
				c.add(path+".publicKey."+name, "PeerTube", "%s instead of a string", kindOf(key[name]))
			}
		}
	}
	if _, ok := a["manuallyApprovesFollowers"].(bool); !ok {
		c.add(path+".manuallyApprovesFollowers", "Pixelfed", "%s instead of a boolean, so the account is private", kindOf(a["manuallyApprovesFollowers"]))
	}
	for _, name := range []string{"icon", "image"} {
		c.media(path+"."+name, a[name])
	}
}
