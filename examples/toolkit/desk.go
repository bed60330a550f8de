package main

import (
	"net/http"
)

// addDesk adds where authors write, and approve what readers say.
func (s *site) addDesk() {
	s.mux.HandleFunc("POST /signin", s.signIn)
	s.mux.HandleFunc("POST /signout", s.signOut)
	s.mux.HandleFunc("GET /desk", s.atDesk(s.desk))
	s.mux.HandleFunc("GET /desk/posts/{slug}", s.atDesk(s.edit))
	s.mux.HandleFunc("POST /desk/posts", s.atDesk(s.change))
}

// atDesk lets only those in who are signed in.
func (s *site) atDesk(h func(http.ResponseWriter, *http.Request, *user)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		u := s.signedIn(r)
		if u == nil {
			s.render(w, r, http.StatusUnauthorized, "signin", view{Title: "Sign in"})
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, 2*maxSource)
		h(w, r, u)
	}
}

func (s *site) desk(w http.ResponseWriter, r *http.Request, u *user) {
	list, err := posts(r.Context(), s.db, `author = $1 ORDER BY edited DESC, slug LIMIT 200`, u.Name)
	v := view{Title: "Desk", Posts: list, Author: u}
	if err == nil {
		v.Waiting, err = s.comments(r.Context(), `approved = 0 AND post IN (SELECT slug FROM posts WHERE author = $1) ORDER BY at, id`, u.Name)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.render(w, r, http.StatusOK, "desk", v)
}

func (s *site) edit(w http.ResponseWriter, r *http.Request, u *user) {
	p := &post{Source: "---\ntitle: \nauthor: " + u.Name + "\ntags: []\ndraft: true\n---\n\n"}
	if slug := r.PathValue("slug"); slug != "new" {
		var err error
		if p, err = s.post(r.Context(), slug); err != nil {
			s.fail(w, r, err)
			return
		}
		if p.Author != u.Name {
			http.NotFound(w, r)
			return
		}
	}
	s.render(w, r, http.StatusOK, "edit", view{Title: "Write", Post: p})
}

// change saves or deletes a post of the one who is signed in.
func (s *site) change(w http.ResponseWriter, r *http.Request, u *user) {
	slug, source := r.FormValue("slug"), r.FormValue("source")
	var err error
	if r.FormValue("do") == "delete" {
		var p *post
		if p, err = s.post(r.Context(), slug); err == nil {
			if p.Author != u.Name {
				http.NotFound(w, r)
				return
			}
			err = s.remove(r.Context(), slug)
		}
		if err != nil {
			s.fail(w, r, err)
			return
		}
	} else {
		p, err := parse(slug, source)
		if err == nil && p.Author != u.Name {
			http.NotFound(w, r)
			return
		}
		if err == nil {
			err = s.save(r.Context(), slug, source)
		}
		if err != nil {
			s.render(w, r, http.StatusUnprocessableEntity, "edit", view{Title: "Write", Post: &post{Slug: slug, Source: source}, Error: err.Error()})
			return
		}
	}
	http.Redirect(w, r, "/desk", http.StatusSeeOther)
}
