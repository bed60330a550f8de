package fedihook

import (
	"testing"
	"time"

	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/outbox"
	"github.com/fedihook/fedihook/storage"
)

// After a crash an Undo may come once more, when there has been another Block.
func TestAnUndoDoesNotLiftWhatWasSaidAfterIt(t *testing.T) {
	t.Parallel()
	const alice, bob = "https://blog.example/ap/users/alice", "https://there.example/users/bob"
	store := storage.Memory()
	r := &relations{store: store.Followers, names: actor.Names{Origin: "https://blog.example"}, policy: &moderation.Policy{Rules: store.Rules}}
	begin := time.Now()
	for i, step := range []struct {
		typ    string
		at     time.Duration
		blocks bool
	}{
		{"Unblock", 0, false}, {"Block", 1, true}, {"Unblock", 2, false}, {"Block", 3, true}, {"Unblock", 2, true}, {"Unblock", 4, false},
	} {
		if err := r.relate(t.Context(), outbox.Relation{Type: step.typ, Follower: alice, Followed: bob, At: begin.Add(step.at * time.Second)}); err != nil {
			t.Fatal(err)
		}
		_, ok, err := r.policy.Find(t.Context(), moderation.Key{Local: alice, About: bob})
		if err != nil || ok != step.blocks {
			t.Errorf("after step %d there is a rule: %v, %v", i, ok, err)
		}
	}
}
