package main

import (
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

const (
	usersTables    = `CREATE TABLE IF NOT EXISTS users (name TEXT PRIMARY KEY, full_name TEXT NOT NULL, about TEXT NOT NULL, password TEXT NOT NULL)`
	sessionsTables = `CREATE TABLE IF NOT EXISTS sessions (id TEXT PRIMARY KEY, name TEXT NOT NULL, until TEXT NOT NULL)`

	sessionTime = 14 * 24 * time.Hour
	cookie      = "session"
)

// user is somebody who writes here.
type user struct{ Name, FullName, About, password string }

// Path is where the user's posts are on this site.
func (u *user) Path() string { return "/authors/" + u.Name }

// user finds a user, or returns sql.ErrNoRows.
func (s *site) user(ctx context.Context, name string) (*user, error) {
	u := new(user)
	err := s.db.QueryRowContext(ctx, `SELECT name, full_name, about, password FROM users WHERE name = $1`, strings.ToLower(name)).
		Scan(&u.Name, &u.FullName, &u.About, &u.password)
	return u, err
}

// readUsers takes in authors.yaml of the data folder. Who is new gets a password, which is shown once.
func (s *site) readUsers(ctx context.Context) error {
	text, err := os.ReadFile(filepath.Join(s.data, "authors.yaml"))
	if err != nil {
		return err
	}
	var list []struct{ Name, FullName, About string }
	if err := yaml.Unmarshal(text, &list); err != nil {
		return fmt.Errorf("authors.yaml: %w", err)
	}
	for _, u := range list {
		name := strings.ToLower(u.Name)
		switch _, err := s.user(ctx, name); {
		case errors.Is(err, sql.ErrNoRows):
			password := secret()
			if _, err := s.db.ExecContext(ctx, `INSERT INTO users (name, full_name, about, password) VALUES ($1, $2, $3, $4)`,
				name, u.FullName, u.About, hash(password, secret(), rounds)); err != nil {
				return err
			}
			fmt.Printf("%s signs in at %s/desk with the password %s\n", name, s.origin, password)
		case err != nil:
			return err
		default:
			if _, err := s.db.ExecContext(ctx, `UPDATE users SET full_name = $1, about = $2 WHERE name = $3`, u.FullName, u.About, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// rounds is how often a password is hashed: a guess is to cost as much.
const rounds = 600_000

// hash is a password as it is kept: how often it was hashed, the salt, and PBKDF2 of all three.
func hash(password, salt string, rounds int) string {
	key, err := pbkdf2.Key(sha256.New, password, []byte(salt), rounds, 32)
	if err != nil {
		panic(err) // the numbers above would be wrong
	}
	return fmt.Sprintf("%d$%s$%x", rounds, salt, key)
}

// is says whether a password is the one that is kept. With nobody's it takes as long.
func is(password, kept string) bool {
	n, rest, _ := strings.Cut(kept, "$")
	salt, _, _ := strings.Cut(rest, "$")
	times, err := strconv.Atoi(n)
	if err != nil || times < 1 {
		times = rounds
	}
	return subtle.ConstantTimeCompare([]byte(hash(password, salt, times)), []byte(kept)) == 1
}

// secret is a text that nobody guesses.
func secret() string { return strings.ToLower(rand.Text()) }

// keyOf is what is kept of a session's secret.
func keyOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// signedIn returns who sends a request, or nil.
func (s *site) signedIn(r *http.Request) *user {
	c, err := r.Cookie(cookie)
	if err != nil {
		return nil
	}
	var name string
	err = s.keep.QueryRowContext(r.Context(), `SELECT name FROM sessions WHERE id = $1 AND until > $2`, keyOf(c.Value), stamp(time.Now())).Scan(&name)
	if err == nil {
		var u *user
		if u, err = s.user(r.Context(), name); err == nil {
			return u
		}
	}
	if !errors.Is(err, sql.ErrNoRows) {
		slog.Error("blog: session", "err", err)
	}
	return nil
}

// signIn begins a session.
func (s *site) signIn(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	u, err := s.user(r.Context(), r.FormValue("name"))
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		s.fail(w, r, err)
		return
	}
	known := err == nil
	if !is(r.FormValue("password"), u.password) || !known {
		s.render(w, r, http.StatusUnauthorized, "signin", view{Title: "Sign in", Error: "That is not the password of anybody here."})
		return
	}
	id := secret()
	now := time.Now()
	if _, err := s.keep.ExecContext(r.Context(), `DELETE FROM sessions WHERE until < $1`, stamp(now)); err != nil {
		s.fail(w, r, err)
		return
	}
	if _, err := s.keep.ExecContext(r.Context(), `INSERT INTO sessions (id, name, until) VALUES ($1, $2, $3)`, keyOf(id), u.Name, stamp(now.Add(sessionTime))); err != nil {
		s.fail(w, r, err)
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: cookie, Value: id, Path: "/", MaxAge: int(sessionTime.Seconds()), HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: strings.HasPrefix(s.origin, "https://"),
	})
	http.Redirect(w, r, "/desk", http.StatusSeeOther)
}

// signOut ends a session.
func (s *site) signOut(w http.ResponseWriter, r *http.Request) {
	if c, err := r.Cookie(cookie); err == nil {
		if _, err := s.keep.ExecContext(r.Context(), `DELETE FROM sessions WHERE id = $1`, keyOf(c.Value)); err != nil {
			s.fail(w, r, err)
			return
		}
	}
	http.SetCookie(w, &http.Cookie{Name: cookie, Path: "/", MaxAge: -1})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
