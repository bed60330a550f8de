package fedihook_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/inbox/inboxtest"
)

// Who is quoted where they can't read it is asked, and learns nothing but that there is a post.
func TestAPrivateQuoteIsNotShownToWhoIsAskedForLeave(t *testing.T) {
	t.Parallel()
	const secret = "meet me at eight"
	for _, c := range []struct {
		name   string
		to     func(v *fediverse, dan *inboxtest.Actor) []string
		follow bool
		shown  bool
	}{
		{"for somebody else", func(_ *fediverse, dan *inboxtest.Actor) []string { return []string{dan.ID()} }, false, false},
		{"for followers", func(*fediverse, *inboxtest.Actor) []string { return []string{activity.Followers} }, false, false},
		{"for followers, of whom the quoted is one", func(*fediverse, *inboxtest.Actor) []string { return []string{activity.Followers} }, true, true},
		{"for the quoted too", func(v *fediverse, dan *inboxtest.Actor) []string { return []string{dan.ID(), v.bob.ID()} }, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			inFediverse(t, func(t *testing.T, v *fediverse) {
				dan := v.net.Server("far.example").Actor("dan")
				if c.follow {
					v.followed(t)
				}
				bobs := v.bob.Note("<p>mine</p>")
				v.there.Put(bobs)
				id, err := v.Publish(t.Context(), "alice", &activity.Object{
					Content: "<p>" + secret + "</p>", To: activity.To(c.to(v, dan)...), Quote: activity.IRI(bobs.ID),
				})
				if err != nil {
					t.Fatal(err)
				}
				v.settle()
				got := v.there.Received("QuoteRequest")
				if len(got) != 1 || got[0].Activity.Instrument.ID != id || got[0].Activity.Object.First() != bobs.ID {
					t.Fatalf("asked with %+v", got)
				}
				if shown := strings.Contains(string(got[0].Body), secret); shown != c.shown {
					t.Errorf("shown: %v, want %v: %s", shown, c.shown, got[0].Body)
				}
			})
		})
	}
}

// Nobody is shown a reply that is kept from them, to be asked for leave for it.
func TestAReplyThatItsAuthorKeepsFromTheAnsweredIsNotSentThereToAsk(t *testing.T) {
	t.Parallel()
	inFediverse(t, func(t *testing.T, v *fediverse) {
		dan := v.net.Server("far.example").Actor("dan")
		bobs := v.bob.Note("<p>mine</p>")
		bobs.InteractionPolicy = policyOf(nil, activity.To(activity.Public)).Ref()
		v.there.Put(bobs)
		for _, o := range []*activity.Object{
			{Content: "<p>between us</p>", To: activity.To(dan.ID()), InReplyTo: activity.IRI(bobs.ID)},
			{Content: "<p>for all</p>", To: activity.To(activity.Public, dan.ID()), InReplyTo: activity.IRI(bobs.ID)},
		} {
			if _, err := v.Publish(t.Context(), "alice", o); err != nil {
				t.Fatal(err)
			}
		}
		v.settle()
		if got := v.there.Received("ReplyRequest"); len(got) != 1 || strings.Contains(string(got[0].Body), "between us") {
			t.Errorf("asked %d times", len(got))
		}
		far := v.net.Server("far.example").Received("Create")
		if len(far) != 1 || !strings.Contains(string(far[0].Body), "between us") {
			t.Errorf("%d Creates were sent", len(far))
		}
	})
}

// Whoever else is on the server of who gives leave has no say in it, also if asked for other leave.
func TestLeaveIsNotTakenBackByANeighbourOfWhoGivesIt(t *testing.T) {
	t.Parallel()
	inFediverse(t, func(t *testing.T, v *fediverse) {
		carol := v.there.Actor("carol")
		bobs, carols := v.bob.Note("<p>mine</p>"), carol.Note("<p>hers</p>")
		v.there.Put(bobs)
		v.there.Put(carols)
		id, _, request := v.quote(t, bobs.ID)
		if _, err := v.Publish(t.Context(), "alice", &activity.Object{Content: "<p>and</p>", Quote: activity.IRI(carols.ID)}); err != nil {
			t.Fatal(err)
		}
		v.settle()
		stamp := v.there.Origin() + "/stamps/1"
		if got := carol.Send(&activity.Activity{Type: activity.Types{"Delete"}, Object: activity.Refs{activity.IRI(stamp)}}, alice); got != http.StatusAccepted {
			t.Fatalf("the Delete was answered %d", got)
		}
		v.settle()
		v.grants(request, nil)
		if _, served := v.doc(t, id); served.(*activity.Object).QuoteAuthorization.ID != stamp {
			t.Errorf("served %+v", served)
		}
	})
}
