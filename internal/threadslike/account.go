package threadslike

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Why a user can't do something.
var (
	// ErrNotSharing: the profile is not shared to the fediverse, so nothing there can be reached from it.
	ErrNotSharing = errors.New("threadslike: the profile is not shared")
	// ErrNotYet: "You can't reply to posts from other servers yet", nor share them (Matters log, 2026-06).
	ErrNotYet = errors.New("threadslike: not possible for posts of other servers yet")
	// ErrUnknown: there is no such thing, or not any more.
	ErrUnknown = errors.New("threadslike: unknown")
)

// User says who somebody at Threads is. Only who shares, is of age and not private exists for other servers; where sharing
// is not on offer, as in the EU at first, nobody does. All others are 404, as if they did not exist (help page of 2024-03).
type User struct {
	Handle  string
	Name    string
	Bio     string
	Sharing bool // opted in
	Private bool
	Minor   bool // under 18
	// Old gives the id the form of December 2023: at www., and with the handle in place of a number.
	Old bool
	// Key signs. Nil means a new RSA key of 2048 bits.
	Key *rsa.PrivateKey
}

// Account is a user of the Server. Its methods do what the app lets people do; [Server.Deliver] sends what follows from it.
type Account struct {
	s   *Server
	id  string
	key *rsa.PrivateKey
	pem string

	// guarded by Server.mu
	user      User
	followers map[string]*peer  // by actor id
	following map[string]string // actor id → id of the Follow; a "?" before it: not answered yet
	done      map[string]deed   // what can be undone, by type and object
}

// deed is an activity and who was told.
type deed struct {
	activity object
	to       []*peer
}

// AddUser makes an account.
func (s *Server) AddUser(u User) (*Account, error) {
	if u.Handle == "" || strings.ContainsAny(u.Handle, "/@ ") {
		return nil, fmt.Errorf("threadslike: handle %q", u.Handle)
	}
	if u.Key == nil {
		var err error
		if u.Key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			return nil, err
		}
	}
	der, err := x509.MarshalPKIXPublicKey(&u.Key.PublicKey)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a := &Account{
		s: s, key: u.Key, user: u, pem: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
		followers: map[string]*peer{}, following: map[string]string{}, done: map[string]deed{},
	}
	if u.Old {
		a.id = s.scheme + "://www." + s.host + "/ap/users/" + u.Handle + "/"
	} else {
		a.id = s.Origin + "/ap/users/" + strconv.Itoa(17841400000000001+len(s.accounts)) + "/"
	}
	s.accounts = append(s.accounts, a)
	return a, nil
}

// ID is the actor's id. It ends in a slash.
func (a *Account) ID() string { return a.id }

// KeyID is the id of its key: a fragment behind that slash.
func (a *Account) KeyID() string { return a.id + "#main-key" }

// Handle is @user@host. The host is threads.net although people see threads.com.
func (a *Account) Handle() string { return "@" + a.user.Handle + "@" + a.s.host }

// Share opts in or out. Who opts out is 404 from now on, and nobody is told.
func (a *Account) Share(sharing bool) {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	a.user.Sharing = sharing
}

// Rename changes the name that people see, and tells the followers.
func (a *Account) Rename(name string) error {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	if !a.exists() {
		return ErrNotSharing
	}
	a.user.Name = name
	a.s.tell(a, a.followerList(), object{
		"@context": context1(), "id": a.id + "#updates/" + a.s.next(), "type": "Update", "actor": a.id,
		"to": []string{public}, "object": a.document(),
	})
	return nil
}

// Followers lists who follows from other servers.
func (a *Account) Followers() (ids []string) {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	for id := range a.followers {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// Following tells whether a follow of this actor was accepted. Pending is one without an answer.
func (a *Account) Following(id string) (accepted, pending bool) {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	follow, ok := a.following[id]
	return ok && follow[0] != '?', ok && follow[0] == '?'
}

// Follow asks to follow whom the search finds by @user@host, and returns the actor's id. Since 2024-12.
func (a *Account) Follow(ctx context.Context, handle string) (id string, err error) {
	if !a.sharing() {
		return "", ErrNotSharing
	}
	p, err := a.s.find(ctx, handle)
	if err != nil {
		return "", err
	}
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	follow := a.activity("Follow", p.id)
	a.following[p.id] = "?" + text(follow, "id")
	a.do(follow, []*peer{p})
	return p.id, nil
}

// Like likes a post of another server. The id of the Like is a fragment of the actor's (Matters log, 2026-06).
func (a *Account) Like(ctx context.Context, objectID string) error {
	return a.react(ctx, "Like", objectID)
}

// Repost shares a post with the followers: one of Threads, or with Config.Remote one of another server.
func (a *Account) Repost(ctx context.Context, objectID string) error {
	return a.react(ctx, "Announce", objectID)
}

// Undo takes back a Follow, Like or Announce of this actor or object.
func (a *Account) Undo(typ, objectID string) error {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	did, ok := a.done[typ+" "+objectID]
	if !ok {
		return fmt.Errorf("%w: %s of %s", ErrUnknown, typ, objectID)
	}
	delete(a.done, typ+" "+objectID)
	if typ == "Follow" {
		delete(a.following, objectID)
	}
	inner := maps.Clone(did.activity)
	delete(inner, "@context")
	undo := object{
		"@context": context1(), "id": a.id + "#undo/" + a.s.next(), "type": "Undo", "actor": a.id, "object": inner,
	}
	if to, ok := inner["to"]; ok {
		undo["to"] = to
	}
	a.s.tell(a, did.to, undo)
	return nil
}

func (a *Account) react(ctx context.Context, typ, objectID string) error {
	if !a.sharing() {
		return ErrNotSharing
	}
	s := a.s
	s.mu.Lock()
	ours := s.post(objectID)
	s.mu.Unlock()
	var to []*peer
	if ours == nil {
		if typ == "Announce" && !s.Remote {
			return ErrNotYet
		}
		author, err := s.authorOf(ctx, objectID)
		if err != nil {
			return err
		}
		to = append(to, author)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	did := a.activity(typ, objectID)
	if typ == "Announce" {
		did["published"] = stamp(s.Now())
		did["to"], did["cc"] = []string{public}, []string{a.id + "followers/"}
		to = append(to, a.followerList()...)
	}
	a.do(did, to)
	return nil
}

// authorOf fetches a post of another server and then who wrote it.
func (s *Server) authorOf(ctx context.Context, objectID string) (*peer, error) {
	doc, err := s.fetch(ctx, objectID)
	if err != nil {
		return nil, err
	}
	return s.fetchActor(ctx, reference(doc, "attributedTo"))
}

// activity makes one about an object's id. The caller holds the lock.
func (a *Account) activity(typ, objectID string) object {
	names := map[string]string{"Like": "likes", "Follow": "follows", "Announce": "reposts"}
	return object{
		"@context": context1(), "id": a.id + "#" + names[typ] + "/" + a.s.next(), "type": typ, "actor": a.id, "object": objectID,
	}
}

// do tells of an activity and keeps it for an Undo. The caller holds the lock.
func (a *Account) do(did object, to []*peer) {
	a.done[text(did, "type")+" "+text(did, "object")] = deed{did, to}
	a.s.tell(a, to, did)
}

func (a *Account) sharing() bool {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	return a.exists()
}

// exists tells whether other servers may know of the account. The caller holds the lock.
func (a *Account) exists() bool { return a.user.Sharing && !a.user.Private && !a.user.Minor }

func (a *Account) followerList() (out []*peer) {
	for _, p := range a.followers {
		out = append(out, p)
	}
	slices.SortFunc(out, func(p, q *peer) int { return strings.Compare(p.id, q.id) })
	return out
}

// account finds one that exists by its id. The caller holds the lock.
func (s *Server) account(id string) *Account {
	for _, a := range s.accounts {
		if a.id == id && a.exists() {
			return a
		}
	}
	return nil
}

// anyone is whoever signs what no user in particular asks for.
func (s *Server) anyone() *Account {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.accounts {
		if a.exists() {
			return a
		}
	}
	return nil
}

// next is a number that was not used before. The caller holds the lock.
func (s *Server) next() string {
	s.number++
	return strconv.FormatInt(18000000000000000+s.number, 10)
}

// stamp writes a time as Threads does, without a colon in the offset.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05-0700") }
