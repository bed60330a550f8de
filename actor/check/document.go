package check

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/fedihook/fedihook/activity"
)

const (
	longHandle     = 128  // Misskey
	veryLongHandle = 2048 // Mastodon
)

// Handles as the peers in question take them.
var (
	mastodonHandle = regexp.MustCompile(`^[A-Za-z0-9_]+(?:[.-]+[A-Za-z0-9_]+)*$`)
	misskeyHandle  = regexp.MustCompile(`^[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?$`)
	pixelfedHandle = regexp.MustCompile(`^[_.-]*[A-Za-z0-9][A-Za-z0-9_.-]*$`)
	peertubeHandle = regexp.MustCompile(`^[A-Za-z0-9_.:-]+$`)
)

// document looks at an actor's document.
func (i *inspection) document(data []byte) {
	if len(data) > maxCheckedDoc {
		i.find("document-too-large", "$", nil, "%d bytes", len(data))
		return
	}
	if err := jsonv2.Unmarshal(data, &i.top); err != nil || i.top == nil {
		i.find("document-malformed", "$", nil, "%s", malformation(err))
		return
	}
	if n := depthOf(i.top); n > maxDepth {
		i.find("nesting-too-deep", "$", nil, "nested %d deep", n)
	}
	i.contexts()
	if !i.types() {
		return // no actor: all else would be said of something that it never meant to be
	}
	i.identity()
	i.handle()
	i.inbox()
	i.collections()
	i.sharedInbox()
	i.shown()
	i.keys()
	i.terms()
}

// malformation says why a document could not be read, in words that don't change.
func malformation(err error) string {
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return "a name that comes twice"
	case errors.As(err, &syntax):
		return fmt.Sprintf("no JSON from byte %d on", syntax.ByteOffset)
	}
	return "no JSON object"
}

// server tells whether the actor stands for a server. Nobody follows such an actor or reads its profile.
func (i *inspection) server() bool { return i.top["type"] == "Application" }

func (i *inspection) contexts() {
	list := listOf(i.top["@context"])
	if !slices.Contains(list, any(activity.Namespace)) {
		i.find("context-missing", "$.@context", nil, "%s without %q", kindOfValue(i.top["@context"]), activity.Namespace)
		return
	}
	if i.top["publicKey"] == nil {
		return
	}
	for _, one := range list {
		switch one := one.(type) {
		case string:
			switch one {
			case activity.Namespace, "https://purl.archive.org/socialweb/webfinger", "https://w3id.org/security/multikey/v1", "https://w3id.org/security/data-integrity/v1", "https://www.w3.org/ns/cid/v1":
			default:
				return // the one that defines it, or one that may
			}
		case map[string]any:
			if one["publicKey"] != nil {
				return
			}
		}
	}
	i.find("context-without-key", "$.@context", nil, "none of %d contexts defines publicKey", len(list))
}

// types reports whether the document is an actor's at all.
func (i *inspection) types() bool {
	list := listOf(i.top["type"])
	known := slices.ContainsFunc(list, func(v any) bool { s, ok := v.(string); return ok && activity.IsActorType(s) })
	if !known {
		i.find("type-unknown", "$.type", nil, "%s", quoted(i.top["type"]))
		return false
	}
	if _, ok := i.top["type"].(string); !ok {
		i.find("type-list", "$.type", nil, "%s", kindOfValue(i.top["type"]))
	}
	return true
}

func (i *inspection) identity() {
	id, ok := i.top["id"].(string)
	switch {
	case !ok || id == "":
		i.find("id-missing", "$.id", nil, "%s", quoted(i.top["id"]))
		return
	case !webURL(id):
		i.find("id-not-http", "$.id", nil, "%s", quoted(id))
		return
	case !strings.HasPrefix(id, "https://") && (i.insecure == nil || !i.insecure(id)):
		i.find("id-plain-http", "$.id", nil, "%s", quoted(id))
	}
	i.id, i.own = id, true
}

func (i *inspection) handle() {
	name, ok := i.top["preferredUsername"].(string)
	if strings.TrimSpace(name) == "" {
		var only []string
		if ok { // Lemmy asks for a string, of whatever length
			only = []string{"Mastodon", "Misskey", "Pixelfed", "PeerTube", "GoToSocial"}
		}
		i.find("handle-missing", "$.preferredUsername", only, "%s", quoted(i.top["preferredUsername"]))
		return
	}
	var refusing []string
	for peer, pattern := range map[string]*regexp.Regexp{
		"Mastodon": mastodonHandle, "Misskey": misskeyHandle, "Pixelfed": pixelfedHandle, "PeerTube": peertubeHandle,
	} {
		if !pattern.MatchString(name) {
			refusing = append(refusing, peer)
		}
	}
	if refusing != nil {
		i.find("handle-pattern", "$.preferredUsername", refusing, "%s", quoted(name))
	}
	switch n := len([]rune(name)); {
	case n > veryLongHandle:
		i.find("handle-too-long", "$.preferredUsername", nil, "%d characters", n)
	case n > longHandle:
		i.find("handle-too-long", "$.preferredUsername", []string{"Misskey"}, "%d characters", n)
	}
	if v := i.top["webfinger"]; v != nil {
		acct, _ := v.(string)
		user, host, _ := strings.Cut(strings.TrimPrefix(acct, "acct:"), "@")
		if user == "" || host == "" || !webURL("https://"+host) || strings.ContainsAny(host, "@/?#") {
			i.find("webfinger-malformed", "$.webfinger", nil, "%s", quoted(v))
		}
	}
}

func (i *inspection) inbox() {
	at, ok := i.top["inbox"].(string)
	switch {
	case i.top["inbox"] == nil || ok && at == "":
		i.find("inbox-missing", "$.inbox", nil, "%s", quoted(i.top["inbox"]))
	case !ok:
		i.find("inbox-embedded", "$.inbox", nil, "%s", kindOfValue(i.top["inbox"]))
	case !webURL(at):
		i.find("inbox-not-url", "$.inbox", nil, "%s", quoted(at))
	default:
		i.sameHost("inbox-other-host", "$.inbox", nil, at)
	}
}

// sameHost wants iri where the actor is.
func (i *inspection) sameHost(rule, path string, only []string, iri string) {
	if i.own && !sameHost(iri, i.id) {
		i.find(rule, path, only, "%s, not at the host of %s", quoted(iri), quoted(i.id))
	}
}

func (i *inspection) collections() {
	for _, one := range []struct {
		name, missing    string
		checked          []string // who compares its host
		embedded         []string // who wants a string
		missingAtServers bool     // a server's actor needs it, too
	}{
		{"outbox", "outbox-missing", []string{"Misskey"}, []string{"Lemmy", "PeerTube"}, true},
		{"followers", "followers-missing", []string{"Misskey", "Akkoma"}, []string{"PeerTube"}, false},
		{"following", "following-missing", []string{"Misskey", "Akkoma"}, []string{"PeerTube"}, false},
		{"featured", "", []string{"Akkoma"}, nil, false},
	} {
		path, v := "$."+one.name, i.top[one.name]
		at, ok := v.(string)
		switch {
		case v == nil:
			if one.missing != "" && (one.missingAtServers || !i.server()) {
				i.find(one.missing, path, nil, "nothing")
			}
		case !ok:
			if one.embedded != nil {
				i.find("collection-embedded", path, one.embedded, "%s", kindOfValue(v))
			}
		default:
			i.sameHost("collection-other-host", path, one.checked, at)
		}
	}
}

func (i *inspection) sharedInbox() {
	path, v := "$.endpoints.sharedInbox", i.top["sharedInbox"]
	switch endpoints := i.top["endpoints"].(type) {
	case nil:
	case map[string]any:
		if v == nil {
			v = endpoints["sharedInbox"]
		}
	default:
		i.find("endpoints-not-object", "$.endpoints", nil, "%s", kindOfValue(endpoints))
		return
	}
	at, _ := v.(string)
	switch {
	case v == nil && !i.server():
		i.find("shared-inbox-missing", path, nil, "nothing")
	case v != nil:
		i.sameHost("shared-inbox-other-host", path, nil, at)
	}
}

// shown looks at what people get to see.
func (i *inspection) shown() {
	if name, ok := i.top["name"].(string); i.top["name"] == nil || ok && name == "" {
		if !i.server() {
			i.find("name-missing", "$.name", nil, "%s", quoted(i.top["name"]))
		}
	}
	for _, name := range []string{"name", "summary"} {
		if v := i.top[name]; v != nil {
			if _, ok := v.(string); !ok {
				i.find("text-not-string", "$."+name, nil, "%s", kindOfValue(v))
			}
		}
	}
	i.page()
	if _, ok := i.top["manuallyApprovesFollowers"].(bool); !ok {
		i.find("locked-unsaid", "$.manuallyApprovesFollowers", nil, "%s", quoted(i.top["manuallyApprovesFollowers"]))
	}
	if v := i.top["published"]; v == nil {
		if !i.server() {
			i.find("published-missing", "$.published", nil, "nothing")
		}
	} else if text, _ := v.(string); !isRFC3339(text) {
		i.find("published-malformed", "$.published", nil, "%s", quoted(v))
	}
	if v := i.top["attachment"]; v != nil {
		if _, ok := v.([]any); !ok {
			i.find("attachment-not-list", "$.attachment", nil, "%s", kindOfValue(v))
		}
	}
	for _, name := range []string{"icon", "image"} {
		switch v := i.top[name].(type) {
		case string:
			only := []string{"Mastodon"} // Lemmy passes over an icon that it can't read, but not over an image
			if name == "image" {
				only = nil
			}
			i.find("picture-not-object", "$."+name, only, "%s", quoted(v))
		case []any:
			if name == "image" {
				i.find("picture-not-object", "$."+name, []string{"Lemmy"}, "%s", kindOfValue(v))
			}
		}
	}
}

// page looks at the profile's page, the first of them as Misskey does.
func (i *inspection) page() {
	list := listOf(i.top["url"])
	if len(list) == 0 {
		i.find("url-missing", "$.url", nil, "nothing")
		return
	}
	at, _ := list[0].(string)
	if link, ok := list[0].(map[string]any); ok {
		at, _ = link["href"].(string)
	}
	switch {
	case at == "":
		i.find("url-missing", "$.url", nil, "%s", quoted(list[0]))
	case !strings.HasPrefix(at, "https://") && (i.insecure == nil || !i.insecure(at)):
		i.find("url-not-https", "$.url", nil, "%s", quoted(at))
	default:
		i.sameHost("url-other-host", "$.url", nil, at)
	}
	if i.top["type"] == "Group" && len(listOf(i.top["attributedTo"])) == 0 {
		i.find("group-unattributed", "$.attributedTo", nil, "nothing")
	}
}

// terms looks for properties under names that are only read by those who process contexts.
func (i *inspection) terms() {
	names := make([]string, 0, len(i.top))
	for name := range i.top {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, prefix := range []string{
			"as:", "toot:", "sec:", activity.Namespace + "#", "http://joinmastodon.org/ns#", "https://w3id.org/security#", "http://www.w3.org/ns/ldp#", "ldp:",
		} {
			if strings.HasPrefix(name, prefix) {
				i.find("term-not-compact", "$."+shortened(name), nil, "a property that is named with %s", prefix)
			}
		}
	}
}
