package fedihook_test

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/inbox/inboxtest"
	"github.com/fedihook/fedihook/outbox"
	"github.com/fedihook/fedihook/storage"
)

const alice = "https://blog.example/ap/users/alice"

// fediverse is an app at blog.example in a network with bob of there.example.
type fediverse struct {
	*fedihook.Server
	net   *inboxtest.Net
	there *inboxtest.Server
	bob   *inboxtest.Actor

	mu     sync.Mutex
	heard  []*inbox.Message
	told   []inbox.Message // by Hooks.Leave, Hooks.Quote and Hooks.Request
	answer error           // of the latter two
	ended  []outbox.Ended
}

// madeOnce keeps the keys of alice and the site: making them takes longer than most of these tests.
var madeOnce = sync.OnceValue(func() actor.Keys { return storage.Memory().Keys })

// inFediverse runs f in a bubble, with an app whose hooks note what they hear.
func inFediverse(t *testing.T, f func(t *testing.T, v *fediverse)) {
	t.Helper()
	inFediverseWith(t, func(*fedihook.Config) {}, f)
}

func inFediverseWith(t *testing.T, change func(*fedihook.Config), f func(t *testing.T, v *fediverse)) {
	t.Helper()
	keys := madeOnce()
	synctest.Test(t, func(t *testing.T) {
		n := inboxtest.NewNet(t)
		v := &fediverse{net: n, there: n.Server("there.example"), bob: n.Server("there.example").Actor("bob")}
		var err error
		h, store := v.hear, storage.Memory()
		store.Keys = keys
		c := fedihook.Config{
			Origin: "https://blog.example", Storage: store, InsecureDial: n.Dial, RootCAs: n.RootCAs(), Logger: slog.New(slog.DiscardHandler),
			Profile: func(_ context.Context, handle string) (actor.Profile, error) {
				if handle != "alice" {
					return actor.Profile{}, actor.ErrNotFound
				}
				return actor.Profile{Handle: handle}, nil
			},
			Hooks: inbox.Hooks{
				Follow: h, Unfollow: h, Accepted: h, Rejected: h, Create: h, Update: h, Delete: h, Like: h, React: h, Announce: h, Vote: h,
				Block: h, Add: h, Remove: h, Undo: h, Move: h, Flag: h, Other: h,
				Quote: v.ask, Request: v.ask, Leave: v.ask,
			},
			Ended: func(_ context.Context, e outbox.Ended) {
				v.mu.Lock()
				defer v.mu.Unlock()
				v.ended = append(v.ended, e)
			},
		}
		change(&c)
		v.Server, err = fedihook.New(c)
		if err != nil {
			t.Fatal(err)
		}
		n.Serve("blog.example", v.Handler())
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- v.Run(ctx) }()
		t.Cleanup(func() {
			stop()
			if err := <-done; err != nil {
				t.Errorf("Run = %v", err)
			}
		})
		f(t, v)
	})
}

func (v *fediverse) hear(_ context.Context, m *inbox.Message) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.heard = append(v.heard, m)
	return nil
}

// ask is what the app says to who asks for leave.
func (v *fediverse) ask(_ context.Context, m *inbox.Message) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.told = append(v.told, *m)
	return v.answer
}

// times counts the messages of a type about an object.
func (v *fediverse) times(typ, objectID string) (n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, m := range v.heard {
		if m.Activity.Is(typ) && m.ObjectID == objectID {
			n++
		}
	}
	return n
}

// followed makes bob a follower of alice.
func (v *fediverse) followed(t *testing.T) {
	t.Helper()
	if got := v.bob.Follow(alice); got != http.StatusAccepted {
		t.Fatalf("the Follow was answered %d", got)
	}
	v.there.Wait("Accept")
}

// publish has alice write something, and waits until others can read it, which is when Run has taken it over.
func (v *fediverse) publish(t *testing.T) string {
	t.Helper()
	id, err := v.Publish(t.Context(), "alice", &activity.Object{Content: "<p>hello</p>"})
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, id, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", activity.ContentType)
	client := v.net.Client()
	defer client.CloseIdleConnections()
	v.net.Until("the post is served", func() bool {
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return id
}

// statuses lists how POSTs to bob's server were answered.
func (v *fediverse) statuses() (out []int) {
	for _, r := range v.there.Requests() {
		if r.Method == http.MethodPost {
			out = append(out, r.Status)
		}
	}
	return out
}

func TestEveryVerbOfAFakeServerReachesItsHook(t *testing.T) {
	t.Parallel()
	inFediverse(t, func(t *testing.T, v *fediverse) {
		bob := v.bob
		v.followed(t)
		if _, err := v.Follow(t.Context(), "alice", bob.ID()); err != nil {
			t.Fatal(err)
		}
		v.there.Wait("Follow")
		post := v.publish(t)
		v.there.Wait("Create")
		poll := &activity.Object{Content: "<p>Which?</p>"}
		poll.SetPoll(activity.Poll{Options: []activity.Option{{Name: "this"}, {Name: "that"}}})
		question, err := v.Publish(t.Context(), "alice", poll)
		if err != nil {
			t.Fatal(err)
		}
		note, reply, mention, direct := bob.Note("<p>1</p>"), bob.Reply(post, "<p>2</p>"), bob.Mention(alice, "<p>3</p>"), bob.Direct(alice, "<p>4</p>")
		private, asked, vote := bob.Private("<p>5</p>"), bob.Poll("<p>6</p>", "a", "b"), bob.Vote(question, "this")
		other := v.net.Server("other.example").Actor("bob")
		other.Alias(bob.ID())
		for _, c := range []struct {
			typ, object string
			status      func() int
		}{
			{"Accept", "", func() int { return bob.Accept(alice) }},
			{"Create", note.ID, func() int { return bob.Create(note) }},
			{"Create", reply.ID, func() int { return bob.Create(reply) }},
			{"Create", mention.ID, func() int { return bob.Create(mention) }},
			{"Create", direct.ID, func() int { return bob.Create(direct) }},
			{"Create", private.ID, func() int { return bob.Create(private) }},
			{"Create", asked.ID, func() int { return bob.Create(asked) }},
			{"Create", vote.ID, func() int { return bob.Create(vote) }},
			{"Update", note.ID, func() int { note.Content = "<p>1b</p>"; return bob.Update(note) }},
			{"Like", post, func() int { return bob.Like(post) }},
			{"Announce", post, func() int { return bob.Announce(post) }},
			{"Undo", "", func() int { return bob.Undo("Announce", post) }},
			{"Add", note.ID, func() int { return bob.Add(note.ID) }},
			{"Remove", note.ID, func() int { return bob.Remove(note.ID) }},
			{"Flag", alice, func() int { return bob.Flag(alice, "rude", post) }},
			{"Delete", note.ID, func() int { return bob.Delete(note.ID) }},
			{"Update", bob.ID(), func() int { return bob.UpdateSelf(func(doc *activity.Actor) { doc.Name = "Bob" }) }},
			{"Travel", post, func() int {
				return bob.Send(&activity.Activity{Type: activity.Types{"Travel"}, Object: activity.Refs{activity.IRI(post)}}, alice)
			}},
			{"Move", bob.ID(), func() int { return bob.Move(other.ID()) }},
			{"Reject", "", func() int { other.Server().Wait("Follow"); return other.Reject(alice) }}, // whom alice follows after the Move
			{"Undo", "", func() int { return bob.Undo("Follow", alice) }},
			{"Block", alice, func() int { return bob.Block(alice) }},
			{"Delete", bob.ID(), bob.DeleteSelf},
		} {
			v.mu.Lock()
			before := len(v.heard)
			v.mu.Unlock()
			if got := c.status(); got != http.StatusAccepted {
				t.Errorf("%s of %s: %d", c.typ, c.object, got)
				continue
			}
			v.net.Until(c.typ+" of "+c.object, func() bool {
				v.mu.Lock()
				defer v.mu.Unlock()
				return slices.ContainsFunc(v.heard[before:], func(m *inbox.Message) bool {
					return m.Activity.Is(c.typ) && (c.object == "" || m.ObjectID == c.object)
				})
			})
		}
		if got := bob.With(inboxtest.Manner{Unsigned: true}).Like(post); got != http.StatusUnauthorized {
			t.Errorf("unsigned: %d", got)
		}
	})
}

// TestAMessageMadeForATestIsWhatAHookGets compares inboxtest.Message with what comes in over the network.
func TestAMessageMadeForATestIsWhatAHookGets(t *testing.T) {
	t.Parallel()
	inFediverse(t, func(t *testing.T, v *fediverse) {
		bob := v.bob
		v.followed(t)
		post := v.publish(t)
		note := bob.Mention(alice, "<p>hello</p>")
		for _, status := range []int{
			bob.Create(note), bob.Update(note), bob.Like(post), bob.Announce(post), bob.Undo("Like", post), bob.Delete(note.ID),
			bob.React(post, "🎉"), bob.Undo("Follow", alice), bob.Create(bob.Direct(alice, "<p>psst</p>")), bob.Flag(alice, "rude"),
		} {
			if status != http.StatusAccepted {
				t.Fatal(status)
			}
		}
		v.net.Until("all hooks", func() bool { v.mu.Lock(); defer v.mu.Unlock(); return len(v.heard) == 11 })
		for _, got := range v.heard {
			made := inboxtest.Message(t, got.Activity, got.To...)
			made.Received, made.Owner = got.Received, got.Owner
			for field, pair := range map[string][2]string{
				"Sender": {made.Sender, got.Sender}, "ObjectID": {made.ObjectID, got.ObjectID}, "By": {made.By.String(), got.By.String()},
				"To": {strings.Join(made.To, " "), strings.Join(got.To, " ")}, "Object": {encode(t, made.Object), encode(t, got.Object)},
				"Body": {string(made.Body), string(got.Body)},
			} {
				if pair[0] != pair[1] {
					t.Errorf("%s of %s is made as %q, and comes as %q", field, got.Activity.Type, pair[0], pair[1])
				}
			}
			if made.ToFollowers != got.ToFollowers || made.More != got.More || made.Featured != got.Featured {
				t.Errorf("%s: made %+v, comes as %+v", got.Activity.Type, made, got)
			}
		}
	})
}

func encode(t *testing.T, doc activity.Document) string {
	t.Helper()
	if doc == nil {
		return ""
	}
	raw, err := activity.Encode(doc)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
