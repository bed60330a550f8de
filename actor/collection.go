package actor

import (
	"net/http"
	"net/url"

	"github.com/fedihook/fedihook/activity"
)

// Page is a part of one of an actor's collections.
type Page struct {
	// Items are what the page shows, newest first.
	Items []activity.Ref

	// Next is the cursor of the page after this one, in the app's own words. Zero: this is the last.
	Next string

	// Total is how many items the collection has on all pages. Some servers show the number and ask
	// for no page, so that it may be true where the items are kept private.
	Total int64
}

// ServeCollection serves an actor's outbox, followers or following under the paths that [Names]
// builds: without a query its size and where it begins, with one a page of it. ActivityPub §5.
func (h *Handler) ServeCollection(w http.ResponseWriter, r *http.Request) {
	if !readOnly(w, r) {
		return
	}
	base := h.Names.Origin + r.URL.EscapedPath()
	kind, handle, _ := h.Names.Parse(base)
	name := ""
	switch kind {
	case KindOutbox:
		name = "outbox"
	case KindFollowers:
		name = "followers"
	case KindFollowing:
		name = "following"
	default:
		h.fail(w, r, ErrNotFound)
		return
	}
	p := h.instance()
	if handle != "" {
		var err error
		if p, err = h.find(r.Context(), handle, h.Names.Actor(handle)); err != nil {
			h.fail(w, r, err)
			return
		}
	}
	id := map[Kind]func(string, string) string{
		KindOutbox: h.Names.Outbox, KindFollowers: h.Names.Followers, KindFollowing: h.Names.Following,
	}[kind](p.ID, p.Handle)
	if id != base {
		redirect(w, r, id, http.StatusMovedPermanently)
		return
	}
	doc, err := h.collection(r, p, id, name)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.document(w, r, doc)
}

func (h *Handler) collection(r *http.Request, p Profile, id, name string) (*activity.Collection, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, ErrNotFound
	}
	cursor := query.Get("cursor")
	var page Page
	if h.Collection != nil {
		if page, err = h.Collection(r.Context(), p.ID, name, cursor); err != nil {
			return nil, err
		}
	}
	if !query.Has("page") {
		whole := &activity.Collection{ID: id, Type: activity.Types{"OrderedCollection"}, TotalItems: &page.Total}
		if len(page.Items) == 0 {
			whole.OrderedItems = activity.List{}
			return whole, nil
		}
		whole.First = activity.IRI(id + "?page=true")
		return whole, nil
	}
	part := &activity.Collection{
		ID:           id + "?page=true",
		Type:         activity.Types{"OrderedCollectionPage"},
		PartOf:       activity.IRI(id),
		TotalItems:   &page.Total,
		OrderedItems: append(activity.List{}, page.Items...),
	}
	if cursor != "" {
		part.ID += "&cursor=" + url.QueryEscape(cursor)
	}
	if page.Next != "" {
		part.Next = activity.IRI(id + "?page=true&cursor=" + url.QueryEscape(page.Next))
	}
	return part, nil
}
