package fedihook_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/inbox/inboxtest"
	"github.com/fedihook/fedihook/outbox"
)

// What users here say to everyone goes to a relay too, which passes it on.
func ExampleServer_FollowRelay() {
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

	relay := n.Server("relay.example").Relay()
	// true: what it brings is taken in, too
	if _, err := f.FollowRelay(ctx, relay.Inbox(), outbox.MastodonRelay, false); err != nil {
		log.Fatal(err)
	}
	relay.Server().Wait("Follow")
	relay.Accept("https://blog.example/ap/actor") // the site's own actor asked
	n.Until("the relay has accepted", func() bool {
		list, err := f.Relays(ctx)
		return err == nil && list[0].State == outbox.RelayAccepted
	})

	id, err := f.Publish(ctx, "anna", &activity.Object{Content: "<p>Bread.</p>"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(relay.Server().Wait("Create").Activity.Object.First() == id)
	if _, err := f.UnfollowRelay(ctx, relay.Inbox()); err != nil {
		log.Fatal(err)
	}
	fmt.Println(relay.Server().Wait("Undo").Activity.Type)
	// Output:
	// true
	// Undo
}
