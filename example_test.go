package fedihook_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"log/slog"
	"time"

	_ "modernc.org/sqlite"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/storage"
)

func Example() {
	f, err := fedihook.New(fedihook.Config{
		Origin: "https://blog.example",
		Profile: func(_ context.Context, handle string) (actor.Profile, error) {
			if handle != "anna" {
				return actor.Profile{}, actor.ErrNotFound
			}
			return actor.Profile{Handle: "anna"}, nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	_, err = f.Publish(ctx, "anna", &activity.Object{ID: "https://blog.example/2026/bread", Content: "<p>Bread.</p>"})
	fmt.Println("publish:", err)
	_, err = f.Follow(ctx, "anna", "https://social.example/users/bob")
	fmt.Println("follow:", err)
	_, err = f.Publish(ctx, "anna", &activity.Object{ID: "https://elsewhere.example/1", Content: "<p>Not mine.</p>"})
	fmt.Println("publish:", err)
	// Output:
	// publish: <nil>
	// follow: <nil>
	// publish: fedihook: not an id of this site: "https://elsewhere.example/1"
}

// The post and its federation are committed together, or neither is.
func ExampleServer_In() {
	ctx := context.Background()
	app, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		log.Fatal(err)
	}
	defer app.Close()
	app.SetMaxOpenConns(1)
	store, err := storage.OpenSQLite(ctx, app, app)
	if err != nil {
		log.Fatal(err)
	}
	f, err := fedihook.New(fedihook.Config{Origin: "https://blog.example", Storage: store, Profile: nobody})
	if err != nil {
		log.Fatal(err)
	}
	for _, commit := range []bool{false, true} {
		tx, err := app.BeginTx(ctx, nil)
		if err != nil {
			log.Fatal(err)
		}
		// Here the app saves its post.
		if _, err := f.In(tx).Publish(ctx, "anna", &activity.Object{Content: "<p>Bread.</p>"}); err != nil {
			log.Fatal(err)
		}
		if commit {
			err = tx.Commit()
		} else {
			err = tx.Rollback()
		}
		said, _ := store.Intents.NextIntents(ctx, 10)
		fmt.Println(len(said), err)
	}
	// Output:
	// 0 <nil>
	// 1 <nil>
}

// A post that waits can be edited and deleted, and nobody ever hears of it.
func ExampleServer_At() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	f, err := fedihook.New(fedihook.Config{Origin: "https://blog.example", Profile: nobody, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		log.Fatal(err)
	}
	go func() { _ = f.Run(ctx) }()
	tomorrow := f.At(time.Now().Add(24 * time.Hour))
	id, err := tomorrow.Publish(ctx, "anna", &activity.Object{Content: "<p>Bread.</p>"})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := f.Delete(ctx, "anna", id); err != nil {
		log.Fatal(err)
	}
	for f.Counts().Withdrawn == 0 {
		time.Sleep(time.Millisecond)
	}
	fmt.Println("taken back:", f.Counts().Withdrawn, "sent:", f.Counts().Sent)
	// Output: taken back: 1 sent: 0
}

func nobody(context.Context, string) (actor.Profile, error) {
	return actor.Profile{}, actor.ErrNotFound
}
