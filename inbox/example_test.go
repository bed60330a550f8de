package inbox_test

import (
	"context"
	"fmt"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/inbox"
)

// An app whose readers answer fills in what it wants to know of; other hooks may stand beside.
func ExampleReaders() {
	readers := inbox.Readers{
		Posts: "https://blog.example/posts/",
		Comment: func(_ context.Context, c inbox.Comment) error {
			fmt.Println(c.By, "answers", c.Post+":", c.Content)
			return nil
		},
		React: func(_ context.Context, post, kind, by string, yes bool) error {
			fmt.Println(by, kind, post, yes)
			return nil
		},
	}
	hooks := readers.Hooks(inbox.Hooks{})

	const bob = "https://there.example/users/bob"
	reply := activity.Note("https://there.example/notes/1", bob, "<p>Yes!</p>", time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC))
	reply.InReplyTo = activity.IRI("https://blog.example/posts/bread")
	reply.To = activity.To(activity.Public)
	ctx := context.Background()
	fmt.Println(hooks.Create(ctx, &inbox.Message{Activity: activity.Create("https://there.example/notes/1#create", reply), Sender: bob, Object: reply, ObjectID: reply.ID}))
	like := &activity.Activity{Type: activity.Types{"Like"}, Actor: activity.IRI(bob), Object: activity.Refs{reply.InReplyTo}}
	fmt.Println(hooks.Like(ctx, &inbox.Message{Activity: like, Sender: bob, ObjectID: "https://blog.example/posts/bread"}))
	// Output:
	// https://there.example/users/bob answers bread: <p>Yes!</p>
	// <nil>
	// https://there.example/users/bob like bread true
	// <nil>
}
