package fedihook_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/inbox/inboxtest"
)

// Who follows somebody hears what they say, until they leave.
func ExampleServer_Follow() {
	accepted := make(chan string)
	n := inboxtest.NewNet(nil) // in a test: NewNet(t), which also closes it
	defer n.Close()
	f, err := fedihook.New(fedihook.Config{
		Origin: "https://blog.example", Profile: anna, Storage: memory(),
		InsecureDial: n.Dial, RootCAs: n.RootCAs(), Logger: slog.New(slog.DiscardHandler),
		Hooks: inbox.Hooks{Accepted: func(_ context.Context, m *inbox.Message) error { accepted <- m.Sender; return nil }},
	})
	if err != nil {
		log.Fatal(err)
	}
	n.Run("blog.example", f)
	ctx := context.Background()

	bob := n.Server("there.example").Actor("bob")
	if _, err := f.Follow(ctx, "anna", bob.ID()); err != nil {
		log.Fatal(err)
	}
	bob.Server().Wait("Follow")
	bob.Accept("https://blog.example/ap/users/anna")
	fmt.Println("accepted by", <-accepted)
	for one, err := range f.Following(ctx, "anna") {
		fmt.Println("following", one.Followed, err)
	}
	for one, err := range f.LocalFollowers(ctx, bob.ID()) { // a hook asks this where Message.ToFollowers is set
		fmt.Println("what bob says is for", one.Follower, err)
	}
	if _, err := f.Unfollow(ctx, "anna", bob.ID()); err != nil {
		log.Fatal(err)
	}
	fmt.Println("left by an", bob.Server().Wait("Undo").Activity.Type)
	// Output:
	// accepted by https://there.example/users/bob
	// following https://there.example/users/bob <nil>
	// what bob says is for https://blog.example/ap/users/anna <nil>
	// left by an Undo
}

// Whom a hook leaves pending a person decides about, later.
func ExampleServer_Requests() {
	n := inboxtest.NewNet(nil) // in a test: NewNet(t), which also closes it
	defer n.Close()
	f, err := fedihook.New(fedihook.Config{
		Origin: "https://blog.example", Profile: anna, Storage: memory(),
		InsecureDial: n.Dial, RootCAs: n.RootCAs(), Logger: slog.New(slog.DiscardHandler),
		Hooks: inbox.Hooks{Follow: func(context.Context, *inbox.Message) error { return inbox.ErrPending }},
	})
	if err != nil {
		log.Fatal(err)
	}
	n.Run("blog.example", f)
	ctx := context.Background()

	bob, eve := n.Server("there.example").Actor("bob"), n.Server("else.example").Actor("eve")
	for _, who := range []*inboxtest.Actor{bob, eve} {
		who.Follow("https://blog.example/ap/users/anna")
	}
	for waiting := 0; waiting < 2; time.Sleep(time.Millisecond) {
		waiting = 0
		for request, err := range f.Requests(ctx, "anna") {
			if err != nil {
				log.Fatal(request, err)
			}
			waiting++
		}
	}
	if _, err := f.Accept(ctx, "anna", bob.ID()); err != nil {
		log.Fatal(err)
	}
	if _, err := f.Reject(ctx, "anna", eve.ID()); err != nil {
		log.Fatal(err)
	}
	fmt.Println("bob got an", bob.Server().Wait("Accept").Activity.Type)
	fmt.Println("eve got a", eve.Server().Wait("Reject").Activity.Type)
	// Output:
	// bob got an Accept
	// eve got a Reject
}

// Without a hook who asks is let in. Followers are walked, never listed whole, and can be shown the door.
func ExampleServer_RemoveFollower() {
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
	for one, err := range f.Followers(ctx, "anna") {
		fmt.Println(one.Follower, err)
	}
	if _, err := f.RemoveFollower(ctx, "anna", bob.ID()); err != nil {
		log.Fatal(err)
	}
	fmt.Println("bob got a", bob.Server().Wait("Reject").Activity.Type)
	for one, err := range f.Followers(ctx, "anna") {
		fmt.Println(one.Follower, err)
	}
	// Output:
	// https://there.example/users/bob <nil>
	// bob got a Reject
}

// A visitor follows from their own server, which says by WebFinger on which page: the form of an app asks them who they are.
func ExampleServer_Interact() {
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
	n.Serve("there.example", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { // where bob, who visits, is at home
		fmt.Fprint(w, `{"subject":"acct:bob@there.example","links":[
			{"rel":"self","type":"application/activity+json","href":"https://there.example/users/bob"},
			{"rel":"http://ostatus.org/schema/1.0/subscribe","template":"https://there.example/follow?uri={uri}"}]}`)
	}))
	ctx := context.Background()

	form, err := f.FollowForm(ctx, "anna") // Wrap answers it, by Interact
	fmt.Println(strings.Contains(string(form), `action="/ap/interact"`), err)
	page, err := f.Interact(ctx, "@bob@there.example", "https://blog.example/ap/users/anna")
	fmt.Println(page, err)
	// Output:
	// true <nil>
	// https://there.example/follow?uri=https%3A%2F%2Fblog.example%2Fap%2Fusers%2Fanna <nil>
}

// A new follower gets what was published before, half a minute later. Config.OfferPosts does it for all.
func ExampleServer_Offer() {
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
	for _, text := range []string{"<p>Bread.</p>", "<p>Butter.</p>"} {
		if _, err := f.Publish(ctx, "anna", &activity.Object{Content: text}); err != nil {
			log.Fatal(err)
		}
	}
	for listed := 0; listed < 2; time.Sleep(time.Millisecond) {
		page, err := f.Collection(ctx, actor.Query{Name: "outbox", Owner: "https://blog.example/ap/users/anna"})
		if err != nil {
			log.Fatal(err)
		}
		listed = len(page.Items)
	}
	offered, err := f.Offer(ctx, "anna", bob.ID(), 20)
	fmt.Println(offered, err)
	// Output:
	// 2 <nil>
}
