package inbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/fedihook/fedihook/activity"
)

// Receive judges an activity that came another way than by a request to an inbox: a page of an outbox, the Announce of a
// relay or a group, a file. It is believed for its own proof or LD signature, or for what its origin shows, never for who
// brought it; the app asks for it, so it need not concern anybody here. Nil means that it was kept or seen before, and that
// its hook will run, unless its origin then says otherwise; else the error is a [*Refusal].
func (in *Inbox) Receive(ctx context.Context, raw []byte) error {
	if int64(len(raw)) > in.MaxBody {
		return &Refusal{Status: http.StatusRequestEntityTooLarge, Err: fmt.Errorf("%d bytes", len(raw))}
	}
	raw = bytes.Clone(raw) // which is the app's
	a, err := read(raw)
	if err != nil {
		return &Refusal{Status: http.StatusBadRequest, Err: err}
	}
	c := &matter{a: a, body: raw, sender: a.Actor.ID, received: time.Now()}
	if in.Ours(a.Actor.ID) {
		return c.refuse(http.StatusForbidden, ErrOwn)
	}
	if err := in.allowed(ctx, c, nil); err != nil {
		return err
	}
	if _, err := in.concernsNobody(ctx, c); err != nil { // fills the audience
		return err
	}
	if err := in.prove(ctx, c, ""); err != nil {
		return err
	}
	said, err := in.unwrap(ctx, c)
	if err != nil || said == nil {
		return err
	}
	return in.settle(ctx, said)
}

// Deliver takes in what a local actor says to others here, which needs no signature: it is called by
// the outbox of this server and must be reachable by nobody else. Body is the activity, sender its actor.
func (in *Inbox) Deliver(ctx context.Context, sender string, body []byte) error {
	a, err := read(body)
	if err != nil {
		return &Refusal{Status: http.StatusBadRequest, Err: err}
	}
	c := &matter{a: a, body: body, sender: sender, received: time.Now(), by: ByUs, relation: true}
	if a.Actor.ID != sender || !in.Ours(sender) {
		return c.refuse(http.StatusForbidden, ErrAuthority)
	}
	if _, err := in.concernsNobody(ctx, c); err != nil {
		return err
	}
	if c.inner != nil { // a group here announces what was judged when it came
		return nil
	}
	if err := in.asModerator(ctx, c); err != nil {
		return err
	}
	if c.a.Is("Delete") && !c.moderates { // from somebody who takes itself for a moderator
		if err := in.mayBeSaid(ctx, c); errors.Is(err, ErrAuthority) {
			in.Logger.InfoContext(ctx, "inbox: dropped", "activity", c.a.ID, "actor", sender, "error", err)
			return nil
		} else if err != nil {
			return err
		}
	}
	return in.keep(ctx, c)
}

// keep puts c into the journal: after this it may be answered 202.
func (in *Inbox) keep(ctx context.Context, c *matter) error {
	e := Entry{
		Key: orderKey(c.a), Sender: c.sender, Owner: c.owner, To: c.To, Body: c.body, Notes: c.notes(in.trace(ctx)), Received: c.received,
		Hold: c.verdict.Decision == Hold,
	}
	e.Mark, e.Rules = marksOf(c.a, c.body)
	switch {
	case c.syncAlone:
		e.Mark, e.Rules, e.Key, e.Hold = MarkOf(c.sender, synchronisation, c.a.ID, c.body), Rules{}, "", false
	case c.shown:
		e.Rules = Rules{Unless: append(e.Rules.Unless, e.Mark)}
		e.Mark = c.concluded()
	case c.by == ByOrigin:
		e.Rules = Rules{Unless: append(e.Rules.Unless, e.Mark)}
		e.Mark = hearsayMark(c.a, c.body)
	}
	in.communityRules(c, &e)
	if err := in.keyOfNamed(ctx, c.a, &e); err != nil {
		return c.refuse(http.StatusServiceUnavailable, err)
	}
	interactive := isInteractive(c.a, &c.audience) && (c.group == "" || len(c.To) > 0)
	in.gate.turn(&e, c.lane(), interactive)
	leases := in.leases.Load()
	kept, err := in.Journal.Append(ctx, e, in.bounds(interactive))
	if err != nil {
		return c.refuse(http.StatusServiceUnavailable, err)
	}
	if in.Observer != nil {
		in.Observer.Kept(c.a.Type.String(), kept.Seen)
	}
	if kept.Seen {
		in.Logger.DebugContext(ctx, "inbox: seen before", "activity", c.a.ID, "actor", e.Sender)
		return nil
	}
	if c.relation && c.by == ByRequest {
		// After it was kept: a store that grows with every stranger's signature is a stranger's to fill.
		if err := in.Peers.Trust(ctx, c.sender); err != nil {
			in.Logger.WarnContext(ctx, "inbox: sender not kept", "actor", c.sender, "error", err)
		}
	}
	e.Seq, e.Key, e.To, e.Alone, e.Rules = kept.Seq, kept.Key, kept.To, kept.Alone, Rules{}
	in.offer(offer{task: task{Entry: e, a: c.a, object: c.object}, ready: kept.Ready, leases: leases})
	return nil
}

// bounds leave a tenth of the journal to what people wait for, and no lane more than half of it.
func (in *Inbox) bounds(interactive bool) Bounds {
	all := in.MaxJournal
	if !interactive {
		all -= all / 10
	}
	return Bounds{All: all, Lane: max(all/2, 1), Held: in.MaxHeld}
}

// keyOfNamed gives the Key of its pair to what names a Follow by its id alone, so that it runs after what came before.
func (in *Inbox) keyOfNamed(ctx context.Context, a *activity.Activity, e *Entry) error {
	switch a.Type.String() {
	case "Undo", "Accept", "Reject":
	default:
		return nil
	}
	if embedded(firstRef(a.Object)) != nil || a.Object.First() == "" {
		return nil
	}
	f, ok, err := in.Relations.ByID(ctx, a.Object.First())
	if err == nil && ok && (f.Follower == a.Actor.ID || f.Followed == a.Actor.ID) {
		e.Key = pairKey(f.Follower, f.Followed)
	}
	return err
}

func (in *Inbox) wake() {
	select {
	case in.arrived <- struct{}{}:
	default:
	}
}

// ErrGone is wrapped, beside [ErrDrop], by errors of [Peers] about what its server says is not there, or no more.
var ErrGone = errors.New("gone")
