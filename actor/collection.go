package actor

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/fedihook/fedihook/activity"
)

// Limits of what strangers ask of collections.
const (
	pageItems = 20
	maxCursor = 512 // bytes
	maxQuery  = 4 * maxCursor
)

var errCursor = errors.New("a source gave out a cursor that is too long or no text")

// Collection is the id of one of an actor's collections, by its property's name: "outbox", "featuredTags".
func (n Names) Collection(actorID, handle, name string) string {
	return n.base(actorID, handle) + "/" + segment(name)
}

// segment is what the id of a collection ends with. That of featuredTags is as on Mastodon.
func segment(name string) string {
	if name == "featuredTags" {
		return "tags"
	}
	return name
}

// ObjectCollection is the id of one of an object's collections. It lies under the object's id if that
// was minted here, else under the prefix.
func (n Names) ObjectCollection(objectID, name string) string {
	if kind, _, ok := n.Parse(objectID); ok && kind == KindObject {
		return objectID + "/" + name
	}
	origin, _, ok := n.locate(objectID)
	if !ok {
		origin = n.Origin
	}
	rest := strings.TrimPrefix(objectID, origin)
	return origin + n.path() + "/of/" + base64.RawURLEncoding.EncodeToString([]byte(rest)) + "/" + name
}

// ServeCollection serves a collection of an actor's, of an object's or of the app's own under the paths that
// [Handler.Register] lists: without a query its size and where it begins, with one a page of it. What
// is hidden from an asker is hidden with all its collections. ActivityPub §5.
func (h *Handler) ServeCollection(w http.ResponseWriter, r *http.Request) {
	if !readOnly(w, r) {
		return
	}
	w.Header().Set("Vary", "Accept")
	q, source, err := h.collection(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	if source == nil {
		redirect(w, r, q.ID, http.StatusMovedPermanently)
		return
	}
	paged, err := q.read(r.URL.RawQuery)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	v, err := h.Show(r, func(ctx context.Context, asker string) (activity.Document, error) {
		q := q
		q.Asker = asker
		return h.page(ctx, q, source, paged)
	})
	h.Answer(w, r, v, err)
}

// read takes page and cursor from a request's query.
func (q *Query) read(raw string) (paged bool, err error) {
	if len(raw) > maxQuery {
		return false, ErrNotFound
	}
	query, err := url.ParseQuery(raw)
	if err != nil {
		return false, ErrNotFound
	}
	q.Cursor, q.Limit = query.Get("cursor"), pageItems
	if !usableCursor(q.Cursor) {
		return false, ErrNotFound
	}
	return query.Has("page") || q.Cursor != "", nil
}

// usableCursor refuses what no source gave out, or what a database may choke on.
func usableCursor(cursor string) bool {
	return len(cursor) <= maxCursor && utf8.ValidString(cursor) && !strings.ContainsFunc(cursor, unicode.IsControl)
}

// collection finds the source that a request means. It is nil if q.ID is another, where the collection is.
func (h *Handler) collection(r *http.Request) (q Query, s Source, err error) {
	q.ID = h.Names.originOf(r) + r.URL.EscapedPath()
	if q.Name = strings.TrimPrefix(r.Pattern, "GET "); h.Collections.Own[q.Name] != nil {
		return q, h.Collections.Own[q.Name], nil
	}
	owner, name := cutLast(q.ID)
	q.Name = name
	if object, ok := h.Names.objectOf(owner); ok {
		q.Owner = object
		if s = h.Collections.of(KindObject, name); s == nil || h.Object == nil {
			return q, nil, ErrNotFound
		}
		return q, s, nil
	}
	if name == segment("featuredTags") {
		name = "featuredTags"
	}
	q.Name = name
	kind, handle, _ := h.Names.Parse(owner)
	s = h.Collections.of(KindActor, name)
	if s == nil || owner != withoutFragment(owner) || kind != KindActor && kind != KindInstance {
		return q, nil, ErrNotFound
	}
	p := h.instance()
	if kind == KindActor {
		if p, err = h.find(r.Context(), handle, owner); err != nil {
			return q, nil, err
		}
	}
	q.Owner = p.ID
	if id := h.Names.Collection(p.ID, p.Handle, name); id != q.ID {
		q.ID, s = id, nil
	}
	return q, s, nil
}

func cutLast(id string) (owner, name string) {
	i := strings.LastIndexByte(id, '/')
	return id[:max(i, 0)], id[i+1:]
}

// objectOf is the object whose collections lie under a path: its own id, or what ObjectCollection made of it.
func (n Names) objectOf(owner string) (id string, ok bool) {
	if kind, _, ok := n.Parse(owner); ok {
		return owner, kind == KindObject
	}
	origin, path, ok := n.place(owner)
	if !ok {
		return "", false
	}
	code, ok := strings.CutPrefix(path, n.path()+"/of/")
	if !ok || len(code) > 2*maxID {
		return "", false
	}
	rest, err := base64.RawURLEncoding.Strict().DecodeString(code)
	id = origin + string(rest)
	if err != nil || !n.on(origin, id) || n.ObjectCollection(id, "") != owner+"/" {
		return "", false
	}
	return id, true
}

// page asks a source, once the owner may be seen.
func (h *Handler) page(ctx context.Context, q Query, source Source, paged bool) (activity.Document, error) {
	if h.Collections.of(KindObject, q.Name) != nil {
		// What is partial of the object says nothing of this list.
		doc, err := h.Object(ctx, q.Owner, q.Asker)
		switch {
		case err != nil && !errors.Is(err, ErrPartial):
			return nil, err
		case doc == nil || doc.Is("Tombstone"):
			return nil, ErrNotFound
		}
	}
	page, err := source(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("actor: collection %s: %w", q.ID, err)
	}
	if !usableCursor(page.Next) || !usableCursor(page.Prev) {
		return nil, fmt.Errorf("actor: collection %s: %w", q.ID, errCursor)
	}
	if paged && page.Hidden {
		err = ErrNotFound
		if page.Partial {
			err = ErrHidden
		}
		return nil, fmt.Errorf("actor: pages of %s: %w", q.ID, err)
	}
	if page.Partial {
		err = ErrPartial
	}
	if paged {
		return q.page(page), err
	}
	return q.whole(page), err
}

func (q Query) unordered(p Page) bool {
	return p.Unordered || slices.Contains([]string{"featuredTags", "replies", "likes", "shares"}, q.Name)
}

// whole is the collection: its size and where it begins. What Mastodon (4.6) reads whole is in it.
func (q Query) whole(p Page) *activity.Collection {
	c := &activity.Collection{ID: q.ID, Type: activity.Types{"OrderedCollection"}}
	if p.Total >= 0 {
		c.TotalItems = &p.Total
	}
	items := &c.OrderedItems
	if q.unordered(p) {
		c.Type, items = activity.Types{"Collection"}, &c.Items
	}
	switch {
	case p.Hidden:
	case p.Next == "" && (p.Whole || len(p.Items) == 0 || q.Name == "featured" || q.Name == "featuredTags"):
		*items = append(activity.List{}, p.Items...)
	default:
		c.First = activity.IRI(q.pageID(""))
	}
	return c
}

func (q Query) page(p Page) *activity.Collection {
	c := &activity.Collection{ID: q.pageID(q.Cursor), Type: activity.Types{"OrderedCollectionPage"}, PartOf: activity.IRI(q.ID)}
	if p.Total >= 0 {
		c.TotalItems = &p.Total
	}
	if q.unordered(p) {
		c.Type, c.Items = activity.Types{"CollectionPage"}, append(activity.List{}, p.Items...)
	} else {
		c.OrderedItems = append(activity.List{}, p.Items...)
	}
	if p.Next != "" {
		c.Next = activity.IRI(q.pageID(p.Next))
	}
	if p.Prev != "" {
		c.Prev = activity.IRI(q.pageID(p.Prev))
	}
	return c
}

func (q Query) pageID(cursor string) string {
	if cursor == "" {
		return q.ID + "?page=true"
	}
	return q.ID + "?page=true&cursor=" + url.QueryEscape(cursor)
}
