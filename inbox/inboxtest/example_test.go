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

// What an actor sends is spoilt for as long as the result of With is used. A server that looks at signatures and sizes alone answers so.
func ExampleManner() {
	n := inboxtest.NewNet(nil) // in a test: NewNet(t), which also closes it
	defer n.Close()
	there := n.Server("there.example")
	ann, bob, eve := n.Server("a.example").Actor("ann"), there.Actor("bob"), there.Actor("eve")
	for _, m := range []inboxtest.Manner{
		{}, {Unsigned: true}, {Signer: eve}, {ForeignKey: eve}, {Late: 24 * time.Hour}, {Pad: 2 << 20}, {Nest: 5000},
	} {
		fmt.Print(bob.With(m).Follow(ann.ID()), " ")
	}
	fmt.Print(bob.Follow(ann.ID()))
	// Output: 202 401 401 401 401 413 400 202
}

// Networks reorder what is sent, and servers send it again.
func ExampleServer_Hold() {
	n := inboxtest.NewNet(nil) // in a test: NewNet(t), which also closes it
	defer n.Close()
	ann, bob := n.Server("a.example").Actor("ann"), n.Server("there.example").Actor("bob")
	note := bob.Mention(ann.ID(), "<p>Hello</p>")

	bob.Server().Hold()
	fmt.Println(bob.Create(note), bob.Delete(note.ID)) // no answer yet
	fmt.Println(bob.Server().Release(1, 0))
	fmt.Println(bob.Replay()) // what was said last, byte by byte
	for _, d := range ann.Server().Received("") {
		fmt.Print(d.Activity.Type, " ")
	}
	// Output:
	// 0 0
	// [202 202]
	// 202
	// Delete Create Delete
}

// Accounts get new keys, move and end.
func ExampleActor() {
	n := inboxtest.NewNet(nil) // in a test: NewNet(t), which also closes it
	defer n.Close()
	ann, bob := n.Server("a.example").Actor("ann"), n.Server("there.example").Actor("bob")
	other := n.Server("other.example").Actor("bob")
	fmt.Println("Follow", bob.Follow(ann.ID()))
	bob.RotateKey()
	fmt.Println("with a new key", bob.Undo("Follow", ann.ID()))
	other.Alias(bob.ID()) // without it nobody believes the Move
	fmt.Println("Move", bob.Move(other.ID()), ann.Server().Wait("Move").Activity.Target.ID)
	status, _, _ := ann.Get(bob.ID())
	fmt.Print("Delete ", bob.DeleteSelf(), ", before it ", status)
	status, _, _ = ann.Get(bob.ID())
	fmt.Println(", after it", status)
	// Output:
	// Follow 202
	// with a new key 202
	// Move 202 https://other.example/users/bob
	// Delete 202, before it 200, after it 410
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

// Readers are tested in the same way. These keep a comment under its id, and a like under who likes: both are there once.
func ExampleTwice_readers() {
	comments, likes := map[string]string{}, map[string]bool{}
	readers := inboxtest.Twice(inbox.Readers{
		Posts:   "https://blog.example/posts/",
		Comment: func(_ context.Context, c inbox.Comment) error { comments[c.ID] = c.Content; return nil },
		React: func(_ context.Context, post, kind, by string, yes bool) error {
			likes[post+" "+kind+" "+by] = yes
			return nil
		},
	})
	const bob = "https://there.example/users/bob"
	reply := activity.Note("https://there.example/posts/1", bob, "<p>Well said</p>", time.Now())
	reply.InReplyTo = activity.IRI("https://blog.example/posts/hello")
	reply.Address(activity.VisibilityPublic, bob+"/followers")
	like := &activity.Activity{
		ID: "https://there.example/likes/1", Type: activity.Types{activity.TypeLike}, Actor: activity.IRI(bob),
		Object: activity.Refs{activity.IRI("https://blog.example/posts/hello")},
	}
	hooks := readers.Hooks(inbox.Hooks{})
	for _, err := range []error{
		hooks.Create(context.Background(), inboxtest.Message(nil, activity.Create("https://there.example/posts/1/create", reply))),
		hooks.Like(context.Background(), inboxtest.Message(nil, like)),
	} {
		if err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println(comments, likes)
	// Output: map[https://there.example/posts/1:<p>Well said</p>] map[hello like https://there.example/users/bob:true]
}
