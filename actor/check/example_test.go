package check_test

import (
	"fmt"

	"github.com/fedihook/fedihook/actor/check"
)

func ExampleDocument() {
	found := check.Document([]byte(`{
		"@context": ["https://www.w3.org/ns/activitystreams", "https://w3id.org/security/v1"],
		"id": "https://micro.example/alice", "type": "Person", "preferredUsername": "alice", "name": "Alice",
		"url": "https://micro.example/@alice", "published": "2024-01-31T00:00:00Z", "manuallyApprovesFollowers": false,
		"inbox": "https://inboxes.example/alice", "outbox": "https://micro.example/alice/outbox",
		"followers": "https://micro.example/alice/followers", "following": "https://micro.example/alice/following",
		"endpoints": {"sharedInbox": "https://micro.example/inbox"}
	}`))
	fmt.Println("refused by", check.Refusals(found))
	for _, f := range found {
		fmt.Println(f)
	}
	// Output:
	// refused by [Akkoma GoToSocial Lemmy Misskey PeerTube Pixelfed]
	// inbox-other-host: $.inbox: "https://inboxes.example/alice", not at the host of "https://micro.example/alice"
	// key-missing: $.publicKey: nothing
}
