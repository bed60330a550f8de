package activity_test

import (
	"fmt"
	"time"

	"github.com/fedihook/fedihook/activity"
)

func ExampleCreate() {
	note := activity.Note("https://a.example/notes/1", "https://a.example/users/alice", "<p>Hello</p>", time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC))
	note.Address(activity.VisibilityPublic, "https://a.example/users/alice/followers")
	b, err := activity.Encode(activity.Create("https://a.example/notes/1/create", note))
	fmt.Println(string(b), err)
	// Output:
	// {"@context":["https://www.w3.org/ns/activitystreams",{"sensitive":"as:sensitive"}],"id":"https://a.example/notes/1/create","type":"Create","actor":"https://a.example/users/alice","object":{"id":"https://a.example/notes/1","type":"Note","attributedTo":"https://a.example/users/alice","to":["https://www.w3.org/ns/activitystreams#Public"],"cc":["https://a.example/users/alice/followers"],"content":"<p>Hello</p>","sensitive":false,"url":"https://a.example/notes/1","published":"2026-05-01T12:00:00Z"},"to":["https://www.w3.org/ns/activitystreams#Public"],"cc":["https://a.example/users/alice/followers"],"published":"2026-05-01T12:00:00Z"} <nil>
}

func ExampleUpdate() {
	note := activity.Note("https://a.example/notes/1", "https://a.example/users/alice", "<p>Hello</p>", time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC))
	note.Address(activity.VisibilityPublic, "https://a.example/users/alice/followers")
	note.Content = "<p>Hello, world</p>"
	edit := activity.Update("https://a.example/notes/1/updates/1", note, time.Date(2026, 5, 1, 12, 5, 0, 0, time.UTC))
	fmt.Println(edit.Type, edit.Actor.ID, note.Updated)
	// News about it, which nobody shall take for an edit:
	news := activity.Update("https://a.example/notes/1/updates/2", note, time.Time{})
	fmt.Println(news.Type, news.Actor.ID, note.Updated)
	// Output:
	// Update https://a.example/users/alice 2026-05-01 12:05:00 +0000 UTC
	// Update https://a.example/users/alice 2026-05-01 12:05:00 +0000 UTC
}

func ExampleUpdateActor() {
	alice := &activity.Actor{ID: "https://a.example/users/alice", Type: activity.Types{activity.TypePerson}, Name: "Alice"}
	update := activity.UpdateActor("https://a.example/updates/1", alice, time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC))
	b, err := activity.Encode(update)
	fmt.Println(string(b), err)
	// Output:
	// {"@context":"https://www.w3.org/ns/activitystreams","id":"https://a.example/updates/1","type":"Update","actor":"https://a.example/users/alice","object":{"id":"https://a.example/users/alice","type":"Person","name":"Alice","updated":"2026-05-01T12:00:00Z"},"to":["https://www.w3.org/ns/activitystreams#Public"],"cc":[],"updated":"2026-05-01T12:00:00Z"} <nil>
}

func ExampleDelete() {
	note := activity.Note("https://a.example/notes/1", "https://a.example/users/alice", "<p>Hello</p>", time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC))
	note.Address(activity.VisibilityPublic, "https://a.example/users/alice/followers")
	b, err := activity.Encode(activity.Delete("https://a.example/notes/1/delete", note, time.Date(2026, 5, 2, 12, 0, 0, 0, time.UTC)))
	fmt.Println(string(b), err)
	// Output:
	// {"@context":"https://www.w3.org/ns/activitystreams","id":"https://a.example/notes/1/delete","type":"Delete","actor":"https://a.example/users/alice","object":{"id":"https://a.example/notes/1","type":"Tombstone","formerType":"Note","deleted":"2026-05-02T12:00:00Z"},"to":["https://www.w3.org/ns/activitystreams#Public"],"cc":["https://a.example/users/alice/followers"]} <nil>
}

func ExampleDeleteActor() {
	b, err := activity.Encode(activity.DeleteActor("https://a.example/deletes/1", "https://a.example/users/alice"))
	fmt.Println(string(b), err)
	// Output:
	// {"@context":"https://www.w3.org/ns/activitystreams","id":"https://a.example/deletes/1","type":"Delete","actor":"https://a.example/users/alice","object":"https://a.example/users/alice","to":["https://www.w3.org/ns/activitystreams#Public"]} <nil>
}

func ExampleFollow() {
	b, err := activity.Encode(activity.Follow("https://a.example/follows/1", "https://a.example/users/alice", "https://b.example/users/bob"))
	fmt.Println(string(b), err)
	// Output:
	// {"@context":"https://www.w3.org/ns/activitystreams","id":"https://a.example/follows/1","type":"Follow","actor":"https://a.example/users/alice","object":"https://b.example/users/bob","to":["https://b.example/users/bob"]} <nil>
}

func ExampleAccept() {
	follow := activity.Follow("https://b.example/follows/7", "https://b.example/users/bob", "https://a.example/users/alice")
	b, err := activity.Encode(activity.Accept("https://a.example/accepts/1", "https://a.example/users/alice", follow))
	fmt.Println(string(b), err)
	// Output:
	// {"@context":"https://www.w3.org/ns/activitystreams","id":"https://a.example/accepts/1","type":"Accept","actor":"https://a.example/users/alice","object":{"id":"https://b.example/follows/7","type":"Follow","actor":"https://b.example/users/bob","object":"https://a.example/users/alice"},"to":["https://b.example/users/bob"]} <nil>
}

func ExampleReject() {
	follow := activity.Follow("https://b.example/follows/7", "https://b.example/users/bob", "https://a.example/users/alice")
	b, err := activity.Encode(activity.Reject("https://a.example/rejects/1", "https://a.example/users/alice", follow))
	fmt.Println(string(b), err)
	// Output:
	// {"@context":"https://www.w3.org/ns/activitystreams","id":"https://a.example/rejects/1","type":"Reject","actor":"https://a.example/users/alice","object":{"id":"https://b.example/follows/7","type":"Follow","actor":"https://b.example/users/bob","object":"https://a.example/users/alice"},"to":["https://b.example/users/bob"]} <nil>
}

func ExampleUndo() {
	follow := activity.Follow("https://a.example/follows/1", "https://a.example/users/alice", "https://b.example/users/bob")
	b, err := activity.Encode(activity.Undo("https://a.example/undos/1", follow))
	fmt.Println(string(b), err)
	// Output:
	// {"@context":"https://www.w3.org/ns/activitystreams","id":"https://a.example/undos/1","type":"Undo","actor":"https://a.example/users/alice","object":{"id":"https://a.example/follows/1","type":"Follow","actor":"https://a.example/users/alice","object":"https://b.example/users/bob"},"to":["https://b.example/users/bob"]} <nil>
}

func ExampleLike() {
	bobs := &activity.Object{ID: "https://b.example/notes/7", AttributedTo: activity.Refs{activity.IRI("https://b.example/users/bob")}}
	b, err := activity.Encode(activity.Like("https://a.example/likes/1", "https://a.example/users/alice", bobs))
	fmt.Println(string(b), err)
	// Output:
	// {"@context":"https://www.w3.org/ns/activitystreams","id":"https://a.example/likes/1","type":"Like","actor":"https://a.example/users/alice","object":"https://b.example/notes/7","to":["https://b.example/users/bob"]} <nil>
}

func ExampleReact() {
	bobs := &activity.Object{ID: "https://b.example/notes/7", AttributedTo: activity.Refs{activity.IRI("https://b.example/users/bob")}}
	party := activity.Emoji("party", "https://a.example/emoji/party.png", "image/png")
	b, err := activity.Encode(activity.React("https://a.example/likes/2", "https://a.example/users/alice", bobs, party.Name, party))
	fmt.Println(string(b), err)
	// Output:
	// {"@context":["https://www.w3.org/ns/activitystreams",{"Emoji":"toot:Emoji","_misskey_reaction":"misskey:_misskey_reaction","misskey":"https://misskey-hub.net/ns#","toot":"http://joinmastodon.org/ns#"}],"id":"https://a.example/likes/2","type":"Like","actor":"https://a.example/users/alice","object":"https://b.example/notes/7","to":["https://b.example/users/bob"],"content":":party:","_misskey_reaction":":party:","tag":[{"type":"Emoji","name":":party:","icon":{"type":"Image","mediaType":"image/png","url":"https://a.example/emoji/party.png"}}]} <nil>
}

func ExampleAnnounce() {
	bobs := &activity.Object{ID: "https://b.example/notes/7", AttributedTo: activity.Refs{activity.IRI("https://b.example/users/bob")}}
	boost := activity.Announce("https://a.example/boosts/1", "https://a.example/users/alice", "https://a.example/users/alice/followers", bobs, time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC))
	b, err := activity.Encode(boost)
	fmt.Println(string(b), err)
	// Output:
	// {"@context":"https://www.w3.org/ns/activitystreams","id":"https://a.example/boosts/1","type":"Announce","actor":"https://a.example/users/alice","object":"https://b.example/notes/7","to":["https://www.w3.org/ns/activitystreams#Public"],"cc":["https://a.example/users/alice/followers","https://b.example/users/bob"],"published":"2026-05-01T12:00:00Z"} <nil>
}

func ExampleMove() {
	old := &activity.Actor{ID: "https://a.example/users/alice", Followers: activity.IRI("https://a.example/users/alice/followers")}
	b, err := activity.Encode(activity.Move("https://a.example/moves/1", old, "https://c.example/users/alice"))
	fmt.Println(string(b), err)
	// Output:
	// {"@context":"https://www.w3.org/ns/activitystreams","id":"https://a.example/moves/1","type":"Move","actor":"https://a.example/users/alice","object":"https://a.example/users/alice","target":"https://c.example/users/alice","to":["https://a.example/users/alice/followers"]} <nil>
}

func ExampleFlag() {
	b, err := activity.Encode(activity.Flag("https://a.example/flags/1", "https://a.example/actor", "spam", "https://b.example/users/bob", "https://b.example/notes/7"))
	fmt.Println(string(b), err)
	// Output:
	// {"@context":"https://www.w3.org/ns/activitystreams","id":"https://a.example/flags/1","type":"Flag","actor":"https://a.example/actor","object":["https://b.example/users/bob","https://b.example/notes/7"],"content":"spam"} <nil>
}

func ExampleBlock() {
	b, err := activity.Encode(activity.Block("https://a.example/blocks/1", "https://a.example/users/alice", "https://b.example/users/bob"))
	fmt.Println(string(b), err)
	// Output:
	// {"@context":"https://www.w3.org/ns/activitystreams","id":"https://a.example/blocks/1","type":"Block","actor":"https://a.example/users/alice","object":"https://b.example/users/bob","to":["https://b.example/users/bob"]} <nil>
}
