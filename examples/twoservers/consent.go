package main

import (
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/consent"
)

// grantAndRevoke is a post that says who may quote it, a quote, and its author's second thoughts.
func (w *world) grantAndRevoke() error {
	w.begin("bob quotes alice by her leave, until she takes it back")
	everyone := &activity.Rule{Automatic: activity.To(activity.Public)}
	post := &activity.Object{
		Content: "<p>Quote me</p>", To: activity.To(activity.Public), CC: activity.To(activity.Followers),
		InteractionPolicy: activity.Policy{CanQuote: everyone}.Ref(),
	}
	quoted, err := w.a.publish(w.ctx, w.a.f, "alice", post, false)
	if err != nil {
		return err
	}
	w.check(w.until(func() bool { return w.b.timeline(w.ctx, quoted) != nil }), "her post arrives")
	leave, err := w.b.f.May(w.ctx, "bob", consent.Quote, quoted)
	if err != nil {
		return err
	}
	w.check(leave == consent.Automatic, "bob's server knows beforehand that he may quote it", leave)

	note := &activity.Object{Content: "<p>Look</p>", To: activity.To(activity.Public, w.alice), Quote: activity.IRI(quoted)}
	quote, err := w.b.publish(w.ctx, w.b.f, "bob", note, false)
	if err != nil {
		return err
	}
	stamp := func() string {
		if got := w.a.timeline(w.ctx, quote); got != nil {
			return got.object.QuoteAuthorization.ID
		}
		return ""
	}
	w.check(w.until(func() bool { return stamp() != "" }), "alice's server has his quote with her authorization", stamp())
	got := w.a.timeline(w.ctx, quote)
	if got == nil {
		return nil
	}
	w.check(got.object.Quoted() == quoted, "it says what it quotes", got.object.Quoted())
	given := stamp()
	shown := w.get(w.a, path(given), activity.ContentType, "")
	w.check(shown.status == 200 && shown.text("interactingObject") == quote && shown.text("interactionTarget") == quoted,
		"her server shows the authorization, for this quote of this post", shown.body)
	verdict, err := w.b.f.Quote(w.ctx, got.object)
	w.check(err == nil && verdict.Approved, "bob's server, asked anew, finds it approved", verdict, err)

	private, err := w.b.f.May(w.ctx, "bob", consent.Quote, w.secret)
	w.check(err == nil && private == consent.Denied, "what she wrote for followers is not to be quoted", private, err)

	if _, err := w.a.f.Revoke(w.ctx, "alice", given); err != nil {
		return err
	}
	w.check(w.until(func() bool { return stamp() == "" }), "after she took it back his quote says so where it was sent", stamp())
	gone := w.get(w.a, path(given), activity.ContentType, "")
	w.check(gone.status == 410, "the authorization is 410", gone.status)
	verdict, err = w.b.f.Quote(w.ctx, got.object)
	w.check(err == nil && !verdict.Approved, "bob's server, asked anew, finds it unapproved", verdict, err)
	return nil
}
