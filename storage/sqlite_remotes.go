package storage

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/internal/sqldb"
)

// key_ids is what PutRemote was given; fedihook_remote_keys finds the actor by one of them.
var remotesTables = []string{`CREATE TABLE fedihook_remotes (
	id       TEXT PRIMARY KEY,
	fetched  INTEGER NOT NULL,
	gone     INTEGER NOT NULL,
	key_ids  TEXT NOT NULL,
	document BLOB
);
CREATE TABLE fedihook_remote_keys (
	key_id TEXT NOT NULL,
	remote TEXT NOT NULL,
	PRIMARY KEY (key_id, remote)
) WITHOUT ROWID;
CREATE INDEX fedihook_remote_keys_remote ON fedihook_remote_keys (remote)`,
	`ALTER TABLE fedihook_remotes ADD COLUMN etag TEXT NOT NULL DEFAULT '';
ALTER TABLE fedihook_remotes ADD COLUMN last_modified TEXT NOT NULL DEFAULT '';
CREATE INDEX fedihook_remotes_age ON fedihook_remotes (max(fetched, gone))`,
	`ALTER TABLE fedihook_remotes ADD COLUMN handle TEXT NOT NULL DEFAULT '';
ALTER TABLE fedihook_remotes ADD COLUMN proved INTEGER NOT NULL DEFAULT 0`}

// sqliteRemotes is an actor.Remotes.
type sqliteRemotes struct {
	db         *sqldb.DB
	statements *statements
}

const remoteColumns = `id, fetched, gone, key_ids, etag, last_modified, handle, proved, document`

func (s *sqliteRemotes) Remote(ctx context.Context, id string) (actor.Remote, error) {
	r, err := keptOne(ctx, s.statements, scanRemote, `SELECT `+remoteColumns+` FROM fedihook_remotes WHERE id = ?`, id)
	if err != nil {
		return actor.Remote{}, fmt.Errorf("storage: remote actor %s: %w", id, notFound(err))
	}
	return r, nil
}

func scanRemote(row scanner) (r actor.Remote, err error) {
	var fetched, gone, proved int64
	var keyIDs string
	if err := row.Scan(&r.ID, &fetched, &gone, &keyIDs, &r.ETag, &r.LastModified, &r.Handle, &proved, &r.Document); err != nil {
		return actor.Remote{}, err
	}
	r.Fetched, r.Gone, r.Proved = fromMicros(fetched), fromMicros(gone), fromMicros(proved)
	return r, fromJSON(keyIDs, &r.KeyIDs)
}

func (s *sqliteRemotes) RemoteByKey(ctx context.Context, keyID string) (actor.Remote, error) {
	r, err := keptOne(ctx, s.statements, scanRemote, `SELECT `+remoteColumns+` FROM fedihook_remotes
		WHERE id = (SELECT remote FROM fedihook_remote_keys WHERE key_id = ? LIMIT 1)`, keyID)
	if err != nil {
		return actor.Remote{}, fmt.Errorf("storage: remote actor with key %s: %w", keyID, notFound(err))
	}
	return r, nil
}

// PutRemote does not wait for the disk: what it keeps can be fetched again, and whatever is recorded after it, as that an Update
// was dealt with, is not durable before it is.
func (s *sqliteRemotes) PutRemote(ctx context.Context, r actor.Remote) error {
	keyIDs, err := toJSON(r.KeyIDs)
	if err != nil {
		return fmt.Errorf("storage: put remote actor %s: %w", r.ID, err)
	}
	var t *transaction
	err = s.db.Lazy(ctx, func(tx *sql.Tx) error {
		t = s.statements.in(tx)
		if err := t.deleteRemote(ctx, r.ID); err != nil {
			return err
		}
		if _, err := t.exec(ctx, `INSERT INTO fedihook_remotes (`+remoteColumns+`)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`, r.ID, toMicros(r.Fetched), toMicros(r.Gone), keyIDs, r.ETag, r.LastModified,
			r.Handle, toMicros(r.Proved), r.Document); err != nil {
			return err
		}
		for _, key := range r.KeyIDs {
			if _, err := t.exec(ctx, `INSERT INTO fedihook_remote_keys (key_id, remote)
				VALUES (?, ?) ON CONFLICT DO NOTHING`, key, r.ID); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("storage: put remote actor %s: %w", r.ID, err)
	}
	t.learn(ctx)
	return nil
}

func (s *sqliteRemotes) RemoteIDs(ctx context.Context, after string, limit int) ([]string, error) {
	ids, err := all(ctx, s.db, func(row scanner) (id string, err error) { return id, row.Scan(&id) },
		`SELECT id FROM fedihook_remotes WHERE id > ? AND gone = 0 ORDER BY id LIMIT ?`, after, max(0, limit))
	if err != nil {
		return nil, fmt.Errorf("storage: ids of remote actors: %w", err)
	}
	return ids, nil
}

func (s *sqliteRemotes) DeleteRemote(ctx context.Context, id string) error {
	err := s.db.Tx(ctx, func(tx *sql.Tx) error { return s.statements.in(tx).deleteRemote(ctx, id) })
	if err != nil {
		return fmt.Errorf("storage: delete remote actor %s: %w", id, err)
	}
	return nil
}

func (s *sqliteRemotes) PruneRemotes(ctx context.Context, before time.Time, limit int) (n int, err error) {
	err = s.db.Tx(ctx, func(tx *sql.Tx) error {
		old, err := all(ctx, tx, func(row scanner) (id string, err error) { return id, row.Scan(&id) },
			`SELECT id FROM fedihook_remotes WHERE max(fetched, gone) < ? LIMIT ?`, toMicros(before), max(0, limit))
		if err != nil {
			return err
		}
		t := s.statements.in(tx)
		for _, id := range old {
			if err := t.deleteRemote(ctx, id); err != nil {
				return err
			}
		}
		n = len(old)
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("storage: prune remote actors: %w", err)
	}
	return n, nil
}

func (t *transaction) deleteRemote(ctx context.Context, id string) error {
	if _, err := t.exec(ctx, `DELETE FROM fedihook_remote_keys WHERE remote = ?`, id); err != nil {
		return err
	}
	_, err := t.exec(ctx, `DELETE FROM fedihook_remotes WHERE id = ?`, id)
	return err
}
