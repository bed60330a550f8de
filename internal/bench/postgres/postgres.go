// Package postgres is what the commands that measure share of a PostgreSQL server: where it is, schemas for one scene each, what
// it has written and what its processes have used.
//
// [Open] finds the server in the environment's FEDIHOOK_POSTGRES, which `bash .ci/postgres COMMAND` sets.
package postgres

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver
)

// Variable names the environment's variable with the address of the server, as a postgres:// URL of a role that may
// create schemas.
const Variable = "FEDIHOOK_POSTGRES"

// ErrNone says that there is no server.
var ErrNone = errors.New("no PostgreSQL server: run it as `bash .ci/postgres COMMAND`, or set " + Variable)

// Server is a PostgreSQL server. Its methods may be called by many goroutines at once.
type Server struct {
	address *url.URL
	db      *sql.DB
	parent  int // the process of which all others of the server are children; 0: on another machine
}

// Open finds the server, or returns [ErrNone].
func Open(ctx context.Context) (*Server, error) {
	text := os.Getenv(Variable)
	if text == "" {
		return nil, ErrNone
	}
	address, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	s := &Server{address: address}
	if s.db, err = Connect(text, 1); err != nil {
		return nil, err
	}
	var backend int
	if err := s.db.QueryRowContext(ctx, `SELECT pg_backend_pid()`).Scan(&backend); err != nil {
		return nil, errors.Join(err, s.db.Close())
	}
	if name, fields := stat(backend); name == "postgres" {
		s.parent, _ = strconv.Atoi(fields[1])
	}
	return s, nil
}

// Close ends its connection.
func (s *Server) Close() { _ = s.db.Close() } // there is nothing to lose

// Connect opens a pool of so many connections to an address.
func Connect(address string, most int) (*sql.DB, error) {
	db, err := sql.Open("pgx", address)
	if err == nil {
		db.SetMaxOpenConns(most)
		db.SetMaxIdleConns(most)
	}
	return db, err
}

// Schema makes a schema of its own and returns its address. drop removes it with all that is in it.
func (s *Server) Schema(ctx context.Context) (address string, drop func(), err error) {
	name := "bench_" + strings.ToLower(rand.Text()[:16])
	if _, err := s.db.ExecContext(ctx, `CREATE SCHEMA `+name); err != nil {
		return "", nil, err
	}
	u := *s.address
	q := u.Query()
	q.Set("search_path", name)
	u.RawQuery = q.Encode()
	return u.String(), func() {
		// Left behind where that fails: it is in nobody's way.
		_, _ = s.db.ExecContext(context.WithoutCancel(ctx), `DROP SCHEMA `+name+` CASCADE`)
	}, nil
}

// Written is how many bytes of write-ahead log the server has made, of all its databases.
func (s *Server) Written(ctx context.Context) (n int64, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn`).Scan(&n)
	return n, err
}

// Local says whether [Server.CPU] knows anything: the server runs on this machine, and there is a /proc.
func (s *Server) Local() bool { return s.parent != 0 }

// CPU is what all processes of the server have used so far, those included that write the log or vacuum, and those that have ended.
func (s *Server) CPU() (sum time.Duration) {
	if s.parent == 0 {
		return 0
	}
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, folder := range all {
		pid, _ := strconv.Atoi(filepath.Base(folder))
		_, fields := stat(pid)
		if pid != s.parent && fields[1] != strconv.Itoa(s.parent) {
			continue
		}
		if text, err := os.ReadFile(folder + "/schedstat"); err == nil { // in nanoseconds; of one thread, as these have
			on, _, _ := strings.Cut(string(text), " ")
			n, _ := strconv.ParseInt(on, 10, 64)
			sum += time.Duration(n)
		} else {
			sum += ticks(fields[11]) + ticks(fields[12])
		}
		if pid == s.parent { // of children that have ended
			sum += ticks(fields[13]) + ticks(fields[14])
		}
	}
	return sum
}

// ticks are the times in /proc/PID/stat, hundredths of a second on every Linux that Go runs on.
func ticks(text string) time.Duration {
	n, _ := strconv.ParseInt(text, 10, 64)
	return time.Duration(n) * time.Second / 100
}

// stat returns a process's name and what its /proc/PID/stat says after that, at least 20 fields, which are empty where there is none.
func stat(pid int) (name string, fields []string) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	begin, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if err == nil && begin >= 0 && end > begin {
		name, fields = string(text[begin+1:end]), strings.Fields(string(text[end+1:]))
	}
	return name, append(fields, make([]string, 20)...)
}

// Listen returns what runs LISTEN on a connection of its own, as the stores want it.
func Listen(address string) func(ctx context.Context, channel string, heard func()) error {
	return func(ctx context.Context, channel string, heard func()) error {
		conn, err := pgx.Connect(ctx, address)
		if err != nil {
			return err
		}
		defer conn.Close(context.WithoutCancel(ctx))
		if _, err := conn.Exec(ctx, "LISTEN "+pgx.Identifier{channel}.Sanitize()); err != nil {
			return err
		}
		for {
			heard()
			if _, err := conn.WaitForNotification(ctx); err != nil {
				return err
			}
		}
	}
}
