package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/outbox"
	"github.com/fedihook/fedihook/signature"
)

// rules are what -break can switch off, each in one server. The library has no such switches: what is put in its place
// here are an app's own verifier, stores and answers, as they would be if they had the fault.
var rules = []string{"sign", "digest", "target", "authority", "dedupe", "retry", "private", "tombstone", "limit"}

func (s *site) sabotage(c *fedihook.Config) (err error) {
	if s.host == "b.test" {
		switch s.broken {
		case "sign", "digest", "target", "authority":
			c.Verifier, err = newGullible(s.broken, s)
		case "dedupe":
			c.Storage.Journal = forgetful{c.Storage.Journal}
		}
		return err
	}
	switch s.broken {
	case "retry":
		c.Delivery.GiveUp = time.Nanosecond
		c.Delivery.HostDelay = func(int) time.Duration { return time.Millisecond }
	case "private":
		c.Object = s.everyonesBusiness
	case "tombstone":
		c.Storage.Log = undeleted{c.Storage.Log}
	case "limit":
		c.Storage.Rules = lenient{c.Storage.Rules}
	}
	return nil
}

// gullible is a verifier that leaves one rule out.
type gullible struct {
	rule   string
	strict *signature.Verifier

	mu     sync.Mutex
	bodies map[string][]byte // what came with a Signature the first time
}

func newGullible(rule string, s *site) (*gullible, error) {
	keys, err := actor.NewResolver(actor.ResolverConfig{InsecureAllowLoopback: s.names, Names: actor.Names{Origin: s.origin}})
	if err != nil {
		return nil, err
	}
	return &gullible{
		rule: rule, bodies: make(map[string][]byte),
		strict: &signature.Verifier{Keys: keys, Authorities: []string{"a.test", "b.test"}, Scheme: "http"},
	}, nil
}

func (g *gullible) Verify(r *http.Request, body []byte) (signature.Verified, error) {
	v, err := g.strict.Verify(r, body)
	if g.rule != "target" && r.Host != "b.test" {
		return v, signature.ErrTarget
	}
	switch g.rule {
	case "sign":
		if keyID, bad := signature.KeyID(r); err != nil && bad == nil {
			return signature.Verified{KeyID: keyID, Owner: strings.TrimSuffix(keyID, "#main-key")}, nil
		}
	case "digest":
		if err == nil {
			g.remember(r, body)
		} else if was := g.remember(r, body); was != nil {
			return g.strict.Verify(r, was)
		}
	case "target":
		for _, host := range []string{"a.test", "b.test"} {
			for _, path := range []string{"/ap/inbox", "/ap/users/bob/inbox"} {
				elsewhere := r.Clone(r.Context())
				elsewhere.Host, elsewhere.RequestURI = host, path
				if v, err := g.strict.Verify(elsewhere, body); err == nil {
					return v, nil
				}
			}
		}
	case "authority":
		if doc, bad := activity.Decode(body); err == nil && bad == nil {
			if a, ok := doc.(*activity.Activity); ok {
				v.Owner = a.Actor.ID
			}
		}
	}
	return v, err
}

// remember returns the body that came first with this signature.
func (g *gullible) remember(r *http.Request, body []byte) []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	key := r.Header.Get("Signature")
	was, ok := g.bodies[key]
	if !ok {
		g.bodies[key] = body
	}
	return was
}

// forgetful is a journal that has never seen anything before.
type forgetful struct{ inbox.Journal }

func (f forgetful) Append(ctx context.Context, e inbox.Entry, b inbox.Bounds) (inbox.Kept, error) {
	e.Mark = sha256.Sum256([]byte(rand.Text()))
	return f.Journal.Append(ctx, e, b)
}

// everyonesBusiness is an app that shows everything as public.
func (s *site) everyonesBusiness(ctx context.Context, id, asker string) (*activity.Object, error) {
	o, err := s.object(ctx, id, asker)
	if err == nil {
		o.To = activity.To(activity.Public)
	}
	return o, err
}

// undeleted is a log that has lost all Deletes.
type undeleted struct{ outbox.Log }

func (u undeleted) ObjectRecords(ctx context.Context, id string, limit int) ([]outbox.Record, error) {
	all, err := u.Log.ObjectRecords(ctx, id, limit)
	var kept []outbox.Record
	for _, r := range all {
		if r.Type != "Delete" {
			kept = append(kept, r)
		}
	}
	return kept, err
}

// lenient are rules that limit nobody.
type lenient struct{ moderation.Rules }

func (l lenient) ListRules(ctx context.Context, q moderation.Query) ([]moderation.Rule, error) {
	list, err := l.Rules.ListRules(ctx, q)
	for i := range list {
		if list[i].Severity == moderation.Limit {
			list[i].Severity = moderation.Noop
		}
	}
	return list, err
}
