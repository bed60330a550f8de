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

// A like, an emoji and a share, and how one is taken back.
func ExampleServer_Like() {
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

	there := n.Server("there.example")
	post := there.Actor("bob").Note("<p>Bread.</p>")
	there.Put(post)

	like, err := f.Like(ctx, "anna", post.ID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(there.Wait("Like").Activity.Object.First() == post.ID)
	if _, err := f.Undo(ctx, "anna", like); err != nil {
		log.Fatal(err)
	}
	there.Wait("Undo")
	// nil: an emoji of Unicode
	if _, err := f.React(ctx, "anna", post.ID, "🍞", nil); err != nil {
		log.Fatal(err)
	}
	fmt.Println(there.Wait("Like").Activity.Content)
	if _, err := f.Announce(ctx, "anna", post.ID); err != nil {
		log.Fatal(err)
	}
	fmt.Println(there.Wait("Announce").Activity.Object.First() == post.ID)
	// Output:
	// true
	// 🍞
	// true
}

// A vote is for who asks alone.
func ExampleServer_Vote() {
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
	poll := bob.Poll("<p>Which?</p>", "tea", "coffee")
	bob.Create(poll)

	if _, err := f.Vote(ctx, "anna", poll.ID, "tea"); err != nil {
		log.Fatal(err)
	}
	// which is to choose it once
	if _, err := f.Vote(ctx, "anna", poll.ID, "tea"); err != nil {
		log.Fatal(err)
	}
	doc, err := bob.Server().Wait("Create").Activity.Object[0].Document()
	if err != nil {
		log.Fatal(err)
	}
	vote := doc.(*activity.Object)
	fmt.Println(vote.Name, vote.InReplyTo.ID == poll.ID, vote.To.Has(bob.ID()), vote.To.Has(activity.Public))
	// Output:
	// tea true true false
}

// A report goes to the moderators over there, who do not learn who complained.
func ExampleServer_Flag() {
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

	eve := n.Server("there.example").Actor("eve")
	post := eve.Note("<p>Buy!</p>")
	eve.Create(post)

	if _, err := f.Flag(ctx, "", eve.ID(), "spam", post.ID); err != nil {
		log.Fatal(err)
	}
	report := eve.Server().Wait("Flag").Activity
	fmt.Println(report.Actor.ID, report.Content, report.Object.First() == eve.ID())
	// Output:
	// https://blog.example/ap/actor spam true
}

// Who is blocked is told so, follows no more, and can't follow again until the Block is undone.
func ExampleServer_Block() {
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

	eve := n.Server("there.example").Actor("eve")
	eve.Follow("https://blog.example/ap/users/anna")
	eve.Server().Wait("Accept")

	block, err := f.Block(ctx, "anna", eve.ID())
	if err != nil {
		log.Fatal(err)
	}
	eve.Server().Wait("Block")
	eve.Follow("https://blog.example/ap/users/anna")
	fmt.Println("blocked: a", eve.Server().Wait("Reject").Activity.Type)
	if _, err := f.Undo(ctx, "anna", block); err != nil {
		log.Fatal(err)
	}
	eve.Server().Wait("Undo")
	eve.Follow("https://blog.example/ap/users/anna")
	fmt.Println("not any more: an", eve.Server().Wait("Accept").Activity.Type)
	// Output:
	// blocked: a Reject
	// not any more: an Accept
}
