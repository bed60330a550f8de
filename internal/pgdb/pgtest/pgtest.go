// Package pgtest gives tests a PostgreSQL database, if there is a server.
package pgtest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"net/url"
	"os"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver
)

// Variable names the environment's variable with the address of a server that tests may use, as a postgres:// URL of a
// role that may create schemas. `bash .ci/postgres COMMAND` starts one and sets it.
const Variable = "FEDIHOOK_POSTGRES"

// URL returns the address of a schema of the test's own, which is dropped after it. Without a server the test is skipped,
// and says so.
func URL(t testing.TB) string {
	t.Helper()
	address := os.Getenv(Variable)
	if address == "" {
		t.Skipf("left out: it needs a PostgreSQL server; run: bash .ci/postgres go test ./... (or set %s)", Variable)
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("pgx", address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	name := "test_" + strings.ToLower(rand.Text()[:16])
	if _, err := db.ExecContext(t.Context(), `CREATE SCHEMA `+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		db, err := sql.Open("pgx", address)
		if err != nil {
			t.Error(err)
			return
		}
		defer db.Close()
		if _, err := db.ExecContext(context.Background(), `DROP SCHEMA `+name+` CASCADE`); err != nil {
			t.Error(err)
		}
	})
	q := u.Query()
	q.Set("search_path", name)
	u.RawQuery = q.Encode()
	return u.String()
}

// Strict is like [URL], of a database where transactions are SERIALIZABLE unless they say otherwise.
func Strict(t testing.TB) string {
	t.Helper()
	u, err := url.Parse(URL(t))
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("default_transaction_isolation", "serializable")
	u.RawQuery = q.Encode()
	return u.String()
}

// Open returns a database in a schema of the test's own; see [URL]. It is closed after the test.
func Open(t testing.TB) *sql.DB {
	t.Helper()
	return Connect(t, URL(t))
}

// Connect opens a database of an address that URL returned once more, as another process would.
func Connect(t testing.TB, address string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", address)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(8)
	t.Cleanup(func() { db.Close() })
	return db
}
