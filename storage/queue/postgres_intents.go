package queue

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/internal/pgdb"
)

var postgresIntentSchema = []string{`
CREATE TABLE fedihook_q_intent (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, activity bytea NOT NULL, body bytea NOT NULL)
	WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
`}

// PostgresIntents are activities that wait in PostgreSQL for the commit of the app's transaction that wrote them and for a Queue that
// expands them. They keep the contract of [delivery.Intents]: hand them to delivery.Config.Intents. Any number of
// processes may write and expand them at once.
//
// An intent gets its number when it is written and not when it is committed, so a lower one may come after a higher one. Of two
// of which one was committed before the other was written, the first has the lower number.
type PostgresIntents struct {
	db *sql.DB

	mu    sync.Mutex
	floor int64 // no intent up to here is there, nor will be
	next  int64 // what floor becomes when every transaction from before until is over
	until int64
}

// OpenPostgresIntents brings the table fedihook_q_intent up to date where the search_path of db's connections says, which must be
// the same for the app's transactions. It changes no setting.
func OpenPostgresIntents(ctx context.Context, db *sql.DB) (*PostgresIntents, error) {
	if err := pgdb.Migrate(ctx, db, "intents of queue", postgresIntentSchema); err != nil {
		return nil, fmt.Errorf("queue: open intents: %w", err)
	}
	return &PostgresIntents{db: db}, nil
}

// In returns what writes intents in a transaction: each is one INSERT, and nothing else is done with tx.
func (*PostgresIntents) In(tx Execer) delivery.Appender { return postgresAppender{tx} }

type postgresAppender struct{ tx Execer }

func (a postgresAppender) AppendIntent(ctx context.Context, i delivery.Intent) error {
	body := octets(string(i.Body))
	i.Body = nil
	meta, err := json.Marshal(written{i.Activity, i.Targets})
	if err == nil {
		_, err = a.tx.ExecContext(ctx, `INSERT INTO fedihook_q_intent (activity, body) VALUES ($1, $2)`, meta, body)
	}
	if err != nil {
		return fmt.Errorf("queue: intent of %.200s: %w", i.Activity.ID, err)
	}
	return nil
}

// Intents returns the oldest that are committed.
func (in *PostgresIntents) Intents(ctx context.Context, limit int) (list []delivery.Intent, err error) {
	after, err := in.raise(ctx)
	if err == nil {
		err = each(ctx, in.db, `SELECT id, activity, body FROM fedihook_q_intent WHERE id > $1 ORDER BY id LIMIT $2`, []any{after, limit}, func(r *sql.Rows) error {
			var i delivery.Intent
			var meta, body []byte
			if err := r.Scan(&i.ID, &meta, &body); err != nil {
				return err
			}
			var w written
			if err := json.Unmarshal(meta, &w); err != nil {
				return fmt.Errorf("intent %d: %w", i.ID, err)
			}
			w.Activity.Body = body
			i.Activity, i.Targets = w.Activity, w.Targets
			list = append(list, i)
			return nil
		})
	}
	if err != nil {
		return nil, fmt.Errorf("queue: intents: %w", err)
	}
	return list, nil
}

// raise returns from where to look. Where vacuum is held up, expanded intents stay in the index, and to pass them each time
// would take longer and longer: what was the lowest intent of all once, when each transaction of that time is over, is
// the lowest still.
func (in *PostgresIntents) raise(ctx context.Context) (floor int64, err error) {
	in.mu.Lock()
	floor = in.floor
	in.mu.Unlock()
	var given, lowest, oldest, upcoming int64
	// What is not over has a number from oldest on; what is begun later one from upcoming on. The number last given is read first: whoever
	// has given it has its own by then.
	err = in.db.QueryRowContext(ctx, `WITH given AS MATERIALIZED (
			SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence('fedihook_q_intent', 'id')::regclass), 0) AS id
		) SELECT given.id, coalesce((SELECT min(id) FROM fedihook_q_intent WHERE id > $1), given.id + 1),
			pg_snapshot_xmin(pg_current_snapshot())::text::bigint, pg_snapshot_xmax(pg_current_snapshot())::text::bigint FROM given`, floor).
		Scan(&given, &lowest, &oldest, &upcoming)
	if err != nil {
		return 0, err
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.until != 0 && oldest >= in.until {
		// Nothing with a number up to next can come any more; what is there stays above the floor.
		in.floor = max(in.floor, min(in.next, lowest-1))
		in.until = 0
	}
	if in.until == 0 && given > in.floor {
		in.next, in.until = given, upcoming
	}
	return in.floor, nil
}

// Expanded removes intents.
func (in *PostgresIntents) Expanded(ctx context.Context, ids []int64) error {
	if len(ids) == 0 {
		return nil
	}
	if _, err := in.db.ExecContext(ctx, `DELETE FROM fedihook_q_intent WHERE id = ANY ($1::bigint[])`, pgdb.Ints(ids)); err != nil {
		return fmt.Errorf("queue: intents expanded: %w", err)
	}
	return nil
}
