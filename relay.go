package fedihook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/outbox"
)

const (
	maxRelays = 50 // each gets every public post
	// maxAnnounced bounds the posts that one Announce of a relay may name.
	maxAnnounced = 10
)

// FollowRelay subscribes the site to a relay, in the name of the instance actor, and returns the id of the Follow that is sent.
// Once the relay has accepted it, what users here say to everyone goes there too: Create, Update and Delete of posts, but not
// what is said with [Server.Except]. Wanted says that what the relay brings is taken in although it concerns nobody here: its
// posts reach Hooks.Create as if their authors had sent them, with Message.Via; without it the relay is only told.
//
// Address is, for outbox.MastodonRelay, the URL of the relay's inbox; relays of this style pass on what has an LD signature, see
// Config.NoLDSignatures. For outbox.LitePubRelay it is the id of the relay's actor, which then follows the instance actor. Doing it
// twice sends it once; it takes over wanted, and asks again where the relay said no. It does not work in a transaction. FEP-ae0c
func (s *Server) FollowRelay(ctx context.Context, address string, style outbox.RelayStyle, wanted bool) (id string, err error) {
	if s.tx != nil || !s.at.IsZero() {
		return "", ErrOutsideOnly
	}
	r := outbox.Relay{ID: address, Style: style, Inbox: address, State: outbox.RelayPending, Wanted: wanted, At: time.Now()}
	authority, ok := activity.Authority(address)
	switch {
	case !ok || s.names.Ours(address):
		return "", fmt.Errorf("fedihook: relay %q: %w", address, outbox.ErrIncomplete)
	case style == outbox.LitePubRelay:
		if r.Inbox, _, err = s.resolver.Inboxes(ctx, address); err != nil {
			return "", err
		}
		r.Actor = address
	case style != outbox.MastodonRelay:
		return "", fmt.Errorf("fedihook: relay %q in %s: %w", address, style, outbox.ErrIncomplete)
	}
	if err := s.config.Policy.Allow(ctx, authority); err != nil {
		return "", err
	}
	list, err := s.Relays(ctx)
	if err != nil {
		return "", err
	}
	known := false
	for _, old := range list {
		if old.ID != address {
			continue
		}
		known = true
		if old.Style == style && old.State != outbox.RelayRejected {
			r = old
			r.Wanted = wanted
		}
	}
	if !known && len(list) >= maxRelays {
		return "", fmt.Errorf("fedihook: %d relays: %w", len(list), outbox.ErrIncomplete)
	}
	if r.FollowID == "" {
		r.FollowID = s.outbox.ActivityID(s.names.Instance())
	}
	defer s.relays.forget()
	if err := s.config.Storage.Relays.PutRelay(ctx, r); err != nil { // first: it may answer at once
		return "", err
	}
	return r.FollowID, s.askRelay(ctx, r)
}

// UnfollowRelay ends a subscription by its address, and returns the id of the Undo. The error wraps outbox.ErrNoRelay if there
// is none.
func (s *Server) UnfollowRelay(ctx context.Context, address string) (id string, err error) {
	if s.tx != nil || !s.at.IsZero() {
		return "", ErrOutsideOnly
	}
	list, err := s.Relays(ctx)
	if err != nil {
		return "", err
	}
	for _, r := range list {
		if r.ID != address {
			continue
		}
		defer s.relays.forget()
		undo := activity.Undo(r.FollowID+"-undo", s.followOf(r))
		undo.To = s.followOf(r).To
		if err := s.postAs(ctx, s.names.Instance(), r.ID, undo, r.Inbox); err != nil {
			return "", err
		}
		return undo.ID, s.config.Storage.Relays.DeleteRelay(ctx, r.ID)
	}
	return "", fmt.Errorf("fedihook: %s: %w", address, outbox.ErrNoRelay)
}

// Relays lists the relays that were subscribed to, and how far each has come.
func (s *Server) Relays(ctx context.Context) ([]outbox.Relay, error) {
	return s.config.Storage.Relays.Relays(ctx)
}

// someRelays are the Relays of a moment ago.
func (s *Server) someRelays(ctx context.Context) ([]outbox.Relay, error) {
	list, ok, version := s.relays.get("")
	if ok {
		return list, nil
	}
	list, err := s.Relays(ctx)
	if err == nil {
		s.relays.put("", list, version)
	}
	return list, err
}

func (s *Server) followOf(r outbox.Relay) *activity.Activity {
	if r.Style == outbox.MastodonRelay {
		a := activity.Follow(r.FollowID, s.names.Instance(), activity.Public)
		a.To, a.CC = nil, nil // nobody is meant but the relay, whose id is not known
		return a
	}
	return activity.Follow(r.FollowID, s.names.Instance(), r.Actor)
}

func (s *Server) askRelay(ctx context.Context, r outbox.Relay) error {
	return s.postAs(ctx, s.names.Instance(), r.ID, s.followOf(r), r.Inbox)
}

// askRelays asks again whoever has not answered: who died after a relay was kept had not asked it yet. The queue knows
// what was asked.
func (s *Server) askRelays(ctx context.Context) error {
	list, err := s.Relays(ctx)
	for _, r := range list {
		if r.State == outbox.RelayPending && err == nil {
			err = s.askRelay(ctx, r)
		}
	}
	if err != nil && ctx.Err() == nil {
		s.config.Logger.WarnContext(ctx, "fedihook: relays not asked", "error", err)
	}
	return nil // it is no reason to end all else
}

// brings tells whether what a relay brings is taken in. See inbox.Config.Brings.
func (s *Server) brings(ctx context.Context, a *activity.Activity, authority, signer string) (bool, error) {
	list, err := s.someRelays(ctx)
	if err != nil {
		return false, err
	}
	for _, r := range list {
		at, _ := activity.Authority(r.Inbox)
		if r.Actor != "" {
			at, _ = activity.Authority(r.Actor)
		}
		if r.State == outbox.RelayRejected || r.Actor == "" || at != authority || signer != "" && signer != r.Actor {
			continue
		}
		if s.followsUs(r, a) {
			return true, nil
		}
		if !r.Wanted || r.State != outbox.RelayAccepted {
			continue
		}
		n := 0
		if signer != "" && !(a.Actor.ID == r.Actor && a.Type.String() == activity.TypeAnnounce) { // which counts by what it names
			n = 1
		}
		if !s.relayPace.take(r.ID, n) {
			s.config.Logger.DebugContext(ctx, "fedihook: a relay brings too much", "relay", r.ID, "activity", a.ID)
			return false, nil
		}
		return true, nil
	}
	return false, nil
}

// followsUs tells whether a is the Follow with which a relay in the style of LitePub answers, or ends that.
func (s *Server) followsUs(r outbox.Relay, a *activity.Activity) bool {
	if r.Style != outbox.LitePubRelay || a.Actor.ID != r.Actor {
		return false
	}
	if a.Is(activity.TypeUndo) && len(a.Object) > 0 {
		doc, err := a.Object[0].Document()
		inner, ok := doc.(*activity.Activity)
		return err == nil && ok && inner.Is(activity.TypeFollow) && inner.Object.First() == s.names.Instance()
	}
	return a.Is(activity.TypeFollow) && a.Object.First() == s.names.Instance()
}

// take does what relays say. See inbox.Config.Take.
func (s *Server) take(ctx context.Context, m *inbox.Message) (taken bool, err error) {
	switch m.Activity.Type.String() {
	case activity.TypeAccept, activity.TypeReject:
		return s.relayAnswers(ctx, m)
	case activity.TypeFollow, activity.TypeUndo, activity.TypeAnnounce:
	default:
		return false, nil
	}
	list, err := s.someRelays(ctx)
	if err != nil {
		return false, err
	}
	for _, r := range list {
		switch {
		case r.Actor != m.Sender || m.By == inbox.ByOrigin:
		case s.followsUs(r, m.Activity):
			if m.Activity.Is(activity.TypeUndo) {
				return true, nil
			}
			return true, s.outbox.Answer(ctx, s.names.Instance(), activity.TypeAccept, m.Activity)
		case m.Activity.Is(activity.TypeAnnounce) && r.State == outbox.RelayAccepted:
			return true, s.relayNames(ctx, r, m)
		}
	}
	return false, nil
}

// relayAnswers takes the answer to a Follow of a relay, which it names by its id: whoever knows that is the relay, if it is on
// the relay's server.
func (s *Server) relayAnswers(ctx context.Context, m *inbox.Message) (taken bool, err error) {
	if !s.names.Ours(m.ObjectID) || m.By == inbox.ByOrigin {
		return false, nil
	}
	list, err := s.Relays(ctx) // not of a moment ago: it may answer at once
	if err != nil {
		return false, err
	}
	for _, r := range list {
		if r.FollowID != m.ObjectID {
			continue
		}
		if r.Actor != "" && r.Actor != m.Sender || !activity.SameAuthority(m.Sender, r.Inbox) {
			return true, fmt.Errorf("%w: %s is not the relay %s", inbox.ErrDrop, m.Sender, r.ID)
		}
		state := outbox.RelayAccepted
		if m.Activity.Is(activity.TypeReject) {
			state = outbox.RelayRejected
		}
		defer s.relays.forget()
		if err := s.config.Storage.Relays.AnswerRelay(ctx, r.FollowID, m.Sender, state, time.Now()); err != nil && !errors.Is(err, outbox.ErrNoRelay) {
			return true, err
		}
		s.config.Logger.InfoContext(ctx, "fedihook: a relay has answered", "relay", r.ID, "state", state)
		return true, nil
	}
	return false, nil
}

// relayNames takes in the posts that a relay's Announce names, as far as their own servers show them. It is no boost. Each of
// them counts, also where the Announce was for somebody here and would have come in without a relay.
func (s *Server) relayNames(ctx context.Context, r outbox.Relay, m *inbox.Message) error {
	ids := m.Activity.Object.IDs()
	if !r.Wanted {
		return nil
	}
	for _, id := range ids[:min(len(ids), maxAnnounced)] {
		if !s.relayPace.take(r.ID, 1) {
			s.config.Logger.DebugContext(ctx, "fedihook: a relay names too much", "relay", r.ID, "activity", m.Activity.ID)
			return nil
		}
		err := s.relayNamed(ctx, r, id)
		refusal := (*inbox.Refusal)(nil)
		switch {
		case err == nil:
		case errors.Is(err, inbox.ErrDrop), errors.Is(err, moderation.ErrRefused),
			errors.As(err, &refusal) && refusal.Status != http.StatusServiceUnavailable:
			s.config.Logger.InfoContext(ctx, "fedihook: left out what a relay named", "relay", r.ID, "object", id, "error", err)
		default:
			return err
		}
	}
	return nil
}

func (s *Server) relayNamed(ctx context.Context, r outbox.Relay, id string) error {
	for range 2 { // some name the Create
		if s.names.Ours(id) {
			return nil
		}
		if owner, err := s.objectOwner(ctx, id); err != nil || owner != "" {
			return err // it is here already
		}
		var doc activity.Document
		err := inbox.Away(ctx, id, func() (err error) {
			doc, err = s.peers.Fetch(ctx, id)
			return err
		})
		if err != nil {
			return err
		}
		switch doc := doc.(type) {
		case *activity.Object:
			return s.relayShows(ctx, r, id, doc)
		case *activity.Activity:
			object := doc.Object.First()
			if !doc.Is(activity.TypeCreate) || !activity.SameAuthority(object, id) {
				return fmt.Errorf("%w: %s of %s", inbox.ErrDrop, doc.Type, object)
			}
			id = object
		default:
			return fmt.Errorf("%w: a %T", inbox.ErrDrop, doc)
		}
	}
	return fmt.Errorf("%w: no post", inbox.ErrDrop)
}

// relayShows takes in a post that its server has shown, if it is for everyone. Whether it is whose it says the inbox judges.
func (s *Server) relayShows(ctx context.Context, r outbox.Relay, id string, o *activity.Object) error {
	author := o.AttributedTo.First()
	everyone := o.To.Has(activity.Public) || o.CC.Has(activity.Public)
	if o.Is(activity.TypeTombstone) || !everyone || !activity.SameAuthority(o.ID, id) {
		return fmt.Errorf("%w: %s by %q is not for everyone", inbox.ErrDrop, o.ID, author)
	}
	return s.inbox.Conclude(ctx, &activity.Activity{
		Type: activity.Types{activity.TypeCreate}, Actor: activity.IRI(author), Object: activity.Refs{activity.Embed(o)},
		To: o.To, CC: o.CC, Published: o.Published,
	}, o.ID, r.Actor)
}

// forRelays are where relays want what is for everyone. It is the outbox's Everyone.
func (s *Server) forRelays(ctx context.Context, rec *outbox.Record) (targets []outbox.Target, err error) {
	switch rec.Type {
	case activity.TypeCreate, activity.TypeUpdate, activity.TypeDelete:
	default:
		return nil, nil
	}
	list, err := s.someRelays(ctx)
	if err != nil || len(list) == 0 || len(rec.Except) > 0 { // else it would come round to whom it is not for
		return nil, err
	}
	listed, err := s.isListed(ctx, rec)
	if err != nil || !listed {
		return nil, err
	}
	for _, r := range list {
		switch {
		case r.State != outbox.RelayAccepted:
		case r.Style == outbox.LitePubRelay && rec.Type == activity.TypeCreate:
			if err := s.announceTo(ctx, r, rec); err != nil {
				return nil, err
			}
		default:
			targets = append(targets, outbox.Target{Inbox: r.Inbox})
		}
	}
	return targets, nil
}

// isListed tells whether rec is for everyone's timelines: addressed to everyone in to, or of a Delete, that what it deletes was.
func (s *Server) isListed(ctx context.Context, rec *outbox.Record) (bool, error) {
	if rec.Type != activity.TypeDelete {
		a, err := decodeActivity(rec.Activity)
		return err == nil && a.To.Has(activity.Public), nil
	}
	records, err := s.config.Storage.Log.ObjectRecords(ctx, rec.Object, maxVersions)
	if err != nil {
		return false, err
	}
	for _, old := range records {
		if old.Type != activity.TypeCreate && old.Type != activity.TypeUpdate || old.Actor == "" || len(old.Except) > 0 {
			continue
		}
		if a, err := decodeActivity(old.Activity); err == nil && a.To.Has(activity.Public) {
			return true, nil
		}
	}
	return false, nil
}

// announceTo names a post to a relay in the style of LitePub.
func (s *Server) announceTo(ctx context.Context, r outbox.Relay, rec *outbox.Record) error {
	instance := s.names.Instance()
	return s.postAs(ctx, instance, rec.Object, &activity.Activity{
		ID: s.activityID(instance, "relay-"+hashed(r.ID, rec.ID)), Type: activity.Types{activity.TypeAnnounce}, Actor: activity.IRI(instance),
		Object: activity.Refs{activity.IRI(rec.Object)}, To: activity.To(r.Actor), CC: activity.To(activity.Public),
		Published: rec.At.UTC().Truncate(time.Second),
	}, r.Inbox)
}
