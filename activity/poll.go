package activity

import (
	"encoding/json"
	"time"
)

// maxOptions bounds what [Object.Poll] lists. Mastodon reads as many.
const maxOptions = 500

// Poll is what a Question asks, without its text. Its zero value asks nothing.
type Poll struct {
	Options  []Option
	Multiple bool      // people may choose several
	Ends     time.Time // zero: never
	Closed   bool      // it is over, whatever Ends says
	Voters   int64     // how many people voted; less than the sum of votes if Multiple
}

// Option is one answer to a [Poll].
type Option struct {
	Name  string
	Votes int64
}

// Open reports whether votes count at the time now.
func (p Poll) Open(now time.Time) bool { return !p.Closed && (p.Ends.IsZero() || now.Before(p.Ends)) }

// SetPoll makes o a Question that asks p. Its text stays in Content. Votes are told to others
// by an Update with a zero time, see [Update].
func (o *Object) SetPoll(p Poll) {
	options := make(List, len(p.Options))
	for i, option := range p.Options {
		options[i] = Embed(&Object{
			Type: Types{TypeNote}, Name: option.Name,
			Replies: Embed(&Collection{Type: Types{TypeCollection}, TotalItems: &option.Votes}),
		})
	}
	o.Type = Types{TypeQuestion}
	o.OneOf, o.AnyOf = options, nil
	if p.Multiple {
		o.OneOf, o.AnyOf = nil, options
	}
	o.EndTime, o.Closed, o.VotersCount = p.Ends, nil, p.Voters
	if p.Closed {
		o.Closed = json.RawMessage("true")
	}
	if p.Voters == 0 {
		o.say("votersCount", "0")
	}
}

// say spells out what a field can't tell from nothing.
func (o *Object) say(name, literal string) {
	if o.Extra == nil {
		o.Extra = make(Extra)
	}
	o.Extra[name] = json.RawMessage(literal)
}

// Poll reads what o, a Question, asks. Ok is false if it has no options. It lists the first 500 of them; their names
// are content where they have no name, and their votes replies.totalItems, else _misskey_votes. A
// closed that is a time is when voting ends or ended, and goes before endTime.
func (o *Object) Poll() (p Poll, ok bool) {
	options := o.AnyOf
	if p.Multiple = len(options) > 0; !p.Multiple {
		options = o.OneOf
	}
	for _, r := range options[:min(len(options), maxOptions)] {
		var option Object
		if len(r.Raw) == 0 || option.UnmarshalJSON(r.Raw) != nil {
			continue
		}
		name := option.Name
		if name == "" {
			name = option.Text()
		}
		p.Options = append(p.Options, Option{name, max(option.votes(), 0)})
	}
	p.Voters, p.Ends = max(o.VotersCount, 0), o.EndTime
	if closed, isTime := readTime(o.Closed); isTime && !closed.IsZero() {
		p.Ends = closed
	} else {
		p.Closed = isTime || string(o.Closed) == "true"
	}
	return p, len(p.Options) > 0
}

func (o *Object) votes() int64 {
	var replies Collection
	if len(o.Replies.Raw) > 0 && replies.UnmarshalJSON(o.Replies.Raw) == nil && replies.TotalItems != nil {
		return *replies.TotalItems
	}
	if o.MisskeyVotes != nil {
		return *o.MisskeyVotes
	}
	return 0
}

// Vote makes the Note by which author chooses an option, by its name, of the question. It goes in a
// [Create] to the author of the question alone; who chooses several sends several.
func Vote(id, author, option string, question *Object) *Object {
	return &Object{
		ID: id, Type: Types{TypeNote}, AttributedTo: Refs{IRI(author)}, Name: option,
		InReplyTo: IRI(question.ID), To: addressed(question.AttributedTo.First()), CC: Audience{},
	}
}

// VoteIn finds which option of the question o chooses, counted from 0. Ok is false if o is no vote in it:
// no Note in reply to it, or named like none of its options. Whether it is [Poll.Open], and whether
// its author has voted before, is for the app to look up.
func (o *Object) VoteIn(question *Object) (option int, ok bool) {
	if !o.Is(TypeNote) || o.Name == "" || question.ID == "" || o.InReplyTo.ID != question.ID {
		return 0, false
	}
	p, _ := question.Poll()
	for i, option := range p.Options {
		if option.Name == o.Name {
			return i, true
		}
	}
	return 0, false
}
