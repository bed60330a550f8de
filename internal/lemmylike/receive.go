package lemmylike

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
)

// receive takes an activity in, or says why not.
func (s *Server) receive(r *http.Request, body []byte, e *Exchange) error {
	b := &budget{maxFetches}
	var a object
	if err := json.Unmarshal(body, &a); err != nil {
		return err
	}
	e.Type = text(a, "type")
	signer, err := s.verify(r, b, body)
	if err != nil {
		return err
	}
	e.Signer = signer
	if text(a, "actor") != signer || !sameHost(text(a, "id"), signer) {
		return refusal("invalid_signature_actor")
	}
	s.mu.Lock()
	again := s.seen[text(a, "id")]
	s.mu.Unlock()
	if again {
		return nil
	}
	switch e.Type {
	case "Follow":
		err = s.followed(r.Context(), b, a)
	case "Accept":
		err = s.accepted(a)
	case "Announce":
		err = s.announced(r.Context(), b, a)
	case "Undo":
		if inner, ok := a["object"].(object); ok && text(inner, "type") == "Follow" {
			err = s.unfollowed(a, inner)
			break
		}
		fallthrough
	default:
		err = s.said(r.Context(), b, a, body)
	}
	if err == nil {
		s.mu.Lock()
		s.seen[text(a, "id")] = true
		s.mu.Unlock()
	}
	return err
}

func (s *Server) followed(ctx context.Context, b *budget, a object) error {
	if len(list(a, "to")) != 1 {
		return refusal("no_recipient") // not so in Lemmy, which sends one itself "for platforms that always expect it"
	}
	who, err := s.meet(ctx, b, text(a, "actor"), false)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.groups[id(a, "object")]
	if c == nil || c.name == "" {
		return refusal("couldnt_find_community")
	}
	c.followers[who.id] = who.inbox
	s.post(c.id, mustJSON(object{
		"@context": contexts(), "id": s.next("activities/accept"), "type": "Accept", "actor": c.id, "to": []string{who.id},
		"object": object{"id": a["id"], "type": "Follow", "actor": a["actor"], "object": a["object"], "to": a["to"]},
	}), who.inbox)
	return nil
}

func (s *Server) unfollowed(a, follow object) error {
	if text(follow, "actor") != text(a, "actor") {
		return refusal("invalid_undo")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.groups[id(follow, "object")]; c != nil {
		delete(c.followers, text(a, "actor"))
	}
	return nil
}

func (s *Server) accepted(a object) error {
	follow, _ := a["object"].(object)
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.persons[text(follow, "actor")]
	if p == nil || id(follow, "object") != text(a, "actor") {
		return refusal("couldnt_find_person")
	}
	if _, asked := p.following[text(a, "actor")]; !asked {
		return refusal("couldnt_find_follow")
	}
	p.following[text(a, "actor")] = true
	return nil
}

// announced judges what a community announces.
func (s *Server) announced(ctx context.Context, b *budget, a object) error {
	g, err := s.meet(ctx, b, text(a, "actor"), false)
	if err != nil {
		return err
	}
	inner, ok := a["object"].(object)
	switch {
	case !ok:
		return refusal("cannot_receive_page") // an id: of a post, for others
	case g.typ != "Group":
		return refusal("not_a_community")
	case !slices.Contains(append(list(a, "to"), list(a, "cc")...), public):
		return refusal("object_is_not_public")
	case text(inner, "type") == "Page" || text(inner, "type") == "Note":
		return refusal("cannot_receive_page")
	case text(inner, "type") == "Announce":
		return refusal("cannot_receive_announce")
	}
	if sameHost(text(inner, "id"), s.Origin) {
		return nil // what was said here comes back
	}
	s.mu.Lock()
	followed, again := s.isFollowed(g.id), s.seen[text(inner, "id")]
	s.mu.Unlock()
	if !followed || again {
		return nil
	}
	if err := s.apply(ctx, b, inner, g.id, false); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen[text(inner, "id")] = true
	return nil
}

func (s *Server) isFollowed(communityID string) bool {
	for _, p := range s.persons {
		if p.following[communityID] {
			return true
		}
	}
	return false
}

// said takes what somebody says to a community here, and announces it.
func (s *Server) said(ctx context.Context, b *budget, a object, body []byte) error {
	var c *Community
	whom := append(append(list(a, "to"), list(a, "cc")...), list(a, "audience")...)
	if inner, ok := a["object"].(object); ok {
		whom = append(append(append(whom, list(inner, "to")...), list(inner, "cc")...), list(inner, "audience")...)
	}
	whom = append(whom, list(a, "target")...)
	s.mu.Lock()
	for _, id := range whom {
		if found := s.groups[id]; found != nil && found.name != "" && c == nil {
			c = found
		}
	}
	s.mu.Unlock()
	if c == nil {
		return refusal("couldnt_find_community")
	}
	if err := s.apply(ctx, b, a, c.id, true); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.announce(c, a, body)
	return nil
}

// apply does what an activity says in a community, if its actor may say that. Direct: it was signed by the actor.
func (s *Server) apply(ctx context.Context, b *budget, a object, communityID string, direct bool) error {
	actor, typ := text(a, "actor"), text(a, "type")
	if !sameHost(text(a, "id"), actor) {
		return refusal("domain_doesnt_match")
	}
	moderator, err := s.moderates(ctx, b, communityID, actor)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.group(communityID)
	if c.banned[actor] {
		return refusal("person_is_banned_from_community")
	}
	about := id(a, "object")
	inner, _ := a["object"].(object)
	switch typ {
	case "Create", "Update":
		return s.applyPost(a, inner, c, moderator)
	case "Like", "Dislike":
		return s.vote(actor, about, map[string]int{"Like": 1, "Dislike": -1}[typ])
	case "Delete":
		return s.applyDelete(a, actor, about, moderator, true)
	case "Lock", "Block", "Add", "Remove":
		return s.applyModeration(a, c, moderator, true)
	case "Undo":
		if inner == nil || text(inner, "actor") != actor {
			return refusal("invalid_undo")
		}
		undone := id(inner, "object")
		switch text(inner, "type") {
		case "Like", "Dislike":
			return s.vote(actor, undone, 0)
		case "Delete":
			return s.applyDelete(inner, actor, undone, moderator, false)
		case "Lock", "Block":
			return s.applyModeration(inner, c, moderator, false)
		}
	}
	return refusal("unknown_activity")
}

// moderates tells whether an actor is a moderator of a community, or of its server's own.
func (s *Server) moderates(ctx context.Context, b *budget, communityID, actor string) (bool, error) {
	s.mu.Lock()
	c := s.groups[communityID]
	local := c != nil && c.name != ""
	listed := local && slices.Contains(c.moderators, actor)
	s.mu.Unlock()
	if local || sameHost(communityID, actor) {
		return listed || !local, nil
	}
	g, err := s.meet(ctx, b, communityID, false)
	if err != nil {
		return false, err
	}
	doc, err := s.fetch(ctx, b, g.moderators)
	if refused := refusal(""); errors.As(err, &refused) {
		return false, err
	}
	return err == nil && slices.Contains(list(doc, "orderedItems"), actor), nil
}

func (s *Server) applyPost(a, o object, c *Community, moderator bool) error {
	actor, postID := text(a, "actor"), text(o, "id")
	visible := func(o object) bool {
		whom := append(list(o, "to"), list(o, "cc")...)
		return slices.Contains(whom, public) && slices.Contains(whom, c.id)
	}
	switch {
	case o == nil || !sameHost(postID, actor) || id(o, "attributedTo") != actor:
		return refusal("domain_doesnt_match")
	case sameHost(postID, s.Origin):
		return refusal("object_is_local")
	case !visible(a) || !visible(o):
		return refusal("object_is_not_public")
	}
	old := s.posts[postID]
	if text(a, "type") == "Update" && old == nil {
		return refusal("couldnt_find_object")
	}
	if old != nil && old.Author != actor {
		return refusal("not_the_author")
	}
	p := &Post{ID: postID, Author: actor, Community: c.id, Parent: id(o, "inReplyTo"), Title: text(o, "name"), Body: text(o, "content"), votes: map[string]int{actor: 1}, doc: o}
	switch typ := text(o, "type"); {
	case typ == "Page" && (p.Title == "" || len([]rune(p.Title)) > maxTitle):
		return refusal("invalid_post_title")
	case typ != "Page" && typ != "Note":
		return refusal("unknown_object")
	case typ == "Note" && p.Parent != "" && s.posts[p.Parent] == nil:
		return refusal("couldnt_find_object")
	case p.Parent != "" && s.posts[p.Parent] != nil && s.posts[p.Parent].Locked:
		return refusal("locked")
	case p.Parent == "" && c.restricted && !moderator:
		return refusal("only_mods_can_post_in_community")
	case p.Title == "" && p.Parent == "": // of Mastodon: the first line
		p.Title, _, _ = strings.Cut(p.Body, "\n")
	}
	depth := 0
	for at := p; at != nil && at.Parent != ""; at = s.posts[at.Parent] {
		if depth++; depth > 50 {
			return refusal("max_comment_depth_reached")
		}
	}
	if old != nil {
		p.votes = old.votes
	}
	s.posts[postID] = p
	return nil
}

func (s *Server) vote(actor, about string, value int) error {
	p := s.posts[about]
	if p == nil {
		return refusal("couldnt_find_object")
	}
	if value == 0 {
		delete(p.votes, actor)
	} else {
		p.votes[actor] = value
	}
	return nil
}

// applyDelete tells by the summary whether somebody deletes what is theirs, or removes what is not.
func (s *Server) applyDelete(a object, actor, about string, moderator, gone bool) error {
	p := s.posts[about]
	if p == nil {
		return refusal("couldnt_find_object")
	}
	if _, removal := a["summary"]; removal {
		if !moderator {
			return refusal("not_a_moderator")
		}
		p.Removed = gone
		return nil
	}
	if p.Author != actor {
		return refusal("not_the_author")
	}
	p.Deleted = gone
	return nil
}

func (s *Server) applyModeration(a object, c *Community, moderator, on bool) error {
	if !moderator {
		return refusal("not_a_moderator")
	}
	about, target := id(a, "object"), id(a, "target")
	switch typ := text(a, "type"); {
	case typ == "Block":
		if target != c.id {
			return refusal("invalid_block_target")
		}
		c.banned[about] = on
	case typ == "Lock":
		if s.posts[about] == nil {
			return refusal("couldnt_find_object")
		}
		s.posts[about].Locked = on
	case strings.HasSuffix(target, "/featured"):
		if p := s.posts[about]; p != nil {
			p.Featured = typ == "Add"
		}
	case typ == "Add":
		c.moderators = append(c.moderators, about)
	default:
		c.moderators = slices.DeleteFunc(c.moderators, func(id string) bool { return id == about })
	}
	return nil
}
