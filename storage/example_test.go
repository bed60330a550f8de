package storage_test

import (
	"context"
	"database/sql"
	"fmt"

	_ "modernc.org/sqlite"

	"github.com/fedihook/fedihook/storage"
)

// The app's database gets one table; all else is in a database of our own, in a file beside it as a rule.
func ExampleOpenSQLite() {
	ctx := context.Background()
	own, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer own.Close()
	own.SetMaxOpenConns(1)                          // each connection to :memory: has a database of its own
	store, err := storage.OpenSQLite(ctx, nil, own) // nil: the app has no database in whose transactions it speaks
	fmt.Printf("%q %q %v\n", store.Missing(), store.Volatile(), err)
	// Output: "" [] <nil>
}

// A store of the app's takes the place of one of ours. Package storagetest tells whether it is right.
func ExampleStorage() {
	s := storage.Memory()
	s.Rules = nil // and an app that forgot to set its own
	fmt.Println(s.Missing())
	// Output: Rules
}
