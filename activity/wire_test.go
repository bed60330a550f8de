package activity_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/activity"
)

// wire yields the documents below testdata/wire.
func wire(tb testing.TB) map[string][]byte {
	tb.Helper()
	out := make(map[string][]byte)
	err := filepath.WalkDir("testdata/wire", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".json") {
			return err
		}
		data, err := os.ReadFile(path)
		out[strings.TrimPrefix(filepath.ToSlash(path), "testdata/wire/")] = data
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

func mustDecode(tb testing.TB, data []byte) activity.Document {
	tb.Helper()
	d, err := activity.Decode(data)
	if err != nil {
		tb.Fatalf("Decode: %v\n%.300s", err, data)
	}
	return d
}

func mustMarshal(tb testing.TB, d activity.Document) []byte {
	tb.Helper()
	b, err := d.MarshalJSON()
	if err != nil {
		tb.Fatalf("MarshalJSON: %v", err)
	}
	return b
}

func mustEncode(tb testing.TB, d activity.Document) []byte {
	tb.Helper()
	b, err := activity.Encode(d)
	if err != nil {
		tb.Fatalf("Encode: %v", err)
	}
	return b
}

// mustRoundTrip reads and writes data, and checks that nothing is lost and that writing is stable.
func mustRoundTrip(t *testing.T, data []byte) activity.Document {
	t.Helper()
	d := mustDecode(t, data)
	once := mustMarshal(t, d)
	mustKeep(t, data, once)
	if twice := mustMarshal(t, mustDecode(t, once)); !bytes.Equal(once, twice) {
		t.Errorf("not stable:\n%s\n%s", once, twice)
	}
	return d
}

func TestEveryDocumentFromTheWireIsKeptWhole(t *testing.T) {
	t.Parallel()
	documents := wire(t)
	if len(documents) != 114 {
		t.Errorf("%d documents below testdata/wire, want 114", len(documents))
	}
	for name, data := range documents {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mustRoundTrip(t, data)
		})
	}
}

// None of the documents has a bto or bcc, so that Encode must keep what MarshalJSON keeps.
func TestWhatIsSentIsWhatWasRead(t *testing.T) {
	t.Parallel()
	for name, data := range wire(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var had map[string]json.RawMessage
			if err := json.Unmarshal(data, &had); err != nil {
				t.Fatal(err)
			}
			sent := mustEncode(t, mustDecode(t, data))
			if had["@context"] == nil { // Encode adds one
				var has map[string]json.RawMessage
				if err := json.Unmarshal(sent, &has); err != nil {
					t.Fatal(err)
				}
				if !strings.Contains(string(has["@context"]), "activitystreams") {
					t.Errorf("no @context: %s", sent)
				}
				delete(has, "@context")
				sent, _ = json.Marshal(has)
			}
			mustKeep(t, data, sent)
		})
	}
}

func TestWhatIsEmbeddedIsKeptWholeWhenItIsDecoded(t *testing.T) {
	t.Parallel()
	embedded := 0
	var walk func(t *testing.T, v any)
	walk = func(t *testing.T, v any) {
		switch v := v.(type) {
		case []any:
			for _, one := range v {
				walk(t, one)
			}
		case map[string]any:
			embedded++
			data, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			d := mustRoundTrip(t, data)
			outer := &activity.Activity{Type: activity.Types{"Create"}, Object: activity.Refs{activity.Embed(d)}}
			again := mustDecode(t, mustMarshal(t, outer)).(*activity.Activity)
			inner, err := again.Object[0].Document()
			if err != nil {
				t.Fatalf("Document: %v", err)
			}
			delete(v, "@context")
			data, _ = json.Marshal(v)
			mustKeep(t, data, mustMarshal(t, inner))
			for _, one := range v {
				walk(t, one)
			}
		}
	}
	for name, data := range wire(t) {
		v, err := parse(data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		walk(t, v)
	}
	if embedded < 300 {
		t.Errorf("only %d objects were looked at", embedded)
	}
}

func TestAMastodonNoteIsReadIntoItsFields(t *testing.T) {
	t.Parallel()
	d := mustDecode(t, wire(t)["mastodon-4.6.5/create-note-reply-mention.json"])
	create, ok := d.(*activity.Activity)
	if !ok || !create.Is("Create") || create.Actor.ID != "https://mastodon.example/users/alice" {
		t.Fatalf("%T, actor %q", d, create.Actor.ID)
	}
	inner, err := create.Object[0].Document()
	if err != nil {
		t.Fatal(err)
	}
	note, ok := inner.(*activity.Object)
	if !ok || note.ID != create.Object.First() {
		t.Fatalf("%T %q, want an Object %q", inner, note.ID, create.Object.First())
	}
	if note.AttributedTo.First() != create.Actor.ID || note.InReplyTo.ID == "" || note.Published.IsZero() ||
		len(note.Mentions()) == 0 || !strings.Contains(note.Text(), "<p>") || note.URL.First() == "" || len(note.To) == 0 {
		t.Errorf("%+v", note)
	}
}

func TestAMastodonActorIsReadIntoItsFields(t *testing.T) {
	t.Parallel()
	d := mustDecode(t, wire(t)["mastodon-4.6.5/actor-person.json"])
	a, ok := d.(*activity.Actor)
	if !ok {
		t.Fatalf("%T", d)
	}
	for name, got := range map[string][2]string{
		"id":       {a.ID, "https://mastodon.example/users/alice"},
		"inbox":    {a.Inbox.ID, "https://mastodon.example/users/alice/inbox"},
		"outbox":   {a.Outbox.ID, "https://mastodon.example/users/alice/outbox"},
		"handle":   {a.PreferredUsername, "alice"},
		"shared":   {a.SharedInbox(), "https://mastodon.example/inbox"},
		"featured": {a.Featured.ID, "https://mastodon.example/users/alice/collections/featured"},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %q, want %q", name, got[0], got[1])
		}
	}
	keys := a.Keys()
	if len(keys) != 1 || keys[0].ID != a.ID+"#main-key" || keys[0].Owner != a.ID || !strings.HasPrefix(keys[0].PEM, "-----BEGIN PUBLIC KEY-----\n") {
		t.Errorf("keys: %+v", keys)
	}
}
