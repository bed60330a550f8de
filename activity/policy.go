package activity

import (
	"encoding/json"
)

// Policy says who may like, answer, share, quote or feature something: GoToSocial's interactionPolicy, of
// which Mastodon writes and reads canQuote on posts and canFeature on actors. A nil rule says nothing;
// what that means is up to whoever enforces it, and for quoting it means nobody. FEP-044f.
type Policy struct {
	CanLike, CanReply, CanAnnounce, CanQuote, CanFeature *Rule
}

// Rule names for whom leave is given at once and for whom after asking: [Public], a collection of
// followers, or actors. Nobody is the author alone, never an empty list.
type Rule struct {
	Automatic Audience
	Manual    Audience
}

func (p *Policy) rules() map[string]**Rule {
	return map[string]**Rule{
		"canLike": &p.CanLike, "canReply": &p.CanReply, "canAnnounce": &p.CanAnnounce,
		"canQuote": &p.CanQuote, "canFeature": &p.CanFeature,
	}
}

// Policy reads InteractionPolicy. The zero Policy means that there is none.
func (o *Object) Policy() Policy { return readPolicy(o.InteractionPolicy) }

// Policy reads InteractionPolicy. The zero Policy means that there is none.
func (a *Actor) Policy() Policy { return readPolicy(a.InteractionPolicy) }

func readPolicy(r Ref) (p Policy) {
	all, ok := r.value()
	if !ok {
		return p
	}
	for name, at := range p.rules() {
		if one, ok := all.get(name); ok && one.kind() == '{' {
			*at = &Rule{
				// GoToSocial up to 0.20 wrote the second name of each.
				Automatic: one.audience("automaticApproval", "always"),
				Manual:    one.audience("manualApproval", "approvalRequired"),
			}
		}
	}
	return p
}

// audience is the first of names that is there.
func (v value) audience(names ...string) (a Audience) {
	for _, name := range names {
		if list, ok := v.get(name); ok && a.read(list) {
			return a
		}
	}
	return nil
}

// older are the rules for which GoToSocial up to 0.20 reads older names, and these names.
var older = map[string]struct{ automatic, manual string }{
	"canLike": {"always", "approvalRequired"}, "canReply": {"always", "approvalRequired"}, "canAnnounce": {"always", "approvalRequired"},
}

// Ref makes the value of an InteractionPolicy, in the names that GoToSocial since 0.20 and
// Mastodon read, and for likes, replies and shares also in those that GoToSocial read before.
func (p Policy) Ref() Ref {
	o := &Object{}
	for name, at := range p.rules() {
		if *at == nil {
			continue
		}
		lists := make(map[string]Audience)
		set := func(name string, a Audience) {
			if a != nil && name != "" {
				lists[name] = a
			}
		}
		set("automaticApproval", (*at).Automatic)
		set("manualApproval", (*at).Manual)
		set(older[name].automatic, (*at).Automatic)
		set(older[name].manual, (*at).Manual)
		if err := o.Extra.Set(name, lists); err != nil {
			return Ref{Raw: json.RawMessage(err.Error())} // fails, as in Embed, when the outer document is encoded
		}
	}
	return Embed(o)
}
