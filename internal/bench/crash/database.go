package main

import (
	"database/sql"
	"strings"
	"sync/atomic"

	"modernc.org/sqlite"

	"github.com/fedihook/fedihook/internal/bench/kill"
)

// database is one SQLite file whose transactions pass the killer's points.
type database struct {
	path       string
	kill       *kill.Killer
	checkpoint string                 // the point of a write to the file itself, "" for none
	committing atomic.Pointer[string] // the work whose commit is under way
}

// openDatabase opens a file through a driver that tells the killer of commits.
func openDatabase(path string, k *kill.Killer, checkpoint string) (*database, *sql.DB, error) {
	// A small write-ahead log, so that checkpoints are seen in lives as short as these.
	base, err := sqlite.NewConnector("file:" + path +
		"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=wal_autocheckpoint(200)")
	if err != nil {
		return nil, nil, err
	}
	d := &database{path: path, kill: k, checkpoint: checkpoint}
	return d, sql.OpenDB(kill.Connector{
		Connector: base, Killer: k, Statements: statements,
		Rewrite: func(query string) string {
			return strings.ReplaceAll(query, "wal_autocheckpoint = 4000", "wal_autocheckpoint = 200")
		},
		Committing: d.committing.Store,
	}), nil
}

// wrote is called before SQLite writes to a file of this database or its log.
func (d *database) wrote(path string) {
	switch path {
	case d.path + "-wal":
		if work := d.committing.Load(); work != nil {
			d.kill.At(*work + " inside commit")
		}
	case d.path:
		if d.checkpoint != "" {
			d.kill.At(d.checkpoint)
		}
	}
}
