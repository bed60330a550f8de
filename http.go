package fedihook

import (
	"errors"
	"net/http"
	"strings"

	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/signature"
)

// Wrap answers what other servers ask and send: everything under the prefix, the well-known paths, and requests for any
// other URL that ask for ActivityPub and mean an actor, an object or a collection of this site. All else goes to next.
//
// A page and a document may so have one URL. The document is then never to be cached (private, no-store), and next's pages
// get Vary: Accept if they don't say it themselves. Most CDNs heed neither Vary nor that there are two answers, and would
// show servers a page that they hold: tell them to pass requests whose Accept names application/activity+json or
// application/ld+json, or give objects ids under the prefix, as those have that the library mints, with the page's
// address in URL; [actor.SetAlternate] then leads from the page to the document.
func (s *Server) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, asCame *http.Request) {
		r := s.mounted(asCame)
		read := r.Method == http.MethodGet || r.Method == http.MethodHead
		if _, pattern := s.mux.Handler(r); pattern != "" && (s.apart(pattern) || read && actor.Accepts(r)) {
			s.mux.ServeHTTP(w, r)
			return
		}
		if !read {
			next.ServeHTTP(w, asCame)
			return
		}
		// ActivityPub §3.2: the same URL, asked for in another way.
		if actor.Accepts(r) && s.serveShared(w, r) {
			return
		}
		v, w := withVary(w)
		next.ServeHTTP(w, asCame)
		v.say()
	})
}

// Handler is Wrap for an app that has no pages.
func (s *Server) Handler() http.Handler { return s.Wrap(http.NotFoundHandler()) }

func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	s.handler.Register(mux)
	prefix := s.prefix()
	mux.Handle(prefix+"/inbox", s.inbox)
	mux.HandleFunc(prefix+"/users/{handle}/inbox", s.servePersonalInbox)
	mux.Handle(prefix+"/actor/inbox", s.inbox) // nobody reads there: what relays send it is for whom it concerns
	mux.HandleFunc("GET "+prefix+"/users/{handle}/followers"+synchronisationSuffix, s.serveSynchronisation)
	mux.HandleFunc("POST "+prefix+"/echo", s.serveEcho)
	mux.HandleFunc("GET "+prefix+"/media/", s.servePictures)
	mux.Handle("POST "+prefix+"/interact", http.NewCrossOriginProtection().Handler(http.HandlerFunc(s.serveInteract)))
	return mux
}

func (s *Server) prefix() string {
	return strings.TrimSuffix(strings.TrimPrefix(s.names.Instance(), s.names.Origin), "/actor")
}

// apart tells whether a pattern matches no URL that the app has a page under: all but the app's own collections.
func (s *Server) apart(pattern string) bool {
	path := strings.TrimPrefix(pattern, "GET ")
	return s.config.Collections.Own[path] == nil || strings.HasPrefix(path, s.prefix()+"/")
}

func (s *Server) servePersonalInbox(w http.ResponseWriter, r *http.Request) {
	p, err := s.profileAt(r, actor.KindInbox, "")
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
	if ok && (err == nil && p.ID == id || errors.Is(err, actor.ErrGone)) {
		s.handler.ServeActor(w, r)
		return true
	}
	v, err := s.handler.Show(r, s.show(id))
	if errors.Is(err, actor.ErrNotFound) {
		kind, _, _, err := s.handler.Whose(r.Context(), id)
		if err != nil || kind != actor.KindKey {
			return false
		}
		s.handler.ServeActor(w, r) // the whole actor, who had this key before it was here
		return true
	}
	s.handler.Answer(w, r, v, err)
	return true
}

// asker finds out who signed a request, and whether that one may read here.
func (s *Server) asker(r *http.Request) (string, error) {
	if keyID, err := signature.KeyID(r); err == nil { // nothing is fetched to learn who is refused
		if err := s.allowSigner(r.Context(), keyID); err != nil {
			return "", signerError(keyID, err)
		}
	}
	v, err := s.config.Verifier.Verify(r, nil)
	if err != nil {
		return "", err
	}
	verdict, err := s.config.Policy.Judge(r.Context(), moderation.Question{Purpose: moderation.Serve, Actor: v.Owner})
	if err != nil {
		return "", err
	}
	if verdict.Refuse {
		return "", &signature.Error{Status: http.StatusForbidden, KeyID: v.KeyID, Err: signature.ErrRefused}
	}
	return v.Owner, nil
}

// fail answers with the status that belongs to err, and says no more than that.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	s.handler.Answer(w, r, actor.View{}, err)
}
