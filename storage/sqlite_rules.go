package storage

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/fedihook/fedihook/internal/sqldb"
	"github.com/fedihook/fedihook/moderation"
)

// Of a rule only its key is a column: all else is read whole, into memory.
var rulesTables = []string{`CREATE TABLE fedihook_rules (
	domain   TEXT PRIMARY KEY,
	severity INTEGER NOT NULL,
	reason   TEXT NOT NULL,
	at       INTEGER NOT NULL
) WITHOUT ROWID`,
	`ALTER TABLE fedihook_rules RENAME TO fedihook_rules_old;
CREATE TABLE fedihook_rules (
	local TEXT NOT NULL,
	about TEXT NOT NULL,
	rule  TEXT NOT NULL,
	PRIMARY KEY (local, about)
) WITHOUT ROWID;
INSERT INTO fedihook_rules SELECT '', domain, json_object('about', domain, 'severity', severity, 'private', reason, 'at', at)
	FROM fedihook_rules_old;
DROP TABLE fedihook_rules_old;
CREATE TABLE fedihook_rules_trail (
	seq    INTEGER PRIMARY KEY AUTOINCREMENT,
	at     INTEGER NOT NULL,
	by     TEXT NOT NULL,
	reason TEXT NOT NULL,
	lifted INTEGER NOT NULL,
	rule   TEXT NOT NULL
);
CREATE TABLE fedihook_rules_head (site INTEGER NOT NULL, own INTEGER NOT NULL, enforced INTEGER NOT NULL);
INSERT INTO fedihook_rules_head VALUES (0, 0, 0);
CREATE TABLE fedihook_seen (
	host  TEXT PRIMARY KEY,
	first INTEGER NOT NULL,
	last  INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX fedihook_seen_last ON fedihook_seen (last)`}

// sqliteRules is a moderation.Rules and a moderation.GuardedRules.
type sqliteRules struct{ db *sqldb.DB }

// keptRule is a rule as it stands in its column. Times are in microseconds, 0 for none.
type keptRule struct {
	Local         string `json:"local,omitempty"`
	About         string `json:"about"`
	Severity      uint8  `json:"severity,omitempty"`
	RejectMedia   bool   `json:"rejectMedia,omitempty"`
	RejectReports bool   `json:"rejectReports,omitempty"`
	Allow         bool   `json:"allow,omitempty"`
	Obfuscate     bool   `json:"obfuscate,omitempty"`
	Public        string `json:"public,omitempty"`
	Private       string `json:"private,omitempty"`
	By            string `json:"by,omitempty"`
	At            int64  `json:"at,omitempty"`
}

func writeRule(r moderation.Rule) (string, error) {
	raw, err := json.Marshal(keptRule{
		r.Local, r.About, uint8(r.Severity), r.RejectMedia, r.RejectReports, r.Allow, r.Obfuscate, r.Public, r.Private, r.By, toMicros(r.At),
	})
	return string(raw), err
}

func readRule(raw string) (moderation.Rule, error) {
	var k keptRule
	if err := json.Unmarshal([]byte(raw), &k); err != nil {
		return moderation.Rule{}, err
	}
	return moderation.Rule{
		Key: moderation.Key{Local: k.Local, About: k.About}, Severity: moderation.Severity(k.Severity), RejectMedia: k.RejectMedia,
		RejectReports: k.RejectReports, Allow: k.Allow, Obfuscate: k.Obfuscate, Public: k.Public, Private: k.Private, By: k.By,
		At: fromMicros(k.At),
	}, nil
}

func scanRule(row scanner) (moderation.Rule, error) {
	var raw string
	if err := row.Scan(&raw); err != nil {
		return moderation.Rule{}, err
	}
	return readRule(raw)
}

func (s *sqliteRules) ChangeRules(ctx context.Context, entries []moderation.Entry) error {
	_, err := s.change(ctx, nil, entries)
	return err
}

func (s *sqliteRules) ChangeRulesSince(ctx context.Context, h moderation.Head, entries []moderation.Entry) (bool, error) {
	return s.change(ctx, &h, entries)
}

// change writes the entries, if the rules are as they were at the head, which may be nil.
func (s *sqliteRules) change(ctx context.Context, since *moderation.Head, entries []moderation.Entry) (ok bool, err error) {
	err = s.db.Tx(ctx, func(tx *sql.Tx) error {
		if since != nil {
			now, err := rulesHead(ctx, tx)
			if err != nil || !now.AsSince(*since, entries) {
				return err
			}
		}
		for _, e := range entries {
			if err := changeRule(ctx, tx, e); err != nil {
				return fmt.Errorf("rule about %.200s: %w", e.Rule.About, err)
			}
		}
		ok = true
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("storage: change rules: %w", err)
	}
	return ok, nil
}

func rulesHead(ctx context.Context, q querier) (h moderation.Head, err error) {
	return h, q.QueryRowContext(ctx, `SELECT site, own, enforced FROM fedihook_rules_head`).Scan(&h.Site, &h.Own, &h.Enforced)
}

func changeRule(ctx context.Context, tx *sql.Tx, e moderation.Entry) error {
	raw, err := writeRule(e.Rule)
	if err != nil {
		return err
	}
	if e.Lifted {
		_, err = tx.ExecContext(ctx, `DELETE FROM fedihook_rules WHERE local = ? AND about = ?`, e.Rule.Local, e.Rule.About)
	} else {
		_, err = tx.ExecContext(ctx, `INSERT INTO fedihook_rules (local, about, rule) VALUES (?, ?, ?)
			ON CONFLICT (local, about) DO UPDATE SET rule = excluded.rule`, e.Rule.Local, e.Rule.About, raw)
	}
	if err != nil {
		return err
	}
	res, err := tx.ExecContext(ctx, `INSERT INTO fedihook_rules_trail (at, by, reason, lifted, rule) VALUES (?, ?, ?, ?, ?)`,
		toMicros(e.At), e.By, e.Reason, e.Lifted, raw)
	if err != nil {
		return err
	}
	seq, err := res.LastInsertId()
	if err != nil {
		return err
	}
	column := `site`
	if e.Rule.Local != "" {
		column = `own`
	}
	_, err = tx.ExecContext(ctx, `UPDATE fedihook_rules_head SET `+column+` = ?`, seq)
	return err
}

func (s *sqliteRules) ListRules(ctx context.Context, q moderation.Query) ([]moderation.Rule, error) {
	if q.Limit <= 0 {
		q.Limit = rulePage
	}
	page, err := all(ctx, s.db, scanRule, `SELECT rule FROM fedihook_rules WHERE local = ? AND about > ? ORDER BY about LIMIT ?`,
		q.Local, q.After, q.Limit)
	if err != nil {
		return nil, fmt.Errorf("storage: rules of %q: %w", q.Local, err)
	}
	return page, nil
}

func (s *sqliteRules) RulesHead(ctx context.Context) (h moderation.Head, err error) {
	if h, err = rulesHead(ctx, s.db); err != nil {
		return moderation.Head{}, fmt.Errorf("storage: how far the rules are: %w", err)
	}
	return h, nil
}

func (s *sqliteRules) Trail(ctx context.Context, after int64, limit int) ([]moderation.Entry, error) {
	list, err := all(ctx, s.db, scanChange,
		`SELECT seq, at, by, reason, lifted, rule FROM fedihook_rules_trail WHERE seq > ? ORDER BY seq LIMIT ?`, after, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("storage: trail of the rules: %w", err)
	}
	return list, nil
}

func scanChange(row scanner) (e moderation.Entry, err error) {
	var at int64
	var raw string
	if err := row.Scan(&e.Seq, &at, &e.By, &e.Reason, &e.Lifted, &raw); err != nil {
		return e, err
	}
	e.At = fromMicros(at)
	e.Rule, err = readRule(raw)
	return e, err
}

func (s *sqliteRules) SetEnforced(ctx context.Context, seq int64) error {
	if _, err := exec(ctx, s.db, `UPDATE fedihook_rules_head SET enforced = max(enforced, ?)`, seq); err != nil {
		return fmt.Errorf("storage: rules are enforced: %w", err)
	}
	return nil
}

func (s *sqliteRules) ForgetTrail(ctx context.Context, keep int) error {
	_, err := exec(ctx, s.db, `DELETE FROM fedihook_rules_trail WHERE seq <= (SELECT enforced FROM fedihook_rules_head)
		AND seq NOT IN (SELECT seq FROM fedihook_rules_trail ORDER BY seq DESC LIMIT ?)`, max(keep, 0))
	if err != nil {
		return fmt.Errorf("storage: forget the trail of the rules: %w", err)
	}
	return nil
}

// sqliteHosts is a moderation.Hosts.
type sqliteHosts struct{ db *sqldb.DB }

func (s *sqliteHosts) FirstSeen(ctx context.Context, host string) (time.Time, error) {
	var first int64
	err := s.db.QueryRowContext(ctx, `SELECT first FROM fedihook_seen WHERE host = ?`, host).Scan(&first)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("storage: when %.200s was first seen: %w", host, err)
	}
	return fromMicros(first), nil
}

func (s *sqliteHosts) See(ctx context.Context, host string, now time.Time, most int) error {
	err := s.db.Tx(ctx, func(tx *sql.Tx) error {
		at := toMicros(now)
		if _, err := tx.ExecContext(ctx, `INSERT INTO fedihook_seen (host, first, last) VALUES (?, ?, ?)
			ON CONFLICT (host) DO UPDATE SET last = excluded.last`, host, at, at); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM fedihook_seen WHERE host IN (SELECT host FROM fedihook_seen ORDER BY last
			LIMIT max(0, (SELECT count(*) FROM fedihook_seen) - ?))`, max(most, 0))
		return err
	})
	if err != nil {
		return fmt.Errorf("storage: saw %.200s: %w", host, err)
	}
	return nil
}
