package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fedihook/fedihook/consent"
	"github.com/fedihook/fedihook/internal/sqldb"
)

var stampsTables = []string{`CREATE TABLE fedihook_stamps (
	seq         INTEGER PRIMARY KEY AUTOINCREMENT,
	kind        INTEGER NOT NULL,
	interaction TEXT NOT NULL,
	target      TEXT NOT NULL,
	author      TEXT NOT NULL,
	actor       TEXT NOT NULL,
	id          TEXT NOT NULL,
	request     TEXT NOT NULL,
	state       INTEGER NOT NULL,
	audience    TEXT NOT NULL,
	theirs      INTEGER NOT NULL,
	at          INTEGER NOT NULL,
	version     INTEGER NOT NULL,
	UNIQUE (interaction, target, kind)
);
CREATE INDEX fedihook_stamps_id ON fedihook_stamps (id) WHERE id <> '';
CREATE INDEX fedihook_stamps_request ON fedihook_stamps (request) WHERE request <> '';
CREATE INDEX fedihook_stamps_target ON fedihook_stamps (target, actor, seq);
CREATE INDEX fedihook_stamps_author ON fedihook_stamps (author, state, seq);
CREATE INDEX fedihook_stamps_theirs ON fedihook_stamps (at) WHERE theirs = 1`}

// sqliteStamps is a consent.Stamps.
type sqliteStamps struct{ db *sqldb.DB }

const stampColumns = `seq, kind, interaction, target, author, actor, id, request, state, audience, theirs, at, version`

func (s *sqliteStamps) SaveStamp(ctx context.Context, st consent.Stamp) error {
	audience, err := toJSON(st.Audience)
	if err != nil {
		return err
	}
	// Version is in no row zero, so one that is saved for the first time never replaces another.
	changed, err := exec(ctx, s.db, `INSERT INTO fedihook_stamps
		(kind, interaction, target, author, actor, id, request, state, audience, theirs, at, version)
		SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 1 WHERE ?12 = 0 OR EXISTS (
			SELECT 1 FROM fedihook_stamps WHERE interaction = ?2 AND target = ?3 AND kind = ?1)
		ON CONFLICT (interaction, target, kind) DO UPDATE SET author = excluded.author, actor = excluded.actor, id = excluded.id,
			request = excluded.request, state = excluded.state, audience = excluded.audience, theirs = excluded.theirs,
			at = excluded.at, version = version + 1 WHERE version = ?12`,
		st.Kind, st.Interaction, st.Target, st.Author, st.Actor, st.ID, st.Request, st.State, audience, st.Theirs, toMicros(st.At), st.Version)
	if err == nil && changed == 0 {
		err = consent.ErrStale
	}
	if err != nil {
		return fmt.Errorf("storage: stamp for %s: %w", st.Interaction, err)
	}
	return nil
}

func (s *sqliteStamps) Stamp(ctx context.Context, k consent.Kind, interaction, target string) (consent.Stamp, error) {
	st, err := scanStamp(s.db.QueryRowContext(ctx, `SELECT `+stampColumns+` FROM fedihook_stamps
		WHERE interaction = ? AND target = ? AND kind = ?`, interaction, target, k))
	if errors.Is(err, sql.ErrNoRows) {
		err = consent.ErrNone
	}
	if err != nil {
		return consent.Stamp{}, fmt.Errorf("storage: stamp for %s: %w", interaction, err)
	}
	return st, nil
}

func (s *sqliteStamps) Stamps(ctx context.Context, q consent.Query) ([]consent.Stamp, error) {
	if q.Limit <= 0 {
		q.Limit = stampPage
	}
	where, args := []string{"seq > ?"}, []any{q.After}
	for _, c := range []struct {
		term string
		v    string
	}{
		{"interaction = ?", q.Interaction}, {"target = ?", q.Target}, {"author = ?", q.Author}, {"actor = ?", q.Actor},
		{"id <> '' AND id = ?", q.ID}, {"request <> '' AND request = ?", q.Request}, // as the indexes say it
	} {
		if c.v != "" {
			where, args = append(where, c.term), append(args, c.v)
		}
	}
	if q.Kind != 0 {
		where, args = append(where, "kind = ?"), append(args, q.Kind)
	}
	if q.State != 0 {
		where, args = append(where, "state = ?"), append(args, q.State)
	}
	list, err := all(ctx, s.db, scanStamp, `SELECT `+stampColumns+` FROM fedihook_stamps
		WHERE `+strings.Join(where, " AND ")+` ORDER BY seq LIMIT ?`, append(args, q.Limit)...)
	if err != nil {
		return nil, fmt.Errorf("storage: stamps: %w", err)
	}
	return list, nil
}

func (s *sqliteStamps) ForgetStamps(ctx context.Context, before time.Time) error {
	if _, err := exec(ctx, s.db, `DELETE FROM fedihook_stamps WHERE theirs = 1 AND at < ?`, toMicros(before)); err != nil {
		return fmt.Errorf("storage: forget stamps: %w", err)
	}
	return nil
}

func scanStamp(row scanner) (s consent.Stamp, err error) {
	var at int64
	var audience string
	if err := row.Scan(&s.Seq, &s.Kind, &s.Interaction, &s.Target, &s.Author, &s.Actor, &s.ID, &s.Request, &s.State, &audience,
		&s.Theirs, &at, &s.Version); err != nil {
		return consent.Stamp{}, err
	}
	s.At = fromMicros(at)
	return s, fromJSON(audience, &s.Audience)
}
