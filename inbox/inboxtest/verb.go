package inboxtest

import (
	"fmt"
	"slices"
	"time"

	"github.com/fedihook/fedihook/activity"
)

// activityID mints an id. Threads makes them fragments of the actor's.
func (a *Actor) activityID(typ string) string {
	switch {
	case a.manner.ID != "":
		return a.manner.ID
	case a.s.feels().threads:
		return fmt.Sprintf("%s#%ss/%d", a.id, typ, a.s.next())
	}
	return fmt.Sprintf("%s/activities/%d", a.id, a.s.next())
}

// Follow asks to follow an actor. ActivityPub §6.5
func (a *Actor) Follow(actorID string) int {
	a.s.n.helper()
	return a.say(activity.Follow(a.activityID("follow"), a.id, actorID))
}

// Accept says yes to the latest Follow of this actor by follower, who then is sent its posts. ActivityPub §7.5
func (a *Actor) Accept(follower string) int {
	a.s.n.helper()
	status := a.answer(follower, activity.Accept)
	if status >= 200 && status < 300 {
		a.s.mu.Lock()
		a.followers[follower] = true
		a.s.mu.Unlock()
	}
	return status
}

// Reject says no to the latest Follow of this actor by follower, also long after it was accepted. ActivityPub §7.7
func (a *Actor) Reject(follower string) int {
	a.s.n.helper()
	a.s.mu.Lock()
	delete(a.followers, follower)
	a.s.mu.Unlock()
	return a.answer(follower, activity.Reject)
}

func (a *Actor) answer(follower string, how func(id, actor string, follow *activity.Activity) *activity.Activity) int {
	a.s.n.helper()
	var last *activity.Activity
	for _, d := range a.s.Received(activity.TypeFollow) {
		if d.Activity.Actor.ID == follower && d.Activity.Object.First() == a.id {
			last = d.Activity
		}
	}
	if last == nil {
		a.s.n.errorf("inboxtest: %s has not asked to follow %s", follower, a.id)
		return 0
	}
	return a.say(how(a.activityID("accept"), a.id, last))
}

// Create says that o was made, and serves it to those whom it is for. ActivityPub §6.2
func (a *Actor) Create(o *activity.Object) int {
	a.s.n.helper()
	a.show(o)
	return a.say(activity.Create(a.activityID("create"), o))
}

// Update says that o was edited now, and serves what it has become. ActivityPub §6.3
func (a *Actor) Update(o *activity.Object) int {
	a.s.n.helper()
	update := activity.Update(a.activityID("update"), o, time.Now().UTC().Truncate(time.Second))
	a.show(o)
	return a.say(update)
}

// show serves o as it is now, to those whom it is for.
func (a *Actor) show(o *activity.Object) {
	a.s.n.helper()
	if o.To.Has(activity.Public) || o.CC.Has(activity.Public) {
		a.s.put(o, nil)
		return
	}
	whom := append(o.To.IDs(), o.CC.IDs()...)
	a.s.put(o, func(who string) bool { // called with the lock held
		return slices.Contains(whom, who) || a.followers[who] && slices.Contains(whom, a.id+"/followers")
	})
}

// Delete says that the actor's post is gone to those who were sent it, and serves a Tombstone. ActivityPub §6.4
func (a *Actor) Delete(postID string) int {
	a.s.n.helper()
	gone := &activity.Object{ID: postID, AttributedTo: activity.Refs{activity.IRI(a.id)}, To: activity.To(activity.Public)}
	a.s.mu.Lock()
	said := a.said["Create "+postID]
	a.s.mu.Unlock()
	if said != nil {
		gone.To, gone.CC = said.To, said.CC
	}
	now := time.Now().UTC().Truncate(time.Second)
	a.s.remove(postID, activity.Tombstone(postID, "", now))
	return a.say(activity.Delete(a.activityID("delete"), gone, now))
}

// DeleteSelf says to every server of which anybody is known here that the account is gone; its id is 410 from now on. ActivityPub §6.4
func (a *Actor) DeleteSelf() int {
	a.s.n.helper()
	a.s.mu.Lock()
	a.gone = true
	a.s.mu.Unlock()
	return a.sayToAll(activity.DeleteActor(a.id+"#delete", a.id))
}

// UpdateSelf changes the profile and says so to every server of which anybody is known here. change may be nil. ActivityPub §6.3
func (a *Actor) UpdateSelf(change func(*activity.Actor)) int {
	a.s.n.helper()
	now := time.Now().UTC().Truncate(time.Second)
	a.Edit(func(doc *activity.Actor) {
		if change != nil {
			change(doc)
		}
		doc.Updated = now
	})
	return a.sayToAll(activity.UpdateActor(a.activityID("update"), a.Document(), now))
}

// Move says to followers, and to every server of which anybody is known here, that the actor is now another one, whose [Actor.Alias] has to
// agree. FEP-7628
func (a *Actor) Move(to string) int {
	a.s.n.helper()
	var move *activity.Activity
	id := a.activityID("move")
	a.Edit(func(doc *activity.Actor) { move = activity.Move(id, doc, to) })
	return a.sayToAll(move)
}

// Like likes a post, which it fetches to learn whom to tell. ActivityPub §6.8
func (a *Actor) Like(postID string) int {
	a.s.n.helper()
	return a.say(activity.Like(a.activityID("like"), a.id, a.fetchObject(postID)))
}

// React likes a post with an emoji of Unicode. FEP-c0e0
func (a *Actor) React(postID, emoji string) int {
	a.s.n.helper()
	return a.say(activity.React(a.activityID("like"), a.id, a.fetchObject(postID), emoji, nil))
}

// Announce shares a post with followers and tells its author. ActivityPub §7.11
func (a *Actor) Announce(postID string) int {
	a.s.n.helper()
	now := time.Now().UTC().Truncate(time.Second)
	return a.say(activity.Announce(a.activityID("announce"), a.id, a.id+"/followers", a.fetchObject(postID), now))
}

// Block tells an actor that this one wants nothing to do with it. ActivityPub §6.9
func (a *Actor) Block(actorID string) int {
	a.s.n.helper()
	a.s.mu.Lock()
	delete(a.followers, actorID)
	delete(a.following, actorID)
	a.s.mu.Unlock()
	return a.say(activity.Block(a.activityID("block"), a.id, actorID))
}

// Flag reports an actor, with posts that show what is wrong, to its server. ActivityStreams Vocabulary §3.1
func (a *Actor) Flag(actorID, reason string, postIDs ...string) int {
	a.s.n.helper()
	return a.say(activity.Flag(a.activityID("flag"), a.id, reason, actorID, postIDs...), actorID)
}

// Add pins a post to the actor's profile and tells followers, Remove takes it off.
func (a *Actor) Add(postID string) int {
	a.s.n.helper()
	return a.pin(activity.TypeAdd, postID)
}

// Remove takes a post off the actor's profile and tells followers.
func (a *Actor) Remove(postID string) int {
	a.s.n.helper()
	return a.pin(activity.TypeRemove, postID)
}

func (a *Actor) pin(typ, postID string) int {
	a.s.n.helper()
	a.s.mu.Lock()
	a.featured = without(a.featured, postID)
	if typ == activity.TypeAdd {
		a.featured = append(a.featured, postID)
	}
	a.s.mu.Unlock()
	return a.say(&activity.Activity{ // Mastodon gives it no id
		Type: activity.Types{typ}, Actor: activity.IRI(a.id), Object: activity.Refs{activity.IRI(postID)},
		Target: activity.IRI(a.id + "/featured"), To: activity.To(activity.Public), CC: activity.To(a.id + "/followers"),
	})
}

// Undo takes back the latest activity of a type about an object: Undo("Follow", actorID), Undo("Like", postID). It is for
// whom that was for. ActivityPub §6.10
func (a *Actor) Undo(typ, objectID string) int {
	a.s.n.helper()
	a.s.mu.Lock()
	said := a.said[typ+" "+objectID]
	delete(a.said, typ+" "+objectID)
	if typ == activity.TypeFollow {
		delete(a.following, objectID)
	}
	a.s.mu.Unlock()
	if said == nil {
		a.s.n.errorf("inboxtest: %s never said %s of %s", a.id, typ, objectID)
		return 0
	}
	return a.say(activity.Undo(a.activityID("undo"), said))
}

// Send says any activity, to those whom it addresses and to the actors with these ids. Where it has no id or no actor, it gets
// them.
func (a *Actor) Send(act *activity.Activity, to ...string) int {
	a.s.n.helper()
	own := *act
	if own.ID == "" {
		own.ID = a.activityID("activity")
	}
	if own.Actor.ID == "" {
		own.Actor = activity.IRI(a.id)
	}
	return a.say(&own, to...)
}
