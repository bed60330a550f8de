package main

import (
	"context"
	"fmt"
	"html"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/media"
)

// person is how somebody elsewhere is shown beside what they say: with the handle that WebFinger proves, not with what they call
// themselves, and with a picture that this site fetches, so that no other server learns who reads. What can't be had is left out.
func (w *wiring) person(ctx context.Context, id string) (p inbox.Person) {
	if a, err := w.resolver.Actor(ctx, id); err == nil {
		p.Avatar = w.pictures.URL(icon(a), media.Avatar)
	}
	p.Handle, _ = w.resolver.HandleOf(ctx, id)
	return p
}

// icon is the address of an actor's picture, "" if it has none.
func icon(a *activity.Actor) string {
	if len(a.Icon) == 0 {
		return ""
	}
	doc, err := a.Icon[0].Document()
	if err != nil {
		return a.Icon[0].ID
	}
	switch doc := doc.(type) {
	case *activity.Object:
		return doc.URL.First()
	case *activity.Link:
		return doc.Href
	}
	return ""
}

// followForm asks a visitor where they come from, to follow an author from there.
func (w *wiring) followForm(author string) template.HTML {
	return template.HTML(fmt.Sprintf(`<form method="post" action="/ap/interact"><input type="hidden" name="id" value="%s">`+
		`<label>To follow @%s from your own server, say who you are <input name="visitor" placeholder="you@example.social" `+
		`autocomplete="off" autocapitalize="none" spellcheck="false" required></label> <button>Follow</button></form>`,
		html.EscapeString(w.names.Actor(author)), html.EscapeString(w.names.Handle(author))))
}

// interact leads a visitor to the page of their own server where they can follow. What server is asked is up to the visitor: so only
// a POST of our own page does it, and sixteen at once at most.
func (w *wiring) interact(rw http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(rw, r.Body, 16<<10)
	id, visitor := r.PostFormValue("id"), r.PostFormValue("visitor")
	if !w.names.Ours(id) || visitor == "" {
		http.Error(rw, "Say who you are, like you@example.social.", http.StatusBadRequest)
		return
	}
	select {
	case w.visitors <- struct{}{}:
		defer func() { <-w.visitors }()
	default:
		rw.Header().Set("Retry-After", "10")
		http.Error(rw, "Too many ask at once. Try again in a moment.", http.StatusServiceUnavailable)
		return
	}
	page, err := w.subscribePage(r.Context(), visitor, id)
	if err != nil {
		slog.Info("blog: a visitor can't be led to their server", "err", err)
		http.Error(rw, "That server does not say where you can follow somebody. Search there for the address of this page.", http.StatusNotFound)
		return
	}
	rw.Header().Set("Cache-Control", "no-store")
	http.Redirect(rw, r, page, http.StatusSeeOther)
}

// subscribePage is where a visitor's server lets them follow, as its WebFinger says.
func (w *wiring) subscribePage(ctx context.Context, visitor, id string) (string, error) {
	jrd, err := w.resolver.WebFinger(ctx, visitor)
	if err != nil {
		return "", err
	}
	page := strings.ReplaceAll(jrd.Subscribe(), "{uri}", url.QueryEscape(id))
	u, err := url.Parse(page)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && w.trial[u.Host] == "" {
		return "", fmt.Errorf("%s leads to %q, which is no page: %w", visitor, page, actor.ErrNotFound)
	}
	return page, nil
}
