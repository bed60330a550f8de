package actor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/fedihook/fedihook/activity"
)

const webFingerPath = "/.well-known/webfinger"

// ServeWebFinger answers who acct:user@host is, and whose an id or a profile's URL is. The site itself,
// as its bare URL and as acct:host@host, is the instance actor (FEP-d556). RFC 7033 §4.
func (h *Handler) ServeWebFinger(w http.ResponseWriter, r *http.Request) {
	open(w)
	if !readOnly(w, r) {
		return
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || len(query["resource"]) != 1 || query.Get("resource") == "" {
		h.fail(w, r, &requestError{"there must be one resource"})
		return
	}
	resource := query.Get("resource")
	if len(resource) > maxID {
		h.fail(w, r, &requestError{"resource is too long"})
		return
	}
	p, err := h.resource(r.Context(), resource)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	if err := p.check(h.Names); p.ID != h.Names.Instance() && err != nil {
		h.fail(w, r, err)
		return
	}
	j := h.jrd(p)
	if rels := query["rel"]; len(rels) > 0 { // RFC 7033 §4.3
		j.Links = slices.DeleteFunc(j.Links, func(l JRDLink) bool { return !slices.Contains(rels, l.Rel) })
	}
	body, err := encode(j)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	serve(w, r, jrdType, 5*time.Minute, body)
}

// resource finds whom a WebFinger resource names. The error wraps ErrNotFound if nobody here.
func (h *Handler) resource(ctx context.Context, resource string) (Profile, error) {
	nobody := fmt.Errorf("actor: %q: %w", resource, ErrNotFound)
	if strings.HasPrefix(resource, "https://") || strings.HasPrefix(resource, "http://") {
		switch {
		case !h.Names.Ours(resource):
			return Profile{}, nobody
		case strings.TrimSuffix(resource, "/") == h.Names.Origin:
			return h.instance(), nil
		}
		return h.findID(ctx, resource)
	}
	a, err := parseAccount(resource)
	switch {
	case err != nil, a.host != h.Names.Authority():
		return Profile{}, nobody
	case strings.EqualFold(a.user, h.Names.Host()):
		return h.instance(), nil
	}
	return h.ask(ctx, a.user)
}

func (h *Handler) jrd(p Profile) JRD {
	j := JRD{Subject: "acct:" + p.Handle + "@" + h.Names.Authority()}
	if p.URL != "" {
		j.Aliases = append(j.Aliases, p.URL)
		j.Links = append(j.Links, JRDLink{Rel: relProfile, Type: "text/html", Href: p.URL})
	}
	j.Aliases = append(j.Aliases, p.ID)
	j.Links = append(j.Links, JRDLink{Rel: relSelf, Type: activity.ContentType, Href: p.ID})
	if p.ID == h.Names.Instance() {
		j.Aliases = append(j.Aliases, h.Names.Origin+"/")
		j.Links = append(j.Links, JRDLink{Rel: relService, Type: activity.ContentType, Href: p.ID})
		return j
	}
	if p.Icon != "" {
		j.Links = append(j.Links, JRDLink{Rel: relAvatar, Href: p.Icon})
	}
	if h.Subscribe != "" {
		j.Links = append(j.Links, JRDLink{Rel: relSubscribe, Template: h.Subscribe})
	}
	return j
}

// account is a handle taken apart. Host is written as authorities are compared.
type account struct{ user, host string }

func (a account) String() string { return a.user + "@" + a.host }

// same compares as WebFinger does: without regard for case.
func (a account) same(b account) bool { return strings.EqualFold(a.user, b.user) && a.host == b.host }

var errAccount = errors.New("not of the form user@host")

// parseAccount reads user@host with or without "acct:" or "@" in front.
func parseAccount(text string) (account, error) {
	text = strings.TrimPrefix(strings.TrimPrefix(text, "acct:"), "@")
	user, host, ok := strings.Cut(text, "@")
	if !ok || !usableKey(user) || len(user) > maxID || host == "" || strings.ContainsAny(user, "/?#&%\\ ") {
		return account{}, errAccount
	}
	u, err := parseID("https://" + host)
	if err != nil || u.Host != host || u.Path != "" || strings.HasSuffix(host, ":") {
		return account{}, errAccount
	}
	return account{user, authority(u)}, nil
}
