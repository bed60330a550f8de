package main

import (
	"context"
	"database/sql"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/activity/html"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/storage"
)

// federation lets people elsewhere follow the authors, and comment on, like and share posts. It is to the rooms what the file of this
// name in examples/blog is to the façade.
func federation(ctx context.Context, s *site) (p part, err error) {
	own := s.beside("federation")
	w := &wiring{options: s.options}
	if w.store, err = storage.Open(ctx, s.db, own); err != nil {
		return p, err
	}
	w.profile = func(ctx context.Context, name string) (actor.Profile, error) {
		u, err := s.user(ctx, name)
		return actor.Profile{Handle: u.Name, Name: u.FullName, URL: s.origin + u.Path()}, storage.NotFound(err)
	}
	w.readers = readers(s)
	w.readers.Who = w.person
	if err = w.connect(ctx); err != nil {
		return p, err
	}
	p.wrap = w.wrap
	p.run = func(ctx context.Context) error {
		defer own.Close()
		return w.run(ctx)
	}
	p.saved = func(ctx context.Context, tx *sql.Tx, author string, before, after *post) error {
		return w.say(ctx, tx, author, article(s, before), article(s, after))
	}
	p.about = func(ctx context.Context, u *user) (b box, err error) {
		b.Title, b.HTML = "Followers", w.followForm(u.Name)
		for f, err := range actor.All(ctx, w.store.Followers, actor.FollowQuery{Followed: w.names.Actor(u.Name), State: actor.Accepted}) {
			if err != nil || len(b.Links) == 50 {
				return b, err
			}
			b.Links = append(b.Links, link{f.Follower, f.Follower})
		}
		return b, nil
	}
	return p, nil
}

// readers are what the blog does about what others say of its posts. They may run twice for one thing: a comment is kept under its id,
// and a like under who likes.
func readers(s *site) inbox.Readers {
	return inbox.Readers{
		Posts: s.origin + "/posts/", Remove: s.removeComment, React: s.react,
		Comment: func(ctx context.Context, c inbox.Comment) error {
			return s.addComment(ctx, comment{ID: c.ID, Post: c.Post, Name: c.Name, URL: c.By, Avatar: c.Avatar, Text: html.Text(c.Content), At: c.Published})
		},
	}
}

// article is a post as others read it; nil is what nobody may.
func article(s *site, p *post) *activity.Object {
	if p.Draft() {
		return nil
	}
	return activity.Article(s.origin+p.Path(), "", p.Title, string(p.HTML), p.Summary, p.Published).AddHashtags(s.origin+"/tags/", p.Tags...)
}
