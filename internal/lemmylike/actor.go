package lemmylike

import (
	"maps"
	"slices"
	"strings"
)

// Person is a user of the Server. Its methods do what the pages let people do; [Server.Deliver] sends what follows from it.
type Person struct {
	s    *Server
	id   string
	name string
	// guarded by Server.mu
	following map[string]bool   // communities, by id: accepted or not
	voted     map[string]object // what it last said of a post
}

// Community is a community, of this server or of another one that somebody here follows.
type Community struct {
	s    *Server
	id   string
	name string // "" of another server's
	// guarded by Server.mu
	followers  map[string]string // inboxes by actor id
	moderators []string
	banned     map[string]bool
	featured   []string
	restricted bool
}

// AddPerson makes a user.
func (s *Server) AddPerson(name string) *Person {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &Person{s: s, id: s.Origin + "/u/" + name, name: name, following: map[string]bool{}, voted: map[string]object{}}
	s.persons[p.id] = p
	return p
}

// AddCommunity makes a community that a person moderates.
func (s *Server) AddCommunity(name string, moderator *Person) *Community {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.group(s.Origin + "/c/" + name)
	c.name, c.moderators = name, []string{moderator.id}
	return c
}

// group finds or makes what is kept of a community. The caller holds the lock.
func (s *Server) group(id string) *Community {
	c := s.groups[id]
	if c == nil {
		c = &Community{s: s, id: id, followers: map[string]string{}, banned: map[string]bool{}}
		s.groups[id] = c
	}
	return c
}

// ID is the actor's id.
func (p *Person) ID() string { return p.id }

// Following tells whether the person follows a community, and was accepted.
func (p *Person) Following(communityID string) bool {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	return p.following[communityID]
}

// ID is the actor's id.
func (c *Community) ID() string { return c.id }

// Handle is !name@host.
func (c *Community) Handle() string { return "!" + c.name + "@" + c.s.host }

// Followers lists who follows the community from other servers.
func (c *Community) Followers() []string {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	return slices.Sorted(maps.Keys(c.followers))
}

// Restrict lets only moderators post.
func (c *Community) Restrict() {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.restricted = true
}

// Banned tells whether an actor is banned from a community of any server, as far as it is known here.
func (s *Server) Banned(communityID, actorID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.group(communityID).banned[actorID]
}

func contexts() []any {
	return []any{"https://join-lemmy.org/context.json", "https://www.w3.org/ns/activitystreams"}
}

// document is what is served under an id, nil if there is nothing.
func (s *Server) document(address string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := object{"id": address + "#main-key", "owner": address, "publicKeyPem": s.pem}
	actor := func(typ, name string) object {
		return object{
			"@context": contexts(), "id": address, "type": typ, "preferredUsername": name, "inbox": address + "/inbox", "outbox": address + "/outbox",
			"endpoints": object{"sharedInbox": s.Origin + "/inbox"}, "publicKey": key, "published": s.Now().UTC().Format("2006-01-02T15:04:05.000000Z"),
		}
	}
	if address == s.Origin+"/" {
		return mustJSON(actor("Application", s.host))
	}
	if p := s.persons[address]; p != nil {
		return mustJSON(actor("Person", p.name)) // without followers and following
	}
	community, part := address, ""
	for _, end := range []string{"/moderators", "/followers", "/featured"} {
		if before, ok := strings.CutSuffix(address, end); ok {
			community, part = before, end
		}
	}
	c := s.groups[community]
	if c != nil && c.name != "" {
		collection := object{"@context": contexts(), "id": address, "type": "OrderedCollection"}
		switch part {
		case "/moderators":
			collection["orderedItems"], collection["totalItems"] = c.moderators, len(c.moderators)
			return mustJSON(collection)
		case "/featured":
			collection["orderedItems"], collection["totalItems"] = append([]string{}, c.featured...), len(c.featured)
			return mustJSON(collection)
		case "/followers": // their number alone
			return mustJSON(object{"@context": contexts(), "id": address, "type": "Collection", "totalItems": len(c.followers), "items": []string{}})
		}
		doc := actor("Group", c.name)
		doc["followers"], doc["attributedTo"], doc["featured"] = address+"/followers", address+"/moderators", address+"/featured"
		doc["postingRestrictedToMods"] = c.restricted
		return mustJSON(doc)
	}
	if p := s.posts[address]; p != nil && sameHost(address, s.Origin) {
		if p.Deleted || p.Removed {
			return mustJSON(object{"@context": contexts(), "id": address, "type": "Tombstone"})
		}
		return mustJSON(p.doc)
	}
	return nil
}

// webFinger lists the person and the community of a name, which may be both.
func (s *Server) webFinger(resource string) []byte {
	name, host, ok := strings.Cut(strings.TrimPrefix(resource, "acct:"), "@")
	if !ok || host != s.host {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var links []object
	add := func(id, typ string) {
		links = append(links, object{
			"rel": "self", "type": activityType, "href": id, "properties": object{"https://www.w3.org/ns/activitystreams#type": typ},
		})
	}
	if p := s.persons[s.Origin+"/u/"+name]; p != nil {
		add(p.id, "Person")
	}
	if c := s.groups[s.Origin+"/c/"+name]; c != nil {
		add(c.id, "Group")
	}
	if links == nil {
		return nil
	}
	return mustJSON(object{"subject": resource, "links": links})
}
