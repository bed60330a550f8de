package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/signature"
)

// lookup finds an actor as a peer does.
func (t *tool) lookup(ctx context.Context, query string) (int, error) {
	r, err := t.resolver()
	if err != nil {
		return 0, err
	}
	a, err := r.Lookup(ctx, query)
	if err != nil {
		return 0, err
	}
	handle, err := r.HandleOf(ctx, a.ID)
	if err != nil {
		return 0, err
	}
	document, err := activity.Encode(a)
	if err != nil {
		return 0, err
	}
	drawn := tree{text: "@" + handle}
	drawn.leaf("id", a.ID)
	drawn.leaf("type", strings.Join(a.Type, ", "))
	drawn.leaf("name", a.Name)
	for _, u := range a.URL {
		drawn.leaf("url", u.ID)
	}
	drawn.leaf("inbox", a.Inbox.ID)
	drawn.leaf("shared inbox", a.SharedInbox())
	drawn.leaf("outbox", a.Outbox.ID)
	drawn.leaf("followers", a.Followers.ID)
	drawn.leaf("following", a.Following.ID)
	drawn.leaf("moved to", a.MovedTo.ID)
	if a.ManuallyApprovesFollowers {
		drawn.leaf("follows", "are approved by hand")
	}
	keys := tree{text: "keys"}
	for _, k := range a.Keys() {
		keys.leaf(k.ID, kindOfKey(k.PEM))
	}
	drawn.branch(keys)
	return fine, t.show(struct {
		Query    string          `json:"query"`
		Handle   string          `json:"handle"`
		ID       string          `json:"id"`
		Document json.RawMessage `json:"document"`
	}{query, handle, a.ID, document}, drawn)
}

func kindOfKey(pem string) string {
	public, err := signature.ParsePublicKey(pem)
	if err != nil {
		return "unusable"
	}
	switch k := public.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA, %d bits", k.N.BitLen())
	case ed25519.PublicKey:
		return "Ed25519"
	case *ecdsa.PublicKey:
		return "ECDSA on P-256"
	}
	return "unknown"
}

// webFinger asks and checks nothing.
func (t *tool) webFinger(ctx context.Context, acct string) (int, error) {
	r, err := t.resolver()
	if err != nil {
		return 0, err
	}
	j, err := r.WebFinger(ctx, acct)
	if err != nil {
		return 0, err
	}
	drawn := tree{text: j.Subject}
	for _, alias := range j.Aliases {
		drawn.leaf("alias", alias)
	}
	for _, l := range j.Links {
		link := tree{text: l.Rel}
		link.leaf("type", l.Type)
		link.leaf("href", l.Href)
		link.leaf("template", l.Template)
		drawn.branch(link)
	}
	return fine, t.show(j, drawn)
}

// nodeInfo asks a host, which may be named by a handle or a URL on it.
func (t *tool) nodeInfo(ctx context.Context, where string) (int, error) {
	r, err := t.resolver()
	if err != nil {
		return 0, err
	}
	host := where
	if u, err := url.Parse(where); err == nil && u.Host != "" {
		host = u.Host
	} else if at := strings.LastIndex(where, "@"); at >= 0 {
		host = where[at+1:]
	}
	info, err := r.HostInfo(ctx, host)
	if err != nil {
		return 0, err
	}
	var document map[string]any
	if err := json.Unmarshal(info.Document, &document); err != nil {
		return 0, fmt.Errorf("%s: %w", info.URL, err)
	}
	drawn := values(host, document)
	drawn.under = append([]tree{{text: "read from: " + info.URL}}, drawn.under...)
	drawn.leaf("actor of the server", info.Application)
	return fine, t.show(info, drawn)
}
