package storage

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/internal/pgdb"
)

// fedihook_remote_keys finds an actor by one of its key_ids; both are there as their SHA-256.
var postgresRemotesTables = []string{`CREATE TABLE fedihook_remotes (
	id            bytea NOT NULL,
	fetched       bigint NOT NULL,
	gone          bigint NOT NULL,
	key_ids       bytea NOT NULL,
	etag          bytea NOT NULL,
	last_modified bytea NOT NULL,
	handle        bytea NOT NULL,
	proved        bigint NOT NULL,
	document      bytea,
	id_key        bytea GENERATED ALWAYS AS (sha256(id)) STORED PRIMARY KEY
);
CREATE INDEX fedihook_remotes_ids ON fedihook_remotes (substr(id, 1, 512)) WHERE gone = 0;
CREATE INDEX fedihook_remotes_age ON fedihook_remotes (greatest(fetched, gone));
CREATE TABLE fedihook_remote_keys (
	key_key    bytea NOT NULL,
	remote_key bytea NOT NULL REFERENCES fedihook_remotes ON DELETE CASCADE,
	PRIMARY KEY (key_key, remote_key)
);
CREATE INDEX fedihook_remote_keys_remote ON fedihook_remote_keys (remote_key)`}

// postgresRemotes is an actor.Remotes.
type postgresRemotes struct{ db *sql.DB }

func (s *postgresRemotes) Remote(ctx context.Context, id string) (actor.Remote, error) {
	r, err := scanRemote(s.db.QueryRowContext(ctx, `SELECT `+remoteColumns+` FROM fedihook_remotes WHERE id_key = sha256($1)`, blob(id)))
	if err != nil {
		return actor.Remote{}, fmt.Errorf("storage: remote actor %s: %w", id, notFound(err))
	}
	return r, nil
}

func (s *postgresRemotes) RemoteByKey(ctx context.Context, keyID string) (actor.Remote, error) {
	r, err := scanRemote(s.db.QueryRowContext(ctx, `SELECT `+remoteColumns+` FROM fedihook_remotes
		WHERE id_key = (SELECT remote_key FROM fedihook_remote_keys WHERE key_key = sha256($1) LIMIT 1)`, blob(keyID)))
	if err != nil {
		return actor.Remote{}, fmt.Errorf("storage: remote actor with key %s: %w", keyID, notFound(err))
	}
	return r, nil
}

func (s *postgresRemotes) PutRemote(ctx context.Context, r actor.Remote) error {
	keyIDs, err := toJSON(r.KeyIDs)
	if err == nil {
		err = pgdb.Tx(ctx, s.db, func(tx *sql.Tx) error {
			if err := bound(ctx, tx); err != nil {
				return err
			}
			// The actor's row first: who has it is the only one to change the keys.
			if _, err := tx.ExecContext(ctx, `INSERT INTO fedihook_remotes (`+remoteColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
				ON CONFLICT (id_key) DO UPDATE SET fetched = excluded.fetched, gone = excluded.gone, key_ids = excluded.key_ids,
					etag = excluded.etag, last_modified = excluded.last_modified, handle = excluded.handle, proved = excluded.proved,
					document = excluded.document`,
				blob(r.ID), toMicros(r.Fetched), toMicros(r.Gone), blob(keyIDs), blob(r.ETag), blob(r.LastModified), blob(r.Handle),
				toMicros(r.Proved), r.Document); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `DELETE FROM fedihook_remote_keys WHERE remote_key = sha256($1)
				AND key_key NOT IN (SELECT sha256(k) FROM unnest($2::bytea[]) k)`, blob(r.ID), blobs(r.KeyIDs)); err != nil || len(r.KeyIDs) == 0 {
				return err
			}
			_, err := tx.ExecContext(ctx, `INSERT INTO fedihook_remote_keys (key_key, remote_key)
				SELECT sha256(k), sha256($1) FROM unnest($2::bytea[]) k ON CONFLICT DO NOTHING`, blob(r.ID), blobs(r.KeyIDs))
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("storage: put remote actor %s: %w", r.ID, err)
	}
	return nil
}

func (s *postgresRemotes) RemoteIDs(ctx context.Context, after string, limit int) ([]string, error) {
	ids, err := all(ctx, s.db, func(row scanner) (id string, err error) { return id, row.Scan(&id) },
		`SELECT id FROM fedihook_remotes WHERE gone = 0 AND (substr(id, 1, 512), id) > (substr($1::bytea, 1, 512), $1::bytea)
			ORDER BY substr(id, 1, 512), id LIMIT $2`, blob(after), max(0, limit))
	if err != nil {
		return nil, fmt.Errorf("storage: ids of remote actors: %w", err)
	}
	return ids, nil
}

func (s *postgresRemotes) DeleteRemote(ctx context.Context, id string) error {
	if _, err := changes(ctx, s.db, `DELETE FROM fedihook_remotes WHERE id_key = sha256($1)`, blob(id)); err != nil {
		return fmt.Errorf("storage: delete remote actor %s: %w", id, err)
	}
	return nil
}

// PruneRemotes leaves those alone that somebody is changing just now.
func (s *postgresRemotes) PruneRemotes(ctx context.Context, before time.Time, limit int) (int, error) {
	n, err := changes(ctx, s.db, `DELETE FROM fedihook_remotes WHERE id_key = ANY (ARRAY(
		SELECT id_key FROM fedihook_remotes WHERE greatest(fetched, gone) < $1 LIMIT $2 FOR UPDATE SKIP LOCKED))`,
		toMicros(before), max(0, limit))
	if err != nil {
		return 0, fmt.Errorf("storage: prune remote actors: %w", err)
	}
	return int(n), nil
}
