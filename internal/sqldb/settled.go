package sqldb

import (
	"context"
	"database/sql"
	"fmt"
	"reflect"
	"sync"
)

// Settled remembers the connections of one database that have their settings, so that not every transaction has to make sure of
// them. A connection whose statement was cancelled is thrown away by the driver, and the next one starts with default settings.
// In a file of ours we put them back; in the app's file they are the app's affair. The zero value remembers none; it may be
// used by many goroutines at once.
type Settled struct {
	mu    sync.Mutex
	known map[any]bool // driver connections: held here, so that no other gets their address
}

// maxSettled is how many are remembered before all are forgotten.
const maxSettled = 16

// Settle puts our settings on conn, unless it has them, if its file is ours.
func (s *Settled) Settle(ctx context.Context, conn *sql.Conn) error {
	var driver any
	if err := conn.Raw(func(c any) error { driver = c; return nil }); err != nil {
		return fmt.Errorf("sqldb: connect: %w", err)
	}
	if driver != nil && !reflect.TypeOf(driver).Comparable() {
		driver = nil
	}
	s.mu.Lock()
	known := driver != nil && s.known[driver]
	s.mu.Unlock()
	if known {
		return nil
	}
	id, err := fileID(ctx, conn)
	if err != nil {
		return err
	}
	if id == applicationID {
		if _, err := conn.ExecContext(ctx, pragmas); err != nil {
			return fmt.Errorf("sqldb: set the connection up: %w", err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil || len(s.known) >= maxSettled {
		s.known = make(map[any]bool)
	}
	s.known[driver] = true
	return nil
}
