package consent_test

import (
	"fmt"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/consent"
)

// Followers may quote this post at once, others after asking, and it may be liked by everyone.
func ExampleDecide() {
	const author, followers = "https://blog.example/users/anna", "https://blog.example/users/anna/followers"
	post := &activity.Object{ID: "https://blog.example/posts/1", To: activity.To(activity.Public)}
	post.InteractionPolicy = activity.Policy{
		CanQuote: &activity.Rule{Automatic: activity.To(followers), Manual: activity.To(activity.Public)},
	}.Ref()
	ask := func(kind consent.Kind, follows bool) consent.Decision {
		return consent.Decide(consent.Question{
			Kind: kind, Post: post, Author: author, Followers: followers, Actor: "https://there.example/users/bob", Follows: follows,
		})
	}
	fmt.Println(ask(consent.Quote, true) == consent.Automatic)
	fmt.Println(ask(consent.Quote, false) == consent.Manual)
	fmt.Println(ask(consent.Like, false) == consent.Automatic)
	// Output:
	// true
	// true
	// true
}
