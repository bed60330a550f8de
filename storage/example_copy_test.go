package storage_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"

	_ "modernc.org/sqlite"

	"github.com/fedihook/fedihook/storage"
)

// A site moves from SQLite into an empty PostgreSQL database, while all its processes are stopped. Anything else is refused.
func ExampleCopy() {
	ctx := context.Background()
	own, err := sql.Open("sqlite", ":memory:") // federation.db
	if err != nil {
		log.Fatal(err)
	}
	defer own.Close()
	own.SetMaxOpenConns(1)
	from, err := storage.OpenSQLite(ctx, nil, own)
	if err != nil {
		log.Fatal(err)
	}
	to := storage.Memory() // which is none: storage.OpenPostgres(ctx, db, nil)

	report, err := storage.Copy(ctx, to, from)
	if errors.Is(err, storage.ErrNotCopied) {
		fmt.Println("nothing was written")
		return
	}
	fmt.Println(report, err) // how many rows of each table
	// Output:
	// nothing was written
}
