package fedihook_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/inbox/inboxtest"
)

// An app is tested against other servers without a network: package inboxtest has them in memory.
func Example_fediverse() {
	n := inboxtest.NewNet(nil) // in a test: NewNet(t), which also closes it
	defer n.Close()
	followers := map[string]bool{}
	app, err := fedihook.New(fedihook.Config{
		Origin: "https://blog.example", InsecureDial: n.Dial, RootCAs: n.RootCAs(), Logger: slog.New(slog.DiscardHandler),
		Profile: func(context.Context, string) (actor.Profile, error) { return actor.Profile{Handle: "anna"}, nil },
		Hooks: inboxtest.Twice(inbox.Hooks{Follow: func(_ context.Context, m *inbox.Message) error {
			followers[m.Sender] = true
			return nil
		}}),
	})
	if err != nil {
		log.Fatal(err)
	}
	n.Serve("blog.example", app.Handler())
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- app.Run(ctx) }()

	bob := n.Server("there.example").Actor("bob")
	fmt.Println(bob.Follow("https://blog.example/ap/users/anna"), bob.Server().Wait("Accept").Activity.Actor.ID)
	stop()
	fmt.Println(<-done, followers)
	// Output:
	// 202 https://blog.example/ap/users/anna
	// <nil> map[https://there.example/users/bob:true]
}

// What others do wrong is a call away.
func Example_misbehaviour() {
	n := inboxtest.NewNet(nil) // in a test: NewNet(t), which also closes it
	defer n.Close()
	app, err := fedihook.New(fedihook.Config{
		Origin: "https://blog.example", InsecureDial: n.Dial, RootCAs: n.RootCAs(), Logger: slog.New(slog.DiscardHandler),
		Profile: func(context.Context, string) (actor.Profile, error) { return actor.Profile{Handle: "anna"}, nil },
	})
	if err != nil {
		log.Fatal(err)
	}
	n.Serve("blog.example", app.Handler())
	anna, there := "https://blog.example/ap/users/anna", n.Server("there.example")
	bob, eve := there.Actor("bob"), there.Actor("eve")

	fmt.Println("a foreign key:", bob.With(inboxtest.Manner{ForeignKey: eve}).Follow(anna))
	fmt.Println("another server's id:", bob.With(inboxtest.Manner{ID: "https://evil.example/1"}).Follow(anna))
	fmt.Println("a day late:", bob.With(inboxtest.Manner{Late: 24 * time.Hour}).Follow(anna))
	fmt.Println("2 MiB:", bob.With(inboxtest.Manner{Pad: 2 << 20}).Follow(anna))
	fmt.Println("in order:", bob.Follow(anna), "again:", bob.Replay())
	there.Gone()
	_, err = app.Lookup(context.Background(), bob.ID())
	fmt.Println("gone:", errors.Is(err, actor.ErrGone))
	// Output:
	// a foreign key: 401
	// another server's id: 403
	// a day late: 401
	// 2 MiB: 413
	// in order: 202 again: 202
	// gone: true
}
