package fedihook

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
)

// What stands here is for sites that live at several hosts: see Config.MoreOrigins.

// lodged makes sure that profile's users live where their handles say: who forgot the host would make one actor of all users of that name.
// It takes handles of Origin in full too.
func lodged(profile func(context.Context, string) (actor.Profile, error), names actor.Names) func(context.Context, string) (actor.Profile, error) {
	if profile == nil || names.More == nil {
		return profile
	}
	return func(ctx context.Context, who string) (actor.Profile, error) {
		byID := strings.Contains(who, "://")
		if !byID {
			who = strings.TrimSuffix(strings.TrimSuffix(who, "@"+names.Authority()), "@"+names.HandleDomain())
		}
		p, err := profile(ctx, who)
		if err != nil || p.Handle == "" {
			return p, err
		}
		home := names.Actor(p.Handle)
		switch {
		case !byID && !activity.SameAuthority(home, names.Actor(who)):
			return actor.Profile{}, fmt.Errorf("fedihook: profile of %q: Handle is %q, of a user on another host", who, p.Handle)
		case p.ID != "" && !activity.SameAuthority(home, p.ID):
			return actor.Profile{}, fmt.Errorf("fedihook: profile of %q: ID %q is not on the host of %q", who, p.ID, p.Handle)
		}
		return p, nil
	}
}

// profileAt finds the user of whom a request asks for something of this kind, with suffix behind its id.
func (s *Server) profileAt(r *http.Request, kind actor.Kind, suffix string) (actor.Profile, error) {
	id, _, _ := strings.Cut(s.names.Of(r), "?")
	if got, handle, ok := s.names.Parse(strings.TrimSuffix(id, suffix)); ok && got == kind && handle != "" {
		return s.profile(r.Context(), handle)
	}
	return actor.Profile{}, fmt.Errorf("fedihook: %s: %w", id, actor.ErrNotFound)
}
