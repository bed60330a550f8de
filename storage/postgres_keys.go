package storage

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/internal/pgdb"
)

var postgresKeysTables = []string{`CREATE TABLE fedihook_keys (
	actor   bytea NOT NULL,
	serial  bigint NOT NULL,
	kind    smallint NOT NULL,
	id      bytea NOT NULL,
	private bytea,
	created bigint NOT NULL,
	retired bigint NOT NULL
);
CREATE UNIQUE INDEX fedihook_keys_actor ON fedihook_keys (sha256(actor), serial, kind);
CREATE INDEX fedihook_keys_id ON fedihook_keys (sha256(id));
CREATE TABLE fedihook_keys_head (version bigint NOT NULL);
INSERT INTO fedihook_keys_head VALUES (0)`}

// postgresKeys is an actor.Keys and an actor.KeysVersions.
type postgresKeys struct{ db *sql.DB }

func (s *postgresKeys) ActorKeys(ctx context.Context, actorID string) ([]actor.KeyPair, error) {
	list, err := all(ctx, s.db, scanKey,
		`SELECT `+keyColumns+` FROM fedihook_keys WHERE sha256(actor) = sha256($1) ORDER BY serial, kind`, blob(actorID))
	if err != nil {
		return nil, fmt.Errorf("storage: keys of %s: %w", actorID, err)
	}
	return list, nil
}

// ofActor runs fn while it alone changes the keys of an actor: what may be added depends on what is there.
func (s *postgresKeys) ofActor(ctx context.Context, actorID string, fn func(*sql.Tx) error) error {
	return pgdb.Tx(ctx, s.db, func(tx *sql.Tx) error {
		if err := alone(ctx, tx, "keys", actorID); err != nil {
			return err
		}
		return fn(tx)
	})
}

func (s *postgresKeys) AddKey(ctx context.Context, k actor.KeyPair) (first actor.KeyPair, err error) {
	err = s.ofActor(ctx, k.ActorID, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO fedihook_keys (`+keyColumns+`)
			SELECT $1::bytea, $2::bigint, $3::smallint, $4::bytea, $5::bytea, $6::bigint, $7::bigint WHERE NOT EXISTS (
				SELECT 1 FROM fedihook_keys WHERE sha256(actor) = sha256($1) AND kind = $3 AND serial >= $2)`,
			blob(k.ActorID), k.Serial, int64(k.Kind), blob(k.KeyID), k.Private, toMicros(k.Created), toMicros(k.Retired)); err != nil {
			return err
		}
		first, err = scanKey(tx.QueryRowContext(ctx, `SELECT `+keyColumns+` FROM fedihook_keys
			WHERE sha256(actor) = sha256($1) AND kind = $2 AND serial >= $3 ORDER BY serial LIMIT 1`,
			blob(k.ActorID), int64(k.Kind), k.Serial))
		return err
	})
	if err != nil {
		return actor.KeyPair{}, fmt.Errorf("storage: add key of %s: %w", k.ActorID, err)
	}
	return first, nil
}

// remove runs a statement by which keys go out of use, and says so to other processes.
func (s *postgresKeys) remove(ctx context.Context, actorID, query string, args ...any) error {
	return s.ofActor(ctx, actorID, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, query, args...)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE fedihook_keys_head SET version = version + 1`)
		return err
	})
}

func (s *postgresKeys) RetireKeys(ctx context.Context, actorID string, serial int64, at time.Time) error {
	if err := s.remove(ctx, actorID, `UPDATE fedihook_keys SET retired = $1
		WHERE sha256(actor) = sha256($2) AND serial <= $3 AND retired = 0`, toMicros(at), blob(actorID), serial); err != nil {
		return fmt.Errorf("storage: retire keys of %s: %w", actorID, err)
	}
	return nil
}

func (s *postgresKeys) DropKeys(ctx context.Context, actorID string, serial int64) error {
	if err := s.remove(ctx, actorID, `DELETE FROM fedihook_keys WHERE sha256(actor) = sha256($1) AND serial <= $2`,
		blob(actorID), serial); err != nil {
		return fmt.Errorf("storage: drop keys of %s: %w", actorID, err)
	}
	return nil
}

func (s *postgresKeys) KeyOwner(ctx context.Context, keyID string) (actorID string, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT actor FROM fedihook_keys WHERE sha256(id) = sha256($1) LIMIT 1`, blob(keyID)).Scan(&actorID)
	if err != nil {
		return "", fmt.Errorf("storage: owner of key %s: %w", keyID, notFound(err))
	}
	return actorID, nil
}

func (s *postgresKeys) KeysVersion(ctx context.Context) (version int64, err error) {
	if err := s.db.QueryRowContext(ctx, `SELECT version FROM fedihook_keys_head`).Scan(&version); err != nil {
		return 0, fmt.Errorf("storage: version of the keys: %w", err)
	}
	return version, nil
}
