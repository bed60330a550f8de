package queue

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/internal/sqldb"
)

var intentSchema = []string{`
CREATE TABLE fedihook_q_intent (id INTEGER PRIMARY KEY AUTOINCREMENT, activity TEXT NOT NULL, body BLOB NOT NULL);
`}

// Execer is what a transaction of the app must be able to do. A *sql.Tx is one.
type Execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// Intents are activities that wait in the app's own database for the commit of the
// transaction that wrote them and for a Queue that expands them. They keep the contract of
// [delivery.Intents]: hand them to delivery.Config.Intents.
type Intents struct{ db *sql.DB }

// OpenIntents brings the table fedihook_q_intent in the app's SQLite database up to date. It changes no
// setting of db.
func OpenIntents(ctx context.Context, db *sql.DB) (*Intents, error) {
	if err := sqldb.Migrate(ctx, db, "intents of queue", intentSchema); err != nil {
		return nil, fmt.Errorf("queue: open intents: %w", err)
	}
	return &Intents{db}, nil
}

// In returns what writes intents in a transaction: each is one INSERT, and nothing else is done with tx.
func (*Intents) In(tx Execer) delivery.Appender { return appender{tx} }

type appender struct{ tx Execer }

func (a appender) AppendIntent(ctx context.Context, i delivery.Intent) error {
	body := i.Body
	i.ID, i.Body = 0, nil
	meta, err := json.Marshal(i)
	if err == nil {
		_, err = a.tx.ExecContext(ctx, `INSERT INTO fedihook_q_intent (activity, body) VALUES (?, ?)`, string(meta), body)
	}
	if err != nil {
		return fmt.Errorf("queue: intent of %.200s: %w", i.Activity.ID, err)
	}
	return nil
}

// Intents returns the oldest that are committed.
func (in *Intents) Intents(ctx context.Context, limit int) ([]delivery.Intent, error) {
	rows, err := in.db.QueryContext(ctx, `SELECT id, activity, body FROM fedihook_q_intent ORDER BY id LIMIT ?`, limit)
	if err != nil {
		return nil, fmt.Errorf("queue: intents: %w", err)
	}
	defer rows.Close()
	var list []delivery.Intent
	for rows.Next() {
		var id int64
		var meta string
		var body []byte
		if err := rows.Scan(&id, &meta, &body); err != nil {
			return nil, fmt.Errorf("queue: intents: %w", err)
		}
		var i delivery.Intent
		if err := json.Unmarshal([]byte(meta), &i); err != nil {
			return nil, fmt.Errorf("queue: intent %d: %w", id, err)
		}
		i.ID, i.Body = id, body
		list = append(list, i)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("queue: intents: %w", err)
	}
	return list, nil
}

// Expanded removes intents.
func (in *Intents) Expanded(ctx context.Context, ids []int64) error {
	list, err := array(ids)
	if err == nil {
		_, err = in.db.ExecContext(ctx, `DELETE FROM fedihook_q_intent WHERE id IN (SELECT value FROM json_each(?))`, list)
	}
	if err != nil {
		return fmt.Errorf("queue: intents expanded: %w", err)
	}
	return nil
}
