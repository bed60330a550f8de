package fedihook

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/outbox"
	"github.com/fedihook/fedihook/signature"
)

// RotateKeys gives a user, named by handle or actor id, new keys under the ids of the old ones, and returns the id of the
// Update that tells the followers. The Update is signed with the old key, which peers know, until its delivery is over;
// everything else is signed with the new keys from then on, in other processes within a second (over SQLite within a minute). Peers that do not
// hear of it fetch the actor again when the first signature fails, though not all do: rotate when there is a reason.
// Of processes that rotate at once all end in the same keys and one Update. A crash in between leaves the old keys in use or
// all of it done; calling it again then finishes what was begun. It does not work in a transaction.
func (s *Server) RotateKeys(ctx context.Context, handle string) (id string, err error) {
	p, err := s.owner(ctx, handle)
	if err != nil {
		return "", err
	}
	next, err := s.keys.Prepare(ctx, p.ID)
	if err != nil {
		return "", err
	}
	doc, err := s.handler.Document(ctx, p.ID)
	if err != nil {
		return "", err
	}
	shown := *doc
	if err := next.Show(&shown); err != nil {
		return "", err
	}
	name, err := next.Name()
	if err != nil {
		return "", err
	}
	// First the word, then the deed: when the Update is handed over for delivery the keys are switched if that was
	// not done here. So no peer knows a key that is never used, and no key is used that nobody was told of.
	id, err = s.say(ctx, p.ID, &activity.Activity{
		ID: s.activityID(p.ID, rotates+strconv.FormatInt(next.Serial, 10)+"-"+name), Type: activity.Types{"Update"},
		Object: activity.Refs{activity.Embed(&shown)},
	})
	if err != nil {
		return "", err
	}
	return id, s.keys.Switch(ctx, p.ID, next.Serial)
}

// RevokeKeys is RotateKeys for keys that somebody else may have: the old ones are forgotten at once, also those that were
// rotated away, and the Update is signed with the new key. Peers believe it when they have fetched the actor again.
func (s *Server) RevokeKeys(ctx context.Context, handle string) (id string, err error) {
	p, err := s.owner(ctx, handle)
	if err != nil {
		return "", err
	}
	if err := s.keys.Revoke(ctx, p.ID); err != nil {
		return "", err
	}
	doc, err := s.handler.Document(ctx, p.ID)
	if err != nil {
		return "", err
	}
	return s.say(ctx, p.ID, &activity.Activity{Type: activity.Types{"Update"}, Object: activity.Refs{activity.Embed(doc)}})
}

// owner finds whose keys are to change.
func (s *Server) owner(ctx context.Context, handle string) (actor.Profile, error) {
	if s.tx != nil {
		return actor.Profile{}, ErrOutsideOnly
	}
	return s.profile(ctx, handle)
}

// rotates begins the keys of activity ids that announce a rotation; the Serial of the keys that it retires follows.
const rotates = "rotate-"

// retires tells which keys of its sender an activity retires, if it announces a rotation.
func (s *Server) retires(activityID string) (serial int64, ok bool) {
	kind, key, ok := s.names.Parse(activityID)
	rest, announces := strings.CutPrefix(key, rotates)
	number, _, cut := strings.Cut(rest, "-")
	if !ok || kind != actor.KindActivity || !announces || !cut {
		return 0, false
	}
	serial, err := strconv.ParseInt(number, 10, 64)
	return serial, err == nil
}

// senderOf is the delivery queue's name for who signs d: the actor, or for the announcement of a rotation the actor and
// which of its former keys. That it is handed over means that the keys are to be switched.
func (s *Server) senderOf(ctx context.Context, d outbox.Delivery) (string, error) {
	id, _, _ := strings.Cut(d.ID, " ") // without the number of the pass
	serial, ok := s.retires(id)
	if !ok || d.Type != "Update" {
		if d.Followers && !d.Public && (d.Type == "Create" || d.Type == "Update" || d.Type == "Announce") {
			return d.Sender + " " + toFollowers, nil
		}
		return d.Sender, nil
	}
	if err := s.keys.Switch(ctx, d.Sender, serial); err != nil {
		return "", err
	}
	return d.Sender + " " + strconv.FormatInt(serial, 10), nil
}

// Transport posts in the name of a local actor: it signs with the actor's keys when it sends. A
// delivery.Queue that several Servers share asks each for its own actors: a sender begins with the actor's id, and what may
// follow after a space is for Transport alone.
func (s *Server) Transport(sender string) (http.RoundTripper, error) {
	id, number, former := strings.Cut(strings.TrimSuffix(sender, " "+toFollowers), " ")
	if number == parts && s.names.Ours(id) {
		return &signature.Transport{Base: s.parting, Signers: s.signers, Memory: s.suites, Key: ourFault(s.keyOf(id))}, nil
	}
	serial, err := strconv.ParseInt(number, 10, 64)
	if !s.names.Ours(id) || former && err != nil {
		return nil, fmt.Errorf("fedihook: %s is not an actor of %s: %w", sender, s.names.Origin, delivery.ErrRefused)
	}
	if former {
		// Who has the new key already refuses the old one: that teaches nothing about how the host wants to be signed to.
		return &signature.Transport{Base: s.base, Signers: s.signers, Memory: unlearning{s.suites}, Key: ourFault(
			func(ctx context.Context) (signature.Key, error) { return s.keys.Retired(ctx, id, serial) })}, nil
	}
	return &signature.Transport{
		Base: s.base, Signers: s.signers, Memory: s.suites, Verifies: s.resolver.Verifies,
		Key:     ourFault(func(ctx context.Context) (signature.Key, error) { return s.keys.Private(ctx, id) }),
		Ed25519: ourFault(func(ctx context.Context) (signature.Key, error) { return s.keys.Ed25519(ctx, id) }),
	}, nil
}

// ourFault makes it no fault of the host's that a key could not be had.
func ourFault(key func(context.Context) (signature.Key, error)) func(context.Context) (signature.Key, error) {
	return func(ctx context.Context) (signature.Key, error) {
		k, err := key(ctx)
		if err != nil {
			err = fmt.Errorf("%w: %w", delivery.ErrLocal, err)
		}
		return k, err
	}
}

// unlearning knows what its Memory knows, and learns nothing.
type unlearning struct{ signature.Memory }

func (unlearning) Remember(context.Context, string, signature.Habit) {}

func (s *Server) keyOf(actorID string) func(context.Context) (signature.Key, error) {
	return func(ctx context.Context) (signature.Key, error) { return s.keys.Private(ctx, actorID) }
}
