package activity_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	vocab "github.com/go-ap/activitypub"

	"github.com/fedihook/fedihook/activity"
)

func inf() float64 { return math.Inf(1) }

func errorIs(err, want error) bool { return err != nil && errors.Is(err, want) }

// mustBe compares JSON without regard to the order of members.
func mustBe(t *testing.T, got []byte, want string) {
	t.Helper()
	if diff, err := differences([]byte(want), got); err != nil || len(diff) > 0 {
		t.Errorf("%q, %v\nwant %s\ngot  %s", diff, err, want, got)
	}
}

func TestWhatAnItemCanNotHoldIsListed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, json string
		lost       []string
		kept       string // what FromItem makes of the item
	}{
		{"nothing", `{"type":"Note","content":"x","to":["as:Public"]}`, nil, `{"type":"Note","content":"x","to":["as:Public"]}`},
		{"properties without a field", `{"type":"Note","sensitive":true,"x:mood":{"a":[1,2]},"quoteUrl":"https://a.example/1"}`,
			[]string{`$.quoteUrl`, `$.sensitive`, `$["x:mood"]`}, `{"type":"Note"}`},
		{"the day a poll closed", `{"type":"Question","closed":"2026-05-01T12:00:00Z","oneOf":[{"type":"Note","name":"a"}]}`,
			[]string{`$.closed`}, `{"type":"Question","oneOf":[{"type":"Note","name":"a"}]}`},
		{"a poll that is closed", `{"type":"Question","closed":true}`, nil, `{"type":"Question","closed":true}`},
		{"a poll that is not", `{"type":"Question","closed":false}`, []string{`$.closed`}, `{"type":"Question"}`},
		{"the count of votes", `{"type":"Question","oneOf":[{"type":"Note","replies":{"type":"Collection","totalItems":0}}],"votersCount":3}`,
			[]string{`$.votersCount`}, `{"type":"Question","oneOf":[{"type":"Note","replies":{"type":"Collection","totalItems":0}}]}`},
		{"what a collection does not say", `{"type":"Collection","items":[]}`, []string{`$.totalItems`}, `{"type":"Collection","items":[],"totalItems":0}`},
		{"a size that is none", `{"type":"Collection","totalItems":-1}`, []string{`$.totalItems`}, `{"type":"Collection","totalItems":0}`},
		{"a plain text that is not there", `{"type":"Note","contentMap":{"en":"x"}}`, []string{`$.content`}, `{"type":"Note","content":"x","contentMap":{"en":"x"}}`},
		{"texts in languages", `{"type":"Note","content":"x","contentMap":{"en":"x","de":"y"}}`, nil, `{"type":"Note","content":"x","contentMap":{"en":"x","de":"y"}}`},
		{"languages that are none", `{"type":"Note","content":"x","contentMap":{"-":"x","":"y","en":1,"de":"z"}}`,
			[]string{`$.contentMap[""]`, `$.contentMap["-"]`, `$.contentMap.en`}, `{"type":"Note","content":"x","contentMap":{"de":"z"}}`},
		{"only a language that is none", `{"type":"Note","contentMap":{"-":"x"}}`, []string{`$.contentMap`}, `{"type":"Note"}`},
		{"a map without languages", `{"type":"Note","contentMap":{},"nameMap":7}`, []string{`$.contentMap`, `$.nameMap`}, `{"type":"Note"}`},
		{"tags", `{"type":"Note","tag":[{"type":"Hashtag","href":"https://a.example/t","name":"#t"},{"type":"Emoji","name":":x:","icon":{"type":"Image","url":"https://a.example/x.png"}},{"type":"PropertyValue","name":"n","value":"v"}]}`,
			[]string{`$.tag[2].value`}, `{"type":"Note","tag":[{"type":"Hashtag","href":"https://a.example/t","name":"#t"},{"type":"Emoji","name":":x:","icon":{"type":"Image","url":"https://a.example/x.png"}},{"type":"PropertyValue","name":"n"}]}`},
		{"a tag alone, deep inside", `{"type":"Create","object":{"type":"Note","tag":{"type":"Mention","href":"https://a.example/u","x":1},"to":"https://a.example/u"}}`,
			[]string{`$.object.tag.x`}, `{"type":"Create","object":{"type":"Note","tag":{"type":"Mention","href":"https://a.example/u"},"to":"https://a.example/u"}}`},
		{"elements that are no items", `{"type":"Note","to":["a",null,1,"",["b"],true,"-","c"]}`,
			[]string{`$.to[1]`, `$.to[2]`, `$.to[3]`, `$.to[5]`, `$.to[6]`}, `{"type":"Note","to":["a",["b"],"c"]}`},
		{"several types", `{"type":["x:Odd","Tombstone","Person","x:Odd"],"inbox":"https://a.example/i"}`,
			[]string{`$.type[0]`, `$.type[1]`, `$.type[3]`}, `{"type":"Person","inbox":"https://a.example/i"}`},
		{"types that are none", `{"type":[1,"Note"]}`, []string{`$.type[0]`}, `{"type":"Note"}`},
		{"several keys", `{"type":"Person","publicKey":["https://a.example/k",{"id":"k1","owner":"u","publicKeyPem":"p","type":"Key"},{"id":"k2"}]}`,
			[]string{`$.publicKey[0]`, `$.publicKey[1].type`, `$.publicKey[2]`}, `{"type":"Person","publicKey":{"id":"k1","owner":"u","publicKeyPem":"p"}}`},
		{"a reaction", `{"type":"EmojiReact","actor":"https://a.example/u","object":"https://b.example/1","content":":x:"}`, nil,
			`{"type":"EmojiReact","actor":"https://a.example/u","object":"https://b.example/1","content":":x:"}`},
		{"an unknown type", `{"type":"LikeRequest","actor":"https://a.example/u","object":{"type":"x:Odd","name":"n"}}`, nil,
			`{"type":"LikeRequest","actor":"https://a.example/u","object":{"type":"x:Odd","name":"n"}}`},
		{"times", `{"type":"Note","published":"2026-05-01T12:00:00.123456789+02:00","updated":"2026-05-01T12:00:00+0000","startTime":"yesterday","endTime":"2026-05-01T12:00:00.0000000001Z"}`,
			[]string{`$.endTime`, `$.startTime`}, `{"type":"Note","published":"2026-05-01T10:00:00.123456789Z","updated":"2026-05-01T12:00:00Z"}`},
		{"times as they stand inside", `{"type":"Create","object":{"type":"Note","published":"2026-05-01T12:00:00.5+02:00","updated":"2026-05-01T12:00:00+0000","startTime":"0000-01-01T00:00:00+01:00","endTime":"9999-12-31T23:59:59-01:00"}}`,
			[]string{`$.object.endTime`, `$.object.startTime`}, `{"type":"Create","object":{"type":"Note","published":"2026-05-01T10:00:00.5Z","updated":"2026-05-01T12:00:00Z"}}`},
		{"a time that go-ap takes for none", `{"type":"Note","published":"0001-01-01T00:00:00Z"}`, []string{`$.published`}, `{"type":"Note"}`},
		{"two times in one place", `{"type":"Note","published":["x","2026-05-01T12:00:00Z","2027-05-01T12:00:00Z"]}`,
			[]string{`$.published[0]`, `$.published[2]`}, `{"type":"Note","published":"2026-05-01T12:00:00Z"}`},
		{"a duration in another spelling", `{"type":"Video","duration":"P1DT90S"}`, nil, `{"type":"Video","duration":"PT24H1M30S"}`},
		{"a duration of no fixed length", `{"type":"Video","duration":"P1Y2M"}`, []string{`$.duration`}, `{"type":"Video"}`},
		{"numbers", `{"type":"Place","latitude":-47.50,"longitude":9007199254740993,"altitude":0,"radius":9007199254740993,"accuracy":1e400,"units":"m"}`,
			[]string{`$.accuracy`, `$.altitude`, `$.longitude`}, `{"type":"Place","latitude":-47.5,"longitude":9007199254740992,"radius":9007199254740993,"units":"m"}`},
		{"numbers with huge exponents", `{"type":"Place","latitude":1e999999999,"longitude":1e-999999999,"altitude":100e-2}`,
			[]string{`$.latitude`, `$.longitude`}, `{"type":"Place","altitude":1}`},
		{"a link", `{"type":"Link","href":"https://a.example/1","rel":["me","nofollow"],"hreflang":"en","width":10,"height":1.5}`,
			[]string{`$.height`, `$.rel[1]`}, `{"type":"Link","href":"https://a.example/1","rel":"me","hreflang":"en","width":10}`},
		{"a place with the name of none", `{"type":"Note","id":"","inReplyTo":"-","url":""}`, []string{`$.id`, `$.inReplyTo`, `$.url`}, `{"type":"Note"}`},
		{"an endpoint", `{"type":"Person","endpoints":{"sharedInbox":"https://a.example/i","x":"y"}}`, []string{`$.endpoints.x`}, `{"type":"Person","endpoints":{"sharedInbox":"https://a.example/i"}}`},
		{"endpoints that say nothing", `{"type":"Person","endpoints":{},"source":{},"publicKey":{}}`, []string{`$.publicKey`, `$.source`}, `{"type":"Person","endpoints":{}}`},
		{"an endpoint of another kind", `{"type":"Person","endpoints":"https://a.example/e"}`, []string{`$.endpoints`}, `{"type":"Person"}`},
		{"a source", `{"type":"Note","source":{"content":"x","mediaType":"text/plain"}}`, nil, `{"type":"Note","source":{"content":"x","mediaType":"text/plain"}}`},
		{"an empty text", `{"type":"Note","content":"","summary":null}`, nil, `{"type":"Note","content":""}`},
		{"empty lists", `{"type":"Note","tag":[],"attachment":[],"published":[]}`, []string{`$.published`}, `{"type":"Note","tag":[],"attachment":[]}`},
		{"a context", `{"@context":["https://www.w3.org/ns/activitystreams",{"x":"https://a.example/ns#"}],"type":"Note"}`, nil, `{"type":"Note"}`},
		{"an odd name", `{"type":"Note","a\"b":1,"é":2,"a.b":3,"_a":4}`, []string{`$._a`, `$["a\"b"]`, `$["a.b"]`, `$["é"]`}, `{"type":"Note"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := mustDecode(t, []byte(tt.json))
			it, lost, err := activity.ToItem(d)
			if err != nil {
				t.Fatalf("ToItem: %v", err)
			}
			slices.Sort(lost)
			slices.Sort(tt.lost)
			if !slices.Equal(lost, tt.lost) {
				t.Errorf("lost %q\nwant %q", lost, tt.lost)
			}
			back, err := activity.FromItem(it)
			if err != nil {
				t.Fatalf("FromItem: %v", err)
			}
			mustBe(t, mustMarshal(t, back), tt.kept)
			if a, b := fmt.Sprintf("%T", d), fmt.Sprintf("%T", back); a != b {
				t.Errorf("%s came back as %s", a, b)
			}
		})
	}
}

func TestAnItemIsOfGoAPsStructForItsType(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ json, want string }{
		{`{"type":"Note"}`, "*activitypub.Object"},
		{`{"type":"Place"}`, "*activitypub.Place"},
		{`{"type":"Tombstone"}`, "*activitypub.Tombstone"},
		{`{"type":"Question"}`, "*activitypub.Question"},
		{`{"type":"Travel"}`, "*activitypub.IntransitiveActivity"},
		{`{"type":"Hashtag"}`, "*activitypub.Link"},
		{`{"type":"Emoji"}`, "*activitypub.Object"},
		{`{"type":"QuoteRequest"}`, "*activitypub.Activity"},
		{`{"type":"ItemCollection"}`, "*activitypub.Collection"},
		{`{"type":"FeaturedCollection","orderedItems":[]}`, "*activitypub.OrderedCollection"},
		{`{"type":"FeaturedCollection","orderedItems":[],"next":"https://a.example/2"}`, "*activitypub.OrderedCollectionPage"},
		{`{"type":"FeaturedCollection","items":[],"partOf":"https://a.example/2"}`, "*activitypub.CollectionPage"},
		{`{"type":"FeaturedCollection","totalItems":1}`, "*activitypub.Collection"},
		{`{"inbox":"https://a.example/inbox"}`, "*activitypub.Actor"},
		{`{"href":"https://a.example/"}`, "*activitypub.Link"},
		{`{"actor":"https://a.example/"}`, "*activitypub.Activity"},
		{`{}`, "*activitypub.Object"},
		{`{"type":"constructor"}`, "*activitypub.Object"},
	} {
		for path, data := range map[string]string{"alone": tt.json, "embedded": `{"type":"Create","object":` + tt.json + `}`} {
			it, _, err := activity.ToItem(mustDecode(t, []byte(data)))
			if err != nil {
				t.Fatal(err)
			}
			if path == "embedded" {
				it = it.(*vocab.Activity).Object
			}
			if got := fmt.Sprintf("%T", it); got != tt.want {
				t.Errorf("%s, %s: %s, want %s", tt.json, path, got, tt.want)
			}
		}
	}
	// Made by hand, a document may be of a shape that neither type nor properties tell.
	for want, d := range map[string]activity.Document{
		"*activitypub.Activity": &activity.Activity{Type: activity.Types{"x:Odd"}}, "*activitypub.Actor": &activity.Actor{},
		"*activitypub.Collection": &activity.Collection{}, "*activitypub.Link": &activity.Link{ID: "x"}, "*activitypub.Object": &activity.Object{},
	} {
		if it, _, err := activity.ToItem(d); err != nil || fmt.Sprintf("%T", it) != want {
			t.Errorf("%T became %T, want %s: %v", d, it, want, err)
		}
	}
}

// An app compares and prints what it gets, so that equal things are made equal.
func TestAnItemHoldsWhatGoAPWouldHaveMade(t *testing.T) {
	t.Parallel()
	it, _, err := activity.ToItem(mustDecode(t, []byte(`{"type":"Create","actor":"-","object":{"type":"Note","inReplyTo":"-","to":["-","https://a.example/u"],"published":"2026-05-01T12:00:00+02:00"}}`)))
	if err != nil {
		t.Fatal(err)
	}
	create := it.(*vocab.Activity)
	note := create.Object.(*vocab.Object)
	if create.Actor != nil || note.InReplyTo != nil || len(note.To) != 1 {
		t.Errorf("what go-ap takes for nothing is held: %v %v %v", create.Actor, note.InReplyTo, note.To)
	}
	if want := time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC); note.Published != want {
		t.Errorf("published %v, want %v", note.Published, want)
	}
}

func TestWhatIsNoDocumentIsNoItem(t *testing.T) {
	t.Parallel()
	for _, d := range []activity.Document{nil, (*activity.Object)(nil), (*activity.Activity)(nil), (*activity.Actor)(nil), (*activity.Collection)(nil), (*activity.Link)(nil)} {
		if it, _, err := activity.ToItem(d); !errorIs(err, activity.ErrNoDocument) || it != nil {
			t.Errorf("%T: %v, %v", d, it, err)
		}
	}
	if it, _, err := activity.ToItem(&activity.Object{ID: "https://a.example/1", Content: "\xff"}); err == nil || it != nil || !strings.Contains(err.Error(), "https://a.example/1") {
		t.Errorf("%v, %v", it, err)
	}
}

func TestADurationIsAnXSDDuration(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		d    time.Duration
		want string
	}{
		{time.Second, "PT1S"}, {90 * time.Minute, "PT1H30M"}, {25*time.Hour + time.Nanosecond, "PT25H0.000000001S"},
		{1500 * time.Millisecond, "PT1.5S"}, {-time.Minute, "-PT1M"}, {math.MaxInt64, "PT2562047H47M16.854775807S"}, {math.MinInt64, "-PT2562047H47M16.854775808S"},
	} {
		d, err := activity.FromItem(&vocab.Object{Type: "Video", Duration: tt.d})
		if err != nil || d.(*activity.Object).Duration != tt.want {
			t.Errorf("%v: %+v, %v; want %s", tt.d, d, err, tt.want)
		}
	}
	for text, want := range map[string]time.Duration{
		"PT5S": 5 * time.Second, "P1D": 24 * time.Hour, "-P1DT1H1M1.25S": -(25*time.Hour + time.Minute + 1250*time.Millisecond), "PT0.000000001S": 1,
		"PT2562047H47M16.854775807S": math.MaxInt64,
		"PT2562047H47M16.854775808S": 0, "P999999999999999999999D": 0, "P106752D": 0, "PT": 0, "P": 0, "P1DT": 0, "P1M": 0, "P1Y": 0, "PT1.S": 0, "PT.5S": 0, "5s": 0, "": 0, "PT1S ": 0, "PT1S1M": 0, "P-1D": 0,
	} {
		it, lost, err := activity.ToItem(&activity.Object{Type: activity.Types{"Video"}, Duration: text})
		if err != nil || it.(*vocab.Object).Duration != want || (len(lost) > 0) != (want == 0 && text != "") {
			t.Errorf("%q: %v, lost %q, %v; want %v", text, it.(*vocab.Object).Duration, lost, err, want)
		}
	}
}
