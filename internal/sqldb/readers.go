package sqldb

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// AllowReaders gives db, after [Setup], so many connections more, on which others can read while one writes; they get our
// settings. A database in memory keeps its only connection, for another one would be another database.
func AllowReaders(ctx context.Context, db *sql.DB, readers int) error {
	var file string
	if err := db.QueryRowContext(ctx, `SELECT file FROM pragma_database_list WHERE name = 'main'`).Scan(&file); err != nil {
		return fmt.Errorf("sqldb: readers: %w", err)
	}
	if file == "" || strings.Contains(file, ":memory:") {
		return nil
	}
	db.SetMaxOpenConns(1 + readers)
	db.SetMaxIdleConns(1 + readers)
	var open []*sql.Conn
	defer func() {
		for _, conn := range open {
			_ = conn.Close() // back to the pool
		}
	}()
	for range 1 + readers { // all at once, so that each is another one
		conn, err := db.Conn(ctx)
		if err != nil {
			return fmt.Errorf("sqldb: readers: %w", err)
		}
		open = append(open, conn)
		if _, err := conn.ExecContext(ctx, pragmas); err != nil {
			return fmt.Errorf("sqldb: readers: %w", err)
		}
	}
	return nil
}
