package queue_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/storage/queue"
)

// With pgx, a Listen has a connection of its own beside the pool's.
func ExampleOpenPostgres() {
	address := os.Getenv("DATABASE_URL")
	listen := func(ctx context.Context, channel string, heard func()) error {
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
	db, err := sql.Open("pgx", address)
	if err != nil {
		panic(err)
	}
	defer db.Close()
	store, err := queue.OpenPostgres(context.Background(), db, listen)
	if err != nil {
		fmt.Println("no database:", err)
		return
	}
	_, err = delivery.New(delivery.Config{Store: store})
	fmt.Println(err)
}
