package fedihook

import (
	"context"
	"errors"
	"fmt"

	"github.com/fedihook/fedihook/activity"
)

// Change says what became of a post, for an app that knows how it was before and how it is now: it is published if before is
// nil, deleted if after is nil, and else updated. Nil is what nobody may read, such as a draft; of two nothing is said. It returns
// what the verb returns that it stands for.
func (s *Server) Change(ctx context.Context, handle string, before, after *activity.Object) (id string, err error) {
	switch {
	case before == nil && after == nil:
		return "", nil
	case before == nil:
		return s.Publish(ctx, handle, after)
	case after == nil:
		return s.Delete(ctx, handle, before.ID)
	case before.ID != after.ID:
		return "", fmt.Errorf("fedihook: change %s to %s: %w", before.ID, after.ID, errors.New("a post keeps its id"))
	}
	return s.Update(ctx, handle, after)
}
