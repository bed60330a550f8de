package fedihook

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/inbox"
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
	from, _ := activity.Authority(m.Sender)
	if !f.from.take(from, 1) || !f.of.take(local, 1) {
		f.s.config.Logger.WarnContext(ctx, "fedihook: too much in a minute, not forwarded", "activity", m.Activity.ID, "host", from, "actor", local)
		return nil
	}
	all := map[string]delivery.Target{}
	for t, err := range f.relations.targets(ctx, local) {
		if err != nil {
			return err
		}
		if t.Inbox != "" {
			all[t.URL()] = delivery.Target{Inbox: t.Inbox, SharedInbox: t.SharedInbox}
		}
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
