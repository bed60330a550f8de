package inbox

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/fedihook/fedihook/activity"
)

const (
	filterTime = 50 * time.Millisecond
	maxFilters = 64 // that may run at once, those that overstay included
)

// Verdict is what a [Config.Filter] says. Its zero value lets everything through as it is.
type Verdict struct {
	Decision Decision

	// What the hook shall not see of the activity and its object; Message.Body keeps it.
	StripMedia    bool // attachments, icons, images, previews
	StripTags     bool // all tags but mentions
	StripMentions bool // mentions, and Message.To but for the owner of a personal inbox

	Labels []string // reach the hook as Message.Labels
	Reason string   // for the log, and for who reviews
}

// Decision is the most important part of a [Verdict].
type Decision uint8

// The decisions. The zero Decision is Pass.
const (
	Pass   Decision = iota
	Drop            // answered 202 and gone
	Hold            // answered 202 and kept on the shelf [Held] until [Inbox.Retry] or [Inbox.Discard]
	Refuse          // answered 403
)

// filter asks the app. It tells whether c is to be dropped.
func (in *Inbox) filter(ctx context.Context, c *matter) (drop bool, err error) {
	if in.Filter == nil {
		return false, nil
	}
	m := c.message()
	if err := m.readEmbedded(); err != nil {
		return false, c.refuse(http.StatusForbidden, err)
	}
	if c.verdict, err = in.ask(ctx, m); err != nil {
		return false, c.refuse(http.StatusServiceUnavailable, err)
	}
	switch c.verdict.Decision {
	case Drop:
		in.Logger.InfoContext(ctx, "inbox: dropped by the filter", "activity", c.a.ID, "actor", c.sender, "reason", c.verdict.Reason)
		return true, nil
	case Refuse:
		return false, c.refuse(http.StatusForbidden, fmt.Errorf("%w: %s", ErrFiltered, c.verdict.Reason))
	}
	return false, nil
}

// ask waits no longer than it may, whatever the filter does.
func (in *Inbox) ask(ctx context.Context, m *Message) (Verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, filterTime)
	defer cancel()
	select {
	case in.filters <- struct{}{}:
	case <-ctx.Done():
		return Verdict{}, fmt.Errorf("%w: %d filters are running", ErrBusy, maxFilters)
	}
	type answer struct {
		verdict Verdict
		err     error
	}
	done := make(chan answer, 1)
	go func() {
		defer func() { <-in.filters }()
		var a answer
		defer func() {
			if v := recover(); v != nil {
				a.err = fmt.Errorf("filter panicked: %v", v)
			}
			done <- a
		}()
		a.verdict, a.err = in.Filter(ctx, m)
	}()
	select {
	case a := <-done:
		if a.err == nil && a.verdict.Decision > Refuse {
			a.err = fmt.Errorf("filter: decision %d is unknown", a.verdict.Decision)
		}
		if a.err != nil {
			return Verdict{}, fmt.Errorf("filter: %w", a.err)
		}
		return a.verdict, nil
	case <-ctx.Done():
		return Verdict{}, fmt.Errorf("filter: no answer within %s: %w", filterTime, ctx.Err())
	}
}

// strip takes out of m what the verdict does not let through. The Body stays as it was said.
func (m *Message) strip(v Verdict) {
	m.Labels = v.Labels
	if v.StripMentions {
		m.To, m.More = nil, false
		if m.Owner != "" {
			m.To = []string{m.Owner}
		}
	}
	if !v.StripMedia && !v.StripTags && !v.StripMentions {
		return
	}
	tags := func(list activity.List) (kept activity.List) {
		for _, r := range list {
			mention := isMention(r)
			if m.NoMedia && !mention && isEmoji(r) {
				continue
			}
			if mention && !v.StripMentions || !mention && !v.StripTags {
				kept = append(kept, r)
			}
		}
		return kept
	}
	m.Activity.Tag = tags(m.Activity.Tag)
	if v.StripMedia {
		m.Activity.Attachment, m.Activity.Icon, m.Activity.Image, m.Activity.Preview = nil, nil, nil, activity.Ref{}
	}
	switch o := m.Object.(type) {
	case *activity.Object:
		o.Tag = tags(o.Tag)
		if v.StripMedia {
			o.Attachment, o.Icon, o.Image, o.Preview = nil, nil, nil, activity.Ref{}
		}
	case *activity.Actor:
		if m.NoMedia {
			o.Tag = tags(o.Tag)
		}
		if v.StripMedia {
			o.Icon, o.Image = nil, nil
		}
	default:
		return
	}
	if m.Activity.Object != nil {
		m.Activity.Object = activity.Refs{activity.Embed(m.Object)}
	}
}

func isEmoji(r activity.Ref) bool {
	doc, err := r.Document()
	return err == nil && doc.Is("Emoji")
}

func isMention(r activity.Ref) bool {
	doc, err := r.Document()
	return err == nil && doc.Is("Mention")
}
