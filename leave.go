package fedihook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/consent"
	"github.com/fedihook/fedihook/outbox"
)

// What stands here asks others for leave before, or while, something is said about what they made.

// leave is what the outbox asks before it says something.
func (s *Server) leave(ctx context.Context, author outbox.Author, a *activity.Activity) error {
	switch a.Type.String() {
	case "Like", "EmojiReact":
		return s.leaveFor(ctx, author, consent.Like, a, nil)
	case "Announce":
		return s.leaveFor(ctx, author, consent.Announce, a, nil)
	}
	doc, err := firstObject(a)
	if doc == nil {
		if err == nil && a.Is(activity.TypeUpdate) {
			err = s.showProfile(ctx, author, a)
		}
		return err
	}
	o := *doc
	s.placePolicy(&o, author)
	if err := s.leaveToQuote(ctx, author, &o); err != nil {
		return err
	}
	isVote := o.Name != "" && o.Text() == ""
	if o.InReplyTo.ID != "" && !isVote {
		if err := s.leaveFor(ctx, author, consent.Reply, a, &o); err != nil {
			return err
		}
	}
	a.Object = slices.Clone(a.Object)
	a.Object[0] = activity.Embed(&o)
	return nil
}

// firstObject is what a embeds if that is an object, else nil.
func firstObject(a *activity.Activity) (*activity.Object, error) {
	if len(a.Object) == 0 {
		return nil, nil
	}
	doc, err := a.Object[0].Document()
	if errors.Is(err, activity.ErrNotEmbedded) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", outbox.ErrGone, err)
	}
	o, _ := doc.(*activity.Object)
	return o, nil
}

// spellQuote makes o, of this site, quote what it says in every spelling that peers read, and its text say so to those who
// read none.
func spellQuote(o *activity.Object) (quoted string) {
	quoted = o.Quoted()
	if quoted == "" {
		return ""
	}
	o.SetQuote(quoted)
	const mark = "quote-inline"
	if !strings.Contains(o.Content, mark) {
		o.Content = activity.QuoteHTML(quoted) + o.Content
	}
	if len(o.ContentMap) > 0 {
		said := make(activity.LangMap, len(o.ContentMap))
		for lang, text := range o.ContentMap {
			if !strings.Contains(text, mark) {
				text = activity.QuoteHTML(quoted) + text
			}
			said[lang] = text
		}
		o.ContentMap = said
	}
	return quoted
}

// leaveToQuote keeps that leave is to be asked for, unless it was. The post need not wait for the answer. FEP-044f
func (s *Server) leaveToQuote(ctx context.Context, author outbox.Author, o *activity.Object) error {
	quoted := spellQuote(o)
	if quoted == "" {
		return nil
	}
	st, err := s.stamp(ctx, consent.Quote, o.ID, quoted)
	if err != nil {
		return err
	}
	o.QuoteAuthorization = activity.Ref{}
	if st.State == consent.Granted {
		o.QuoteAuthorization = activity.IRI(st.ID)
	}
	if st.Version > 0 {
		return nil
	}
	p, err := s.theirs(ctx, author.ID, quoted)
	if err != nil {
		return err
	}
	if p.author == author.ID {
		return nil
	}
	if p.Object != nil {
		decision, err := s.expect(ctx, consent.Quote, p, author.ID)
		if err != nil {
			return err
		}
		silent := p.Policy().CanQuote == nil && slices.ContainsFunc(p.Recipients(), activity.IsPublic)
		if decision == consent.Denied && !silent { // who says nothing may know nothing of policies
			return fmt.Errorf("%w: %w: to quote %s", outbox.ErrGone, ErrNotAllowed, quoted)
		}
	}
	st.Author, st.Actor = p.author, author.ID
	st.Request = s.activityID(author.ID, derived("ask", consent.Quote.String(), o.ID, quoted))
	_, err = s.save(ctx, st, consent.Requested)
	return err
}

// leaving is what the outbox tells of what goes out.
func (s *Server) leaving(ctx context.Context, actorID string, a *activity.Activity) error {
	if a.Is("Delete") {
		return s.endStamps(ctx, actorID, a.Object.First())
	}
	o, err := firstObject(a)
	if o == nil || err != nil {
		return err
	}
	quoted := o.Quoted()
	if quoted == "" {
		return nil
	}
	st, err := s.stamp(ctx, consent.Quote, o.ID, quoted)
	if err != nil || st.State != consent.Requested || st.Actor != actorID {
		return err
	}
	instrument := activity.Embed(o)
	if shows, err := s.shows(ctx, st, append(o.Recipients(), a.Recipients()...)); err != nil {
		return err
	} else if !shows { // who is asked gets to know that there is such a post, and no word of it
		instrument = activity.IRI(o.ID)
	}
	return s.sayRequest(ctx, st, instrument)
}

// shows tells whether who is asked for leave may read what it is asked for, which is addressed to audience.
func (s *Server) shows(ctx context.Context, st consent.Stamp, audience []string) (bool, error) {
	err := s.mayRead(ctx, st.Interaction, st.Author, st.Actor, audience)
	if errors.Is(err, actor.ErrHidden) {
		return false, nil
	}
	return err == nil, err
}

// sayRequest says that leave is asked for, once.
func (s *Server) sayRequest(ctx context.Context, st consent.Stamp, instrument activity.Ref) error {
	request := &activity.Activity{
		ID: st.Request, Type: activity.Types{st.Kind.Request()}, Object: activity.Refs{activity.IRI(st.Target)}, Instrument: instrument,
	}
	if st.Author != "" {
		request.To = activity.To(st.Author)
	}
	_, err := s.outbox.Say(ctx, nil, st.Actor, request)
	return err
}

// endStamps takes back all leave for a post that its author deletes. Who dies in between begins anew, so what was taken back or
// refused before is said again too: it has the same id, and goes out once.
func (s *Server) endStamps(ctx context.Context, author, id string) error {
	for st, err := range s.Stamps(ctx, consent.Query{Target: id, Author: author}) {
		if err != nil {
			return err
		}
		switch st.State {
		case consent.Granted, consent.Revoked:
			_, err = s.revoke(ctx, st)
		case consent.Requested, consent.Refused:
			err = s.refuse(ctx, st)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// leaveFor asks for leave where a post's policy demands it, and puts what was given into a, or into o if that is a reply.
func (s *Server) leaveFor(ctx context.Context, author outbox.Author, kind consent.Kind, a *activity.Activity, o *activity.Object) error {
	interaction, target := a.ID, a.Object.First()
	if o != nil {
		interaction, target = o.ID, o.InReplyTo.ID
	}
	st, err := s.stamp(ctx, kind, interaction, target)
	if err != nil {
		return err
	}
	switch st.State {
	case consent.Granted:
		return show(st, a, o)
	case consent.Refused, consent.Revoked:
		return fmt.Errorf("%w: %w: to %s %s", outbox.ErrGone, ErrNotAllowed, kind, target)
	case consent.Requested:
		return s.askFor(ctx, author, st, a, o)
	}
	if a.Is("Update") {
		return nil // it was said before there was anything to ask
	}
	p, err := s.theirs(ctx, author.ID, target)
	if err != nil || p.Object == nil {
		return err
	}
	rule := kind.Rule(p.Policy())
	if rule == nil || p.author == author.ID {
		return nil
	}
	decision, err := s.expect(ctx, kind, p, author.ID)
	if err != nil {
		return err
	}
	named := rule.Automatic.Has(activity.Public) || rule.Automatic.Has(author.ID) || slices.Contains(p.Mentions(), author.ID)
	switch {
	case decision == consent.Denied:
		return fmt.Errorf("%w: %w: to %s %s", outbox.ErrGone, ErrNotAllowed, kind, target)
	case decision == consent.Automatic && named:
		return nil
	}
	st.Author, st.Actor = p.author, author.ID
	if o != nil && len(o.Recipients()) > 0 {
		audience := append(followersIn(o.To, author).IDs(), followersIn(o.CC, author).IDs()...)
		audience = append(append(audience, o.BTo.IDs()...), o.BCC.IDs()...)
		if shows, err := s.shows(ctx, st, audience); err != nil || !shows {
			return err // who never sees an answer is not shown it to be asked
		}
	}
	// Who follows whom only the author's server can tell the others, so that is asked for too.
	st.Request = s.activityID(author.ID, derived("ask", kind.String(), interaction, target))
	if st, err = s.save(ctx, st, consent.Requested); err != nil {
		return err
	}
	return s.askFor(ctx, author, st, a, o)
}

// askFor says the request and holds what it is for.
func (s *Server) askFor(ctx context.Context, author outbox.Author, st consent.Stamp, a *activity.Activity, o *activity.Object) error {
	var instrument activity.Ref
	if o != nil {
		shown := *o
		if len(shown.AttributedTo) == 0 {
			shown.AttributedTo = activity.Refs{activity.IRI(author.ID)}
		}
		if shown.Published.IsZero() {
			shown.Published = st.At.Truncate(time.Second)
		}
		if len(shown.Recipients()) == 0 {
			shown.To, shown.CC = activity.To(activity.Public), activity.To(activity.Followers)
		}
		shown.To, shown.CC, shown.BTo, shown.BCC = followersIn(shown.To, author), followersIn(shown.CC, author), nil, nil
		instrument = activity.Embed(&shown)
	} else {
		shown := *a
		shown.Actor, shown.BTo, shown.BCC = activity.IRI(author.ID), nil, nil
		if len(shown.Recipients()) == 0 {
			shown.To = activity.To(st.Author)
		}
		if a.Is("Announce") && len(a.Recipients()) == 0 {
			shown.To, shown.CC = activity.To(activity.Public), activity.To(author.Followers, st.Author)
		}
		shown.To, shown.CC = followersIn(shown.To, author), followersIn(shown.CC, author)
		instrument = activity.Embed(&shown)
	}
	if err := s.sayRequest(ctx, st, instrument); err != nil {
		return err
	}
	return fmt.Errorf("%w: of %s", outbox.ErrHeld, st.Author)
}

func followersIn(a activity.Audience, author outbox.Author) activity.Audience {
	out := slices.Clone(a)
	for i, ref := range out {
		if ref.ID == activity.Followers {
			out[i] = activity.IRI(author.Followers)
		}
	}
	return out
}

// show puts leave where others look for it, in both generations.
func show(st consent.Stamp, a *activity.Activity, o *activity.Object) error {
	if o != nil {
		o.ReplyAuthorization, o.ApprovedBy = activity.IRI(st.ID), activity.IRI(st.ID)
		return nil
	}
	return errors.Join(a.Extra.Set(st.Kind.Property(), st.ID), a.Extra.Set("approvedBy", st.ID))
}

// restamp tells who was sent a quote of ours whether there is leave for it. It is no edit.
func (s *Server) restamp(ctx context.Context, st consent.Stamp) error {
	p, err := s.post(ctx, st.Interaction)
	if err != nil || p.Object == nil || p.author != st.Actor {
		return err
	}
	sent, err := s.published(ctx, st.Interaction)
	if err != nil {
		return err
	}
	want := ""
	if st.State == consent.Granted {
		want = st.ID
	}
	if sent.object == nil || sent.object.QuoteAuthorization.ID == want {
		return nil
	}
	o := *p.Object
	o.QuoteAuthorization = activity.Ref{} // as the stamp is when its turn comes
	o.Updated = time.Time{}
	_, err = s.outbox.Say(ctx, nil, st.Actor, &activity.Activity{
		ID: s.activityID(st.Actor, derived("Update", st.Interaction, st.ID, st.State.String())), Type: activity.Types{"Update"},
		Object: activity.Refs{activity.Embed(&o)},
	})
	return err
}

// asShown completes a post of ours with what belongs to it and the app need not know: how it quotes and by whose leave, and
// whom its policy means.
func (s *Server) asShown(ctx context.Context, o *activity.Object, author string) (*activity.Object, error) {
	if o.Is("Tombstone") || o.Quoted() == "" && o.InteractionPolicy.IsZero() {
		return o, nil
	}
	shown := *o
	if !o.InteractionPolicy.IsZero() {
		by, err := s.author(ctx, author)
		if err == nil {
			s.placePolicy(&shown, by)
		}
	}
	if quoted := spellQuote(&shown); quoted != "" {
		shown.QuoteAuthorization = activity.Ref{}
		st, err := s.stamp(ctx, consent.Quote, shown.ID, quoted)
		if err != nil {
			return nil, err
		}
		if st.State == consent.Granted {
			shown.QuoteAuthorization = activity.IRI(st.ID)
		}
	}
	return &shown, nil
}

// forgetStamps drops what others gave each other long ago.
func (s *Server) forgetStamps(ctx context.Context) error {
	every := time.NewTicker(time.Hour)
	defer every.Stop()
	for {
		if err := s.config.Storage.Stamps.ForgetStamps(ctx, time.Now().Add(-keepTheirs)); err != nil && ctx.Err() == nil {
			s.config.Logger.WarnContext(ctx, "fedihook: old authorizations not forgotten", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		}
	}
}
