package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/signature"
	"github.com/fedihook/fedihook/storage"
)

// What a hook could not do in all the time that it has is a dead letter, which an operator looks at and runs again.
func ExampleInbox_Retry() {
	outcome := make(chan error) // of the hook, each time
	in, err := inbox.New(inbox.Config{
		Journal: storage.Memory().Journal, Verifier: &signature.Verifier{}, Logger: slog.New(slog.DiscardHandler),
		Peers: &fakePeers{}, Relations: &book{}, Sender: &book{}, // doubles of what package actor and outbox have
		Local:  func(_ context.Context, id string) (bool, bool, error) { return id == alice || id == locky, false, nil },
		Origin: here, GiveUp: time.Nanosecond, // zero: a week
		Hooks: inbox.Hooks{Create: func(context.Context, *inbox.Message) error { return <-outcome }},
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() { _ = in.Run(ctx) }()
	note := activity.Note(here+"/notes/1", alice, "<p>Hello</p>", time.Now())
	note.To = activity.To(locky)
	body, err := activity.Encode(activity.Create(here+"/notes/1/create", note))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(in.Deliver(ctx, alice, body))
	outcome <- errors.New("the disk is full")

	for again := false; !again; time.Sleep(time.Millisecond) {
		dead, err := in.Shelved(ctx, inbox.DeadLetters, 0, 10)
		if err != nil {
			log.Fatal(err)
		}
		for _, entry := range dead {
			again = true
			fmt.Println(entry.Sender, entry.LastError, in.Retry(ctx, inbox.DeadLetters, entry.Seq)) // or Discard
		}
	}
	outcome <- nil // this time
	// Output:
	// <nil>
	// https://here.example/ap/users/alice the disk is full <nil>
}
