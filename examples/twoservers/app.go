package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox"
)

// app is what federates: users, posts of their own, and what they read from elsewhere.
type app struct {
	origin string
	users  map[string]actor.Profile
	db     *sql.DB
}

const schema = `
CREATE TABLE IF NOT EXISTS post (id TEXT PRIMARY KEY, object TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS timeline (id TEXT PRIMARY KEY, sender TEXT NOT NULL, object TEXT NOT NULL, recipients TEXT NOT NULL, limited BOOLEAN NOT NULL, deleted BOOLEAN NOT NULL DEFAULT FALSE);
CREATE TABLE IF NOT EXISTS reaction (kind TEXT, sender TEXT, object TEXT, PRIMARY KEY (kind, sender, object));
CREATE TABLE IF NOT EXISTS heard (n INTEGER PRIMARY KEY, type TEXT NOT NULL, sender TEXT NOT NULL, id TEXT NOT NULL);`

func (a *app) profile(_ context.Context, handle string) (actor.Profile, error) {
	p, ok := a.users[handle]
	if !ok {
		return p, actor.ErrNotFound
	}
	return p, nil
}

// alias says that a user is somebody at another server too. It is for before the app is started.
func (a *app) alias(handle, id string) {
	p := a.users[handle]
	p.AlsoKnownAs = append(p.AlsoKnownAs, id)
	a.users[handle] = p
}

// object is the app's answer to a GET. Who may see it the library decides by its audience.
func (a *app) object(ctx context.Context, id, _ string) (*activity.Object, error) {
	var text string
	err := a.db.QueryRowContext(ctx, `SELECT object FROM post WHERE id = $1`, id).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, actor.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	var o activity.Object
	return &o, json.Unmarshal([]byte(text), &o)
}

// publish saves a post and says so in one transaction, which rollback throws away.
func (a *app) publish(ctx context.Context, f *fedihook.Server, handle string, o *activity.Object, rollback bool) (string, error) {
	return a.inTx(ctx, f, rollback, func(tx *sql.Tx, f *fedihook.Server) (string, error) {
		id, err := f.Publish(ctx, handle, o)
		if err != nil {
			return "", err
		}
		o.ID = id
		return id, save(ctx, tx, `INSERT INTO post (id, object) VALUES ($1, $2)`, id, o)
	})
}

func (a *app) edit(ctx context.Context, f *fedihook.Server, handle string, o *activity.Object) error {
	_, err := a.inTx(ctx, f, false, func(tx *sql.Tx, f *fedihook.Server) (string, error) {
		if err := save(ctx, tx, `UPDATE post SET id = $1, object = $2 WHERE id = $1`, o.ID, o); err != nil {
			return "", err
		}
		return f.Update(ctx, handle, o)
	})
	return err
}

func (a *app) remove(ctx context.Context, f *fedihook.Server, handle, id string) error {
	_, err := a.inTx(ctx, f, false, func(tx *sql.Tx, f *fedihook.Server) (string, error) {
		if _, err := tx.ExecContext(ctx, `DELETE FROM post WHERE id = $1`, id); err != nil {
			return "", err
		}
		return f.Delete(ctx, handle, id)
	})
	return err
}

func (a *app) inTx(ctx context.Context, f *fedihook.Server, rollback bool, do func(*sql.Tx, *fedihook.Server) (string, error)) (string, error) {
	tx, err := a.db.BeginTx(ctx, nil)
	if err != nil {
		return "", err
	}
	defer tx.Rollback()
	id, err := do(tx, f.In(tx))
	if err != nil || rollback {
		return id, err
	}
	return id, tx.Commit()
}

func save(ctx context.Context, tx *sql.Tx, query, id string, o *activity.Object) error {
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, query, id, string(text))
	return err
}

// hooks keep what others say. A hook may run twice, so each statement may.
func (a *app) hooks() inbox.Hooks {
	return inbox.Hooks{
		Create: a.heard(a.keep),
		Update: a.heard(a.keep),
		Delete: a.heard(func(ctx context.Context, m *inbox.Message) error {
			return a.exec(ctx, `UPDATE timeline SET deleted = TRUE WHERE id = $1 AND sender = $2`, m.ObjectID, m.Sender)
		}),
		Like:     a.heard(a.react),
		Announce: a.heard(a.react),
		Undo: a.heard(func(ctx context.Context, m *inbox.Message) error {
			undone, ok := m.Object.(*activity.Activity)
			if !ok {
				return nil
			}
			return a.exec(ctx, `DELETE FROM reaction WHERE kind = $1 AND sender = $2 AND object = $3`, undone.Type.String(), m.Sender, undone.Object.First())
		}),
		Follow:   a.heard(func(context.Context, *inbox.Message) error { return nil }),
		Unfollow: a.heard(func(context.Context, *inbox.Message) error { return nil }),
		Accepted: a.heard(func(context.Context, *inbox.Message) error { return nil }),
		Rejected: a.heard(func(context.Context, *inbox.Message) error { return nil }),
	}
}

func (a *app) heard(then inbox.Hook) inbox.Hook {
	return func(ctx context.Context, m *inbox.Message) error {
		if err := a.exec(ctx, `INSERT INTO heard (type, sender, id) VALUES ($1, $2, $3)`, m.Activity.Type.String(), m.Sender, m.Activity.ID); err != nil {
			return err
		}
		return then(ctx, m)
	}
}

func (a *app) keep(ctx context.Context, m *inbox.Message) error {
	o, ok := m.Object.(*activity.Object)
	if !ok {
		return nil
	}
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	to, err := json.Marshal(m.To)
	if err != nil {
		return err
	}
	return a.exec(ctx, `INSERT INTO timeline (id, sender, object, recipients, limited) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (id) DO UPDATE SET object = excluded.object WHERE timeline.sender = excluded.sender`, o.ID, m.Sender, string(text), string(to), m.Limited)
}

func (a *app) react(ctx context.Context, m *inbox.Message) error {
	return a.exec(ctx, `INSERT INTO reaction (kind, sender, object) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
		m.Activity.Type.String(), m.Sender, m.ObjectID)
}

func (a *app) exec(ctx context.Context, query string, args ...any) error {
	_, err := a.db.ExecContext(ctx, query, args...)
	return err
}

// read is what the walk looks at: a post on the timeline.
type read struct {
	object  *activity.Object
	sender  string
	to      []string
	limited bool
	deleted bool
}

// timeline finds a post that came in, nil if none did.
func (a *app) timeline(ctx context.Context, id string) *read {
	var r read
	var text, to string
	err := a.db.QueryRowContext(ctx, `SELECT object, sender, recipients, limited, deleted FROM timeline WHERE id = $1`, id).
		Scan(&text, &r.sender, &to, &r.limited, &r.deleted)
	if err != nil {
		return nil
	}
	r.object = &activity.Object{}
	if json.Unmarshal([]byte(text), r.object) != nil || json.Unmarshal([]byte(to), &r.to) != nil {
		return nil
	}
	return &r
}

func (a *app) count(ctx context.Context, query string, args ...any) int {
	n := -1
	if err := a.db.QueryRowContext(ctx, query, args...).Scan(&n); err != nil {
		panic(fmt.Sprintf("twoservers: %s: %v", query, err)) // the query is in this program
	}
	return n
}

func (a *app) reactions(ctx context.Context, kind, object string) int {
	return a.count(ctx, `SELECT COUNT(*) FROM reaction WHERE kind = $1 AND object = $2`, kind, object)
}

func (a *app) heardOf(ctx context.Context, typ, id string) int {
	return a.count(ctx, `SELECT COUNT(*) FROM heard WHERE type = $1 AND id = $2`, typ, id)
}
