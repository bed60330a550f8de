package main

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"go.yaml.in/yaml/v3"
)

const postsTables = `
CREATE TABLE IF NOT EXISTS posts (
	slug TEXT PRIMARY KEY, author TEXT NOT NULL, title TEXT NOT NULL, summary TEXT NOT NULL,
	source TEXT NOT NULL, html TEXT NOT NULL, published TEXT NOT NULL, edited TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS posts_published ON posts (published);
CREATE TABLE IF NOT EXISTS gone (slug TEXT PRIMARY KEY)`

const maxSource = 1 << 20 // bytes of a post

var (
	errTooLong = errors.New("a post has at most a megabyte")
	errGone    = errors.New("there was a post of this name, and it is gone for good")
	errPublic  = errors.New("what is published can be edited or deleted, but is no draft any more")
	errSlug    = errors.New("a post's name consists of small letters, digits and hyphens")
	slugs      = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,99}$`)
)

// post is one post. Its source begins with front matter, in YAML between two lines of three hyphens.
type post struct {
	Slug, Author, Title, Summary, Source string

	HTML              template.HTML
	Tags              []string
	Published, Edited time.Time // Published is zero of a draft
}

// Draft says whether only its author may see it.
func (p *post) Draft() bool { return p == nil || p.Published.IsZero() }

// Path is where it is on this site.
func (p *post) Path() string { return "/posts/" + p.Slug }

var markdown = goldmark.New(goldmark.WithExtensions(extension.GFM)) // HTML in the source is left out

// parse reads a post's source.
func parse(slug, source string) (*post, error) {
	if !slugs.MatchString(slug) {
		return nil, errSlug
	}
	if len(source) > maxSource {
		return nil, errTooLong
	}
	source = strings.ReplaceAll(source, "\r\n", "\n")
	head, body, ok := strings.Cut(strings.TrimPrefix(source, "---\n"), "\n---\n")
	if !ok || !strings.HasPrefix(source, "---\n") {
		return nil, errors.New("a post begins with front matter between two lines of ---")
	}
	var front struct {
		Title, Summary, Author string
		Tags                   []string
		Date                   time.Time
		Draft                  bool
	}
	decoder := yaml.NewDecoder(strings.NewReader(head))
	decoder.KnownFields(true)
	if err := decoder.Decode(&front); err != nil {
		return nil, fmt.Errorf("front matter: %w", err)
	}
	if front.Title == "" || front.Author == "" {
		return nil, errors.New("front matter: title and author are needed")
	}
	p := &post{Slug: slug, Author: front.Author, Title: front.Title, Summary: front.Summary, Source: source}
	if !front.Draft {
		if p.Published = front.Date.UTC(); p.Published.IsZero() {
			p.Published = time.Now().UTC().Truncate(time.Second)
		}
	}
	for _, t := range front.Tags {
		if t = strings.ToLower(strings.TrimSpace(t)); t != "" {
			p.Tags = append(p.Tags, t)
		}
	}
	var html bytes.Buffer
	if err := markdown.Convert([]byte(body), &html); err != nil {
		return nil, err
	}
	p.HTML = template.HTML(html.String()) // goldmark escapes what it does not write itself
	return p, nil
}

// save stores a post. Whose it is can't be changed.
func (s *site) save(ctx context.Context, slug, source string) error {
	p, err := parse(slug, source)
	if err != nil {
		return err
	}
	if _, err := s.user(ctx, p.Author); err != nil {
		return fmt.Errorf("author %q: %w", p.Author, err)
	}
	p.Edited = time.Now().UTC().Truncate(time.Second)
	return s.tx(ctx, func(tx *sql.Tx) error {
		old, err := one(ctx, tx, slug)
		switch {
		case errors.Is(err, sql.ErrNoRows):
		case err != nil:
			return err
		case old.Author != p.Author:
			return fmt.Errorf("%s is %s's", slug, old.Author)
		case !old.Draft() && p.Draft():
			return errPublic
		case !old.Draft() && !p.Draft() && !strings.Contains(source, "\ndate:"):
			p.Published = old.Published
		}
		if gone, err := isGone(ctx, tx, slug); err != nil || gone {
			return cmp.Or(err, errGone)
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO posts (slug, author, title, summary, source, html, published, edited)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (slug) DO UPDATE SET title = excluded.title, summary = excluded.summary,
			source = excluded.source, html = excluded.html, published = excluded.published, edited = excluded.edited`,
			p.Slug, p.Author, p.Title, p.Summary, p.Source, string(p.HTML), stamp(p.Published), stamp(p.Edited)); err != nil {
			return err
		}
		return s.tell(ctx, tx, old, p)
	})
}

// remove deletes a post.
func (s *site) remove(ctx context.Context, slug string) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		old, err := one(ctx, tx, slug)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM posts WHERE slug = $1`, slug); err != nil {
			return err
		}
		if !old.Draft() {
			if _, err := tx.ExecContext(ctx, `INSERT INTO gone (slug) VALUES ($1)`, slug); err != nil {
				return err
			}
		}
		return s.tell(ctx, tx, old, nil)
	})
}

// tell has all parts hear of a change.
func (s *site) tell(ctx context.Context, tx *sql.Tx, before, after *post) error {
	author := cmp.Or(after, before).Author
	for _, p := range s.parts {
		if p.saved == nil {
			continue
		}
		if err := p.saved(ctx, tx, author, before, after); err != nil {
			return err
		}
	}
	return nil
}

// isGone says whether there was a post of this name that everyone could read.
func isGone(ctx context.Context, q querier, slug string) (gone bool, err error) {
	rows, err := q.QueryContext(ctx, `SELECT 1 FROM gone WHERE slug = $1`, slug)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	gone = rows.Next()
	return gone, rows.Err()
}

// querier is a *sql.DB or a *sql.Tx.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// posts reads posts, given what stands behind WHERE.
func posts(ctx context.Context, q querier, where string, args ...any) ([]*post, error) {
	rows, err := q.QueryContext(ctx, `SELECT slug, author, title, summary, source, html, published, edited FROM posts WHERE `+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []*post
	for rows.Next() {
		p := new(post)
		var html, published, edited string
		if err := rows.Scan(&p.Slug, &p.Author, &p.Title, &p.Summary, &p.Source, &html, &published, &edited); err != nil {
			return nil, err
		}
		p.HTML, p.Published, p.Edited = template.HTML(html), unstamp(published), unstamp(edited)
		if parsed, err := parse(p.Slug, p.Source); err == nil {
			p.Tags = parsed.Tags
		}
		list = append(list, p)
	}
	return list, rows.Err()
}

func one(ctx context.Context, q querier, slug string) (*post, error) {
	list, err := posts(ctx, q, `slug = $1`, slug)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, sql.ErrNoRows
	}
	return list[0], nil
}

func (s *site) post(ctx context.Context, slug string) (*post, error) { return one(ctx, s.db, slug) }

// newest are the latest posts that everyone may read.
func (s *site) newest(ctx context.Context, n int) ([]*post, error) {
	return posts(ctx, s.db, `published <> '' ORDER BY published DESC, slug LIMIT $1`, n)
}

func (s *site) home(w http.ResponseWriter, r *http.Request) {
	list, err := s.newest(r.Context(), 20)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.render(w, r, http.StatusOK, "home", view{Title: "Posts", Posts: list})
}

func (s *site) showPost(w http.ResponseWriter, r *http.Request) {
	s.showPostWith(w, r, http.StatusOK, "")
}

// showPostWith shows a post with what was wrong about a comment on it.
func (s *site) showPostWith(w http.ResponseWriter, r *http.Request, status int, wrong string) {
	p, err := s.post(r.Context(), r.PathValue("slug"))
	if gone, _ := isGone(r.Context(), s.db, r.PathValue("slug")); gone && errors.Is(err, sql.ErrNoRows) {
		s.render(w, r, http.StatusGone, "gone", view{Title: "Gone"})
		return
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if u := s.signedIn(r); p.Draft() && (u == nil || u.Name != p.Author) {
		http.NotFound(w, r)
		return
	}
	v := view{Title: p.Title, Post: p, Error: wrong}
	if v.Comments, err = s.comments(r.Context(), `post = $1 AND approved = 1 ORDER BY at, id`, p.Slug); err == nil {
		v.Counts, err = s.counts(r.Context(), p.Slug)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.render(w, r, status, "post", v)
}

func (s *site) showAuthor(w http.ResponseWriter, r *http.Request) {
	u, err := s.user(r.Context(), r.PathValue("name"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	list, err := posts(r.Context(), s.db, `author = $1 AND published <> '' ORDER BY published DESC, slug LIMIT 100`, u.Name)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.render(w, r, http.StatusOK, "author", view{Title: u.FullName, Author: u, Posts: list})
}

// stamp and unstamp keep times as text that sorts, in either database.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func unstamp(s string) time.Time {
	t, _ := time.Parse(time.RFC3339, s) // zero for ""
	return t
}
