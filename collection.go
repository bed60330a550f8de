package fedihook

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/outbox"
)

// collections are the app's, and ours where it has none of its own.
func (s *Server) collections() actor.Collections {
	c := s.config.Collections
	if s.config.Groups != nil {
		c.Own = maps.Clone(c.Own)
		if c.Own == nil {
			c.Own = make(map[string]actor.Source)
		}
		c.Own[s.prefix()+"/users/{handle}/moderators"] = s.moderatorsPage
	}
	if c.Outbox == nil {
		c.Outbox = s.outboxPage
	}
	if c.Followers == nil {
		c.Followers = s.followsPage
	}
	if c.Following == nil {
		c.Following = s.followsPage
	}
	c.Outbox, c.Featured = s.unlessHidden(c.Outbox), s.unlessHidden(c.Featured)
	return c
}

// Collection is a page of an actor's outbox, followers or following as it is served where Config.Collections has no source for
// it. A source of the app's may ask for it and hide or filter what comes. Any other collection is actor.ErrNotFound.
func (s *Server) Collection(ctx context.Context, q actor.Query) (actor.Page, error) {
	if q.Limit <= 0 {
		q.Limit = 20
	}
	switch q.Name {
	case "outbox":
		return s.outboxPage(ctx, q)
	case "followers", "following":
		return s.followsPage(ctx, q)
	}
	return actor.Page{}, fmt.Errorf("fedihook: collection %q: %w", q.Name, actor.ErrNotFound)
}

// position reads a cursor of ours: the number of the item after which a page begins.
func position(cursor string) (int64, error) {
	if cursor == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(cursor, 10, 64)
	if err != nil || n <= 0 || strconv.FormatInt(n, 10) != cursor {
		return 0, fmt.Errorf("fedihook: cursor %q: %w", cursor, actor.ErrNotFound)
	}
	return n, nil
}

// followsPage is a page of an actor's followers or following. Everyone may see what is in it.
func (s *Server) followsPage(ctx context.Context, q actor.Query) (actor.Page, error) {
	after, err := position(q.Cursor)
	if err != nil {
		return actor.Page{}, err
	}
	follows := actor.FollowQuery{Followed: q.Owner, State: actor.Accepted, After: after, Limit: q.Limit}
	if q.Name == "following" {
		follows.Followed, follows.Follower = "", q.Owner
	}
	total, err := s.config.Storage.Followers.CountFollows(ctx, follows)
	if err != nil {
		return actor.Page{}, err
	}
	list, err := s.config.Storage.Followers.Follows(ctx, follows)
	if err != nil {
		return actor.Page{}, err
	}
	page := actor.Page{Total: total}
	for _, f := range list {
		id := f.Follower
		if q.Name == "following" {
			id = f.Followed
		}
		page.Items = append(page.Items, activity.IRI(id))
	}
	if len(list) == q.Limit {
		page.Next = strconv.FormatInt(list[len(list)-1].Seq, 10)
	}
	return page, nil
}

// outboxPage is a page of what an actor said to everyone, as the app shows it to who asks.
func (s *Server) outboxPage(ctx context.Context, q actor.Query) (actor.Page, error) {
	before, err := position(q.Cursor)
	if err != nil {
		return actor.Page{}, err
	}
	list, total, err := s.config.Storage.Log.PublicRecords(ctx, q.Owner, before, q.Limit)
	if err != nil {
		return actor.Page{}, err
	}
	page := actor.Page{Total: total}
	for _, r := range list {
		a, partial, err := s.said(ctx, r, q.Asker)
		if err != nil {
			return actor.Page{}, err
		}
		page.Partial = page.Partial || partial
		if a != nil {
			page.Items = append(page.Items, activity.Embed(a))
		}
	}
	if len(list) == q.Limit {
		page.Next = strconv.FormatInt(list[len(list)-1].Seq, 10)
	}
	return page, nil
}

// said is a recorded activity as asker may see it, nil if not at all. Of a post that the app shows it holds what the app
// shows now: who may not see a post by its id must not find it here either.
func (s *Server) said(ctx context.Context, r outbox.Record, asker string) (a *activity.Activity, partial bool, err error) {
	if a, err = decodeActivity(r.Activity); err != nil {
		return nil, false, err
	}
	if s.config.Object == nil || !a.Is("Create") && !a.Is("Update") || !s.names.Ours(a.Object.First()) {
		return a, false, nil
	}
	o, err := s.object(ctx, a.Object.First(), asker)
	partial = errors.Is(err, actor.ErrPartial) || errors.Is(err, actor.ErrHidden)
	switch {
	case errors.Is(err, actor.ErrNotFound):
		return nil, partial, nil
	case err != nil && !partial:
		return nil, false, err
	case o.Is("Tombstone"):
		return nil, false, nil
	}
	a.Object = activity.Refs{activity.Embed(o)}
	return a, partial, nil
}
