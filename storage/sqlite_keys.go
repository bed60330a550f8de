package storage

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/internal/sqldb"
)

var keysTables = []string{`CREATE TABLE fedihook_keys (
	actor   TEXT PRIMARY KEY,
	id      TEXT NOT NULL,
	private BLOB,
	created INTEGER NOT NULL
) WITHOUT ROWID`}

// sqliteKeys is an actor.Keys.
type sqliteKeys struct{ db *sql.DB }

func (s *sqliteKeys) Key(ctx context.Context, actorID string) (actor.KeyPair, error) {
	k, err := selectKey(ctx, s.db, actorID)
	if err != nil {
		return actor.KeyPair{}, fmt.Errorf("storage: key of %s: %w", actorID, notFound(err))
	}
	return k, nil
}

func selectKey(ctx context.Context, q querier, actorID string) (k actor.KeyPair, err error) {
	var created int64
	err = q.QueryRowContext(ctx, `SELECT actor, id, private, created FROM fedihook_keys WHERE actor = ?`, actorID).
		Scan(&k.ActorID, &k.KeyID, &k.Private, &created)
	k.Created = fromMicros(created)
	return k, err
}

func (s *sqliteKeys) AddKey(ctx context.Context, k actor.KeyPair) (first actor.KeyPair, err error) {
	err = sqldb.Tx(ctx, s.db, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO fedihook_keys (actor, id, private, created)
			VALUES (?, ?, ?, ?) ON CONFLICT (actor) DO NOTHING`,
			k.ActorID, k.KeyID, k.Private, toMicros(k.Created)); err != nil {
			return err
		}
		first, err = selectKey(ctx, tx, k.ActorID)
		return err
	})
	if err != nil {
		return actor.KeyPair{}, fmt.Errorf("storage: add key of %s: %w", k.ActorID, err)
	}
	return first, nil
}
