package actor

import "maps"

// Terms are what Threads (guidelines of 2024-03) asks a server to publish, else it may block it: a privacy
// policy, a policy that keeps out those under 13, and a feed that can be read without an account. They
// go into [NodeInfo].Metadata, where a [Checker] looks for them. Zero fields are left out.
type Terms struct {
	PrivacyPolicy string // URL of the page; in the metadata privacyPolicyUrl, as Misskey has it
	MinimumAge    int    // in years, of whoever signs up; minimumAge
	PublicFeed    string // URL of a page or a document; publicFeedUrl
}

// Metadata returns a copy of metadata, which may be nil, with the terms in it.
func (t Terms) Metadata(metadata map[string]any) map[string]any {
	out := maps.Clone(metadata)
	if out == nil {
		out = make(map[string]any)
	}
	if t.PrivacyPolicy != "" {
		out["privacyPolicyUrl"] = t.PrivacyPolicy
	}
	if t.MinimumAge > 0 {
		out["minimumAge"] = t.MinimumAge
	}
	if t.PublicFeed != "" {
		out["publicFeedUrl"] = t.PublicFeed
	}
	return out
}

// readTerms finds the terms in a stranger's metadata.
func readTerms(metadata any) (t Terms) {
	m, _ := metadata.(map[string]any)
	t.PrivacyPolicy, _ = m["privacyPolicyUrl"].(string)
	t.PublicFeed, _ = m["publicFeedUrl"].(string)
	if age, ok := m["minimumAge"].(float64); ok && age > 0 && age < 200 {
		t.MinimumAge = int(age)
	}
	return t
}
