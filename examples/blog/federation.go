package main

import (
	"context"
	"database/sql"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/activity/html"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/storage"
)

// federation lets people elsewhere follow the authors, and comment on, like and share posts.
func federation(ctx context.Context, s *site) (p part, err error) {
	c := fedihook.Config{Origin: s.origin, OfferPosts: 10, PicturesDir: s.data + "/pictures",
		InsecureAllowLoopback: s.trial}
	if c.Storage, err = storage.Open(ctx, s.db, s.beside("federation")); err != nil {
		return p, err
	}
	c.Profile = func(ctx context.Context, name string) (actor.Profile, error) {
		u, err := s.user(ctx, name)
		return actor.Profile{Handle: u.Name, Name: u.FullName, URL: s.origin + u.Path()},
			storage.NotFound(err)
	}
	c.Readers = inbox.Readers{Posts: s.origin + "/posts/"}
	c.Readers.Remove, c.Readers.React = s.removeComment, s.react
	c.Readers.Comment = func(ctx context.Context, c inbox.Comment) error {
		return s.addComment(ctx, comment{ID: c.ID, Post: c.Post, Name: c.Name, URL: c.By,
			Avatar: c.Avatar, Text: html.Text(c.Content), At: c.Published})
	}
	f, err := fedihook.New(c)
	p.wrap, p.run = f.Wrap, f.Run
	p.saved = func(ctx context.Context, tx *sql.Tx, author string, before, after *post) error {
		_, err := f.In(tx).Change(ctx, author, article(s, before), article(s, after))
		return err
	}
	p.about = func(ctx context.Context, u *user) (b box, err error) {
		b.Title = "Followers"
		b.HTML, err = f.FollowForm(ctx, u.Name)
		for who, e := range f.Followers(ctx, u.Name) {
			if e != nil || len(b.Links) == 50 {
				return b, e
			}
			b.Links = append(b.Links, link{who.Follower, who.Follower})
		}
		return b, err
	}
	return p, err
}

func article(s *site, p *post) *activity.Object {
	if p.Draft() {
		return nil
	}
	return activity.Article(s.origin+p.Path(), "", p.Title, string(p.HTML), p.Summary,
		p.Published).AddHashtags(s.origin+"/tags/", p.Tags...)
}
