package inboxtest_test

import (
	"context"
	"fmt"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/inbox/inboxtest"
)

func ExampleNet() {
	n := inboxtest.NewNet(nil) // in a test: NewNet(t), which also closes it
	defer n.Close()
	ann, bob := n.Server("a.example").Actor("ann"), n.Server("b.example").Actor("bob")

	fmt.Println("follow:", bob.Follow(ann.ID()))
	fmt.Println("accept:", ann.Accept(bob.ID()))
	fmt.Println("post:", ann.Create(ann.Note("<p>Hello</p>")))
	fmt.Println("received:", bob.Server().Wait("Create").Signed.Owner)

	bob.Server().TooMany(time.Hour)
	fmt.Println("post:", ann.Create(ann.Note("<p>Are you there?</p>")))
	// Output:
	// follow: 202
	// accept: 202
	// post: 202
	// received: https://a.example/users/ann
	// post: 429
}

// A hook of one's own needs neither a network nor keys to be tested.
func ExampleMessage() {
	const alice, bob = "https://blog.example/ap/users/alice", "https://there.example/users/bob"
	hook := func(_ context.Context, m *inbox.Message) error {
		if note, ok := m.Object.(*activity.Object); ok {
			fmt.Println(m.Sender, "wrote to", m.To, note.Content)
		}
		return nil
	}

	note := activity.Note("https://there.example/posts/1", bob, "<p>Hi Alice</p>", time.Now())
	note.Address(activity.VisibilityDirect, "", alice)
	m := inboxtest.Message(nil, activity.Create("https://there.example/posts/1/create", note), alice) // in a test: Message(t, …)
	fmt.Println(hook(context.Background(), m))
	// Output:
	// https://there.example/users/bob wrote to [https://blog.example/ap/users/alice] <p>Hi Alice</p>
	// <nil>
}

// A hook may run twice for one activity. The first of these counts wrongly then.
func ExampleTwice() {
	likes, likers := 0, map[string]bool{}
	counting := inbox.Hooks{Like: func(context.Context, *inbox.Message) error { likes++; return nil }}
	noting := inbox.Hooks{Like: func(_ context.Context, m *inbox.Message) error { likers[m.Sender] = true; return nil }}

	like := &activity.Activity{
		ID: "https://there.example/likes/1", Type: activity.Types{activity.TypeLike}, Actor: activity.IRI("https://there.example/users/bob"),
		Object: activity.Refs{activity.IRI("https://blog.example/posts/1")},
	}
	m := inboxtest.Message(nil, like)
	for _, hooks := range []inbox.Hooks{counting, noting} {
		if err := inboxtest.Twice(hooks).Like(context.Background(), m); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println("counted:", likes, "noted:", len(likers))
	// Output: counted: 2 noted: 1
}
