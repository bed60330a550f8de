package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"

	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/internal/sqldb"
)

var followersTables = []string{`CREATE TABLE fedihook_follows (
	seq          INTEGER PRIMARY KEY AUTOINCREMENT,
	follower     TEXT NOT NULL,
	followed     TEXT NOT NULL,
	id           TEXT NOT NULL,
	state        INTEGER NOT NULL,
	inbox        TEXT NOT NULL,
	shared_inbox TEXT NOT NULL,
	at           INTEGER NOT NULL,
	UNIQUE (follower, followed)
);
CREATE INDEX fedihook_follows_id ON fedihook_follows (id, seq);
CREATE INDEX fedihook_follows_follower ON fedihook_follows (follower, seq, state);
CREATE INDEX fedihook_follows_followed ON fedihook_follows (followed, seq, state)`,
	// Where an actor's followers take their post, and how many at each: of a hundred thousand followers it is some ten thousand rows.
	`CREATE TABLE fedihook_follow_inboxes (
	followed TEXT NOT NULL,
	url      TEXT NOT NULL,
	follows  INTEGER NOT NULL,
	PRIMARY KEY (followed, url)
) WITHOUT ROWID;
INSERT INTO fedihook_follow_inboxes (followed, url, follows)
	SELECT followed, coalesce(nullif(shared_inbox, ''), inbox), count(*) FROM fedihook_follows WHERE state = 2 GROUP BY 1, 2;
CREATE TRIGGER fedihook_follow_added AFTER INSERT ON fedihook_follows WHEN new.state = 2 BEGIN
	INSERT INTO fedihook_follow_inboxes (followed, url, follows) VALUES (new.followed, coalesce(nullif(new.shared_inbox, ''), new.inbox), 1)
		ON CONFLICT (followed, url) DO UPDATE SET follows = follows + 1;
END;
CREATE TRIGGER fedihook_follow_changed AFTER UPDATE ON fedihook_follows
	WHEN old.state <> new.state OR old.inbox <> new.inbox OR old.shared_inbox <> new.shared_inbox BEGIN
	UPDATE fedihook_follow_inboxes SET follows = follows - 1
		WHERE old.state = 2 AND followed = old.followed AND url = coalesce(nullif(old.shared_inbox, ''), old.inbox);
	DELETE FROM fedihook_follow_inboxes
		WHERE followed = old.followed AND url = coalesce(nullif(old.shared_inbox, ''), old.inbox) AND follows = 0;
	INSERT INTO fedihook_follow_inboxes (followed, url, follows)
		SELECT new.followed, coalesce(nullif(new.shared_inbox, ''), new.inbox), 1 WHERE new.state = 2
		ON CONFLICT (followed, url) DO UPDATE SET follows = follows + 1;
END;
CREATE TRIGGER fedihook_follow_deleted AFTER DELETE ON fedihook_follows WHEN old.state = 2 BEGIN
	UPDATE fedihook_follow_inboxes SET follows = follows - 1
		WHERE followed = old.followed AND url = coalesce(nullif(old.shared_inbox, ''), old.inbox);
	DELETE FROM fedihook_follow_inboxes
		WHERE followed = old.followed AND url = coalesce(nullif(old.shared_inbox, ''), old.inbox) AND follows = 0;
END`}

// inboxPage is how many URLs are read at once.
const inboxPage = 2000

// sqliteFollowers is an actor.Followers.
type sqliteFollowers struct {
	db         *sqldb.DB
	statements *statements
}

const followColumns = `seq, follower, followed, id, state, inbox, shared_inbox, at`

func (s *sqliteFollowers) Follow(ctx context.Context, follower, followed string) (actor.Follow, error) {
	f, err := keptOne(ctx, s.statements, scanFollow, `SELECT `+followColumns+`
		FROM fedihook_follows WHERE follower = ? AND followed = ?`, follower, followed)
	if err != nil {
		return actor.Follow{}, fmt.Errorf("storage: follow of %s by %s: %w", followed, follower, notFound(err))
	}
	return f, nil
}

// notFound is package actor's word for a missing row.
func notFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return actor.ErrNotFound
	}
	return err
}

func scanFollow(row scanner) (f actor.Follow, err error) {
	var at int64
	err = row.Scan(&f.Seq, &f.Follower, &f.Followed, &f.ID, &f.State, &f.Inbox, &f.SharedInbox, &at)
	f.At = fromMicros(at)
	return f, err
}

func (s *sqliteFollowers) FollowByID(ctx context.Context, id string) (actor.Follow, error) {
	f, err := keptOne(ctx, s.statements, scanFollow, `SELECT `+followColumns+`
		FROM fedihook_follows WHERE id = ? AND id <> '' ORDER BY seq LIMIT 1`, id)
	if err != nil {
		return actor.Follow{}, fmt.Errorf("storage: follow %s: %w", id, notFound(err))
	}
	return f, nil
}

func (s *sqliteFollowers) PutFollow(ctx context.Context, f actor.Follow) error {
	_, err := exec(ctx, s.db, `INSERT INTO fedihook_follows (follower, followed, id, state, inbox, shared_inbox, at)
		VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (follower, followed) DO UPDATE SET id = excluded.id,
		state = excluded.state, inbox = excluded.inbox, shared_inbox = excluded.shared_inbox, at = excluded.at`,
		f.Follower, f.Followed, f.ID, f.State, f.Inbox, f.SharedInbox, toMicros(f.At))
	if err != nil {
		return fmt.Errorf("storage: put follow of %s by %s: %w", f.Followed, f.Follower, err)
	}
	return nil
}

func (s *sqliteFollowers) DeleteFollow(ctx context.Context, follower, followed string) error {
	_, err := exec(ctx, s.db, `DELETE FROM fedihook_follows WHERE follower = ? AND followed = ?`, follower, followed)
	if err != nil {
		return fmt.Errorf("storage: delete follow of %s by %s: %w", followed, follower, err)
	}
	return nil
}

func (s *sqliteFollowers) Follows(ctx context.Context, q actor.FollowQuery) ([]actor.Follow, error) {
	if q.Limit <= 0 {
		q.Limit = followPage
	}
	where, args := followsWhere(q)
	page, err := keptAll(ctx, s.statements, scanFollow, `SELECT `+followColumns+` FROM fedihook_follows WHERE `+where+`
		AND seq > ? ORDER BY seq LIMIT ?+0`, append(args, q.After, q.Limit)...)
	if err != nil {
		return nil, fmt.Errorf("storage: follows by %q of %q: %w", q.Follower, q.Followed, err)
	}
	return page, nil
}

// followsWhere names only the columns that are asked for, so that an index fits.
func followsWhere(q actor.FollowQuery) (where string, args []any) {
	where = `1`
	if q.Follower != "" {
		where += ` AND follower = ?`
		args = append(args, q.Follower)
	}
	if q.Followed != "" {
		where += ` AND followed = ?`
		args = append(args, q.Followed)
	}
	if q.State != 0 {
		where += ` AND state = ?`
		args = append(args, q.State)
	}
	return where, args
}

func (s *sqliteFollowers) CountFollows(ctx context.Context, q actor.FollowQuery) (n int64, err error) {
	where, args := followsWhere(q)
	if err := s.db.QueryRowContext(ctx, `SELECT count(*) FROM fedihook_follows WHERE `+where, args...).Scan(&n); err != nil {
		return 0, fmt.Errorf("storage: count follows by %q of %q: %w", q.Follower, q.Followed, err)
	}
	return n, nil
}

func (s *sqliteFollowers) Inboxes(ctx context.Context, followed string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		more := `>=`
		for after := ""; ; more = `>` {
			page, err := keptAll(ctx, s.statements, scanText, `SELECT url FROM fedihook_follow_inboxes
				WHERE followed = ? AND url `+more+` ? ORDER BY url LIMIT ?+0`, followed, after, inboxPage)
			if err != nil {
				yield("", fmt.Errorf("storage: inboxes of the followers of %s: %w", followed, err))
				return
			}
			for _, url := range page {
				if !yield(url, nil) {
					return
				}
				after = url
			}
			if len(page) < inboxPage {
				return
			}
		}
	}
}

func scanText(row scanner) (s string, err error) {
	err = row.Scan(&s)
	return s, err
}
