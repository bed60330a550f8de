package activity_test

import (
	"fmt"
	"time"

	"github.com/fedihook/fedihook/activity"
)

func ExampleNote() {
	note := activity.Note("https://a.example/notes/1", "https://a.example/users/alice", "<p>Hello</p>", time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC))
	note.Address(activity.VisibilityPublic, "https://a.example/users/alice/followers")
	b, err := activity.Encode(note)
	fmt.Println(string(b), err)
	// Output:
	// {"@context":["https://www.w3.org/ns/activitystreams",{"sensitive":"as:sensitive"}],"id":"https://a.example/notes/1","type":"Note","attributedTo":"https://a.example/users/alice","to":["https://www.w3.org/ns/activitystreams#Public"],"cc":["https://a.example/users/alice/followers"],"content":"<p>Hello</p>","sensitive":false,"url":"https://a.example/notes/1","published":"2026-05-01T12:00:00Z"} <nil>
}

func ExampleObject_ReplyTo() {
	parent := &activity.Object{
		ID: "https://b.example/notes/7", AttributedTo: activity.Refs{activity.IRI("https://b.example/users/bob")},
		Context: activity.IRI("https://b.example/contexts/7"),
	}
	text := "<p>" + activity.MentionHTML("https://b.example/@bob", "bob@b.example") + " So it is.</p>"
	reply := activity.Note("https://a.example/notes/2", "https://a.example/users/alice", text, time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC))
	reply.ReplyTo(parent, "bob@b.example")
	reply.Address(activity.VisibilityUnlisted, "https://a.example/users/alice/followers")
	fmt.Println(reply.InReplyTo.ID, reply.Context.ID, reply.Mentions())
	fmt.Println(reply.To.IDs(), reply.CC.IDs())
	// Output:
	// https://b.example/notes/7 https://b.example/contexts/7 [https://b.example/users/bob]
	// [https://a.example/users/alice/followers] [https://www.w3.org/ns/activitystreams#Public https://b.example/users/bob]
}

func ExampleMentionHTML() {
	fmt.Println(activity.MentionHTML("https://b.example/@bob", "bob@b.example"))
	// Output:
	// <span class="h-card" translate="no"><a href="https://b.example/@bob" class="u-url mention">@<span>bob</span></a></span>
}

func ExampleHashtagHTML() {
	fmt.Println(activity.HashtagHTML("https://a.example/tags/cats", "cats"))
	// Output:
	// <a href="https://a.example/tags/cats" class="mention hashtag" rel="tag">#<span>cats</span></a>
}

func ExampleMention() {
	b, err := activity.Encode(activity.Mention("https://b.example/users/bob", "bob@b.example"))
	fmt.Println(string(b), err)
	// Output:
	// {"@context":"https://www.w3.org/ns/activitystreams","type":"Mention","href":"https://b.example/users/bob","name":"@bob@b.example"} <nil>
}

func ExampleHashtag() {
	b, err := activity.Encode(activity.Hashtag("https://a.example/tags/cats", "cats"))
	fmt.Println(string(b), err)
	// Output:
	// {"@context":["https://www.w3.org/ns/activitystreams",{"Hashtag":"as:Hashtag"}],"type":"Hashtag","href":"https://a.example/tags/cats","name":"#cats"} <nil>
}

func ExampleImage() {
	note := activity.Note("https://a.example/notes/1", "https://a.example/users/alice", "<p>Hello</p>", time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC))
	note.Address(activity.VisibilityPublic, "https://a.example/users/alice/followers")
	cat := activity.Image("https://a.example/media/cat.png", "image/png", "A cat asleep on a keyboard")
	cat.Width, cat.Height = 1920, 1080
	note.Attachment = append(note.Attachment, activity.Embed(cat))
	b, err := cat.MarshalJSON()
	fmt.Println(string(b), err)
	// Output:
	// {"type":"Image","name":"A cat asleep on a keyboard","mediaType":"image/png","url":"https://a.example/media/cat.png","width":1920,"height":1080} <nil>
}

func ExampleEmoji() {
	b, err := activity.Encode(activity.Emoji("party", "https://a.example/emoji/party.png", "image/png"))
	fmt.Println(string(b), err)
	// Output:
	// {"@context":["https://www.w3.org/ns/activitystreams",{"Emoji":"toot:Emoji","toot":"http://joinmastodon.org/ns#"}],"type":"Emoji","name":":party:","icon":{"type":"Image","mediaType":"image/png","url":"https://a.example/emoji/party.png"}} <nil>
}

func ExamplePropertyValue() {
	alice := &activity.Actor{ID: "https://a.example/users/alice", Type: activity.Types{activity.TypePerson}}
	site := activity.PropertyValue("Site", `<a href="https://alice.example" rel="me">alice.example</a>`)
	alice.Attachment = append(alice.Attachment, activity.Embed(site))
	b, err := site.MarshalJSON()
	fmt.Println(string(b), err)
	// Output:
	// {"type":"PropertyValue","name":"Site","value":"<a href=\"https://alice.example\" rel=\"me\">alice.example</a>"} <nil>
}

func ExampleTombstone() {
	// What a server answers, with status 410, where the note was.
	b, err := activity.Encode(activity.Tombstone("https://a.example/notes/1", activity.TypeNote, time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)))
	fmt.Println(string(b), err)
	// Output:
	// {"@context":"https://www.w3.org/ns/activitystreams","id":"https://a.example/notes/1","type":"Tombstone","formerType":"Note","deleted":"2026-05-01T12:00:00Z"} <nil>
}

func ExamplePlace() {
	note := activity.Note("https://a.example/notes/1", "https://a.example/users/alice", "<p>Hello</p>", time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC))
	note.Address(activity.VisibilityPublic, "https://a.example/users/alice/followers")
	note.Location = activity.Embed(activity.Place("Null Island", activity.Position{}))
	fmt.Println(string(note.Location.Raw))
	// Output:
	// {"type":"Place","name":"Null Island","latitude":0,"longitude":0}
}

func ExampleObject_SetPoll() {
	question := activity.Note("https://a.example/polls/1", "https://a.example/users/alice", "<p>Cats or dogs?</p>", time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC))
	question.SetPoll(activity.Poll{
		Options: []activity.Option{{Name: "Cats", Votes: 2}, {Name: "Dogs"}},
		Ends:    time.Date(2026, 5, 8, 12, 0, 0, 0, time.UTC),
		Voters:  2,
	})
	question.Address(activity.VisibilityPublic, "https://a.example/users/alice/followers")
	b, err := activity.Encode(question)
	fmt.Println(string(b), err)
	// Output:
	// {"@context":["https://www.w3.org/ns/activitystreams",{"sensitive":"as:sensitive","toot":"http://joinmastodon.org/ns#","votersCount":"toot:votersCount"}],"id":"https://a.example/polls/1","type":"Question","attributedTo":"https://a.example/users/alice","to":["https://www.w3.org/ns/activitystreams#Public"],"cc":["https://a.example/users/alice/followers"],"content":"<p>Cats or dogs?</p>","sensitive":false,"url":"https://a.example/polls/1","published":"2026-05-01T12:00:00Z","endTime":"2026-05-08T12:00:00Z","oneOf":[{"type":"Note","name":"Cats","replies":{"type":"Collection","totalItems":2}},{"type":"Note","name":"Dogs","replies":{"type":"Collection","totalItems":0}}],"votersCount":2} <nil>
}

func ExampleVote() {
	question := activity.Note("https://b.example/polls/1", "https://b.example/users/bob", "<p>Cats or dogs?</p>", time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC))
	question.SetPoll(activity.Poll{Options: []activity.Option{{Name: "Cats"}, {Name: "Dogs"}}})

	vote := activity.Vote("https://a.example/votes/1", "https://a.example/users/alice", "Dogs", question)
	b, err := activity.Encode(vote)
	fmt.Println(string(b), err)

	option, ok := vote.VoteIn(question) // where the question is
	fmt.Println(option, ok)
	// Output:
	// {"@context":"https://www.w3.org/ns/activitystreams","id":"https://a.example/votes/1","type":"Note","attributedTo":"https://a.example/users/alice","to":["https://b.example/users/bob"],"cc":[],"name":"Dogs","inReplyTo":"https://b.example/polls/1"} <nil>
	// 1 true
}
