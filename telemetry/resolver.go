package telemetry

import (
	"context"
	"errors"

	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/media"
	"github.com/fedihook/fedihook/moderation"
)

// Resolver returns an Observer for actor.ResolverConfig.
func (t *Telemetry) Resolver() actor.Observer {
	_ = t.Check()
	return resolverObserver{t}
}

type resolverObserver struct{ t *Telemetry }

func (o resolverObserver) Keyed(k actor.Keyed) {
	outcome := "ok"
	switch {
	case k.Err == nil:
	case errors.Is(k.Err, actor.ErrGone), errors.Is(k.Err, actor.ErrNotFound):
		outcome = "gone"
	case errors.Is(k.Err, actor.ErrBlocked), errors.Is(k.Err, moderation.ErrRefused):
		outcome = "refused"
	default:
		outcome = "failed"
	}
	o.t.add(context.Background(), keyLookups, 1, string(k.From), outcome)
	if k.From == actor.FromServer {
		o.t.record(context.Background(), keyDuration, k.Took.Seconds(), outcome)
	}
}

// Media returns an Observer for media.Config.
func (t *Telemetry) Media() media.Observer {
	_ = t.Check()
	return mediaObserver{t}
}

type mediaObserver struct{ t *Telemetry }

func (o mediaObserver) Served(s media.Served) {
	from := string(s.From)
	if from == "" {
		from = "none"
	}
	o.t.add(context.Background(), mediaRequests, 1, from)
	o.t.add(context.Background(), mediaBytes, s.Bytes, from)
}
