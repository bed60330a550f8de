package fedihook

import (
	"errors"
	"net/http"
	"strings"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
)

// Wrap answers what other servers ask and send: everything under the prefix, the well-known paths, and requests for any
// other URL that ask for ActivityPub and mean an actor or an object of this site. All else goes to next.
func (s *Server) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := s.mux.Handler(r); pattern != "" {
			s.mux.ServeHTTP(w, r)
			return
		}
		// ActivityPub §3.2: the same URL, asked for in another way.
		if (r.Method == http.MethodGet || r.Method == http.MethodHead) && actor.Accepts(r) && s.serveShared(w, r) {
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Handler is Wrap for an app that has no pages.
func (s *Server) Handler() http.Handler { return s.Wrap(http.NotFoundHandler()) }

func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	s.handler.Register(mux)
	prefix := strings.TrimSuffix(strings.TrimPrefix(s.names.Instance(), s.names.Origin), "/actor")
	mux.Handle(prefix+"/inbox", s.inbox)
	mux.HandleFunc(prefix+"/users/{handle}/inbox", s.servePersonalInbox)
	mux.Handle(prefix+"/actor/inbox", s.inbox.Personal(s.names.Instance()))
	mux.HandleFunc("GET "+prefix+"/objects/{key}", s.serveObject)
	mux.HandleFunc("GET "+prefix+"/activities/{key}", s.serveActivity)
	return mux
}

func (s *Server) servePersonalInbox(w http.ResponseWriter, r *http.Request) {
	p, err := s.profile(r.Context(), r.PathValue("handle"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.inbox.Personal(p.ID).ServeHTTP(w, r)
}

// serveShared serves the actor or the object whose id is this URL, and reports false if there is none.
func (s *Server) serveShared(w http.ResponseWriter, r *http.Request) bool {
	id := s.names.Of(r)
	p, ok, err := s.handler.Local(r.Context(), id)
	if ok && (err == nil || errors.Is(err, actor.ErrGone)) && p.ID == id {
		// Caches between us and browsers do not all heed Vary.
		w.Header().Set("Cache-Control", "private, no-store")
		s.handler.ServeActor(w, r)
		return true
	}
	doc, err := s.showTo(r, func(asker string) (activity.Document, error) { return s.object(r.Context(), id, asker) })
	if errors.Is(err, actor.ErrNotFound) {
		kind, _, _, err := s.handler.Whose(r.Context(), id)
		if err != nil || kind != actor.KindKey {
			return false
		}
		s.handler.ServeActor(w, r) // the whole actor, who had this key before it was here
		return true
	}
	s.answer(w, r, doc, err)
	return true
}

func (s *Server) serveObject(w http.ResponseWriter, r *http.Request) {
	id := s.names.Of(r)
	doc, err := s.showTo(r, func(asker string) (activity.Document, error) { return s.object(r.Context(), id, asker) })
	if o, ok := doc.(*activity.Object); ok && !actor.Accepts(r) && len(o.URL) > 0 && o.URL.First() != id && !o.Is("Tombstone") {
		w.Header().Set("Vary", "Accept")
		w.Header().Set("Cache-Control", "no-store")
		http.Redirect(w, r, o.URL.First(), http.StatusSeeOther)
		return
	}
	s.answer(w, r, doc, err)
}

func (s *Server) serveActivity(w http.ResponseWriter, r *http.Request) {
	id := s.names.Of(r)
	doc, err := s.showTo(r, func(asker string) (activity.Document, error) { return s.activity(r.Context(), id, asker) })
	s.answer(w, r, doc, err)
}

// showTo asks as a stranger, and as whoever signed the request only if there is something that strangers may not see:
// verifying may mean to fetch a key, and the other server may be asking us for the same reason. GoToSocial (seen 2026-11)
// looks at a domain that fetches from it with signed requests for pages that are nothing here; who verified those would
// fetch its key, be looked at again, and so on.
func (s *Server) showTo(r *http.Request, get func(asker string) (activity.Document, error)) (activity.Document, error) {
	doc, err := get("")
	if !errors.Is(err, errHidden) || r.Header.Get("Signature") == "" {
		return doc, err
	}
	verified, err := s.config.Verifier.Verify(r, nil)
	if err != nil {
		return nil, err
	}
	return get(verified.Owner)
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request, doc activity.Document, err error) {
	w.Header().Set("Vary", "Accept, Signature")
	w.Header().Set("Cache-Control", "private, no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if err != nil {
		s.fail(w, r, err)
		return
	}
	body, err := activity.Encode(doc)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", activity.ContentType)
	if doc.Is("Tombstone") {
		w.WriteHeader(http.StatusGone) // ActivityPub §6.4
	}
	_, _ = w.Write(body) // who asked may have left
}

// fail answers with the status that belongs to err, and says no more than that.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusServiceUnavailable
	var refused *signatureError
	switch {
	case errors.Is(err, actor.ErrNotFound):
		status = http.StatusNotFound
	case errors.Is(err, actor.ErrGone):
		status = http.StatusGone
	case errors.As(err, &refused):
		status = refused.Status
	default:
		s.config.Logger.WarnContext(r.Context(), "fedihook: can't answer", "path", r.URL.Path, "error", err)
		w.Header().Set("Retry-After", "60")
	}
	w.Header().Set("Cache-Control", "private, no-store")
	http.Error(w, http.StatusText(status), status)
}
