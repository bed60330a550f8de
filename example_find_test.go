package fedihook_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox/inboxtest"
)

// A handle that somebody typed leads to an actor, or to a sentence for them. What an actor is called is proved from both ends.
func ExampleServer_Lookup() {
	n := inboxtest.NewNet(nil) // in a test: NewNet(t), which also closes it
	defer n.Close()
	f, err := fedihook.New(fedihook.Config{
		Origin: "https://blog.example", Profile: anna, Storage: memory(),
		InsecureDial: n.Dial, RootCAs: n.RootCAs(), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		log.Fatal(err)
	}
	n.Serve("blog.example", f.Handler())
	ctx := context.Background()
	n.Server("there.example").Actor("bob")

	for _, typed := range []string{"@bob@there.example", "https://there.example/users/bob", "@eve@there.example", "bob"} {
		who, err := f.Lookup(ctx, typed)
		var lost *actor.LookupError
		if errors.As(err, &lost) {
			fmt.Println(lost.Sentence())
			continue
		}
		if err != nil {
			log.Fatal(err)
		}
		handle, err := f.Handle(ctx, who.ID)
		fmt.Println(handle, who.ID, err)
	}
	// Output:
	// bob@there.example https://there.example/users/bob <nil>
	// bob@there.example https://there.example/users/bob <nil>
	// there.example knows nobody of that name, or they have not opted in to the fediverse.
	// “bob” is neither a handle such as @user@example.com nor a web address.
}

// What is at an address that somebody pasted, and what that answers.
func ExampleServer_LookupURL() {
	n := inboxtest.NewNet(nil) // in a test: NewNet(t), which also closes it
	defer n.Close()
	f, err := fedihook.New(fedihook.Config{
		Origin: "https://blog.example", Profile: anna, Storage: memory(),
		InsecureDial: n.Dial, RootCAs: n.RootCAs(), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		log.Fatal(err)
	}
	n.Serve("blog.example", f.Handler())
	ctx := context.Background()
	bob, eve := n.Server("there.example").Actor("bob"), n.Server("else.example").Actor("eve")
	question := bob.Note("<p>Tea or coffee?</p>")
	bob.Create(question)
	answer := eve.Reply(question.ID, "<p>Tea.</p>")
	eve.Create(answer)

	doc, err := f.LookupURL(ctx, "", answer.ID) // with "anna", as she may see it
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(doc.(*activity.Object).Content)
	for o, err := range f.Thread(ctx, "", answer.ID) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(o.AttributedTo.First(), o.Content)
	}
	// Output:
	// <p>Tea.</p>
	// https://there.example/users/bob <p>Tea or coffee?</p>
	// https://else.example/users/eve <p>Tea.</p>
}

// What has changed without a word is asked for anew.
func ExampleServer_Refresh() {
	n := inboxtest.NewNet(nil) // in a test: NewNet(t), which also closes it
	defer n.Close()
	f, err := fedihook.New(fedihook.Config{
		Origin: "https://blog.example", Profile: anna, Storage: memory(),
		InsecureDial: n.Dial, RootCAs: n.RootCAs(), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		log.Fatal(err)
	}
	n.Serve("blog.example", f.Handler())
	ctx := context.Background()
	bob := n.Server("there.example").Actor("bob")

	for _, name := range []string{"Bob", "Robert"} {
		bob.Edit(func(a *activity.Actor) { a.Name = name }) // and tells nobody
		known, err := f.Lookup(ctx, bob.ID())
		if err != nil {
			log.Fatal(err)
		}
		now, err := f.Refresh(ctx, "", bob.ID())
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("known as", known.Name+", is", now.(*activity.Actor).Name)
	}
	// Output:
	// known as Bob, is Bob
	// known as Bob, is Robert
}

// Ids lead to users here, and users to ids, whatever their handle is now.
func ExampleServer_Local() {
	f, err := fedihook.New(fedihook.Config{Origin: "https://blog.example", Profile: anna})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()

	id, err := f.ActorID(ctx, "anna")
	fmt.Println(id, err)
	for _, iri := range []string{id, id + "/followers", "https://there.example/users/bob"} {
		kind, handle, ok, err := f.Local(ctx, iri)
		fmt.Printf("%t %q %t %v\n", kind == actor.KindActor, handle, ok, err)
	}
	// Output:
	// https://blog.example/ap/users/anna <nil>
	// true "anna" true <nil>
	// false "anna" true <nil>
	// false "" false <nil>
}
