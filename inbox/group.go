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
func (h *Hooks) many(e Entry) (hook func(context.Context, string, []*Message) error, group string) {
	if h.Likes == nil && h.Announces == nil || e.Attempts > 0 || e.Alone {
		return nil, ""
	}
	a, err := read(e.Body)
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

// gather puts those together that one hook takes at once, each in the place of the first of them.
func (in *Inbox) gather(entries []Entry) [][]Entry {
	var jobs [][]Entry
	at := make(map[string]int)
	for _, e := range entries {
		_, group := in.Hooks.many(e)
		if i, ok := at[group]; ok && group != "" && len(jobs[i]) < maxGroup {
			jobs[i] = append(jobs[i], e)
			continue
		}
		if group != "" {
			at[group] = len(jobs)
		}
		jobs = append(jobs, []Entry{e})
	}
	return jobs
}

// runMany runs the entries of one group. What can't be read of one is that one's outcome.
func (in *Inbox) runMany(ctx context.Context, entries []Entry) []error {
	errs := make([]error, len(entries))
	var ms []*Message
	var which []int
	for i, e := range entries {
		m, err := in.message(ctx, e)
		if err != nil {
			errs[i] = err
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
	for _, i := range which {
		errs[i] = err
	}
	return errs
}
