package storage

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/fedihook/fedihook/internal/pgdb"
	"github.com/fedihook/fedihook/storage/queue"
)

// Listen waits for notifications of a channel of the database (LISTEN), which database/sql has no word for, and calls heard
// for each, and once when it begins. It returns when ctx ends, or with an error when the connection is lost: it is called again
// a second later. It may be called several times at once, and needs a connection for each unless it shares one among them.
// With pgx:
//
//	func listen(ctx context.Context, channel string, heard func()) error {
//		conn, err := pgx.Connect(ctx, address)
//		if err != nil {
//			return err
//		}
//		defer conn.Close(context.Background())
//		if _, err := conn.Exec(ctx, "LISTEN "+pgx.Identifier{channel}.Sanitize()); err != nil {
//			return err
//		}
//		for heard(); ; heard() {
//			if _, err := conn.WaitForNotification(ctx); err != nil {
//				return err
//			}
//		}
//	}
type Listen func(ctx context.Context, channel string, heard func()) error

// errNoPostgres names the argument that OpenPostgres can't do without.
var errNoPostgres = errors.New("db is nil")

// OpenPostgres returns a Storage in a PostgreSQL database, version 13 or later, and brings its tables up to date. All are named
// fedihook_…, and stand where the search_path of db's connections says, which must be the same for all, and in the transactions
// in which the app speaks; a schema of one's own is possible. Its encoding is UTF8. Many processes may open it at once, and each
// may serve, deliver and run hooks: docs/postgres.md says how.
//
// listen is how a process hears at once of what others have done. Nil: it looks once a second.
//
// db may be the app's own, with a driver whose errors have a method SQLState, as those of pgx and lib/pq do. One connection is
// enough for all stores to go on, for none of them asks for a second while it holds one; an app that writes in its own
// transactions needs one more for each. The database is not closed with the Storage.
func OpenPostgres(ctx context.Context, db *sql.DB, listen Listen) (Storage, error) {
	if db == nil {
		return Storage{}, fmt.Errorf("storage: open PostgreSQL: %w", errNoPostgres)
	}
	for _, room := range []struct {
		name  string
		steps []string
	}{
		{"intents", postgresIntentsTables},
		{"log", postgresLogTables},
		{"shares", postgresSharesTables},
		{"journal", postgresJournalTables},
		{"followers", postgresFollowersTables},
		{"keys", postgresKeysTables},
		{"remotes", postgresRemotesTables},
		{"rules", postgresRulesTables},
		{"relays", postgresRelaysTables},
		{"forwards", postgresForwardsTables},
		{"moves", postgresMovesTables},
		{"stamps", postgresStampsTables},
	} {
		if err := pgdb.Migrate(ctx, db, room.name, room.steps); err != nil {
			return Storage{}, fmt.Errorf("storage: open PostgreSQL: %w", err)
		}
	}
	queued, err := queue.OpenPostgres(ctx, db, queue.Listen(listen))
	if err != nil {
		return Storage{}, fmt.Errorf("storage: open PostgreSQL: %w", err)
	}
	ear := postgresEar{listen: listen}
	if err := db.QueryRowContext(ctx, `SELECT current_schema()`).Scan(&ear.schema); err != nil {
		return Storage{}, fmt.Errorf("storage: open PostgreSQL: %w", err)
	}
	return Storage{
		Intents: &postgresIntents{db: db, ear: ear},
		Log:     &postgresLog{db: db, shares: postgresShares{db: db, room: "log"}, ear: ear},
		Journal: &postgresJournal{db: db, shares: postgresShares{db: db, room: "journal"}, ear: ear, counts: newPostgresCounts()},

		Followers: &postgresFollowers{db: db},
		Keys:      &postgresKeys{db: db},
		Remotes:   &postgresRemotes{db: db},
		Relays:    &postgresRelays{db: db},
		Forwards:  &postgresForwards{db: db},
		Moves:     &postgresMoves{db: db},
		Stamps:    &postgresStamps{db: db},
		Rules:     &postgresRules{db: db},
		Hosts:     &postgresHosts{db: db},
		Queue:     queued,
	}, nil
}

// postgresEar is how a store hears of what other processes have done.
type postgresEar struct {
	listen Listen
	schema string // others in the database are none of ours
}

// channel names a channel of notifications: at most 63 bytes count.
func (e postgresEar) channel(room string) string {
	name := "fedihook_" + room + "_" + e.schema
	return name[:min(len(name), 63)]
}

// hear calls heard for each notification, if there is a way to.
func (e postgresEar) hear(ctx context.Context, room string, heard func()) error {
	if e.listen == nil {
		<-ctx.Done()
		return nil
	}
	if err := e.listen(ctx, e.channel(room), heard); err != nil && ctx.Err() == nil {
		return fmt.Errorf("storage: listen to %s: %w", e.channel(room), err)
	}
	return nil
}

// PostgreSQL keeps no text with a NUL in it, so that strings of strangers are bytea. Lists are JSON, which has none.

// blob is a string as it is kept: never NULL.
func blob(s string) []byte { return append(make([]byte, 0, len(s)), s...) }

// blobs writes a list for a parameter of type bytea[]: `= ANY ($1::bytea[])`.
func blobs[T ~string | ~[]byte](list []T) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, s := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"\\x`)
		b.WriteString(hex.EncodeToString([]byte(s)))
		b.WriteByte('"')
	}
	b.WriteByte('}')
	return b.String()
}
