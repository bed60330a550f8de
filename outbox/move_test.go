package outbox_test

import (
	"testing"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/outbox"
)

// A server that refuses the Update for a while must not get the Move before it. FEP-7628
func TestAMoveIsDeliveredAfterTheUpdateThatTellsIt(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.followers = []outbox.Target{{Inbox: bob + "/inbox"}}
	shown := &activity.Actor{ID: alice, Type: activity.Types{"Person"}, MovedTo: activity.IRI(bob)}
	update := b.say(&activity.Activity{Type: activity.Types{"Update"}, Object: activity.Refs{activity.Embed(shown)}})
	move := b.say(&activity.Activity{Type: activity.Types{"Move"}, Object: activity.Refs{activity.IRI(alice)}, Target: activity.IRI(bob)})
	b.work()
	u, _ := b.only(update)
	m, a := b.only(move)
	if u.Key == "" || u.Key != m.Key || m.Type != "Move" {
		t.Errorf("the Update goes in the lane of %q, the %s in that of %q", u.Key, m.Type, m.Key)
	}
	if a.Object.First() != alice || a.Target.ID != bob || a.Actor.ID != alice {
		t.Errorf("the Move is %s", m.Body)
	}
	before, err := b.store.Log.Record(t.Context(), update)
	if err != nil {
		t.Fatal(err)
	}
	after, err := b.store.Log.Record(t.Context(), move)
	if err != nil || after.Object != before.Object || after.Seq <= before.Seq {
		t.Errorf("the Update is number %d, about %s, the Move %d, about %s, %v", before.Seq, before.Object, after.Seq, after.Object, err)
	}
}
