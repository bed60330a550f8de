package inboxtest_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
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

// Every misbehaviour of a server lasts until Behave. Here is how an actor elsewhere fares who sends it a Follow.
func ExampleServer() {
	n := inboxtest.NewNet(nil) // in a test: NewNet(t), which also closes it
	defer n.Close()
	n.Patience = time.Second
	there := n.Server("there.example")
	ann, bob := n.Server("a.example").Actor("ann"), there.Actor("bob")
	for _, c := range []struct {
		name      string
		misbehave func()
	}{
		{"RefuseSignatures", there.RefuseSignatures}, {"RequireRFC9421", there.RequireRFC9421}, {"RequireSignatures", there.RequireSignatures},
		{"Hide", there.Hide}, {"Hang", there.Hang}, {"TooMany", func() { there.TooMany(time.Hour) }}, {"Gone", there.Gone},
		{"BreakTLS", there.BreakTLS}, {"Down", there.Down}, {"LikeThreads", there.LikeThreads},
	} {
		there.Behave()
		ann.Follow(bob.ID()) // so that it is known where bob's inbox is
		c.misbehave()
		fmt.Print(c.name, " ", ann.Follow(bob.ID()), " ", ann.With(inboxtest.Manner{Unsigned: true}).Follow(bob.ID()), "; ")
	}
	// Output: RefuseSignatures 401 401; RequireRFC9421 401 401; RequireSignatures 202 401; Hide 202 404; Hang 0 0; TooMany 429 429; Gone 410 410; BreakTLS 0 0; Down 0 0; LikeThreads 202 404;
}

// Others spoil what a server shows. A client sees it so.
func ExampleServer_documents() {
	n := inboxtest.NewNet(nil) // in a test: NewNet(t), which also closes it
	defer n.Close()
	there := n.Server("there.example")
	id := there.Actor("bob").ID()
	get := func() (body []byte, took time.Duration) {
		began := time.Now()
		resp, err := n.Client().Get(id)
		if err != nil {
			log.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ = io.ReadAll(resp.Body)
		return body, time.Since(began)
	}
	there.Huge(3 << 20)
	huge, _ := get()
	there.Behave()
	there.Deep(5000)
	deep, _ := get()
	there.Behave()
	there.Lie(id, "https://else.example/1")
	there.Drip(100 * time.Microsecond)
	lie, took := get()
	fmt.Println(len(huge), bytes.Count(deep, []byte("[")) > 5000, bytes.Contains(lie, []byte("else.example")), took > 50*time.Millisecond)
	// Output: 3145728 true true true
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
