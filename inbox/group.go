package inbox

import (
	"context"
	"fmt"
)

// maxGroup bounds what Hooks.Likes and Hooks.Announces get at once.
const maxGroup = 500

// like is the hook for one Like: what runs a group takes one too.
func (h *Hooks) like() Hook {
	if h.Likes == nil {
		return h.Like
	}
	return func(ctx context.Context, m *Message) error { return h.Likes(ctx, m.ObjectID, []*Message{m}) }
}

func (h *Hooks) announce() Hook {
	if h.Announces == nil {
		return h.Announce
	}
	return func(ctx context.Context, m *Message) error { return h.Announces(ctx, m.ObjectID, []*Message{m}) }
}

// many is the hook that takes a together with others like it, and by what they are alike; nil if there is none.
func (h *Hooks) many(e task) (hook func(context.Context, string, []*Message) error, group string) {
	if h.Likes == nil && h.Announces == nil || e.Attempts > 0 || e.Alone || !e.NotBefore.IsZero() {
		return nil, ""
	}
	a, err := e.activity()
	if err != nil {
		return nil, ""
	}
	switch typ := a.Type.String(); {
	case typ == "Like" && h.Likes != nil && !isReaction(a):
		return h.Likes, typ + " " + a.Object.First()
	case typ == "Announce" && h.Announces != nil:
		return h.Announces, typ + " " + a.Object.First()
	}
	return nil, ""
}

// runMany runs the entries of one group. What can't be read of one is that one's outcome.
func (in *Inbox) runMany(ctx context.Context, entries []task) []error {
	errs := make([]error, len(entries))
	var ms []*Message
	var which []int
	for i, e := range entries {
		m, err := in.message(ctx, e)
		taken, agreed := false, false
		if err == nil {
			taken, err = in.take(ctx, m)
		}
		if err == nil && !taken {
			agreed, err = in.agreed(ctx, m)
		}
		if errs[i] = err; !agreed {
			continue
		}
		ms, which = append(ms, m), append(which, i)
	}
	if len(ms) == 0 {
		return errs
	}
	hook, _ := in.Hooks.many(entries[0])
	err := func() (err error) {
		defer func() {
			if v := recover(); v != nil {
				err = fmt.Errorf("inbox: hook for %d of %s panicked: %v", len(ms), ms[0].Activity.Type, v)
			}
		}()
		return hook(ctx, ms[0].ObjectID, ms)
	}()
	for n, i := range which {
		if errs[i] = err; err == nil {
			errs[i] = in.forward(ctx, ms[n])
		}
		if errs[i] == nil {
			errs[i] = in.share(ctx, ms[n])
		}
	}
	return errs
}

// agreed asks Consent whether m is to be among those that a hook takes.
func (in *Inbox) agreed(ctx context.Context, m *Message) (yes bool, err error) {
	if in.Consent == nil {
		return true, nil
	}
	err = run(ctx, func(ctx context.Context, m *Message) error {
		return in.Consent(ctx, m, func(context.Context, *Message) error {
			yes = true
			return nil
		})
	}, m)
	return yes && err == nil, err
}
