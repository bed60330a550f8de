package fedihook

import (
	"context"

	"github.com/fedihook/fedihook/inbox"
)

// person is how somebody elsewhere is shown beside what they say. It may ask their server, and goes without what that does not tell.
func (s *Server) person(ctx context.Context, id string) (p inbox.Person) {
	a, err := s.resolver.Actor(ctx, id)
	if err == nil {
		p.Avatar, err = s.avatar(ctx, a)
	}
	if err != nil {
		s.config.Logger.DebugContext(ctx, "fedihook: no picture of somebody", "actor", id, "error", err)
	}
	if p.Handle, err = s.resolver.HandleOf(ctx, id); err != nil {
		s.config.Logger.DebugContext(ctx, "fedihook: handle not proved", "actor", id, "error", err)
		p.Handle = ""
	}
	return p
}
