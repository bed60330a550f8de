package actor

import (
	"context"
	"iter"

	"github.com/fedihook/fedihook/activity"
)

// maxPassed bounds how many items of a stream are looked at for one page: more would let strangers
// have the app read a list of which they may see nothing.
const maxPassed = 10 * pageItems

// Item is one item of a stream.
type Item struct {
	// Ref is what the page shows. Zero: this one is not for who asks; the page goes on without it.
	Ref activity.Ref

	// Cursor is where the items after this one begin, in the app's own words.
	Cursor string
}

// Stream makes a [Source] of a sequence, which begins after q.Cursor and goes on as long as it is asked:
// for one item more than a page has, and for at most 200 if some are passed over, so that one page may be
// short of items and still have a next. What it yields an error for ends the answer with that. Total
// counts all items; nil: the size is not told.
func Stream(items func(ctx context.Context, q Query) iter.Seq2[Item, error], total func(ctx context.Context, q Query) (int64, error)) Source {
	return func(ctx context.Context, q Query) (p Page, err error) {
		p.Total = -1
		if total != nil {
			if p.Total, err = total(ctx, q); err != nil {
				return Page{}, err
			}
		}
		passed, last := 0, ""
		for item, err := range items(ctx, q) {
			if err != nil {
				return Page{}, err
			}
			if len(p.Items) >= q.Limit || passed >= maxPassed {
				p.Next = last // there is more
				break
			}
			passed, last = passed+1, item.Cursor
			if item.Ref.IsZero() {
				p.Partial = true
				continue
			}
			p.Items = append(p.Items, item.Ref)
		}
		return p, nil
	}
}
