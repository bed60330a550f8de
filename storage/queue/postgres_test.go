package queue_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/internal/pgdb/pgtest"
	"github.com/fedihook/fedihook/storage/queue"
	"github.com/fedihook/fedihook/storage/storagetest"
)

// listenOn is a Listen for pgx.
func listenOn(address string) queue.Listen {
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

// shared is what the store on PostgreSQL is.
type shared interface {
	delivery.Store
	delivery.OrderBook
	delivery.Watcher
}

func openPostgres(t testing.TB, address string) shared {
	t.Helper()
	st, err := queue.OpenPostgres(t.Context(), pgtest.Connect(t, address), listenOn(address))
	if err != nil {
		t.Fatal(err)
	}
	return st.(shared)
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	pgtest.URL(t) // or else each check is left out, and none says so
	storagetest.RunSharedQueue(t, func(t *testing.T) delivery.Store { return openPostgres(t, pgtest.URL(t)) })
}

// Two handles are as two processes: what one does the other sees.
func TestPostgresThroughTwoHandles(t *testing.T) {
	t.Parallel()
	pgtest.URL(t)
	storagetest.RunSharedQueue(t, func(t *testing.T) delivery.Store {
		address := pgtest.URL(t)
		one, other := openPostgres(t, address), openPostgres(t, address)
		return struct {
			delivery.Log
			delivery.Leases
			delivery.Ledger
			delivery.OrderBook
			delivery.Watcher
		}{one, other, other, other, other}
	})
}

func TestPostgresWhereTransactionsAreSerializableByDefault(t *testing.T) {
	t.Parallel()
	pgtest.URL(t)
	storagetest.RunSharedQueue(t, func(t *testing.T) delivery.Store { return openPostgres(t, pgtest.Strict(t)) })
}

// A pool of one connection is enough: nothing is asked of it in the middle of a transaction.
func TestPostgresWithOneConnection(t *testing.T) {
	t.Parallel()
	pgtest.URL(t)
	storagetest.RunSharedQueue(t, func(t *testing.T) delivery.Store {
		address := pgtest.URL(t)
		db := pgtest.Connect(t, address)
		db.SetMaxOpenConns(1)
		st, err := queue.OpenPostgres(t.Context(), db, listenOn(address))
		if err != nil {
			t.Fatal(err)
		}
		return st
	})
}
