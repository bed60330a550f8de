package outbox_test

import (
	"fmt"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/outbox"
)

// An author is told before a post what a peer is known not to show.
func ExampleFlows() {
	post := &activity.Object{Type: activity.Types{"Question"}, Name: "Tea or coffee?"}
	for _, f := range outbox.Flows("threads.net", outbox.KindsOf(post, "threads.net")...) {
		if f.Way == outbox.ToThem {
			fmt.Println(f.Sentence)
		}
	}
	fmt.Println(len(outbox.Flows("social.example")))
	// Output:
	// Nobody on Threads can vote: a poll is sent there as a post that lists the choices and links to it.
	// 0
}
