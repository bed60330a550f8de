package fedihook_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"sync/atomic"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox/inboxtest"
)

// Anna moves out: the new account has to name the old one, then her followers are told to follow it.
func ExampleServer_Move() {
	n := inboxtest.NewNet(nil) // in a test: NewNet(t), which also closes it
	defer n.Close()
	f, err := fedihook.New(fedihook.Config{
		Origin: "https://blog.example", Profile: anna, Storage: memory(),
		InsecureDial: n.Dial, RootCAs: n.RootCAs(), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		log.Fatal(err)
	}
	n.Run("blog.example", f)
	ctx := context.Background()

	bob, next := n.Server("there.example").Actor("bob"), n.Server("new.example").Actor("anna")
	bob.Follow("https://blog.example/ap/users/anna")
	bob.Server().Wait("Accept")

	err = f.CheckMove(ctx, "anna", next.ID())
	fmt.Println(errors.Is(err, fedihook.ErrMoveRefused))
	next.Alias("https://blog.example/ap/users/anna") // in the settings over there
	if _, err := f.Move(ctx, "anna", next.ID()); err != nil {
		log.Fatal(err)
	}
	bob.Server().Wait("Update") // her document says so, too
	fmt.Println(bob.Server().Wait("Move").Activity.Target.ID)
	moved, err := f.Moved(ctx, "anna") // who follows the new one leaves the old one
	fmt.Println("of", moved.Followers, "followers", moved.Left, "did not come along yet", err)
	if _, err := f.Unmove(ctx, "anna"); err != nil {
		log.Fatal(err)
	}
	fmt.Println("taken back by an", bob.Server().Wait("Update").Activity.Type)
	// Output:
	// true
	// https://new.example/users/anna
	// of 1 followers 1 did not come along yet <nil>
	// taken back by an Update
}

// Anna moves in: her profile here names the account that she leaves, before she presses the button over there.
func ExampleServer_CheckMove() {
	var alias []string         // in the app's users
	n := inboxtest.NewNet(nil) // in a test: NewNet(t), which also closes it
	defer n.Close()
	f, err := fedihook.New(fedihook.Config{
		Origin: "https://blog.example", Storage: memory(),
		InsecureDial: n.Dial, RootCAs: n.RootCAs(), Logger: slog.New(slog.DiscardHandler),
		Profile: func(context.Context, string) (actor.Profile, error) {
			return actor.Profile{Handle: "anna", AlsoKnownAs: alias}, nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	n.Serve("blog.example", f.Handler())
	ctx := context.Background()
	old := n.Server("old.example").Actor("anna")

	var refused *fedihook.MoveError
	err = f.CheckMove(ctx, old.ID(), "anna")
	fmt.Println(errors.As(err, &refused), refused.To)
	alias = append(alias, old.ID())
	fmt.Println(f.CheckMove(ctx, old.ID(), "anna"))
	// Output:
	// true https://blog.example/ap/users/anna
	// <nil>
}

// Nobody is in the fediverse who has not asked for it, and who leaves is gone.
func ExampleServer_OptOut() {
	var in atomic.Bool         // in the app's users
	n := inboxtest.NewNet(nil) // in a test: NewNet(t), which also closes it
	defer n.Close()
	f, err := fedihook.New(fedihook.Config{
		Origin: "https://blog.example", Storage: memory(),
		InsecureDial: n.Dial, RootCAs: n.RootCAs(), Logger: slog.New(slog.DiscardHandler),
		OptIn: true, Profile: func(context.Context, string) (actor.Profile, error) {
			return actor.Profile{Handle: "anna", OptedIn: in.Load()}, nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	n.Run("blog.example", f)
	ctx := context.Background()

	bob := n.Server("there.example").Actor("bob")
	shown := func() (status int) { status, _, _ = bob.Get("https://blog.example/ap/users/anna"); return status }
	fmt.Println("before:", shown())
	in.Store(true)
	if _, err := f.OptIn(ctx, "anna"); err != nil {
		log.Fatal(err)
	}
	fmt.Println("in:", shown())
	bob.Follow("https://blog.example/ap/users/anna")
	bob.Server().Wait("Accept")
	// or the id of the account that she moves to
	if _, err := f.OptOut(ctx, "anna", ""); err != nil {
		log.Fatal(err)
	}
	in.Store(false) // right after, where Profile reads it
	fmt.Println("bob gets a", bob.Server().Wait("Delete").Activity.Type)
	fmt.Println("out:", shown())
	// Output:
	// before: 404
	// in: 200
	// bob gets a Delete
	// out: 404
}
