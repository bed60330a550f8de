package fedihook_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/inbox/inboxtest"
)

// pair is two accounts of one person. One user always follows the old one, so that its Move is heard.
type pair struct {
	old, new     *inboxtest.Actor // nil: both are here
	ids, handles [2]string
	moved        int // the step at which it moved last
}

// trial is a user here, two accounts to follow and the model of them.
type trial struct {
	*pair
	w        *town
	who      string
	undo     map[string]string // ids of Blocks
	answered [2]int
	model    model
	done     string
}

// blocked is what an app does with follows by who is blocked.
type blocked struct {
	mu   sync.Mutex
	whom map[string]bool // the actor who blocks, and the one who is
}

func (b *blocked) hook(_ context.Context, m *inbox.Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.whom[m.ObjectID+" "+m.Sender] {
		return inbox.ErrRefuse
	}
	return nil
}

func (w *town) pair(i int, local bool) *pair {
	w.t.Helper()
	p := &pair{handles: [2]string{fmt.Sprintf("o%d", i), fmt.Sprintf("n%d", i)}, moved: -1}
	p.ids = [2]string{here(p.handles[0]), here(p.handles[1])}
	if local {
		w.shareKey(p.handles[:]...)
	} else {
		p.old, p.new = w.old.Server().Actor(p.handles[0]), w.new.Server().Actor(p.handles[1])
		p.ids = [2]string{p.old.ID(), p.new.ID()}
		p.new.Alias(p.old.ID())
		for _, id := range p.ids { // it is known where they take their post
			if _, err := w.Lookup(w.t.Context(), id); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	if _, err := w.Follow(w.t.Context(), "alice", p.ids[0]); err != nil {
		w.t.Fatal(err)
	}
	time.Sleep(time.Second)
	if !local {
		p.old.Accept(here("alice"))
		time.Sleep(time.Second)
	}
	return p
}

// shareKey gives users here the key of alice: to make one takes longer than all else.
func (w *town) shareKey(handles ...string) {
	w.t.Helper()
	ring := actor.Keyring{Store: w.store.Keys, Names: actor.Names{Origin: "https://blog.example"}}
	if _, err := ring.Private(w.t.Context(), here("alice")); err != nil {
		w.t.Fatal(err)
	}
	pairs, err := w.store.Keys.ActorKeys(w.t.Context(), here("alice"))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, handle := range handles {
		k := pairs[0]
		k.ActorID, k.KeyID = here(handle), here(handle)+"#main-key"
		if _, err := w.store.Keys.AddKey(w.t.Context(), k); err != nil {
			w.t.Fatal(err)
		}
	}
}

// step does on the real servers what a letter says.
func (tr *trial) step(k int, letter rune, b *blocked) {
	w := tr.w
	t, ctx := w.t, w.t.Context()
	t.Helper()
	tr.done += string(letter)
	old, new := tr.ids[0], tr.ids[1]
	status, err := http.StatusAccepted, error(nil)
	block := func(who int) {
		b.mu.Lock()
		b.whom[tr.ids[who]+" "+here(tr.who)] = true
		b.mu.Unlock()
		if tr.model.local {
			_, err = w.Block(ctx, tr.handles[who], here(tr.who))
		} else {
			status = []*inboxtest.Actor{tr.old, tr.new}[who].Block(here(tr.who))
		}
	}
	switch letter {
	case followOld:
		_, err = w.Follow(ctx, tr.who, old)
	case followNew:
		_, err = w.Follow(ctx, tr.who, new)
	case unfollowOld:
		_, err = w.Unfollow(ctx, tr.who, old)
	case unfollowNew:
		_, err = w.Unfollow(ctx, tr.who, new)
	case blockOld:
		tr.undo[old], err = w.Block(ctx, tr.who, old)
	case blockNew:
		tr.undo[new], err = w.Block(ctx, tr.who, new)
	case unblockOld, unblockNew:
		about := map[rune]string{unblockOld: old, unblockNew: new}[letter]
		if id := tr.undo[about]; id != "" {
			_, err = w.Undo(ctx, tr.who, id)
			tr.undo[about] = ""
		}
	case oldBlocks:
		block(0)
	case newBlocks:
		block(1)
	case moves:
		if tr.moved == k {
			break // with another trial
		}
		if tr.moved = k; tr.model.local {
			_, err = w.Move(ctx, tr.handles[0], new)
		} else {
			status = tr.old.Move(new)
		}
	}
	if err != nil || status != http.StatusAccepted {
		t.Fatalf("%s: %d, %v", tr.done, status, err)
	}
	tr.model.step(letter)
}

// heard is what both servers have heard from each user about each account: how many Follows, and the last word.
func (w *town) heard() (follows map[[2]string]int, last map[[2]string]string) {
	follows, last = map[[2]string]int{}, map[[2]string]string{}
	for _, s := range []*inboxtest.Server{w.old.Server(), w.new.Server()} {
		for _, d := range s.Received("") {
			a := d.Activity
			typ, about := a.Type.String(), a.Object.First()
			if typ == "Undo" {
				if doc, err := a.Object[0].Document(); err == nil {
					if inner, ok := doc.(*activity.Activity); ok {
						typ, about = "Undo "+inner.Type.String(), inner.Object.First()
					}
				}
			}
			k := [2]string{a.Actor.ID, about}
			switch typ {
			case "Follow":
				follows[k]++
				last[k] = typ
			case "Undo Follow", "Block":
				last[k] = typ
			}
		}
	}
	return follows, last
}

// answer does what servers elsewhere do with the Follows that have come since and were not taken back.
func (tr *trial) answer(follows map[[2]string]int, last map[[2]string]string) {
	for i, who := range []*inboxtest.Actor{tr.old, tr.new} {
		if who == nil {
			return
		}
		k := [2]string{here(tr.who), who.ID()}
		if follows[k] == tr.answered[i] {
			continue
		}
		tr.answered[i] = follows[k]
		switch refuses := i == 0 && tr.model.oldRefuses || i == 1 && tr.model.newRefuses; {
		case last[k] != "Follow":
		case refuses:
			who.Reject(here(tr.who))
		default:
			who.Accept(here(tr.who))
		}
	}
}

// check compares what is kept, and what the other servers have, with the model.
func (tr *trial) check() {
	tr.w.t.Helper()
	want := [2]string{"none", "none"}
	if tr.model.old {
		want[0] = "accepted"
	}
	if tr.model.new {
		want[1] = "accepted"
	}
	for i, id := range tr.ids {
		got := tr.w.state(here(tr.who), id)
		if tr.model.asked && i == 1 && got == "pending" {
			continue
		}
		if got != want[i] {
			tr.w.t.Errorf("after %s the user follows %s: %s; the model says %s: %+v", tr.done, id, got, want[i], tr.model)
		}
		who := []*inboxtest.Actor{tr.old, tr.new}[i]
		if who == nil || i == 1 && tr.model.down {
			continue
		}
		if there := slices.Contains(who.Followers(), here(tr.who)); there != (want[i] == "accepted") {
			tr.w.t.Errorf("after %s the server of %s has the user as a follower: %v; the model says %s: %+v", tr.done, id, there, want[i], tr.model)
		}
	}
}
