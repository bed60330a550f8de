package fedihook_test

import (
	"errors"
	"net/http"
	"slices"
	"testing"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/consent"
	"github.com/fedihook/fedihook/inbox"
)

func TestWhoAsksToQuoteIsAnsweredByThePolicy(t *testing.T) {
	t.Parallel()
	all, none := activity.To(activity.Public), activity.Audience(nil)
	for _, c := range []struct {
		name    string
		policy  activity.Policy
		to      []string
		follows bool
		want    string // "" if it waits
	}{
		{"everyone may", quotable(all, none), nil, false, "Accept"},
		{"a post without a policy", activity.Policy{}, nil, false, "Reject"},
		{"nobody but the author", quotable(activity.To(alice), none), nil, true, "Reject"},
		{"followers may", quotable(activity.To(activity.Followers), none), nil, true, "Accept"},
		{"followers may and this is none", quotable(activity.To(activity.Followers), none), nil, false, "Reject"},
		{"who asks is listed", quotable(activity.To("https://there.example/users/bob"), none), nil, false, "Accept"},
		{"what is for followers is never quoted", quotable(all, none), []string{activity.Followers}, true, "Reject"},
		{"the author wants to be asked", quotable(none, all), nil, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			inFediverse(t, func(t *testing.T, v *fediverse) {
				if c.follows {
					v.followed(t)
				}
				post := v.post(t, c.policy, c.to...)
				note := quotes(v.bob, post)
				answer := v.asks(t, v.bob, note, post, nil)
				if (answer == nil) != (c.want == "") || answer != nil && !answer.Is(c.want) {
					t.Fatalf("answered %+v, want %s", answer, c.want)
				}
				if answer == nil {
					var waiting []consent.Stamp
					for st, err := range v.Asked(t.Context(), "alice") {
						if err != nil {
							t.Fatal(err)
						}
						waiting = append(waiting, st)
					}
					if len(waiting) != 1 || waiting[0].Interaction != note.ID || waiting[0].Actor != v.bob.ID() || waiting[0].Kind != consent.Quote {
						t.Fatalf("waiting: %+v", waiting)
					}
					if _, err := v.Grant(t.Context(), "alice", waiting[0].Request); err != nil {
						t.Fatal(err)
					}
					if answer = v.there.Wait("Accept").Activity; answer == nil {
						t.Fatal("no Accept after it was granted")
					}
				}
				if !answer.Is("Accept") {
					if !answer.Result.IsZero() {
						t.Errorf("a Reject with %+v", answer.Result)
					}
					return
				}
				status, doc := v.doc(t, answer.Result.ID)
				stamp, ok := doc.(*activity.Object)
				if status != http.StatusOK || !ok || !stamp.Is("QuoteAuthorization") || stamp.ID != answer.Result.ID || stamp.AttributedTo.First() != alice ||
					stamp.InteractingObject.ID != note.ID || stamp.InteractionTarget.ID != post || stamp.InteractionTarget.Raw != nil {
					t.Errorf("the stamp: %d %+v", status, doc)
				}
				inner, err := answer.Object[0].Document()
				if err != nil || inner.(*activity.Activity).Instrument.ID != note.ID || inner.(*activity.Activity).Object.First() != post {
					t.Errorf("the Accept is about %+v", inner)
				}
				if d := v.there.Received("Accept"); d[len(d)-1].Inbox != v.bob.ID()+"/inbox" {
					t.Errorf("posted to %s", d[len(d)-1].Inbox)
				}
			})
		})
	}
}

func TestAskingTwiceGivesTheSameStampUntilItIsRevoked(t *testing.T) {
	t.Parallel()
	inFediverse(t, func(t *testing.T, v *fediverse) {
		post := v.post(t, quotable(activity.To(activity.Public), nil))
		note := quotes(v.bob, post)
		first := v.asks(t, v.bob, note, post, nil)
		second := v.asks(t, v.bob, note, post, func(a *activity.Activity) { a.Instrument = activity.IRI(note.ID) })
		if first == nil || second == nil || first.Result.ID == "" || first.Result.ID != second.Result.ID || first.ID == second.ID {
			t.Fatalf("%+v\n%+v", first, second)
		}
		other := v.asks(t, v.bob, quotes(v.bob, post), post, nil)
		if other == nil || other.Result.ID == first.Result.ID {
			t.Fatalf("another quote got %+v", other)
		}
		note.QuoteAuthorization = first.Result
		note.CC = append(note.CC, activity.IRI(alice))
		v.bob.Create(note)
		v.settle()
		if q := v.quoteOf(note.ID); q == nil || !q.Approved || q.ID != post || q.Authorization != first.Result.ID {
			t.Fatalf("the quote is %+v", q)
		}

		id, err := v.Revoke(t.Context(), "alice", first.Result.ID)
		if err != nil {
			t.Fatal(err)
		}
		deleted := v.there.Wait("Delete").Activity
		if deleted.ID != id || deleted.Object.First() != first.Result.ID {
			t.Errorf("Delete %+v", deleted)
		}
		if stamp, err := deleted.Object[0].Document(); err != nil || !stamp.Is("QuoteAuthorization") {
			t.Errorf("it deletes %+v", stamp)
		}
		if status, doc := v.doc(t, first.Result.ID); status != http.StatusGone || !doc.Is("Tombstone") {
			t.Errorf("the revoked stamp: %d %+v", status, doc)
		}
		if status, _ := v.doc(t, other.Result.ID); status != http.StatusOK {
			t.Errorf("the other one: %d", status)
		}
		if again := v.asks(t, v.bob, note, post, nil); again == nil || !again.Is("Reject") {
			t.Errorf("asked again: %+v", again)
		}
		if q, err := v.Quote(t.Context(), note); err != nil || q.Approved {
			t.Errorf("after that %+v, %v", q, err)
		}
		if _, err := v.Revoke(t.Context(), "alice", v.bob.ID()); !errors.Is(err, consent.ErrNone) {
			t.Errorf("revoking what was never given: %v", err)
		}

		if _, err := v.Delete(t.Context(), "alice", post); err != nil {
			t.Fatal(err)
		}
		v.settle()
		if status, _ := v.doc(t, other.Result.ID); status != http.StatusGone {
			t.Errorf("a stamp for a deleted post: %d", status)
		}
		if n := len(v.there.Received("Delete")); n != 2 { // the post never went there
			t.Errorf("%d Deletes came, want those of the two stamps", n)
		}
	})
}

// quoteOf is what the last hook that got a post was told of its quote.
func (v *fediverse) quoteOf(id string) *inbox.Quote {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, m := range slices.Backward(v.heard) {
		if m.ObjectID == id && (m.Activity.Is("Create") || m.Activity.Is("Update")) {
			return m.Quote
		}
	}
	return nil
}

func TestWhoAsksInAnothersNameGetsNothing(t *testing.T) {
	t.Parallel()
	inFediverse(t, func(t *testing.T, v *fediverse) {
		post := v.post(t, quotable(activity.To(activity.Public), nil))
		carol, far := v.there.Actor("carol"), v.net.Server("far.example").Actor("dan")
		theirs, elsewhere := quotes(carol, post), quotes(far, post)
		unrelated := v.bob.Note("<p>no quote</p>")
		v.there.Put(unrelated)
		for name, change := range map[string]func(*activity.Activity){
			"another's post, embedded": func(a *activity.Activity) { a.Instrument = activity.Embed(theirs) },
			"another's post, named":    func(a *activity.Activity) { a.Instrument = activity.IRI(theirs.ID) },
			"a post that quotes nothing": func(a *activity.Activity) {
				a.Instrument = activity.Embed(unrelated)
			},
			"a post that is not there": func(a *activity.Activity) { a.Instrument = activity.IRI(v.there.Origin() + "/none") },
			"no post":                  func(a *activity.Activity) { a.Instrument = activity.Ref{} },
			"a post with another id inside": func(a *activity.Activity) {
				a.Instrument = activity.Embed(&activity.Object{ID: v.bob.ID(), Type: activity.Types{"Note"}, Quote: activity.IRI(post)})
			},
			"a post of ours that is not there": func(a *activity.Activity) {
				a.Object = activity.Refs{activity.IRI("https://blog.example/ap/objects/none")}
			},
		} {
			if answer := v.asks(t, v.bob, quotes(v.bob, post), post, change); answer != nil {
				t.Errorf("%s: answered %s %+v", name, answer.Type, answer.Result)
			}
		}
		request := activity.QuoteRequest(v.there.Origin()+"/ask", elsewhere, &activity.Object{ID: post})
		request.Actor = activity.IRI(v.bob.ID())
		if status := v.bob.Send(request, alice); status != http.StatusForbidden {
			t.Errorf("a post of another server: %d", status)
		}
		v.settle()
		for st, err := range v.Stamps(t.Context(), consent.Query{}) {
			t.Errorf("kept: %+v, %v", st, err)
		}
	})
}

func TestTheAppDecidesBeforeAndAfterThePolicy(t *testing.T) {
	t.Parallel()
	for answer, want := range map[error]string{inbox.ErrRefuse: "Reject", inbox.ErrPending: ""} {
		t.Run(answer.Error(), func(t *testing.T) {
			t.Parallel()
			inFediverse(t, func(t *testing.T, v *fediverse) {
				v.answer = answer
				post := v.post(t, quotable(activity.To(activity.Public), nil))
				note := quotes(v.bob, post)
				got := v.asks(t, v.bob, note, post, nil)
				if (got == nil) != (want == "") || got != nil && !got.Is(want) {
					t.Fatalf("answered %+v", got)
				}
				if len(v.told) != 1 || v.told[0].Stamp == nil || v.told[0].Stamp.State != consent.Granted {
					t.Fatalf("told %+v", v.told)
				}
				if want == "" {
					if err := v.Refuse(t.Context(), "alice", v.told[0].Activity.ID); err != nil {
						t.Fatal(err)
					}
					v.there.Wait("Reject")
					id, err := v.Grant(t.Context(), "alice", note.ID) // a second thought
					if err != nil {
						t.Fatal(err)
					}
					if got := v.there.Wait("Accept").Activity; got.Result.ID != id {
						t.Errorf("Accept %+v", got)
					}
				}
			})
		})
	}
}
