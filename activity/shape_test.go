package activity_test

import (
	"fmt"
	"slices"
	"testing"

	vocab "github.com/go-ap/activitypub"

	"github.com/fedihook/fedihook/activity"
)

// vocabulary is the table of shapes, spelled out. Its first part must equal go-ap's sets, from which
// the package derives it: a type that an upgrade of go-ap brings or drops fails here.
var vocabulary = []struct {
	set   vocab.ActivityVocabularyTypes // go-ap's, nil for what the fediverse added
	shape string
	types []string
}{
	{vocab.ActivityTypes, "*activity.Activity", []string{
		"Accept", "Add", "Announce", "Block", "Create", "Delete", "Dislike", "Flag", "Follow", "Ignore", "Invite", "Join", "Leave",
		"Like", "Listen", "Move", "Offer", "Read", "Reject", "Remove", "TentativeAccept", "TentativeReject", "Undo", "Update", "View",
	}},
	{vocab.IntransitiveActivityTypes, "*activity.Activity", []string{"Arrive", "Question", "Travel"}}, // but see exceptions
	{vocab.ActorTypes, "*activity.Actor", []string{"Application", "Group", "Organization", "Person", "Service"}},
	{vocab.CollectionTypes, "*activity.Collection", []string{"Collection", "CollectionPage", "ItemCollection", "OrderedCollection", "OrderedCollectionPage"}},
	{vocab.LinkTypes, "*activity.Link", []string{"Link", "Mention"}},
	{vocab.ObjectTypes, "*activity.Object", []string{
		"Article", "Audio", "Document", "Event", "Image", "Note", "Page", "Place", "Profile", "Relationship", "Tombstone", "Video",
	}},
	{nil, "*activity.Activity", []string{"Activity", "IntransitiveActivity", "EmojiReact", "Lock", "QuoteRequest", "LikeRequest", "ReplyRequest", "AnnounceRequest", "FeatureRequest"}},
	{nil, "*activity.Actor", []string{"Actor"}},
	{nil, "*activity.Link", []string{"Hashtag"}},
	{nil, "*activity.Collection", []string{"FeaturedCollection"}},
	{nil, "*activity.Object", []string{
		"Object", "Emoji", "PropertyValue", "ChatMessage", "Key", "Multikey", "FeaturedItem", "FeatureAuthorization", "QuoteAuthorization",
		"LikeAuthorization", "ReplyAuthorization", "AnnounceAuthorization", "LikeApproval", "ReplyApproval", "AnnounceApproval",
	}},
}

// A Question is an activity by the vocabulary, but the object of a Create on every server.
var exceptions = map[string]string{"Question": "*activity.Object"}

func TestEveryTypeOfTheVocabularyHasItsShape(t *testing.T) {
	t.Parallel()
	for _, group := range vocabulary {
		for _, name := range group.types {
			want := group.shape
			if other, ok := exceptions[name]; ok {
				want = other
			}
			// A property of every other shape, to see that the type decides.
			data := `{"type":"` + name + `","id":"https://a.example/1","href":"https://a.example/2","inbox":"https://a.example/3","actor":"https://a.example/4","totalItems":5}`
			if got := fmt.Sprintf("%T", mustRoundTrip(t, []byte(data))); got != want {
				t.Errorf("%s is read as %s, want %s", name, got, want)
			}
			if got, want := activity.IsActorType(name), want == "*activity.Actor"; got != want {
				t.Errorf("IsActorType(%q) is %v", name, got)
			}
			if got, want := activity.IsActivityType(name), want == "*activity.Activity"; got != want {
				t.Errorf("IsActivityType(%q) is %v", name, got)
			}
		}
	}
}

func TestTheVocabularyIsThatOfTheLibrary(t *testing.T) {
	t.Parallel()
	spelledOut := make(map[string]bool)
	for _, group := range vocabulary {
		for _, name := range group.types {
			spelledOut[name] = true
		}
		if group.set == nil {
			continue
		}
		var theirs []string
		for _, name := range group.set {
			theirs = append(theirs, string(name))
		}
		slices.Sort(theirs)
		if !slices.Equal(theirs, group.types) {
			t.Errorf("go-ap has %q, we spell out %q", theirs, group.types)
		}
	}
	for _, set := range []vocab.ActivityVocabularyTypes{vocab.Types, vocab.GenericTypes} {
		if len(set) == 0 {
			t.Error("a set of go-ap is empty")
		}
		for _, name := range set {
			if !spelledOut[string(name)] {
				t.Errorf("go-ap's %s has no shape", name)
			}
		}
	}
}

func TestAnUnknownTypeIsReadByItsProperties(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, json, want string }{
		{"nothing at all", `{}`, "*activity.Object"},
		{"an unknown object", `{"type":"x:Odd","id":"https://a.example/1"}`, "*activity.Object"},
		{"an unknown activity", `{"type":"LikeRequest","actor":"https://a.example/u","object":"https://b.example/2"}`, "*activity.Activity"},
		{"an unknown actor", `{"type":"x:Robot","inbox":"https://a.example/inbox","actor":"https://a.example/u"}`, "*activity.Actor"},
		{"no type but an inbox", `{"inbox":"https://a.example/inbox"}`, "*activity.Actor"},
		{"an inbox that is null", `{"type":"x:Odd","inbox":null,"actor":"https://a.example/u"}`, "*activity.Activity"},
		{"an unknown collection", `{"type":"FeaturedCollection","totalItems":0}`, "*activity.Collection"},
		{"ordered items", `{"orderedItems":[]}`, "*activity.Collection"},
		{"items", `{"items":"https://a.example/1"}`, "*activity.Collection"},
		{"an unknown link", `{"type":"x:Pointer","href":"https://a.example/1"}`, "*activity.Link"},
		{"a link with an id", `{"href":"https://a.example/1","id":"https://a.example/2"}`, "*activity.Object"},
		{"a known and an unknown type", `{"type":["x:Odd","Note"],"actor":"https://a.example/u"}`, "*activity.Object"},
		{"two known types", `{"type":["Tombstone","Person"]}`, "*activity.Actor"},
		{"a type of another case", `{"type":"note","href":"https://a.example/1"}`, "*activity.Link"},
		{"a type that is a number", `{"type":1,"actor":"https://a.example/u"}`, "*activity.Activity"},
		{"a type that is null", `{"type":null,"actor":"https://a.example/u"}`, "*activity.Activity"},
		{"a type that is an object", `{"type":{"id":"Note"},"actor":"https://a.example/u"}`, "*activity.Activity"},
		{"a type that is a list of lists", `{"type":[["Note"]],"actor":"https://a.example/u"}`, "*activity.Activity"},
		{"a type that is empty", `{"type":"","actor":"https://a.example/u"}`, "*activity.Activity"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := fmt.Sprintf("%T", mustRoundTrip(t, []byte(tt.json))); got != tt.want {
				t.Errorf("read as %s, want %s", got, tt.want)
			}
		})
	}
}

func TestTypesAreMatchedByMembership(t *testing.T) {
	t.Parallel()
	types := activity.Types{"Person", "Tombstone"}
	if !types.Is("Tombstone") || !types.Is("Person") || types.Is("person") || types.Is("") || types.String() != "Person" || activity.Types(nil).String() != "" {
		t.Errorf("%q", types)
	}
	for _, d := range []activity.Document{&activity.Object{ID: "x", Type: types}, &activity.Activity{ID: "x", Type: types}, &activity.Actor{ID: "x", Type: types}, &activity.Collection{ID: "x", Type: types}, &activity.Link{ID: "x", Type: types}} {
		if !d.Is("Tombstone") || d.Is("Note") || d.DocumentID() != "x" {
			t.Errorf("%T", d)
		}
	}
}
