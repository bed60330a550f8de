package storage

import (
	"context"
	"fmt"
	"time"

	"github.com/fedihook/fedihook/internal/sqldb"
	"github.com/fedihook/fedihook/outbox"
)

var relaysTables = []string{`CREATE TABLE fedihook_relays (
	id        TEXT PRIMARY KEY,
	style     INTEGER NOT NULL,
	inbox     TEXT NOT NULL,
	actor     TEXT NOT NULL,
	follow_id TEXT NOT NULL,
	state     INTEGER NOT NULL,
	wanted    INTEGER NOT NULL,
	at        INTEGER NOT NULL
) WITHOUT ROWID`}

// sqliteRelays is an outbox.Relays.
type sqliteRelays struct{ db *sqldb.DB }

func (s *sqliteRelays) PutRelay(ctx context.Context, r outbox.Relay) error {
	_, err := exec(ctx, s.db, `INSERT INTO fedihook_relays (id, style, inbox, actor, follow_id, state, wanted, at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET wanted = excluded.wanted, follow_id = excluded.follow_id,
		style = CASE follow_id WHEN excluded.follow_id THEN style ELSE excluded.style END,
		inbox = CASE follow_id WHEN excluded.follow_id THEN inbox ELSE excluded.inbox END,
		actor = CASE follow_id WHEN excluded.follow_id THEN actor ELSE excluded.actor END,
		state = CASE follow_id WHEN excluded.follow_id THEN state ELSE excluded.state END,
		at = CASE follow_id WHEN excluded.follow_id THEN at ELSE excluded.at END`,
		r.ID, r.Style, r.Inbox, r.Actor, r.FollowID, r.State, r.Wanted, toMicros(r.At))
	if err != nil {
		return fmt.Errorf("storage: put relay %s: %w", r.ID, err)
	}
	return nil
}

func (s *sqliteRelays) AnswerRelay(ctx context.Context, followID, actor string, state outbox.RelayState, at time.Time) error {
	n, err := exec(ctx, s.db, `UPDATE fedihook_relays SET state = ?, at = ?, actor = CASE actor WHEN '' THEN ? ELSE actor END
		WHERE follow_id = ?`, state, toMicros(at), actor, followID)
	if err == nil && n == 0 {
		err = outbox.ErrNoRelay
	}
	if err != nil {
		return fmt.Errorf("storage: relay that was sent %s: %w", followID, err)
	}
	return nil
}

func (s *sqliteRelays) DeleteRelay(ctx context.Context, id string) error {
	if _, err := exec(ctx, s.db, `DELETE FROM fedihook_relays WHERE id = ?`, id); err != nil {
		return fmt.Errorf("storage: delete relay %s: %w", id, err)
	}
	return nil
}

func (s *sqliteRelays) Relays(ctx context.Context) ([]outbox.Relay, error) {
	list, err := all(ctx, s.db, scanRelay, `SELECT id, style, inbox, actor, follow_id, state, wanted, at FROM fedihook_relays ORDER BY id`)
	if err != nil {
		return nil, fmt.Errorf("storage: relays: %w", err)
	}
	return list, nil
}

func scanRelay(row scanner) (r outbox.Relay, err error) {
	var at int64
	err = row.Scan(&r.ID, &r.Style, &r.Inbox, &r.Actor, &r.FollowID, &r.State, &r.Wanted, &at)
	r.At = fromMicros(at)
	return r, err
}
