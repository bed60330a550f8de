package storage

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/fedihook/fedihook/inbox"
)

var postgresForwardsTables = []string{`CREATE TABLE fedihook_forwards (
	object bytea NOT NULL,
	author bytea NOT NULL,
	local  bytea NOT NULL,
	at     bigint NOT NULL
);
CREATE UNIQUE INDEX fedihook_forwards_key ON fedihook_forwards (sha256(object), sha256(author), sha256(local));
CREATE INDEX fedihook_forwards_at ON fedihook_forwards (at)`}

// postgresForwards is an inbox.Forwards.
type postgresForwards struct{ db *sql.DB }

func (s *postgresForwards) PutForwarded(ctx context.Context, f inbox.Forwarded) error {
	_, err := changes(ctx, s.db, `INSERT INTO fedihook_forwards (object, author, local, at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (sha256(object), sha256(author), sha256(local)) DO UPDATE SET at = excluded.at`,
		blob(f.Object), blob(f.Author), blob(f.Local), toMicros(f.At))
	if err != nil {
		return fmt.Errorf("storage: put that %s was forwarded: %w", f.Object, err)
	}
	return nil
}

func (s *postgresForwards) ForwardedTo(ctx context.Context, object, author string) ([]string, error) {
	list, err := all(ctx, s.db, func(row scanner) (local string, err error) { return local, row.Scan(&local) },
		`SELECT local FROM fedihook_forwards WHERE sha256(object) = sha256($1) AND sha256(author) = sha256($2) ORDER BY local`,
		blob(object), blob(author))
	if err != nil {
		return nil, fmt.Errorf("storage: to whom %s was forwarded: %w", object, err)
	}
	return list, nil
}

func (s *postgresForwards) ForgetForwarded(ctx context.Context, before time.Time, keep int) error {
	_, err := changes(ctx, s.db, `DELETE FROM fedihook_forwards WHERE at < $1`, toMicros(before))
	if err == nil && keep > 0 {
		// A row that is put again meanwhile has another ctid, and stays.
		_, err = changes(ctx, s.db, `DELETE FROM fedihook_forwards WHERE ctid = ANY (ARRAY(
			SELECT ctid FROM fedihook_forwards ORDER BY at DESC OFFSET $1))`, keep)
	}
	if err != nil {
		return fmt.Errorf("storage: forget what was forwarded: %w", err)
	}
	return nil
}
