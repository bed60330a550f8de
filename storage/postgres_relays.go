package storage

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/fedihook/fedihook/outbox"
)

var postgresRelaysTables = []string{`CREATE TABLE fedihook_relays (
	id        bytea NOT NULL,
	style     smallint NOT NULL,
	inbox     bytea NOT NULL,
	actor     bytea NOT NULL,
	follow_id bytea NOT NULL,
	state     smallint NOT NULL,
	wanted    boolean NOT NULL,
	at        bigint NOT NULL
);
CREATE UNIQUE INDEX fedihook_relays_id ON fedihook_relays (sha256(id))`}

// postgresRelays is an outbox.Relays.
type postgresRelays struct{ db *sql.DB }

func (s *postgresRelays) PutRelay(ctx context.Context, r outbox.Relay) error {
	_, err := changes(ctx, s.db, `INSERT INTO fedihook_relays AS r (id, style, inbox, actor, follow_id, state, wanted, at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (sha256(id)) DO UPDATE SET
		wanted = excluded.wanted, follow_id = excluded.follow_id,
		style = CASE r.follow_id WHEN excluded.follow_id THEN r.style ELSE excluded.style END,
		inbox = CASE r.follow_id WHEN excluded.follow_id THEN r.inbox ELSE excluded.inbox END,
		actor = CASE r.follow_id WHEN excluded.follow_id THEN r.actor ELSE excluded.actor END,
		state = CASE r.follow_id WHEN excluded.follow_id THEN r.state ELSE excluded.state END,
		at = CASE r.follow_id WHEN excluded.follow_id THEN r.at ELSE excluded.at END`,
		blob(r.ID), int64(r.Style), blob(r.Inbox), blob(r.Actor), blob(r.FollowID), int64(r.State), r.Wanted, toMicros(r.At))
	if err != nil {
		return fmt.Errorf("storage: put relay %s: %w", r.ID, err)
	}
	return nil
}

func (s *postgresRelays) AnswerRelay(ctx context.Context, followID, actor string, state outbox.RelayState, at time.Time) error {
	n, err := changes(ctx, s.db, `UPDATE fedihook_relays SET state = $1, at = $2,
		actor = CASE actor WHEN '' THEN $3::bytea ELSE actor END WHERE follow_id = $4`,
		int64(state), toMicros(at), blob(actor), blob(followID))
	if err == nil && n == 0 {
		err = outbox.ErrNoRelay
	}
	if err != nil {
		return fmt.Errorf("storage: relay that was sent %s: %w", followID, err)
	}
	return nil
}

func (s *postgresRelays) DeleteRelay(ctx context.Context, id string) error {
	if _, err := changes(ctx, s.db, `DELETE FROM fedihook_relays WHERE sha256(id) = sha256($1)`, blob(id)); err != nil {
		return fmt.Errorf("storage: delete relay %s: %w", id, err)
	}
	return nil
}

func (s *postgresRelays) Relays(ctx context.Context) ([]outbox.Relay, error) {
	list, err := all(ctx, s.db, scanRelay, `SELECT id, style, inbox, actor, follow_id, state, wanted, at FROM fedihook_relays ORDER BY id`)
	if err != nil {
		return nil, fmt.Errorf("storage: relays: %w", err)
	}
	return list, nil
}
