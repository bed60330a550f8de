package inboxtest

import (
	"slices"

	"github.com/fedihook/fedihook/activity"
)

// Relay is a server whose only actor passes on what others say, in either of two styles: those who ask its inbox for everyone's posts
// (activity.Public) get what has an LD signature as it came ([Relay.Forward]), those who follow its actor are told ids
// ([Relay.Name]). It does so when the test says so. FEP-ae0c
type Relay struct {
	*Actor
	subscribers []string
}

// Relay makes a relay of the server.
func (s *Server) Relay() *Relay {
	s.n.helper()
	r := &Relay{Actor: s.Actor("relay")}
	r.Edit(func(doc *activity.Actor) { doc.Type = activity.Types{activity.TypeApplication} })
	return r
}

// Inbox is the URL that a subscriber is told.
func (r *Relay) Inbox() string { return r.id + "/inbox" }

// asked is the latest Follow of everyone, or of the relay, by a subscriber.
func (r *Relay) asked(subscriber string) *activity.Activity {
	r.s.n.helper()
	for _, d := range slices.Backward(r.s.Received(activity.TypeFollow)) {
		object := d.Activity.Object.First()
		if d.Activity.Actor.ID == subscriber && (object == r.id || object == activity.Public) {
			return d.Activity
		}
	}
	r.s.n.errorf("inboxtest: %s has not asked the relay %s", subscriber, r.id)
	return &activity.Activity{ID: subscriber + "/nothing", Type: activity.Types{activity.TypeFollow}, Actor: activity.IRI(subscriber)}
}

// Accept says yes to a subscriber, and embeds the Follow as it came.
func (r *Relay) Accept(subscriber string) int {
	r.s.n.helper()
	r.subscribers = append(r.subscribers, subscriber)
	return r.answer(activity.TypeAccept, subscriber)
}

// Reject says no to a subscriber, also long after it was accepted.
func (r *Relay) Reject(subscriber string) int {
	r.s.n.helper()
	r.subscribers = without(r.subscribers, subscriber)
	return r.answer(activity.TypeReject, subscriber)
}

func (r *Relay) answer(typ, subscriber string) int {
	r.s.n.helper()
	return r.Send(&activity.Activity{
		Type: activity.Types{typ}, Object: activity.Refs{activity.Embed(r.asked(subscriber))}, To: activity.To(subscriber),
	})
}

// Forward passes on bytes as they came to all subscribers, signed by the relay, and returns the greatest status.
func (r *Relay) Forward(body []byte) (status int) {
	r.s.n.helper()
	for _, id := range r.subscribers {
		p, err := r.s.meet(r.account, id)
		if err != nil {
			r.s.n.errorf("inboxtest: %s cannot find %s: %v", r.id, id, err)
			continue
		}
		inbox := p.inbox
		if p.shared != "" {
			inbox = p.shared
		}
		status = max(status, r.Post(inbox, body))
	}
	return status
}

// Name announces posts to all subscribers by their ids.
func (r *Relay) Name(ids ...string) int {
	r.s.n.helper()
	body, err := activity.Encode(&activity.Activity{
		ID: r.activityID("announce"), Type: activity.Types{activity.TypeAnnounce}, Actor: activity.IRI(r.id),
		Object: activity.Refs(activity.To(ids...)), To: activity.To(r.id + "/followers"), CC: activity.To(activity.Public),
	})
	if err != nil {
		r.s.n.errorf("inboxtest: %s announces %q: %v", r.id, ids, err)
		return 0
	}
	return r.Forward(body)
}
