package fedihook_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/consent"
)

// quote has alice quote something and returns the note and the request as bob's server got them.
func (v *fediverse) quote(t *testing.T, quoted string) (id string, note *activity.Object, request *activity.Activity) {
	t.Helper()
	o := &activity.Object{Content: "<p>look</p>", To: activity.To(activity.Public, v.bob.ID())}
	o.Quote = activity.IRI(quoted)
	id, err := v.Publish(t.Context(), "alice", o)
	if err != nil {
		t.Fatal(err)
	}
	v.settle()
	creates, requests := v.there.Received("Create"), v.there.Received("QuoteRequest") // in whatever order
	if len(creates) != 1 || len(requests) != 1 {
		t.Fatalf("%d Creates and %d QuoteRequests came", len(creates), len(requests))
	}
	doc, err := creates[0].Activity.Object[0].Document()
	if err != nil {
		t.Fatal(err)
	}
	return id, doc.(*activity.Object), requests[0].Activity
}

// grants serves a stamp of bob's and sends the Accept.
func (v *fediverse) grants(request *activity.Activity, change func(stamp *activity.Object, accept *activity.Activity)) (stampID string, status int) {
	stamp := activity.QuoteAuthorization(v.there.Origin()+"/stamps/1", v.bob.ID(), request.Instrument.ID, request.Object.First())
	accept := activity.Accept(v.there.Origin()+"/accepts/1", v.bob.ID(), request)
	accept.Result = activity.IRI(stamp.ID)
	if change != nil {
		change(stamp, accept)
	}
	v.there.Put(stamp)
	status = v.bob.Send(accept, alice)
	v.settle()
	return accept.Result.ID, status
}

func TestAQuoteGoesOutInAllFormsAndIsStampedWhenLeaveComes(t *testing.T) {
	t.Parallel()
	inFediverse(t, func(t *testing.T, v *fediverse) {
		bobs := v.bob.Note("<p>mine</p>")
		v.there.Put(bobs)
		id, note, request := v.quote(t, bobs.ID)
		for name, got := range map[string]string{
			"quote": note.Quote.ID, "quoteUrl": note.QuoteURL.ID, "quoteUri": note.QuoteURI.ID, "_misskey_quote": note.MisskeyQuote.ID,
		} {
			if got != bobs.ID {
				t.Errorf("%s is %q", name, got)
			}
		}
		if !strings.Contains(note.Content, `quote-inline`) || !strings.Contains(note.Content, `RE: <a href="`+bobs.ID) || !strings.HasSuffix(note.Content, "<p>look</p>") {
			t.Errorf("content %s", note.Content)
		}
		if len(note.Tag) != 1 || !strings.Contains(string(note.Tag[0].Raw), `"https://misskey-hub.net/ns#_misskey_quote"`) || !note.QuoteAuthorization.IsZero() {
			t.Errorf("tag %+v, authorization %+v", note.Tag, note.QuoteAuthorization)
		}
		if request.Object.First() != bobs.ID || request.Instrument.ID != id || len(request.Instrument.Raw) == 0 || request.Actor.ID != alice {
			t.Errorf("request %+v", request)
		}
		stampID, status := v.grants(request, nil)
		if status != http.StatusAccepted {
			t.Fatalf("the Accept was answered %d", status)
		}
		update := v.there.Wait("Update").Activity
		doc, err := update.Object[0].Document()
		if err != nil {
			t.Fatal(err)
		}
		after := doc.(*activity.Object)
		if after.QuoteAuthorization.ID != stampID || !after.Updated.IsZero() || after.Content != note.Content || len(after.Tag) != 1 {
			t.Errorf("updated to %+v", after)
		}
		if _, served := v.doc(t, id); served.(*activity.Object).QuoteAuthorization.ID != stampID {
			t.Errorf("served %+v", served)
		}
		if len(v.told) != 1 || v.told[0].Stamp.State != consent.Granted || v.told[0].Stamp.ID != stampID || v.told[0].Stamp.Interaction != id {
			t.Errorf("told %+v", v.told)
		}

		edited := &activity.Object{ID: id, Content: "<p>look again</p>", Quote: activity.IRI(bobs.ID)}
		if _, err := v.Update(t.Context(), "alice", edited); err != nil {
			t.Fatal(err)
		}
		doc, _ = v.there.Wait("Update").Activity.Object[0].Document()
		if after := doc.(*activity.Object); after.QuoteAuthorization.ID != stampID || after.Updated.IsZero() {
			t.Errorf("edited to %+v", after)
		}
		if n := len(v.there.Received("QuoteRequest")); n != 1 {
			t.Errorf("asked %d times", n)
		}

		v.bob.Send(&activity.Activity{Type: activity.Types{"Delete"}, Object: activity.Refs{activity.IRI(stampID)}}, alice)
		v.settle()
		doc, _ = v.there.Wait("Update").Activity.Object[0].Document()
		if after := doc.(*activity.Object); !after.QuoteAuthorization.IsZero() || after.Quoted() != bobs.ID {
			t.Errorf("after it was revoked %+v", after)
		}
		if last := v.told[len(v.told)-1]; len(v.told) != 2 || last.Stamp.State != consent.Revoked {
			t.Errorf("told %+v", last.Stamp)
		}
	})
}

func TestAStampIsBelievedOnlyWhereAllOfItIsTrue(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(v *fediverse, stamp *activity.Object, accept *activity.Activity)
		status int
	}{
		{name: "a stamp of another server", change: func(v *fediverse, stamp *activity.Object, accept *activity.Activity) {
			far := v.net.Server("far.example")
			stamp.ID = far.Origin() + "/stamps/1"
			far.Put(stamp)
			accept.Result = activity.IRI(stamp.ID)
		}, status: http.StatusForbidden},
		{name: "a stamp for another quote", change: func(_ *fediverse, stamp *activity.Object, _ *activity.Activity) {
			stamp.InteractingObject = activity.IRI("https://blog.example/ap/objects/other")
		}},
		{name: "a stamp for another post", change: func(v *fediverse, stamp *activity.Object, _ *activity.Activity) {
			stamp.InteractionTarget = activity.IRI(v.there.Origin() + "/other")
		}},
		{name: "a stamp of somebody else there", change: func(v *fediverse, stamp *activity.Object, _ *activity.Activity) {
			stamp.AttributedTo = activity.Refs{activity.IRI(v.there.Actor("carol").ID())}
		}},
		{name: "a stamp of two", change: func(v *fediverse, stamp *activity.Object, _ *activity.Activity) {
			stamp.AttributedTo = append(stamp.AttributedTo, activity.IRI(v.there.Actor("carol").ID()))
		}},
		{name: "a stamp of nobody", change: func(_ *fediverse, stamp *activity.Object, _ *activity.Activity) { stamp.AttributedTo = nil }},
		{name: "a note in the place of a stamp", change: func(_ *fediverse, stamp *activity.Object, _ *activity.Activity) {
			stamp.Type = activity.Types{"Note"}
		}},
		{name: "leave to answer in the place of leave to quote", change: func(_ *fediverse, stamp *activity.Object, _ *activity.Activity) {
			stamp.Type = activity.Types{"ReplyAuthorization"}
		}},
		{name: "a stamp under another id", change: func(v *fediverse, stamp *activity.Object, accept *activity.Activity) {
			accept.Result = activity.IRI(v.there.Origin() + "/stamps/2")
			v.there.Lie(accept.Result.ID, stamp.ID)
		}},
		{name: "no stamp", change: func(_ *fediverse, _ *activity.Object, accept *activity.Activity) { accept.Result = activity.Ref{} }},
		{name: "a stamp that is not there", change: func(v *fediverse, _ *activity.Object, accept *activity.Activity) {
			accept.Result = activity.IRI(v.there.Origin() + "/none")
		}},
		{name: "the quoted post itself", change: func(_ *fediverse, stamp *activity.Object, accept *activity.Activity) {
			accept.Result = stamp.InteractionTarget
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			inFediverse(t, func(t *testing.T, v *fediverse) {
				bobs := v.bob.Note("<p>mine</p>")
				v.there.Put(bobs)
				id, _, request := v.quote(t, bobs.ID)
				_, status := v.grants(request, func(stamp *activity.Object, accept *activity.Activity) { c.change(v, stamp, accept) })
				if want := max(c.status, http.StatusAccepted); status != want {
					t.Errorf("the Accept was answered %d, want %d", status, want)
				}
				if n := len(v.there.Received("Update")); n != 0 || len(v.told) != 0 {
					t.Errorf("%d Updates went out, told %+v", n, v.told)
				}
				if _, served := v.doc(t, id); !served.(*activity.Object).QuoteAuthorization.IsZero() {
					t.Errorf("served %+v", served)
				}
				for st, err := range v.Stamps(t.Context(), consent.Query{}) {
					if err != nil || st.State != consent.Requested || st.ID != "" {
						t.Errorf("kept %+v, %v", st, err)
					}
				}
			})
		})
	}
}

// A redirect proves nothing: not on another host, and on the same one no more than the id that was asked for, which Mastodon (seen 4.6.5)
// takes too.
func TestAStampThatRedirectsToAnotherIsNone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		to, id string
		counts bool
	}{
		"to another host":                       {"https://far.example/stamps/2", "https://far.example/stamps/2", false},
		"to another host that shows it as is":   {"https://far.example/stamps/2", "https://there.example/stamps/1", false},
		"within the host":                       {"https://there.example/stamps/2", "https://there.example/stamps/2", false},
		"within the host, which shows it as is": {"https://there.example/stamps/2", "https://there.example/stamps/1", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inFediverse(t, func(t *testing.T, v *fediverse) {
				bobs := v.bob.Note("<p>mine</p>")
				v.there.Put(bobs)
				id, _, request := v.quote(t, bobs.ID)
				stamp := activity.QuoteAuthorization(c.id, v.bob.ID(), request.Instrument.ID, request.Object.First())
				raw, err := activity.Encode(stamp)
				if err != nil {
					t.Fatal(err)
				}
				redirecting := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					switch r.URL.Path {
					case "/stamps/1":
						http.Redirect(w, r, c.to, http.StatusFound)
					case "/stamps/2":
						w.Header().Set("Content-Type", activity.ContentType)
						_, _ = w.Write(raw)
					default:
						v.there.ServeHTTP(w, r)
					}
				})
				v.net.Serve("there.example", redirecting)
				v.net.Serve("far.example", redirecting)
				accept := activity.Accept(v.there.Origin()+"/accepts/1", v.bob.ID(), request)
				accept.Result = activity.IRI(v.there.Origin() + "/stamps/1")
				if status := v.bob.Send(accept, alice); status != http.StatusAccepted {
					t.Fatalf("the Accept was answered %d", status)
				}
				v.settle()
				time.Sleep(time.Hour)
				_, served := v.doc(t, id)
				if stamped := !served.(*activity.Object).QuoteAuthorization.IsZero(); stamped != c.counts || len(v.told) > 0 != c.counts {
					t.Errorf("it counts: %v, told %d times", stamped, len(v.told))
				}
			})
		})
	}
}

func TestLeaveFromSomebodyElseIsNone(t *testing.T) {
	t.Parallel()
	inFediverse(t, func(t *testing.T, v *fediverse) {
		bobs := v.bob.Note("<p>mine</p>")
		v.there.Put(bobs)
		id, _, request := v.quote(t, bobs.ID)
		carol := v.there.Actor("carol")
		stamp := activity.QuoteAuthorization(v.there.Origin()+"/stamps/1", carol.ID(), id, bobs.ID)
		v.there.Put(stamp)
		accept := activity.Accept(v.there.Origin()+"/accepts/2", carol.ID(), request)
		accept.Result = activity.IRI(stamp.ID)
		carol.Send(accept, alice)
		reject := activity.Reject(v.there.Origin()+"/rejects/2", carol.ID(), request)
		carol.Send(reject, alice)
		v.settle()
		if len(v.told) != 0 || len(v.there.Received("Update")) != 0 {
			t.Errorf("told %+v", v.told)
		}
	})
}

func TestARejectedQuoteStaysUnapproved(t *testing.T) {
	t.Parallel()
	inFediverse(t, func(t *testing.T, v *fediverse) {
		bobs := v.bob.Note("<p>mine</p>")
		v.there.Put(bobs)
		id, _, request := v.quote(t, bobs.ID)
		v.bob.Send(activity.Reject(v.there.Origin()+"/rejects/1", v.bob.ID(), request), alice)
		v.settle()
		if len(v.told) != 1 || v.told[0].Stamp.State != consent.Refused || v.told[0].Stamp.Interaction != id {
			t.Errorf("told %+v", v.told)
		}
		if len(v.there.Received("Update")) != 0 {
			t.Error("an Update went out though nothing changed")
		}
	})
}

func TestARevocationThatComesBeforeTheAcceptWins(t *testing.T) {
	t.Parallel()
	inFediverse(t, func(t *testing.T, v *fediverse) {
		bobs := v.bob.Note("<p>mine</p>")
		v.there.Put(bobs)
		id, _, request := v.quote(t, bobs.ID)
		if got := v.bob.Send(&activity.Activity{Type: activity.Types{"Delete"}, Object: activity.Refs{activity.IRI(v.there.Origin() + "/stamps/1")}}, alice); got != http.StatusAccepted {
			t.Fatalf("the Delete was answered %d", got)
		}
		v.settle()
		v.grants(request, nil) // and the stamp is still served
		if len(v.told) != 0 || len(v.there.Received("Update")) != 0 {
			t.Errorf("told %+v", v.told)
		}
		if _, served := v.doc(t, id); !served.(*activity.Object).QuoteAuthorization.IsZero() {
			t.Errorf("served %+v", served)
		}
	})
}
