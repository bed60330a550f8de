package inbox

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/signature"
)

// What stands here asks the policy. Before the 202 it is about what is claimed, so that nothing is fetched for whoever may not talk
// to us; before the hook about what is known by then, under the rules as they are then.

// allowed asks the policy about the host that claims to sign and the actor that claims to speak, before
// anything is fetched from either.
func (in *Inbox) allowed(ctx context.Context, c *matter, r *http.Request) error {
	q := moderation.Question{Purpose: moderation.Receive, Actor: c.sender, Type: c.a.Type.String()}
	if r != nil {
		if keyID, err := signature.KeyID(r); err == nil {
			c.signer, _ = activity.Authority(keyID)
		}
		q.Host = c.signer
	}
	return in.permit(ctx, c, q)
}

// signerAllowed asks about who has signed: a request with several signatures may hold one of another host than the first.
func (in *Inbox) signerAllowed(ctx context.Context, c *matter, v signature.Verified) error {
	host, _ := activity.Authority(v.KeyID)
	if v.Owner == c.sender && host == c.signer {
		return nil
	}
	return in.permit(ctx, c, moderation.Question{Purpose: moderation.Receive, Actor: v.Owner, Host: host, Type: c.a.Type.String()})
}

func (in *Inbox) permit(ctx context.Context, c *matter, q moderation.Question) error {
	v, err := in.Policy.Judge(ctx, q)
	if err != nil {
		return c.refuse(http.StatusServiceUnavailable, err)
	}
	if v.Refuse {
		return c.refuse(http.StatusForbidden, moderation.ErrRefused)
	}
	return nil
}

// othersRefused tells whether this shares, likes or quotes what somebody made who may not talk to us, which is no fault of the
// sender's, or is a report from where none is wanted. Mastodon CVE-2026-23961.
func (in *Inbox) othersRefused(ctx context.Context, c *matter) (bool, error) {
	v, err := in.judgeAll(ctx, c.a, c.object, c.sender)
	if err != nil {
		return false, c.refuse(http.StatusServiceUnavailable, err)
	}
	if v.Refuse || v.NoReports && c.a.Type.String() == "Flag" {
		in.Logger.InfoContext(ctx, "inbox: dropped by a rule", "activity", c.a.ID, "actor", c.sender, "reason", v.Reason)
		return true, nil
	}
	return false, nil
}

// judgeAll judges all whom a is about, under the rules of the site.
func (in *Inbox) judgeAll(ctx context.Context, a *activity.Activity, object activity.Document, sender string) (moderation.Verdict, error) {
	q := moderation.Question{Purpose: moderation.Receive, Actor: sender, Type: a.Type.String()}
	if in.Ours(sender) {
		q.Actor = ""
	}
	shown, answered := in.about(a, object, sender)
	var err error
	if q.Objects, err = in.withOwners(ctx, shown, ""); err != nil {
		return moderation.Verdict{}, err
	}
	if len(a.Object) > maxAsked && len(shown) > 0 { // the last of them might be the one that counts
		return moderation.Verdict{Refuse: true, Reason: "more objects than can be judged"}, nil
	}
	v, err := in.Policy.Judge(ctx, q)
	if err != nil || answered == "" {
		return v, err
	}
	// Who answers somebody suspended shows nothing of theirs, but leads there.
	q = moderation.Question{Purpose: moderation.Receive}
	if q.Objects, err = in.withOwners(ctx, []string{answered}, ""); err != nil {
		return moderation.Verdict{}, err
	}
	w, err := in.Policy.Judge(ctx, q)
	if w.Refuse {
		w = moderation.Verdict{Limit: true, Reason: w.Reason}
	}
	return v.And(moderation.Verdict{Limit: w.Limit, Reason: w.Reason}), err
}

// about lists the ids of what a shows or is about, as far as that is not ours; answered is what its object is a reply to. Who
// complains about somebody, or ends something, shows nothing.
func (in *Inbox) about(a *activity.Activity, object activity.Document, sender string) (shown []string, answered string) {
	switch a.Type.String() {
	case "Flag", "Delete", "Undo", "Reject", "Accept", "Block", "Follow":
		return nil, ""
	}
	add := func(id string) {
		if id != "" && id != sender && !in.Ours(id) && !slices.Contains(shown, id) {
			shown = append(shown, id)
		}
	}
	for _, r := range a.Object[:min(len(a.Object), maxAsked)] {
		add(r.ID)
	}
	add(a.Instrument.ID) // of a QuoteRequest, the post that quotes
	if a.Is("Move") {
		add(a.Target.ID)
	}
	switch object := object.(type) {
	case *activity.Object:
		for _, r := range object.AttributedTo[:min(len(object.AttributedTo), maxAsked)] {
			add(r.ID)
		}
		add(object.Quoted())
		if !in.Ours(object.InReplyTo.ID) {
			answered = object.InReplyTo.ID
		}
	case *activity.Activity:
		add(object.Actor.ID)
		for i, id := range object.Object.IDs() {
			if i < maxAsked {
				add(id)
			}
		}
	}
	return shown, answered
}

// withOwners adds whose these are, as far as the app knows and a rule of the site, or of local, might be about them.
func (in *Inbox) withOwners(ctx context.Context, ids []string, local string) ([]string, error) {
	for _, id := range slices.Clone(ids) {
		host, ok := activity.Authority(id)
		if !ok {
			continue
		}
		if known, err := in.Policy.Particular(ctx, host, local); err != nil || !known {
			if err != nil {
				return nil, err
			}
			continue
		}
		owner, err := in.Owner(ctx, id)
		if err != nil {
			return nil, err
		}
		if owner != "" && !slices.Contains(ids, owner) {
			ids = append(ids, owner)
		}
	}
	return ids, nil
}

// moderate applies the rules as they are now, the site's and those of whom m is for. An error that wraps [ErrDrop] is final.
func (in *Inbox) moderate(ctx context.Context, m *Message, strip *Verdict) error {
	if in.Policy == nil || m.By == ByUs && in.Ours(m.Sender) {
		return in.blocked(ctx, m)
	}
	v, err := in.judgeAll(ctx, m.Activity, m.Object, m.Sender)
	if err != nil {
		return err
	}
	if g := in.announcer(m); g != "" {
		w, err := in.Policy.Judge(ctx, moderation.Question{Purpose: moderation.Receive, Actor: g, Type: m.Activity.Type.String()})
		if err != nil {
			return err
		}
		v = v.And(w)
	}
	if v.Refuse || v.NoReports && m.Activity.Is("Flag") {
		return fmt.Errorf("%w: %w: %s", ErrDrop, moderation.ErrRefused, v.Reason)
	}
	m.Limited, m.NoMedia = v.Limit, v.NoMedia
	strip.StripMedia = strip.StripMedia || v.NoMedia
	return in.blocked(ctx, m)
}

// announcer is the group elsewhere that brought m, "" if none did.
func (in *Inbox) announcer(m *Message) string {
	if in.Ours(m.Group) {
		return ""
	}
	return m.Group
}

// blockable are the types that do not reach who has blocked the sender, the group that announces them, or one whom they show. What ends something does.
var blockable = []string{"Create", "Update", "Like", "EmojiReact", "Dislike", "Announce", "QuoteRequest"}

// blocked leaves out those of m.To whose own rules do not want it. Nobody else learns of that.
func (in *Inbox) blocked(ctx context.Context, m *Message) error {
	if in.Policy == nil || !slices.Contains(blockable, m.Activity.Type.String()) || len(m.To) == 0 {
		return nil
	}
	shown, answered := in.about(m.Activity, m.Object, m.Sender)
	if answered != "" {
		shown = append(shown, answered)
	}
	if g := in.announcer(m); g != "" {
		shown = append(shown, g)
	}
	var kept []string
	for _, local := range m.To {
		objects, err := in.withOwners(ctx, slices.Clip(shown), local)
		if err != nil {
			return err
		}
		v, err := in.Policy.Judge(ctx, moderation.Question{
			Purpose: moderation.Receive, Actor: m.Sender, Here: in.Ours(m.Sender), Objects: objects, Local: local, Type: m.Activity.Type.String(),
		})
		if err != nil {
			return err
		}
		if !v.Own {
			kept = append(kept, local)
		}
	}
	if len(kept) == len(m.To) {
		return nil
	}
	m.To = kept
	if len(kept) > 0 || m.More || m.ToFollowers {
		return nil
	}
	wanted, err := in.Wants(ctx, m.Activity)
	if err == nil && !wanted {
		err = fmt.Errorf("%w: %w: blocked by all whom it is for", ErrDrop, moderation.ErrRefused)
	}
	return err
}

// blockedBy tells whether a local actor's own rules refuse m, and notes if they limit it.
func (in *Inbox) blockedBy(ctx context.Context, m *Message, local string) (bool, error) {
	v, err := in.Policy.Judge(ctx, moderation.Question{
		Purpose: moderation.Receive, Actor: m.Sender, Here: in.Ours(m.Sender), Local: local, Type: m.Activity.Type.String(),
	})
	if err != nil {
		return false, err
	}
	m.Limited = m.Limited || v.Limit
	return v.Own, nil
}
