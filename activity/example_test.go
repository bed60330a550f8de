package activity_test

import (
	"fmt"
	"time"

	"github.com/fedihook/fedihook/activity"
)

func ExampleDecode() {
	d, err := activity.Decode([]byte(`{
		"@context": "https://www.w3.org/ns/activitystreams",
		"id": "https://a.example/users/alice/notes/1/create",
		"type": "Create",
		"actor": "https://a.example/users/alice",
		"object": {"id": "https://a.example/users/alice/notes/1", "type": "Note", "content": "<p>Hello</p>", "x:mood": "sunny"}
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	create, ok := d.(*activity.Activity)
	if !ok || !create.Is("Create") || len(create.Object) != 1 {
		return
	}
	fmt.Println(create.Actor.ID, "made", create.Object.First())
	inner, err := create.Object[0].Document()
	if err != nil {
		fmt.Println(err) // activity.ErrNotEmbedded: fetch it
		return
	}
	if note, ok := inner.(*activity.Object); ok {
		fmt.Printf("%s %s %s\n", note.Type, note.Text(), note.Extra["x:mood"])
	}
	// Output:
	// https://a.example/users/alice made https://a.example/users/alice/notes/1
	// Note <p>Hello</p> "sunny"
}

func ExampleEncode() {
	note := &activity.Object{
		ID:           "https://a.example/users/alice/notes/1",
		Type:         activity.Types{"Note"},
		AttributedTo: activity.Refs{activity.IRI("https://a.example/users/alice")},
		To:           activity.To(activity.Public),
		BCC:          activity.To("https://b.example/users/bob"),
		Content:      "<p>#Hello</p>",
		Published:    time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC),
		Tag:          activity.List{activity.Embed(activity.Hashtag("https://a.example/tags/hello", "#hello"))},
	}
	b, err := activity.Encode(note)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(b))
	// Output:
	// {"@context":["https://www.w3.org/ns/activitystreams",{"Hashtag":"as:Hashtag"}],"id":"https://a.example/users/alice/notes/1","type":"Note","attributedTo":"https://a.example/users/alice","to":["https://www.w3.org/ns/activitystreams#Public"],"content":"<p>#Hello</p>","published":"2026-05-01T12:00:00Z","tag":[{"type":"Hashtag","href":"https://a.example/tags/hello","name":"#hello"}]}
}

func ExampleEmbed() {
	follow := &activity.Activity{
		ID:     "https://b.example/users/bob/follows/7",
		Type:   activity.Types{"Follow"},
		Actor:  activity.IRI("https://b.example/users/bob"),
		Object: activity.Refs{activity.IRI("https://a.example/users/alice")},
	}
	// Threads and Pixelfed want to see the whole Follow in its Accept.
	accept := &activity.Activity{
		ID:     "https://a.example/users/alice/accepts/1",
		Type:   activity.Types{"Accept"},
		Actor:  activity.IRI("https://a.example/users/alice"),
		Object: activity.Refs{activity.Embed(follow)},
		To:     activity.To("https://b.example/users/bob"),
	}
	b, err := activity.Encode(accept)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(b))
	// Output:
	// {"@context":"https://www.w3.org/ns/activitystreams","id":"https://a.example/users/alice/accepts/1","type":"Accept","actor":"https://a.example/users/alice","object":{"id":"https://b.example/users/bob/follows/7","type":"Follow","actor":"https://b.example/users/bob","object":"https://a.example/users/alice"},"to":["https://b.example/users/bob"]}
}

func ExampleAudience() {
	d, err := activity.Decode([]byte(`{"type": "Note", "to": "as:Public", "cc": ["https://a.example/users/alice/followers"]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	note := d.(*activity.Object)
	fmt.Println("public:", note.To.Has(activity.Public))
	for _, id := range note.Recipients() {
		fmt.Println(id)
	}
	// Output:
	// public: true
	// https://www.w3.org/ns/activitystreams#Public
	// https://a.example/users/alice/followers
}

func ExampleObject_Mentions() {
	note := &activity.Object{Tag: activity.List{
		activity.Embed(activity.Mention("https://b.example/users/bob", "bob@b.example")),
		activity.Embed(activity.Hashtag("https://a.example/tags/hello", "hello")),
	}}
	fmt.Println(note.Mentions())
	// Output:
	// [https://b.example/users/bob]
}

func ExampleExtra_Set() {
	note := &activity.Object{ID: "https://a.example/notes/1", Type: activity.Types{"Note"}}
	// Pixelfed wants sensitive spelled out, and a field that is false is not written.
	if err := note.Extra.Set("sensitive", false); err != nil {
		fmt.Println(err)
		return
	}
	b, err := note.MarshalJSON()
	fmt.Println(string(b), err)
	// Output:
	// {"id":"https://a.example/notes/1","type":"Note","sensitive":false} <nil>
}
