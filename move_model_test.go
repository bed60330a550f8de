package fedihook_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/inbox/inboxtest"
)

// movesSeed repeats a run of TestRandomStepsEndAsTheModelSays.
var movesSeed = flag.Uint64("moves-seed", 0, "the seed of the random moves; 0 means a new one")

// The steps by which somebody here, who knows the old and the new account of one person, comes to follow either.
const (
	followOld, unfollowOld, blockOld, unblockOld = 'F', 'U', 'B', 'b'
	followNew, unfollowNew, blockNew, unblockNew = 'G', 'V', 'C', 'c'
	oldBlocks, newBlocks, moves                  = 'X', 'Y', 'M'
	newDown, newUp                               = 'D', 'd' // the new account's server

	steps = "FUBbGVCcXYM"
)

// model is who follows whom by the rules, in so few words that one can see that they are right.
type model struct {
	local    bool // both accounts are here
	old, new bool // the user follows, or asked and has no answer yet

	newBlocked             bool // by the user
	oldRefuses, newRefuses bool // the account has blocked the user
	moved                  bool
	down, asked            bool // a follow of the new account waits for its server
	movesLater, carried    bool // the Move waits for it too, and takes the user along
}

func (m *model) step(letter rune) {
	switch letter {
	case followOld:
		if m.local && m.moved && !m.old {
			return // who has moved lets nobody in
		}
		m.old, m.carried = !m.oldRefuses, false // who follows after the Move knows
	case unfollowOld, blockOld:
		m.old, m.carried = false, false
	case oldBlocks:
		m.old, m.carried, m.oldRefuses = false, false, true
	case followNew:
		m.new = true
		m.arrive(false)
	case unfollowNew:
		m.new = false
	case blockNew:
		m.new, m.newBlocked = false, true
	case unblockNew:
		m.newBlocked = false
	case newBlocks:
		m.new, m.newRefuses = false, true
	case moves:
		if !m.down {
			m.move(m.old)
		} else if !m.movesLater {
			m.movesLater, m.carried = true, m.old
		}
	case newDown:
		m.down = true
	case newUp:
		m.down = false
		if m.asked {
			m.arrive(false)
		}
		if m.movesLater {
			m.move(m.carried)
			m.movesLater = false
		}
	}
}

func (m *model) move(carried bool) {
	if m.moved { // too soon
		return
	}
	m.moved = true
	if carried && m.old && !m.new && !m.newBlocked {
		m.new = true
		m.arrive(true)
	}
}

// arrive is what comes of a follow of the new account. With move the old one ends.
func (m *model) arrive(move bool) {
	if m.asked = m.down; m.asked {
		return
	}
	refused := m.newRefuses
	if move && !(m.local && refused) { // what an account here answers is known before the old follow ends
		m.old = false
	}
	if refused {
		m.new = false
	}
}

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

// inTrials runs sequences of steps next to each other, and compares after each step.
func inTrials(t *testing.T, local bool, sequences []string) {
	t.Helper()
	b := &blocked{whom: map[string]bool{}}
	inTown(t, func(c *fedihook.Config) {
		c.Hooks.Follow = b.hook
		profile := c.Profile
		c.Profile = func(ctx context.Context, handle string) (actor.Profile, error) {
			if p, err := profile(ctx, handle); err == nil {
				return p, nil
			}
			switch {
			case strings.Contains(handle, "/"):
			case strings.HasPrefix(handle, "n"):
				return actor.Profile{Handle: handle, AlsoKnownAs: []string{here("o" + handle[1:])}}, nil
			case strings.HasPrefix(handle, "o"), strings.HasPrefix(handle, "u"):
				return actor.Profile{Handle: handle}, nil
			}
			return actor.Profile{}, actor.ErrNotFound
		}
	}, func(t *testing.T, w *town) {
		var trials []*trial
		pairs := map[string]*pair{} // by when they move
		for i, sequence := range sequences {
			when := strings.Map(func(l rune) rune {
				if l != moves {
					return '-'
				}
				return l
			}, sequence)
			if pairs[when] == nil {
				pairs[when] = w.pair(len(pairs), local)
			}
			tr := &trial{pair: pairs[when], w: w, who: fmt.Sprintf("u%d", i), undo: map[string]string{}, model: model{local: local}}
			w.shareKey(tr.who)
			trials = append(trials, tr)
		}
		for k := 0; ; k++ {
			busy, up := false, false
			for i, tr := range trials {
				if k >= len(sequences[i]) {
					continue
				}
				busy = true
				switch letter := rune(sequences[i][k]); letter {
				case newDown:
					w.new.Server().Down()
				case newUp:
					w.new.Server().Behave()
					up = true
				}
				tr.step(k, rune(sequences[i][k]), b)
			}
			if !busy {
				return
			}
			time.Sleep(time.Minute)
			if up {
				time.Sleep(4 * time.Hour)
			}
			for range 2 { // an answer may be to a Follow that comes of an answer
				follows, last := w.heard()
				for _, tr := range trials {
					tr.answer(follows, last)
				}
				time.Sleep(time.Minute)
			}
			for _, tr := range trials {
				tr.check()
			}
			if t.Failed() {
				return
			}
		}
	})
}

// TestEveryOrderOfMoveFollowUndoAndBlockEndsAsTheModelSays takes all sequences of three steps after a Follow (of two with -short), and all orders
// of some longer ones, with both accounts elsewhere and both here.
func TestEveryOrderOfMoveFollowUndoAndBlockEndsAsTheModelSays(t *testing.T) {
	t.Parallel()
	n := 3
	if testing.Short() {
		n = 2
	}
	sequences := all("F", steps, n)
	for _, set := range []string{"MGVC", "MFUX", "MBCY"} {
		sequences = append(sequences, orders("F", set)...)
	}
	for name, local := range map[string]bool{"elsewhere": false, "here": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inTrials(t, local, sequences)
		})
	}
}

// all are the sequences that begin with prefix and go on with n letters.
func all(prefix, letters string, n int) (out []string) {
	if n == 0 {
		return []string{prefix}
	}
	for _, l := range letters {
		out = append(out, all(prefix+string(l), letters, n-1)...)
	}
	return out
}

// orders are all orders of the letters, after prefix.
func orders(prefix, letters string) (out []string) {
	if letters == "" {
		return []string{prefix}
	}
	for i, l := range letters {
		out = append(out, orders(prefix+string(l), letters[:i]+letters[i+1:])...)
	}
	return out
}

// TestRandomStepsEndAsTheModelSays takes longer sequences, in the middle of which the new account's server is down.
func TestRandomStepsEndAsTheModelSays(t *testing.T) {
	t.Parallel()
	seed := *movesSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("go test -run TestRandomStepsEndAsTheModelSays -moves-seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	const patterns, trials, length = 4, 10, 12
	down, up := 2+r.IntN(3), 7+r.IntN(3)
	var elsewhere, local []string
	for range patterns {
		first, second := 1+r.IntN(length-1), 1+r.IntN(length-1) // when they move
		for range trials {
			elsewhere = append(elsewhere, random(r, length, first, second, down, up))
			local = append(local, random(r, length, first, second, -1, -1))
		}
	}
	t.Run("elsewhere", func(t *testing.T) { t.Parallel(); inTrials(t, false, elsewhere) })
	t.Run("here", func(t *testing.T) { t.Parallel(); inTrials(t, true, local) })
}

func random(r *rand.Rand, length, first, second, down, up int) string {
	sequence, blocked := "F", false
	for i := 1; i < length; i++ {
		l := rune(steps[r.IntN(len(steps)-1)]) // but the last, which is a Move
		// What a server says that is down, and what it would say to a Follow and to a Move that wait both, comes in any order.
		if away := down < i && i < up; away && (l == newBlocks || l == followNew && blocked) {
			l = unfollowNew
		}
		switch i {
		case down:
			l = newDown
		case up:
			l = newUp
		case first, second:
			l = moves
		}
		blocked = blocked || l == newBlocks
		sequence += string(l)
	}
	return sequence
}
