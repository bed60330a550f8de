package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
)

// patience is how long the walk waits for something to arrive.
const patience = 10 * time.Second

// world is both servers and what the walk has learnt on its way.
type world struct {
	*report
	ctx  context.Context
	a, b *site

	alice, bob, mallory string // actor ids

	post, reply, secret string // object ids
	like, boost, follow string // activity ids
}

// walk runs all steps, with a rule switched off up to the one that fails. An error means that it could not go on.
func walk(ctx context.Context, dir, db, broken string, verbose, stay bool, logger *slog.Logger, out *report) (err error) {
	w := &world{report: out, ctx: ctx}
	listeners := make([]net.Listener, 2)
	names := make(map[string]string)
	for i, host := range []string{"a.test", "b.test"} {
		if listeners[i], err = listen(); err != nil {
			return err
		}
		names[host] = listeners[i].Addr().String()
	}
	dsns := make([]string, len(listeners))
	newSite := func(host string, users ...string) *site {
		s := &site{
			app:  &app{origin: "http://" + host, users: make(map[string]actor.Profile)},
			host: host, address: names[host], names: names, dir: dir, broken: broken, verbose: verbose, logger: logger, out: out,
		}
		for _, name := range users {
			s.users[name] = actor.Profile{Handle: name, Name: "Name of " + name, Summary: "<p>" + name + " of " + host + "</p>", Discoverable: true}
		}
		return s
	}
	drop := func() error { return nil }
	if db != "" {
		schemas, remove, err := makeSchemas(ctx, db, len(listeners))
		if err != nil {
			return err
		}
		dsns, drop = schemas, remove
	}
	defer func() { err = errors.Join(err, drop()) }() // after the sites are shut
	w.a, w.b = newSite("a.test", "alice", "mallory", "dora", "emil"), newSite("b.test", "bob", "carol", "dora")
	w.b.alias("dora", "http://a.test/ap/users/dora")
	for i, s := range []*site{w.a, w.b} {
		s.dsn = dsns[i]
		if err := s.start(ctx, listeners[i]); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.shut()) }()
	}
	for _, step := range []func() error{
		w.discover, w.followAndAccept, w.publicPost, w.replyArrives, w.likeAndBoost, w.editReplaces, w.followersOnly,
		w.deleteLeavesTombstone, w.liars, w.replay, w.comeBack, w.rollBack, w.grantAndRevoke, w.limit, w.suspend, w.unfollow,
		w.moveHouse,
	} {
		if err := step(); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if broken != "" && out.hasFailed() {
			return nil // what comes after it stands on it
		}
	}
	if stay {
		fmt.Fprintf(out, "the servers stay until you interrupt this; look around with\n"+
			"go run ./examples/fedictl lookup @alice@a.test -insecure-allow-loopback a.test=%s -insecure-allow-loopback b.test=%s\n",
			names["a.test"], names["b.test"])
		<-ctx.Done()
	}
	return nil
}

// until waits for something to become true at the receiving side.
func (w *world) until(is func() bool) bool {
	for end := time.Now().Add(patience); ; {
		if is() {
			return true
		}
		if time.Now().After(end) || w.ctx.Err() != nil {
			return false
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (w *world) discover() error {
	w.begin("bob's server finds @alice@a.test by her handle")
	found, err := w.b.f.Lookup(w.ctx, "@alice@a.test")
	if err != nil {
		return fmt.Errorf("look alice up: %w", err)
	}
	w.alice = found.ID
	w.check(found.ID == "http://a.test/ap/users/alice", "the handle leads to her actor id", found.ID)
	w.check(found.Name == "Name of alice" && found.PreferredUsername == "alice", "her name and handle are intact", found.Name)
	keys := found.Keys()
	w.check(len(keys) == 1 && keys[0].ID == found.ID+"#main-key" && keys[0].Owner == found.ID, "her key is listed under her id", keys)
	back, err := w.a.f.Lookup(w.ctx, "bob@b.test")
	if err != nil {
		return fmt.Errorf("look bob up: %w", err)
	}
	w.bob = back.ID
	w.check(back.ID == "http://b.test/ap/users/bob", "alice's server finds bob", back.ID)
	w.mallory = "http://a.test/ap/users/mallory"

	var unknown *actor.LookupError
	_, err = w.b.f.Lookup(w.ctx, "@nobody@a.test")
	w.check(errors.As(err, &unknown) && unknown.Reason == actor.Unknown, "nobody is not found, and the error says why", err)
	page := w.get(w.a, "/ap/users/alice", "text/html", "")
	w.check(page.status == 200, "a browser is not turned away from her id", page.status)
	node := w.get(w.a, "/nodeinfo/2.1", "application/json", "")
	w.check(node.status == 200 && node.text("software", "name") == "twoservers", "NodeInfo names the software", node.body)
	return nil
}

func (w *world) followAndAccept() (err error) {
	w.begin("bob follows alice, and is accepted")
	if w.follow, err = w.b.f.Follow(w.ctx, "bob", w.alice); err != nil {
		return err
	}
	accepted := func(s *site) func() bool {
		return func() bool {
			f, err := s.storage.Followers.Follow(w.ctx, w.bob, w.alice)
			return err == nil && f.State == actor.Accepted
		}
	}
	w.check(w.until(accepted(w.a)), "alice's server keeps him as a follower")
	w.check(w.until(accepted(w.b)), "bob's server has her Accept and keeps that he follows")
	w.check(w.until(func() bool { return w.a.heardOf(w.ctx, "Follow", w.follow) == 1 }), "her app heard of the Follow once")
	followers := w.get(w.a, "/ap/users/alice/followers", activity.ContentType, "")
	w.check(followers.number("totalItems") == 1, "her collection of followers counts one", followers.body)
	return nil
}

func (w *world) publicPost() (err error) {
	w.begin("a public post of hers arrives whole")
	w.post, err = w.a.publish(w.ctx, w.a.f, "alice", &activity.Object{
		Content: `<p>Hello <a href="` + w.bob + `" class="u-url mention">@bob</a>, see <a href="http://a.test/tags/first" rel="tag">#first</a></p>`,
		Summary: "greetings", Sensitive: true,
		To: activity.To(activity.Public), CC: activity.To(activity.Followers, w.bob),
		Tag: activity.List{
			activity.Embed(activity.Mention(w.bob, "@bob@b.test")),
			activity.Embed(activity.Hashtag("http://a.test/tags/first", "#first")),
		},
		Attachment: activity.List{activity.Embed(activity.Image("http://a.test/cat.png", "image/png", "a cat on a keyboard"))},
	}, false)
	if err != nil {
		return err
	}
	if !w.until(func() bool { return w.b.timeline(w.ctx, w.post) != nil }) {
		w.check(false, "it arrives", "nothing came")
		return nil
	}
	got := w.b.timeline(w.ctx, w.post)
	link := func(list activity.List, typ string) *activity.Link {
		for _, ref := range list {
			if doc, err := ref.Document(); err == nil && doc.Is(typ) {
				if l, ok := doc.(*activity.Link); ok {
					return l
				}
			}
		}
		return &activity.Link{}
	}
	w.check(got.sender == w.alice && got.object.AttributedTo.Has(w.alice), "it is verified and attributed as hers", got.sender)
	w.check(got.object.Content != "" && got.object.Text()[:9] == "<p>Hello ", "its text is intact", got.object.Content)
	w.check(link(got.object.Tag, "Mention").Href == w.bob, "it mentions bob", got.object.Tag)
	w.check(len(got.to) == 1 && got.to[0] == w.bob, "bob's app is told whom it concerns", got.to)
	w.check(link(got.object.Tag, "Hashtag").Name == "#first", "its hashtag is intact", got.object.Tag)
	w.check(got.object.Summary == "greetings" && got.object.Sensitive, "its content warning is intact", got.object.Summary)
	description := ""
	if len(got.object.Attachment) == 1 {
		if doc, err := got.object.Attachment[0].Document(); err == nil {
			if image, ok := doc.(*activity.Object); ok {
				description = image.Name
			}
		}
	}
	w.check(description == "a cat on a keyboard", "its image is described", description)
	w.check(got.object.To.Has(activity.Public), "it is public", got.object.To)
	shown := w.get(w.a, path(w.post), activity.ContentType, "")
	w.check(shown.status == 200 && shown.text("id") == w.post && shown.text("attributedTo") == w.alice, "its id can be fetched", shown.body)
	return nil
}

func (w *world) replyArrives() (err error) {
	w.begin("bob's reply arrives")
	w.reply, err = w.b.publish(w.ctx, w.b.f, "bob", &activity.Object{
		Content: "<p>hello alice</p>", InReplyTo: activity.IRI(w.post),
		To: activity.To(activity.Public), CC: activity.To(w.alice),
		Tag: activity.List{activity.Embed(activity.Mention(w.alice, "@alice@a.test"))},
	}, false)
	if err != nil {
		return err
	}
	w.check(w.until(func() bool { return w.a.timeline(w.ctx, w.reply) != nil }), "alice's server has it")
	if got := w.a.timeline(w.ctx, w.reply); got != nil {
		w.check(got.object.InReplyTo.ID == w.post, "it answers her post", got.object.InReplyTo.ID)
		w.check(len(got.to) == 1 && got.to[0] == w.alice, "her app is told that it is for her", got.to)
	}
	return nil
}

func (w *world) likeAndBoost() (err error) {
	w.begin("bob likes and boosts her post, and takes the like back")
	if w.like, err = w.b.f.Like(w.ctx, "bob", w.post); err != nil {
		return err
	}
	if w.boost, err = w.b.f.Announce(w.ctx, "bob", w.post); err != nil {
		return err
	}
	w.check(w.until(func() bool { return w.a.reactions(w.ctx, "Like", w.post) == 1 }), "alice's app counts the like")
	w.check(w.until(func() bool { return w.a.reactions(w.ctx, "Announce", w.post) == 1 }), "alice's app counts the boost")
	if _, err = w.b.f.Undo(w.ctx, "bob", w.like); err != nil {
		return err
	}
	w.check(w.until(func() bool { return w.a.reactions(w.ctx, "Like", w.post) == 0 }), "the like is gone after its Undo")
	w.check(w.a.reactions(w.ctx, "Announce", w.post) == 1, "the boost is still there")
	return nil
}

func (w *world) editReplaces() error {
	w.begin("an edit replaces the post")
	var post activity.Object
	if o, err := w.a.object(w.ctx, w.post, ""); err == nil {
		post = *o
	}
	post.Content = "<p>Hello again</p>"
	if err := w.a.edit(w.ctx, w.a.f, "alice", &post); err != nil {
		return err
	}
	w.check(w.until(func() bool {
		got := w.b.timeline(w.ctx, w.post)
		return got != nil && got.object.Content == "<p>Hello again</p>"
	}), "bob's server shows the new text")
	if got := w.b.timeline(w.ctx, w.post); got != nil {
		w.check(!got.object.Updated.IsZero() && !got.object.Updated.Before(got.object.Published), "it says when it was edited", got.object.Updated)
	}
	w.check(w.b.count(w.ctx, `SELECT COUNT(*) FROM timeline WHERE sender = $1`, w.alice) == 1, "there is still one post of hers")
	return nil
}

func (w *world) followersOnly() (err error) {
	w.begin("a post for followers reaches the follower and nobody else")
	w.secret, err = w.a.publish(w.ctx, w.a.f, "alice", &activity.Object{
		Content: "<p>for followers</p>", To: activity.To(activity.Followers),
	}, false)
	if err != nil {
		return err
	}
	w.check(w.until(func() bool { return w.b.timeline(w.ctx, w.secret) != nil }), "it reaches bob's server")
	if got := w.b.timeline(w.ctx, w.secret); got != nil {
		w.check(len(got.object.To) == 1 && got.object.To[0].ID == w.alice+"/followers", "it is addressed to her followers alone", got.object.To)
	}
	stranger := w.get(w.a, path(w.secret), activity.ContentType, "")
	w.check(stranger.status == 404, "a stranger's GET is 404", stranger.status)
	w.get(w.b, "/ap/users/carol", activity.ContentType, "") // has a key made
	other := w.get(w.a, path(w.secret), activity.ContentType, w.b.origin+"/ap/users/carol")
	w.check(other.status == 404, "a signed GET of who does not follow is 404", other.status)
	follower := w.get(w.a, path(w.secret), activity.ContentType, w.bob)
	w.check(follower.status == 200 && follower.text("content") == "<p>for followers</p>", "a signed GET of the follower shows it", follower.status)
	missing := w.get(w.a, "/ap/objects/nothing", activity.ContentType, "")
	w.check(missing.status == stranger.status && string(missing.raw) == string(stranger.raw), "it looks as what never was", string(stranger.raw))
	return nil
}

func (w *world) deleteLeavesTombstone() error {
	w.begin("a delete leaves a tombstone")
	if err := w.a.remove(w.ctx, w.a.f, "alice", w.post); err != nil {
		return err
	}
	w.check(w.until(func() bool { got := w.b.timeline(w.ctx, w.post); return got != nil && got.deleted }), "bob's server has deleted it")
	gone := w.get(w.a, path(w.post), activity.ContentType, "")
	w.check(gone.status == 410, "its id answers 410", gone.status)
	w.check(gone.text("type") == "Tombstone" && gone.text("id") == w.post, "a Tombstone stands in its place", gone.body)
	w.check(gone.text("content") == "", "nothing of its text is left", gone.body)
	return nil
}
