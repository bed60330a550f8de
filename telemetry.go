package fedihook

import (
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/media"
	"github.com/fedihook/fedihook/outbox"
	"github.com/fedihook/fedihook/telemetry"
)

// observers are what the rooms tell Config.Telemetry by. Each is nil without it.
type observers struct {
	delivery delivery.Observer
	outbox   outbox.Observer
	inbox    inbox.Observer
	resolver actor.Observer
	media    media.Observer
	verifier func(inbox.Verifier) inbox.Verifier
}

func observersOf(t *telemetry.Telemetry) (observers, error) {
	if t == nil {
		return observers{verifier: func(v inbox.Verifier) inbox.Verifier { return v }}, nil
	}
	if err := t.Check(); err != nil {
		return observers{}, err
	}
	return observers{t.Delivery(), t.Outbox(), t.Inbox(), t.Resolver(), t.Media(), t.Verifier}, nil
}
