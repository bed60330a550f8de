package activity_test

import (
	"strings"
	"testing"

	"github.com/fedihook/fedihook/activity"
)

func TestVisibilityIsReadAsMastodonReadsIt(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		to, cc   string // separated by spaces
		want     activity.Visibility
		narrower string // what it is called
	}{
		{"public", activity.Public, followers, activity.VisibilityPublic, "public"},
		{"public in short", "as:Public", "", activity.VisibilityPublic, "public"},
		{"public and followers in to (Misskey)", followers + " Public", "", activity.VisibilityPublic, "public"},
		{"unlisted", followers, activity.Public, activity.VisibilityUnlisted, "unlisted"},
		{"unlisted without followers", "", "Public", activity.VisibilityUnlisted, "unlisted"},
		{"followers", followers, bob, activity.VisibilityFollowers, "followers"},
		{"followers before they have an id", activity.Followers, "", activity.VisibilityFollowers, "followers"},
		{"followers in cc only", bob, followers, activity.VisibilityDirect, "direct"},
		{"followers of someone else", bob + "/followers", "", activity.VisibilityDirect, "direct"},
		{"direct", bob, "", activity.VisibilityDirect, "direct"},
		{"for nobody", "", "", activity.VisibilityDirect, "direct"},
	} {
		o := &activity.Object{To: activity.To(strings.Fields(tt.to)...), CC: activity.To(strings.Fields(tt.cc)...)}
		a := &activity.Activity{To: o.To, CC: o.CC}
		if got := o.Visibility(followers); got != tt.want || a.Visibility(followers) != got || got.String() != tt.narrower {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	o := &activity.Object{To: activity.Audience{{Raw: []byte(`[]`)}}, Audience: activity.Refs{activity.IRI(activity.Public)}, BTo: activity.To(activity.Public)}
	if got := o.Visibility(""); got != activity.VisibilityDirect {
		t.Errorf("without followers, audience and blind copies: %v", got)
	}
	if got := min(activity.VisibilityPublic, activity.VisibilityUnlisted, activity.VisibilityFollowers); got != activity.VisibilityFollowers {
		t.Errorf("the narrowest of three is %v", got)
	}
	if got := activity.Visibility(99).String(); got != "direct" {
		t.Errorf("what is none is %q", got)
	}
}

func TestAddressingIsReadBackAndReachesTheMentioned(t *testing.T) {
	t.Parallel()
	const group = "https://c.example/groups/cats"
	for v, want := range map[activity.Visibility]string{
		activity.VisibilityPublic:    activity.Public + " | " + followers + " " + bob + " " + group,
		activity.VisibilityUnlisted:  followers + " | " + activity.Public + " " + bob + " " + group,
		activity.VisibilityFollowers: followers + " | " + bob + " " + group,
		activity.VisibilityDirect:    bob + " " + group + " | ",
	} {
		o := aNote()
		o.Address(v, followers, group, "", bob, group)
		if got := strings.Join(o.To.IDs(), " ") + " | " + strings.Join(o.CC.IDs(), " "); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
		if got := o.Visibility(followers); got != v {
			t.Errorf("%v is read back as %v", v, got)
		}
		if b := string(mustMarshal(t, o)); !strings.Contains(b, `"to":[`) || !strings.Contains(b, `"cc":[`) {
			t.Errorf("%v: %s", v, b)
		}
		o.Address(v, followers, followers, "Public", bob)
		if all := append(o.To.IDs(), o.CC.IDs()...); v != activity.VisibilityDirect && len(all) != len(o.Recipients()) {
			t.Errorf("%v: somebody is addressed twice: %q", v, all)
		}
		o.Address(v, activity.Followers)
		if got := o.Visibility(followers); got != v {
			t.Errorf("%v for followers that have no id yet is read back as %v", v, got)
		}
		o.Address(v, "")
		for _, id := range append(o.To.IDs(), o.CC.IDs()...) {
			if id != activity.Public && id != bob {
				t.Errorf("%v without followers is for %s", v, id)
			}
		}
	}
}

func TestAReplyToWhoGoesByTheNameOfEveryoneIsShownToNobodyElse(t *testing.T) {
	t.Parallel()
	for _, name := range []string{activity.Public, "as:Public", "Public", followers, activity.Followers} {
		evil := &activity.Object{ID: "https://b.example/1", AttributedTo: activity.Refs{activity.IRI(name)}}
		o := activity.Note("https://a.example/1", alice, "x", noon)
		o.ReplyTo(evil, "x")
		o.Address(activity.VisibilityDirect, followers, name, bob)
		if got := o.Recipients(); len(got) != 1 || got[0] != bob {
			t.Errorf("%s: a direct reply is for %q", name, got)
		}
		o.Address(activity.VisibilityFollowers, followers, name)
		if got := o.Recipients(); len(got) != 1 || got[0] != followers {
			t.Errorf("%s: a reply to followers is for %q", name, got)
		}
		if a := activity.Like("https://a.example/2", alice, evil); a.IsFor(activity.Public) {
			t.Errorf("%s: a Like is for everyone", name)
		}
	}
}

func TestIsForLooksAtEveryAudience(t *testing.T) {
	t.Parallel()
	x := activity.To("https://x.example/")
	for name, o := range map[string]*activity.Object{
		"to": {To: x}, "cc": {CC: x}, "audience": {Audience: activity.Refs(x)}, "bto": {BTo: x}, "bcc": {BCC: x},
	} {
		a := &activity.Activity{To: o.To, CC: o.CC, Audience: o.Audience, BTo: o.BTo, BCC: o.BCC}
		if !o.IsFor(bob, "https://x.example/") || !a.IsFor("https://x.example/") {
			t.Errorf("%s is not seen", name)
		}
		if o.IsFor(bob) || a.IsFor(activity.Public) || o.IsFor() {
			t.Errorf("%s is for others", name)
		}
	}
	o := &activity.Object{CC: activity.Audience{activity.IRI("as:Public"), {Raw: []byte(`5`)}}}
	if !o.IsFor("Public") || !o.IsFor(activity.Public) {
		t.Error("Public by another name is not seen")
	}
	if o.IsFor("") {
		t.Error("what has no id is taken for the empty id")
	}
}
