package inbox

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/fedihook/fedihook/activity"
)

// Conclude takes in what somebody has said in effect: the server of a's actor has just shown, to the caller, what a says, as a
// post that a relay named, or a list of followers in which one of ours is missing. The rules about who may say what, and the
// Filter, are applied as to all else, and the hook gets it as proved [ByOrigin]. It need not concern anybody here. Once names
// what must not be concluded twice; empty, it is the whole of a. Via, where somebody else led there, becomes Message.Via. The
// error is a [*Refusal].
func (in *Inbox) Conclude(ctx context.Context, a *activity.Activity, once, via string) error {
	body, err := activity.Encode(a)
	if err == nil {
		a, err = read(body)
	}
	if err != nil {
		return &Refusal{Status: http.StatusBadRequest, Err: err}
	}
	c := &matter{a: a, body: body, sender: a.Actor.ID, received: time.Now(), by: ByOrigin, shown: true, once: once, via: via}
	if in.Ours(a.Actor.ID) {
		return c.refuse(http.StatusForbidden, ErrOwn)
	}
	if err := in.allowed(ctx, c, nil); err != nil {
		return err
	}
	if _, err := in.concernsNobody(ctx, c); err != nil { // fills the audience
		return err
	}
	return in.settle(ctx, c)
}

// concluded is the mark of what was concluded.
func (c *matter) concluded() Mark {
	if c.once == "" {
		return MarkOf(c.sender, "", "", c.body)
	}
	return MarkOf(c.sender, "concluded "+c.a.Type.String(), c.once, nil)
}

// take lets the app's server have m before anybody else. See [Config.Take].
func (in *Inbox) take(ctx context.Context, m *Message) (taken bool, err error) {
	if in.Take == nil {
		return false, nil
	}
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("inbox: take %s: panic: %v", m.Activity.Type, v)
		}
	}()
	return in.Take(ctx, m)
}
