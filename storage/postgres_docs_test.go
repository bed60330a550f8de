package storage_test

import (
	"context"
	"database/sql"
	"os"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/internal/pgdb/pgtest"
	"github.com/fedihook/fedihook/storage"
)

func openStorage(ctx context.Context, address string) (storage.Storage, error) {
	db, err := sql.Open("pgx", address) // import _ "github.com/jackc/pgx/v5/stdlib"
	if err != nil {
		return storage.Storage{}, err
	}
	db.SetMaxOpenConns(10)
	db.SetMaxIdleConns(10)
	return storage.OpenPostgres(ctx, db, listen(address))
}

// blocks are the page's blocks of code in one language.
func blocks(t *testing.T, language string) (list []string) {
	t.Helper()
	page, err := os.ReadFile("../docs/postgres.md")
	if err != nil {
		t.Fatal(err)
	}
	for i, part := range strings.Split(string(page), "```"+language+"\n") {
		code, _, closed := strings.Cut(part, "```")
		if i > 0 && closed {
			list = append(list, code)
		}
	}
	if len(list) == 0 {
		t.Fatalf("the page has no block of %s", language)
	}
	return list
}

func TestThePageAboutPostgreSQLShowsCodeThatIsTested(t *testing.T) {
	t.Parallel()
	var tested string
	for _, name := range []string{"postgres_docs_test.go", "postgres_helper_test.go"} {
		code, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		tested += string(code)
	}
	for _, code := range blocks(t, "go") {
		if !strings.Contains(tested, "\n"+code) {
			t.Errorf("no test has this code:\n%s", code)
		}
	}
}

func TestThePageAboutPostgresShowsStatementsThatWork(t *testing.T) {
	t.Parallel()
	address := pgtest.URL(t)
	if _, err := openStorage(t.Context(), address); err != nil {
		t.Fatal(err)
	}
	db := pgtest.Connect(t, address)
	for _, code := range blocks(t, "sql") {
		for _, statement := range strings.SplitAfter(strings.TrimSpace(code), ";\n") {
			if _, err := db.ExecContext(t.Context(), statement); err != nil {
				t.Errorf("%s\n%v", statement, err)
			}
		}
	}
}
