package check

import (
	"net/http"
	"regexp"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/fedihook/fedihook/activity"
)

// minimumAge is whom Threads wants kept out below.
const minimumAge = 13

// host looks at what the actor's server says of itself.
func (v *visit) host() error {
	authority, ok := activity.Authority(v.id)
	if !ok {
		return nil
	}
	address := v.origin(authority) + "/.well-known/nodeinfo"
	info, err := v.resolver.HostInfo(v.ctx, authority)
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

// nodeInfoFault is the first thing that the schemas of NodeInfo from 2.0 to 2.2 don't allow, "" if there is none.
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
	case d["version"] != "2.0" && d["version"] != "2.1" && d["version"] != "2.2":
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
