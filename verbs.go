package fedihook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/outbox"
	"github.com/fedihook/fedihook/storage"
)

// Errors of the verbs. Check with errors.Is.
var (
	// ErrNotOurs: the id is not one of this site's, or not on the host of who speaks, so it is not ours to publish, edit or delete.
	ErrNotOurs = errors.New("fedihook: not an id of this site")
	// ErrOutsideOnly: the verb has to look things up, which it must not do in the app's transaction, nor for a later time.
	ErrOutsideOnly = errors.New("fedihook: not possible in a transaction or for later")
)

// Publish says that handle made o, and returns the object's id. An id that is set must be of this site, on the author's host; publishing the same
// id twice sends it once. What o leaves out is filled in: a new id, the type Note, attributedTo, published, and for whom it
// is: everyone and the followers. [activity.Followers] in an audience stands for the author's followers. It goes out at once,
// or after Config.PublishDelay, or at the time that [Server.At] says; published is then. The URL is the app's to set: Mastodon
// and Threads send who wants to see the original to the page that it names, and without one to the id, which people are shown
// JSON at. ActivityPub §6.2
//
// What sets Quote, or any other spelling of it, goes out in all that peers read, with the line for people in Content if no
// element there has the class quote-inline, and its author is asked for leave; when that comes an Update says so. A reply to a
// post whose policy wants to be asked waits for the answer; what a policy denies is not said: see [ErrNotAllowed]. In an
// interactionPolicy [activity.Followers] stands for the author's followers too. FEP-044f
func (s *Server) Publish(ctx context.Context, handle string, o *activity.Object) (id string, err error) {
	own := *o
	if own.ID == "" {
		own.ID = s.outbox.ObjectID(handle)
	}
	if len(own.Type) == 0 {
		own.Type = activity.Types{s.usualType(&own)}
	}
	if err := s.ours(handle, own.ID); err != nil {
		return "", err
	}
	if delay := s.config.PublishDelay; delay > 0 && s.at.IsZero() {
		s = s.At(time.Now().Add(delay))
	}
	_, err = s.sayObject(ctx, handle, "Create", &own)
	return own.ID, err
}

// Update says that o has replaced what was published under its id, to all who were sent that, and returns the id of the
// Update. Zero Updated means now, but of a poll of which only the votes changed as it was: to count is no edit. An audience
// that is empty stays as it was. What was not published yet goes out as it is now, and without an Update. ActivityPub §6.3
func (s *Server) Update(ctx context.Context, handle string, o *activity.Object) (id string, err error) {
	own := *o
	if len(own.Type) == 0 {
		own.Type = activity.Types{s.usualType(&own)}
	}
	if err := s.ours(handle, own.ID); err != nil {
		return "", err
	}
	return s.sayObject(ctx, handle, "Update", &own)
}

// Delete says that what was published under objectID is gone, to all who were sent it, and returns the id of the Delete. A
// Tombstone takes its place. What was not published yet is forgotten: nobody hears of it, and nothing of it is kept.
// To tell more than those [Server.Send] a Delete that names them. ActivityPub §6.4
func (s *Server) Delete(ctx context.Context, handle, objectID string) (id string, err error) {
	if err := s.ours(handle, objectID); err != nil {
		return "", err
	}
	return s.sayOf(ctx, handle, "Delete", objectID)
}

// Send says any activity, of which it fills in the actor, an id, and what the other verbs would for its type. For a type that
// they do not know, a has to say whom it is for. An id that is set must be of this site, and saying one twice sends it once.
func (s *Server) Send(ctx context.Context, handle string, a *activity.Activity) (id string, err error) {
	own := *a
	own.Object = slices.Clone(a.Object)
	if own.ID != "" {
		if err := s.ours(handle, own.ID); err != nil {
			return "", err
		}
	}
	if typ := own.Type.String(); len(own.Recipients()) == 0 && s.group == "" && !slices.Contains(addressed, typ) {
		return "", fmt.Errorf("fedihook: %s is for nobody: %w", typ, outbox.ErrIncomplete)
	}
	switch own.Type.String() {
	case "Create", "Update", "Delete":
		if err := s.ours(handle, own.Object.First()); err != nil {
			return "", err
		}
	case "Move":
		return s.move(ctx, handle, own.Target.ID, cmp.Or(own.ID, s.outbox.ActivityID(handle)))
	}
	return s.say(ctx, handle, &own)
}

// addressed are the types of which it is known whom they are for.
var addressed = []string{
	"Create", "Update", "Delete", "Follow", "Accept", "Reject", "Undo", "Block", "Flag", "Move", "Like", "Dislike", "EmojiReact", "Announce",
}

// In returns the same verbs, written in the app's own transaction: what a verb says goes out when the transaction commits,
// and never if it does not. Each verb writes one row through tx and does nothing else with it.
func (s *Server) In(tx storage.Execer) *Server {
	in := *s
	in.tx = tx
	return &in
}

// At returns the same verbs, said at a later time, to the second; one that is past means at once. What waits is kept by the
// storage. Until then Delete or Undo takes it back unsaid, and Update changes what will be said. What one says about an object
// is said in order, so that whatever comes after on the same object waits as well.
func (s *Server) At(t time.Time) *Server {
	in := *s
	in.at = t
	return &in
}

// Except returns the same verbs, which leave out the followers on some hosts, each with a port if it is not the default one.
// Whoever is named is told wherever they are. Update, Delete and Undo leave out by themselves what was left out before.
func (s *Server) Except(hosts ...string) *Server {
	in := *s
	in.except = slices.Concat(s.except, hosts)
	return &in
}

// Counts tells what became of what was said, since the Server was made. Expired counts inboxes too that the delivery
// queue gave up for that reason, unless the app brought the queue.
func (s *Server) Counts() outbox.Counts {
	c := s.outbox.Counts()
	c.Expired += s.expired.Load()
	return c
}

// undelivered hears of each inbox that the queue gave up.
func (s *Server) undelivered(ctx context.Context, e *delivery.Event) error {
	if errors.Is(e.Err, delivery.ErrExpired) {
		s.expired.Add(1)
	}
	if s.config.Undelivered == nil {
		return nil
	}
	if sender, ok := strings.CutSuffix(e.Sender, " "+toFollowers); ok { // the mark is ours
		own := *e
		own.Sender, e = sender, &own
	}
	return s.config.Undelivered(ctx, e)
}

// sayObject says that o was made or changed. Blind copies go to the activity: an object that is embedded shows none.
func (s *Server) sayObject(ctx context.Context, handle, typ string, o *activity.Object) (string, error) {
	if s.group != "" {
		inGroup(o, s.group)
	}
	return s.say(ctx, handle, &activity.Activity{
		Type: activity.Types{typ}, Object: activity.Refs{activity.Embed(o)}, BTo: o.BTo, BCC: o.BCC,
	})
}

func (s *Server) sayOf(ctx context.Context, handle, typ, objectID string) (string, error) {
	return s.say(ctx, handle, &activity.Activity{Type: activity.Types{typ}, Object: activity.Refs{activity.IRI(objectID)}})
}

func (s *Server) say(ctx context.Context, handle string, a *activity.Activity) (string, error) {
	if s.group != "" {
		s.sayInGroup(a)
	}
	var tx outbox.Execer
	if s.tx != nil {
		tx = s.tx
	}
	return s.outbox.Keep(ctx, tx, outbox.Draft{Author: handle, Activity: a, NotBefore: s.at, Except: s.except})
}

// ours refuses an id that is not of this site, or lies on another of its hosts than author, a handle or an actor id.
func (s *Server) ours(author, id string) error {
	switch {
	case !s.names.Ours(id):
		return fmt.Errorf("%w: %q", ErrNotOurs, id)
	case s.config.MoreOrigins != nil && !activity.SameAuthority(id, s.activityID(author, "x")):
		return fmt.Errorf("%w: %q is not on the host of %s", ErrNotOurs, id, author)
	}
	return nil
}
