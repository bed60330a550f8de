package sqldb

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
)

// Settled remembers the connections of one database that have their settings, for stores that begin so many
// transactions that [Tx], which puts them on each time, costs too much. Its zero value works; it may be used by many
// goroutines at once.
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
	s.mu.Lock()
	known := s.known[driver]
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
