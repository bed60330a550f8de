package fedihook_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/actor"
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

	oldBlocked, newBlocked bool // by the user, who then can't ask to follow
	oldRefuses, newRefuses bool // the account has blocked the user
	moved                  bool
	down, asked            bool // a follow of the new account waits for its server
	movesLater, carried    bool // the Move waits for it too, and takes the user along
}

func (m *model) step(letter rune) {
	switch letter {
	case followOld:
		if m.oldBlocked || m.local && m.moved && !m.old {
			return // who has moved lets nobody in
		}
		m.old, m.carried = !m.oldRefuses, false // who follows after the Move knows
	case unfollowOld:
		m.old, m.carried = false, false
	case blockOld:
		m.old, m.carried, m.oldBlocked = false, false, true
	case unblockOld:
		m.oldBlocked = false
	case oldBlocks:
		m.old, m.carried, m.oldRefuses = false, false, true
	case followNew:
		if m.newBlocked {
			return
		}
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

// movesDepth is how many steps are taken in all orders with both accounts elsewhere, which costs signatures: three take half a minute.
var movesDepth = flag.Int("moves-depth", 2, "steps of the exhaustive test of moves, after the first")

// TestEveryOrderOfMoveFollowUndoAndBlockEndsAsTheModelSays takes all sequences of three steps after a Follow with both accounts
// here, of two with both elsewhere, and all orders of some longer ones.
func TestEveryOrderOfMoveFollowUndoAndBlockEndsAsTheModelSays(t *testing.T) {
	t.Parallel()
	var longer []string
	for _, set := range []string{"MGVC", "MFUX", "MBCY"} {
		longer = append(longer, orders("F", set)...)
	}
	t.Run("here", func(t *testing.T) { t.Parallel(); inTrials(t, true, slices.Concat(all("F", steps, 3), longer)) })
	t.Run("elsewhere", func(t *testing.T) {
		t.Parallel()
		inTrials(t, false, slices.Concat(all("F", steps, *movesDepth), longer))
	})
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
