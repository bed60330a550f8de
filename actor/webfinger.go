package actor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/fedihook/fedihook/activity"
)

const webFingerPath = "/.well-known/webfinger"

// ServeWebFinger answers who acct:user@host is, with or without the scheme, and whose an id or a profile's
// URL is. The site itself, as its bare URL and as acct:host@host, is the instance actor (FEP-d556); so is each of its further
// hosts, for which that one signs too. Each host answers for all of them. The
// subject is always the one true handle. User names are found without regard for case, as by Mastodon:
// the app is asked for the name as it was written and then in lower case.
//
// A resource that is missing, comes twice or can't be read is 400, one that is nobody's 404, one whose actor
// is gone 410. RFC 7033 §4.
func (h *Handler) ServeWebFinger(w http.ResponseWriter, r *http.Request) {
	open(w)
	if !readOnly(w, r) {
		return
	}
	resource, rels, err := fingerQuery(r.URL.RawQuery)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	p, err := h.resource(r.Context(), resource)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	e, err := h.fingerBody(p, rels)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	serve(w, r, jrdType, freshFinger, e)
}

// fingerQuery reads the query of a WebFinger request. RFC 7033 §4.1.
func fingerQuery(raw string) (resource string, rels []string, err error) {
	if len(raw) > 2*maxID {
		return "", nil, &requestError{"the query is too long"}
	}
	query, err := url.ParseQuery(raw)
	if err != nil || len(query["resource"]) != 1 || query.Get("resource") == "" {
		return "", nil, &requestError{"there must be one resource"}
	}
	if resource = query.Get("resource"); len(resource) > maxID {
		return "", nil, &requestError{"resource is too long"}
	}
	return resource, query["rel"], nil
}

// resource finds whom a WebFinger resource names. The error wraps ErrNotFound if nobody here, and is a
// requestError if it names nobody anywhere.
func (h *Handler) resource(ctx context.Context, resource string) (Profile, error) {
	if scheme, rest, ok := strings.Cut(resource, ":"); ok && !strings.Contains(scheme, "@") && !strings.EqualFold(scheme, "acct") {
		switch {
		case !strings.EqualFold(scheme, "https") && !strings.EqualFold(scheme, "http"):
			return Profile{}, nobody(resource) // of another kind
		case scheme != strings.ToLower(scheme):
			resource = strings.ToLower(scheme) + ":" + rest
		}
		if _, err := parseID(resource); err != nil {
			return Profile{}, &requestError{"resource is no URL"}
		}
		return h.resourceURL(ctx, resource)
	}
	if len(resource) > 5 && strings.EqualFold(resource[:5], "acct:") {
		resource = resource[5:]
	}
	a, err := parseAccount(resource)
	if err != nil {
		return Profile{}, &requestError{"resource is neither a URL nor of the form acct:user@host"}
	}
	handle, ok := h.Names.handleOf(a)
	switch {
	case !ok:
		return Profile{}, nobody(resource)
	case strings.EqualFold(a.user, h.Names.Host()), strings.EqualFold(a.user, a.host):
		return h.instance(), nil
	}
	return h.ask(ctx, handle)
}

// resourceURL finds whom a URL on this site names: the site, an actor's id, or a profile's page, if the app
// knows it.
func (h *Handler) resourceURL(ctx context.Context, address string) (Profile, error) {
	bare := strings.TrimSuffix(address, "/")
	origin, _, ok := h.Names.locate(address)
	switch {
	case ok && bare == origin, h.Names.Domain != "" && bare == "https://"+h.Names.Domain:
		return h.instance(), nil
	case !ok:
		return Profile{}, nobody(address)
	}
	p, err := h.findID(ctx, address)
	if !errors.Is(err, ErrNotFound) {
		return p, err
	}
	// Most pages end in the handle, with or without an @.
	u, parseErr := parseID(bare)
	if parseErr != nil {
		return Profile{}, err
	}
	name := strings.TrimPrefix(path.Base(u.Path), "@")
	if !usableKey(name) || name == "/" {
		return Profile{}, err
	}
	page, pageErr := h.ask(ctx, h.Names.Beside(origin, name))
	switch {
	case pageErr != nil && !errors.Is(pageErr, ErrNotFound):
		return Profile{}, pageErr
	case pageErr != nil || strings.TrimSuffix(page.URL, "/") != bare:
		return Profile{}, err
	}
	return page, nil
}

func nobody(resource string) error { return fmt.Errorf("actor: %q: %w", resource, ErrNotFound) }

func (h *Handler) jrd(p Profile) JRD {
	j := JRD{Subject: "acct:" + p.address(h.Names)}
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
	for _, intent := range slices.Sorted(maps.Keys(h.Intents)) {
		j.Links = append(j.Links, JRDLink{Rel: relIntent + intent, Template: h.Intents[intent]})
	}
	return j
}
