package fedihook_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/consent"
	"github.com/fedihook/fedihook/inbox/inboxtest"
)

// The author of a post wants to be asked, and says yes to somebody who likes it.
func ExampleServer_Grant() {
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
	post := &activity.Object{Content: "<p>Bread.</p>"}
	post.InteractionPolicy = activity.Policy{CanLike: &activity.Rule{Manual: activity.To(activity.Public)}}.Ref()
	id, err := f.Publish(ctx, "anna", post)
	if err != nil {
		log.Fatal(err)
	}
	n.Until("the post is there", func() bool { status, _, _ := bob.Get(id); return status == http.StatusOK })

	bob.Like(id) // a hook hears of it when leave was given
	for leave := ""; leave == ""; time.Sleep(time.Millisecond) {
		for asked, err := range f.Asked(ctx, "anna") {
			if err != nil {
				log.Fatal(err)
			}
			fmt.Println(asked.Kind, asked.Actor)
			if leave, err = f.Grant(ctx, "anna", asked.Interaction); err != nil { // asked.Request of who asked first
				log.Fatal(err)
			}
		}
	}
	fmt.Println("bob got an", bob.Server().Wait("Accept").Activity.Type)
	// Output:
	// like https://there.example/users/bob
	// bob got an Accept
}

// Everyone may quote a post. Leave for one quote is taken back.
func ExampleServer_Revoke() {
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
	post := &activity.Object{Content: "<p>Bread.</p>"}
	post.InteractionPolicy = activity.Policy{CanQuote: &activity.Rule{Automatic: activity.To(activity.Public)}}.Ref()
	id, err := f.Publish(ctx, "anna", post)
	if err != nil {
		log.Fatal(err)
	}
	n.Until("the post is there", func() bool { status, _, _ := bob.Get(id); return status == http.StatusOK })
	quote := bob.Note("<p>Look!</p>")
	quote.SetQuote(id)
	bob.Server().Put(quote)
	bob.Send(activity.QuoteRequest("", quote, &activity.Object{ID: id}), "https://blog.example/ap/users/anna")
	leave := bob.Server().Wait("Accept").Activity.Result.ID

	for stamp, err := range f.Stamps(ctx, consent.Query{Target: id}) {
		fmt.Println(stamp.Kind, stamp.State, stamp.ID == leave, err)
	}
	if _, err := f.Revoke(ctx, "anna", leave); err != nil {
		log.Fatal(err)
	}
	fmt.Println(bob.Server().Wait("Delete").Activity.Object.First() == leave)
	// Output:
	// quote granted true <nil>
	// true
}

// An app asks what the author of a post allows before somebody writes an answer that nobody would show.
func ExampleServer_May() {
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
	post := bob.Note("<p>For those I know.</p>")
	post.InteractionPolicy = activity.Policy{
		CanLike:  &activity.Rule{Automatic: activity.To(activity.Public)},
		CanReply: &activity.Rule{Manual: activity.To(activity.Public)},
		CanQuote: &activity.Rule{Automatic: activity.To(bob.ID())},
	}.Ref()
	bob.Create(post)

	for _, kind := range []consent.Kind{consent.Like, consent.Reply, consent.Quote} {
		may, err := f.May(ctx, "anna", kind, post.ID)
		fmt.Println(kind, may, err)
	}
	// Output:
	// like automatic <nil>
	// reply manual <nil>
	// quote denied <nil>
}

// Who likes a post whose author wants to be asked is turned away.
func ExampleServer_Refuse() {
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
	post := &activity.Object{Content: "<p>Bread.</p>"}
	post.InteractionPolicy = activity.Policy{CanLike: &activity.Rule{Manual: activity.To(activity.Public)}}.Ref()
	id, err := f.Publish(ctx, "anna", post)
	if err != nil {
		log.Fatal(err)
	}
	n.Until("the post is there", func() bool { status, _, _ := bob.Get(id); return status == http.StatusOK })

	bob.Like(id)
	for answered := false; !answered; time.Sleep(time.Millisecond) {
		for asked, err := range f.Asked(ctx, "anna") {
			if err != nil {
				log.Fatal(err)
			}
			if err := f.Refuse(ctx, "anna", asked.Interaction); err != nil {
				log.Fatal(err)
			}
			answered = true
		}
	}
	fmt.Println("bob got a", bob.Server().Wait("Reject").Activity.Type)
	// Output:
	// bob got a Reject
}

// What somebody quotes is shown only where its author agrees: bob's server vouches for one of two.
func ExampleServer_Quote() {
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
	post := bob.Note("<p>Bread.</p>")
	bob.Server().Put(post)

	quote := eve.Note("<p>Look!</p>")
	quote.SetQuote(post.ID)
	q, err := f.Quote(ctx, quote)
	fmt.Println(q.ID == post.ID, q.Approved, err)

	leave := activity.QuoteAuthorization("https://there.example/leave/1", bob.ID(), quote.ID, post.ID)
	bob.Server().Put(leave)
	quote.QuoteAuthorization = activity.IRI(leave.ID)
	q, err = f.Quote(ctx, quote)
	fmt.Println(q.ID == post.ID, q.Approved, err)
	// Output:
	// true false <nil>
	// true true <nil>
}
