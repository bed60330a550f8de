package fedihook_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox/inboxtest"
	"github.com/fedihook/fedihook/storage"
)

// memory is storage.Memory, with the same keys for all Examples: making them takes longest.
func memory() storage.Storage {
	store := storage.Memory()
	store.Keys = madeOnce()
	return store
}

// Whoever got a post hears of its edit and its end.
func ExampleServer_Publish() {
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

	bob := n.Server("there.example").Actor("bob")
	bob.Follow("https://blog.example/ap/users/anna")
	bob.Server().Wait("Accept")

	id, err := f.Publish(ctx, "anna", &activity.Object{Content: "<p>Bread.</p>"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(bob.Server().Wait("Create").Activity.Object.First() == id)
	if _, err := f.Update(ctx, "anna", &activity.Object{ID: id, Content: "<p>Rye bread.</p>"}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(strings.Contains(string(bob.Server().Wait("Update").Body), "Rye bread"))
	if _, err := f.Delete(ctx, "anna", id); err != nil {
		log.Fatal(err)
	}
	fmt.Println(bob.Server().Wait("Delete").Activity.Object.First() == id)
	// Output:
	// true
	// true
	// true
}

// Followers are told that a profile is another one now. In a transaction Profile is asked after its commit.
func ExampleServer_UpdateProfile() {
	var name atomic.Value
	name.Store("Anna")
	n := inboxtest.NewNet(nil) // in a test: NewNet(t), which also closes it
	defer n.Close()
	f, err := fedihook.New(fedihook.Config{
		Origin: "https://blog.example", Storage: memory(),
		InsecureDial: n.Dial, RootCAs: n.RootCAs(), Logger: slog.New(slog.DiscardHandler),
		Profile: func(context.Context, string) (actor.Profile, error) {
			return actor.Profile{Handle: "anna", Name: name.Load().(string)}, nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	n.Run("blog.example", f)
	ctx := context.Background()

	bob := n.Server("there.example").Actor("bob")
	bob.Follow("https://blog.example/ap/users/anna")
	bob.Server().Wait("Accept")

	name.Store("Anna Baker") // in the app's users
	if _, err := f.UpdateProfile(ctx, "anna"); err != nil {
		log.Fatal(err)
	}
	doc, err := bob.Server().Wait("Update").Activity.Object[0].Document()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(doc.(*activity.Actor).Name)
	// Output:
	// Anna Baker
}

// What the verbs do not know is sent as it is, to whom it says.
func ExampleServer_Send() {
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

	bob := n.Server("there.example").Actor("bob")
	id, err := f.Send(ctx, "anna", &activity.Activity{
		Type: activity.Types{"Invite"}, Object: activity.Refs{activity.IRI("https://blog.example/events/1")}, To: activity.To(bob.ID()),
	})
	if err != nil {
		log.Fatal(err)
	}
	heard := bob.Server().Wait("Invite")
	fmt.Println(heard.Activity.ID == id, heard.Activity.Actor.ID, heard.Inbox)
	_, err = f.Send(ctx, "anna", &activity.Activity{Type: activity.Types{"Travel"}, Object: activity.Refs{activity.IRI(id)}})
	fmt.Println(err)
	// Output:
	// true https://blog.example/ap/users/anna https://there.example/users/bob/inbox
	// fedihook: Travel is for nobody: incomplete
}

// Followers on some hosts do not hear of it.
func ExampleServer_Except() {
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

	bob, eve := n.Server("there.example").Actor("bob"), n.Server("else.example").Actor("eve")
	for _, who := range []*inboxtest.Actor{bob, eve} {
		who.Follow("https://blog.example/ap/users/anna")
		who.Server().Wait("Accept")
	}
	if _, err := f.Except("else.example").Publish(ctx, "anna", &activity.Object{Content: "<p>Not for Eve's server.</p>"}); err != nil {
		log.Fatal(err)
	}
	bob.Server().Wait("Create")
	if _, err := f.Publish(ctx, "anna", &activity.Object{Content: "<p>For all.</p>"}); err != nil {
		log.Fatal(err)
	}
	bob.Server().Wait("Create")
	eve.Server().Wait("Create")
	fmt.Println(len(bob.Server().Received("Create")), len(eve.Server().Received("Create")))
	// Output:
	// 2 1
}

// Each author can think again for a while: what is deleted within it was never said.
func ExampleConfig_publishDelay() {
	n := inboxtest.NewNet(nil) // in a test: NewNet(t), which also closes it
	defer n.Close()
	f, err := fedihook.New(fedihook.Config{
		Origin: "https://blog.example", Profile: anna, Storage: memory(),
		InsecureDial: n.Dial, RootCAs: n.RootCAs(), Logger: slog.New(slog.DiscardHandler),
		PublishDelay: time.Minute,
	})
	if err != nil {
		log.Fatal(err)
	}
	n.Run("blog.example", f)
	ctx := context.Background()

	bob := n.Server("there.example").Actor("bob")
	bob.Follow("https://blog.example/ap/users/anna")
	bob.Server().Wait("Accept")

	regretted, err := f.Publish(ctx, "anna", &activity.Object{Content: "<p>Bred.</p>"})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := f.Delete(ctx, "anna", regretted); err != nil {
		log.Fatal(err)
	}
	if _, err := f.At(time.Now()).Publish(ctx, "anna", &activity.Object{Content: "<p>Bread, at once.</p>"}); err != nil {
		log.Fatal(err)
	}
	bob.Server().Wait("Create")
	fmt.Println("said:", len(bob.Server().Received("Create")), "taken back:", f.Counts().Withdrawn)
	// Output:
	// said: 1 taken back: 1
}
