package actor

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/signature"
)

const (
	maxAbilities  = 10_000 // hosts
	keepAbilities = 30 * 24 * time.Hour
)

// Capabilities are what is known of an actor or of its server without asking anyone.
type Capabilities struct {
	// Implements lists what the server says it can do, by IRI. FEP-844e.
	Implements []string

	// RFC9421 and Ed25519 say that the server verifies such signatures of requests. FEP-844e.
	RFC9421, Ed25519 bool

	// Proofs says that the actor lists Multikeys, so that what it makes may carry proofs. FEP-521a, FEP-8b32.
	Proofs bool
}

// abilities are what hosts say of themselves, by authority.
type abilities struct{ hosts *cache[ability] }

type ability struct {
	suite signature.Suite
	at    time.Time
}

func newAbilities() abilities { return abilities{newCache[ability](maxAbilities)} }

// learn keeps what an actor, as its own server showed it, says of the server. Who says nothing takes nothing back:
// on some servers only some actors speak.
func (a abilities) learn(of *activity.Actor) {
	best, said := bestSuite(of.Capabilities())
	if at, ok := activity.Authority(of.ID); ok && said {
		a.hosts.put(strings.Clone(at), ability{best, time.Now()}, 1)
	}
}

func bestSuite(capabilities []string) (best signature.Suite, said bool) {
	for _, href := range capabilities {
		if suite, ok := signature.Capability(href); ok {
			best, said = max(best, suite), true
		}
	}
	return best, said
}

// Verifies tells what a host verifies, by what its actors said of late, and false if none said anything. It answers from
// memory alone: it is made for the field of that name of a signature.Transport.
func (r *Resolver) Verifies(_ context.Context, authority string) (signature.Suite, bool) {
	a, ok := r.abilities.hosts.get(authority)
	if !ok || time.Since(a.at) >= keepAbilities {
		return 0, false
	}
	return a.suite, true
}

// Capabilities tells what an actor that is in memory can do, and false if it is not there. It asks neither the store nor
// anyone else.
func (r *Resolver) Capabilities(actorID string) (Capabilities, bool) {
	k, ok := r.actors.get(actorID)
	if !ok || k.actor == nil {
		return Capabilities{}, false
	}
	c := Capabilities{Implements: slices.Clone(k.actor.Capabilities()), Proofs: len(k.actor.AssertionMethod) > 0}
	suite, said := bestSuite(c.Implements)
	c.RFC9421 = said && suite >= signature.SuiteRFC9421
	c.Ed25519 = said && suite >= signature.SuiteEd25519
	return c, true
}
