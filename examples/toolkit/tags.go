package main

import (
	"context"
	"database/sql"
	"net/http"
	"net/url"
)

// tags adds a page for each tag, and a list of them.
func tags(ctx context.Context, s *site) (p part, err error) {
	p.saved = func(ctx context.Context, tx *sql.Tx, _ string, before, after *post) error {
		if before != nil {
			if _, err := tx.ExecContext(ctx, `DELETE FROM tags WHERE slug = $1`, before.Slug); err != nil {
				return err
			}
		}
		if after.Draft() {
			return nil
		}
		for _, tag := range after.Tags {
			if _, err := tx.ExecContext(ctx, `INSERT INTO tags (tag, slug) VALUES ($1, $2) ON CONFLICT DO NOTHING`, tag, after.Slug); err != nil {
				return err
			}
		}
		return nil
	}
	p.box = func(ctx context.Context) (box, error) {
		rows, err := s.db.QueryContext(ctx, `SELECT tag FROM tags GROUP BY tag ORDER BY count(*) DESC, tag LIMIT 20`)
		if err != nil {
			return box{}, err
		}
		defer rows.Close()
		b := box{Title: "Tags"}
		for rows.Next() {
			var tag string
			if err := rows.Scan(&tag); err != nil {
				return box{}, err
			}
			b.Links = append(b.Links, link{"#" + tag, "/tags/" + url.PathEscape(tag)})
		}
		return b, rows.Err()
	}
	s.mux.HandleFunc("GET /tags/{tag}", func(w http.ResponseWriter, r *http.Request) {
		tag := r.PathValue("tag")
		list, err := posts(r.Context(), s.db, `published <> '' AND slug IN (SELECT slug FROM tags WHERE tag = $1) ORDER BY published DESC, slug LIMIT 100`, tag)
		if err == nil && len(list) == 0 {
			err = sql.ErrNoRows
		}
		if err != nil {
			s.fail(w, r, err)
			return
		}
		s.render(w, r, http.StatusOK, "home", view{Title: "#" + tag, Posts: list})
	})
	_, err = s.db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS tags (tag TEXT NOT NULL, slug TEXT NOT NULL, PRIMARY KEY (tag, slug))`)
	return p, err
}
