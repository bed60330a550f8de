package main

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"
)

//go:embed templates/*.html templates/style.css
var files embed.FS

//go:embed posts/*.md authors.yaml
var samples embed.FS

// site is a blog.
type site struct {
	options
	db    *sql.DB
	keep  *sql.DB // of sessions: who loses it only signs everybody out
	mux   *http.ServeMux
	page  *template.Template
	parts []part
}

// part is something that a site does besides showing posts. Its fields may be nil.
type part struct {
	wrap  func(http.Handler) http.Handler                                                 // around all pages
	box   func(context.Context) (box, error)                                              // beside each page
	about func(context.Context, *user) (box, error)                                       // beside an author's page
	saved func(ctx context.Context, tx *sql.Tx, author string, before, after *post) error // in the transaction of each change; nil: there is none
	run   func(context.Context) error                                                     // until its context ends
}

// box stands beside each page.
type box struct {
	Title string
	Links []link
	HTML  template.HTML
}

type link struct{ Text, URL string }

func newSite(ctx context.Context, o options) (_ *site, err error) {
	s := &site{options: o, mux: http.NewServeMux()}
	if s.page, err = template.New("").Funcs(template.FuncMap{
		"day": func(t time.Time) string { return t.Format("2 January 2006") },
		"iso": func(t time.Time) string { return t.Format(time.RFC3339) },
	}).ParseFS(files, "templates/*.html"); err != nil {
		return nil, err
	}
	s.db = openDB(o.db)
	s.keep = s.beside("sessions")
	for tables, db := range map[string]*sql.DB{postsTables: s.db, usersTables: s.db, sessionsTables: s.keep} {
		if _, err := db.ExecContext(ctx, tables); err != nil {
			return nil, fmt.Errorf("create tables: %w", err)
		}
	}
	s.mux.HandleFunc("GET /{$}", s.home)
	s.mux.HandleFunc("GET /posts/{slug}", s.showPost)
	s.mux.HandleFunc("GET /authors/{name}", s.showAuthor)
	s.mux.HandleFunc("GET /style.css", func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, files, "templates/style.css") })
	s.addDesk()
	for _, open := range parts {
		p, err := open(ctx, s)
		if err != nil {
			return nil, err
		}
		s.parts = append(s.parts, p)
	}
	if err := s.readUsers(ctx); err != nil {
		return nil, err
	}
	return s, s.readPosts(ctx)
}

// openDB opens a database: a postgres:// address, or else a file of SQLite. It is closed with the process.
func openDB(name string) *sql.DB {
	driver := "pgx"
	if !strings.HasPrefix(name, "postgres://") {
		driver, name = "sqlite", "file:"+name+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(10000)&_txlock=immediate"
	}
	db, err := sql.Open(driver, name)
	if err != nil {
		panic(err) // there is no such driver: see the imports
	}
	return db
}

// beside is a database for a part of the site that keeps its own: a file beside the blog's, or the same PostgreSQL.
func (s *site) beside(name string) *sql.DB {
	if strings.HasPrefix(s.options.db, "postgres://") {
		return openDB(s.options.db)
	}
	return openDB(filepath.Join(s.data, name+".db"))
}

// handler serves the site. A form of another site's page changes nothing here: browsers say where it comes from.
func (s *site) handler() http.Handler {
	h := http.NewCrossOriginProtection().Handler(s.mux)
	for _, p := range s.parts {
		if p.wrap != nil {
			h = p.wrap(h)
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action *; base-uri 'none'; frame-ancestors 'none'")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "same-origin")
		h.ServeHTTP(w, r)
	})
}

// view is what templates/page.html shows.
type view struct {
	Site  string
	Title string
	User  *user // who is signed in
	Boxes []box
	Posts []*post
	Post  *post
	Error string

	Comments []comment
	Waiting  []comment
	Counts   []count
	Author   *user
}

// render answers with a page.
func (s *site) render(w http.ResponseWriter, r *http.Request, status int, name string, v view) {
	v.Site, v.User = "A small blog", s.signedIn(r)
	boxes, err := s.boxes(r.Context(), v.Author)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	v.Boxes = boxes
	var page strings.Builder
	if err := s.page.ExecuteTemplate(&page, name, v); err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if v.User != nil {
		w.Header().Set("Cache-Control", "private, no-store")
	}
	w.WriteHeader(status)
	_, _ = w.Write([]byte(page.String())) // who has gone away misses nothing
}

// boxes are what stands beside a page, which may be an author's.
func (s *site) boxes(ctx context.Context, author *user) (list []box, err error) {
	add := func(b box, e error) {
		if err = errors.Join(err, e); len(b.Links) > 0 || b.HTML != "" {
			list = append(list, b)
		}
	}
	for _, p := range s.parts {
		if p.about != nil && author != nil {
			add(p.about(ctx, author))
		}
		if p.box != nil {
			add(p.box(ctx))
		}
	}
	return list, err
}

// fail answers what an error deserves.
func (s *site) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, sql.ErrNoRows) {
		http.NotFound(w, r)
		return
	}
	slog.Error("blog: request failed", "path", r.URL.Path, "err", err)
	http.Error(w, "something went wrong here", http.StatusInternalServerError)
}

// tx runs f in a transaction.
func (s *site) tx(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after Commit it does nothing
	if err := f(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// readPosts takes in posts/*.md of the data folder that are new or have changed.
func (s *site) readPosts(ctx context.Context) error {
	names, err := filepath.Glob(filepath.Join(s.data, "posts", "*.md"))
	if err != nil {
		return err
	}
	for _, name := range names {
		text, err := readFile(name)
		if err != nil {
			return err
		}
		slug := strings.TrimSuffix(filepath.Base(name), ".md")
		old, err := s.post(ctx, slug)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		gone, err := isGone(ctx, s.db, slug)
		if err != nil {
			return err
		}
		if gone || old != nil && old.Source == text {
			continue
		}
		if err := s.save(ctx, slug, text); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// readFile reads a post.
func readFile(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSource+1))
	return string(text), err
}
