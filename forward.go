package fedihook

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/outbox"
)

// Each activity that is forwarded goes to all followers of somebody here.
const (
	maxForwards    = 60  // activities from one host in a minute
	maxForwardsFor = 300 // for one actor here, of as many hosts as anybody may have
)

// forwarder is the inbox's Forwarder.
type forwarder struct {
	s         *Server
	relations *relations
	from, of  *pace // by the authority of who sent it, and by whose followers get it
}

func newForwarder(s *Server, r *relations) *forwarder {
	return &forwarder{
		s: s, relations: r, from: newPace(time.Minute, maxForwards, maxLately), of: newPace(time.Minute, maxForwardsFor, maxLately),
	}
}

func (f *forwarder) FollowersOf(ctx context.Context, id string) (string, error) {
	kind, p, ok, err := f.s.handler.Whose(ctx, id)
	if errors.Is(err, actor.ErrGone) {
		return "", nil
	}
	if err != nil || !ok || kind != actor.KindFollowers || f.s.names.Followers(p.ID, p.Handle) != id {
		return "", err
	}
	return p.ID, nil
}

func (f *forwarder) Author(ctx context.Context, objectID string) (author string, err error) {
	records, err := f.s.config.Storage.Log.ObjectRecords(ctx, objectID, maxVersions)
	if err != nil {
		return "", err
	}
	for _, r := range records {
		switch {
		case r.Actor == "":
		case r.Type == activity.TypeCreate:
			if author = ""; r.Public {
				author = r.Actor
			}
		case r.Type == activity.TypeDelete:
			return "", nil
		}
	}
	return author, nil
}

func (f *forwarder) Forward(ctx context.Context, local string, m *inbox.Message, except []string) error {
	return f.to(ctx, local, m, except, func(all map[string]delivery.Target) error {
		for t, err := range f.relations.targets(ctx, local) {
			if err != nil {
				return err
			}
			add(all, t)
		}
		return nil
	})
}

func add(all map[string]delivery.Target, t outbox.Target) {
	if t.Inbox != "" {
		all[t.URL()] = delivery.Target{Inbox: t.Inbox, SharedInbox: t.SharedInbox}
	}
}

// Revocation forwards m, by which leave is taken back that a quote of local's had, to whom that was sent. FEP-044f
func (f *forwarder) Revocation(ctx context.Context, local, quoteID string, m *inbox.Message) error {
	return f.to(ctx, local, m, m.Have(), func(all map[string]delivery.Target) error {
		records, err := f.s.config.Storage.Log.ObjectRecords(ctx, quoteID, maxVersions)
		if err != nil {
			return err
		}
		followers, people := false, map[string]bool{}
		for _, r := range records {
			if r.Actor != local || r.Type != activity.TypeCreate && r.Type != activity.TypeUpdate {
				continue
			}
			followers = followers || r.Followers
			for _, id := range r.To {
				people[id] = !f.s.names.Ours(id)
			}
		}
		for id, elsewhere := range people {
			if !elsewhere {
				continue
			}
			t, err := f.relations.inboxes(ctx, id)
			if err != nil && !errors.Is(err, outbox.ErrGone) {
				return err
			}
			add(all, t)
		}
		if !followers {
			return nil
		}
		for t, err := range f.relations.targets(ctx, local) {
			if err != nil {
				return err
			}
			add(all, t)
		}
		return nil
	})
}

// to posts m's bytes, signed by local, to those whom find adds. Doing it twice sends it once.
func (f *forwarder) to(ctx context.Context, local string, m *inbox.Message, except []string, find func(all map[string]delivery.Target) error) error {
	from, _ := activity.Authority(m.Sender)
	if !f.from.take(from, 1) || !f.of.take(local, 1) {
		f.s.config.Logger.WarnContext(ctx, "fedihook: too much in a minute, not forwarded", "activity", m.Activity.ID, "host", from, "actor", local)
		return nil
	}
	all := map[string]delivery.Target{}
	if err := find(all); err != nil {
		return err
	}
	if len(all) == 0 {
		return nil
	}
	mark := inbox.MarkOf(m.Sender, m.Activity.Type.String(), m.Activity.ID, m.Body)
	supersedes := map[string]delivery.Supersedes{
		activity.TypeUpdate: delivery.SupersedeUpdates, activity.TypeDelete: delivery.SupersedeAll,
	}[m.Activity.Type.String()]
	receipt, err := f.s.queue.Enqueue(ctx, nil, delivery.Activity{
		ID: "forwarded " + hashed(string(mark[:]), local), Sender: local, Key: "forwarded " + hashed(local, m.Sender, m.ObjectID),
		Supersedes: supersedes, Class: delivery.Bulk, Body: m.Body, Except: except,
	}, maps.Values(all))
	if left := (*delivery.TargetError)(nil); errors.As(err, &left) {
		err = nil
	}
	if err == nil {
		f.s.config.Logger.DebugContext(ctx, "fedihook: forwarded", "activity", m.Activity.ID, "actor", local, "targets", receipt.Targets)
	}
	return err
}

// forEveryone are further inboxes for what is for everyone: relays', and for what one of ours replies to another, the followers of
// that one. It is the outbox's Everyone.
func (s *Server) forEveryone(ctx context.Context, rec *outbox.Record) ([]outbox.Target, error) {
	targets, err := s.forRelays(ctx, rec)
	if err != nil || s.forwarder == nil {
		return targets, err
	}
	parent, err := s.repliedTo(ctx, rec)
	if err != nil || !s.names.Ours(parent) {
		return targets, err
	}
	author, err := s.forwarder.Author(ctx, parent)
	if err != nil || author == "" || author == rec.Actor {
		return targets, err
	}
	all := map[string]outbox.Target{}
	for t, err := range s.relations.targets(ctx, author) {
		if err != nil {
			return nil, err
		}
		if authority, _ := activity.Authority(t.Inbox); t.Inbox != "" && !slices.Contains(rec.Except, authority) {
			all[t.URL()] = t
		}
	}
	return slices.AppendSeq(targets, maps.Values(all)), nil
}

// repliedTo is what the object of a Create, an Update or a Delete of ours is a reply to, "" if it is none.
func (s *Server) repliedTo(ctx context.Context, rec *outbox.Record) (string, error) {
	records := []outbox.Record{*rec}
	switch rec.Type {
	case activity.TypeCreate, activity.TypeUpdate:
	case activity.TypeDelete: // a Tombstone does not say
		var err error
		if records, err = s.config.Storage.Log.ObjectRecords(ctx, rec.Object, maxVersions); err != nil {
			return "", err
		}
	default:
		return "", nil
	}
	for _, r := range records {
		a, err := decodeActivity(r.Activity)
		if err != nil || r.Actor != rec.Actor || r.Type == activity.TypeDelete {
			continue
		}
		if o, err := firstObject(a); err == nil && o != nil && o.InReplyTo.ID != "" {
			return o.InReplyTo.ID, nil
		}
	}
	return "", nil
}
