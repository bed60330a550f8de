package main

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"time"
)

// writing writes through two databases until it is told to stop, and then says for how many milliseconds each
// waited at most until it might write. Committing is not part of it.
func writing(ctx context.Context, inside, elsewhere *sql.DB) (stop func() (float64, float64, error)) {
	ctx, cancel := context.WithCancel(ctx)
	var longest [2]time.Duration
	var errs [2]error
	var wg sync.WaitGroup
	for i, db := range []*sql.DB{inside, elsewhere} {
		wg.Go(func() {
			for ctx.Err() == nil && errs[i] == nil {
				var waited time.Duration
				waited, errs[i] = writeOnce(ctx, db)
				longest[i] = max(longest[i], waited)
				time.Sleep(time.Millisecond)
			}
		})
	}
	return func() (float64, float64, error) {
		cancel()
		wg.Wait()
		for _, err := range errs {
			if err != nil {
				return 0, 0, fmt.Errorf("the other writer: %w", err)
			}
		}
		return ms(longest[0]), ms(longest[1]), nil
	}
}

// writeOnce returns how long it waited for its turn. It asks again and again: SQLite's own way of waiting sleeps
// up to 100 ms between two questions, and would measure that.
func writeOnce(ctx context.Context, db *sql.DB) (waited time.Duration, err error) {
	background := context.WithoutCancel(ctx) // a cancelled statement would cost the store its connection
	start := time.Now()
	conn, err := db.Conn(background)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	var timeout int
	if err := conn.QueryRowContext(background, `PRAGMA busy_timeout`).Scan(&timeout); err != nil {
		return 0, err
	}
	defer func() {
		if _, back := conn.ExecContext(background, fmt.Sprintf(`PRAGMA busy_timeout = %d`, timeout)); err == nil {
			err = back
		}
	}()
	if _, err := conn.ExecContext(background, `PRAGMA busy_timeout = 0`); err != nil {
		return 0, err
	}
	for {
		_, err = conn.ExecContext(background, `BEGIN IMMEDIATE`)
		if err == nil || !strings.Contains(err.Error(), "locked") {
			break
		}
		time.Sleep(100 * time.Microsecond)
	}
	waited = time.Since(start)
	if err == nil {
		_, err = conn.ExecContext(background, `INSERT INTO others (x) VALUES (1); COMMIT`)
	}
	return waited, err
}
