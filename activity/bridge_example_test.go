package activity_test

import (
	"fmt"

	vocab "github.com/go-ap/activitypub"

	"github.com/fedihook/fedihook/activity"
)

func ExampleFromItem() {
	d, err := activity.FromItem(&vocab.Object{
		ID:           "https://a.example/notes/1",
		Type:         vocab.NoteType,
		AttributedTo: vocab.IRI("https://a.example/users/anna"),
		Content:      vocab.DefaultNaturalLanguageValue("<p>From go-ap</p>"),
		To:           vocab.ItemCollection{vocab.PublicNS},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	note := d.(*activity.Object)
	note.Sensitive = true // for which go-ap has no field
	b, err := activity.Encode(note)
	fmt.Println(string(b), err)
	// Output:
	// {"@context":["https://www.w3.org/ns/activitystreams",{"sensitive":"as:sensitive"}],"id":"https://a.example/notes/1","type":"Note","attributedTo":"https://a.example/users/anna","to":["https://www.w3.org/ns/activitystreams#Public"],"content":"<p>From go-ap</p>","sensitive":true} <nil>
}

func ExampleToItem() {
	d, err := activity.Decode([]byte(`{
		"id": "https://b.example/polls/1",
		"type": "Question",
		"content": "<p>Tea?</p>",
		"closed": "2026-05-01T12:00:00Z",
		"oneOf": [{"type": "Note", "name": "yes"}, {"type": "Note", "name": "no"}],
		"tag": [{"type": "Hashtag", "href": "https://b.example/tags/tea", "name": "#tea"}],
		"votersCount": 3
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	it, lost, err := activity.ToItem(d)
	if err != nil {
		fmt.Println(err)
		return
	}
	poll := it.(*vocab.Question)
	fmt.Println(poll.ID, string(poll.Content.First().Value))
	fmt.Println("choices:", len(poll.OneOf.(vocab.ItemCollection)))
	fmt.Println("tagged:", poll.Tag[0].(*vocab.Link).Href)
	fmt.Println("lost:", lost)
	// Output:
	// https://b.example/polls/1 <p>Tea?</p>
	// choices: 2
	// tagged: https://b.example/tags/tea
	// lost: [$.closed $.votersCount]
}
