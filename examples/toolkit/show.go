package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/outbox"
)

// routes are the paths that are not the blog's.
func (w *wiring) routes() *http.ServeMux {
	mux := http.NewServeMux()
	w.handler.Register(mux)
	mux.Handle("POST /ap/inbox", w.inbox) // ActivityPub §7.1.3
	mux.HandleFunc("POST /ap/users/{handle}/inbox", func(rw http.ResponseWriter, r *http.Request) {
		p, _, err := w.handler.Local(r.Context(), w.names.Actor(r.PathValue("handle")))
		if err == nil && p.Handle == "" {
			err = actor.ErrNotFound
		}
		if err != nil {
			w.handler.Answer(rw, r, actor.View{}, err)
			return
		}
		w.inbox.Personal(w.names.Actor(p.Handle)).ServeHTTP(rw, r)
	})
	mux.Handle("GET /ap/media/", w.pictures)
	mux.Handle("POST /ap/interact", http.NewCrossOriginProtection().Handler(http.HandlerFunc(w.interact)))
	return mux
}

// wrap answers what other servers ask and send; all else goes to the blog. A post's page and its document have one URL, and the Accept
// field of the request decides. ActivityPub §3.2
func (w *wiring) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if _, pattern := w.mux.Handler(r); pattern != "" {
			w.mux.ServeHTTP(rw, r)
			return
		}
		if read := r.Method == http.MethodGet || r.Method == http.MethodHead; read && actor.Accepts(r) {
			id := w.names.Of(r)
			v, err := w.handler.Show(r, func(ctx context.Context, asker string) (activity.Document, error) { return w.document(ctx, id, asker) })
			if !errors.Is(err, actor.ErrNotFound) {
				w.handler.Answer(rw, r, v, err)
				return
			}
		}
		rw.Header().Add("Vary", "Accept")
		next.ServeHTTP(rw, r)
	})
}

// asker finds out who signed a request.
func (w *wiring) asker(r *http.Request) (string, error) {
	v, err := w.verifier.Verify(r, nil)
	return v.Owner, err
}

// document finds a post, or what was said of it, as anybody may see it: the outbox's log has both. What was not for everyone, such as
// an Accept, is shown to nobody.
func (w *wiring) document(ctx context.Context, id, _ string) (activity.Document, error) {
	if kind, _, ok := w.names.Parse(id); ok && kind == actor.KindActivity {
		r, err := w.store.Log.Record(ctx, id)
		if errors.Is(err, outbox.ErrUnknown) || err == nil && !r.Public {
			err = fmt.Errorf("%s: %w", id, actor.ErrNotFound)
		}
		if err != nil {
			return nil, err
		}
		return said(r)
	}
	o, err := w.object(ctx, id)
	if err != nil {
		return nil, err
	}
	return o, nil
}

// object is the latest of what was published under an id, a Tombstone if that was deleted.
func (w *wiring) object(ctx context.Context, id string) (o *activity.Object, err error) {
	records, err := w.store.Log.ObjectRecords(ctx, id, 1000)
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		if !r.Public || r.Type != activity.TypeCreate && r.Type != activity.TypeUpdate && r.Type != activity.TypeDelete {
			continue
		}
		a, err := said(r)
		if err != nil {
			return nil, err
		}
		if doc, err := a.Object[0].Document(); err == nil {
			o, _ = doc.(*activity.Object)
		}
	}
	if o == nil {
		return nil, fmt.Errorf("%s: %w", id, actor.ErrNotFound)
	}
	return o, nil
}

// said is what a record says.
func said(r outbox.Record) (*activity.Activity, error) {
	doc, err := activity.Decode(r.Activity)
	if err != nil {
		return nil, err
	}
	a, ok := doc.(*activity.Activity)
	if !ok || len(a.Object) == 0 {
		return nil, fmt.Errorf("%s is no activity", r.ID)
	}
	return a, nil
}

// current is a recorded Create with the post as it is now, nil if that was deleted.
func (w *wiring) current(ctx context.Context, r outbox.Record) (*activity.Activity, error) {
	a, err := said(r)
	if err != nil {
		return nil, err
	}
	o, err := w.object(ctx, a.Object.First())
	if err != nil || o.Is(activity.TypeTombstone) {
		return nil, err
	}
	a.Object = activity.Refs{activity.Embed(o)}
	return a, nil
}

// outboxPage is a page of an author's posts, the newest first. Its cursor is the number of the last one that was shown.
func (w *wiring) outboxPage(ctx context.Context, q actor.Query) (page actor.Page, err error) {
	before, err := position(q.Cursor)
	if err != nil {
		return page, err
	}
	list, total, err := w.store.Log.PublicRecords(ctx, q.Owner, before, q.Limit)
	if err != nil {
		return page, err
	}
	page.Total = total
	for _, r := range list {
		a, err := w.current(ctx, r)
		if err != nil {
			return page, err
		}
		if a != nil {
			page.Items = append(page.Items, activity.Embed(a))
		}
	}
	if len(list) == q.Limit {
		page.Next = strconv.FormatInt(list[len(list)-1].Seq, 10)
	}
	return page, nil
}

// follows is a page of an author's followers or following.
func (w *wiring) follows(ctx context.Context, q actor.Query) (page actor.Page, err error) {
	wanted := actor.FollowQuery{Followed: q.Owner, State: actor.Accepted, Limit: q.Limit}
	if q.Name == "following" {
		wanted.Follower, wanted.Followed = q.Owner, ""
	}
	if wanted.After, err = position(q.Cursor); err != nil {
		return page, err
	}
	if page.Total, err = w.store.Followers.CountFollows(ctx, wanted); err != nil {
		return page, err
	}
	list, err := w.store.Followers.Follows(ctx, wanted)
	for _, f := range list {
		if q.Name == "following" {
			page.Items = append(page.Items, activity.IRI(f.Followed))
		} else {
			page.Items = append(page.Items, activity.IRI(f.Follower))
		}
	}
	if len(list) == q.Limit {
		page.Next = strconv.FormatInt(list[len(list)-1].Seq, 10)
	}
	return page, err
}

// position reads a cursor. One that a stranger made up leads to nothing.
func position(cursor string) (int64, error) {
	if cursor == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(cursor, 10, 64)
	if err != nil || n <= 0 || strconv.FormatInt(n, 10) != cursor {
		return 0, fmt.Errorf("cursor %q: %w", cursor, actor.ErrNotFound)
	}
	return n, nil
}
