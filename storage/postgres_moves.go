package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/internal/pgdb"
)

var postgresMovesTables = []string{`CREATE TABLE fedihook_moves (
	source    bytea NOT NULL,
	target    bytea NOT NULL,
	id        bytea NOT NULL,
	at        bigint NOT NULL,
	back      bigint NOT NULL,
	followers bigint NOT NULL,
	there     bigint NOT NULL,
	step      smallint NOT NULL,
	after     bigint NOT NULL,
	version   bigint NOT NULL
);
CREATE UNIQUE INDEX fedihook_moves_source ON fedihook_moves (sha256(source));
CREATE INDEX fedihook_moves_order ON fedihook_moves (substr(source, 1, 512));
CREATE INDEX fedihook_moves_target ON fedihook_moves (sha256(target), substr(source, 1, 512));
CREATE INDEX fedihook_moves_unfinished ON fedihook_moves (substr(source, 1, 512)) WHERE step <> 0`}

// postgresMoves is an actor.Moves.
type postgresMoves struct{ db *sql.DB }

func (s *postgresMoves) Move(ctx context.Context, from string) (actor.Move, error) {
	m, err := scanMove(s.db.QueryRowContext(ctx, `SELECT `+moveColumns+` FROM fedihook_moves WHERE sha256(source) = sha256($1)`, blob(from)))
	if err != nil {
		return m, fmt.Errorf("storage: move of %s: %w", from, notFound(err))
	}
	return m, nil
}

func (s *postgresMoves) AddMove(ctx context.Context, m actor.Move, since time.Time) (out actor.Move, err error) {
	err = pgdb.Tx(ctx, s.db, func(tx *sql.Tx) error {
		if err := alone(ctx, tx, "move", m.From); err != nil {
			return err
		}
		old, err := scanMove(tx.QueryRowContext(ctx, `SELECT `+moveColumns+` FROM fedihook_moves
			WHERE sha256(source) = sha256($1) FOR UPDATE`, blob(m.From)))
		switch {
		case err == nil && (old.ID == m.ID || old.At.After(kept(since))):
			out = old
			return nil
		case err != nil && !errors.Is(err, sql.ErrNoRows):
			return err
		}
		out = m
		out.At, out.Back, out.Version = kept(m.At), kept(m.Back), 1
		_, err = tx.ExecContext(ctx, `INSERT INTO fedihook_moves (`+moveColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1)
			ON CONFLICT (sha256(source)) DO UPDATE SET target = excluded.target, id = excluded.id, at = excluded.at,
				back = excluded.back, followers = excluded.followers, there = excluded.there, step = excluded.step,
				after = excluded.after, version = excluded.version`,
			blob(m.From), blob(m.To), blob(m.ID), toMicros(m.At), toMicros(m.Back), m.Followers, m.There, int64(m.Step), m.After)
		return err
	})
	if err != nil {
		return actor.Move{}, fmt.Errorf("storage: add move of %s: %w", m.From, err)
	}
	return out, nil
}

func (s *postgresMoves) SaveMove(ctx context.Context, m actor.Move) (bool, error) {
	n, err := changes(ctx, s.db, `UPDATE fedihook_moves SET back = $1, followers = $2, there = $3, step = $4, after = $5,
		version = version + 1 WHERE sha256(source) = sha256($6) AND id = $7 AND version = $8`,
		toMicros(m.Back), m.Followers, m.There, int64(m.Step), m.After, blob(m.From), blob(m.ID), m.Version)
	if err != nil {
		return false, fmt.Errorf("storage: save move of %s: %w", m.From, err)
	}
	return n == 1, nil
}

func (s *postgresMoves) ListMoves(ctx context.Context, q actor.MoveQuery) ([]actor.Move, error) {
	if q.Limit <= 0 {
		q.Limit = movePage
	}
	where, args := ``, []any{blob(q.After), q.Limit}
	if q.To != "" {
		where += ` AND sha256(target) = sha256($3)`
		args = append(args, blob(q.To))
	}
	if q.Unfinished {
		where += ` AND step <> 0`
	}
	page, err := all(ctx, s.db, scanMove, `SELECT `+moveColumns+` FROM fedihook_moves
		WHERE (substr(source, 1, 512), source) > (substr($1::bytea, 1, 512), $1::bytea)`+where+`
		ORDER BY substr(source, 1, 512), source LIMIT $2`, args...)
	if err != nil {
		return nil, fmt.Errorf("storage: moves to %q: %w", q.To, err)
	}
	return page, nil
}
