package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fedihook/fedihook/internal/pgdb"
	"github.com/fedihook/fedihook/moderation"
)

// The number of an entry is given out by the only row of fedihook_rules_head, which whoever changes rules holds until the
// commit: entries become visible in the order of their numbers.
var postgresRulesTables = []string{`CREATE TABLE fedihook_rules (
	local bytea NOT NULL,
	about bytea NOT NULL,
	rule  bytea NOT NULL
);
CREATE UNIQUE INDEX fedihook_rules_key ON fedihook_rules (sha256(local), sha256(about));
CREATE INDEX fedihook_rules_order ON fedihook_rules (sha256(local), substr(about, 1, 512));
CREATE TABLE fedihook_rules_trail (
	seq    bigint PRIMARY KEY,
	at     bigint NOT NULL,
	by     bytea NOT NULL,
	reason bytea NOT NULL,
	lifted boolean NOT NULL,
	rule   bytea NOT NULL
);
CREATE TABLE fedihook_rules_head (site bigint NOT NULL, own bigint NOT NULL, enforced bigint NOT NULL, last bigint NOT NULL);
INSERT INTO fedihook_rules_head VALUES (0, 0, 0, 0);
CREATE TABLE fedihook_seen (
	host  bytea NOT NULL,
	first bigint NOT NULL,
	last  bigint NOT NULL
);
CREATE UNIQUE INDEX fedihook_seen_host ON fedihook_seen (sha256(host));
CREATE INDEX fedihook_seen_last ON fedihook_seen (last)`}

// ruleBatch is how many entries one statement writes.
const ruleBatch = 1000

// postgresRules is a moderation.Rules and a moderation.GuardedRules.
type postgresRules struct{ db *sql.DB }

func (s *postgresRules) ChangeRules(ctx context.Context, entries []moderation.Entry) error {
	_, err := s.change(ctx, nil, entries)
	return err
}

func (s *postgresRules) ChangeRulesSince(ctx context.Context, h moderation.Head, entries []moderation.Entry) (bool, error) {
	return s.change(ctx, &h, entries)
}

// change writes the entries, if the rules are as they were at the head, which may be nil.
func (s *postgresRules) change(ctx context.Context, since *moderation.Head, entries []moderation.Entry) (ok bool, err error) {
	err = pgdb.Tx(ctx, s.db, func(tx *sql.Tx) error {
		ok = false
		if err := bound(ctx, tx); err != nil {
			return err
		}
		var h moderation.Head
		var last int64
		if err := tx.QueryRowContext(ctx, `SELECT site, own, last FROM fedihook_rules_head FOR UPDATE`).Scan(&h.Site, &h.Own, &last); err != nil {
			return err
		}
		if since != nil && !h.AsSince(*since, entries) {
			return nil
		}
		ok = true
		final := make(map[moderation.Key]moderation.Entry)
		for batch := range slices.Chunk(entries, ruleBatch) {
			if err := addTrail(ctx, tx, last, batch); err != nil {
				return err
			}
			for _, e := range batch {
				last++
				if final[e.Rule.Key] = e; e.Rule.Local == "" {
					h.Site = last
				} else {
					h.Own = last
				}
			}
		}
		if err := applyRules(ctx, tx, final); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE fedihook_rules_head SET site = $1, own = $2, last = $3`, h.Site, h.Own, last)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("storage: change rules: %w", err)
	}
	return ok, nil
}

// addTrail appends entries after the number last.
func addTrail(ctx context.Context, tx *sql.Tx, last int64, entries []moderation.Entry) error {
	var at, lifted []int64
	var by, reason, rules []string
	for _, e := range entries {
		rule, err := writeRule(e.Rule)
		if err != nil {
			return fmt.Errorf("rule about %.200s: %w", e.Rule.About, err)
		}
		at, by, reason, rules = append(at, toMicros(e.At)), append(by, e.By), append(reason, e.Reason), append(rules, rule)
		lifted = append(lifted, 0)
		if e.Lifted {
			lifted[len(lifted)-1] = 1
		}
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO fedihook_rules_trail (seq, at, by, reason, lifted, rule)
		SELECT $1::bigint + n, at, by, reason, lifted = 1, rule
		FROM unnest($2::bigint[], $3::bytea[], $4::bytea[], $5::bigint[], $6::bytea[]) WITH ORDINALITY AS e (at, by, reason, lifted, rule, n)`,
		last, pgdb.Ints(at), blobs(by), blobs(reason), pgdb.Ints(lifted), blobs(rules))
	return err
}

// applyRules makes of each rule what the last entry about it says.
func applyRules(ctx context.Context, tx *sql.Tx, final map[moderation.Key]moderation.Entry) error {
	type columns struct{ local, about, rule []string }
	var gone, put columns
	write := func(c *columns, query string, most int) error {
		if len(c.local) <= most {
			return nil
		}
		args := []any{blobs(c.local), blobs(c.about)}
		if c.rule != nil {
			args = append(args, blobs(c.rule))
		}
		_, err := tx.ExecContext(ctx, query, args...)
		*c = columns{}
		return err
	}
	const forget = `DELETE FROM fedihook_rules r USING unnest($1::bytea[], $2::bytea[]) AS k (local, about)
		WHERE sha256(r.local) = sha256(k.local) AND sha256(r.about) = sha256(k.about)`
	const keep = `INSERT INTO fedihook_rules (local, about, rule) SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bytea[])
		ON CONFLICT (sha256(local), sha256(about)) DO UPDATE SET rule = excluded.rule`
	for k, e := range final {
		if e.Lifted {
			gone.local, gone.about = append(gone.local, k.Local), append(gone.about, k.About)
			if err := write(&gone, forget, ruleBatch); err != nil {
				return err
			}
			continue
		}
		rule, err := writeRule(e.Rule)
		if err != nil {
			return err
		}
		put.local, put.about, put.rule = append(put.local, k.Local), append(put.about, k.About), append(put.rule, rule)
		if err := write(&put, keep, ruleBatch); err != nil {
			return err
		}
	}
	if err := write(&gone, forget, 0); err != nil {
		return err
	}
	return write(&put, keep, 0)
}

func (s *postgresRules) ListRules(ctx context.Context, q moderation.Query) ([]moderation.Rule, error) {
	if q.Limit <= 0 {
		q.Limit = rulePage
	}
	page, err := all(ctx, s.db, scanRule, `SELECT rule FROM fedihook_rules WHERE sha256(local) = sha256($1)
		AND (substr(about, 1, 512), about) > (substr($2::bytea, 1, 512), $2::bytea) ORDER BY substr(about, 1, 512), about LIMIT $3`,
		blob(q.Local), blob(q.After), q.Limit)
	if err != nil {
		return nil, fmt.Errorf("storage: rules of %q: %w", q.Local, err)
	}
	return page, nil
}

func (s *postgresRules) RulesHead(ctx context.Context) (h moderation.Head, err error) {
	if h, err = rulesHead(ctx, s.db); err != nil {
		return moderation.Head{}, fmt.Errorf("storage: how far the rules are: %w", err)
	}
	return h, nil
}

func (s *postgresRules) Trail(ctx context.Context, after int64, limit int) ([]moderation.Entry, error) {
	list, err := all(ctx, s.db, scanChange, `SELECT seq, at, by, reason, lifted, rule FROM fedihook_rules_trail
		WHERE seq > $1 ORDER BY seq LIMIT $2`, after, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("storage: trail of the rules: %w", err)
	}
	return list, nil
}

func (s *postgresRules) SetEnforced(ctx context.Context, seq int64) error {
	if _, err := changes(ctx, s.db, `UPDATE fedihook_rules_head SET enforced = $1 WHERE enforced < $1`, seq); err != nil {
		return fmt.Errorf("storage: rules are enforced: %w", err)
	}
	return nil
}

func (s *postgresRules) ForgetTrail(ctx context.Context, keep int) error {
	_, err := changes(ctx, s.db, `DELETE FROM fedihook_rules_trail WHERE seq <= (SELECT enforced FROM fedihook_rules_head)
		AND seq <= coalesce((SELECT seq FROM fedihook_rules_trail ORDER BY seq DESC OFFSET $1 LIMIT 1), 0)`, max(keep, 0))
	if err != nil {
		return fmt.Errorf("storage: forget the trail of the rules: %w", err)
	}
	return nil
}

// postgresHosts is a moderation.Hosts.
type postgresHosts struct{ db *sql.DB }

func (s *postgresHosts) FirstSeen(ctx context.Context, host string) (time.Time, error) {
	var first int64
	err := s.db.QueryRowContext(ctx, `SELECT first FROM fedihook_seen WHERE sha256(host) = sha256($1)`, blob(host)).Scan(&first)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("storage: when %.200s was first seen: %w", host, err)
	}
	return fromMicros(first), nil
}

// See waits for others who see a host: each has to know how many there are.
func (s *postgresHosts) See(ctx context.Context, host string, now time.Time, most int) error {
	err := pgdb.Tx(ctx, s.db, func(tx *sql.Tx) error {
		if err := alone(ctx, tx, "hosts", ""); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO fedihook_seen (host, first, last) VALUES ($1, $2, $2)
			ON CONFLICT (sha256(host)) DO UPDATE SET last = excluded.last`, blob(host), toMicros(now)); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM fedihook_seen WHERE ctid = ANY (ARRAY(
			SELECT ctid FROM fedihook_seen ORDER BY last DESC OFFSET $1))`, max(most, 0))
		return err
	})
	if err != nil {
		return fmt.Errorf("storage: saw %.200s: %w", host, err)
	}
	return nil
}
