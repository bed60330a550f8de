package queue

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/internal/sqldb"
)

var intentSchema = []string{`
CREATE TABLE fedihook_q_intent (id INTEGER PRIMARY KEY AUTOINCREMENT, activity TEXT NOT NULL, body BLOB NOT NULL);
`}

var expandedSchema = []string{`
CREATE TABLE fedihook_q_expanded (one INTEGER PRIMARY KEY CHECK (one = 1), id INTEGER NOT NULL);
INSERT INTO fedihook_q_expanded VALUES (1, 0);
`}

// sweepEvery is how often expanded intents may be deleted from the app's database. Each commit of ours there may
// fail a transaction of the app's that has read and not yet written (SQLITE_BUSY_SNAPSHOT), so up to which one they are
// expanded is remembered in our own file, and they are deleted seldom.
const sweepEvery = time.Minute

// Execer is what a transaction of the app must be able to do. A *sql.Tx is one.
type Execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// Intents are activities that wait in the app's own database for the commit of the
// transaction that wrote them and for a Queue that expands them. They keep the contract of
// [delivery.Intents]: hand them to delivery.Config.Intents.
type Intents struct {
	app, own *sql.DB

	mu    sync.Mutex
	swept time.Time
}

// OpenIntents brings the table fedihook_q_intent in the app's SQLite database up to date, and another in own, the file of
// [OpenSQLite]. It changes no setting of app. SQLite has one writer at a time, so intents are numbered in the order of their commits.
func OpenIntents(ctx context.Context, app, own *sql.DB) (*Intents, error) {
	in := &Intents{app: app, own: own}
	err := sqldb.Migrate(ctx, app, "intents of queue", intentSchema)
	if err == nil {
		err = sqldb.Migrate(ctx, own, "expanded intents", expandedSchema)
	}
	if err == nil {
		err = in.rewind(ctx)
	}
	if err == nil {
		err = in.sweep(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("queue: open intents: %w", err)
	}
	return in, nil
}

// rewind takes back what was expanded beyond the highest number that the app's database has given, which is so after
// it was restored from an older copy or lost its last commits with the power: it will give those numbers again.
func (in *Intents) rewind(ctx context.Context) error {
	var given int64
	if err := in.app.QueryRowContext(ctx, `SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'fedihook_q_intent'), 0)`).Scan(&given); err != nil {
		return err
	}
	_, err := in.own.ExecContext(ctx, `UPDATE fedihook_q_expanded SET id = ? WHERE id > ?`, given, given)
	return err
}

func (in *Intents) expanded(ctx context.Context) (id int64, err error) {
	err = in.own.QueryRowContext(ctx, `SELECT id FROM fedihook_q_expanded`).Scan(&id)
	return id, err
}

// sweep deletes what was expanded.
func (in *Intents) sweep(ctx context.Context) error {
	id, err := in.expanded(ctx)
	if err == nil {
		_, err = in.app.ExecContext(ctx, `DELETE FROM fedihook_q_intent WHERE id <= ?`, id)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.swept = time.Now()
	return err
}

// In returns what writes intents in a transaction: each is one INSERT, and nothing else is done with tx.
func (*Intents) In(tx Execer) delivery.Appender { return appender{tx} }

type appender struct{ tx Execer }

// written is what stands in the table, beside the body.
type written struct {
	Activity delivery.Activity
	Targets  []delivery.Target
}

func (a appender) AppendIntent(ctx context.Context, i delivery.Intent) error {
	body := i.Body
	i.Body = nil
	meta, err := json.Marshal(written{i.Activity, i.Targets})
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
	after, err := in.expanded(ctx)
	if err != nil {
		return nil, fmt.Errorf("queue: intents: %w", err)
	}
	rows, err := in.app.QueryContext(ctx, `SELECT id, activity, body FROM fedihook_q_intent WHERE id > ? ORDER BY id LIMIT ?`, after, limit)
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
		var w written
		if err := json.Unmarshal([]byte(meta), &w); err != nil {
			return nil, fmt.Errorf("queue: intent %d: %w", id, err)
		}
		w.Activity.Body = body
		list = append(list, delivery.Intent{ID: id, Activity: w.Activity, Targets: w.Targets})
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("queue: intents: %w", err)
	}
	return list, nil
}

// Expanded notes that intents are expanded, which were the oldest.
func (in *Intents) Expanded(ctx context.Context, ids []int64) error {
	if len(ids) == 0 {
		return nil
	}
	last := slices.Max(ids)
	if _, err := in.own.ExecContext(ctx, `UPDATE fedihook_q_expanded SET id = ? WHERE id < ?`, last, last); err != nil {
		return fmt.Errorf("queue: intents expanded: %w", err)
	}
	in.mu.Lock()
	due := time.Since(in.swept) > sweepEvery
	in.mu.Unlock()
	if due {
		if err := in.sweep(ctx); err != nil {
			return fmt.Errorf("queue: intents expanded: %w", err)
		}
	}
	return nil
}
