package activity_test

import (
	"fmt"
	"time"

	"github.com/fedihook/fedihook/activity"
)

func ExampleObject_SetQuote() {
	note := activity.Note("https://a.example/notes/1", "https://a.example/users/alice", "<p>Hello</p>", time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC))
	note.Address(activity.VisibilityPublic, "https://a.example/users/alice/followers")
	note.SetQuote("https://b.example/notes/7")
	note.Content = activity.QuoteHTML("https://b.example/@bob/7") + note.Content
	b, err := note.MarshalJSON()
	fmt.Println(string(b), err)
	fmt.Println(note.Quoted())
	// Output:
	// {"id":"https://a.example/notes/1","type":"Note","attributedTo":"https://a.example/users/alice","to":["https://www.w3.org/ns/activitystreams#Public"],"cc":["https://a.example/users/alice/followers"],"content":"<p class=\"quote-inline\">RE: <a href=\"https://b.example/@bob/7\">https://b.example/@bob/7</a></p><p>Hello</p>","sensitive":false,"url":"https://a.example/notes/1","published":"2026-05-01T12:00:00Z","tag":[{"type":"Link","href":"https://b.example/notes/7","rel":"https://misskey-hub.net/ns#_misskey_quote","mediaType":"application/ld+json; profile=\"https://www.w3.org/ns/activitystreams\"","name":"RE: https://b.example/notes/7"}],"quote":"https://b.example/notes/7","quoteUri":"https://b.example/notes/7","quoteUrl":"https://b.example/notes/7","_misskey_quote":"https://b.example/notes/7"} <nil>
	// https://b.example/notes/7
}

func ExampleQuoteRequest() {
	bobs := &activity.Object{ID: "https://b.example/notes/7", AttributedTo: activity.Refs{activity.IRI("https://b.example/users/bob")}}
	quote := &activity.Object{
		ID: "https://a.example/notes/3", Type: activity.Types{activity.TypeNote},
		AttributedTo: activity.Refs{activity.IRI("https://a.example/users/alice")},
	}
	quote.Quote = activity.IRI(bobs.ID)
	request := activity.QuoteRequest("https://a.example/quotes/1", quote, bobs)
	fmt.Println(request.Type, request.Actor.ID, request.Object.First(), request.Instrument.ID)

	// And at the other end:
	leave := activity.QuoteAuthorization("https://b.example/stamps/1", "https://b.example/users/bob", quote.ID, bobs.ID)
	accept := activity.Accept("https://b.example/accepts/1", "https://b.example/users/bob", request)
	accept.Result = activity.IRI(leave.ID)
	b, err := activity.Encode(accept)
	fmt.Println(string(b), err)
	// Output:
	// QuoteRequest https://a.example/users/alice https://b.example/notes/7 https://a.example/notes/3
	// {"@context":["https://www.w3.org/ns/activitystreams",{"QuoteRequest":"https://w3id.org/fep/044f#QuoteRequest"}],"id":"https://b.example/accepts/1","type":"Accept","actor":"https://b.example/users/bob","object":{"id":"https://a.example/quotes/1","type":"QuoteRequest","actor":"https://a.example/users/alice","object":"https://b.example/notes/7","instrument":"https://a.example/notes/3"},"result":"https://b.example/stamps/1","to":["https://a.example/users/alice"]} <nil>
}

func ExamplePolicy_Ref() {
	note := activity.Note("https://a.example/notes/1", "https://a.example/users/alice", "<p>Hello</p>", time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC))
	note.Address(activity.VisibilityPublic, "https://a.example/users/alice/followers")
	note.InteractionPolicy = activity.Policy{
		CanQuote: &activity.Rule{Automatic: activity.To("https://a.example/users/alice/followers"), Manual: activity.To(activity.Public)},
	}.Ref()
	fmt.Println(string(note.InteractionPolicy.Raw))
	fmt.Println(note.Policy().CanQuote.Manual.Has(activity.Public))
	// Output:
	// {"canQuote":{"automaticApproval":["https://a.example/users/alice/followers"],"manualApproval":["https://www.w3.org/ns/activitystreams#Public"]}}
	// true
}

func ExampleObject_IsFor() {
	note := activity.Note("https://a.example/notes/1", "https://a.example/users/alice", "<p>Hello</p>", time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC))
	note.Address(activity.VisibilityPublic, "https://a.example/users/alice/followers")
	note.Address(activity.VisibilityFollowers, "https://a.example/users/alice/followers")
	fmt.Println(note.IsFor(activity.Public, "https://b.example/users/bob"))
	fmt.Println(note.IsFor(activity.Public, "https://b.example/users/bob", "https://a.example/users/alice/followers")) // bob follows alice
	// Output:
	// false
	// true
}

func ExampleObject_Visibility() {
	note := &activity.Object{To: activity.To("https://a.example/users/alice/followers"), CC: activity.To("as:Public")}
	fmt.Println(note.Visibility("https://a.example/users/alice/followers"))
	// Output:
	// unlisted
}

func ExampleCheck() {
	note := activity.Note("https://a.example/notes/1", "https://a.example/users/alice", "<p>Hello</p>", time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC))
	note.Address(activity.VisibilityPublic, "https://a.example/users/alice/followers")
	note.URL = nil
	note.Attachment = activity.List{activity.Embed(&activity.Object{Type: activity.Types{activity.TypeImage}})}
	for _, p := range activity.Check(activity.Create("https://a.example/notes/1/create", note)) {
		fmt.Println(p)
	}
	// Output:
	// $.object.url: Threads: missing, so there is no original to view
	// $.object.attachment[0].mediaType: Pixelfed: nothing instead of a string
	// $.object.attachment[0].url: Pixelfed: nothing instead of a string
}

func ExampleEncoder() {
	note := activity.Note("https://a.example/notes/1", "https://a.example/users/alice", "<p>Hello</p>", time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC))
	note.Address(activity.VisibilityPublic, "https://a.example/users/alice/followers")
	if err := note.Extra.Set("mood", "sunny"); err != nil {
		fmt.Println(err)
		return
	}
	encoder := activity.Encoder{Terms: map[string]activity.Term{
		"mood":    {ID: "https://a.example/ns#mood"},
		"weather": {ID: "https://a.example/ns#weather", Type: "@id"}, // not used here, so not defined
	}}
	b, err := encoder.Encode(note)
	fmt.Println(string(b), err)
	// Output:
	// {"@context":["https://www.w3.org/ns/activitystreams",{"mood":"https://a.example/ns#mood","sensitive":"as:sensitive"}],"id":"https://a.example/notes/1","type":"Note","attributedTo":"https://a.example/users/alice","to":["https://www.w3.org/ns/activitystreams#Public"],"cc":["https://a.example/users/alice/followers"],"content":"<p>Hello</p>","sensitive":false,"url":"https://a.example/notes/1","published":"2026-05-01T12:00:00Z","mood":"sunny"} <nil>
}

func ExampleParseDuration() {
	fmt.Println(activity.ParseDuration("PT12.5S"))
	fmt.Println(activity.ParseDuration("P1M"))
	// Output:
	// 12.5s <nil>
	// 0s activity: duration "P1M": no exact duration: years and months have no fixed length
}
