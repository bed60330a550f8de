package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"strings"
	"sync/atomic"

	"modernc.org/sqlite"
)

// database is one SQLite file whose transactions pass the killer's points.
type database struct {
	path       string
	kill       *killer
	checkpoint string                 // the point of a write to the file itself, "" for none
	committing atomic.Pointer[string] // the work whose commit is under way
}

// openDatabase opens a file through a driver that tells the killer of commits.
func openDatabase(path string, k *killer, checkpoint string) (*database, *sql.DB, error) {
	// A small write-ahead log, so that checkpoints are seen in lives as short as these.
	base, err := sqlite.NewConnector("file:" + path +
		"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=wal_autocheckpoint(200)")
	if err != nil {
		return nil, nil, err
	}
	d := &database{path: path, kill: k, checkpoint: checkpoint}
	return d, sql.OpenDB(connector{base, d}), nil
}

// wrote is called before SQLite writes to a file of this database or its log.
func (d *database) wrote(path string) {
	switch path {
	case d.path + "-wal":
		if work := d.committing.Load(); work != nil {
			d.kill.at(*work + " inside commit")
		}
	case d.path:
		if d.checkpoint != "" {
			d.kill.at(d.checkpoint)
		}
	}
}

type contextKey int

const (
	workKey      contextKey = iota // a string: what the transaction of this context is for
	committedKey                   // a func(): to be called when it is committed
)

func working(ctx context.Context, work string) context.Context {
	return context.WithValue(ctx, workKey, work)
}

type connector struct {
	driver.Connector
	db *database
}

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	base, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	full, ok := base.(fullConn)
	if !ok {
		return nil, fmt.Errorf("the driver's connection lacks a method that database/sql uses: %T", base)
	}
	return &conn{fullConn: full, db: c.db}, nil
}

type fullConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// conn is used by one goroutine at a time.
type conn struct {
	fullConn
	db   *database
	work string // what its transaction is for
}

// ran looks at a statement that has run.
func (c *conn) ran(query string) {
	for _, s := range statements {
		switch {
		case !strings.Contains(query, s.text):
		case s.point != "":
			c.db.kill.at(s.point)
		default:
			c.work = s.work
		}
	}
}

func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	query = strings.ReplaceAll(query, "wal_autocheckpoint = 4000", "wal_autocheckpoint = 200")
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
		d.kill.at(work + " before commit")
		d.kill.at(work + " commit, loosely")
		d.committing.Store(&work)
	}
	err := t.Tx.Commit()
	d.committing.Store(nil)
	if err != nil {
		return err
	}
	if t.committed != nil {
		t.committed()
	}
	if work != "" {
		d.kill.at(work + " after commit")
	}
	return nil
}
