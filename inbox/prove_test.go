package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/signature"
)

// heard collects what hooks get, as "type By object's content".
func heard(got *[]string) func(*inbox.Config) {
	return func(c *inbox.Config) {
		c.Workers = 1
		c.Hooks = all(func(_ context.Context, m *inbox.Message) error {
			text := ""
			if o, ok := m.Object.(*activity.Object); ok {
				text = o.Content
			}
			*got = append(*got, fmt.Sprintf("%s %s %s", m.Activity.Type, m.By, text))
			return nil
		})
	}
}

func TestAForwardedActivityIsBelievedForItsOwnProof(t *testing.T) {
	t.Parallel()
	body := act("Create", there+"/a/1", bob, object{"id": there + "/n/1", "type": "Note", "attributedTo": bob, "content": "said", "to": alice})
	failed := func(err error) func(context.Context, []byte) (string, error) {
		return func(context.Context, []byte) (string, error) { return "", err }
	}
	refused := func(status int, err error) error { return &signature.Error{Status: status, Err: err} }
	for _, c := range []struct {
		name   string
		proof  func(context.Context, []byte) (string, error)
		ld     func(context.Context, []byte) (inbox.LDSigned, error)
		status int
		want   []string
	}{
		{name: "neither, and its origin shows it", status: 202, want: []string{"Create origin shown"}},
		{name: "a proof", status: 202, want: []string{"Create proof said"},
			proof: func(_ context.Context, doc []byte) (string, error) {
				if string(doc) != body {
					t.Errorf("verified %s", doc)
				}
				return bob, nil
			}},
		{name: "a proof by somebody else", status: 403, proof: func(context.Context, []byte) (string, error) { return eve, nil }},
		{name: "a proof that does not hold, though the origin would show it", status: 401, proof: failed(refused(401, signature.ErrBadSignature))},
		{name: "a proof whose key can't be had", status: 503, proof: failed(refused(503, signature.ErrKeyUnavailable))},
		{name: "an LD signature", status: 202, want: []string{"Create LD signature said"},
			ld: func(context.Context, []byte) (inbox.LDSigned, error) {
				return inbox.LDSigned{Owner: bob, ID: there + "/a/1", Type: "Create", Object: there + "/n/1", Whole: true}, nil
			}},
		{name: "an LD signature that leaves something open", status: 202, want: []string{"Create origin shown"},
			ld: func(context.Context, []byte) (inbox.LDSigned, error) {
				return inbox.LDSigned{Owner: bob, ID: there + "/a/1", Type: "Create", Object: there + "/n/1"}, nil
			}},
		{name: "an LD signature by somebody else", status: 403,
			ld: func(context.Context, []byte) (inbox.LDSigned, error) {
				return inbox.LDSigned{Owner: eve, ID: there + "/a/1", Type: "Create", Object: there + "/n/1", Whole: true}, nil
			}},
		{name: "an LD signature of something else", status: 403,
			ld: func(context.Context, []byte) (inbox.LDSigned, error) {
				return inbox.LDSigned{Owner: bob, ID: there + "/a/1", Type: "Create", Object: there + "/n/2", Whole: true}, nil
			}},
		{name: "an LD signature that is worth nothing", status: 202, want: []string{"Create origin shown"},
			ld: func(context.Context, []byte) (inbox.LDSigned, error) {
				return inbox.LDSigned{}, errors.New("changed on the way")
			}},
		{name: "an LD signature whose key can't be had", status: 503,
			ld: func(context.Context, []byte) (inbox.LDSigned, error) {
				return inbox.LDSigned{}, signature.ErrKeyUnavailable
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			b := newBench(t, func(conf *inbox.Config) {
				heard(&got)(conf)
				conf.Proof, conf.LDSignature = c.proof, c.ld
			})
			b.peers.docs[there+"/n/1"] = `{"id":"` + there + `/n/1","type":"Note","attributedTo":"` + bob + `","content":"shown","to":"` + alice + `"}`
			if status := b.post(mallory, body); status != c.status {
				t.Fatalf("status %d, want %d", status, c.status)
			}
			b.run()
			if !slices.Equal(got, c.want) {
				t.Errorf("hooks got %q, want %q", got, c.want)
			}
		})
	}
}

func TestWhatOthersSayOfOneIsHeldAgainstItsOrigin(t *testing.T) {
	t.Parallel()
	note := func(by, content string) string {
		return `{"id":"` + there + `/n/1","type":"Note","attributedTo":"` + by + `","content":"` + content + `"}`
	}
	embedded := object{"id": there + "/n/1", "type": "Note", "attributedTo": bob, "content": "forged", "to": alice}
	for _, c := range []struct {
		name, body string
		docs       map[string]string
		status     int
		want       []string
	}{
		{"a forged post", act("Create", there+"/a/1", bob, embedded), map[string]string{there + "/n/1": note(bob, "true")}, 202, []string{"Create origin true"}},
		{"an invented post", act("Create", there+"/a/1", bob, embedded), nil, 202, nil},
		{"a post of somebody else there", act("Create", there+"/a/1", bob, embedded), map[string]string{there + "/n/1": note(eve, "true")}, 202, nil},
		{"a post of nobody there", act("Create", there+"/a/1", bob, embedded), map[string]string{there + "/n/1": `{"id":"` + there + `/n/1","type":"Note"}`}, 202, nil},
		{"a forged edit", act("Update", there+"/a/1", bob, embedded), map[string]string{there + "/n/1": note(bob, "true")}, 202, []string{"Update origin true"}},
		{"a forged edit of an actor", act("Update", there+"/a/1", bob, object{"id": bob, "type": "Person", "inbox": "https://evil.example/"}), map[string]string{bob: `{"id":"` + bob + `","type":"Person","inbox":"` + bob + `/inbox"}`}, 202, []string{"Update origin "}},
		{"the deletion of what is there", act("Delete", there+"/a/1", bob, there+"/n/1"), map[string]string{there + "/n/1": note(bob, "true")}, 202, nil},
		{"the deletion of what is gone", act("Delete", there+"/a/1", bob, there+"/n/1"), nil, 202, []string{"Delete origin "}},
		{"the deletion of what left a Tombstone", act("Delete", there+"/a/1", bob, there+"/n/1"), map[string]string{there + "/n/1": `{"id":"` + there + `/n/1","type":"Tombstone"}`}, 202, []string{"Delete origin "}},
		{"a share that its server shows", act("Announce", there+"/a/1", bob, here+"/ap/objects/1"), map[string]string{there + "/a/1": act("Announce", there+"/a/1", bob, here+"/ap/objects/1")}, 202, []string{"Announce origin "}},
		{"a share by somebody else", act("Announce", there+"/a/1", bob, here+"/ap/objects/1"), map[string]string{there + "/a/1": act("Announce", there+"/a/1", eve, here+"/ap/objects/1")}, 202, nil},
		{"a like that its server shows as something else", act("Like", there+"/a/1", bob, here+"/ap/objects/1"), map[string]string{there + "/a/1": act("Dislike", there+"/a/1", bob, here+"/ap/objects/1")}, 202, nil},
		{"a follow without an id", act("Follow", "", bob, alice), nil, 403, nil},
		{"a block under another server's id", act("Block", "https://evil.example/1", bob, alice), nil, 403, nil},
		{"a Create of another server's post", act("Create", there+"/a/1", bob, object{"id": "https://evil.example/n/1"}), nil, 403, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			b := newBench(t, heard(&got))
			for id, doc := range c.docs {
				b.peers.docs[id] = doc
			}
			if status := b.post(mallory, c.body); status != c.status {
				t.Errorf("status %d, want %d", status, c.status)
			}
			b.run()
			if !slices.Equal(got, c.want) {
				t.Errorf("hooks got %q, want %q", got, c.want)
			}
			// What it was said to be for does not stand in the way of the one who says it.
			if c.status == 202 {
				b.post(bob, c.body)
				b.run()
				if len(got) != len(c.want)+1 {
					t.Errorf("after the actor itself said it, hooks got %q", got)
				}
			}
		})
	}
}

func TestReceiveBelievesTheOriginAndNobodyElse(t *testing.T) {
	t.Parallel()
	var got []string
	b := newBench(t, func(c *inbox.Config) {
		choosy(c)
		heard(&got)(c)
		c.Policy = refusing("bad.example")
	})
	b.peers.docs["https://else.example/n/1"] = `{"id":"https://else.example/n/1","type":"Note","attributedTo":"` + stranger + `","content":"true"}`
	create := act("Create", "https://else.example/a/1", stranger, object{"id": "https://else.example/n/1", "content": "forged"})
	for range 2 {
		if err := b.Receive(t.Context(), []byte(create)); err != nil {
			t.Fatal(err)
		}
	}
	b.run()
	if !slices.Equal(got, []string{"Create origin true"}) {
		t.Errorf("hooks got %q", got)
	}
	for name, c := range map[string]struct {
		raw    string
		status int
	}{
		"no activity":         {`{"type":"Note"}`, 400},
		"ours":                {act("Create", here+"/a/1", alice, object{"id": here + "/n/1"}), 403},
		"a suspended host's":  {act("Create", "https://bad.example/a/1", "https://bad.example/u", object{"id": "https://bad.example/n/1"}), 403},
		"what none can prove": {act("Follow", "", stranger, alice), 403},
	} {
		var refused *inbox.Refusal
		if err := b.Receive(t.Context(), []byte(c.raw)); !errors.As(err, &refused) || refused.Status != c.status {
			t.Errorf("%s: %v, want status %d", name, err, c.status)
		}
	}
	b.run()
	if len(got) != 1 {
		t.Errorf("hooks got %q", got)
	}
}

func TestTheDeleteOfAnActorWhoseKeyIsGoneIsProvedByItsServer(t *testing.T) {
	t.Parallel()
	for _, there := range []bool{false, true} {
		b := newBench(t, func(c *inbox.Config) {
			c.Verifier = goneVerifier{}
		})
		b.peers.known[bob] = true
		if there {
			b.peers.docs[bob] = `{"id":"` + bob + `","type":"Person","inbox":"` + bob + `/inbox"}`
		}
		if status := b.post(bob, act("Delete", bob+"#delete", bob, bob)); status != 202 {
			t.Fatalf("status %d", status)
		}
		b.run()
		if deleted := len(b.peers.gone) == 1; deleted == there {
			t.Errorf("its server shows it: %v, deleted: %v", there, deleted)
		}
		if status := b.post(bob, act("Follow", bob+"#f", bob, alice)); status != 401 {
			t.Errorf("a Follow of who is gone: status %d", status)
		}
	}
}
