package storage

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/internal/sqldb"
)

var keysTables = []string{
	`CREATE TABLE fedihook_keys (
	actor   TEXT PRIMARY KEY,
	id      TEXT NOT NULL,
	private BLOB,
	created INTEGER NOT NULL
) WITHOUT ROWID`,
	// From one key for each actor to many.
	`ALTER TABLE fedihook_keys RENAME TO fedihook_keys_1;
CREATE TABLE fedihook_keys (
	actor   TEXT NOT NULL,
	serial  INTEGER NOT NULL,
	kind    INTEGER NOT NULL,
	id      TEXT NOT NULL,
	private BLOB,
	created INTEGER NOT NULL,
	retired INTEGER NOT NULL,
	PRIMARY KEY (actor, serial, kind)
) WITHOUT ROWID;
CREATE INDEX fedihook_keys_id ON fedihook_keys (id);
INSERT INTO fedihook_keys (actor, serial, kind, id, private, created, retired)
	SELECT actor, 1, 1, id, private, created, 0 FROM fedihook_keys_1;
DROP TABLE fedihook_keys_1`,
}

// sqliteKeys is an actor.Keys.
type sqliteKeys struct{ db *sqldb.DB }

const keyColumns = `actor, serial, kind, id, private, created, retired`

func scanKey(row scanner) (k actor.KeyPair, err error) {
	var created, retired int64
	err = row.Scan(&k.ActorID, &k.Serial, &k.Kind, &k.KeyID, &k.Private, &created, &retired)
	k.Created, k.Retired = fromMicros(created), fromMicros(retired)
	return k, err
}

func (s *sqliteKeys) ActorKeys(ctx context.Context, actorID string) ([]actor.KeyPair, error) {
	list, err := all(ctx, s.db, scanKey,
		`SELECT `+keyColumns+` FROM fedihook_keys WHERE actor = ? ORDER BY serial, kind`, actorID)
	if err != nil {
		return nil, fmt.Errorf("storage: keys of %s: %w", actorID, err)
	}
	return list, nil
}

func (s *sqliteKeys) AddKey(ctx context.Context, k actor.KeyPair) (first actor.KeyPair, err error) {
	err = s.db.Tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO fedihook_keys (`+keyColumns+`)
			SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE NOT EXISTS (
				SELECT 1 FROM fedihook_keys WHERE actor = ?1 AND kind = ?3 AND serial >= ?2)`,
			k.ActorID, k.Serial, k.Kind, k.KeyID, k.Private, toMicros(k.Created), toMicros(k.Retired)); err != nil {
			return err
		}
		first, err = scanKey(tx.QueryRowContext(ctx, `SELECT `+keyColumns+` FROM fedihook_keys
			WHERE actor = ? AND kind = ? AND serial >= ? ORDER BY serial LIMIT 1`, k.ActorID, k.Kind, k.Serial))
		return err
	})
	if err != nil {
		return actor.KeyPair{}, fmt.Errorf("storage: add key of %s: %w", k.ActorID, err)
	}
	return first, nil
}

func (s *sqliteKeys) RetireKeys(ctx context.Context, actorID string, serial int64, at time.Time) error {
	if _, err := exec(ctx, s.db, `UPDATE fedihook_keys SET retired = ? WHERE actor = ? AND serial <= ? AND retired = 0`,
		toMicros(at), actorID, serial); err != nil {
		return fmt.Errorf("storage: retire keys of %s: %w", actorID, err)
	}
	return nil
}

func (s *sqliteKeys) DropKeys(ctx context.Context, actorID string, serial int64) error {
	if _, err := exec(ctx, s.db, `DELETE FROM fedihook_keys WHERE actor = ? AND serial <= ?`, actorID, serial); err != nil {
		return fmt.Errorf("storage: drop keys of %s: %w", actorID, err)
	}
	return nil
}

func (s *sqliteKeys) KeyOwner(ctx context.Context, keyID string) (actorID string, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT actor FROM fedihook_keys WHERE id = ? LIMIT 1`, keyID).Scan(&actorID)
	if err != nil {
		return "", fmt.Errorf("storage: owner of key %s: %w", keyID, notFound(err))
	}
	return actorID, nil
}
