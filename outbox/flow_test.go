package outbox_test

import (
	"slices"
	"testing"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/outbox"
)

func TestWhatAPeerDoesNotPassOnIsKnownByItsDomain(t *testing.T) {
	t.Parallel()
	all := outbox.Flows("threads.net")
	if len(all) == 0 {
		t.Fatal("nothing is known of Threads")
	}
	for _, f := range all {
		if f.Sentence == "" || f.Source == "" || len(f.Seen) != len("2026-06") || f.Domain != "threads.net" {
			t.Errorf("%+v", f)
		}
	}
	for _, same := range []string{"www.threads.net", "Threads.net", "threads.net:443", "threads.com", "www.threads.com", "threads.net."} {
		if got := outbox.Flows(same); !slices.Equal(got, all) {
			t.Errorf("%s: %+v", same, got)
		}
	}
	for _, other := range []string{"", "mastodon.social", "notthreads.net", "threads.net.example", "net"} {
		if got := outbox.Flows(other); len(got) != 0 {
			t.Errorf("%s: %+v", other, got)
		}
	}
	some := outbox.Flows("threads.net", outbox.KindPoll)
	if len(some) != 2 || some[0].Kind != outbox.KindPoll || some[0].Way == some[1].Way {
		t.Errorf("polls: %+v", some)
	}
	some[0].Sentence = "mine"
	if outbox.Flows("threads.net", outbox.KindPoll)[0].Sentence == "mine" {
		t.Error("what is known was changed by a caller")
	}
}

func TestThePostTellsItsKinds(t *testing.T) {
	t.Parallel()
	o := &activity.Object{Type: activity.Types{"Question"}, InReplyTo: activity.IRI("https://threads.net/ap/1"), To: activity.To(activity.Followers)}
	if got := outbox.KindsOf(o, "threads.net"); !slices.Equal(got, []outbox.Kind{outbox.KindReply, outbox.KindPoll, outbox.KindPrivate}) {
		t.Errorf("%q", got)
	}
	if got := outbox.KindsOf(o, "mastodon.social"); slices.Contains(got, outbox.KindReply) {
		t.Errorf("a reply to another: %q", got)
	}
	for _, o := range []*activity.Object{{Type: activity.Types{"Note"}}, {CC: activity.To(activity.Public)}} {
		if got := outbox.KindsOf(o, "threads.net"); len(got) != 0 {
			t.Errorf("%+v: %q", o, got)
		}
	}
}
