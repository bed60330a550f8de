package fedihook_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/internal/pgdb/pgtest"
	"github.com/fedihook/fedihook/storage"
)

func TestEachVerbIsSaidInPostgresTransactionsOfBothKinds(t *testing.T) {
	t.Parallel()
	address := pgtest.URL(t)
	db := pgtest.Connect(t, address)
	store, err := storage.OpenPostgres(t.Context(), db, nil)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	s, err := fedihook.New(fedihook.Config{
		Origin: "https://blog.test", Storage: store, Logger: slog.New(slog.DiscardHandler),
		Profile: func(context.Context, string) (actor.Profile, error) { return actor.Profile{}, actor.ErrNotFound },
	})
	if err != nil {
		t.Fatal(err)
	}
	type transaction struct {
		storage.Execer
		commit, rollback func() error
	}
	kinds := map[string]func() (transaction, error){
		"sql.Tx": func() (transaction, error) {
			tx, err := db.BeginTx(t.Context(), nil)
			if err != nil {
				return transaction{}, err
			}
			return transaction{tx, tx.Commit, tx.Rollback}, nil
		},
		"pgx.Tx": func() (transaction, error) {
			tx, err := conn.Begin(t.Context())
			if err != nil {
				return transaction{}, err
			}
			return transaction{execer{tx}, func() error { return tx.Commit(t.Context()) }, func() error { return tx.Rollback(t.Context()) }}, nil
		},
	}
	for kind, begin := range kinds {
		for name := range verbs(s) {
			for _, commit := range []bool{false, true} {
				tx, err := begin()
				if err != nil {
					t.Fatal(err)
				}
				id, err := verbs(s.In(tx.Execer))[name](t.Context())
				if err != nil || id == "" {
					t.Errorf("%s in a %s: %q, %v", name, kind, id, errors.Join(err, tx.rollback()))
					continue
				}
				end := tx.rollback
				if commit {
					end = tx.commit
				}
				if err := end(); err != nil {
					t.Fatal(err)
				}
				list, err := store.Intents.NextIntents(t.Context(), 10)
				if err != nil {
					t.Fatal(err)
				}
				if want := map[bool]int{true: 1}[commit]; len(list) != want {
					t.Fatalf("%s in a %s, committed: %t: %d intents", name, kind, commit, len(list))
				}
				for _, in := range list {
					if err := store.Intents.DropIntents(t.Context(), in.Seq); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
}
