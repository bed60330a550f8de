package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/internal/sqldb"
)

var movesTables = []string{`CREATE TABLE fedihook_moves (
	source    TEXT PRIMARY KEY,
	target    TEXT NOT NULL,
	id        TEXT NOT NULL,
	at        INTEGER NOT NULL,
	back      INTEGER NOT NULL,
	followers INTEGER NOT NULL,
	there     INTEGER NOT NULL,
	step      INTEGER NOT NULL,
	after     INTEGER NOT NULL,
	version   INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX fedihook_moves_target ON fedihook_moves (target, source);
CREATE INDEX fedihook_moves_unfinished ON fedihook_moves (source) WHERE step <> 0`}

// movePage is how many moves a page has when the query does not say.
const movePage = 100

// sqliteMoves is an actor.Moves.
type sqliteMoves struct{ db *sqldb.DB }

const moveColumns = `source, target, id, at, back, followers, there, step, after, version`

func (s *sqliteMoves) Move(ctx context.Context, from string) (actor.Move, error) {
	m, err := moveOf(ctx, s.db, from)
	if err != nil {
		return m, fmt.Errorf("storage: move of %s: %w", from, notFound(err))
	}
	return m, nil
}

func moveOf(ctx context.Context, q querier, from string) (actor.Move, error) {
	return scanMove(q.QueryRowContext(ctx, `SELECT `+moveColumns+` FROM fedihook_moves WHERE source = ?`, from))
}

func scanMove(row scanner) (m actor.Move, err error) {
	var at, back int64
	err = row.Scan(&m.From, &m.To, &m.ID, &at, &back, &m.Followers, &m.There, &m.Step, &m.After, &m.Version)
	m.At, m.Back = fromMicros(at), fromMicros(back)
	return m, err
}

func (s *sqliteMoves) AddMove(ctx context.Context, m actor.Move, since time.Time) (actor.Move, error) {
	err := s.db.Tx(ctx, func(tx *sql.Tx) error {
		old, err := moveOf(ctx, tx, m.From)
		switch {
		case err == nil && (old.ID == m.ID || old.At.After(kept(since))):
			m = old
			return nil
		case err != nil && !errors.Is(err, sql.ErrNoRows):
			return err
		}
		m.At, m.Back, m.Version = kept(m.At), kept(m.Back), 1
		_, err = tx.ExecContext(ctx, `INSERT OR REPLACE INTO fedihook_moves (`+moveColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			m.From, m.To, m.ID, toMicros(m.At), toMicros(m.Back), m.Followers, m.There, m.Step, m.After, m.Version)
		return err
	})
	if err != nil {
		return actor.Move{}, fmt.Errorf("storage: add move of %s: %w", m.From, err)
	}
	return m, nil
}

func (s *sqliteMoves) SaveMove(ctx context.Context, m actor.Move) (bool, error) {
	n, err := exec(ctx, s.db, `UPDATE fedihook_moves SET back = ?, followers = ?, there = ?, step = ?, after = ?, version = version + 1
		WHERE source = ? AND id = ? AND version = ?`,
		toMicros(m.Back), m.Followers, m.There, m.Step, m.After, m.From, m.ID, m.Version)
	if err != nil {
		return false, fmt.Errorf("storage: save move of %s: %w", m.From, err)
	}
	return n == 1, nil
}

func (s *sqliteMoves) ListMoves(ctx context.Context, q actor.MoveQuery) ([]actor.Move, error) {
	if q.Limit <= 0 {
		q.Limit = movePage
	}
	where, args := `source > ?`, []any{q.After}
	if q.To != "" {
		where += ` AND target = ?`
		args = append(args, q.To)
	}
	if q.Unfinished {
		where += ` AND step <> 0`
	}
	page, err := all(ctx, s.db, scanMove, `SELECT `+moveColumns+` FROM fedihook_moves WHERE `+where+` ORDER BY source LIMIT ?`,
		append(args, q.Limit)...)
	if err != nil {
		return nil, fmt.Errorf("storage: moves to %q: %w", q.To, err)
	}
	return page, nil
}
