package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/inbox"
)

// all lets one func stand for every hook.
func all(h inbox.Hook) inbox.Hooks {
	return inbox.Hooks{
		Follow: h, Unfollow: h, Accepted: h, Rejected: h, Create: h, Update: h, Delete: h, Like: h, React: h, Announce: h,
		Vote: h, Quote: h, Block: h, Add: h, Remove: h, Undo: h, Move: h, Flag: h, Other: h,
	}
}

func TestEachTypeReachesItsHookAndNoOther(t *testing.T) {
	t.Parallel()
	mine := here + "/ap/objects/1"
	note := func(more ...any) object {
		o := object{"id": there + "/n/1", "type": "Note", "attributedTo": bob, "content": "x"}
		for i := 0; i+1 < len(more); i += 2 {
			o[more[i].(string)] = more[i+1]
		}
		return o
	}
	for hook, body := range map[string]string{
		"Follow":   act("Follow", there+"/a/1", bob, alice),
		"Unfollow": act("Undo", there+"/a/1", bob, object{"type": "Follow", "actor": bob, "object": alice}),
		"Accepted": act("Accept", there+"/a/1", bob, object{"type": "Follow", "actor": alice, "object": bob}),
		"Rejected": act("Reject", there+"/a/1", bob, here+"/ap/activities/follow"),
		"Create":   act("Create", there+"/a/1", bob, note()),
		"Update":   act("Update", there+"/a/1", bob, note()),
		"Delete":   act("Delete", there+"/a/1", bob, there+"/n/1"),
		"Like":     act("Like", there+"/a/1", bob, mine),
		"React":    act("Like", there+"/a/1", bob, mine, "content", "🎉"),
		"Announce": act("Announce", there+"/a/1", bob, mine),
		"Vote":     act("Create", there+"/a/1", bob, object{"id": there + "/v/1", "type": "Note", "name": "yes", "inReplyTo": mine}),
		"Quote":    act("QuoteRequest", there+"/a/1", bob, mine),
		"Block":    act("Block", there+"/a/1", bob, alice),
		"Add":      act("Add", "", bob, note(), "target", bob+"/featured"),
		"Remove":   act("Remove", "", bob, note(), "target", bob+"/featured"),
		"Undo":     act("Undo", there+"/a/1", bob, object{"type": "Like", "actor": bob, "object": mine}),
		"Move":     act("Move", there+"/a/1", bob, bob, "target", mallory),
		"Flag":     act("Flag", there+"/a/1", bob, []string{alice, mine}),
		"Other":    act("Sneeze", there+"/a/1", bob, mine),
	} {
		t.Run(hook, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var ran []string
			note := func(name string) inbox.Hook {
				return func(context.Context, *inbox.Message) error {
					mu.Lock()
					defer mu.Unlock()
					ran = append(ran, name)
					return nil
				}
			}
			b := newBench(t, func(c *inbox.Config) {
				c.Hooks = inbox.Hooks{
					Follow: note("Follow"), Unfollow: note("Unfollow"), Accepted: note("Accepted"), Rejected: note("Rejected"),
					Create: note("Create"), Update: note("Update"), Delete: note("Delete"), Like: note("Like"), React: note("React"),
					Announce: note("Announce"), Vote: note("Vote"), Quote: note("Quote"), Block: note("Block"), Add: note("Add"),
					Remove: note("Remove"), Undo: note("Undo"), Move: note("Move"), Flag: note("Flag"), Other: note("Other"),
				}
			})
			b.book.asked[alice+" "+bob] = true
			b.book.asked[here+"/ap/activities/follow"] = true
			b.peers.docs[mallory] = `{"id":"` + mallory + `","type":"Person","inbox":"` + mallory + `/inbox","alsoKnownAs":["` + bob + `"]}`
			if got := b.post(bob, body); got != 202 {
				t.Fatalf("status %d", got)
			}
			b.run()
			if !slices.Equal(ran, []string{hook}) {
				t.Errorf("ran %q", ran)
			}
		})
	}
}

func TestAFollowIsAnsweredAsTheHookDecides(t *testing.T) {
	t.Parallel()
	id := there + "/f/1"
	says := func(err error) inbox.Hook { return func(context.Context, *inbox.Message) error { return err } }
	kept := "followed " + bob + " " + alice + " " + id + " pending=false"
	accepted := "Accept " + id + " to " + bob + " from " + alice
	for _, c := range []struct {
		name, of string
		hook     inbox.Hook
		want     []string
	}{
		{"no hook", alice, nil, []string{kept, accepted}},
		{"a hook that does not mind", alice, says(nil), []string{kept, accepted}},
		{"a hook that refuses", alice, says(fmt.Errorf("no: %w", inbox.ErrRefuse)), []string{"unfollowed " + bob + " " + alice, "Reject " + id + " to " + bob + " from " + alice}},
		{"a hook that waits", alice, says(inbox.ErrPending), []string{"followed " + bob + " " + alice + " " + id + " pending=true"}},
		{"a hook that drops", alice, says(inbox.ErrDrop), nil},
		{"an actor that approves by hand", locky, nil, []string{"followed " + bob + " " + locky + " " + id + " pending=true"}},
		{"a hook for an actor that approves by hand", locky, says(nil), []string{"followed " + bob + " " + locky + " " + id + " pending=false", "Accept " + id + " to " + bob + " from " + locky}},
		{"somebody who is not here", here + "/ap/users/nobody", nil, nil},
		{"somebody elsewhere", mallory, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, func(conf *inbox.Config) { conf.Hooks.Follow = c.hook })
			b.post(bob, act("Follow", id, bob, c.of))
			b.run()
			if got := b.book.all(); !slices.Equal(got, c.want) {
				t.Errorf("got %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestAnAnswerThatNobodyAskedForHasNoEffect(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *inbox.Config) {
		c.Hooks = all(func(_ context.Context, m *inbox.Message) error {
			t.Errorf("a hook ran for %s", m.Activity.Type)
			return nil
		})
	})
	b.post(bob, act("Accept", there+"/a/1", bob, object{"type": "Follow", "actor": alice, "object": bob}))
	b.post(bob, act("Accept", there+"/a/2", bob, here+"/ap/activities/invented"))
	b.post(bob, act("Reject", there+"/a/3", bob, here+"/ap/activities/invented"))
	b.run()
	if got := b.book.all(); len(got) != 0 {
		t.Errorf("got %q", got)
	}
}

func TestAFollowMayComeAgainUnderItsIDAfterItsUndo(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	follow := act("Follow", there+"/follows/bob/alice", bob, alice)
	undo := act("Undo", there+"/follows/bob/alice/undo", bob, object{"id": there + "/follows/bob/alice", "type": "Follow", "actor": bob, "object": alice})
	for range 2 {
		b.post(bob, follow)
		b.post(bob, follow)
		b.run()
		b.post(bob, undo)
		b.run()
	}
	var followed, unfollowed int
	for _, line := range b.book.all() {
		if strings.HasPrefix(line, "followed ") {
			followed++
		}
		if strings.HasPrefix(line, "unfollowed ") {
			unfollowed++
		}
	}
	if followed != 2 || unfollowed != 2 {
		t.Errorf("followed %d times and unfollowed %d times, want 2 and 2: %q", followed, unfollowed, b.book.all())
	}
}

func TestAHookThatFailsRunsAgainAndOneThatPanicsToo(t *testing.T) {
	t.Parallel()
	runs := 0
	b := newBench(t, func(c *inbox.Config) {
		c.Hooks.Like = func(context.Context, *inbox.Message) error {
			switch runs++; runs {
			case 1:
				return errors.New("database is away")
			case 2:
				panic("what is this")
			}
			return nil
		}
	})
	b.post(bob, act("Like", there+"/a/1", bob, here+"/ap/objects/1"))
	b.run()
	if runs != 3 {
		t.Errorf("ran %d times, want 3", runs)
	}
}

func TestWhatFailsTooLongIsADeadLetter(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *inbox.Config) {
		c.GiveUp = time.Nanosecond
		c.Hooks.Like = func(context.Context, *inbox.Message) error { return errors.New("never") }
	})
	body := act("Like", there+"/a/1", bob, here+"/ap/objects/1")
	b.post(bob, body)
	b.run()
	dead, err := b.Shelved(t.Context(), inbox.DeadLetters, 0, 10)
	if err != nil || len(dead) != 1 {
		t.Fatalf("dead letters: %v, %v", dead, err)
	}
	if string(dead[0].Body) != body || dead[0].LastError != "never" || dead[0].Attempts != 1 {
		t.Errorf("dead letter %+v", dead[0])
	}
}

func TestActivitiesAboutOneObjectRunInOrderAndOthersMeanwhile(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var order []string
	failed := false
	other := make(chan struct{})
	b := newBench(t, func(c *inbox.Config) {
		hook := func(ctx context.Context, m *inbox.Message) error {
			mu.Lock()
			defer mu.Unlock()
			if m.ObjectID == there+"/n/2" {
				close(other)
				return nil
			}
			if m.Activity.Is("Create") && !failed {
				failed = true
				return errors.New("not now")
			}
			order = append(order, m.Activity.Type.String())
			return nil
		}
		c.Hooks = inbox.Hooks{Create: hook, Update: hook, Delete: hook}
		c.Backoff = func(int) time.Duration { return 50 * time.Millisecond }
	})
	note := func(id string) object { return object{"id": id, "type": "Note", "attributedTo": bob} }
	b.post(bob, act("Create", there+"/a/1", bob, note(there+"/n/1")))
	b.post(bob, act("Update", there+"/a/2", bob, note(there+"/n/1")))
	b.post(bob, act("Delete", there+"/a/3", bob, there+"/n/1"))
	b.post(bob, act("Create", there+"/a/4", bob, note(there+"/n/2")))
	b.run()
	if want := []string{"Create", "Update", "Delete"}; !slices.Equal(order, want) {
		t.Errorf("ran %q, want %q", order, want)
	}
	select {
	case <-other:
	default:
		t.Error("the other object's hook did not run")
	}
}

func TestAMessageSaysWhomItConcerns(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, body string
		to         []string
		followers  bool
	}{
		{"addressed", act("Create", there+"/a/1", bob, object{"id": there + "/n/1", "to": []string{alice}}), []string{alice}, false},
		{"mentioned", act("Create", there+"/a/1", bob, object{"id": there + "/n/1", "tag": object{"type": "Mention", "href": locky}}), []string{locky}, false},
		{"answered", act("Create", there+"/a/1", bob, object{"id": there + "/n/1", "inReplyTo": here + "/ap/objects/1"}), []string{alice}, false},
		{"liked", act("Like", there+"/a/1", bob, here+"/ap/objects/1"), []string{alice}, false},
		{"public", act("Create", there+"/a/1", bob, object{"id": there + "/n/1"}, "to", "as:Public"), nil, true},
		{"for followers", act("Create", there+"/a/1", bob, object{"id": there + "/n/1"}, "cc", []string{bob + "/followers"}), nil, true},
		{"nobody here", act("Create", there+"/a/1", bob, object{"id": there + "/n/1", "to": []string{mallory, here + "/ap/users/nobody"}}), nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var got *inbox.Message
			b := newBench(t, func(conf *inbox.Config) {
				conf.Hooks = all(func(_ context.Context, m *inbox.Message) error { got = m; return nil })
			})
			b.post(bob, c.body)
			b.run()
			if got == nil {
				t.Fatal("no hook ran")
			}
			if !slices.Equal(got.To, c.to) || got.ToFollowers != c.followers || got.More {
				t.Errorf("To %q, More %v, ToFollowers %v; want %q, %v", got.To, got.More, got.ToFollowers, c.to, c.followers)
			}
			if string(got.Body) != c.body || got.Sender != bob {
				t.Errorf("Body or Sender differs: %s", got.Body)
			}
		})
	}
}

func TestAPersonalInboxConcernsItsOwner(t *testing.T) {
	t.Parallel()
	var got *inbox.Message
	b := newBench(t, func(c *inbox.Config) {
		c.Hooks.Create = func(_ context.Context, m *inbox.Message) error { got = m; return nil }
	})
	b.postTo("/ap/users/alice/inbox", bob, act("Create", there+"/a/1", bob, object{"id": there + "/n/1"}), b.Personal(alice))
	b.run()
	if got == nil || got.Owner != alice || !slices.Equal(got.To, []string{alice}) {
		t.Errorf("message %+v", got)
	}
}

func TestAnObjectThatIsOnlyNamedIsFetchedFromItsServer(t *testing.T) {
	t.Parallel()
	var got []activity.Document
	b := newBench(t, func(c *inbox.Config) {
		c.Hooks.Create = func(_ context.Context, m *inbox.Message) error { got = append(got, m.Object); return nil }
	})
	b.peers.docs[there+"/n/1"] = `{"id":"` + there + `/n/1","type":"Note","attributedTo":"` + bob + `","content":"fetched"}`
	b.peers.docs[there+"/n/2"] = `{"id":"` + there + `/n/2","type":"Note","attributedTo":"` + eve + `"}`
	for i := range 3 {
		b.post(bob, act("Create", fmt.Sprintf("%s/a/%d", there, i+1), bob, fmt.Sprintf("%s/n/%d", there, i+1)))
	}
	b.run()
	if len(got) != 1 || got[0].DocumentID() != there+"/n/1" {
		t.Errorf("the hook got %v; want only the one that is bob's and there", got)
	}
}

func TestAnActorsOwnUpdateAndDeleteReplaceWhatIsKnownOfIt(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.peers.known[bob] = true
	b.post(bob, act("Update", there+"/a/1", bob, object{"id": bob, "type": "Person", "inbox": bob + "/inbox"}))
	b.post(bob, act("Delete", there+"/a/2", bob, bob))
	b.run()
	if !slices.Equal(b.peers.updated, []string{bob}) || !slices.Equal(b.peers.gone, []string{bob}) {
		t.Errorf("updated %q, gone %q", b.peers.updated, b.peers.gone)
	}
	if got := b.book.all(); !slices.Equal(got, []string{"forgotten " + bob}) {
		t.Errorf("relations: %q", got)
	}
}

func TestABlockEndsBothDirections(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.book.asked[alice+" "+bob] = true
	b.post(bob, act("Block", there+"/a/1", bob, alice))
	b.run()
	want := []string{"unfollowed " + bob + " " + alice, "answered " + alice + " " + bob + " accepted=false"}
	if got := b.book.all(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestStoppingInsideAHookRunsItAgain(t *testing.T) {
	t.Parallel()
	runs := make(chan int, 2)
	n := 0
	b := newBench(t, func(c *inbox.Config) {
		c.Hooks.Like = func(ctx context.Context, _ *inbox.Message) error {
			n++
			runs <- n
			if n == 1 {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}
	})
	b.post(bob, act("Like", there+"/a/1", bob, here+"/ap/objects/1"))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	<-runs
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	b.run()
	if got := <-runs; got != 2 {
		t.Errorf("run %d", got)
	}
}

func TestASecondRunIsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 2)
	go func() { done <- b.Run(ctx) }()
	go func() { done <- b.Run(ctx) }()
	if err := <-done; !errors.Is(err, inbox.ErrRunning) {
		t.Errorf("Run = %v, want ErrRunning", err)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestWhatLocalActorsSayToEachOtherNeedsNoSignature(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	if err := b.Deliver(t.Context(), alice, []byte(act("Follow", here+"/ap/activities/1", alice, locky))); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{act("Follow", there+"/f/1", bob, alice), "{"} {
		var refused *inbox.Refusal
		if err := b.Deliver(t.Context(), alice, []byte(bad)); !errors.As(err, &refused) {
			t.Errorf("Deliver(%s) = %v, want a Refusal", bad, err)
		}
	}
	b.run()
	if got := b.book.all(); len(got) != 1 || !strings.HasPrefix(got[0], "followed "+alice+" "+locky) {
		t.Errorf("got %q", got)
	}
}
