package kill

import (
	"context"
	"database/sql/driver"
	"fmt"
	"strings"
)

type contextKey int

const (
	workKey      contextKey = iota // a string: what the transaction of this context is for
	committedKey                   // a func(): to be called when it is committed
)

// Working says what the transactions of a context are for: the killer's points are named after it.
func Working(ctx context.Context, work string) context.Context {
	return context.WithValue(ctx, workKey, work)
}

// Committed has done called when a transaction of the context is committed.
func Committed(ctx context.Context, done func()) context.Context {
	return context.WithValue(ctx, committedKey, done)
}

// Statement tells by its text what a transaction is for whose context does not say it, or is a point itself.
type Statement struct{ Text, Work, Point string }

// Connector is a driver whose transactions pass the killer's points "… before commit", "… commit, loosely" and "… after commit".
type Connector struct {
	driver.Connector
	Killer     *Killer
	Statements []Statement
	Rewrite    func(query string) string // nil: nothing is
	Committing func(work *string)        // the work whose commit is under way, or nil. Nil: nobody is told
}

// Connect makes a connection.
func (c Connector) Connect(ctx context.Context) (driver.Conn, error) {
	base, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	full, ok := base.(fullConn)
	if !ok {
		return nil, fmt.Errorf("the driver's connection lacks a method that database/sql uses: %T", base)
	}
	return &conn{fullConn: full, db: c}, nil
}

type fullConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
}

// conn is used by one goroutine at a time.
type conn struct {
	fullConn
	db   Connector
	work string // what its transaction is for
}

// IsValid and CheckNamedValue are the driver's own, if it has them.
func (c *conn) IsValid() bool {
	v, ok := c.fullConn.(driver.Validator)
	return !ok || v.IsValid()
}

func (c *conn) CheckNamedValue(v *driver.NamedValue) error {
	if own, ok := c.fullConn.(driver.NamedValueChecker); ok {
		return own.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

// ran looks at a statement that has run.
func (c *conn) ran(query string) {
	for _, s := range c.db.Statements {
		switch {
		case !strings.Contains(query, s.Text):
		case s.Point != "":
			c.db.Killer.At(s.Point)
		default:
			c.work = s.Work
		}
	}
}

func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if c.db.Rewrite != nil {
		query = c.db.Rewrite(query)
	}
	r, err := c.fullConn.ExecContext(ctx, query, args)
	if err == nil {
		c.ran(query)
	}
	return r, err
}

func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	r, err := c.fullConn.QueryContext(ctx, query, args)
	if err == nil {
		c.ran(query)
	}
	return r, err
}

func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	base, err := c.fullConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	full, ok := base.(fullStmt)
	if !ok {
		return nil, fmt.Errorf("the driver's statement lacks a method that database/sql uses: %T", base)
	}
	return &stmt{full, c, query}, nil
}

func (c *conn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	base, err := c.fullConn.BeginTx(ctx, o)
	if err != nil {
		return nil, err
	}
	c.work, _ = ctx.Value(workKey).(string)
	committed, _ := ctx.Value(committedKey).(func())
	return &tx{base, c, committed}, nil
}

type fullStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

type stmt struct {
	fullStmt
	conn  *conn
	query string
}

func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	r, err := s.fullStmt.ExecContext(ctx, args)
	if err == nil {
		s.conn.ran(s.query)
	}
	return r, err
}

func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	r, err := s.fullStmt.QueryContext(ctx, args)
	if err == nil {
		s.conn.ran(s.query)
	}
	return r, err
}

type tx struct {
	driver.Tx
	conn      *conn
	committed func()
}

func (t *tx) Commit() error {
	d, work := t.conn.db, t.conn.work
	t.conn.work = ""
	if work != "" {
		d.Killer.At(work + " before commit")
		d.Killer.At(work + " commit, loosely")
		d.committing(&work)
	}
	err := t.Tx.Commit()
	d.committing(nil)
	if err != nil {
		return err
	}
	if t.committed != nil {
		t.committed()
	}
	if work != "" {
		d.Killer.At(work + " after commit")
	}
	return nil
}

func (c Connector) committing(work *string) {
	if c.Committing != nil {
		c.Committing(work)
	}
}
