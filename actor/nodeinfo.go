package actor

import (
	"maps"
	"net/http"
	"path"
	"regexp"
	"strings"
	"time"
)

// nodeInfoPath is where the descriptions are: beside the prefix, so that whoever gives a site one folder of its host gives it this too.
func (n Names) nodeInfoPath() string {
	return strings.TrimSuffix(path.Dir(n.path()), "/") + "/nodeinfo/"
}

// NodeInfo describes a site to crawlers and to curious servers. Its zero value says nothing but that
// the site speaks ActivityPub. NodeInfo 2.1.
type NodeInfo struct {
	// Software is the name of what the site runs, in lower-case letters, digits and hyphens; whatever
	// else is in it becomes a hyphen. Zero means "fedihook".
	Software string

	// Version is the software's. Zero means "0".
	Version string

	Repository string // URL of the source code
	Homepage   string // URL of the software's website

	// Counts. Zero: the site doesn't say.
	Users          int64 // registered here
	ActiveMonth    int64 // who signed in within 30 days
	ActiveHalfyear int64 // who signed in within 180 days
	Posts          int64 // made by users of this site
	Comments       int64

	OpenRegistrations bool

	Name, Description string // of the site, for people; written to the metadata as nodeName and nodeDescription

	// What Threads asks of a server before it talks to it (its guidelines, seen 2026): pages that a visitor who
	// is not logged in can read. They are written to the metadata, the first two by the names that
	// Misskey gave them, so that checks find them.
	PrivacyPolicy string // URL; privacyPolicyUrl
	Terms         string // URL of the rules, with the one about age; tosUrl
	MinimumAge    int    // of users, in years: Threads asks for 13 and more; minimumAge
	PublicFeed    string // URL of posts of this site; publicFeedUrl

	// Metadata is written as it is, and wins over the above.
	Metadata map[string]any
}

// ServeNodeInfoLinks tells where the descriptions are, and which actor stands for the site (FEP-2677).
func (h *Handler) ServeNodeInfoLinks(w http.ResponseWriter, r *http.Request) {
	open(w)
	if !readOnly(w, r) {
		return
	}
	place := h.Names.originOf(r) + h.Names.nodeInfoPath()
	body, err := encode(JRD{Links: []JRDLink{
		{Rel: nodeInfoSchema + "2.1", Href: place + "2.1"},
		{Rel: nodeInfoSchema + "2.0", Href: place + "2.0"},
		{Rel: relApp, Href: h.Names.Instance()},
	}})
	if err != nil {
		h.fail(w, r, err)
		return
	}
	serve(w, r, "application/json", freshSite, newEncoded(body, time.Time{}))
}

const nodeInfoSchema = "http://nodeinfo.diaspora.software/ns/schema/"

// ServeNodeInfo serves the description by the schema that ends the path, 2.1 or 2.0. The counts are the site's and stand at
// Origin alone: crawlers, which take each host for a server, would count them once for each.
func (h *Handler) ServeNodeInfo(w http.ResponseWriter, r *http.Request) {
	open(w)
	if !readOnly(w, r) {
		return
	}
	version := strings.TrimPrefix(r.URL.Path, h.Names.nodeInfoPath())
	if version != "2.1" && version != "2.0" {
		h.fail(w, r, ErrNotFound)
		return
	}
	var info NodeInfo
	if h.NodeInfo != nil {
		var err error
		if info, err = h.NodeInfo(r.Context()); err != nil {
			h.fail(w, r, err)
			return
		}
	}
	if h.Names.originOf(r) != h.Names.Origin {
		info.Users, info.ActiveMonth, info.ActiveHalfyear, info.Posts, info.Comments = 0, 0, 0, 0, 0
	}
	body, err := encode(info.wire(version))
	if err != nil {
		h.fail(w, r, err)
		return
	}
	serve(w, r, `application/json; profile="`+nodeInfoSchema+version+`#"`, freshSite, newEncoded(body, time.Time{}))
}

type nodeInfoWire struct {
	Version  string `json:"version"`
	Software struct {
		Name       string `json:"name"`
		Version    string `json:"version"`
		Repository string `json:"repository,omitempty"`
		Homepage   string `json:"homepage,omitempty"`
	} `json:"software"`
	Protocols []string `json:"protocols"`
	Services  struct {
		Inbound  []string `json:"inbound"`
		Outbound []string `json:"outbound"`
	} `json:"services"`
	OpenRegistrations bool `json:"openRegistrations"`
	Usage             struct {
		Users struct {
			Total          int64 `json:"total,omitempty"`
			ActiveMonth    int64 `json:"activeMonth,omitempty"`
			ActiveHalfyear int64 `json:"activeHalfyear,omitempty"`
		} `json:"users"`
		LocalPosts    int64 `json:"localPosts,omitempty"`
		LocalComments int64 `json:"localComments,omitempty"`
	} `json:"usage"`
	Metadata map[string]any `json:"metadata"`
}

var notSoftware = regexp.MustCompile(`[^a-z0-9-]+`)

func (n NodeInfo) wire(version string) nodeInfoWire {
	var out nodeInfoWire
	out.Version = version
	if out.Software.Name = notSoftware.ReplaceAllString(strings.ToLower(n.Software), "-"); out.Software.Name == "" {
		out.Software.Name = "fedihook"
	}
	if out.Software.Version = n.Version; n.Version == "" {
		out.Software.Version = "0"
	}
	if version != "2.0" { // whose schema allows nothing that it doesn't name
		out.Software.Repository, out.Software.Homepage = n.Repository, n.Homepage
	}
	out.Protocols = []string{"activitypub"}
	out.Services.Inbound, out.Services.Outbound = []string{}, []string{}
	out.OpenRegistrations = n.OpenRegistrations
	out.Usage.Users.Total = max(0, n.Users)
	out.Usage.Users.ActiveMonth = max(0, n.ActiveMonth)
	out.Usage.Users.ActiveHalfyear = max(0, n.ActiveHalfyear)
	out.Usage.LocalPosts = max(0, n.Posts)
	out.Usage.LocalComments = max(0, n.Comments)
	out.Metadata = map[string]any{}
	for name, text := range map[string]string{
		"nodeName": n.Name, "nodeDescription": n.Description,
		"privacyPolicyUrl": n.PrivacyPolicy, "tosUrl": n.Terms, "publicFeedUrl": n.PublicFeed,
	} {
		if text != "" {
			out.Metadata[name] = text
		}
	}
	if n.MinimumAge > 0 {
		out.Metadata["minimumAge"] = n.MinimumAge
	}
	maps.Copy(out.Metadata, n.Metadata)
	return out
}
