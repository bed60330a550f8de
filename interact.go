package fedihook

import (
	"context"
	"errors"
	"fmt"
	"html"
	"html/template"
	"net/http"
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

// maxInteract bounds how many visitors' servers are asked at once where they can interact.
const maxInteract = 16

// FollowForm is a form by which a visitor follows handle from their own server: it asks for their handle, and [Server.Wrap] leads them
// there, by [Server.Interact]. It is HTML without classes, for the app to style; its elements stand in a form.
func (s *Server) FollowForm(ctx context.Context, handle string) (template.HTML, error) {
	p, err := s.profile(ctx, handle)
	if err != nil {
		return "", fmt.Errorf("fedihook: form to follow %s: %w", handle, err)
	}
	return template.HTML(`<form method="post" action="` + s.prefix() + `/interact">` +
		`<input type="hidden" name="id" value="` + html.EscapeString(p.ID) + `">` +
		`<label>To follow @` + html.EscapeString(s.names.Handle(p.Handle)) + ` from your own server, say who you are ` +
		`<input name="visitor" placeholder="you@example.social" autocomplete="off" autocapitalize="none" spellcheck="false" required></label> ` +
		`<button>Follow</button></form>`), nil
}

// serveInteract leads a visitor to their own server.
func (s *Server) serveInteract(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	id, visitor := r.PostFormValue("id"), r.PostFormValue("visitor")
	if !s.names.Ours(id) || visitor == "" {
		http.Error(w, "Say who you are, like you@example.social.", http.StatusBadRequest)
		return
	}
	if !s.visitors.TryAcquire(1) {
		w.Header().Set("Retry-After", "10")
		http.Error(w, "Too many ask at once. Try again in a moment.", http.StatusServiceUnavailable)
		return
	}
	defer s.visitors.Release(1)
	page, err := s.Interact(r.Context(), visitor, id)
	if err != nil {
		// Some type their e-mail address here, or a password: no more of it than whether to try again.
		s.config.Logger.InfoContext(r.Context(), "fedihook: a visitor can't be led to their server", "not_found", errors.Is(err, actor.ErrNotFound))
		s.config.Logger.DebugContext(r.Context(), "fedihook: a visitor can't be led to their server", "error", err)
		http.Error(w, "That server does not say where you can follow somebody. Search there for the address of this page.", http.StatusNotFound)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, page, http.StatusSeeOther)
}
