package inbox

import (
	"context"
	"errors"
	"fmt"

	"github.com/fedihook/fedihook/activity"
)

// What stands here makes one of what comes in several ways: an activity from its actor and through a group, and the Announce
// of an object beside the Create of it.

// errMoved says that another entry has taken the place of the one that ran.
var errMoved = errors.New("goes on as another entry")

// through is the mark of an object of which a group has announced the Create, or which was said to that group.
func through(group, objectID string) Mark { return MarkOf(group, "through", objectID, nil) }

// shown is the mark of an object whose Create is known from its origin.
func shown(author, objectID string) Mark { return MarkOf(author, "shown", objectID, nil) }

// communityRules adds to e's rules what has to do with groups.
func (in *Inbox) communityRules(c *matter, e *Entry) {
	object := c.a.Object.First()
	switch typ := c.a.Type.String(); {
	case in.Groups == nil || object == "":
	case typ == "Create":
		e.Rules.Unless = append(e.Rules.Unless, shown(c.sender, object))
		if group := c.saidTo(); group != "" && c.by != ByOrigin {
			e.Rules.Over = through(group, object)
		}
	case c.copied:
		e.Rules.Unless = append(e.Rules.Unless, e.Mark, through(c.sender, object))
		e.Mark = MarkOf(c.sender, "copy", c.a.ID, c.body)
		e.NotBefore = e.Received.Add(copyWait)
	}
}

// saidTo is the group that c came through, or the first that it is for.
func (c *matter) saidTo() string {
	if c.group != "" {
		return c.group
	}
	if id := c.a.Audience.First(); id != "" {
		return id
	}
	if o, ok := c.object.(*activity.Object); ok {
		return o.Audience.First()
	}
	return ""
}

// lane is whose share of the journal c takes: who brought it has to pay.
func (c *matter) lane() string {
	if c.group != "" {
		return c.group
	}
	return c.sender
}

// afterCopyWait lets the Announce of an object run, unless the Create came meanwhile.
func (in *Inbox) afterCopyWait(ctx context.Context, e task, a *activity.Activity, n notes) error {
	mark, rules := marksOf(a, e.Body)
	rules.Unless = append(rules.Unless, through(e.Sender, a.Object.First()))
	n.Copy = false
	return in.moveOn(ctx, e, e.Body, n, mark, rules)
}

// afterProof lets what a group brought, and its origin has shown, run as what it is, unless it has come from its actor
// meanwhile; and if it comes later, that is seen to have run. What shows only that there is such an object proves no activity's
// id, so that the mark is the object's.
func (in *Inbox) afterProof(ctx context.Context, e task, claimed *activity.Activity, m *Message, n notes) error {
	mark, rules := marksOf(claimed, e.Body)
	switch object := m.Activity.Object.First(); m.Activity.Type.String() {
	case "Update", "Delete": // each says something new, or once more what is gone: no harm in that
		return nil
	case "Create":
		rules.Unless = append(rules.Unless, mark)
		mark, rules.Over = shown(m.Sender, object), through(n.Group, object)
	}
	n.Proved = true
	return in.moveOn(ctx, e, m.Body, n, mark, rules)
}

// moveOn puts another entry in the place of e. It returns errMoved, whether that one was seen before or not.
func (in *Inbox) moveOn(ctx context.Context, e task, body []byte, n notes, mark Mark, rules Rules) error {
	kept, err := in.Journal.Append(ctx, Entry{
		Mark: mark, Key: e.Key, Lane: e.Lane, Turn: e.Turn, Sender: e.Sender, Owner: e.Owner, To: e.To, Body: body, Notes: n.marshal(),
		Received: e.Received, Rules: rules,
	}, Bounds{}) // it has its place in the journal
	if err != nil {
		return err
	}
	if !kept.Seen {
		in.wake()
	}
	return fmt.Errorf("%w: %d", errMoved, kept.Seq)
}
