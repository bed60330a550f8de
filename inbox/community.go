package inbox

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/moderation"
)

// What stands here is about groups: what they announce is judged as its content. FEP-1b12

// Group is what is known of a group.
type Group struct {
	ID                   string
	Moderators, Featured string // ids of its collections, "" where there are none
	Local                bool
}

// Groups is what is known of groups here and elsewhere. Its methods may be called by many goroutines at once.
type Groups interface {
	// Group describes an actor of this site, or one elsewhere whose signature was verified. Ok is false if it is no group.
	Group(ctx context.Context, actorID string) (g Group, ok bool, err error)
	// Moderates tells whether an actor is listed among a group's moderators, which for one elsewhere its server is asked.
	Moderates(ctx context.Context, g Group, actorID string) (bool, error)
	// Posted tells whether an object of this site was said to a group.
	Posted(ctx context.Context, objectID, groupID string) (bool, error)
	// Share is called when the hook has run, with what came for people here in another way than through a group. It announces
	// what is for a group here. An error means to try again, unless it wraps [ErrDrop].
	Share(ctx context.Context, m *Message) error
}

// announceable are the types that a group announces: nothing that makes a relation, and no Announce, so that none is ever
// inside another.
var announceable = []string{"Create", "Update", "Delete", "Like", "Dislike", "EmojiReact", "Undo", "Add", "Remove", "Block", "Lock", "Flag"}

// copyWait is how long the Announce of an object by a group waits for the Create of it, which says more.
const copyWait = time.Minute

// inner reads the activity that a group may have announced, nil if c holds none that can be said by anyone.
func (in *Inbox) inner(c *matter, ref activity.Ref) *matter {
	a := embedded(ref)
	if a == nil || len(a.Type) == 0 {
		return nil
	}
	if _, ok := activity.Authority(a.Actor.ID); !ok {
		return nil
	}
	n := &matter{a: a, body: ref.Raw, sender: a.Actor.ID, owner: c.owner, signer: c.signer, received: c.received}
	if object := firstRef(a.Object); object.Raw != nil {
		n.object, _ = object.Document()
	}
	return n
}

// unwrap returns what is to be judged: c itself or, where it is the Announce of an activity by a group, that activity, which
// is believed for its own proof, for its origin, or because the group's server speaks for its actor anyway: never for the
// group. Nil: there is nothing to it. FEP-1b12
func (in *Inbox) unwrap(ctx context.Context, c *matter) (*matter, error) {
	if in.Groups == nil || c.a.Type.String() != "Announce" || c.by == ByOrigin || c.inner == nil && !c.ToFollowers {
		return c, nil
	}
	g, ok, err := in.Groups.Group(ctx, c.sender)
	switch {
	case err != nil:
		return nil, c.refuse(http.StatusServiceUnavailable, err)
	case !ok:
		return c, nil
	case c.inner == nil:
		// Lemmy (0.19) and others announce the object too, for servers that read no activity here.
		object := c.a.Object.First()
		c.copied = g.Moderators != "" && object != "" && !in.Ours(object)
		return c, nil
	}
	n := c.inner
	n.group, n.toMembers = g.ID, c.ToFollowers
	if !slices.Contains(announceable, n.a.Type.String()) {
		in.Logger.InfoContext(ctx, "inbox: dropped, nothing that a group announces", "activity", n.a.ID, "type", n.a.Type.String(), "group", g.ID)
		return nil, nil
	}
	if in.Ours(n.sender) {
		return nil, nil // said here, so known
	}
	if drop, err := in.dropped(ctx, n); err != nil || drop { // before anything of its host's is fetched
		return nil, err
	}
	return n, in.believe(ctx, n, g)
}

// believe finds out how it is known that n was said, which a group brought.
func (in *Inbox) believe(ctx context.Context, n *matter, g Group) error {
	moderates, err := in.isModeration(ctx, n, g)
	if err != nil {
		return n.refuse(http.StatusServiceUnavailable, err)
	}
	switch {
	case moderates: // whoever it names: what is in a group is the group's to say. Whether it is one is looked up before the hook
		n.moderates, n.by = true, ByGroup
		return nil
	case activity.SameAuthority(n.sender, g.ID) && len(n.a.Proof) == 0:
		n.by = ByGroup
		return nil
	}
	return in.prove(ctx, n, "")
}

// dropped tells whether nothing is to be done about what a group announced, which is no fault of the group's.
func (in *Inbox) dropped(ctx context.Context, n *matter) (bool, error) {
	err := in.allowed(ctx, n, nil)
	if errors.Is(err, moderation.ErrRefused) {
		in.Logger.InfoContext(ctx, "inbox: dropped, announced by a group and said by who is suspended", "activity", n.a.ID, "group", n.group)
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return in.isFarewell(ctx, n)
}

// isModeration tells whether c, if it may be said at all, is said of the group rather than of what is its actor's own: by one of
// the group's moderators.
func (in *Inbox) isModeration(ctx context.Context, c *matter, g Group) (bool, error) {
	return in.moderates(ctx, c.a, c.sender, g, true)
}

func (in *Inbox) moderates(ctx context.Context, a *activity.Activity, sender string, g Group, outer bool) (bool, error) {
	object := a.Object.First()
	switch a.Type.String() {
	case "Lock":
		return true, nil
	case "Block":
		return a.Target.ID == g.ID || !g.Local && activity.SameAuthority(a.Target.ID, g.ID), nil
	case "Add", "Remove":
		return a.Target.ID != "" && (a.Target.ID == g.Moderators || a.Target.ID == g.Featured), nil
	case "Update":
		return object == g.ID && sender != g.ID, nil
	case "Delete":
		if object == sender {
			return false, nil
		}
		// Lemmy (0.19) says why a moderator removes something, also with no words; an author gives no reason.
		_, reason := a.Extra["summary"]
		if a.Summary != "" || reason || !activity.SameAuthority(object, sender) {
			return true, nil
		}
		owner, err := in.Owner(ctx, object)
		return owner != "" && owner != sender, err
	case "Undo":
		undone := embedded(firstRef(a.Object))
		if undone == nil || !outer || undone.Is("Update") {
			return false, nil
		}
		return in.moderates(ctx, undone, sender, g, false)
	}
	return false, nil
}

// asModerator finds out whether c, which came without a group between, is what a moderator of a group here does there.
func (in *Inbox) asModerator(ctx context.Context, c *matter) error {
	if in.Groups == nil || c.group != "" {
		return nil
	}
	switch c.a.Type.String() {
	case "Lock", "Block", "Add", "Remove", "Delete", "Undo", "Update":
	default:
		return nil
	}
	for _, id := range c.To[:min(len(c.To), 10)] {
		g, ok, err := in.Groups.Group(ctx, id)
		if err == nil && ok && g.Local {
			ok, err = in.isModeration(ctx, c, g)
			if err == nil && ok {
				ok, err = in.Groups.Moderates(ctx, g, c.sender)
			}
			if err == nil && ok {
				c.moderates, c.group = true, g.ID
				return nil
			}
		}
		if err != nil {
			return c.refuse(http.StatusServiceUnavailable, err)
		}
	}
	return nil
}

// authoriseModeration is authorise for what a moderator does in a group.
func authoriseModeration(a *activity.Activity) error {
	switch {
	case a.ID != "" && !activity.SameAuthority(a.ID, a.Actor.ID):
		return denied("%s is no id of %s", a.ID, a.Actor.ID)
	case len(a.Object) != 1 || len(a.Type) != 1:
		return denied("%s of %d objects at once", a.Type, len(a.Object))
	}
	if undone := embedded(a.Object[0]); a.Is("Undo") && undone.Actor.ID != a.Actor.ID {
		return denied("%s was done by %s", undone.ID, undone.Actor.ID)
	}
	return nil
}

// readModeration finds out whether m is said by a moderator of its group, and fills m.Object.
func (in *Inbox) readModeration(ctx context.Context, m *Message) error {
	g, ok, err := in.Groups.Group(ctx, m.Group)
	if err != nil {
		return err
	}
	// Whom the group's own server names is an administrator there, if it is not a moderator. Not so here.
	if ok && (g.Local || !activity.SameAuthority(m.Sender, g.ID)) {
		ok, err = in.Groups.Moderates(ctx, g, m.Sender)
	}
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("%w: %s does not moderate %s", ErrDrop, m.Sender, m.Group)
	}
	about := m.Activity
	if undone := embedded(firstRef(about.Object)); m.Activity.Is("Undo") && undone != nil {
		m.Object, about = undone, undone
	}
	switch object := about.Object.First(); {
	case about.Is("Update"): // of the group: its own server says what it is now
		m.Object, err = in.fetch(ctx, g.ID)
		return err
	case about.Is("Delete"), about.Is("Lock"):
		if !in.Ours(object) {
			return nil
		}
		posted, err := in.Groups.Posted(ctx, object, g.ID)
		if err != nil {
			return err
		}
		if !posted {
			return fmt.Errorf("%w: %s was never said to %s", ErrDrop, object, g.ID)
		}
	}
	return nil
}

// updateGroup takes over what a moderator changed.
func (in *Inbox) updateGroup(ctx context.Context, m *Message) error {
	a, ok := m.Object.(*activity.Actor)
	if !ok || !m.Activity.Is("Update") || a.ID != m.Group || in.Ours(a.ID) {
		return nil
	}
	return in.Peers.Update(ctx, a)
}

// share tells a group here what came for it.
func (in *Inbox) share(ctx context.Context, m *Message) error {
	if in.Groups == nil || m.By == ByOrigin || !slices.Contains(announceable, m.Activity.Type.String()) ||
		m.Group != "" && !in.Ours(m.Group) {
		return nil
	}
	return in.Groups.Share(ctx, m)
}
