package storage

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/fedihook/fedihook/moderation"
)

var rulesTables = []string{`CREATE TABLE fedihook_rules (
	domain   TEXT PRIMARY KEY,
	severity INTEGER NOT NULL,
	reason   TEXT NOT NULL,
	at       INTEGER NOT NULL
) WITHOUT ROWID`}

// askedAtOnce is how many domains go into one query: SQLite takes 999 arguments or more.
const askedAtOnce = 500

// sqliteRules is a moderation.Rules.
type sqliteRules struct{ db *sql.DB }

func (s *sqliteRules) PutRule(ctx context.Context, r moderation.Rule) error {
	_, err := exec(ctx, s.db, `INSERT INTO fedihook_rules (domain, severity, reason, at) VALUES (?, ?, ?, ?)
		ON CONFLICT (domain) DO UPDATE SET severity = excluded.severity, reason = excluded.reason, at = excluded.at`,
		r.Domain, r.Severity, r.Reason, toMicros(r.At))
	if err != nil {
		return fmt.Errorf("storage: put rule about %s: %w", r.Domain, err)
	}
	return nil
}

func (s *sqliteRules) DeleteRule(ctx context.Context, domain string) error {
	if _, err := exec(ctx, s.db, `DELETE FROM fedihook_rules WHERE domain = ?`, domain); err != nil {
		return fmt.Errorf("storage: delete rule about %s: %w", domain, err)
	}
	return nil
}

func (s *sqliteRules) MatchRules(ctx context.Context, domains []string) ([]moderation.Rule, error) {
	domains = slices.Clone(domains)
	slices.Sort(domains)
	domains = slices.Compact(domains)
	var rules []moderation.Rule
	for some := range slices.Chunk(domains, askedAtOnce) {
		args := make([]any, len(some))
		for i, d := range some {
			args[i] = d
		}
		list, err := all(ctx, s.db, scanRule, `SELECT domain, severity, reason, at FROM fedihook_rules
			WHERE domain IN (?`+strings.Repeat(`, ?`, len(some)-1)+`)`, args...)
		if err != nil {
			return nil, fmt.Errorf("storage: rules about %s: %w", some[0], err)
		}
		rules = append(rules, list...)
	}
	return rules, nil
}

func scanRule(row scanner) (r moderation.Rule, err error) {
	var at int64
	err = row.Scan(&r.Domain, &r.Severity, &r.Reason, &at)
	r.At = fromMicros(at)
	return r, err
}
