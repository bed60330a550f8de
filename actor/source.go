package actor

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/fedihook/fedihook/activity"
)

// Collections are what a site lists. A nil source: outbox, followers and following are empty, the others
// don't exist, and no document links to them.
type Collections struct {
	// Of actors. Featured are pinned posts, the objects themselves or their ids; FeaturedTags are Hashtags.
	// Mastodon (4.6) reads the two whole, so that they do best to have no more items than a page.
	Outbox, Followers, Following, Liked, Featured, FeaturedTags Source

	// Of objects.
	Replies, Likes, Shares Source

	// Own are the app's own, by path on this site: "/reading-list". At which of its hosts, if it has several, Query.ID tells. A path is one of http.ServeMux's
	// patterns without method and host, so that "/books/{user}" is one too.
	Own map[string]Source
}

// Source returns a page of a collection. A cursor that it never gave out, which is anything that a
// stranger made up, is answered with [ErrNotFound], and a collection that is not for who asks with [ErrHidden].
// It is called by many goroutines at once. [Stream] makes one of a sequence.
type Source func(ctx context.Context, q Query) (Page, error)

// Query is what a [Source] is asked for.
type Query struct {
	ID     string // of the collection, without page and cursor
	Name   string // "outbox", "featuredTags", "replies" …, for one of [Collections.Own] its key
	Owner  string // id of the actor or object whose collection it is; "" for the app's own
	Cursor string // "" for the first page, else what the source wrote in Next or Prev: valid UTF-8 of at most 512 bytes
	Limit  int    // as many items are enough
	Asker  string // verified id of the actor who asks, "" for a stranger
}

// Page is a part of a collection.
type Page struct {
	// Items are what the page shows, newest first where order means anything.
	Items []activity.Ref

	// Next and Prev are cursors of the pages after and before this one, in the app's own words. Zero: there is none.
	Next, Prev string

	// Total is how many items the collection has on all pages. Some servers show the number and ask
	// for no page, so that it may be true where the items are kept private. Below zero: it is not told.
	Total int64

	// Hidden says that nobody is shown the items: the collection has a size, if Total tells it, but no pages.
	Hidden bool

	// Partial says that an asker other than this one may see more. Whoever signed the request is asked for again by name.
	Partial bool

	// Whole says that the items are all there are and stand in the collection itself, where some look for nothing else: Lemmy
	// (0.19) reads a group's moderators there.
	Whole bool

	// Unordered says that the order means nothing. It is always so of featuredTags, replies, likes and shares.
	Unordered bool
}

// The names of collections.
var (
	ofActors  = []string{"outbox", "followers", "following", "liked", "featured", "featuredTags"}
	ofObjects = []string{"replies", "likes", "shares"}
)

// of is the source of this name for an actor or an object, nil if there is none.
func (c *Collections) of(kind Kind, name string) Source {
	if kind == KindObject {
		return map[string]Source{"replies": c.Replies, "likes": c.Likes, "shares": c.Shares}[name]
	}
	s, always := Source(nil), false
	switch name {
	case "outbox":
		s, always = c.Outbox, true
	case "followers":
		s, always = c.Followers, true
	case "following":
		s, always = c.Following, true
	case "liked":
		s = c.Liked
	case "featured":
		s = c.Featured
	case "featuredTags":
		s = c.FeaturedTags
	}
	if s == nil && always {
		return func(context.Context, Query) (Page, error) { return Page{}, nil }
	}
	return s
}

// link adds to an actor's document the collections that the document doesn't name yet.
func (c *Collections) link(n Names, a *activity.Actor) {
	for _, one := range []struct {
		name   string
		source Source
		into   *activity.Ref
	}{{"liked", c.Liked, &a.Liked}, {"featured", c.Featured, &a.Featured}, {"featuredTags", c.FeaturedTags, &a.FeaturedTags}} {
		if one.source != nil && one.into.IsZero() {
			*one.into = activity.IRI(n.Collection(a.ID, n.Beside(a.ID, a.PreferredUsername), one.name))
		}
	}
}

// Link returns o with the collections that it has here: replies, likes and shares, where there is a source
// and o names no other. O itself is not changed.
func (c *Collections) Link(n Names, o *activity.Object) *activity.Object {
	if c.Replies == nil && c.Likes == nil && c.Shares == nil || o.Is("Tombstone") || !n.Ours(o.ID) {
		return o
	}
	linked := *o
	for _, one := range []struct {
		name   string
		source Source
		into   *activity.Ref
	}{{"replies", c.Replies, &linked.Replies}, {"likes", c.Likes, &linked.Likes}, {"shares", c.Shares, &linked.Shares}} {
		if one.source != nil && one.into.IsZero() {
			*one.into = activity.IRI(n.ObjectCollection(o.ID, one.name))
		}
	}
	return &linked
}

// Check returns an error that names what of Own can't be served, on the site that n names.
func (c *Collections) Check(n Names) (err error) {
	for path, source := range c.Own {
		if source == nil {
			return fmt.Errorf("actor: Collections.Own[%q] is nil", path)
		}
		if !strings.HasPrefix(path, "/") {
			return fmt.Errorf("actor: Collections.Own[%q]: must begin with a slash", path)
		}
	}
	defer func() { // the one way in which a ServeMux says that two patterns overlap
		if r := recover(); r != nil {
			err = fmt.Errorf("actor: Collections.Own: %v", r)
		}
	}()
	mux := http.NewServeMux()
	(&Handler{Names: n, Collections: *c}).Register(mux)
	for _, inbox := range []string{"/inbox", "/actor/inbox", "/users/{handle}/inbox"} {
		mux.HandleFunc(n.path()+inbox, http.NotFound)
	}
	return nil
}
