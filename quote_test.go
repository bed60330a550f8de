package fedihook_test

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/consent"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/inbox/inboxtest"
)

// quotable is a policy that lets some quote at once and others after asking.
func quotable(automatic, manual activity.Audience) activity.Policy {
	return activity.Policy{CanQuote: &activity.Rule{Automatic: automatic, Manual: manual}}
}

// post has alice write something with a policy.
func (v *fediverse) post(t *testing.T, p activity.Policy, to ...string) string {
	t.Helper()
	o := &activity.Object{Content: "<p>hello</p>", To: activity.To(to...)}
	if p != (activity.Policy{}) {
		o.InteractionPolicy = p.Ref()
	}
	id, err := v.Publish(t.Context(), "alice", o)
	if err != nil {
		t.Fatal(err)
	}
	v.settle()
	return id
}

// settle waits until nothing is under way any more.
func (v *fediverse) settle() {
	for range 4 {
		time.Sleep(time.Second)
		synctest.Wait()
	}
}

// doc is what a stranger gets under an id.
func (v *fediverse) doc(t *testing.T, id string) (int, activity.Document) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, id, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", activity.ContentType)
	client := v.net.Client()
	defer client.CloseIdleConnections()
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if doc, err := activity.Decode(raw); err == nil {
		return resp.StatusCode, doc
	}
	return resp.StatusCode, nil
}

// quotes is a note of somebody else's that quotes, served but not sent.
func quotes(by *inboxtest.Actor, quoted string) *activity.Object {
	o := by.Note("<p>look</p>")
	o.SetQuote(quoted)
	by.Server().Put(o)
	return o
}

// asks sends a QuoteRequest and returns what it was answered with, nil if nothing came.
func (v *fediverse) asks(t *testing.T, by *inboxtest.Actor, note *activity.Object, quoted string, change func(*activity.Activity)) *activity.Activity {
	t.Helper()
	request := activity.QuoteRequest("", note, &activity.Object{ID: quoted, AttributedTo: activity.Refs{activity.IRI(alice)}})
	request.Actor = activity.IRI(by.ID())
	if change != nil {
		change(request)
	}
	before := len(by.Server().Received("Accept")) + len(by.Server().Received("Reject"))
	if status := by.Send(request, alice); status != http.StatusAccepted {
		t.Fatalf("the QuoteRequest was answered %d", status)
	}
	v.settle()
	got := append(by.Server().Received("Accept"), by.Server().Received("Reject")...)
	if len(got) == before {
		return nil
	}
	for _, d := range slices.Backward(got) {
		if inner, err := d.Activity.Object[0].Document(); err == nil && inner.Is("QuoteRequest") {
			return d.Activity
		}
	}
	return nil
}

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
