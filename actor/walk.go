package actor

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/fedihook/fedihook/activity"
)

const (
	defaultPages = 10
	defaultItems = 200
	defaultBytes = 4 << 20
)

// Caps bound how much is read of one collection. The zero Caps are the defaults.
type Caps struct {
	Pages int   // zero means 10; the collection itself counts as one if it lists something
	Items int   // zero means 200
	Bytes int64 // of all answers; the one that exceeds it is still read. Zero means 4 MiB
}

// Collection walks what a collection lists, page after page, in its own order. An item is an id, or the document itself
// where the collection holds it and both are of the same server: that is as good as fetched from there. What is
// embedded of other servers' documents is left out, so that only the id remains, and what has neither
// is passed over. Items may come twice. ActivityStreams §4.4, §4.5.
//
// A walk that was cut short by caps ends with an error that wraps [ErrCut]; a page of another server, or one that
// came before, with one that wraps [ErrIDMismatch] or [ErrMalformed]. It is always the last. The error is an [*Error].
func (r *Resolver) Collection(ctx context.Context, id string, caps Caps) iter.Seq2[activity.Ref, error] {
	return func(yield func(activity.Ref, error) bool) {
		root, n, err := r.collection(ctx, id)
		if err != nil {
			yield(activity.Ref{}, err)
			return
		}
		w := newWalk(r, id, caps)
		w.bytes -= int64(n)
		w.walk(ctx, root, yield)
	}
}

// collection gets a collection and says how long its text is.
func (r *Resolver) collection(ctx context.Context, id string) (*activity.Collection, int, error) {
	doc, raw, err := r.Fetch(ctx, id)
	if err != nil {
		return nil, 0, err
	}
	c, ok := doc.(*activity.Collection)
	if !ok {
		return nil, 0, &Error{ID: id, Err: fmt.Errorf("%w: not a collection", ErrMalformed)}
	}
	return c, len(raw), nil
}

// walk is one walk through a collection.
type walk struct {
	r            *Resolver
	id           string
	pages, items int // that may still come
	bytes        int64
	seen         map[string]bool // pages
}

func newWalk(r *Resolver, id string, caps Caps) *walk {
	return &walk{
		r: r, id: id, seen: map[string]bool{},
		pages: positive(caps.Pages, defaultPages), items: positive(caps.Items, defaultItems), bytes: positive(caps.Bytes, defaultBytes),
	}
}

func (w *walk) walk(ctx context.Context, root *activity.Collection, yield func(activity.Ref, error) bool) {
	if len(root.Items)+len(root.OrderedItems) > 0 {
		w.pages--
		if !w.page(root, yield) {
			return
		}
	}
	next := root.First
	if next.IsZero() {
		next = root.Next // a page was asked for
	}
	for !next.IsZero() {
		page, err := w.open(ctx, next)
		if err != nil {
			yield(activity.Ref{}, err)
			return
		}
		if !w.page(page, yield) {
			return
		}
		next = page.Next
	}
}

// open gets the page that ref names or holds.
func (w *walk) open(ctx context.Context, ref activity.Ref) (*activity.Collection, error) {
	if w.pages <= 0 || w.bytes <= 0 {
		return nil, w.fail(fmt.Errorf("%w: there are more pages", ErrCut))
	}
	w.pages--
	if ref.ID != "" {
		if w.seen[ref.ID] {
			return nil, w.fail(fmt.Errorf("%w: page %.200q comes twice", ErrMalformed, ref.ID))
		}
		w.seen[ref.ID] = true
		if !activity.SameAuthority(ref.ID, w.id) {
			return nil, w.fail(fmt.Errorf("%w: page %.200q is on another host", ErrIDMismatch, ref.ID))
		}
	}
	var doc activity.Document
	if ref.Raw != nil {
		var err error
		if doc, err = ref.Document(); err != nil {
			return nil, w.fail(fmt.Errorf("%w: %w", ErrMalformed, err))
		}
	} else {
		if w.r.config.Names.Ours(ref.ID) {
			return nil, w.fail(ErrOurs)
		}
		// A page is not held to its id: some servers write one that differs from the link in the order of its
		// query. That it comes from the collection's own host is what counts.
		f, err := w.r.get(ctx, ask{through: w.r.through, address: withoutFragment(ref.ID)})
		if err != nil {
			return nil, err
		}
		w.bytes -= int64(len(f.raw))
		doc = f.doc
	}
	page, ok := doc.(*activity.Collection)
	if !ok {
		return nil, w.fail(fmt.Errorf("%w: not a page of a collection", ErrMalformed))
	}
	return page, nil
}

// page yields the items of a page.
func (w *walk) page(page *activity.Collection, yield func(activity.Ref, error) bool) bool {
	for _, list := range []activity.List{page.OrderedItems, page.Items} {
		for _, item := range list {
			if item.ID != "" && !activity.SameAuthority(item.ID, w.id) {
				item.Raw = nil
			}
			if item.IsZero() || item.ID != "" && !validURL(item.ID) {
				continue
			}
			if w.items <= 0 {
				yield(activity.Ref{}, w.fail(fmt.Errorf("%w: there are more items", ErrCut)))
				return false
			}
			w.items--
			if !yield(item, nil) {
				return false
			}
		}
	}
	return true
}

func (w *walk) fail(err error) error { return &Error{ID: w.id, Err: err} }

// over tells whether a walk or a search has to end with err, which is not that of one document.
func over(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, ErrBudget)
}
