package activity

import (
	"slices"
	"time"
)

// The constructors of activities take the activity's id, which has to be an https URL at the host of its
// actor. Package outbox mints ids and fills in actors, so that apps which use it may leave both empty.
// What they make passes [Check] if what they are given does.

// Create says that o was made, by whom o is attributed to, for whom o addresses. ActivityPub §6.2.
func Create(id string, o *Object) *Activity {
	a := sayOf(TypeCreate, id, o)
	a.Object, a.Published = Refs{Embed(o)}, o.Published
	return a
}

// Update says that o has been edited at the time at, which it sets as o.Updated too, so that what is
// served at its id says the same. A zero time leaves Updated as it is: peers take such an Update
// for news about o, as when votes were counted, and not for an edit. To whom o is shown can't be
// changed. ActivityPub §6.3.
func Update(id string, o *Object, at time.Time) *Activity {
	if !at.IsZero() {
		o.Updated = at
	}
	a := sayOf(TypeUpdate, id, o)
	a.Object, a.Updated = Refs{Embed(o)}, at
	return a
}

// UpdateActor tells everyone that the profile was changed at the time at, which it sets as who.Updated
// unless it is zero. ActivityPub §6.3.
func UpdateActor(id string, who *Actor, at time.Time) *Activity {
	if !at.IsZero() {
		who.Updated = at
	}
	return &Activity{
		ID: id, Type: Types{TypeUpdate}, Actor: IRI(who.ID), Object: Refs{Embed(who)}, To: To(Public),
		CC: addressed(who.Followers.ID), Updated: at,
	}
}

// Delete says to all whom o addresses that it is gone since the time at; zero if nobody need know. In its place
// stands a [Tombstone]. ActivityPub §6.4.
func Delete(id string, o *Object, at time.Time) *Activity {
	a := sayOf(TypeDelete, id, o)
	a.Object = Refs{Embed(Tombstone(o.ID, o.Type.String(), at))}
	return a
}

// DeleteActor tells everyone that an account is gone. ActivityPub §6.4.
func DeleteActor(id, actor string) *Activity {
	return &Activity{ID: id, Type: Types{TypeDelete}, Actor: IRI(actor), Object: Refs{IRI(actor)}, To: To(Public)}
}

// sayOf begins an activity of o's author for o's audience.
func sayOf(typ, id string, o *Object) *Activity {
	a := &Activity{
		ID: id, Type: Types{typ}, To: slices.Clone(o.To), CC: slices.Clone(o.CC), BTo: slices.Clone(o.BTo), BCC: slices.Clone(o.BCC),
		Audience: slices.Clone(o.Audience),
	}
	if author := o.AttributedTo.First(); author != "" {
		a.Actor = IRI(author)
	}
	return a
}

// addressed is an Audience of those of ids that are not empty, and not everyone: a stranger's
// object may name that as its author.
func addressed(ids ...string) Audience {
	return To(slices.DeleteFunc(ids, func(id string) bool { return id == "" || IsPublic(id) })...)
}

// Follow asks for what target, an actor, does from now on. ActivityPub §6.5.
func Follow(id, actor, target string) *Activity {
	return &Activity{ID: id, Type: Types{TypeFollow}, Actor: IRI(actor), Object: Refs{IRI(target)}, To: addressed(target)}
}

// Accept says yes to a request: a [Follow], where actor is who is followed, a [QuoteRequest], where Result has to
// be set to the id of the authorization, a Join. ActivityPub §7.5.
func Accept(id, actor string, request *Activity) *Activity {
	return answer(TypeAccept, id, actor, request)
}

// Reject says no to a request, also later to one that was accepted: so one loses a follower. ActivityPub §7.7.
func Reject(id, actor string, request *Activity) *Activity {
	return answer(TypeReject, id, actor, request)
}

func answer(typ, id, actor string, request *Activity) *Activity {
	return &Activity{
		ID: id, Type: Types{typ}, Actor: IRI(actor), Object: Refs{Embed(request.brief())}, To: addressed(request.Actor.ID),
	}
}

// brief is a, but its participants by their ids only. Threads and Pixelfed need to see the activity that
// an answer or an Undo is about, and choke on an actor or object inside that.
func (a *Activity) brief() *Activity {
	id := func(r Ref) Ref {
		if r.ID != "" {
			r.Raw = nil
		}
		return r
	}
	out := &Activity{
		ID: a.ID, Type: a.Type, Actor: id(a.Actor), Object: slices.Clone(a.Object), Target: id(a.Target), Instrument: id(a.Instrument),
		Content: a.Content, MisskeyReaction: a.MisskeyReaction,
	}
	for i, r := range out.Object {
		out.Object[i] = id(r)
	}
	return out
}

// Undo takes back an activity: a Follow, a Like, an Announce, a Block, an Accept. It is for whom a was
// for. a needs its id, type, actor and object: Mastodon 4.6 can't undo a Like of which it sees only the
// id. ActivityPub §6.10.
func Undo(id string, a *Activity) *Activity {
	undo := &Activity{
		ID: id, Type: Types{TypeUndo}, Actor: IRI(a.Actor.ID), Object: Refs{Embed(a.brief())},
		To: slices.Clone(a.To), CC: slices.Clone(a.CC), BTo: slices.Clone(a.BTo), BCC: slices.Clone(a.BCC),
	}
	// Mastodon and others follow and block without saying to whom.
	if len(a.Recipients()) == 0 && (a.Is(TypeFollow) || a.Is(TypeBlock)) {
		undo.To = addressed(a.Object.First())
	}
	return undo
}

// Like tells the author of o that actor likes it. ActivityPub §6.8.
func Like(id, actor string, o *Object) *Activity {
	return &Activity{ID: id, Type: Types{TypeLike}, Actor: IRI(actor), Object: Refs{IRI(o.ID)}, To: addressed(o.AttributedTo.First())}
}

// React is a Like with an emoji: one of Unicode, or :name: and its [Emoji] as custom. Misskey, Pleroma and
// their kin show the emoji, Mastodon a favourite. FEP-c0e0.
func React(id, actor string, o *Object, emoji string, custom *Object) *Activity {
	a := Like(id, actor, o)
	a.Content, a.MisskeyReaction = emoji, emoji
	if custom != nil {
		a.Tag = List{Embed(custom)}
	}
	return a
}

// Announce shares o with everyone, tells its author, and puts it before the followers of actor, whose collection
// has the id followers. o has to be public or unlisted. ActivityPub §7.11.
func Announce(id, actor, followers string, o *Object, at time.Time) *Activity {
	return &Activity{
		ID: id, Type: Types{TypeAnnounce}, Actor: IRI(actor), Object: Refs{IRI(o.ID)},
		To: To(Public), CC: addressed(followers, o.AttributedTo.First()), Published: at,
	}
}

// Move tells the followers of from that they should follow target, whose AlsoKnownAs has to name from. It also sets
// from.MovedTo. FEP-7628.
func Move(id string, from *Actor, target string) *Activity {
	from.MovedTo = IRI(target)
	return &Activity{
		ID: id, Type: Types{TypeMove}, Actor: IRI(from.ID), Object: Refs{IRI(from.ID)}, Target: IRI(target),
		To: addressed(from.Followers.ID),
	}
}

// Flag reports an account to the moderators of its server, with the objects that show what is wrong, if there are
// any. It addresses nobody, so that no timeline shows it; send it to the inbox of accused.
// Mastodon 4.6 sends it as its instance actor, so that who complained is not known. ActivityStreams Vocabulary §3.1.
func Flag(id, actor, reason, accused string, objects ...string) *Activity {
	return &Activity{
		ID: id, Type: Types{TypeFlag}, Actor: IRI(actor), Content: reason, Object: Refs(To(append([]string{accused}, objects...)...)),
	}
}

// Block tells target that actor wants nothing to do with it. ActivityPub §6.9 would keep it at home; Mastodon sends it,
// so that target's server ends the follows in both directions.
func Block(id, actor, target string) *Activity {
	return &Activity{ID: id, Type: Types{TypeBlock}, Actor: IRI(actor), Object: Refs{IRI(target)}, To: addressed(target)}
}
