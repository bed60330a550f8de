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

// A transaction has its own number (by) before it gives one to an intent: columns are filled in order.
var postgresIntentSchema = []string{`
CREATE SEQUENCE fedihook_q_intent_id MINVALUE 0;
SELECT setval('fedihook_q_intent_id', 0); -- last_value is the last number given, from the start
CREATE TABLE fedihook_q_intent (by xid8 NOT NULL DEFAULT pg_current_xact_id(), id bigint PRIMARY KEY DEFAULT nextval('fedihook_q_intent_id'),
	activity bytea NOT NULL, body bytea NOT NULL)
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
	given int64 // the last number given, when it was last asked for
	next  int64 // what floor may become when every transaction from before until is over
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
// would take longer and longer. So when every transaction is over that may have given a number up to some one, intents up to
// there are looked for once more, and below the lowest that is left nevermore.
func (in *PostgresIntents) raise(ctx context.Context) (floor int64, err error) {
	in.mu.Lock()
	floor = in.floor
	in.mu.Unlock()
	var given, lowest, oldest, age int64
	// Transactions before oldest are over in the state in which lowest is read. The age of number 3 is counted from the next
	// number to be given, in 32 bits; the snapshot's xmax would be the one after the last that is over.
	err = in.db.QueryRowContext(ctx, `SELECT s.last_value, coalesce((SELECT min(id) FROM fedihook_q_intent WHERE id > $1), s.last_value + 1),
			pg_snapshot_xmin(pg_current_snapshot())::text::bigint, age('3'::xid) FROM fedihook_q_intent_id s`, floor).
		Scan(&given, &lowest, &oldest, &age)
	if err != nil {
		return 0, err
	}
	upcoming := oldest + int64(uint32(age)+3-uint32(oldest))
	in.mu.Lock()
	defer in.mu.Unlock()
	switch {
	case given < in.floor: // the database is an older copy
		in.floor, in.until, in.given = 0, 0, 0
	case in.until != 0 && oldest >= in.until:
		in.floor = max(in.floor, min(in.next, lowest-1))
		in.until = 0
	}
	// The number that was the last one the time before: who gave it or one below had begun before this time's state.
	if in.until == 0 && in.given > in.floor {
		in.next, in.until = in.given, upcoming
	}
	in.given = given
	return in.floor, nil
}

// Expanded removes intents.
func (in *PostgresIntents) Expanded(ctx context.Context, ids []int64) error {
	if len(ids) == 0 {
		return nil
	}
	if _, err := pgdb.Exec(ctx, in.db, `DELETE FROM fedihook_q_intent WHERE id = ANY ($1::bigint[])`, pgdb.Ints(ids)); err != nil {
		return fmt.Errorf("queue: intents expanded: %w", err)
	}
	return nil
}
