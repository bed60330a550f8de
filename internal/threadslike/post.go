package threadslike

import (
	"context"
	"html"
	"strings"
	"time"
)

// Draft is what somebody writes.
type Draft struct {
	Text    string
	Picture bool
	Quote   string // the id of a post

	// What has any of these stays at Threads (help page of 2024-03).
	Poll            []string
	FollowersOnly   bool
	RestrictReplies bool
}

// Post is what somebody wrote.
type Post struct {
	ID string
	// Withheld says why the post stays at Threads, "" for one that leaves it.
	Withheld string
	// Published is when it was written, which it keeps although it leaves later.
	Published time.Time

	author *Account
	code   string // of its page

	// guarded by Server.mu
	draft     Draft
	replyTo   string
	mentioned *peer               // who is told although they may not follow
	reactions map[string][]string // actors by type
	out       bool                // it has left
	deleted   bool
	updated   time.Time
}

// Post writes a post. It leaves after the edit window, by [Server.Deliver], and says then when it was written: what was
// written later elsewhere has long arrived (5 minutes at launch, 15 since 2024-10-01).
func (a *Account) Post(d Draft) *Post {
	s := a.s
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &Post{author: a, draft: d, Published: s.Now(), reactions: map[string][]string{}}
	switch {
	case !a.exists():
		p.Withheld = "the profile is not shared"
	case len(d.Poll) > 0:
		p.Withheld = "a poll"
	case d.FollowersOnly:
		p.Withheld = "for followers only"
	case d.RestrictReplies:
		p.Withheld = "replies are restricted"
	}
	number := s.next()
	p.ID, p.code = a.id+"post/"+number+"/", "C"+number[len(number)-8:]
	s.posts = append(s.posts, p)
	return p
}

// Reply answers a post: one of Threads, or with Config.Remote one of another server, whose author is told.
func (a *Account) Reply(ctx context.Context, to string, d Draft) (*Post, error) {
	s := a.s
	s.mu.Lock()
	ours := s.post(to)
	s.mu.Unlock()
	var author *peer
	if ours == nil {
		if !s.Remote {
			return nil, ErrNotYet
		}
		var err error
		if author, err = s.authorOf(ctx, to); err != nil {
			return nil, err
		}
	}
	p := a.Post(d)
	s.mu.Lock()
	defer s.mu.Unlock()
	p.replyTo, p.mentioned = to, author
	return p, nil
}

// Edit changes the text of a post. Within the edit window nobody outside hears of it.
func (a *Account) Edit(p *Post, text string) {
	s := a.s
	s.mu.Lock()
	defer s.mu.Unlock()
	p.draft.Text = text
	if p.out && !p.deleted {
		p.updated = s.Now()
		note := p.document()
		s.tell(a, p.readers(), object{
			"@context": context1(), "id": p.ID + "#updates/" + s.next(), "type": "Update", "actor": a.id,
			"to": note["to"], "cc": note["cc"], "object": note,
		})
	}
}

// Delete deletes a post, which is 404 from now on, as if it had never been.
func (a *Account) Delete(p *Post) {
	s := a.s
	s.mu.Lock()
	defer s.mu.Unlock()
	p.deleted = true
	if p.out {
		s.tell(a, p.readers(), object{
			"@context": context1(), "id": p.ID + "#delete", "type": "Delete", "actor": a.id,
			"to": []string{public}, "object": object{"id": p.ID, "type": "Tombstone"},
		})
	}
}

// PageURL is where people read it: on www., whatever the host of its id.
func (p *Post) PageURL() string {
	return p.author.s.scheme + "://www." + p.author.s.host + "/@" + p.author.user.Handle + "/post/" + p.code
}

// release makes a post leave whose edit window is over. The caller holds the lock.
func (s *Server) release(p *Post) {
	p.out = true
	a := p.author
	note := p.document()
	s.tell(a, p.readers(), object{
		"@context": context1(), "id": p.ID + "activity/", "type": "Create", "actor": a.id, "published": stamp(p.Published),
		"to": note["to"], "cc": note["cc"], "object": note,
	})
}

// readers are the followers and who is mentioned. The caller holds the lock.
func (p *Post) readers() []*peer {
	to := p.author.followerList()
	if p.mentioned != nil {
		to = append(to, p.mentioned)
	}
	return to
}

// post finds one by its id, unless it was deleted. The caller holds the lock.
func (s *Server) post(id string) *Post {
	for _, p := range s.posts {
		if p.ID == id && !p.deleted {
			return p
		}
	}
	return nil
}

const public = "as:Public"

// context1 is the @context of everything.
func context1() []any {
	return []any{"https://www.w3.org/ns/activitystreams", "https://w3id.org/security/v1", object{
		"manuallyApprovesFollowers": "as:manuallyApprovesFollowers", "sensitive": "as:sensitive",
		"misskey": "https://misskey-hub.net/ns#", "_misskey_quote": "misskey:_misskey_quote",
	}}
}

const quoteRelation = "https://misskey-hub.net/ns#_misskey_quote"

// document is the Note. What is for people is the second of its links: the first is for the app on a phone. A quote is said
// in three ways: FEP-e232, Misskey's property, and in words (Meta's engineering article of 2024-03-21). The caller holds the lock.
func (p *Post) document() object {
	a, content, tags := p.author, "<p>"+strings.ReplaceAll(html.EscapeString(p.draft.Text), "\n", "<br>")+"</p>", []any{}
	note := object{
		"@context": context1(), "id": p.ID, "type": "Note", "attributedTo": a.id, "published": stamp(p.Published),
		"to": []string{public}, "cc": []string{a.id + "followers/"}, "sensitive": false, "attachment": []any{},
		"url": []any{
			object{"type": "Link", "href": "threads://post/" + p.code, "mediaType": "application/x-threads"},
			object{"type": "Link", "href": p.PageURL(), "mediaType": "text/html"},
		},
	}
	if q := p.draft.Quote; q != "" {
		content = strings.TrimSuffix(content, "</p>") + `<br><br>RE: <a href="` + html.EscapeString(q) + `">` + html.EscapeString(q) + "</a></p>"
		note["_misskey_quote"] = q
		tags = append(tags, object{
			"type": "Link", "mediaType": `application/ld+json; profile="https://www.w3.org/ns/activitystreams"`,
			"href": q, "rel": quoteRelation, "name": "RE: " + q,
		})
	}
	if p.draft.Picture {
		note["attachment"] = []any{object{"type": "Image", "mediaType": "image/jpeg", "url": a.s.mediaURL("t51.29350-15/" + p.code + "_n.jpg")}}
	}
	if p.replyTo != "" {
		note["inReplyTo"] = p.replyTo
	}
	if m := p.mentioned; m != nil {
		note["cc"] = []string{a.id + "followers/", m.id}
		tags = append(tags, object{"type": "Mention", "href": m.id, "name": "@" + m.handle})
	}
	if !p.updated.IsZero() {
		note["updated"] = stamp(p.updated)
	}
	note["content"], note["tag"] = content, tags
	return note
}

// document is the actor. Its page is on another host than its id. The caller holds the lock.
func (a *Account) document() object {
	return object{
		"@context": context1(), "id": a.id, "type": "Person", "preferredUsername": a.user.Handle, "name": a.user.Name, "summary": a.user.Bio,
		"url":   a.s.scheme + "://www." + a.s.host + "/@" + a.user.Handle,
		"inbox": a.id + "inbox/", "outbox": a.id + "outbox/", "followers": a.id + "followers/", "following": a.id + "following/",
		"endpoints":                 object{"sharedInbox": a.s.Origin + "/ap/inbox/"},
		"publicKey":                 object{"id": a.KeyID(), "owner": a.id, "publicKeyPem": a.pem},
		"icon":                      object{"type": "Image", "url": a.s.mediaURL("t51.2885-19/" + a.user.Handle + "_n.jpg")},
		"manuallyApprovesFollowers": false,
	}
}
