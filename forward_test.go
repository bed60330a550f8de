package fedihook_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/inbox/inboxtest"
)

// forwarding is a fediverse in which eve of far.example and bob of there.example follow alice, and bob answers her.
type forwarding struct {
	*storedFediverse
	far  *inboxtest.Server
	post string // alice's
}

func inForwarding(t *testing.T, change func(*fedihook.Config), f func(t *testing.T, v *forwarding)) {
	t.Helper()
	inStoredFediverse(t, change, func(t *testing.T, v *storedFediverse) {
		far := v.net.Server("far.example")
		v.follows(t, far.Actor("eve"), alice)
		v.follows(t, v.bob, alice)
		f(t, &forwarding{storedFediverse: v, far: far, post: v.say(t, &activity.Object{Content: "<p>what do you think?</p>"})})
	})
}

// got are the activities about an object that came to a server.
func got(s *inboxtest.Server, objectID string) (types []string) {
	for _, d := range s.Received("") {
		if d.Activity.Object.First() == objectID {
			types = append(types, d.Activity.Type.String())
		}
	}
	return types
}

// posts is how often something was posted to a server, taken or not.
func posts(s *inboxtest.Server) (n int) {
	for _, r := range s.Requests() {
		if r.Method == http.MethodPost {
			n++
		}
	}
	return n
}

func TestAReplyIsForwardedToTheFollowersOfWhoIsRepliedTo(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]inboxtest.Manner{"LD signature": {LDSignature: true}, "proof": {Proof: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inForwarding(t, nil, func(t *testing.T, v *forwarding) {
				dora := v.there.Actor("dora")
				v.follows(t, dora, alice) // on the author's own server, which has it
				reply := v.bob.Reply(v.post, "<p>well</p>")
				bob := v.bob.With(m)
				accepted(t, "the reply", bob.Create(reply))
				settle()
				reply.Content = "<p>very well</p>"
				accepted(t, "its edit", bob.Update(reply))
				settle()
				accepted(t, "its end", bob.Delete(reply.ID))
				settle()
				if types := got(v.far, reply.ID); !slices.Equal(types, []string{"Create", "Update", "Delete"}) {
					t.Errorf("far.example got %q", types)
				}
				if types := got(v.there, reply.ID); len(types) != 0 {
					t.Errorf("it came back to where it is from: %q", types)
				}
				for _, d := range v.far.Received("Create") {
					if d.Activity.Object.First() == reply.ID && d.Signed.Owner != alice {
						t.Errorf("signed by %s", d.Signed.Owner)
					}
				}
			})
		})
	}
}

func TestWhatIsForwardedIsTheBytesThatCame(t *testing.T) {
	t.Parallel()
	inForwarding(t, nil, func(t *testing.T, v *forwarding) {
		other := v.net.Server("other.example").Actor("olga")
		reply := v.bob.Reply(v.post, "<p>well</p>")
		accepted(t, "the reply", v.bob.With(inboxtest.Manner{LDSignature: true, To: []string{other.ID()}}).Create(reply))
		settle()
		sent := other.Server().Wait("Create")
		for _, d := range v.far.Received("Create") {
			if d.Activity.Object.First() == reply.ID && !bytes.Equal(d.Body, sent.Body) {
				t.Errorf("forwarded\n%s\nof\n%s", d.Body, sent.Body)
			}
		}
		if len(got(v.far, reply.ID)) != 1 {
			t.Error("it was not forwarded")
		}
	})
}

func TestWhatIsNotForwarded(t *testing.T) {
	t.Parallel()
	inForwarding(t, nil, func(t *testing.T, v *forwarding) {
		private := v.say(t, &activity.Object{Content: "<p>psst</p>", To: activity.To(activity.Followers), CC: activity.To(v.bob.ID())})
		signed := v.bob.With(inboxtest.Manner{LDSignature: true, To: []string{alice}})
		proved := v.bob.With(inboxtest.Manner{Proof: true, To: []string{alice}})
		reply := func(to string, change func(o *activity.Object)) *activity.Object {
			o := v.bob.Note("<p>well</p>")
			o.InReplyTo = activity.IRI(to)
			if change != nil {
				change(o)
			}
			return o
		}
		for name, c := range map[string]struct {
			by *inboxtest.Actor
			o  *activity.Object
		}{
			"what proves nothing to others": {v.bob.With(inboxtest.Manner{To: []string{alice}}), reply(v.post, nil)},
			"a reply for followers":         {proved, reply(v.post, func(o *activity.Object) { o.To, o.CC = activity.To(v.bob.ID()+"/followers"), nil })},
			"a direct reply":                {proved, reply(v.post, func(o *activity.Object) { o.To, o.CC = activity.To(alice), nil })},
			"a reply to what is for few":    {signed, reply(private, nil)},
			"a reply to somebody else":      {signed, reply("https://else.example/1", nil)},
			"a reply to what is not there":  {signed, reply("https://blog.example/ap/objects/none", nil)},
			"what is no reply":              {signed, v.bob.Mention(alice, "<p>hello</p>")},
			"alice's followers, about nothing of hers": {v.bob.With(inboxtest.Manner{Proof: true, To: []string{alice}, Personal: true}), reply("https://else.example/1", func(o *activity.Object) {
				o.CC = append(o.CC, activity.IRI(aliceGroup))
			})},
		} {
			before := posts(v.far)
			c.by.Create(c.o)
			settle()
			if n := posts(v.far) - before; n != 0 {
				t.Errorf("%s: %d", name, n)
			}
			c.by.Delete(c.o.ID)
			settle()
			if n := posts(v.far) - before; n != 0 {
				t.Errorf("%s: the Delete of what was not forwarded: %d", name, n)
			}
		}
		// Somebody else of the same server can't have forwarded what becomes of a reply.
		o := reply(v.post, nil)
		signed.Create(o)
		settle()
		v.there.Actor("dora").With(inboxtest.Manner{LDSignature: true, To: []string{alice}}).Send(activity.Delete(v.there.Origin()+"/users/dora/d",
			&activity.Object{ID: o.ID, AttributedTo: activity.Refs{activity.IRI(v.there.Origin() + "/users/dora")}, To: activity.To(activity.Public)}, time.Now()))
		settle()
		if types := got(v.far, o.ID); !slices.Equal(types, []string{"Create"}) {
			t.Errorf("after another one's Delete: %q", types)
		}
	})
}

// ActivityPub §7.1.2: whom it is addressed to by a collection of ours, and nobody else.
func TestWhatIsAddressedToFollowersHereIsForwardedToThem(t *testing.T) {
	t.Parallel()
	inForwarding(t, nil, func(t *testing.T, v *forwarding) {
		v.follows(t, v.net.Server("else.example").Actor("fred"), carol)
		reply := v.bob.Note("<p>for alice's followers</p>")
		reply.InReplyTo, reply.To, reply.CC = activity.IRI(v.post), activity.To(aliceGroup), activity.To(alice)
		accepted(t, "the reply", v.bob.With(inboxtest.Manner{Proof: true}).Create(reply))
		settle()
		if types := got(v.far, reply.ID); len(types) != 1 {
			t.Errorf("far.example got %q", types)
		}
		if types := got(v.net.Server("else.example"), reply.ID); len(types) != 0 {
			t.Errorf("carol's followers got %q", types)
		}
	})
}

func TestAReplyIsForwardedOnceHoweverItComes(t *testing.T) {
	t.Parallel()
	var failed atomic.Bool
	inForwarding(t, func(c *fedihook.Config) {
		hear := c.Hooks.Create
		c.Hooks.Create = func(ctx context.Context, m *inbox.Message) error {
			if failed.CompareAndSwap(false, true) { // it runs again, as after a crash
				return errors.New("not now")
			}
			return hear(ctx, m)
		}
	}, func(t *testing.T, v *forwarding) {
		reply := v.bob.Reply(v.post, "<p>well</p>")
		other := v.net.Server("other.example").Actor("olga")
		bob := v.bob.With(inboxtest.Manner{LDSignature: true, To: []string{other.ID()}})
		accepted(t, "the reply", bob.Create(reply))
		bob.Replay()
		body := other.Server().Wait("Create").Body
		accepted(t, "what is forwarded to us", other.Post(ourInbox, body)) // as a loop between two servers does
		accepted(t, "what is forwarded to alice", other.Post(alice+"/inbox", body))
		time.Sleep(time.Minute)
		if types := got(v.far, reply.ID); len(types) != 1 {
			t.Errorf("far.example got %q", types)
		}
		if types := got(other.Server(), reply.ID); len(types) != 1 {
			t.Errorf("other.example, which forwards, got %q", types)
		}
	})
}

func TestNothingIsForwardedWhereTheAppDoesNotWantThat(t *testing.T) {
	t.Parallel()
	inForwarding(t, func(c *fedihook.Config) { c.NoForwarding = true }, func(t *testing.T, v *forwarding) {
		reply := v.bob.Reply(v.post, "<p>well</p>")
		accepted(t, "the reply", v.bob.With(inboxtest.Manner{LDSignature: true}).Create(reply))
		settle()
		if types := got(v.far, reply.ID); len(types) != 0 {
			t.Errorf("far.example got %q", types)
		}
	})
	inForwarding(t, func(c *fedihook.Config) {
		c.Hooks.Create = func(context.Context, *inbox.Message) error { return inbox.ErrDrop }
	}, func(t *testing.T, v *forwarding) {
		reply := v.bob.Reply(v.post, "<p>spam</p>")
		accepted(t, "the reply", v.bob.With(inboxtest.Manner{LDSignature: true}).Create(reply))
		settle()
		if types := got(v.far, reply.ID); len(types) != 0 {
			t.Errorf("far.example got %q of what the hook dropped", types)
		}
	})
}

func TestOneHostCannotHaveUsForwardWithoutEnd(t *testing.T) {
	t.Parallel()
	inForwarding(t, nil, func(t *testing.T, v *forwarding) {
		bob := v.bob.With(inboxtest.Manner{Proof: true, To: []string{alice}})
		for i := range 70 {
			o := v.bob.Note(fmt.Sprint(i))
			o.InReplyTo = activity.IRI(v.post)
			bob.Create(o)
		}
		settle()
		if n := count(v.far, "Create", "") - 1; n < 50 || n > 60 {
			t.Errorf("%d forwarded", n)
		}
	})
}

// Whoever has a domain has as many hosts as they like.
func TestManyHostsCannotHaveUsForwardWithoutEnd(t *testing.T) {
	dear(t)
	t.Parallel()
	inForwarding(t, nil, func(t *testing.T, v *forwarding) {
		for host := range 7 {
			sue := v.net.Server(fmt.Sprintf("s%d.spam.example", host)).Actor("sue")
			proved := sue.With(inboxtest.Manner{Proof: true, To: []string{alice}})
			for i := range 50 {
				o := sue.Note(fmt.Sprint(i))
				o.InReplyTo = activity.IRI(v.post)
				accepted(t, "a reply", proved.Create(o))
			}
		}
		settle()
		if n := count(v.far, "Create", "") - 1; n < 250 || n > 300 {
			t.Errorf("%d forwarded", n)
		}
	})
}

// What we say in reply goes to who is replied to, with a signature by which it can be forwarded from there, and so does what becomes
// of it.
func TestOurRepliesCanBeForwarded(t *testing.T) {
	t.Parallel()
	inForwarding(t, withLD, func(t *testing.T, v *forwarding) {
		olga := v.net.Server("other.example").Actor("olga")
		parent := olga.Note("<p>what do you think?</p>")
		olga.Server().Put(parent)
		reply := &activity.Object{Content: "<p>well</p>"}
		reply.ReplyTo(parent, olga.Handle())
		reply.Address(activity.VisibilityPublic, activity.Followers)
		id := v.say(t, reply)
		if _, err := v.Update(t.Context(), "alice", &activity.Object{ID: id, Content: "<p>very well</p>", InReplyTo: activity.IRI(parent.ID)}); err != nil {
			t.Fatal(err)
		}
		settle()
		if _, err := v.Delete(t.Context(), "alice", id); err != nil {
			t.Fatal(err)
		}
		settle()
		if types := got(olga.Server(), id); !slices.Equal(types, []string{"Create", "Update", "Delete"}) {
			t.Errorf("olga got %q", types)
		}
		for _, d := range olga.Server().Received("") {
			if d.Activity.Object.First() == id && !bytes.Contains(d.Body, []byte(`"RsaSignature2017"`)) {
				t.Errorf("not to be forwarded: %s", d.Body)
			}
		}
	})
}

func TestAReplyToANeighbourGoesToTheNeighboursFollowers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*fedihook.Config)
		to     activity.Audience
		want   []string
	}{
		"public":        {nil, activity.To(activity.Public), []string{"Create", "Update", "Delete"}},
		"for followers": {nil, activity.To(activity.Followers), nil},
		"switched off":  {func(c *fedihook.Config) { c.NoForwarding = true }, activity.To(activity.Public), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inForwarding(t, c.change, func(t *testing.T, v *forwarding) {
				id, err := v.Publish(t.Context(), "carol", &activity.Object{Content: "<p>well</p>", InReplyTo: activity.IRI(v.post), To: c.to})
				if err != nil {
					t.Fatal(err)
				}
				settle()
				edit := &activity.Object{ID: id, Content: "<p>very well</p>", InReplyTo: activity.IRI(v.post), To: c.to}
				if _, err := v.Update(t.Context(), "carol", edit); err != nil {
					t.Fatal(err)
				}
				settle()
				if _, err := v.Except("there.example").Delete(t.Context(), "carol", id); err != nil {
					t.Fatal(err)
				}
				settle()
				if types := got(v.far, id); !slices.Equal(types, c.want) {
					t.Errorf("a follower of alice got %q", types)
				}
				if types := got(v.there, id); len(types) != max(0, len(c.want)-1) {
					t.Errorf("who is left out of the end got %q", types)
				}
			})
		})
	}
}

func TestWhenLeaveIsTakenBackWhoGotTheQuoteIsShown(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		manner inboxtest.Manner
		to     []string
		change func(*fedihook.Config)
		far    bool // is shown
		olga   bool
	}{
		"with a proof":                  {inboxtest.Manner{Proof: true}, []string{activity.Public}, nil, true, true},
		"with an LD signature":          {inboxtest.Manner{LDSignature: true}, []string{activity.Public}, nil, true, true},
		"with neither":                  {inboxtest.Manner{}, []string{activity.Public}, nil, false, false},
		"of a quote that was for few":   {inboxtest.Manner{Proof: true}, nil, nil, false, true},
		"where nothing is to forwarded": {inboxtest.Manner{Proof: true}, []string{activity.Public}, func(c *fedihook.Config) { c.NoForwarding = true }, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inForwarding(t, c.change, func(t *testing.T, v *forwarding) {
				olga := v.net.Server("other.example").Actor("olga")
				bobs := v.bob.Note("<p>mine</p>")
				v.there.Put(bobs)
				o := &activity.Object{Content: "<p>look</p>", To: activity.To(append(c.to, v.bob.ID(), olga.ID())...), Quote: activity.IRI(bobs.ID)}
				if len(c.to) > 0 {
					o.CC = activity.To(activity.Followers)
				}
				v.say(t, o)
				settle()
				stamp, status := v.grants(v.there.Wait("QuoteRequest").Activity, nil)
				accepted(t, "the Accept", status)
				doc := activity.QuoteAuthorization(stamp, v.bob.ID(), "", bobs.ID)
				manner := c.manner
				gone := v.net.Server("witness.example").Actor("wim") // who gets what bob sends from himself
				manner.To = []string{gone.ID()}
				accepted(t, "the Delete", v.bob.With(manner).Send(&activity.Activity{
					Type: activity.Types{"Delete"}, Object: activity.Refs{activity.Embed(doc)}, To: activity.To(activity.Public),
				}, alice))
				settle()
				want := gone.Server().Wait("Delete").Body
				for what, s := range map[string]*inboxtest.Server{"far": v.far, "olga": olga.Server(), "there": v.there} {
					shown := false
					for _, d := range s.Received("Delete") {
						shown = shown || bytes.Equal(d.Body, want)
					}
					if yes := map[string]bool{"far": c.far, "olga": c.olga}[what]; shown != yes {
						t.Errorf("%s is shown the Delete: %v", what, shown)
					}
				}
			})
		})
	}
}
