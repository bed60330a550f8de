package fedihook_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/consent"
	"github.com/fedihook/fedihook/inbox"
)

func TestWhatOthersQuoteOfOthersIsVerified(t *testing.T) {
	t.Parallel()
	inFediverse(t, func(t *testing.T, v *fediverse) {
		if _, err := v.Follow(t.Context(), "alice", v.net.Server("far.example").Actor("carol").ID()); err != nil {
			t.Fatal(err)
		}
		carol := v.net.Server("far.example").Actor("carol")
		carol.Server().Wait("Follow")
		carol.Accept(alice)
		v.settle() // until it is in force
		bobs := v.bob.Note("<p>mine</p>")
		v.there.Put(bobs)
		own := carol.Note("<p>own</p>")
		carol.Server().Put(own)

		stamp := activity.QuoteAuthorization(v.there.Origin()+"/stamps/1", v.bob.ID(), "", bobs.ID)
		tell := func(quoted, authorization string) *inbox.Quote {
			note := quotes(carol, quoted)
			if authorization != "" {
				note.QuoteAuthorization = activity.IRI(authorization)
				if stamp.InteractingObject.IsZero() {
					stamp.InteractingObject = activity.IRI(note.ID)
					v.there.Put(stamp)
				}
			}
			carol.Create(note)
			v.settle()
			return v.quoteOf(note.ID)
		}
		if q := tell(bobs.ID, ""); q == nil || q.Approved || q.Unsure {
			t.Errorf("without leave: %+v", q)
		}
		if q := tell(own.ID, ""); q == nil || !q.Approved {
			t.Errorf("her own: %+v", q)
		}
		if q := tell(bobs.ID, stamp.ID); q == nil || !q.Approved || q.Authorization != stamp.ID {
			t.Errorf("with leave: %+v", q)
		}
		quoting := stamp.InteractingObject.ID
		if q := tell(bobs.ID, stamp.ID); q == nil || q.Approved {
			t.Errorf("with leave for another quote: %+v", q)
		}
		forged := quotes(carol, bobs.ID) // with leave of somebody else on bob's server
		forgery := activity.QuoteAuthorization(v.there.Origin()+"/stamps/3", v.there.Actor("eve").ID(), forged.ID, bobs.ID)
		v.there.Put(forgery)
		forged.QuoteAuthorization = activity.IRI(forgery.ID)
		carol.Create(forged)
		v.settle()
		if q := v.quoteOf(forged.ID); q == nil || q.Approved || q.Unsure {
			t.Errorf("with leave of another: %+v", q)
		}
		v.there.Down()
		if q := tell(bobs.ID, v.there.Origin()+"/stamps/9"); q == nil || q.Approved || !q.Unsure {
			t.Errorf("while the server is down: %+v", q)
		}
		v.there.Behave()
		time.Sleep(time.Hour)

		v.bob.Send(&activity.Activity{Type: activity.Types{"Delete"}, Object: activity.Refs{activity.IRI(stamp.ID)}}, alice)
		v.settle()
		if len(v.told) != 1 || v.told[0].Stamp.State != consent.Revoked || v.told[0].Stamp.Interaction != quoting {
			t.Fatalf("told %+v", v.told)
		}
	})
}

func TestAQuoteCanBeLookedAtAgain(t *testing.T) {
	t.Parallel()
	inFediverse(t, func(t *testing.T, v *fediverse) {
		carol := v.net.Server("far.example").Actor("carol")
		bobs := v.bob.Note("<p>mine</p>")
		v.there.Put(bobs)
		note := quotes(carol, bobs.ID)
		stamp := activity.QuoteAuthorization(v.there.Origin()+"/stamps/1", v.bob.ID(), note.ID, bobs.ID)
		v.there.Put(stamp)
		note.QuoteAuthorization = activity.IRI(stamp.ID)
		if q, err := v.Quote(t.Context(), note); err != nil || !q.Approved {
			t.Fatalf("%+v, %v", q, err)
		}
		v.there.Put(&activity.Object{ID: stamp.ID, Type: activity.Types{"Tombstone"}})
		if q, err := v.Quote(t.Context(), note); err != nil || q.Approved {
			t.Errorf("after it was revoked in silence: %+v, %v", q, err)
		}
		v.there.Down()
		if q, err := v.Quote(t.Context(), note); err == nil || q.Approved {
			t.Errorf("while the server is down: %+v, %v", q, err)
		}
	})
}

func TestWhatMayNotBeQuotedIsNotSaid(t *testing.T) {
	t.Parallel()
	inFediverse(t, func(t *testing.T, v *fediverse) {
		bobs := v.bob.Note("<p>mine</p>")
		bobs.InteractionPolicy = quotable(activity.To(v.bob.ID()), nil).Ref()
		v.there.Put(bobs)
		if d, err := v.May(t.Context(), "alice", consent.Quote, bobs.ID); err != nil || d != consent.Denied {
			t.Errorf("May = %v, %v", d, err)
		}
		o := &activity.Object{Content: "<p>look</p>", To: activity.To(activity.Public, v.bob.ID()), Quote: activity.IRI(bobs.ID)}
		if _, err := v.Publish(t.Context(), "alice", o); err != nil {
			t.Fatal(err)
		}
		v.settle()
		if len(v.ended) != 1 || !errors.Is(v.ended[0].Err, fedihook.ErrNotAllowed) || len(v.there.Received("Create")) != 0 {
			t.Errorf("ended %+v", v.ended)
		}
	})
}

func TestOneQuotesOneselfWithoutAsking(t *testing.T) {
	t.Parallel()
	inFediverse(t, func(t *testing.T, v *fediverse) {
		post := v.post(t, activity.Policy{})
		o := &activity.Object{Content: "<p>as I said</p>", To: activity.To(activity.Public, v.bob.ID()), Quote: activity.IRI(post)}
		id, err := v.Publish(t.Context(), "alice", o)
		if err != nil {
			t.Fatal(err)
		}
		v.there.Wait("Create")
		v.settle()
		for st, err := range v.Stamps(t.Context(), consent.Query{}) {
			t.Errorf("kept %+v, %v", st, err)
		}
		o.ID, o.AttributedTo = id, activity.Refs{activity.IRI(alice)}
		if q, err := v.Quote(t.Context(), o); err != nil || !q.Approved || q.Authorization != "" {
			t.Errorf("%+v, %v", q, err)
		}
	})
}

func TestAQuoteOfANeighbourIsAskedForToo(t *testing.T) {
	t.Parallel()
	here := newSites(t, nil, "here.example")[0]
	quoted, err := here.Publish(t.Context(), "bob", &activity.Object{
		Content: "<p>mine</p>", InteractionPolicy: quotable(activity.To(activity.Public), nil).Ref(),
	})
	if err != nil {
		t.Fatal(err)
	}
	here.until("it is served", func() bool {
		status, _, _ := here.get(quoted, activity.ContentType, nil, "")
		return status == http.StatusOK
	})
	id, err := here.Publish(t.Context(), "alice", &activity.Object{Content: "<p>look</p>", Quote: activity.IRI(quoted)})
	if err != nil {
		t.Fatal(err)
	}
	stamp := ""
	shown := func() bool {
		_, body, _ := here.get(id, activity.ContentType, nil, "")
		doc, err := activity.Decode([]byte(body))
		o, ok := doc.(*activity.Object)
		if err != nil || !ok {
			return false
		}
		stamp = o.QuoteAuthorization.ID
		return stamp != ""
	}
	here.until("leave", shown)
	if status, _, _ := here.get(stamp, activity.ContentType, nil, ""); status != http.StatusOK {
		t.Errorf("the stamp: %d", status)
	}
	if _, err := here.Revoke(t.Context(), "alice", stamp); !errors.Is(err, consent.ErrNone) {
		t.Errorf("alice revokes what bob gave: %v", err)
	}
	if _, err := here.Revoke(t.Context(), "bob", stamp); err != nil {
		t.Fatal(err)
	}
	here.until("no leave", func() bool { return !shown() })
}
