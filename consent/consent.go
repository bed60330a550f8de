// Package consent says who may quote, answer, like and share a post, and what became of who asked.
//
// [Decide] reads a post's interaction policy for one actor, and does nothing else. A [Stamp] is leave that was asked for
// or given, and [Stamps] keeps them.
//
// It fetches, verifies and sends nothing: the façade does, which knows the rooms for that.
//
// Experimental: names may change before version 1.0.
package consent

import (
	"slices"

	"github.com/fedihook/fedihook/activity"
)

// Kind is what is done with a post. The zero Kind is none.
type Kind uint8

// The kinds of interactions that need leave.
const (
	Quote Kind = iota + 1
	Reply
	Like
	Announce
)

// words are a kind's names, in both generations of the vocabulary.
type words struct{ name, request, authorization, property, approval string }

var kinds = map[Kind]words{
	Quote: {"quote", activity.TypeQuoteRequest, activity.TypeQuoteAuthorization, "quoteAuthorization", ""},
	Reply: {"reply", activity.TypeReplyRequest, activity.TypeReplyAuthorization, "replyAuthorization", activity.TypeReplyApproval},
	Like:  {"like", activity.TypeLikeRequest, activity.TypeLikeAuthorization, "likeAuthorization", activity.TypeLikeApproval},
	Announce: {
		"announce", activity.TypeAnnounceRequest, activity.TypeAnnounceAuthorization, "announceAuthorization", activity.TypeAnnounceApproval,
	},
}

// String returns the kind's name in lower case, "" for the zero Kind.
func (k Kind) String() string { return kinds[k].name }

// Request is the type of the activity that asks for leave, as QuoteRequest.
func (k Kind) Request() string { return kinds[k].request }

// Authorization is the type of the document that gives it, as QuoteAuthorization.
func (k Kind) Authorization() string { return kinds[k].authorization }

// Property is what names that document in what leave was given for, as quoteAuthorization.
func (k Kind) Property() string { return kinds[k].property }

// Gives tells whether a document of this type gives leave of kind k: its Authorization, or what GoToSocial up to 0.20 has
// in its place.
func (k Kind) Gives(types activity.Types) bool {
	w, ok := kinds[k]
	return ok && (types.Is(w.authorization) || w.approval != "" && types.Is(w.approval))
}

// Rule is the part of p that is about k, nil if p says nothing of it.
func (k Kind) Rule(p activity.Policy) *activity.Rule {
	switch k {
	case Quote:
		return p.CanQuote
	case Reply:
		return p.CanReply
	case Like:
		return p.CanLike
	case Announce:
		return p.CanAnnounce
	}
	return nil
}

// KindOf finds the kind that an activity of this type asks for; ok is false if it asks for none.
func KindOf(request string) (k Kind, ok bool) {
	for k := Quote; k <= Announce; k++ {
		if kinds[k].request == request {
			return k, true
		}
	}
	return 0, false
}

// KindOfAuthorization finds the kind of leave that a document of this type gives; ok is false if it gives none.
func KindOfAuthorization(types activity.Types) (k Kind, ok bool) {
	for k := Quote; k <= Announce; k++ {
		if k.Gives(types) {
			return k, true
		}
	}
	return 0, false
}

// Decision is what a policy says to one actor.
type Decision uint8

// The decisions. The zero Decision is Denied.
const (
	Denied    Decision = iota
	Manual             // the author decides
	Automatic          // leave is given at once
)

// String returns the decision's name in lower case.
func (d Decision) String() string {
	return [...]string{"denied", "manual", "automatic"}[min(d, Automatic)]
}

// Question is who would do what with a post. All that it holds must have been verified.
type Question struct {
	Kind Kind
	Post *activity.Object

	Author    string // of the post
	Followers string // the id of the collection of Author's followers, "" if it is not known
	Following string // the id of the collection of those whom Author follows, "" if it is not known

	Answered string // who made what Post answers, "" if it answers nothing or that is not known

	Actor      string // who would do it
	Follows    bool   // Actor is an accepted follower of Author
	IsFollowed bool   // Author follows Actor
}

// Decide reads the post's policy. Of the lists that name the actor the more specific one counts, the actor itself before a
// collection and that before everyone, and of two equally specific ones the more generous.
//
// The author may do anything. Everyone else may quote what is public or unlisted and nothing else, and only where
// canQuote says so: a post that says nothing of quotes is not to be quoted. Where a policy is silent on likes, replies or
// shares, they are free to all. Who is mentioned in a post or was answered by it may answer. FEP-044f; GoToSocial's
// interaction policies.
func Decide(q Question) Decision {
	if q.Post == nil || q.Actor == "" || q.Kind.String() == "" {
		return Denied
	}
	if q.Actor == q.Author {
		return Automatic
	}
	public := slices.ContainsFunc(q.Post.Recipients(), activity.IsPublic)
	if q.Kind == Quote && !public {
		return Denied
	}
	rule := q.Kind.Rule(q.Post.Policy())
	if rule == nil || len(rule.Automatic) == 0 && len(rule.Manual) == 0 { // an empty list is a missing one
		if q.Kind == Quote {
			return Denied
		}
		return Automatic
	}
	if q.Kind == Reply && (q.Actor == q.Answered || slices.Contains(q.Post.Mentions(), q.Actor)) {
		return Automatic
	}
	automatic, manual := q.closeness(rule.Automatic), q.closeness(rule.Manual)
	switch {
	case automatic == 0 && manual == 0:
		return Denied
	case automatic >= manual:
		return Automatic
	}
	return Manual
}

// closeness tells how specifically a list names the actor: 3 itself, 2 a collection that it is in, 1 everyone, 0 not at all.
func (q *Question) closeness(list activity.Audience) (best int) {
	for _, ref := range list[:min(len(list), maxListed)] {
		switch id := ref.ID; {
		case id == "":
		case id == q.Actor:
			return 3
		case q.Follows && (id == activity.Followers || id == q.Followers), q.IsFollowed && id == q.Following:
			best = 2
		case activity.IsPublic(id):
			best = max(best, 1)
		}
	}
	return best
}

// maxListed bounds how many entries of a stranger's list are looked at.
const maxListed = 1000
