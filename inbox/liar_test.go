package inbox_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/fedihook/fedihook/inbox"
)

// said is one activity of each type, as bob could say it, with forged content.
func said() map[string]string {
	mine := here + "/ap/objects/1"
	note := func(more ...any) object {
		o := object{"id": there + "/n/1", "type": "Note", "attributedTo": bob, "content": "forged", "to": alice}
		for i := 0; i+1 < len(more); i += 2 {
			o[more[i].(string)] = more[i+1]
		}
		return o
	}
	a := there + "/a/1"
	return map[string]string{
		"Follow":          act("Follow", a, bob, alice),
		"Undo of Follow":  act("Undo", a, bob, object{"id": there + "/f/0", "type": "Follow", "actor": bob, "object": alice}),
		"Undo by id":      act("Undo", a, bob, there+"/f/0"),
		"Undo of Like":    act("Undo", a, bob, object{"id": there + "/l/0", "type": "Like", "actor": bob, "object": mine}),
		"Accept":          act("Accept", a, bob, object{"type": "Follow", "actor": alice, "object": bob}),
		"Accept by id":    act("Accept", a, bob, here+"/ap/activities/follow"),
		"Reject":          act("Reject", a, bob, object{"type": "Follow", "actor": alice, "object": bob}),
		"Reject by id":    act("Reject", a, bob, here+"/ap/activities/follow"),
		"Create":          act("Create", a, bob, note()),
		"Create by id":    act("Create", a, bob, there+"/n/1", "to", alice),
		"Reply":           act("Create", a, bob, note("inReplyTo", mine)),
		"Vote":            act("Create", a, bob, object{"id": there + "/n/1", "type": "Note", "name": "yes", "inReplyTo": mine, "attributedTo": bob}),
		"Update":          act("Update", a, bob, note()),
		"Update of actor": act("Update", a, bob, object{"id": bob, "type": "Person", "inbox": "https://evil.example/inbox", "summary": "forged"}),
		"Delete":          act("Delete", a, bob, there+"/n/1"),
		"Delete of actor": act("Delete", a, bob, bob),
		"Like":            act("Like", a, bob, mine),
		"EmojiReact":      act("EmojiReact", a, bob, mine, "content", "🎉"),
		"Announce":        act("Announce", a, bob, mine),
		"QuoteRequest":    act("QuoteRequest", a, bob, mine, "instrument", there+"/n/1"),
		"Block":           act("Block", a, bob, alice),
		"Add":             act("Add", a, bob, there+"/n/1", "target", bob+"/featured"),
		"Remove":          act("Remove", a, bob, there+"/n/1", "target", bob+"/featured"),
		"Move":            act("Move", a, bob, bob, "target", mallory),
		"Flag":            act("Flag", a, bob, []string{alice, mine}),
		"Sneeze":          act("Sneeze", a, bob, mine),
	}
}

func TestNoLiarSpeaksForAnotherInAnyType(t *testing.T) {
	t.Parallel()
	liars := map[string]struct {
		as     string
		change func(body string) string
		bad    bool // the signature is of another body
	}{
		"a neighbour":               {as: eve},
		"a stranger":                {as: mallory},
		"one of ours":               {as: alice},
		"nobody":                    {as: ""},
		"who changed what bob said": {as: bob, bad: true},
		"a neighbour without an id": {as: eve, change: func(body string) string { return strings.Replace(body, `"id":"`+there+`/a/1",`, "", 1) }},
		"a stranger with its own id": {as: mallory, change: func(body string) string {
			return strings.Replace(body, there+"/a/1", "https://evil.example/a/1", 1)
		}},
		"a stranger who says bob twice": {as: mallory, change: func(body string) string {
			return strings.Replace(body, `"actor":"`+bob+`"`, `"actor":["`+mallory+`","`+bob+`"]`, 1)
		}},
		"who smuggles a second object": {as: bob, change: func(body string) string {
			return strings.Replace(body, `"object":`, `"object":["https://evil.example/x","`+here+`/ap/objects/1"],"was":`, 1)
		}},
	}
	for name, liar := range liars {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for typ, body := range said() {
				var mu sync.Mutex
				ran := 0
				b := newBench(t, func(c *inbox.Config) {
					c.Hooks = all(func(_ context.Context, m *inbox.Message) error {
						mu.Lock()
						defer mu.Unlock()
						ran++
						if strings.Contains(string(m.Body), "forged") {
							t.Errorf("%s: the hook got %s", typ, m.Body)
						}
						// What bob's server shows is bob's; what is the liar's own is the liar's.
						if m.Sender != liar.as && m.By != inbox.ByOrigin {
							t.Errorf("%s: the hook ran for %s, by %s", typ, m.Sender, m.By)
						}
						return nil
					})
				})
				b.peers.known[bob] = true
				b.peers.docs[bob] = `{"id":"` + bob + `","type":"Person","inbox":"` + bob + `/inbox"}`
				b.peers.docs[there+"/n/1"] = `{"id":"` + there + `/n/1","type":"Note","attributedTo":"` + bob + `","content":"true"}`
				b.book.asked[alice+" "+bob], b.book.asked[here+"/ap/activities/follow"] = true, true
				b.book.follows[bob+" "+alice] = inbox.Follow{ID: there + "/f/0", Follower: bob, Followed: alice, Accepted: true}
				if liar.change != nil {
					body = liar.change(body)
				}
				if liar.bad {
					r := request("/ap/inbox", body)
					r.Header = signed(t, "/ap/inbox", bob, body+" ").Header
					b.serveTo(r)
				} else {
					b.post(liar.as, body)
				}
				b.run()
				if _, ok := b.book.follows[bob+" "+alice]; !ok {
					t.Errorf("%s: bob does not follow alice any more", typ)
				}
				for _, line := range b.book.all() {
					if strings.Contains(line, bob) {
						t.Errorf("%s: %s", typ, line)
					}
				}
				if len(b.peers.gone) != 0 {
					t.Errorf("%s: gone %q", typ, b.peers.gone)
				}
			}
		})
	}
}

// What somebody here wrote is changed by nobody from outside.
func TestARemoteFlagBlockRemoveOrDeleteNeverChangesWhatALocalAuthorWrote(t *testing.T) {
	t.Parallel()
	mine := here + "/ap/objects/1"
	for name, body := range map[string]string{
		"Delete":                act("Delete", there+"/a/1", bob, mine),
		"Delete of a Tombstone": act("Delete", there+"/a/1", bob, object{"id": mine, "type": "Tombstone"}),
		"Delete of a list":      act("Delete", there+"/a/1", bob, []string{there + "/n/1", mine}),
		"Update":                act("Update", there+"/a/1", bob, object{"id": mine, "type": "Note", "attributedTo": bob}),
		"Create":                act("Create", there+"/a/1", bob, object{"id": mine, "type": "Note", "attributedTo": bob}),
		"Undo":                  act("Undo", there+"/a/1", bob, here+"/ap/activities/1"),
		"Undo of an embedded":   act("Undo", there+"/a/1", bob, object{"id": here + "/ap/activities/1", "type": "Announce", "actor": alice}),
		"Undo of no activity":   act("Undo", there+"/a/1", bob, object{"id": mine, "type": "Note"}),
		"Remove":                act("Remove", there+"/a/1", bob, mine, "target", alice+"/featured"),
		"Add":                   act("Add", there+"/a/1", bob, mine, "target", alice+"/featured"),
		"Move":                  act("Move", there+"/a/1", bob, alice, "target", bob),
	} {
		b := newBench(t, func(c *inbox.Config) {
			c.Hooks = all(func(_ context.Context, m *inbox.Message) error {
				t.Errorf("%s: a hook ran for %s", name, m.Body)
				return nil
			})
		})
		if status := b.post(bob, body); status != 403 {
			t.Errorf("%s: status %d", name, status)
		}
		b.run()
	}
	// A report and a block are told to the app, which is not asked to do anything about the post.
	for name, body := range map[string]string{
		"Flag":  act("Flag", there+"/a/1", bob, []string{alice, mine}),
		"Block": act("Block", there+"/a/1", bob, alice),
	} {
		ran := ""
		b := newBench(t, func(c *inbox.Config) {
			c.Hooks = inbox.Hooks{
				Flag:   func(context.Context, *inbox.Message) error { ran = "Flag"; return nil },
				Block:  func(context.Context, *inbox.Message) error { ran = "Block"; return nil },
				Delete: func(context.Context, *inbox.Message) error { t.Error("Delete ran"); return nil },
				Remove: func(context.Context, *inbox.Message) error { t.Error("Remove ran"); return nil },
			}
		})
		b.post(bob, body)
		b.run()
		if ran != name {
			t.Errorf("%s: %q ran", name, ran)
		}
	}
}

func TestNobodyEditsOrDeletesWhatTheAppKnowsToBeSomebodyElses(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *inbox.Config) {
		c.Owner = func(_ context.Context, id string) (string, error) {
			if id == there+"/n/eve" {
				return eve, nil
			}
			return "", nil
		}
	})
	for _, typ := range []string{"Create", "Update"} {
		if got := b.post(bob, act(typ, there+"/a/1", bob, object{"id": there + "/n/eve", "type": "Note"})); got != 403 {
			t.Errorf("%s: %d", typ, got)
		}
	}
	if got := b.post(bob, act("Delete", there+"/a/2", bob, there+"/n/eve")); got != 403 {
		t.Errorf("Delete: %d", got)
	}
	if got := b.post(eve, act("Delete", there+"/a/3", eve, there+"/n/eve")); got != 202 {
		t.Errorf("eve's own Delete: %d", got)
	}
}
