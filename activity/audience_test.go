package activity_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/fedihook/fedihook/activity"
)

func TestPublicHasThreeSpellings(t *testing.T) {
	t.Parallel()
	spellings := []string{"https://www.w3.org/ns/activitystreams#Public", "as:Public", "Public"}
	for _, id := range spellings {
		if !activity.IsPublic(id) {
			t.Errorf("%q is not public", id)
		}
		for _, other := range spellings {
			if !activity.To("https://a.example/1", id).Has(other) {
				t.Errorf("an audience of %q has no %q", id, other)
			}
		}
		if got := activity.To(id).IDs(); !slices.Equal(got, spellings[:1]) {
			t.Errorf("%q", got)
		}
	}
	for _, id := range []string{"", "public", "as:public", "https://www.w3.org/ns/activitystreams#public", "https://evil.example/#Public", "http://www.w3.org/ns/activitystreams#Public"} {
		if activity.IsPublic(id) || activity.To(spellings...).Has(id) || activity.To(id).Has("Public") {
			t.Errorf("%q is public", id)
		}
	}
	if activity.Audience(nil).Has("Public") || activity.Public != spellings[0] {
		t.Error("nobody is not public")
	}
}

func TestRecipientsAreListedOnceInOrder(t *testing.T) {
	t.Parallel()
	want := []string{activity.Public, "https://a.example/followers", "https://b.example/1", "https://c.example/group", "https://d.example/1", "https://e.example/1"}
	to := activity.To("Public", "https://a.example/followers")
	cc := activity.To("https://b.example/1", "as:Public", "https://a.example/followers")
	group := activity.Refs{activity.IRI("https://c.example/group")}
	bto, bcc := activity.To("https://d.example/1", "https://b.example/1"), activity.To("https://e.example/1")
	o := &activity.Object{To: to, CC: cc, Audience: group, BTo: bto, BCC: bcc}
	a := &activity.Activity{To: to, CC: cc, Audience: group, BTo: bto, BCC: bcc}
	if got := o.Recipients(); !slices.Equal(got, want) {
		t.Errorf("object: %q", got)
	}
	if got := a.Recipients(); !slices.Equal(got, want) {
		t.Errorf("activity: %q", got)
	}
	if got := new(activity.Object).Recipients(); got != nil {
		t.Errorf("nobody: %q", got)
	}
}

// A stranger may address as many as the Decoder lets through; comparing each with each would take seconds.
func TestManyRecipientsAreListedQuickly(t *testing.T) {
	t.Parallel()
	var many activity.Audience
	for i := range 50_000 {
		many = append(many, activity.IRI(fmt.Sprintf("https://a.example/%d", i)))
	}
	o := &activity.Object{To: many, CC: many}
	start := time.Now()
	if got := o.Recipients(); len(got) != 50_000 {
		t.Errorf("%d recipients", len(got))
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
}
