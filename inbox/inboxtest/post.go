package inboxtest

import (
	"fmt"
	"time"

	"github.com/fedihook/fedihook/activity"
)

// Note makes a public note, whose text is HTML. It is the test's to change until [Actor.Create] says it.
func (a *Actor) Note(html string) *activity.Object { return a.note(html, activity.VisibilityPublic) }

func (a *Actor) note(html string, v activity.Visibility) *activity.Object {
	o := activity.Note(fmt.Sprintf("%s/posts/%d", a.id, a.s.next()), a.id, html, time.Now().UTC().Truncate(time.Second))
	o.Address(v, a.id+"/followers")
	return o
}

// Private makes a note for followers.
func (a *Actor) Private(html string) *activity.Object {
	return a.note(html, activity.VisibilityFollowers)
}

// Mention makes a public note that mentions an actor.
func (a *Actor) Mention(actorID, html string) *activity.Object {
	a.s.n.helper()
	return a.mention(a.Note(html), actorID, activity.VisibilityPublic)
}

// Direct makes a note that is for one actor alone.
func (a *Actor) Direct(actorID, html string) *activity.Object {
	a.s.n.helper()
	return a.mention(a.note(html, activity.VisibilityDirect), actorID, activity.VisibilityDirect)
}

func (a *Actor) mention(o *activity.Object, actorID string, v activity.Visibility) *activity.Object {
	a.s.n.helper()
	o.Tag = append(o.Tag, activity.Embed(activity.Mention(actorID, a.handleOf(actorID))))
	o.Address(v, a.id+"/followers")
	return o
}

// Reply makes a public reply to a post, which it fetches, and so to its author.
func (a *Actor) Reply(postID, html string) *activity.Object {
	a.s.n.helper()
	o := a.Note(html)
	parent := a.fetchObject(postID)
	o.ReplyTo(parent, a.handleOf(parent.AttributedTo.First()))
	o.Address(activity.VisibilityPublic, a.id+"/followers")
	return o
}

// Poll makes a public question with options of which one can be chosen, open for a day.
func (a *Actor) Poll(html string, options ...string) *activity.Object {
	o := a.Note(html)
	p := activity.Poll{Ends: o.Published.Add(24 * time.Hour)}
	for _, name := range options {
		p.Options = append(p.Options, activity.Option{Name: name})
	}
	o.SetPoll(p)
	return o
}

// Vote makes the note by which the actor chooses an option of a question, which it fetches.
func (a *Actor) Vote(questionID, option string) *activity.Object {
	a.s.n.helper()
	return activity.Vote(fmt.Sprintf("%s/votes/%d", a.id, a.s.next()), a.id, option, a.fetchObject(questionID))
}

// fetchObject gets a post as the actor sees it. One that can't be had is an error of the test, and comes without an author.
func (a *Actor) fetchObject(id string) *activity.Object {
	a.s.n.helper()
	doc, err := a.s.fetch(a.account, id)
	if err == nil {
		if o, ok := doc.(*activity.Object); ok {
			return o
		}
		err = fmt.Errorf("it is %T", doc)
	}
	a.s.n.errorf("inboxtest: %s cannot read %s: %v", a.id, id, err)
	return &activity.Object{ID: id}
}

func (a *Actor) handleOf(actorID string) string {
	a.s.n.helper()
	if actorID == "" {
		return ""
	}
	p, err := a.s.meet(a.account, actorID)
	if err != nil {
		a.s.n.errorf("inboxtest: %s cannot find %s: %v", a.id, actorID, err)
	}
	return p.handle
}
