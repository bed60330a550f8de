package fedihook_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"log"
	"strings"

	_ "modernc.org/sqlite"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/storage"
)

// execer makes a transaction of pgx one of those that In takes.
type execer struct{ pgx.Tx }

func (e execer) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	tag, err := e.Exec(ctx, query, args...)
	return driver.RowsAffected(tag.RowsAffected()), err
}

// noted stands for what pool.Begin returns.
type noted struct{ pgx.Tx }

func (noted) Exec(_ context.Context, query string, _ ...any) (pgconn.CommandTag, error) {
	fmt.Println(strings.Join(strings.Fields(query)[:3], " "))
	return pgconn.NewCommandTag("INSERT 0 1"), nil
}

// An app that uses pgx without database/sql publishes in its own transaction: one INSERT goes through it.
func ExampleServer_In_pgx() {
	ctx := context.Background()
	db, err := sql.Open("sqlite", ":memory:") // for PostgreSQL: storage.OpenPostgres
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	store, err := storage.OpenSQLite(ctx, db, db)
	if err != nil {
		log.Fatal(err)
	}
	f, err := fedihook.New(fedihook.Config{Origin: "https://blog.example", Storage: store, Profile: nobody})
	if err != nil {
		log.Fatal(err)
	}
	var tx pgx.Tx = noted{}
	_, err = f.In(execer{tx}).Publish(ctx, "anna", &activity.Object{Content: "<p>Bread.</p>"})
	fmt.Println(err)
	// Output:
	// INSERT INTO fedihook_intents
	// <nil>
}
