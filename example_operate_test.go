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
	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/inbox/inboxtest"
	"github.com/fedihook/fedihook/moderation"
)

// An operator is told what is wrong before other servers are: here a proxy keeps WebFinger to itself.
func ExampleServer_Check() {
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
	mux := http.NewServeMux()
	mux.Handle("/ap/", f.Handler()) // and not /.well-known/webfinger
	n.Serve("blog.example", mux)

	for _, finding := range f.Check(context.Background()) {
		fmt.Printf("%s: %s\n", finding.Code, finding.Do)
	}
	// Output:
	// volatile: use storage.OpenSQLite or storage.OpenPostgres: who loses keys and followers is a stranger to all other servers
	// webfinger: pass /.well-known/webfinger, with its query, to this app: mount Wrap or Handler at the root of the host
}

// What is stuck and why, and what to do about it.
func ExampleServer_Queue() {
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
	bob.Server().TooMany(time.Hour)
	if _, err := f.Publish(ctx, "anna", &activity.Object{Content: "<p>Bread.</p>"}); err != nil {
		log.Fatal(err)
	}

	for stuck := false; !stuck; time.Sleep(time.Millisecond) {
		for lane, err := range f.Queue().Lanes(ctx) {
			if err != nil {
				log.Fatal(err)
			}
			if stuck = lane.State == delivery.LaneAsked; stuck {
				fmt.Println(lane.Origin, lane.State, lane.Pending)
			}
		}
	}
	bob.Server().Behave()
	if err := f.Queue().RetryNow(ctx, "there.example"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(bob.Server().Wait("Create").Activity.Type)
	// Output:
	// https://there.example asked 1
	// Create
}

// What looks like spam waits until a moderator has seen it.
func ExampleServer_Inbox() {
	read := make(chan string, 1)
	n := inboxtest.NewNet(nil) // in a test: NewNet(t), which also closes it
	defer n.Close()
	f, err := fedihook.New(fedihook.Config{
		Origin: "https://blog.example", Profile: anna, Storage: memory(),
		InsecureDial: n.Dial, RootCAs: n.RootCAs(), Logger: slog.New(slog.DiscardHandler),
		Filter: func(_ context.Context, m *inbox.Message) (inbox.Verdict, error) {
			return inbox.Verdict{Decision: inbox.Hold, Reason: "who is that?"}, nil
		},
		Hooks: inbox.Hooks{Create: func(_ context.Context, m *inbox.Message) error { read <- m.Sender; return nil }},
	})
	if err != nil {
		log.Fatal(err)
	}
	n.Run("blog.example", f)
	ctx := context.Background()

	bob := n.Server("there.example").Actor("bob")
	bob.Create(bob.Mention("https://blog.example/ap/users/anna", "<p>Hello</p>"))

	held, err := f.Inbox().Shelved(ctx, inbox.Held, 0, 10) // inbox.DeadLetters: those whose hooks failed for a week
	if err != nil {
		log.Fatal(err)
	}
	for _, entry := range held {
		_, message, err := f.Inbox().Show(ctx, inbox.Held, entry.Seq)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("waits:", message.Activity.Type, "of", message.Sender, len(read))
		if err := f.Inbox().Retry(ctx, inbox.Held, entry.Seq); err != nil { // or Discard
			log.Fatal(err)
		}
	}
	fmt.Println("read:", <-read)
	// Output:
	// waits: Create of https://there.example/users/bob 0
	// read: https://there.example/users/bob
}

// A domain is suspended: what was between it and users here ends, and nothing comes or goes any more, until the rule is lifted.
func ExampleServer_Moderate() {
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

	eve := n.Server("spam.example").Actor("eve")
	eve.Follow("https://blog.example/ap/users/anna")
	eve.Server().Wait("Accept")

	domain := moderation.Key{About: "spam.example"}
	effect, err := f.Moderate(ctx, moderation.Rule{Key: domain, Severity: moderation.Suspend, Private: "a flood in May", By: "ben"})
	fmt.Println("followers lost:", effect.Ended.Followers, err)
	fmt.Println("she got a", eve.Server().Wait("Reject").Activity.Type)
	fmt.Println("she says something:", eve.Create(eve.Mention("https://blog.example/ap/users/anna", "<p>Buy!</p>")))
	if _, err := f.ForetellLift(ctx, domain); err != nil { // what it would do, and nothing done
		log.Fatal(err)
	}
	if _, err := f.Lift(ctx, "ben", "they have a new owner", domain); err != nil {
		log.Fatal(err)
	}
	fmt.Println("once more:", eve.Create(eve.Mention("https://blog.example/ap/users/anna", "<p>Hello</p>")))
	// Output:
	// followers lost: 1 <nil>
	// she got a Reject
	// she says something: 403
	// once more: 202
}

// New keys for a user: the old one signs the Update that tells followers of the new. RevokeKeys is for keys that were stolen.
func ExampleServer_RotateKeys() {
	f, err := fedihook.New(fedihook.Config{Origin: "https://blog.example", Profile: anna})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	key := func() string {
		shown, err := f.Lookup(ctx, "https://blog.example/ap/users/anna")
		if err != nil {
			log.Fatal(err)
		}
		return shown.Keys()[0].PEM
	}
	before := key()
	if _, err := f.RotateKeys(ctx, "anna"); err != nil {
		log.Fatal(err)
	}
	fmt.Println("the same key:", key() == before)
	// Output:
	// the same key: false
}

// Activities that come another way, here from an archive, are judged like all others.
func ExampleServer_Receive() {
	got := make(chan string, 1)
	n := inboxtest.NewNet(nil) // in a test: NewNet(t), which also closes it
	defer n.Close()
	f, err := fedihook.New(fedihook.Config{
		Origin: "https://blog.example", Profile: anna, Storage: memory(),
		InsecureDial: n.Dial, RootCAs: n.RootCAs(), Logger: slog.New(slog.DiscardHandler),
		Hooks: inbox.Hooks{Create: func(_ context.Context, m *inbox.Message) error { got <- m.Sender; return nil }},
	})
	if err != nil {
		log.Fatal(err)
	}
	n.Run("blog.example", f)
	ctx := context.Background()

	bob := n.Server("there.example").Actor("bob")
	note := bob.Mention("https://blog.example/ap/users/anna", "<p>Hello</p>")
	bob.Server().Put(note)
	create := activity.Create(note.ID+"/create", note)
	bob.Server().Put(create)
	raw, err := activity.Encode(create)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(f.Receive(ctx, raw), <-got)
	// Output:
	// <nil> https://there.example/users/bob
}
