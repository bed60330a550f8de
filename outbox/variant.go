package outbox

import (
	"iter"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/fedihook/fedihook/activity"
)

// Variant is an activity in another form than the usual one.
type Variant struct {
	Form string // what Config.Form says of the hosts that want it so
	Body []byte
}

// plain is the form of activities for Threads.
const plain = "plain"

// Form names the form in which a host wants activities: plain for Threads, "" for all others.
func Form(authority string) string {
	host := strings.ToLower(authority)
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	for _, domain := range []string{"threads.net", "threads.com"} {
		if host == domain || strings.HasSuffix(host, "."+domain) {
			return plain
		}
	}
	return ""
}

// Plain makes of an activity what Threads takes (seen 2026-06): notes in plain text without name and summary, which are put
// before the text, and without people in cc; polls as such notes; articles with published, updated and mediaType.
// It changes a, and returns nil if nothing had to be changed, for forms it does not know, and for markup without a
// func that makes text of it. People are the ids of those whom a names.
func Plain(form string, a *activity.Activity, people []string, text func(html string) string) *activity.Activity {
	if form != plain || !a.Is("Create") && !a.Is("Update") {
		return nil
	}
	o, err := embeddedObject(a)
	if err != nil {
		return nil
	}
	switch {
	case o.Is("Article"):
		if !plainArticle(o) {
			return nil
		}
	case o.Is("Note") || o.Is("Question"):
		if text == nil || !plainNote(a, o, people, text) {
			return nil
		}
	default:
		return nil
	}
	a.Object[0] = activity.Embed(o)
	return a
}

func plainArticle(o *activity.Object) (changed bool) {
	if o.Updated.IsZero() {
		o.Updated, changed = o.Published, true
	}
	if o.MediaType == "" {
		o.MediaType, changed = "text/html", true
	}
	if _, ok := o.Extra["atomUri"]; ok {
		delete(o.Extra, "atomUri")
		changed = true
	}
	return changed
}

// escaped is text that says the same where HTML is expected, and hardly differs where it is not.
var escaped = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

func plainNote(a *activity.Activity, o *activity.Object, people []string, text func(string) string) (changed bool) {
	if o.Name != "" && o.Text() == "" && o.InReplyTo.ID != "" {
		return false // a vote is its name
	}
	poll, asks := o.Poll()
	cc := slices.DeleteFunc(slices.Clone(a.CC), func(r activity.Ref) bool { return slices.Contains(people, r.ID) })
	if !asks && !o.Is("Question") && !strings.Contains(o.Text(), "<") && o.Name == "" && o.Summary == "" && len(o.ContentMap) == 0 &&
		len(cc) == len(a.CC) {
		return false
	}
	var parts []string
	for _, part := range []string{escaped.Replace(o.Name), escaped.Replace(text(o.Summary)), escaped.Replace(text(o.Text()))} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if asks {
		var options []string
		for _, option := range poll.Options {
			options = append(options, "○ "+escaped.Replace(option.Name))
		}
		parts = append(parts, strings.Join(options, "\n"))
		if page := o.URL.First(); page != "" {
			parts = append(parts, page)
		}
	}
	o.Type = activity.Types{"Note"}
	o.Content, o.ContentMap, o.MediaType, o.Source = strings.Join(parts, "\n\n"), nil, "", nil
	o.Name, o.NameMap, o.Summary, o.SummaryMap = "", nil, "", nil
	o.OneOf, o.AnyOf, o.EndTime, o.Closed, o.VotersCount = nil, nil, time.Time{}, nil, 0
	for _, name := range []string{"votersCount", "votes"} {
		delete(o.Extra, name)
	}
	a.CC, o.CC = cc, slices.DeleteFunc(slices.Clone(o.CC), func(r activity.Ref) bool { return slices.Contains(people, r.ID) })
	return true
}

// variants are the forms that the hosts of targets want instead of the usual one.
func (o *Outbox) variants(r *Record, targets iter.Seq[Target]) (out []Variant, err error) {
	seen := map[string]bool{"": true}
	for t := range targets {
		authority, _ := activity.Authority(t.URL())
		form := o.Form(authority)
		if seen[form] {
			continue
		}
		seen[form] = true
		a, err := activityOf(*r)
		if err != nil {
			return nil, err
		}
		if a = o.Variant(form, a, r.To); a == nil {
			continue
		}
		other, err := activity.Encode(a)
		if err != nil {
			return nil, err
		}
		out = append(out, Variant{Form: form, Body: other})
	}
	return out, nil
}
