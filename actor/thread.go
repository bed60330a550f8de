package actor

import (
	"context"
	"iter"
	"slices"

	"github.com/fedihook/fedihook/activity"
)

// Replies walks the posts that a post's own server lists as replies to it, each as [Resolver.Object] gets it. One that
// can't be had comes as an error, and the walk goes on; it ends with the collection's own error if that breaks off.
// ActivityStreams Vocabulary §4.
func (r *Resolver) Replies(ctx context.Context, objectID string, caps Caps) iter.Seq2[*activity.Object, error] {
	return func(yield func(*activity.Object, error) bool) {
		o, err := r.Object(ctx, objectID)
		if err != nil {
			yield(nil, err)
			return
		}
		t := newThread(r, caps, yield)
		t.seen[o.ID], t.seen[objectID] = true, true
		t.list(ctx, o.Replies, o.ID, t.post)
	}
}

// Thread walks the conversation around a post: the posts that it answers, up to the first, then the post itself, then what
// the conversation's collection lists (FEP-7888, FEP-f228), or where there is none, replies to all of these, and replies
// to the replies. Each post comes once, as [Resolver.Object] gets it from its own server. One that can't be had comes
// as an error, and the walk goes on; it ends early with [ErrBudget] when the budget of r is used up, see
// [Resolver.Within]. Without a budget it has one of its own, the zero [Budget]. Caps are those of each collection.
func (r *Resolver) Thread(ctx context.Context, objectID string, caps Caps) iter.Seq2[*activity.Object, error] {
	return func(yield func(*activity.Object, error) bool) {
		r := r
		if r.budget == nil {
			r = r.Within(new(Budget))
		}
		newThread(r, caps, yield).walk(ctx, objectID)
	}
}

// thread is one walk through a conversation.
type thread struct {
	r     *Resolver
	caps  Caps
	seen  map[string]bool // posts
	yield func(*activity.Object, error) bool
	done  bool
	level []*activity.Object // whose replies are yet to be looked at
}

func newThread(r *Resolver, caps Caps, yield func(*activity.Object, error) bool) *thread {
	return &thread{r: r, caps: caps, seen: map[string]bool{}, yield: yield}
}

func (t *thread) walk(ctx context.Context, id string) {
	post, err := t.get(ctx, id)
	if post == nil {
		t.fail(ctx, err)
		return
	}
	path := []*activity.Object{post}
	for len(path) <= t.r.budget.depth() {
		up := path[len(path)-1].InReplyTo.ID
		if up == "" || t.seen[up] {
			break
		}
		var above *activity.Object
		if above, err = t.get(ctx, up); above == nil {
			break
		}
		path = append(path, above)
	}
	for _, o := range slices.Backward(path) {
		t.say(o, nil)
		t.level = append(t.level, o)
	}
	t.fail(ctx, err)         // of the search upwards, but what was found comes first
	for _, o := range path { // the nearest first; usually all name the same
		if t.done || t.context(ctx, o) {
			return
		}
	}
	for depth := 0; depth < t.r.budget.depth() && len(t.level) > 0 && !t.done; depth++ {
		level := t.level
		t.level = nil
		for _, o := range level {
			t.list(ctx, o.Replies, o.ID, t.post)
		}
	}
}

// context walks the collection of o's conversation and reports whether there is one. FEP-f228.
func (t *thread) context(ctx context.Context, o *activity.Object) bool {
	id := o.Context.ID
	if !validURL(id) || t.seen[id] || t.r.config.Names.Ours(id) {
		return false
	}
	t.seen[id] = true
	c, n, err := t.r.collection(ctx, id)
	if err != nil {
		if over(ctx, err) {
			t.fail(ctx, err)
		}
		return false // to many servers a context is but a name
	}
	w := newWalk(t.r, id, t.caps)
	w.bytes -= int64(n)
	w.walk(ctx, c, t.each(ctx, t.post))
	return true
}

// list walks a collection that a post on the server of owner names or holds.
func (t *thread) list(ctx context.Context, ref activity.Ref, owner string, each func(context.Context, activity.Ref)) {
	if t.done || ref.IsZero() || ref.ID != "" && !activity.SameAuthority(ref.ID, owner) || t.r.config.Names.Ours(owner) {
		return
	}
	if ref.Raw != nil {
		doc, err := ref.Document()
		c, ok := doc.(*activity.Collection)
		if err != nil || !ok {
			return
		}
		id := ref.ID
		if id == "" {
			id = owner
		}
		newWalk(t.r, id, t.caps).walk(ctx, c, t.each(ctx, each))
		return
	}
	for item, err := range t.r.Collection(ctx, ref.ID, t.caps) {
		if !t.each(ctx, each)(item, err) {
			return
		}
	}
}

func (t *thread) each(ctx context.Context, each func(context.Context, activity.Ref)) func(activity.Ref, error) bool {
	return func(item activity.Ref, err error) bool {
		if err != nil {
			t.fail(ctx, err)
			return !t.done
		}
		each(ctx, item)
		return !t.done
	}
}

// post yields a post that some collection lists, or that an activity in it made. FEP-f228
func (t *thread) post(ctx context.Context, item activity.Ref) {
	o, id := embeddedPost(item)
	if id == "" || t.seen[id] || t.r.config.Names.Ours(id) {
		return
	}
	if o != nil {
		t.seen[id] = true
	} else {
		var err error
		if o, err = t.get(ctx, id); o == nil {
			t.fail(ctx, err)
			return
		}
	}
	t.say(o, nil)
	t.level = append(t.level, o)
}

// embeddedPost is the post that an item holds, as far as what is in it may be believed, or else only its id.
func embeddedPost(item activity.Ref) (*activity.Object, string) {
	doc, err := item.Document()
	if err != nil {
		return nil, item.ID
	}
	if a, ok := doc.(*activity.Activity); ok {
		made := a.Object.First()
		if !a.Is(activity.TypeCreate) && !a.Is(activity.TypeAdd) && !a.Is(activity.TypeUpdate) {
			return nil, ""
		}
		if len(a.Object) != 1 || a.Object[0].Raw == nil || !activity.SameAuthority(made, a.ID) {
			return nil, made
		}
		if doc, err = a.Object[0].Document(); err != nil {
			return nil, made
		}
	}
	o, ok := doc.(*activity.Object)
	if !ok || o.ID == "" {
		return nil, ""
	}
	if o.Is(activity.TypeTombstone) || len(o.AttributedTo) == 0 {
		return nil, o.ID
	}
	for _, by := range o.AttributedTo {
		if !activity.SameAuthority(by.ID, o.ID) {
			return nil, o.ID // it says so itself, or not, when it is fetched
		}
	}
	return o, o.ID
}

// get gets a post that was not seen yet. Without an error it is nil if it was, or is ours: the app has it.
func (t *thread) get(ctx context.Context, id string) (*activity.Object, error) {
	t.seen[id] = true
	if t.r.config.Names.Ours(id) {
		return nil, nil
	}
	o, err := t.r.Object(ctx, id)
	if err != nil || o.ID != id && t.seen[o.ID] {
		return nil, err
	}
	t.seen[o.ID] = true
	return o, nil
}

// fail says err, if it is one, and ends the walk if it does not concern one post alone.
func (t *thread) fail(ctx context.Context, err error) {
	if err != nil {
		t.say(nil, err)
		t.done = t.done || over(ctx, err)
	}
}

func (t *thread) say(o *activity.Object, err error) {
	if !t.done && !t.yield(o, err) {
		t.done = true
	}
}
