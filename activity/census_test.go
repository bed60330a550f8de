package activity_test

import (
	"testing"
	"time"

	"github.com/fedihook/fedihook/activity"
)

// What more than 700 real documents held in the places that differ most. Each is read, written and
// compared; field says what the field must hold, "-" that the value stays in Extra.
func TestEveryShapeOfAPropertyIsKept(t *testing.T) {
	t.Parallel()
	const id = "https://a.example/1"
	refs := func(list []activity.Ref) (out []string) {
		for _, r := range list {
			out = append(out, r.ID)
		}
		return out
	}
	object := func(property string) string { return `{"type":"Note","id":"` + id + `",` + property + `}` }
	actor := func(property string) string { return `{"type":"Person","id":"` + id + `",` + property + `}` }
	act := func(property string) string { return `{"type":"Flag","id":"` + id + `",` + property + `}` }
	const link = `{"type":"Link","href":"https://a.example/web","mediaType":"text/html"}`
	for _, tt := range []struct {
		name  string
		json  string
		field func(d activity.Document) []string
		want  []string
	}{
		{"to is a list", object(`"to":["https://b.example/2","https://c.example/3"]`), func(d activity.Document) []string { return refs(d.(*activity.Object).To) }, []string{"https://b.example/2", "https://c.example/3"}},
		{"to is a string", object(`"to":"https://b.example/2"`), func(d activity.Document) []string { return refs(d.(*activity.Object).To) }, []string{"https://b.example/2"}},
		{"to is as:Public", object(`"to":"as:Public"`), func(d activity.Document) []string { return d.(*activity.Object).To.IDs() }, []string{activity.Public}},
		{"to is Public in a list", object(`"to":["Public","https://b.example/2"]`), func(d activity.Document) []string { return d.(*activity.Object).To.IDs() }, []string{activity.Public, "https://b.example/2"}},
		{"to is an object", object(`"to":{"type":"Person","id":"https://b.example/2"}`), func(d activity.Document) []string { return refs(d.(*activity.Object).To) }, []string{"https://b.example/2"}},
		{"to is a list with null and nothing in it", object(`"to":[null,"https://b.example/2","",7]`), func(d activity.Document) []string { return d.(*activity.Object).To.IDs() }, []string{"https://b.example/2"}},
		{"cc is a list", object(`"cc":["https://b.example/2"]`), func(d activity.Document) []string { return refs(d.(*activity.Object).CC) }, []string{"https://b.example/2"}},
		{"cc is empty", object(`"cc":[]`), func(d activity.Document) []string { return refs(d.(*activity.Object).CC) }, nil},
		{"cc is a string", object(`"cc":"https://b.example/2"`), func(d activity.Document) []string { return refs(d.(*activity.Object).CC) }, []string{"https://b.example/2"}},
		{"tag is a list", object(`"tag":[{"type":"Mention","href":"https://b.example/2","name":"@b@b.example"},{"type":"Hashtag","name":"#x"}]`), func(d activity.Document) []string { return refs(d.(*activity.Object).Tag) }, []string{"https://b.example/2", ""}},
		{"tag is empty", object(`"tag":[]`), func(d activity.Document) []string { return refs(d.(*activity.Object).Tag) }, nil},
		{"tag is an object", object(`"tag":{"type":"Mention","href":"https://b.example/2"}`), func(d activity.Document) []string { return d.(*activity.Object).Mentions() }, []string{"https://b.example/2"}},
		{"tag is a string", object(`"tag":"https://b.example/tags/x"`), func(d activity.Document) []string { return refs(d.(*activity.Object).Tag) }, []string{"https://b.example/tags/x"}},
		{"a tag has no id but null (Pleroma)", object(`"tag":[{"id":null,"type":"Emoji","name":"x"}]`), func(d activity.Document) []string { return refs(d.(*activity.Object).Tag) }, []string{""}},
		{"attachment is empty", object(`"attachment":[]`), func(d activity.Document) []string { return refs(d.(*activity.Object).Attachment) }, nil},
		{"attachment is an object", object(`"attachment":{"type":"Image","id":"https://a.example/i","url":"https://a.example/i.png"}`), func(d activity.Document) []string { return refs(d.(*activity.Object).Attachment) }, []string{"https://a.example/i"}},
		{"url is a string", object(`"url":"https://a.example/web"`), func(d activity.Document) []string { return refs(d.(*activity.Object).URL) }, []string{"https://a.example/web"}},
		{"url is a list of links (PeerTube)", object(`"url":[` + link + `,{"type":"Link","href":"https://a.example/v.mp4","height":720}]`), func(d activity.Document) []string { return refs(d.(*activity.Object).URL) }, []string{"https://a.example/web", "https://a.example/v.mp4"}},
		{"url is a link", object(`"url":` + link), func(d activity.Document) []string { return refs(d.(*activity.Object).URL) }, []string{"https://a.example/web"}},
		{"url is mixed", object(`"url":["https://a.example/x",` + link + `]`), func(d activity.Document) []string { return refs(d.(*activity.Object).URL) }, []string{"https://a.example/x", "https://a.example/web"}},
		{"url is null", object(`"url":null`), func(d activity.Document) []string { return refs(d.(*activity.Object).URL) }, nil},
		{"attributedTo is a string", object(`"attributedTo":"https://a.example/u"`), func(d activity.Document) []string { return refs(d.(*activity.Object).AttributedTo) }, []string{"https://a.example/u"}},
		{"attributedTo is a list of objects (PeerTube)", object(`"attributedTo":[{"type":"Person","id":"https://a.example/u"},{"type":"Group","id":"https://a.example/g"}]`), func(d activity.Document) []string { return refs(d.(*activity.Object).AttributedTo) }, []string{"https://a.example/u", "https://a.example/g"}},
		{"attributedTo is an object", object(`"attributedTo":{"type":"Person","id":"https://a.example/u"}`), func(d activity.Document) []string { return refs(d.(*activity.Object).AttributedTo) }, []string{"https://a.example/u"}},
		{"attributedTo is a list of strings", object(`"attributedTo":["https://a.example/u","https://a.example/g"]`), func(d activity.Document) []string { return refs(d.(*activity.Object).AttributedTo) }, []string{"https://a.example/u", "https://a.example/g"}},
		{"actor is a string", act(`"actor":"https://a.example/u"`), func(d activity.Document) []string { return []string{d.(*activity.Activity).Actor.ID} }, []string{"https://a.example/u"}},
		{"actor is an object", act(`"actor":{"type":"Person","id":"https://a.example/u","name":"U"}`), func(d activity.Document) []string { return []string{d.(*activity.Activity).Actor.ID} }, []string{"https://a.example/u"}},
		{"actor is a list of one", act(`"actor":["https://a.example/u"]`), func(d activity.Document) []string { return []string{d.(*activity.Activity).Actor.ID} }, []string{"https://a.example/u"}},
		{"actor is a list of two, so nobody", act(`"actor":["https://a.example/u","https://b.example/u"]`), func(d activity.Document) []string { return []string{d.(*activity.Activity).Actor.ID} }, []string{""}},
		{"object is an object", act(`"object":{"type":"Note","id":"https://a.example/n","content":"x"}`), func(d activity.Document) []string { return refs(d.(*activity.Activity).Object) }, []string{"https://a.example/n"}},
		{"object is a string", act(`"object":"https://a.example/n"`), func(d activity.Document) []string { return refs(d.(*activity.Activity).Object) }, []string{"https://a.example/n"}},
		{"object is a list (Flag)", act(`"object":["https://a.example/u","https://a.example/n"]`), func(d activity.Document) []string { return refs(d.(*activity.Activity).Object) }, []string{"https://a.example/u", "https://a.example/n"}},
		{"icon is an object", actor(`"icon":{"type":"Image","url":"https://a.example/i.png"}`), func(d activity.Document) []string { return refs(d.(*activity.Actor).Icon) }, []string{""}},
		{"icon is a list", actor(`"icon":[{"type":"Image","url":"https://a.example/i.png","width":48},{"type":"Image","url":"https://a.example/j.png"}]`), func(d activity.Document) []string { return refs(d.(*activity.Actor).Icon) }, []string{"", ""}},
		{"icon is null", actor(`"icon":null`), func(d activity.Document) []string { return refs(d.(*activity.Actor).Icon) }, nil},
		{"image is a list", actor(`"image":["https://a.example/i.png"]`), func(d activity.Document) []string { return refs(d.(*activity.Actor).Image) }, []string{"https://a.example/i.png"}},
		{"publicKey is an object", actor(`"publicKey":{"id":"https://a.example/1#main-key","owner":"https://a.example/1","publicKeyPem":"P"}`), func(d activity.Document) []string { return []string{d.(*activity.Actor).Keys()[0].PEM} }, []string{"P"}},
		{"publicKey is a string", actor(`"publicKey":"https://a.example/1#main-key"`), func(d activity.Document) []string { return []string{d.(*activity.Actor).Keys()[0].ID} }, []string{"https://a.example/1#main-key"}},
		{"publicKey is a list", actor(`"publicKey":[{"id":"https://a.example/1#a","publicKeyPem":"P"},"https://a.example/1#b"]`), func(d activity.Document) []string { return refs(d.(*activity.Actor).PublicKey) }, []string{"https://a.example/1#a", "https://a.example/1#b"}},
		{"endpoints is an object", actor(`"endpoints":{"sharedInbox":"https://a.example/inbox"}`), func(d activity.Document) []string { return []string{d.(*activity.Actor).SharedInbox()} }, []string{"https://a.example/inbox"}},
		{"endpoints is a string", actor(`"endpoints":"https://a.example/endpoints"`), func(d activity.Document) []string {
			return []string{d.(*activity.Actor).Endpoints.ID, d.(*activity.Actor).SharedInbox()}
		}, []string{"https://a.example/endpoints", ""}},
		{"endpoints is null", actor(`"endpoints":null`), func(d activity.Document) []string { return []string{d.(*activity.Actor).SharedInbox()} }, []string{""}},
		{"summary is a string", object(`"summary":"cw"`), func(d activity.Document) []string { return []string{d.(*activity.Object).Summary} }, []string{"cw"}},
		{"summary is null", object(`"summary":null`), func(d activity.Document) []string { return []string{d.(*activity.Object).Summary} }, []string{""}},
		{"summary is empty", object(`"summary":""`), func(d activity.Document) []string { return []string{d.(*activity.Object).Summary} }, []string{""}},
		{"content is null", object(`"content":null,"contentMap":{"en":"x"}`), func(d activity.Document) []string { return []string{d.(*activity.Object).Text()} }, []string{"x"}},
		{"source is an object", object(`"source":{"content":"*x*","mediaType":"text/markdown"}`), func(d activity.Document) []string { return []string{string(d.(*activity.Object).Source)} }, []string{`{"content":"*x*","mediaType":"text/markdown"}`}},
		{"source is a string", object(`"source":"*x*"`), func(d activity.Document) []string { return []string{string(d.(*activity.Object).Source)} }, []string{`"*x*"`}},
		{"replies is an object", object(`"replies":{"id":"https://a.example/1/replies","type":"Collection"}`), func(d activity.Document) []string { return []string{d.(*activity.Object).Replies.ID} }, []string{"https://a.example/1/replies"}},
		{"replies is a string", object(`"replies":"https://a.example/1/replies"`), func(d activity.Document) []string { return []string{d.(*activity.Object).Replies.ID} }, []string{"https://a.example/1/replies"}},
		{"replies is an empty list", object(`"replies":[]`), func(d activity.Document) []string { return []string{string(d.(*activity.Object).Extra["replies"])} }, []string{`[]`}},
		{"likes is null, shares a string", object(`"likes":null,"shares":"https://a.example/1/shares"`), func(d activity.Document) []string { return []string{d.(*activity.Object).Shares.ID} }, []string{"https://a.example/1/shares"}},
		{"inReplyTo is null", object(`"inReplyTo":null`), func(d activity.Document) []string { return []string{d.(*activity.Object).InReplyTo.ID} }, []string{""}},
		{"inReplyTo is a string", object(`"inReplyTo":"https://b.example/2"`), func(d activity.Document) []string { return []string{d.(*activity.Object).InReplyTo.ID} }, []string{"https://b.example/2"}},
		{"inReplyTo is an object", object(`"inReplyTo":{"type":"Note","id":"https://b.example/2"}`), func(d activity.Document) []string { return []string{d.(*activity.Object).InReplyTo.ID} }, []string{"https://b.example/2"}},
		{"inReplyTo is empty", object(`"inReplyTo":""`), func(d activity.Document) []string { return []string{d.(*activity.Object).InReplyTo.ID} }, []string{""}},
		{"latitude is a number", object(`"location":{"type":"Place","latitude":52.50,"longitude":13.4}`), func(d activity.Document) []string { return []string{string(d.(*activity.Object).Location.Raw)} }, []string{`{"type":"Place","latitude":52.50,"longitude":13.4}`}},
		{"latitude is a string (Pixelfed)", `{"type":"Place","id":"` + id + `","latitude":"52.5"}`, func(d activity.Document) []string { return []string{string(d.(*activity.Object).Latitude)} }, []string{`"52.5"`}},
		{"id is null", `{"type":"Emoji","id":null}`, func(d activity.Document) []string { return []string{d.DocumentID()} }, []string{""}},
		{"id is a list", `{"type":"Note","id":["https://a.example/1","https://a.example/2"]}`, func(d activity.Document) []string { return []string{d.DocumentID()} }, []string{""}},
		{"id is a number", `{"type":"Note","id":12}`, func(d activity.Document) []string { return []string{d.DocumentID()} }, []string{""}},
		{"an id has a fragment (Threads)", `{"type":"Like","id":"https://a.example/u/#likes/5?a=b:c/"}`, func(d activity.Document) []string { return []string{d.DocumentID()} }, []string{"https://a.example/u/#likes/5?a=b:c/"}},
		{"type is a list", `{"type":["Person","Tombstone"],"id":"` + id + `"}`, func(d activity.Document) []string { return d.(*activity.Actor).Type }, []string{"Person", "Tombstone"}},
		{"type is a list of one", `{"type":["Person"],"id":"` + id + `"}`, func(d activity.Document) []string { return d.(*activity.Actor).Type }, []string{"Person"}},
		{"type is a number", `{"type":5,"id":"` + id + `"}`, func(d activity.Document) []string { return d.(*activity.Object).Type }, nil},
		{"@context is a string", object(`"@context":"https://www.w3.org/ns/activitystreams"`), func(d activity.Document) []string { return []string{string(d.(*activity.Object).AtContext)} }, []string{`"https://www.w3.org/ns/activitystreams"`}},
		{"@context is a list", object(`"@context":["https://www.w3.org/ns/activitystreams",{"x":"y:z"}]`), func(d activity.Document) []string { return []string{string(d.(*activity.Object).AtContext)} }, []string{`["https://www.w3.org/ns/activitystreams",{"x":"y:z"}]`}},
		{"@context is an object", object(`"@context":{"@vocab":"as:"}`), func(d activity.Document) []string { return []string{string(d.(*activity.Object).AtContext)} }, []string{`{"@vocab":"as:"}`}},
		{"closed is a time", object(`"closed":"2024-05-01T00:00:00Z"`), func(d activity.Document) []string { return []string{string(d.(*activity.Object).Closed)} }, []string{`"2024-05-01T00:00:00Z"`}},
		{"closed is true", object(`"closed":true`), func(d activity.Document) []string { return []string{string(d.(*activity.Object).Closed)} }, []string{`true`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := mustRoundTrip(t, []byte(tt.json))
			got := tt.field(d)
			if len(got) != len(tt.want) {
				t.Fatalf("%q, want %q", got, tt.want)
			}
			for i := range got {
				if got[i] != tt.want[i] {
					t.Errorf("%q, want %q", got, tt.want)
				}
			}
		})
	}
}

func TestEveryFormOfADateIsRead(t *testing.T) {
	t.Parallel()
	at := func(nanos int) time.Time { return time.Date(2024, 2, 29, 23, 59, 58, nanos, time.UTC) }
	for text, want := range map[string]time.Time{
		"2024-02-29T23:59:58Z":                at(0),
		"2024-02-29T23:59:58.999Z":            at(999_000_000),
		"2024-02-29T23:59:58.99Z":             at(990_000_000),
		"2024-02-29T23:59:58.999999Z":         at(999_999_000),
		"2024-02-29T23:59:58.999999+00:00":    at(999_999_000),
		"2024-02-29T23:59:58+00:00":           at(0),
		"2024-02-29T23:59:58+0000":            at(0), // Threads, Pixelfed
		"2024-03-01T01:29:58+01:30":           at(0),
		"2024-02-29T22:29:58.5-0130":          at(500_000_000),
		"2024-02-29T23:59:58.123456789Z":      at(123_456_789),
		"2024-02-29T23:59:58.123456789-00:00": at(123_456_789),
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			o := mustRoundTrip(t, []byte(`{"type":"Note","published":"`+text+`"}`)).(*activity.Object)
			if !o.Published.Equal(want) || o.Published.Location() != time.UTC || o.Extra != nil {
				t.Errorf("%v with %q, want %v", o.Published, o.Extra, want)
			}
		})
	}
}

func TestWhatIsNoDateStaysAsItWas(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"yesterday", "", "2024-02-29", "2024-02-29T23:59:58", "2024-02-29 23:59:58Z", "2024-02-30T00:00:00Z",
		"2024-02-29T3:59:58Z",                                    // Go would read it
		"2024-02-29T23:59:58,5Z",                                 // and this
		"2024-02-29T23:59:58.1234567891Z",                        // and drop the last digit of this
		"2024-02-29T23:59:58+24:00", "2024-02-29T23:59:58+00:60", // and these
		"2024-02-29T23:59:58.Z", "2024-02-29T23:59:58+1", "2024-02-29T23:59:58Zx", "2024-02-29T23:59:58+00:000",
		"2016-12-31T23:59:60Z", "0000-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00Z",
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			o := mustRoundTrip(t, []byte(`{"type":"Note","published":"`+text+`"}`)).(*activity.Object)
			if !o.Published.IsZero() || string(o.Extra["published"]) != `"`+text+`"` {
				t.Errorf("%v with %q", o.Published, o.Extra)
			}
		})
	}
}
