package postgres_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/fedihook/fedihook/internal/bench/postgres"
	"github.com/fedihook/fedihook/internal/pgdb/pgtest"
)

func TestWithoutPostgresThatIsSaid(t *testing.T) {
	t.Setenv(postgres.Variable, "")
	if _, err := postgres.Open(t.Context()); !errors.Is(err, postgres.ErrNone) {
		t.Errorf("Open = %v", err)
	}
}

func TestWhatPostgresWritesAndUsesIsSeen(t *testing.T) {
	t.Parallel()
	pgtest.URL(t) // skips without one
	s, err := postgres.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	address, drop, err := s.Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer drop()
	db, err := postgres.Connect(address, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	before, cpu := written(t, s), s.CPU()
	if _, err := db.Exec(`CREATE TABLE a AS SELECT n, repeat('x', 100) AS text FROM generate_series(1, 10000) n`); err != nil {
		t.Fatal(err)
	}
	if n := written(t, s) - before; n < 1_000_000 {
		t.Errorf("a megabyte was written, the log grew by %d", n)
	}
	if used := s.CPU() - cpu; s.Local() && (used <= 0 || used > time.Minute) {
		t.Errorf("that has used %v", used)
	}
}

func TestAListenerToPostgresHearsOfItsChannelAndEnds(t *testing.T) {
	t.Parallel()
	address := pgtest.URL(t)
	db := pgtest.Connect(t, address)
	ctx, cancel := context.WithCancel(t.Context())
	heard, done := make(chan struct{}, 10), make(chan error, 1)
	go func() { done <- postgres.Listen(address)(ctx, "bench", func() { heard <- struct{}{} }) }()
	<-heard // it listens
	if _, err := db.Exec(`NOTIFY bench`); err != nil {
		t.Fatal(err)
	}
	<-heard
	cancel()
	if err := <-done; err == nil {
		t.Error("it ended without an error")
	}
}

func written(t *testing.T, s *postgres.Server) int64 {
	t.Helper()
	n, err := s.Written(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}
