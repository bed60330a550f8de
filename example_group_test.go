package fedihook_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"strings"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox/inboxtest"
)

// A community: what ann says to it, ben hears from it, as ann's server wrote it.
func ExampleGroups() {
	n := inboxtest.NewNet(nil) // in a test: NewNet(t), which also closes it
	defer n.Close()
	app, err := fedihook.New(fedihook.Config{
		Origin: "https://club.example", InsecureDial: n.Dial, RootCAs: n.RootCAs(), Logger: slog.New(slog.DiscardHandler),
		Profile: func(context.Context, string) (actor.Profile, error) {
			return actor.Profile{Handle: "cats", Type: "Group"}, nil
		},
		Groups: &fedihook.Groups{FollowersOnly: true},
	})
	if err != nil {
		log.Fatal(err)
	}
	n.Run("club.example", app)

	cats := "https://club.example/ap/users/cats"
	ann, ben := n.Server("one.example").Actor("ann"), n.Server("two.example").Actor("ben")
	for _, member := range []*inboxtest.Actor{ann, ben} {
		member.Follow(cats)
		member.Server().Wait("Accept")
	}
	ann.Create(ann.Mention(cats, "whiskers"))
	for range 2 { // once as it was said, once by the id of the post, for Mastodon
		heard := ben.Server().Wait("Announce")
		if inner, err := heard.Activity.Object[0].Document(); err == nil {
			fmt.Println(heard.Activity.Actor.ID, strings.Contains(string(heard.Body), "whiskers"))
			fmt.Println(inner.(*activity.Activity).Type, "by", inner.(*activity.Activity).Actor.ID)
		}
	}
	// Output:
	// https://club.example/ap/users/cats true
	// Create by https://one.example/users/ann
}
