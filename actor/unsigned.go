package actor

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/fedihook/fedihook/activity"
)

const (
	keepShows  = time.Hour      // how long a host is believed to show keys to anyone
	keepHidden = 24 * time.Hour // and how long one is not asked so again that did not
)

// shows are the hosts of which it is known whether they show actors to who does not sign, by authority. To sign a request
// costs more than all else about it. So when many keys of one host are asked for, one of them is asked for without, and if
// that is answered well the others are too.
type shows struct{ hosts *cache[show] }

type show struct {
	anyone bool
	until  time.Time
}

// documentOfKey gets the document in which a key is that was never seen: where that saves us many signatures, without one
// of ours. What does not come so is asked for again with one.
func (r *Resolver) documentOfKey(ctx context.Context, address, keyID string) (found, error) {
	signed := func() (found, error) {
		return r.documentOf(ctx, ask{through: r.signed, address: address}, keyID)
	}
	host, ok := activity.Authority(address)
	if !ok || r.config.Key == nil || r.hides(address) || !r.busyWith(address) {
		return signed()
	}
	known, _ := r.shows.hosts.get(host)
	fresh := time.Now().Before(known.until)
	switch {
	case fresh && !known.anyone:
		return signed()
	case !fresh: // one tries; who comes meanwhile signs
		r.shows.hosts.put(strings.Clone(host), show{false, time.Now().Add(r.config.Timeout)}, 1)
	}
	f, err := r.documentOf(ctx, ask{through: r.plain, address: address}, keyID)
	if a, ok := f.doc.(*activity.Actor); err == nil && ok && checkActor(a) == nil {
		if !fresh {
			r.shows.hosts.put(strings.Clone(host), show{true, time.Now().Add(keepShows)}, 1)
		}
		return f, nil
	}
	if e := (*Error)(nil); errors.As(err, &e) && e.Status == 0 && e.Passing || ctx.Err() != nil {
		return f, err // no answer: with a signature there would be none either
	}
	again, signedErr := signed()
	if signedErr == nil || refusal(err) {
		// It shows to who signs what it does not show to others, or says so. What is not there for either says nothing.
		r.shows.hosts.put(strings.Clone(host), show{false, time.Now().Add(keepHidden)}, 1)
	}
	return again, signedErr
}

// refusal tells whether a host answered that it wants a signature.
func refusal(err error) bool {
	e := (*Error)(nil)
	return errors.As(err, &e) && (e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden)
}
