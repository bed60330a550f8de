package fedihook_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/inbox/inboxtest"
)

// Anna speaks in a community of another server, as its members and as its moderators do.
func ExampleServer_InGroup() {
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

	club := n.Server("club.example")
	cats := club.Actor("cats")
	cats.Edit(func(a *activity.Actor) { a.Type = activity.Types{activity.TypeGroup} })
	dogs := club.Actor("eve").Note("<p>Dogs!</p>")
	club.Put(dogs)

	in := f.InGroup(cats.ID()) // Lookup finds it by !cats@club.example
	if _, err := in.Publish(ctx, "anna", &activity.Object{Name: "Whiskers", Content: "<p>How long?</p>"}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(club.Wait("Create").Activity.Audience.Has(cats.ID()))
	if _, err := in.Dislike(ctx, "anna", dogs.ID); err != nil {
		log.Fatal(err)
	}
	fmt.Println(club.Wait("Dislike").Activity.Audience.Has(cats.ID()))
	// where anna moderates
	if _, err := in.RemovePost(ctx, "anna", dogs.ID, "off topic"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(club.Wait("Delete").Activity.Summary)
	// Output:
	// true
	// true
	// off topic
}
