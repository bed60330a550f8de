package actor

import (
	"context"
	"errors"
	"fmt"

	"github.com/fedihook/fedihook/activity"
)

// What a completion asks for at most.
const (
	completeRequests = 60
	completeBytes    = 8 << 20
	completeItems    = 20 // of the outbox, and pinned
	completePages    = 2
)

// Completion is what a profile page shows beside the actor itself, read from the actor's own server. What the server
// does not show, as Threads shows no outbox, is left out. Nothing of it was sent to us: it is as good as fetched, so that
// it may fill a timeline but must not notify anybody.
type Completion struct {
	Actor *activity.Actor

	// Followers, Following and Posts are totals as the server tells them, -1 where it does not.
	Followers, Following, Posts int64

	// Featured are the posts that the actor has pinned, at most 20. All are its own.
	Featured []*activity.Object

	// Outbox are the actor's latest public activities, the newest first, at most 20.
	Outbox []Past
}

// Past is something that an actor did before anyone here followed it.
type Past struct {
	// Activity is what stands in the outbox; its Actor is whose outbox it is.
	Activity *activity.Activity

	// Object is what a Create made, an object of the actor's own. Nil for all other activities: what an Announce
	// shares has to be asked for by its id, see [Resolver.Object].
	Object *activity.Object
}

// Complete has an actor's profile read in the background and given to ResolverConfig.Completed: do so when one
// of ours begins to follow it and nobody did before. It reports false if 1024 errands are waiting already. See
// [Resolver.Run] for what is lost when the process ends.
func (r *Resolver) Complete(actorID string) bool {
	if r.config.Completed == nil || r.config.Names.Ours(actorID) {
		return true // there is nothing to do
	}
	return r.errands.add(errand{toComplete, actorID})
}

// complete reads an actor's collections, one after the other.
func (r *Resolver) complete(ctx context.Context, id string) error {
	r = r.Within(&Budget{Requests: completeRequests, Bytes: completeBytes})
	a, err := r.Actor(ctx, id)
	if err != nil {
		return err
	}
	c := &Completion{Actor: a}
	own := func(ref activity.Ref) string {
		if activity.SameAuthority(ref.ID, a.ID) {
			return ref.ID
		}
		return ""
	}
	if c.Followers, err = r.total(ctx, own(a.Followers)); err != nil {
		return err
	}
	if c.Following, err = r.total(ctx, own(a.Following)); err != nil {
		return err
	}
	_, err = r.each(ctx, own(a.Featured), func(item activity.Ref) error {
		o, err := r.pinned(ctx, a.ID, item)
		if o != nil {
			c.Featured = append(c.Featured, o)
		}
		return err
	})
	if err != nil {
		return err
	}
	c.Posts, err = r.each(ctx, own(a.Outbox), func(item activity.Ref) error {
		p, err := r.past(ctx, a.ID, item)
		if p.Activity != nil {
			c.Outbox = append(c.Outbox, p)
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := r.config.Completed(ctx, c); err != nil {
		return fmt.Errorf("actor: complete %s: %w", id, err)
	}
	return nil
}

// goOn is nil unless err is one with which to stop: ours, or the end of ctx. A used up budget is no failure either.
func goOn(ctx context.Context, err error) error {
	var theirs *Error
	var own *ownError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &own):
		return err
	case errors.As(err, &theirs):
		return nil
	}
	return err
}

// total is how much a collection says it holds, -1 if it does not say or there is none.
func (r *Resolver) total(ctx context.Context, id string) (int64, error) {
	if id == "" {
		return -1, nil
	}
	c, _, err := r.collection(ctx, id)
	if err != nil {
		return -1, goOn(ctx, err)
	}
	return totalOf(c), nil
}

func totalOf(c *activity.Collection) int64 {
	if c.TotalItems == nil || *c.TotalItems < 0 {
		return -1
	}
	return *c.TotalItems
}

// each calls do with the first items of a collection, and returns its total.
func (r *Resolver) each(ctx context.Context, id string, do func(activity.Ref) error) (total int64, err error) {
	if id == "" {
		return -1, nil
	}
	c, n, err := r.collection(ctx, id)
	if err != nil {
		return -1, goOn(ctx, err)
	}
	w := newWalk(r, id, Caps{Pages: completePages, Items: completeItems})
	w.bytes -= int64(n)
	w.walk(ctx, c, func(item activity.Ref, broken error) bool {
		if broken == nil {
			broken = do(item)
		}
		err = goOn(ctx, broken)
		return err == nil
	})
	return totalOf(c), err
}

// pinned is a post of owner's own, or nil.
func (r *Resolver) pinned(ctx context.Context, owner string, item activity.Ref) (*activity.Object, error) {
	o, id := embeddedPost(item)
	if o == nil {
		if !activity.SameAuthority(id, owner) {
			return nil, nil
		}
		var err error
		if o, err = r.Object(ctx, id); err != nil {
			return nil, goOn(ctx, err)
		}
	}
	if o.AttributedTo.First() != owner {
		return nil, nil
	}
	return o, nil
}

// past is what stands in owner's outbox, or nothing.
func (r *Resolver) past(ctx context.Context, owner string, item activity.Ref) (Past, error) {
	doc, err := item.Document()
	if item.Raw == nil {
		if !activity.SameAuthority(item.ID, owner) {
			return Past{}, nil
		}
		doc, _, err = r.Fetch(ctx, item.ID)
	}
	if err != nil {
		return Past{}, goOn(ctx, err)
	}
	a, ok := doc.(*activity.Activity)
	if !ok || a.Actor.ID != owner {
		return Past{}, nil
	}
	if !a.Is(activity.TypeCreate) {
		for i := range a.Object {
			if !activity.SameAuthority(a.Object[i].ID, owner) {
				a.Object[i].Raw = nil // others' words are to be had from them
			}
		}
		return Past{Activity: a}, nil
	}
	if len(a.Object) != 1 {
		return Past{}, nil
	}
	o, err := r.pinned(ctx, owner, a.Object[0])
	if o == nil || err != nil {
		return Past{}, err
	}
	return Past{Activity: a, Object: o}, nil
}
