package storage

import (
	"context"
	"database/sql"
	"sync"
)

// statements are prepared once for all transactions and connections: to prepare one costs more than to run it. They live
// as long as their database. There are as many as there are texts in the code.
//
// They say "LIMIT ?+0": of a bare "LIMIT ?" SQLite makes its plan by the value, and so prepares it again whenever one is bound,
// which takes four times as long as all the rest (seen 3.50).
type statements struct {
	db *sql.DB

	mu    sync.Mutex
	known map[string]*sql.Stmt
}

// of returns a statement to be used outside of transactions.
func (s *statements) of(ctx context.Context, query string) (*sql.Stmt, error) {
	if st := s.get(query); st != nil {
		return st, nil
	}
	st, err := s.db.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if other := s.known[query]; other != nil {
		_ = st.Close() // somebody was faster; nothing was done with it
		return other, nil
	}
	if s.known == nil {
		s.known = make(map[string]*sql.Stmt)
	}
	s.known[query] = st
	return st, nil
}

func (s *statements) get(query string) *sql.Stmt {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known[query]
}

// in returns a transaction that uses them.
func (s *statements) in(tx *sql.Tx) *transaction {
	return &transaction{tx: tx, statements: s, used: make(map[string]*sql.Stmt)}
}

// transaction runs statements in one transaction.
type transaction struct {
	tx         *sql.Tx
	statements *statements
	used       map[string]*sql.Stmt
	missing    []string // that have to be prepared for the next time
}

// stmt returns a statement that is closed with the transaction.
func (t *transaction) stmt(ctx context.Context, query string) (st *sql.Stmt, err error) {
	if st = t.used[query]; st != nil {
		return st, nil
	}
	if kept := t.statements.get(query); kept != nil {
		st = t.tx.StmtContext(ctx, kept)
	} else {
		// Not from the database: the transaction may have its only connection.
		if st, err = t.tx.PrepareContext(ctx, query); err != nil {
			return nil, err
		}
		t.missing = append(t.missing, query)
	}
	t.used[query] = st
	return st, nil
}

func (t *transaction) exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	st, err := t.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	return st.ExecContext(ctx, args...)
}

// row reads one row; sql.ErrNoRows if there is none.
func (t *transaction) row(ctx context.Context, into []any, query string, args ...any) error {
	st, err := t.stmt(ctx, query)
	if err != nil {
		return err
	}
	return st.QueryRowContext(ctx, args...).Scan(into...)
}

// each calls scan for every row.
func (t *transaction) each(ctx context.Context, scan func(scanner) error, query string, args ...any) error {
	st, err := t.stmt(ctx, query)
	if err != nil {
		return err
	}
	rows, err := st.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// learn prepares what was missing, after the commit. What fails is missing next time too.
func (t *transaction) learn(ctx context.Context) {
	for _, query := range t.missing {
		_, _ = t.statements.of(ctx, query)
	}
}

// keptAll is [all] by a statement that is prepared once.
func keptAll[T any](ctx context.Context, s *statements, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	st, err := s.of(ctx, query)
	if err != nil {
		return nil, err
	}
	rows, err := st.QueryContext(ctx, args...)
	return list(rows, err, scan)
}

// keptOne reads one row by a statement that is prepared once; sql.ErrNoRows if there is none.
func keptOne[T any](ctx context.Context, s *statements, scan func(scanner) (T, error), query string, args ...any) (v T, err error) {
	st, err := s.of(ctx, query)
	if err != nil {
		return v, err
	}
	return scan(st.QueryRowContext(ctx, args...))
}
