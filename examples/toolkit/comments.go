package main

import (
	"context"
	"database/sql"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"
)

const commentsTables = `
CREATE TABLE IF NOT EXISTS comments (
	id TEXT PRIMARY KEY, post TEXT NOT NULL, name TEXT NOT NULL, url TEXT NOT NULL, avatar TEXT NOT NULL, text TEXT NOT NULL,
	at TEXT NOT NULL, approved INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS comments_post ON comments (post, at);
CREATE TABLE IF NOT EXISTS reactions (post TEXT NOT NULL, kind TEXT NOT NULL, who TEXT NOT NULL, PRIMARY KEY (post, kind, who))`

const (
	maxName    = 100  // characters
	maxComment = 5000 // characters
	maxWaiting = 1000 // comments that nobody has approved yet
)

// comment is what a reader says of a post. It is shown after its author has approved it.
type comment struct {
	ID, Post, Name, URL, Avatar, Text string // ID: any that is unique; Text is plain
	At                                time.Time
	Approved                          bool
}

// count is how often a post was liked, for instance.
type count struct {
	Kind string
	N    int
}

// discussion adds a form below each post, and a place where comments wait for approval.
func discussion(ctx context.Context, s *site) (p part, err error) {
	p.saved = func(ctx context.Context, tx *sql.Tx, _ string, before, after *post) error {
		if after != nil {
			return nil
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM comments WHERE post = $1`, before.Slug)
		if err == nil {
			_, err = tx.ExecContext(ctx, `DELETE FROM reactions WHERE post = $1`, before.Slug)
		}
		return err
	}
	s.mux.HandleFunc("POST /posts/{slug}/comments", func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
		c := comment{ID: secret(), Post: r.PathValue("slug"), Name: r.FormValue("name"), Text: r.FormValue("text"), At: time.Now()}
		switch wrong, err := c.wrong(), s.addComment(r.Context(), c); {
		case err != nil:
			s.fail(w, r, err)
		case wrong != "":
			s.showPostWith(w, r, http.StatusUnprocessableEntity, wrong)
		default:
			http.Redirect(w, r, "/posts/"+c.Post+"?thanks#comments", http.StatusSeeOther)
		}
	})
	s.mux.HandleFunc("POST /desk/comments", s.atDesk(func(w http.ResponseWriter, r *http.Request, u *user) {
		query := `UPDATE comments SET approved = 1`
		if r.FormValue("do") == "delete" {
			query = `DELETE FROM comments`
		}
		_, err := s.db.ExecContext(r.Context(), query+` WHERE id = $1 AND post IN (SELECT slug FROM posts WHERE author = $2)`, r.FormValue("id"), u.Name)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		http.Redirect(w, r, "/desk", http.StatusSeeOther)
	}))
	_, err = s.db.ExecContext(ctx, commentsTables)
	return p, err
}

// wrong says what is wrong about a comment, or nothing.
func (c comment) wrong() string {
	switch all := c.Name + c.Text; {
	case strings.TrimSpace(c.Name) == "" || strings.TrimSpace(c.Text) == "":
		return "A comment needs a name and a text."
	case utf8.RuneCountInString(c.Name) > maxName || utf8.RuneCountInString(c.Text) > maxComment:
		return "A name has at most 100 characters, a comment 5,000."
	case !utf8.ValidString(all) || strings.Contains(all, "\x00"):
		return "That is no text."
	}
	return ""
}

// addComment keeps a comment, or what it has become if its ID is known and it is still by the same; a new one waits for approval, and
// so does one whose text has changed. One with which something is wrong is not kept, nor is one on a post that is not there.
func (s *site) addComment(ctx context.Context, c comment) error {
	if c.wrong() != "" {
		return nil
	}
	return s.tx(ctx, func(tx *sql.Tx) error {
		var waiting int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM comments WHERE approved = 0`).Scan(&waiting); err != nil {
			return err
		}
		if waiting >= maxWaiting {
			return nil
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO comments (id, post, name, url, avatar, text, at, approved)
			SELECT $1, slug, $2, $3, $4, $5, $6, 0 FROM posts WHERE slug = $7 AND published <> ''
			ON CONFLICT (id) DO UPDATE SET name = excluded.name, avatar = excluded.avatar, text = excluded.text,
			approved = CASE WHEN comments.text = excluded.text THEN comments.approved ELSE 0 END WHERE comments.url = excluded.url`,
			c.ID, strings.TrimSpace(c.Name), c.URL, c.Avatar, strings.TrimSpace(c.Text), stamp(c.At), c.Post)
		return err
	})
}

// removeComment forgets a comment of somebody's, if there is one.
func (s *site) removeComment(ctx context.Context, id, url string) error {
	_, err := s.db.ExecContext(ctx, `DELETE FROM comments WHERE id = $1 AND url = $2`, id, url)
	return err
}

// comments reads comments, given what stands behind WHERE.
func (s *site) comments(ctx context.Context, where string, args ...any) ([]comment, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT id, post, name, url, avatar, text, at, approved FROM comments WHERE `+where+` LIMIT 500`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []comment
	for rows.Next() {
		var c comment
		var at string
		var approved int
		if err := rows.Scan(&c.ID, &c.Post, &c.Name, &c.URL, &c.Avatar, &c.Text, &at, &approved); err != nil {
			return nil, err
		}
		c.At, c.Approved = unstamp(at), approved == 1
		list = append(list, c)
	}
	return list, rows.Err()
}

// react notes that somebody likes a post, or does not any more.
func (s *site) react(ctx context.Context, slug, kind, who string, yes bool) error {
	query := `INSERT INTO reactions (post, kind, who) SELECT slug, $1, $2 FROM posts WHERE slug = $3 AND published <> '' ON CONFLICT DO NOTHING`
	if !yes {
		query = `DELETE FROM reactions WHERE kind = $1 AND who = $2 AND post = $3`
	}
	_, err := s.db.ExecContext(ctx, query, kind, who, slug)
	return err
}

func (s *site) counts(ctx context.Context, slug string) ([]count, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT kind, count(*) FROM reactions WHERE post = $1 GROUP BY kind ORDER BY kind`, slug)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []count
	for rows.Next() {
		var c count
		if err := rows.Scan(&c.Kind, &c.N); err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, rows.Err()
}
