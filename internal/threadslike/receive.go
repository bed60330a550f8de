package threadslike

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Shown is a post of another server as people at Threads have it.
type Shown struct {
	ID        string
	Author    string
	Type      string
	Content   string
	Published time.Time
	// Original is where "view original" leads: such a post has no page at Threads (Matters log, 2026-06). "" if the
	// post has no url, or only one that is its id.
	Original string
	// Hidden says why nobody sees it although it was answered 200; "" if it is in the feed.
	Hidden string
}

// Feed lists the posts of other servers that an account's user sees: of whom it follows, the newest first.
func (a *Account) Feed() (out []Shown) {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	for _, p := range a.s.shown {
		follow := a.following[p.Author]
		if p.Hidden == "" && follow != "" && follow[0] != '?' {
			out = append(out, *p)
		}
	}
	slices.SortStableFunc(out, func(p, q Shown) int { return q.Published.Compare(p.Published) })
	return out
}

// Kept lists all posts of other servers that were answered 200 and not deleted, hidden ones too, in the order of arrival.
func (s *Server) Kept() (out []Shown) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.shown {
		out = append(out, *p)
	}
	return out
}

// Reactions lists the ids of actors of other servers who like or share a post of Threads.
func (p *Post) Reactions(typ string) []string {
	s := p.author.s
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(p.reactions[typ])
}

// receive takes in an activity. 200 means that it was understood, not that anything came of it.
func (s *Server) receive(r *http.Request, signer *peer, body []byte) answer {
	var act object
	if err := json.Unmarshal(body, &act); err != nil {
		return broken("not a JSON object")
	}
	typ, id := text(act, "type"), text(act, "id")
	done := func(a answer) answer {
		a.Type, a.ID = typ, id
		return a
	}
	target := s.scheme + "://" + r.Host + r.URL.Path
	if owner, personal := strings.CutSuffix(target, "inbox/"); target != s.Origin+"/ap/inbox/" {
		s.mu.Lock()
		known := personal && s.account(owner) != nil
		s.mu.Unlock()
		if !known {
			return done(notFound("no such inbox"))
		}
	}
	if why := unreadable(act, s.Strict); why != "" {
		return done(broken(why))
	}
	if text(act, "actor") != signer.id {
		return done(notFound("signed by " + signer.id))
	}
	switch typ {
	case "Follow":
		return done(s.follow(signer, act))
	case "Accept", "Reject":
		return done(s.decided(signer, act))
	case "Undo":
		return done(s.undone(signer, act["object"].(object)))
	case "Create", "Update":
		return done(s.written(r, signer, act))
	case "Delete":
		return done(s.deleted(signer, reference(act, "object")))
	case "Like", "Announce":
		s.mu.Lock()
		defer s.mu.Unlock()
		p := s.post(reference(act, "object"))
		if p == nil {
			return done(fine("ignored: of nothing at Threads"))
		}
		if !slices.Contains(p.reactions[typ], signer.id) {
			p.reactions[typ] = append(p.reactions[typ], signer.id)
		}
		return done(fine(""))
	}
	return done(fine("ignored: " + typ)) // votes, EmojiReact, Flag, Move, Block, quote requests and what else there is
}

// follow keeps a follower at once, and answers.
func (s *Server) follow(signer *peer, act object) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.account(reference(act, "object"))
	if a == nil {
		return notFound("nobody who shares")
	}
	a.followers[signer.id] = signer
	s.tell(a, []*peer{signer}, object{
		"@context": context1(), "id": a.id + "#accepts/" + s.next(), "type": "Accept", "actor": a.id,
		"object": object{"id": text(act, "id"), "type": "Follow", "actor": signer.id, "object": a.id},
	})
	return fine("")
}

// decided takes the answer to a Follow from here. It must say all of it; one of which only the id is said was answered 500 and
// left the follow pending (Matters log, 2026-06-02), and another one than was sent leaves it so too.
func (s *Server) decided(signer *peer, act object) answer {
	follow := act["object"].(object)
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.account(text(follow, "actor"))
	if a == nil || text(follow, "object") != signer.id || strings.TrimPrefix(a.following[signer.id], "?") != text(follow, "id") {
		return fine("ignored: no such Follow was sent")
	}
	if text(act, "type") == "Reject" {
		delete(a.following, signer.id)
	} else {
		a.following[signer.id] = text(follow, "id")
	}
	return fine("")
}

func (s *Server) undone(signer *peer, inner object) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	about := reference(inner, "object")
	switch typ := text(inner, "type"); typ {
	case "Follow":
		if a := s.account(about); a != nil {
			delete(a.followers, signer.id)
		}
	case "Like", "Announce":
		if p := s.post(about); p != nil {
			p.reactions[typ] = slices.DeleteFunc(p.reactions[typ], func(id string) bool { return id == signer.id })
		}
	default:
		return fine("ignored: Undo of " + typ)
	}
	return fine("")
}

// written takes in a post, or what became of it. Before it is shown its id is fetched, and has to be ActivityPub whoever
// asks (Matters log, 2026-06).
func (s *Server) written(r *http.Request, signer *peer, act object) answer {
	o, ok := act["object"].(object)
	if !ok {
		return fine("ignored: the object is not embedded")
	}
	id, typ := text(o, "id"), text(o, "type")
	if id == signer.id {
		_, err := s.fetchActor(r.Context(), id)
		if err != nil {
			return fine("ignored: " + err.Error())
		}
		return fine("")
	}
	if reference(o, "attributedTo") != signer.id {
		return notFound("not the signer's post")
	}
	p := &Shown{ID: id, Author: signer.id, Type: typ, Content: text(o, "content"), Original: text(o, "url"), Hidden: hidden(o)}
	p.Published, _ = time.Parse(time.RFC3339, text(o, "published"))
	if p.Original == id {
		p.Original = ""
	}
	if p.Hidden == "" {
		if doc, err := s.fetch(r.Context(), id); err != nil {
			p.Hidden = "its id: " + err.Error()
		} else if text(doc, "id") != id {
			p.Hidden = "its id leads to " + text(doc, "id")
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, old := range s.shown {
		if old.ID == id {
			if old.Author == signer.id && text(act, "type") == "Update" {
				s.shown[i] = p
			}
			return fine(p.Hidden)
		}
	}
	if text(act, "type") == "Update" {
		return fine("ignored: an Update of nothing that is known")
	}
	s.shown = append(s.shown, p)
	return fine(p.Hidden)
}

// deleted forgets a post, or an actor with all that it did. How Threads wants a Delete is not known; a Tombstone and a bare
// id are both taken.
func (s *Server) deleted(signer *peer, id string) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id == signer.id {
		for _, a := range s.accounts {
			delete(a.followers, id)
			delete(a.following, id)
		}
	}
	s.shown = slices.DeleteFunc(s.shown, func(p *Shown) bool { return p.Author == signer.id && (p.ID == id || id == signer.id) })
	return fine("")
}
