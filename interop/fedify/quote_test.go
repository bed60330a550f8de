//go:build interop

package fedify_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/consent"
)

// leave is what Fedify makes of an authorization, or of a post that has one.
type leave struct{ Type, Author, Quote, Quoted, QuoteURL, Stamp string }

func (p *peer) leave(t *testing.T, id string) (l leave) {
	t.Helper()
	p.must(t, http.MethodPost, "/authorization", with{"id": id}, &l)
	return l
}

// aliceIsQuotable makes a post of alice's that everyone may quote.
func (w *world) aliceIsQuotable(t *testing.T) string {
	t.Helper()
	o := &activity.Object{Content: "<p>Quote me</p>"}
	o.InteractionPolicy = activity.Policy{CanQuote: &activity.Rule{Automatic: activity.To(activity.Public)}}.Ref()
	id := must(t)(w.o.f.Publish(t.Context(), "alice", o))
	w.fedifyHears(t, "Create", "alice", func(e event) bool { return e.ObjectID == id })
	return id
}

// fredQuotes has fred ask for leave, and returns alice's answer.
func (w *world) fredQuotes(t *testing.T) (quoted string, s sent, accept event) {
	t.Helper()
	quoted = w.aliceIsQuotable(t)
	s = w.p.doWith(t, "quote", with{"id": quoted, "content": "Look"})
	h := w.oursHears(t, "Quote", s.ID)
	if h.ObjectID != quoted || h.Stamp == nil || h.Stamp.Interaction != s.Note || h.Stamp.Actor != w.p.Actor || h.Stamp.State != consent.Granted {
		t.Errorf("the app heard of %s with %+v", h.ObjectID, h.Stamp)
	}
	return quoted, s, w.fedifyHears(t, "Accept", "alice", func(e event) bool { return e.ObjectID == s.ID })
}

// result is the authorization that an Accept names.
func (e event) result(t *testing.T) string {
	t.Helper()
	var a struct{ Result string }
	if err := json.Unmarshal(e.Activity, &a); err != nil || a.Result == "" {
		t.Fatalf("the Accept came as %s: %v", e.Activity, err)
	}
	return a.Result
}

func fredAsksToQuote(t *testing.T, w *world) { w.fredQuotes(t) }

func aliceLetsFredQuote(t *testing.T, w *world) {
	quoted, s, accept := w.fredQuotes(t)
	stamp := accept.result(t)
	if got, want := w.p.leave(t, stamp), (leave{Type: "QuoteAuthorization", Author: w.o.actor("alice"), Quote: s.Note, Quoted: quoted}); got != want {
		t.Errorf("Fedify reads %+v, want %+v", got, want)
	}
	h := w.oursHears(t, "Create", w.p.doWith(t, "stamp", with{"id": s.Note, "stamp": stamp}).ID)
	if h.Quote == nil || !h.Quote.Approved || h.Quote.ID != quoted || h.Quote.Authorization != stamp {
		t.Errorf("ours makes of the quote %+v", h.Quote)
	}
}

func aliceRevokes(t *testing.T, w *world) {
	_, _, accept := w.fredQuotes(t)
	stamp := accept.result(t)
	e := w.fedifyHearsID(t, "Delete", "alice", must(t)(w.o.f.Revoke(t.Context(), "alice", stamp)))
	if e.ObjectID != stamp {
		t.Errorf("the Delete is of %s, not of %s", e.ObjectID, stamp)
	}
	if status, _ := w.p.call(t, http.MethodPost, "/authorization", with{"id": stamp}, nil); status != http.StatusNotFound {
		t.Errorf("Fedify still finds it: %d", status)
	}
}

// aliceQuotes has alice quote a post of fred's, and returns her request.
func (w *world) aliceQuotes(t *testing.T) (quoted, quote string, request event) {
	t.Helper()
	s := w.p.doWith(t, "quotable", with{"content": "Quote me too"})
	w.oursHears(t, "Create", s.ID)
	o := &activity.Object{Content: "<p>Look</p>", Quote: activity.IRI(s.Note)}
	quote = must(t)(w.o.f.Publish(t.Context(), "alice", o))
	w.fedifyHears(t, "Create", "alice", func(e event) bool { return e.ObjectID == quote })
	return s.Note, quote, w.fedifyHears(t, "QuoteRequest", "alice", func(e event) bool { return e.ObjectID == s.Note })
}

func aliceAsksToQuote(t *testing.T, w *world) {
	quoted, quote, request := w.aliceQuotes(t)
	var a struct {
		Instrument struct{ ID, Type, Quote string }
	}
	if err := json.Unmarshal(request.Activity, &a); err != nil || a.Instrument.ID != quote || a.Instrument.Type != "Note" || a.Instrument.Quote != quoted {
		t.Errorf("the QuoteRequest came as %s: %v", request.Activity, err)
	}
	if got := w.p.leave(t, quote); got.Quoted != quoted || got.QuoteURL != quoted || got.Stamp != "" {
		t.Errorf("Fedify reads %+v", got)
	}
}

// fredGrants has fred give alice leave, and waits until her quote shows it.
func (w *world) fredGrants(t *testing.T) (quote, stamp string) {
	t.Helper()
	quoted, quote, request := w.aliceQuotes(t)
	s := w.p.doWith(t, "grant", with{"request": request.ID, "actor": w.o.actor("alice"), "quote": quote, "quoted": quoted})
	h := w.oursHears(t, "Leave", s.ID)
	if h.Stamp == nil || h.Stamp.State != consent.Granted || h.Stamp.ID != s.Note || h.Stamp.Interaction != quote {
		t.Errorf("the app heard %+v", h.Stamp)
	}
	w.fedifyHears(t, "Update", "alice", func(e event) bool { return e.ObjectID == quote })
	return quote, s.Note
}

func fredLetsAliceQuote(t *testing.T, w *world) {
	quote, stamp := w.fredGrants(t)
	if got := w.p.leave(t, quote); got.Stamp != stamp {
		t.Errorf("Fedify reads %+v, want the authorization %s", got, stamp)
	}
}

func fredRevokes(t *testing.T, w *world) {
	quote, stamp := w.fredGrants(t)
	s := w.p.doWith(t, "revoke", with{"id": stamp, "actor": w.o.actor("alice")})
	if h := w.oursHears(t, "Leave", s.ID); h.Stamp == nil || h.Stamp.State != consent.Revoked || h.Stamp.ID != stamp {
		t.Errorf("the app heard %+v", h.Stamp)
	}
	eventually(t, func() bool { return w.p.leave(t, quote).Stamp == "" })
	if got := w.p.leave(t, quote); got.Stamp != "" {
		t.Errorf("Fedify still reads %+v", got)
	}
}
