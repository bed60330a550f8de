package fedihook

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/fedihook/fedihook/actor"
)

// Interact returns the page of a visitor's own server where they can follow an actor, or answer, like or share a post, of
// this id: visitor is their handle, user@host, as they typed it. An app sends them there from a form; it should do so only
// after a POST of its own page, since what host is asked, and where that leads, is up to the visitor. The page is on https.
//
// The error wraps [actor.ErrNotFound] if there is nobody of that handle, or the server has no such page.
func (s *Server) Interact(ctx context.Context, visitor, id string) (page string, err error) {
	fail := func(err error) (string, error) {
		return "", fmt.Errorf("fedihook: where %q can interact: %w", visitor, err)
	}
	jrd, err := s.resolver.WebFinger(ctx, visitor)
	if err != nil {
		return fail(err)
	}
	template := jrd.Subscribe()
	if template == "" {
		return fail(fmt.Errorf("their server names no page for it: %w", actor.ErrNotFound))
	}
	page = strings.ReplaceAll(template, "{uri}", url.QueryEscape(id))
	u, err := url.Parse(page)
	if err != nil {
		return fail(fmt.Errorf("%w: %w", actor.ErrNotFound, err))
	}
	_, trial := s.config.InsecureAllowLoopback[u.Host]
	if !trial {
		_, trial = s.config.InsecureAllowLoopback[u.Hostname()]
	}
	if u.Host == "" || u.User != nil || u.Scheme != "https" && !(trial && u.Scheme == "http") {
		return fail(fmt.Errorf("their server leads to %q, which is no page: %w", page, actor.ErrNotFound))
	}
	return page, nil
}
