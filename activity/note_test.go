package activity_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook/activity"
)

func TestTextIsTheContentInSomeLanguage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		o    activity.Object
		want string
	}{
		{"content", activity.Object{Content: "x", ContentMap: activity.LangMap{"de": "y"}}, "x"},
		{"one language", activity.Object{ContentMap: activity.LangMap{"de": "y"}}, "y"},
		{"the first of several languages", activity.Object{ContentMap: activity.LangMap{"fr": "z", "en": "y", "de": ""}}, "y"},
		{"none", activity.Object{Name: "x", Summary: "y"}, ""},
	} {
		if got := tt.o.Text(); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestMentionsAreTheActorsInTag(t *testing.T) {
	t.Parallel()
	o := mustDecode(t, []byte(`{"type":"Note","tag":[
		{"type":"Hashtag","href":"https://a.example/tags/x","name":"#x"},
		{"type":"Mention","href":"https://b.example/1","name":"@b@b.example"},
		{"type":["Mention","x:Odd"],"href":"https://c.example/1","id":"https://c.example/mention"},
		{"type":"Mention","href":"https://b.example/1"},
		{"type":"Mention"},{"type":"Mention","href":""},{"type":"Mention","href":5},{"type":5,"href":"https://d.example/1"},
		{"type":"mention","href":"https://d.example/2"},{"TYPE":"Mention","href":"https://d.example/3"},
		"https://e.example/1",null,7]}`)).(*activity.Object)
	if got := o.Mentions(); !slices.Equal(got, []string{"https://b.example/1", "https://c.example/1"}) {
		t.Errorf("%q", got)
	}
	if got := new(activity.Object).Mentions(); got != nil {
		t.Errorf("%q", got)
	}
}

func TestNoMoreThanAHundredMentionsAreListed(t *testing.T) {
	t.Parallel()
	o := new(activity.Object)
	for i := range 150 {
		o.Tag = append(o.Tag, activity.Embed(activity.Mention(fmt.Sprintf("https://a.example/%d", i), "x@a.example")))
	}
	if got := o.Mentions(); len(got) != 100 || got[99] != "https://a.example/99" {
		t.Errorf("%d", len(got))
	}
}

func TestConstructorsWriteWhatPeersRead(t *testing.T) {
	t.Parallel()
	at := time.Date(2024, 5, 1, 14, 0, 0, 0, time.FixedZone("", 7200))
	for _, tt := range []struct {
		name string
		d    activity.Document
		want string
	}{
		{"a mention", activity.Mention("https://b.example/u", "b@b.example"), `{"type":"Mention","href":"https://b.example/u","name":"@b@b.example"}`},
		{"a mention with an @", activity.Mention("https://b.example/u", "@b@b.example"), `{"type":"Mention","href":"https://b.example/u","name":"@b@b.example"}`},
		{"a mention without a handle", activity.Mention("https://b.example/u", ""), `{"type":"Mention","href":"https://b.example/u"}`},
		{"a hashtag", activity.Hashtag("https://a.example/tags/x", "x"), `{"type":"Hashtag","href":"https://a.example/tags/x","name":"#x"}`},
		{"a hashtag with a #", activity.Hashtag("https://a.example/tags/x", "#x"), `{"type":"Hashtag","href":"https://a.example/tags/x","name":"#x"}`},
		{"an image", activity.Image("https://a.example/i.png", "image/png", "a cat"), `{"type":"Image","name":"a cat","mediaType":"image/png","url":"https://a.example/i.png"}`},
		{"an image of which nothing is known", activity.Image("", "", ""), `{"type":"Image"}`},
		{"a tombstone", activity.Tombstone("https://a.example/n", "Note", at), `{"id":"https://a.example/n","type":"Tombstone","formerType":"Note","deleted":"2024-05-01T12:00:00Z"}`},
		{"a tombstone that says nothing", activity.Tombstone("https://a.example/n", "", time.Time{}), `{"id":"https://a.example/n","type":"Tombstone"}`},
	} {
		if got := string(mustMarshal(t, tt.d)); got != tt.want {
			t.Errorf("%s:\ngot  %s\nwant %s", tt.name, got, tt.want)
		}
	}
}

func TestANoteSaysWhatPeersNeed(t *testing.T) {
	t.Parallel()
	o := activity.Note("https://a.example/n", alice, "<p>x</p>", noon)
	if got, want := string(mustMarshal(t, o)), `{"id":"https://a.example/n","type":"Note","attributedTo":"`+alice+`","to":[],"cc":[],"content":"<p>x</p>","sensitive":false,"url":"https://a.example/n","published":"2026-05-01T12:00:00Z"}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	o.Sensitive = true
	if got := string(mustMarshal(t, o)); !strings.Contains(got, `"sensitive":true`) {
		t.Errorf("%s", got)
	}
	if o := activity.Note("", alice, "x", noon); o.URL != nil {
		t.Errorf("without an id: %+v", o.URL)
	}
}

func TestAReplyIsInTheThreadAndMentionsWhomItAnswers(t *testing.T) {
	t.Parallel()
	parent := bobsNote()
	parent.Context, parent.Conversation = activity.Embed(&activity.Collection{ID: "https://b.example/c", Type: activity.Types{"Collection"}}), "tag:b"
	o := activity.Note("https://a.example/n", alice, "x", noon)
	o.ReplyTo(parent, "bob@b.example")
	o.ReplyTo(parent, "bob@b.example")
	if o.InReplyTo.ID != parent.ID || o.Context.ID != "https://b.example/c" || o.Context.Raw != nil || o.Conversation != "tag:b" || len(o.Tag) != 1 || o.Mentions()[0] != bob {
		t.Errorf("%+v", o)
	}
	own := activity.Note("https://b.example/8", bob, "x", noon)
	own.ReplyTo(parent, "bob@b.example")
	if own.Tag != nil || own.InReplyTo.ID != parent.ID {
		t.Errorf("in reply to oneself: %+v", own)
	}
	own.ReplyTo(&activity.Object{ID: "https://c.example/1"}, "x@c.example")
	if own.Tag != nil || !own.Context.IsZero() || own.Conversation != "" {
		t.Errorf("in reply to who knows whom: %+v", own)
	}
}
