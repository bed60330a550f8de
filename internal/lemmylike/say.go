package lemmylike

import (
	"context"
	"slices"
	"strconv"
)

// announce wraps what a community took, whose bytes are body, and sends it to its followers; of a post also the Page alone. The
// caller holds the lock.
func (s *Server) announce(c *Community, a object, body []byte) {
	var inboxes []string
	for _, inbox := range c.followers {
		inboxes = append(inboxes, inbox)
	}
	wrap := func(inner []byte) []byte {
		outer := object{"@context": contexts(), "id": s.next("activities/announce"), "type": "Announce", "actor": c.id, "to": []string{public}, "cc": []string{c.id + "/followers"}}
		head := mustJSON(outer)
		// encoding/json would not leave the bytes as they are.
		return append(append(append(head[:len(head)-1:len(head)-1], `,"object":`...), inner...), '}')
	}
	s.post(c.id, wrap(body), inboxes...)
	if o, ok := a["object"].(object); ok && text(a, "type") == "Create" && text(o, "type") == "Page" {
		page := object{"actor": c.id}
		for name, value := range o {
			page[name] = value
		}
		s.post(c.id, wrap(mustJSON(page)), inboxes...)
	}
}

// say does what a person says in a community, and sends it to where the community is. What is not possible there is an error.
func (p *Person) say(ctx context.Context, communityID string, a object) (string, error) {
	s := p.s
	b := &budget{maxFetches}
	s.mu.Lock()
	a["@context"], a["actor"], a["audience"] = contexts(), p.id, communityID
	a["id"] = s.next("activities/" + text(a, "type"))
	local := s.group(communityID).name != ""
	s.seen[text(a, "id")] = true
	s.mu.Unlock()
	body := mustJSON(a)
	if local {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.announce(s.groups[communityID], a, body)
		return text(a, "id"), nil
	}
	g, err := s.meet(ctx, b, communityID, false)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.post(p.id, body, g.inbox)
	return text(a, "id"), nil
}

// Follow asks to follow !community@host, and returns its id.
func (p *Person) Follow(ctx context.Context, handle string) (string, error) {
	s := p.s
	b := &budget{maxFetches}
	communityID, err := s.find(ctx, b, handle)
	if err != nil {
		return "", err
	}
	g, err := s.meet(ctx, b, communityID, false)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p.following[communityID] = false
	s.post(p.id, mustJSON(object{
		"@context": contexts(), "id": s.next("activities/follow"), "type": "Follow", "actor": p.id, "object": communityID, "to": []string{communityID},
	}), g.inbox)
	return communityID, nil
}

// Post begins a thread, and returns the post's id.
func (p *Person) Post(ctx context.Context, communityID, title, body string) (string, error) {
	p.s.mu.Lock()
	postID := p.s.next("post")
	o := p.object("Page", postID, communityID, body)
	o["name"], o["source"], o["attachment"] = title, object{"content": body, "mediaType": "text/markdown"}, []any{}
	p.s.posts[postID] = &Post{ID: postID, Author: p.id, Community: communityID, Title: title, Body: body, votes: map[string]int{p.id: 1}, doc: o}
	p.s.mu.Unlock()
	_, err := p.say(ctx, communityID, object{"type": "Create", "object": o, "to": o["to"], "cc": []string{}})
	return postID, err
}

// Edit changes a post.
func (p *Person) Edit(ctx context.Context, postID, body string) error {
	p.s.mu.Lock()
	post := p.s.posts[postID]
	post.Body, post.doc["content"], post.doc["updated"] = body, body, p.s.Now().UTC().Format("2006-01-02T15:04:05.000000Z")
	a := object{"type": "Update", "object": post.doc, "to": post.doc["to"], "cc": []string{}}
	p.s.mu.Unlock()
	_, err := p.say(ctx, post.Community, a)
	return err
}

// Comment answers a post or a comment, and returns the comment's id.
func (p *Person) Comment(ctx context.Context, parentID, body string) (string, error) {
	p.s.mu.Lock()
	parent := p.s.posts[parentID]
	if parent == nil {
		p.s.mu.Unlock()
		return "", refusal("couldnt_find_object")
	}
	commentID := p.s.next("comment")
	o := p.object("Note", commentID, parent.Community, body)
	o["inReplyTo"], o["cc"] = parentID, []any{parent.Author}
	o["tag"] = []any{object{"type": "Mention", "href": parent.Author, "name": "@" + strconv.Itoa(len(parent.Author))}}
	p.s.posts[commentID] = &Post{ID: commentID, Author: p.id, Community: parent.Community, Parent: parentID, Body: body, votes: map[string]int{p.id: 1}, doc: o}
	p.s.mu.Unlock()
	_, err := p.say(ctx, parent.Community, object{"type": "Create", "object": o, "to": o["to"], "cc": o["cc"]})
	return commentID, err
}

// object begins a document of the person's in a community.
func (p *Person) object(typ, objectID, communityID, body string) object {
	return object{
		"@context": contexts(), "id": objectID, "type": typ, "attributedTo": p.id, "to": []any{communityID, public}, "audience": communityID,
		"content": body, "mediaType": "text/html", "published": p.s.Now().UTC().Format("2006-01-02T15:04:05.000000Z"),
	}
}

// Vote votes for a post with 1, against it with -1, and takes that back with 0.
func (p *Person) Vote(ctx context.Context, postID string, value int) error {
	p.s.mu.Lock()
	post := p.s.posts[postID]
	if post == nil {
		p.s.mu.Unlock()
		return refusal("couldnt_find_object")
	}
	last := p.voted[postID]
	err := p.s.vote(p.id, postID, value)
	p.s.mu.Unlock()
	if err != nil {
		return err
	}
	a := object{"type": map[int]string{1: "Like", -1: "Dislike"}[value], "object": postID}
	if value == 0 {
		if last == nil {
			return refusal("couldnt_find_vote")
		}
		a = object{"type": "Undo", "object": last}
	}
	if _, err = p.say(ctx, post.Community, a); err != nil {
		return err
	}
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	if delete(p.voted, postID); value != 0 {
		p.voted[postID] = a
	}
	return nil
}

// Delete takes back a post or a comment of the person's.
func (p *Person) Delete(ctx context.Context, postID string) error {
	p.s.mu.Lock()
	post := p.s.posts[postID]
	post.Deleted = true
	p.s.mu.Unlock()
	_, err := p.say(ctx, post.Community, object{"type": "Delete", "object": postID, "to": []string{public}, "cc": []string{post.Community}})
	return err
}

// Remove is what a moderator does to somebody's post.
func (p *Person) Remove(ctx context.Context, communityID, postID, reason string) error {
	p.s.mu.Lock()
	if post := p.s.posts[postID]; post != nil && slices.Contains(p.s.group(communityID).moderators, p.id) {
		post.Removed = true
	}
	p.s.mu.Unlock()
	_, err := p.say(ctx, communityID, object{"type": "Delete", "object": postID, "summary": reason, "to": []string{public}, "cc": []string{communityID}})
	return err
}

// Ban is what a moderator does to somebody who shall not speak in a community any more.
func (p *Person) Ban(ctx context.Context, communityID, actorID string) error {
	p.s.mu.Lock()
	p.s.group(communityID).banned[actorID] = true
	p.s.mu.Unlock()
	_, err := p.say(ctx, communityID, object{
		"type": "Block", "object": actorID, "target": communityID, "removeData": false, "summary": "", "to": []string{public}, "cc": []string{communityID},
	})
	return err
}
