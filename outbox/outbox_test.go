package outbox_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/outbox"
	"github.com/fedihook/fedihook/storage"
)

func TestACreateIsCompletedAndGoesToFollowersAndNamedActors(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.followers = []outbox.Target{{Inbox: eve + "/inbox", SharedInbox: "https://there.example/inbox"}}
	post := here + "/ap/objects/1"
	create := note(post, func(o *activity.Object) {
		o.To, o.CC = activity.To(activity.Public), activity.To(activity.Followers, bob)
	})
	create.BCC = activity.To(dave)
	id := b.say(create)
	b.work()
	d, a := b.only(id)
	if want := []string{dave + "/inbox", bob + "/inbox"}; !slices.Equal(inboxes(d.to), want) { // bob shares his with eve
		t.Errorf("to %q, want %q", inboxes(d.to), want)
	}
	if d.Sender != alice || d.Key != post || d.Type != "Create" || time.Until(d.Expires) > 3*24*time.Hour {
		t.Errorf("delivery %+v", d.Delivery)
	}
	if strings.Contains(string(d.Body), dave) || strings.Contains(string(d.Body), `"followers"]`) {
		t.Errorf("a blind copy or a placeholder is on the wire: %s", d.Body)
	}
	if a.ID != id || a.Actor.ID != alice || !a.To.Has(activity.Public) || !a.CC.Has(alice+"/followers") || !a.CC.Has(bob) || a.Published.IsZero() {
		t.Errorf("activity %s", d.Body)
	}
	doc, err := a.Object[0].Document()
	if err != nil {
		t.Fatal(err)
	}
	o := doc.(*activity.Object)
	if o.AttributedTo.First() != alice || o.Published.IsZero() || !o.To.Has(activity.Public) || !o.CC.Has(alice+"/followers") || string(o.Extra["sensitive"]) != "false" {
		t.Errorf("object %s", d.Body)
	}
}

func TestWithoutAnAudienceAPostIsPublic(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.followers = []outbox.Target{{Inbox: bob + "/inbox"}}
	id := b.say(note(here+"/ap/objects/1", nil))
	b.work()
	_, a := b.only(id)
	if !slices.Equal(a.To.IDs(), []string{activity.Public}) || !slices.Equal(a.CC.IDs(), []string{alice + "/followers"}) {
		t.Errorf("to %v, cc %v", a.To, a.CC)
	}
}

func TestAPrivatePostStaysAmongThoseItNames(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.followers = []outbox.Target{{Inbox: eve + "/inbox"}}
	id := b.say(note(here+"/ap/objects/1", func(o *activity.Object) { o.To = activity.To(bob) }))
	b.work()
	d, _ := b.only(id)
	if !slices.Equal(inboxes(d.to), []string{bob + "/inbox"}) {
		t.Errorf("to %q", inboxes(d.to))
	}
}

func TestSayingTheSameTwiceSendsItOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.followers = []outbox.Target{{Inbox: bob + "/inbox"}}
	first := b.say(note(here+"/ap/objects/1", nil))
	if again := b.say(note(here+"/ap/objects/1", nil)); again != first {
		t.Errorf("ids %s and %s", first, again)
	}
	b.work()
	b.only(first)
	follow := b.say(of("Follow", bob))
	if again := b.say(of("Follow", bob)); again == follow {
		t.Errorf("two Follows have the id %s", again)
	}
}

func TestADeleteGoesToAllWhoWereSentTheObject(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	post := here + "/ap/objects/1"
	b.say(note(post, func(o *activity.Object) { o.To = activity.To(bob) }))
	b.work()
	edit := note(post, func(o *activity.Object) { o.Content = "y" })
	edit.Type = activity.Types{"Update"}
	updated := b.say(edit)
	b.work()
	_, a := b.only(updated)
	doc, err := a.Object[0].Document()
	if err != nil {
		t.Fatal(err)
	}
	if o := doc.(*activity.Object); !a.To.Has(bob) || !o.To.Has(bob) || o.To.Has(activity.Public) || o.Updated.IsZero() || o.Published.IsZero() {
		t.Errorf("the edit did not keep its audience: %s", a.Object[0].Raw)
	}
	id := b.say(of("Delete", post))
	b.work()
	d, a := b.only(id)
	if !slices.Equal(inboxes(d.to), []string{bob + "/inbox"}) || d.Key != post || a.To.Has(activity.Public) {
		t.Errorf("to %q, key %q, %s", inboxes(d.to), d.Key, d.Body)
	}
	doc, err = a.Object[0].Document()
	if err != nil {
		t.Fatal(err)
	}
	if o := doc.(*activity.Object); !o.Is("Tombstone") || o.ID != post || !o.FormerType.Is("Note") || o.Content != "" {
		t.Errorf("%s", a.Object[0].Raw)
	}
}

func TestABlindCopyStaysBlind(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	create := note(here+"/ap/objects/1", nil)
	create.BCC = activity.To(dave)
	id := b.say(create)
	b.work()
	deleted := b.say(of("Delete", here+"/ap/objects/1"))
	b.work()
	for _, id := range []string{id, deleted} {
		d, a := b.only(id)
		if !slices.Equal(inboxes(d.to), []string{dave + "/inbox"}) {
			t.Errorf("%s to %q", a.Type, inboxes(d.to))
		}
		if strings.Contains(string(d.Body), dave) || a.To.Has(activity.Public) {
			t.Errorf("%s names dave or everyone: %s", a.Type, d.Body)
		}
	}
}

func TestAnUndoEmbedsWhatItUndoesAndGoesToTheSame(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	liked := "https://there.example/n/1"
	like := b.say(of("Like", liked))
	b.work()
	undo := b.say(of("Undo", like))
	b.work()
	d, a := b.only(like)
	if !slices.Equal(inboxes(d.to), []string{bob + "/inbox"}) || d.to[0].SharedInbox != "" || !a.To.Has(bob) {
		t.Errorf("Like to %v: %s", d.to, d.Body)
	}
	u, a := b.only(undo)
	doc, err := a.Object[0].Document()
	if err != nil {
		t.Fatal(err)
	}
	inner := doc.(*activity.Activity)
	if !inner.Is("Like") || inner.ID != like || inner.Actor.ID != alice || inner.Object.First() != liked {
		t.Errorf("%s", u.Body)
	}
	if u.Key != d.Key || !slices.Equal(inboxes(u.to), inboxes(d.to)) {
		t.Errorf("Undo to %q in lane of %q, Like to %q in that of %q", inboxes(u.to), u.Key, inboxes(d.to), d.Key)
	}
	if strings.Contains(string(a.Object[0].Raw), "@context") {
		t.Error("the embedded activity has a @context of its own")
	}
}

func TestAnAnnounceIsPublicAndTellsTheOwner(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	id := b.say(of("Announce", "https://there.example/n/1"))
	b.work()
	_, a := b.only(id)
	if !a.To.Has(activity.Public) || !a.CC.Has(bob) || !a.CC.Has(alice+"/followers") {
		t.Errorf("to %v, cc %v", a.To, a.CC)
	}
	undo := b.say(of("Undo", id))
	b.work()
	d, _ := b.only(undo)
	if len(d.to) != 1 || d.to[0].SharedInbox != "https://there.example/inbox" {
		t.Errorf("its Undo goes to %v, not to the shared inbox as it did itself", d.to)
	}
}

// told lists what Relate was told of alice and bob, each once.
func (b *bench) told() (out []string) {
	b.t.Helper()
	for _, c := range b.related {
		if c.Follower != alice || c.Followed != bob || c.At.IsZero() {
			b.t.Errorf("told %+v", c)
		}
		out = append(out, strings.TrimSpace(c.Type+" "+c.FollowID))
	}
	return slices.Compact(out)
}

func TestABlockAndItsUndoAreToldButABanFromAGroupIsNot(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	ban := of("Block", bob)
	ban.Target = activity.IRI("https://there.example/c/cats")
	for _, a := range []*activity.Activity{of("Block", bob), ban} {
		id := b.say(a)
		b.work()
		b.say(of("Undo", id))
		b.work()
	}
	if got, want := b.told(), []string{"Block", "Unblock"}; !slices.Equal(got, want) {
		t.Errorf("told %q", got)
	}
}

func TestAFollowIsKnownBeforeItGoesOutAndForgottenBeforeItsUndoDoes(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	follow := b.say(of("Follow", bob))
	b.work()
	undo := b.say(of("Undo", follow))
	b.work()
	if got, want := b.told(), []string{"Follow " + follow, "Undo " + follow}; !slices.Equal(got, want) {
		t.Errorf("told %q", got)
	}
	f, _ := b.only(follow)
	u, _ := b.only(undo)
	if f.Key != u.Key || f.to[0].Inbox != bob+"/inbox" {
		t.Errorf("keys %q and %q", f.Key, u.Key)
	}
}

func TestAnAnswerEmbedsTheFollowAndIsSentOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	follow := &activity.Activity{
		ID: bob + "#follows/1", Type: activity.Types{"Follow"}, Actor: activity.IRI(bob), Object: activity.Refs{activity.IRI(alice)},
		Summary: "please",
	}
	for range 2 {
		if err := b.Answer(t.Context(), alice, "Accept", follow); err != nil {
			t.Fatal(err)
		}
	}
	b.work()
	if len(b.order) != 1 {
		t.Fatalf("sent %q", b.order)
	}
	a := parse(t, b.sent[b.order[0]].Body)
	doc, err := a.Object[0].Document()
	if err != nil {
		t.Fatal(err)
	}
	inner := doc.(*activity.Activity)
	if inner.ID != follow.ID || inner.Actor.ID != bob || inner.Object.First() != alice || inner.Summary != "" || !a.To.Has(bob) {
		t.Errorf("%s", b.sent[b.order[0]].Body)
	}
}

func TestWhoseInboxIsNotKnownYetHoldsUpNobody(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.followers = []outbox.Target{{Inbox: eve + "/inbox"}}
	b.down[dave] = errors.New("no route")
	b.down[bob] = outbox.ErrGone
	post := here + "/ap/objects/1"
	id := b.say(note(post, func(o *activity.Object) {
		o.To, o.CC = activity.To(activity.Public), activity.To(activity.Followers, bob, dave)
	}))
	b.work()
	d, _ := b.only(id)
	if !slices.Equal(inboxes(d.to), []string{eve + "/inbox"}) {
		t.Fatalf("first pass to %q", inboxes(d.to))
	}
	b.mu.Lock()
	delete(b.down, dave)
	b.mu.Unlock()
	b.work()
	second, ok := b.sent[id+" 1"]
	if !ok {
		for k := range b.sent { // the number of passes depends on how often it was tried
			if k != id+" 0" && strings.HasPrefix(k, id+" ") {
				second, ok = b.sent[k], true
			}
		}
	}
	if !ok || !slices.Equal(inboxes(second.to), []string{dave + "/inbox"}) {
		t.Errorf("second pass %v to %q", ok, inboxes(second.to))
	}
	r, err := b.store.Log.Record(t.Context(), id)
	if err != nil || r.State != outbox.Sent || len(r.Waiting) != 0 {
		t.Errorf("record %+v, %v", r, err)
	}
}

func TestADeleteDoesNotWaitForWhoWasNeverReached(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.down[dave] = errors.New("no route")
	post := here + "/ap/objects/1"
	create := b.say(note(post, func(o *activity.Object) { o.To = activity.To(bob, dave) }))
	b.work()
	id := b.say(of("Delete", post))
	b.work()
	d, _ := b.only(id)
	if !slices.Equal(inboxes(d.to), []string{bob + "/inbox"}) {
		t.Errorf("Delete to %q", inboxes(d.to))
	}
	b.mu.Lock()
	delete(b.down, dave)
	b.mu.Unlock()
	b.work()
	for key, d := range b.sent {
		if strings.HasPrefix(key, create) && slices.Contains(inboxes(d.to), dave+"/inbox") {
			t.Error("the post was sent after its Delete")
		}
	}
}

func TestACrashBetweenHandOverAndItsRecordSendsNothingTwiceAndLosesNothing(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk on fire")
	log := &failingLog{}
	b := newBench(t, func(c *outbox.Config) { log.Log, c.Log = c.Log, log })
	b.followers = []outbox.Target{{Inbox: eve + "/inbox"}}
	id := b.say(note(here+"/ap/objects/1", func(o *activity.Object) { o.CC = activity.To(activity.Followers, bob, dave) }))
	// Each save fails once, after which everything is read anew, as after a crash.
	for fail := range 6 {
		log.failAt, log.saves, log.err = fail, 0, broken
		if _, err := b.Work(t.Context()); err != nil && !errors.Is(err, broken) {
			t.Fatal(err)
		}
	}
	log.err = nil
	b.work()
	d, _ := b.only(id)
	if want := []string{dave + "/inbox", bob + "/inbox", eve + "/inbox"}; !slices.Equal(inboxes(d.to), want) {
		t.Errorf("to %q, want %q", inboxes(d.to), want)
	}
}

type failingLog struct {
	outbox.Log
	saves, failAt int
	err           error
}

func (f *failingLog) SaveRecord(ctx context.Context, r outbox.Record) error {
	if f.saves++; f.err != nil && f.saves > f.failAt {
		return f.err
	}
	return f.Log.SaveRecord(ctx, r)
}

func TestAFullQueueIsTriedAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.followers = []outbox.Target{{Inbox: bob + "/inbox"}}
	b.refuse = errors.New("backlog")
	id := b.say(note(here+"/ap/objects/1", nil))
	b.work()
	if len(b.sent) != 0 {
		t.Fatal("sent")
	}
	b.mu.Lock()
	b.refuse = nil
	b.mu.Unlock()
	b.work()
	b.only(id)
}

func TestActorsHereAreToldThroughTheLoop(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	id := b.say(of("Follow", carol))
	b.work()
	if len(b.sent) != 0 || len(b.looped) != 1 || !strings.Contains(b.looped[0], id) {
		t.Errorf("sent %q, looped %q", b.order, b.looped)
	}
	b.followers = []outbox.Target{{}, {Inbox: bob + "/inbox"}}
	b.say(note(here+"/ap/objects/1", nil))
	b.work()
	if len(b.looped) != 2 || len(b.order) != 1 {
		t.Errorf("sent %q, looped %q", b.order, b.looped)
	}
}

func TestWhatCanNeverBeSaidIsGivenUpAndRecorded(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	unknown := b.say(of("Undo", here+"/ap/activities/never"))
	ghost, err := b.Say(t.Context(), nil, "nobody", of("Follow", bob))
	if err != nil {
		t.Fatal(err)
	}
	b.work()
	for _, id := range []string{unknown, ghost} {
		r, err := b.store.Log.Record(t.Context(), id)
		if err != nil || r.State != outbox.Failed || r.LastError == "" {
			t.Errorf("record %+v, %v", r, err)
		}
	}
	if len(b.sent) != 0 {
		t.Errorf("sent %q", b.order)
	}
}

func TestNobodyUndoesWhatSomebodyElseDid(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *outbox.Config) {
		c.Author = func(_ context.Context, who string) (outbox.Author, error) {
			return outbox.Author{ID: here + "/ap/users/" + who, Followers: here + "/f"}, nil
		}
	})
	like := b.say(of("Like", "https://there.example/n/1"))
	b.work()
	undo, err := b.Say(t.Context(), nil, "mallory", of("Undo", like))
	if err != nil {
		t.Fatal(err)
	}
	b.work()
	if r, err := b.store.Log.Record(t.Context(), undo); err != nil || r.State != outbox.Failed {
		t.Errorf("record %+v, %v", r, err)
	}
}

func TestWhatLacksAPartIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for name, a := range map[string]*activity.Activity{
		"no type":          {Object: activity.Refs{activity.IRI(bob)}},
		"no object":        {Type: activity.Types{"Follow"}},
		"a handle":         of("Follow", "@bob@there.example"),
		"another scheme":   of("Like", "acct:bob@there.example"),
		"no JSON in Extra": {Type: activity.Types{"Follow"}, Object: activity.Refs{activity.IRI(bob)}, Extra: activity.Extra{"x": []byte("{")}},
	} {
		_, err := b.Say(t.Context(), nil, "alice", a)
		if err == nil || name != "no JSON in Extra" && !errors.Is(err, outbox.ErrIncomplete) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := b.Say(t.Context(), nil, "", of("Follow", bob)); !errors.Is(err, outbox.ErrIncomplete) {
		t.Errorf("no author: %v", err)
	}
	if err := b.Said(t.Context(), here+"/ap/activities/never"); !errors.Is(err, outbox.ErrUnknown) {
		t.Errorf("Said = %v, want ErrUnknown", err)
	}
}

func TestRunHandsOverWithoutBeingPolled(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	id := b.say(of("Follow", bob))
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		b.mu.Lock()
		_, ok := b.sent[id+" 0"]
		b.mu.Unlock()
		if ok {
			break
		}
		if time.Now().After(end) {
			t.Fatal("nothing was handed over")
		}
	}
	if err := b.Run(ctx); !errors.Is(err, outbox.ErrRunning) {
		t.Errorf("a second Run = %v", err)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestConfigNamesTheFieldThatIsMissing(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	c := b.Config
	c.Enqueue = nil
	if _, err := outbox.New(c); err == nil || !strings.Contains(err.Error(), "Config.Enqueue") {
		t.Errorf("New = %v", err)
	}
}

func BenchmarkSay(b *testing.B) {
	store := storage.Memory()
	o, err := outbox.New(newBench(&testing.T{}, func(c *outbox.Config) { c.Intents = store.Intents }).Config)
	if err != nil {
		b.Fatal(err)
	}
	a := note(here+"/ap/objects/1", func(o *activity.Object) { o.Content = strings.Repeat("x", 2000) })
	b.ReportAllocs()
	for b.Loop() {
		a.ID = ""
		if _, err := o.Say(context.Background(), nil, "alice", a); err != nil {
			b.Fatal(err)
		}
	}
}
