package moderation

import (
	"context"
	"time"
)

// Entry is a line of the audit trail: somebody made a rule, replaced it or lifted it.
type Entry struct {
	Seq    int64 // given by the store, ascending
	At     time.Time
	By     string
	Reason string // for which it was lifted; why it was made the Rule says
	Lifted bool
	Rule   Rule // as it was made, or as it was when it was lifted
}

// Head tells how far a store is: numbers of entries, 0 for none.
type Head struct {
	Site     int64 // the last about a rule of the site
	Own      int64 // the last about a rule of a user's own
	Enforced int64 // the last whose consequences are done
}

// AsSince tells whether entries may be written by whoever knows h, if the store is at now: see [GuardedRules].
func (now Head) AsSince(h Head, entries []Entry) bool {
	for _, e := range entries {
		if e.Rule.Local == "" && now.Site != h.Site || e.Rule.Local != "" && now.Own != h.Own {
			return false
		}
	}
	return true
}

// Query selects rules of one Local, those of the site if that is "".
type Query struct {
	Local string
	After string // only those whose About is greater, byte by byte
	Limit int    // zero means 1,000
}

// Rules keeps rules and who made them. Its methods may be called by many at once, and from many processes. Package storagetest
// checks this contract.
type Rules interface {
	// ChangeRules does what the entries say, in their order, and appends them to the trail, all or nothing: a rule is added or takes
	// the place of the one with its Key, or the one with that Key is forgotten; there being none is no error. Seq is ignored.
	ChangeRules(ctx context.Context, entries []Entry) error

	// ListRules returns one page, ascending by About. A page shorter than the limit is the last.
	ListRules(ctx context.Context, q Query) ([]Rule, error)

	// RulesHead tells how far the store is. It is asked once a second and should be quick.
	RulesHead(ctx context.Context) (Head, error)

	// Trail returns entries with a Seq greater than after, oldest first, at most limit.
	Trail(ctx context.Context, after int64, limit int) ([]Entry, error)

	// SetEnforced sets Head.Enforced to seq, unless it is greater already.
	SetEnforced(ctx context.Context, seq int64) error

	// ForgetTrail forgets all but the newest keep entries, but none after Head.Enforced.
	ForgetTrail(ctx context.Context, keep int) error
}

// GuardedRules is what a [Rules] may be as well. With it the bounds of a [Policy] hold though several processes make rules at
// once; without it each may add what there was room for. Package storagetest checks this contract.
type GuardedRules interface {
	// ChangeRulesSince is ChangeRules if there are no later entries than h tells of about rules of the site, if any of these
	// is about one, nor about rules of users' own, if any is. Else it changes nothing, and ok is false.
	ChangeRulesSince(ctx context.Context, h Head, entries []Entry) (ok bool, err error)
}

// Hosts remembers when hosts were first heard from. Its methods may be called by many at once. Package storagetest checks this
// contract.
type Hosts interface {
	// FirstSeen is when See was first called with a host that has not been forgotten since, zero if it never was.
	FirstSeen(ctx context.Context, host string) (time.Time, error)

	// See notes that a host was heard from now. If there are more than max then, those for which See was called longest ago are
	// forgotten until there are not, in no particular order where that was at one time.
	See(ctx context.Context, host string, now time.Time, max int) error
}
