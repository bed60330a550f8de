package actor

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/fedihook/fedihook/activity"
)

const schemaOfNodeInfo = "http://nodeinfo.diaspora.software/ns/schema/"

// minimumAge is whom Threads wants kept out below.
const minimumAge = 13

// HostInfo is what a server says of itself.
type HostInfo struct {
	URL         string          `json:"url"`                   // of the document
	Application string          `json:"application,omitempty"` // id of the actor that stands for the server, FEP-2677
	Document    json.RawMessage `json:"document"`              // its NodeInfo, verbatim
}

// NodeInfo asks a host, with its port if that is not the default, for its NodeInfo 2.1 or 2.0. Whether the
// schema allows what comes is not checked, only that it is a JSON object. The error is an [*Error], or the
// context's. FEP-f1d5.
func (c *Checker) NodeInfo(ctx context.Context, host string) (HostInfo, error) {
	if !webURL("https://"+host) || strings.ContainsAny(host, "/?#@") {
		return HostInfo{}, &Error{ID: host, Err: fmt.Errorf("%w: %.80q is no host", ErrInvalidID, host)}
	}
	address := c.origin(host) + "/.well-known/nodeinfo"
	body, err := c.json(ctx, address)
	if err != nil {
		return HostInfo{}, err
	}
	var list struct {
		Links []any `json:"links"`
	}
	if err := jsonv2.Unmarshal(body, &list); err != nil {
		return HostInfo{}, &Error{ID: address, Status: http.StatusOK, Err: fmt.Errorf("%w: no list of links", ErrMalformed)}
	}
	var info HostInfo
	best := ""
	for _, one := range list.Links {
		link, _ := one.(map[string]any)
		href, _ := link["href"].(string)
		switch rel, _ := link["rel"].(string); rel {
		case activity.Namespace + "#Application":
			info.Application = href
		case schemaOfNodeInfo + "2.0", schemaOfNodeInfo + "2.1":
			if rel > best {
				best, info.URL = rel, href
			}
		}
	}
	if best == "" {
		return HostInfo{}, &Error{ID: address, Status: http.StatusOK, Err: fmt.Errorf("%w: leads to no NodeInfo 2.0 or 2.1", ErrMalformed)}
	}
	if info.Document, err = c.json(ctx, info.URL); err != nil {
		return HostInfo{}, err
	}
	return info, nil
}

// json gets a JSON object.
func (c *Checker) json(ctx context.Context, address string) ([]byte, error) {
	a, err := c.ask(ctx, c.plain, address, "application/json", "")
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusOK {
		return nil, &Error{ID: address, Status: a.status, Passing: a.status >= 500, Err: ErrNotFound}
	}
	var top map[string]any
	if err := jsonv2.Unmarshal(a.body, &top); err != nil {
		return nil, &Error{ID: address, Status: a.status, Err: fmt.Errorf("%w: no JSON object", ErrMalformed)}
	}
	return a.body, nil
}

// host looks at what the actor's server says of itself.
func (v *visit) host() error {
	authority, ok := activity.Authority(v.id)
	if !ok {
		return nil
	}
	address := v.origin(authority) + "/.well-known/nodeinfo"
	info, err := v.NodeInfo(v.ctx, authority)
	if v.ctx.Err() != nil {
		return v.ctx.Err()
	}
	var document map[string]any
	if err != nil {
		v.find("nodeinfo-missing", address, nil, "%s", shortened(err.Error()))
	} else if err := jsonv2.Unmarshal(info.Document, &document); err == nil {
		if fault := nodeInfoFault(document); fault != "" {
			v.find("nodeinfo-malformed", info.URL, nil, "%s", fault)
		}
	}
	if info.Application != "" {
		if what, ok := v.shows(info.Application, acceptOfMastodon, ""); !ok {
			v.find("server-actor-closed", info.Application, nil, "%s", what)
		}
	}
	metadata, _ := document["metadata"].(map[string]any)
	v.published(address, metadata)
	return nil
}

var softwareName = regexp.MustCompile(`^[a-z0-9-]+$`)

// nodeInfoFault is the first thing that the schemas of NodeInfo 2.0 and 2.1 don't allow, "" if there is none.
func nodeInfoFault(d map[string]any) string {
	software, _ := d["software"].(map[string]any)
	name, _ := software["name"].(string)
	version, _ := software["version"].(string)
	usage, _ := d["usage"].(map[string]any)
	services, _ := d["services"].(map[string]any)
	protocols, _ := d["protocols"].([]any)
	_, users := usage["users"].(map[string]any)
	_, in := services["inbound"].([]any)
	_, out := services["outbound"].([]any)
	_, open := d["openRegistrations"].(bool)
	_, metadata := d["metadata"].(map[string]any)
	speaks := false
	for _, p := range protocols {
		speaks = speaks || p == "activitypub"
	}
	switch {
	case d["version"] != "2.0" && d["version"] != "2.1":
		return "version is " + quoted(d["version"])
	case !softwareName.MatchString(name):
		return "software.name is " + quoted(software["name"])
	case version == "":
		return "software.version is " + quoted(software["version"])
	case !speaks:
		return "protocols does not name activitypub"
	case !in || !out:
		return "services lacks a list inbound or outbound"
	case !open:
		return "openRegistrations is " + quoted(d["openRegistrations"])
	case !users:
		return "usage.users is " + kindOfValue(usage["users"])
	case !metadata:
		return "metadata is " + kindOfValue(d["metadata"])
	}
	return ""
}

// published looks for what Threads wants to be public (guidelines of 2024-03). It is named as Misskey names its
// privacy policy in NodeInfo's metadata; the other two names go with that.
func (v *visit) published(at string, metadata map[string]any) {
	for _, one := range []struct{ rule, name string }{
		{"privacy-policy-missing", "privacyPolicyUrl"},
		{"public-feed-missing", "publicFeedUrl"},
	} {
		page, _ := metadata[one.name].(string)
		if page == "" {
			v.find(one.rule, at, nil, "metadata names no %s", one.name)
			continue
		}
		a, err := v.ask(v.ctx, v.plain, page, "text/html, */*;q=0.5", "")
		switch {
		case err != nil:
			v.find(one.rule, page, nil, "%s", shortened(err.Error()))
		case a.status != http.StatusOK:
			v.find(one.rule, page, nil, "answered %d to who is not logged in", a.status)
		case len(a.body) == 0:
			v.find(one.rule, page, nil, "is empty")
		}
	}
	age, told := metadata["minimumAge"].(float64)
	switch {
	case !told:
		v.find("age-rule-missing", at, nil, "metadata names no minimumAge")
	case age < minimumAge:
		v.find("age-rule-missing", at, nil, "minimumAge is %g, want %d at least", age, minimumAge)
	}
}
