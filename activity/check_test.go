package activity_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/activity"
)

// with takes a document and sets, or with null removes, the value at a path of names.
func with(t *testing.T, d activity.Document, path, value string) []byte {
	t.Helper()
	var top map[string]any
	if err := json.Unmarshal(mustEncode(t, d), &top); err != nil {
		t.Fatal(err)
	}
	at := top
	names := strings.Split(path, ".")
	for _, name := range names[:len(names)-1] {
		at = at[name].(map[string]any)
	}
	var v any
	if err := json.Unmarshal([]byte(value), &v); err != nil {
		t.Fatal(err)
	}
	if last := names[len(names)-1]; value == "null" {
		delete(at, last)
	} else {
		at[last] = v
	}
	b, err := json.Marshal(top)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWhatPeersStumbleOverIsNamed(t *testing.T) {
	t.Parallel()
	const id = "https://a.example/activities/1"
	create := activity.Create(id, aNote())
	follow := activity.Follow(id, alice, bob)
	accept := activity.Accept(id, alice, activity.Follow("https://b.example/follows/7", bob, alice))
	undo := activity.Undo(id, activity.Like("https://a.example/likes/1", alice, bobsNote()))
	long := `"https://a.example/` + strings.Repeat("x", 237) + `"` // 255 bytes
	if len(long) != 257 {
		t.Fatal(len(long))
	}
	for _, tt := range []struct {
		name string
		d    activity.Document
		path string // what is set to value
		to   string
		want string // path and peer of the one problem
	}{
		{"too large for an inbox", create, "object.content", `"` + strings.Repeat("x", 64<<10) + `"`, "$ Misskey"},
		{"nested too deep", create, "object.x", `[[[[[[]]]]]]`, "$ Pixelfed"},
		{"no context", create, "@context", "null", "$.@context Pixelfed"},
		{"no id", create, "id", "null", "$.id Misskey"},
		{"an id of another host", create, "id", `"https://b.example/1"`, "$.id Misskey"},
		{"two types", create, "type", `["Create","x:y"]`, "$.type Pixelfed"},
		{"an actor inside", create, "actor", `{"id":"` + alice + `"}`, "$.actor Threads"},
		{"no object", activity.Flag(id, alice, "x", bob), "object", "null", "$.object Pixelfed"},
		{"to is a string", create, "to", `"` + activity.Public + `"`, "$.to Pixelfed"},
		{"Public is short", create, "to", `["as:Public"]`, "$.to[0] Pixelfed"},
		{"Public is short inside", create, "object.to", `["Public"]`, "$.object.to[0] Pixelfed"},
		{"followers without an id", create, "cc", `["followers"]`, "$.cc[0] "},
		{"a blind copy", create, "object.bcc", `["` + bob + `"]`, "$.object.bcc "},
		{"a Follow for nobody", follow, "to", "null", "$.to Lemmy"},
		{"a Follow of an object", follow, "object", `{"id":"` + bob + `"}`, "$.object Pixelfed"},
		{"an Accept of an id", accept, "object", `"https://b.example/follows/7"`, "$.object Threads"},
		{"an Accept without the actor", accept, "object.actor", "null", "$.object.actor Pixelfed"},
		{"an Accept with the actor inside", accept, "object.actor", `{"id":"` + bob + `"}`, "$.object.actor Threads"},
		{"an Accept of another's Follow", accept, "object.object", `"https://a.example/users/eve"`, "$.object.object Pixelfed"},
		{"an Undo of an id", undo, "object", `"https://a.example/likes/1"`, "$.object Threads"},
		{"an Undo without the type", undo, "object.type", "null", "$.object.type Mastodon"},
		{"an Undo of another's Like", undo, "object.actor", `"https://a.example/users/eve"`, "$.object.actor Pixelfed"},
		{"a Create of an id", create, "object", `"https://a.example/notes/1"`, "$.object Pixelfed"},
		{"a Create for nobody", activity.Create(id, &activity.Object{ID: id, Type: activity.Types{"x"}, To: activity.Audience{}, AttributedTo: activity.Refs{activity.IRI(alice)}}), "to", "null", "$.to Mastodon"},
		{"an Announce with a note inside", activity.Announce(id, alice, followers, bobsNote(), noon), "object", `{"id":"https://b.example/1","type":"Note"}`, "$.object Pixelfed"},
		{"another's note", create, "object.attributedTo", `"https://a.example/users/eve"`, "$.object.attributedTo Pixelfed"},
		{"an author inside", create, "object.attributedTo", `{"id":"` + alice + `"}`, "$.object.attributedTo Pixelfed"},
		{"a note of another host", create, "object.id", `"https://b.example/1"`, "$.object.id Mastodon"},
		{"no published", create, "object.published", "null", "$.object.published Pixelfed"},
		{"no date", create, "object.published", `"yesterday"`, "$.object.published Mastodon"},
		{"no content", create, "object.content", "null", "$.object.content Mastodon"},
		{"no url", create, "object.url", "null", "$.object.url Threads"},
		{"sensitive unsaid", create, "object.sensitive", "null", "$.object.sensitive Pixelfed"},
		{"an object for nobody", create, "object.to", "null", "$.object.to Mastodon"},
		{"followers in cc", &activity.Object{
			ID: id, Type: activity.Types{"Note"}, AttributedTo: activity.Refs{activity.IRI(alice)}, Content: "x", Published: noon, Sensitive: true,
			URL: activity.Refs{activity.IRI(id)}, To: activity.Audience{},
		}, "cc", `["` + followers + `"]`, "$.cc Mastodon"},
		{"one tag", create, "object.tag", `{"type":"Mention"}`, "$.object.tag Mastodon"},
		{"one attachment", create, "object.attachment", `{"type":"Image"}`, "$.object.attachment Mastodon"},
		{"an attachment that is an id", create, "object.attachment", `["https://a.example/i"]`, "$.object.attachment[0] Pixelfed"},
		{"no media type", create, "object.attachment", `[{"type":"Image","url":"https://a.example/i"}]`, "$.object.attachment[0].mediaType Pixelfed"},
		{"several urls", create, "object.attachment", `[{"type":"Image","mediaType":"image/png","url":["https://a.example/i"]}]`, "$.object.attachment[0].url Pixelfed"},
		{"a long url", create, "object.attachment", `[{"type":"Image","mediaType":"image/png","url":` + long + `}]`, "$.object.attachment[0].url Pixelfed"},
		{"a long url of an icon", anActor(), "icon", `[{"type":"Image","url":` + long + `}]`, "$.icon[0].url Pixelfed"},
		{"a name with a space", anActor(), "preferredUsername", `"al ice"`, "$.preferredUsername Misskey"},
		{"a name that is too long", anActor(), "preferredUsername", `"` + strings.Repeat("x", 129) + `"`, "$.preferredUsername Misskey"},
		{"no inbox", anActor(), "inbox", "null", "$.inbox "},
		{"no followers", anActor(), "followers", "null", "$.followers Mastodon"},
		{"an inbox elsewhere", anActor(), "inbox", `"https://b.example/inbox"`, "$.inbox Misskey"},
		{"a key that is an id", anActor(), "publicKey", `"` + alice + `#main-key"`, "$.publicKey PeerTube"},
		{"a key without PEM", anActor(), "publicKey.publicKeyPem", "null", "$.publicKey.publicKeyPem PeerTube"},
		{"a key without a fragment", anActor(), "publicKey.id", `"` + alice + `/main-key"`, "$.publicKey.id Lemmy"},
		{"a key elsewhere", anActor(), "publicKey.id", `"https://b.example/#k"`, "$.publicKey.id Misskey"},
		{"whether locked unsaid", anActor(), "manuallyApprovesFollowers", "null", "$.manuallyApprovesFollowers Pixelfed"},
		{"a profile of another", activity.UpdateActor(id, anActor(), noon), "object.id", `"https://a.example/users/eve"`, "$.object.id Mastodon"},
		{"no https", anActor(), "id", `"tag:a.example,2026:1"`, "$.id Pixelfed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if before := activity.Check(tt.d); len(before) > 0 {
				t.Fatalf("already before: %v", before)
			}
			got := activity.CheckBytes(with(t, tt.d, tt.path, tt.to))
			found := slices.ContainsFunc(got, func(p activity.Problem) bool { return p.Path+" "+p.Peer == tt.want && p.Text != "" })
			if !found || len(got) > 1 && tt.name != "no https" && tt.name != "no inbox" {
				t.Errorf("%v, want %s", got, tt.want)
			}
		})
	}
}

func TestAtTheLimitNothingBreaks(t *testing.T) {
	t.Parallel()
	create := activity.Create("https://a.example/1", aNote())
	for name, data := range map[string][]byte{
		"followers twice":    []byte(fmt.Sprintf(`{"@context":"x","id":"https://a.example/1","type":"Note","attributedTo":%[1]q,"content":"x","published":"2026-05-01T12:00:00Z","url":"x","sensitive":true,"to":[%[2]q],"cc":[%[2]q]}`, alice, followers)),
		"nested 7 deep":      with(t, create, "object.x", `[[[[[]]]]]`),
		"a url of 254":       with(t, create, "object.attachment", `[{"type":"Image","mediaType":"image/png","url":"https://a.example/`+strings.Repeat("x", 236)+`"}]`),
		"a group's":          []byte(fmt.Sprintf(`{"@context":"x","id":"https://a.example/1","type":"Announce","actor":%q,"to":[%q],"object":%s}`, alice, activity.Public, mustMarshal(t, activity.Like("https://b.example/l", bob, aNote())))),
		"a link attached":    with(t, create, "object.attachment", `[{"type":"Link","href":"https://c.example/"}]`),
		"a thing unheard of": []byte(`{"@context":"x","id":"https://a.example/1","type":"x:y"}`),
	} {
		if got := activity.CheckBytes(data); got != nil {
			t.Errorf("%s: %v", name, got)
		}
	}
	content := strings.Repeat("x", 64<<10)
	note := aNote()
	note.Content = content
	note.Content = content[:64<<10-(len(mustEncode(t, note))-64<<10)]
	if b := mustEncode(t, note); len(b) != 64<<10 || activity.Check(note) != nil {
		t.Errorf("%d bytes: %v", len(b), activity.Check(note))
	}
}

func TestWhatIsNoDocumentIsTheOneProblem(t *testing.T) {
	t.Parallel()
	for _, data := range []string{"", "[]", "{", `{"a":1,"a":2}`, strings.Repeat("[", 100)} {
		if got := activity.CheckBytes([]byte(data)); len(got) != 1 || got[0].Path != "$" || !strings.Contains(got[0].String(), "activity: ") {
			t.Errorf("%q: %v", data, got)
		}
	}
	if got := activity.Check(&activity.Object{Content: "\xff"}); len(got) != 1 || !strings.Contains(got[0].Text, "content") {
		t.Errorf("%v", got)
	}
}

func TestCheckNamesWhatMastodonItselfRisks(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for name, data := range wire(t) {
		got := activity.CheckBytes(data) // and no panic on any
		if strings.HasPrefix(name, "mastodon-") {
			for _, p := range got {
				seen[p.Path+" "+p.Peer] = true
			}
		}
	}
	for _, want := range []string{"$.to Pixelfed", "$.to Lemmy"} { // a vote to a string; a Follow for nobody
		if !seen[want] {
			t.Errorf("%s is missing", want)
		}
	}
}

func TestProblemsAreBounded(t *testing.T) {
	t.Parallel()
	name := strings.Repeat("é", 200_000)
	data := `{"@context":"x","id":"https://a.example/1","type":"x:y","` + name + `":[` + strings.Repeat(`{"to":1},`, 20_000) + `1]}`
	got := activity.CheckBytes([]byte(data))
	if len(got) != 100 {
		t.Fatalf("%d problems", len(got))
	}
	if last := got[99].Path; len(last) > 100 || !strings.HasPrefix(last, "$.é") || !strings.HasSuffix(last, ".to") {
		t.Errorf("%q", last)
	}
}
