package inboxtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/signature"
)

// Server is another server of the fediverse: it has actors, who are found by WebFinger and signed for with keys of their own,
// serves what they said to whom it is for, verifies what it is sent, and keeps it for the test to look at. It does nothing by
// itself: it answers a Follow when the test calls [Actor.Accept]. Its methods may be called by many goroutines at once, but
// those that end a test, of which each says so, by the test's alone.
type Server struct {
	n        *Net
	host     string
	client   *http.Client
	verifier *signature.Verifier
	instance *Actor

	mu       sync.Mutex
	number   int
	actors   map[string]*account // by name
	docs     map[string]document // by id
	mood     mood
	requests []Request
	received []Delivery
	waited   int             // of received
	known    map[string]peer // by actor id
	keys     map[string]signature.PublicKey
	holding  bool
	held     []parcel
}

// document is what is served under an id.
type document struct {
	body    []byte
	gone    bool
	readers func(actorID string) bool // nil: everyone
}

// Server returns the server of this name, and makes it if there is none yet.
func (n *Net) Server(name string) *Server {
	n.helper()
	name = strings.ToLower(name)
	n.mu.Lock()
	s, number := n.servers[name], len(n.servers)+1
	n.mu.Unlock()
	if s != nil {
		return s
	}
	s = &Server{
		n: n, host: name, actors: map[string]*account{}, docs: map[string]document{}, known: map[string]peer{},
		keys:   map[string]signature.PublicKey{},
		client: n.client(endpoint(fmt.Sprintf("[2001:db8:%x::1]:50000", number))), // limits count by /64
	}
	s.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s.verifier = &signature.Verifier{Keys: (*keySource)(s), Authorities: []string{name}}
	s.instance = s.add("", s.Origin()+"/actor", activity.TypeApplication)
	n.mu.Lock()
	if other := n.servers[name]; other != nil {
		n.mu.Unlock()
		return other
	}
	n.servers[name] = s
	n.mu.Unlock()
	n.Serve(name, s)
	return s
}

// Origin is "https://" and the server's name.
func (s *Server) Origin() string { return "https://" + s.host }

// Actor returns the actor @name@host, whose id is Origin/users/name, and makes a Person of it if there is none yet. It ends the
// test if it cannot.
func (s *Server) Actor(name string) *Actor {
	s.n.helper()
	s.mu.Lock()
	a := s.actors[name]
	s.mu.Unlock()
	if a == nil {
		return s.add(name, s.Origin()+"/users/"+name, activity.TypePerson)
	}
	return &Actor{account: a}
}

func (s *Server) add(name, id, typ string) *Actor {
	s.n.helper()
	a := &account{s: s, name: name, id: id, followers: map[string]bool{}, following: map[string]bool{}, said: map[string]*activity.Activity{}}
	a.doc = activity.Actor{
		ID: id, Type: activity.Types{typ}, PreferredUsername: name, Name: name, URL: activity.Refs{activity.IRI(id)},
		Inbox: activity.IRI(id + "/inbox"), Outbox: activity.IRI(id + "/outbox"),
		Followers: activity.IRI(id + "/followers"), Following: activity.IRI(id + "/following"),
		Featured: activity.IRI(id + "/featured"), Endpoints: activity.Endpoints(s.Origin() + "/inbox"),
	}
	if name == "" {
		a.doc.PreferredUsername = s.host
	}
	if err := a.setKey(s.n.rsaKey()); err != nil {
		s.n.fatalf("inboxtest: keys of %s: %v", id, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if other := s.actors[name]; other != nil {
		return &Actor{account: other}
	}
	if name != "" {
		s.actors[name] = a
	}
	return &Actor{account: a}
}

// Put serves doc under its id to everyone, in the place of what was there.
func (s *Server) Put(doc activity.Document) {
	s.n.helper()
	s.put(doc, nil)
}

func (s *Server) put(doc activity.Document, readers func(string) bool) {
	s.n.helper()
	body, err := activity.Encode(doc)
	if err != nil {
		s.n.errorf("inboxtest: %s: %v", doc.DocumentID(), err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.docs[doc.DocumentID()] = document{body: body, readers: readers}
}

// remove answers 410, with a Tombstone, for what was served under id.
func (s *Server) remove(id string, tombstone activity.Document) {
	body, err := activity.Encode(tombstone)
	if err != nil {
		s.n.errorf("inboxtest: %s: %v", id, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.docs[id] = document{body: body, gone: true}
}

// Request is one that was made to a Server, and what came of it.
type Request struct {
	Method, URL string
	Signer      string // the actor whose signature was verified, "" if none was; of a GET it is looked at only where not everyone may read
	Scheme      signature.Scheme
	Status      int    // 0: it was not answered
	Why         string // what was wrong, for a log
}

// Requests lists what was asked of the server, the oldest first.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Delivery is an activity that was taken in: signed by its actor, in time, and whole; or brought by another one, whose signature
// Signed is then, with the actor's proof or LD signature in Body.
type Delivery struct {
	Activity *activity.Activity
	Body     []byte
	Inbox    string // the URL
	Header   http.Header
	Signed   signature.Verified
}

// Received lists the activities of a type that came, the oldest first; of all types if typ is "". Those that were answered with an
// error are in [Server.Requests] alone.
func (s *Server) Received(typ string) (out []Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.received {
		if typ == "" || d.Activity.Is(typ) {
			out = append(out, d)
		}
	}
	return out
}

// Wait waits for an activity of a type and returns it. What came before one that an earlier Wait returned is passed over, so that
// Waits read in the order of what happens. It ends the test if none comes within [Net.Patience].
func (s *Server) Wait(typ string) (found Delivery) {
	s.n.helper()
	s.n.Until("a "+typ+" for "+s.host, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		for i := s.waited; i < len(s.received); i++ {
			if s.received[i].Activity.Is(typ) {
				found, s.waited = s.received[i], i+1
				return true
			}
		}
		return false
	})
	return found
}

// next is a number that was not used before.
func (s *Server) next() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.number++
	return s.number
}

// jsonOf writes what can't fail to be written.
func jsonOf(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // of strings, numbers, maps and lists nothing fails
	}
	return raw
}
