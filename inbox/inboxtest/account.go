package inboxtest

import (
	"crypto/ed25519"
	"crypto/rsa"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/signature"
)

// account is what a server knows of one of its actors. Its fields from doc on are guarded by the server's lock.
type account struct {
	s        *Server
	name, id string

	doc                  activity.Actor
	gone                 bool
	rsa                  *rsa.PrivateKey
	ed                   ed25519.PrivateKey
	followers, following map[string]bool
	outbox, featured     []string
	said                 map[string]*activity.Activity // by type and object
	last                 *parcel
}

func (a *account) keyID() string   { return a.id + "#main-key" }
func (a *account) edKeyID() string { return a.id + "#ed25519-key" }

// setKey gives the actor a key for RSA, and its second one, Ed25519 (FEP-521a), with the first.
func (a *account) setKey(k *rsa.PrivateKey) error {
	pem, err := signature.MarshalPublicKey(k.Public())
	if err != nil {
		return err
	}
	ed := edKey(a.edKeyID())
	multibase, err := signature.MarshalMultikey(ed.Public())
	if err != nil {
		return err
	}
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	a.rsa, a.ed = k, ed
	a.doc.PublicKey = activity.Refs{activity.PublicKey{ID: a.keyID(), Owner: a.id, PEM: pem}.Ref()}
	a.doc.AssertionMethod = activity.List{activity.Ref{ID: a.edKeyID(), Raw: jsonOf(map[string]string{
		"id": a.edKeyID(), "type": "Multikey", "controller": a.id, "publicKeyMultibase": multibase,
	})}}
	return nil
}

// Actor is somebody at a [Server]. Its methods are what people do; each sends what follows from it at once and returns the HTTP
// status of the answer: 202 where it was taken, and the greatest where several inboxes had to be told. It is 0 where nobody was
// told or no answer came, of which the test's log says why, and between [Server.Hold] and [Server.Release]. What can't be said
// at all, such as a reply to what cannot be fetched, is an error of the test. It may be used by many goroutines at once.
type Actor struct {
	*account
	manner Manner
}

// ID is the actor's id.
func (a *Actor) ID() string { return a.id }

// Handle is user@host.
func (a *Actor) Handle() string { return a.name + "@" + a.s.host }

// Server is where the actor lives.
func (a *Actor) Server() *Server { return a.s }

// Document is a copy of what is served under the actor's id.
func (a *Actor) Document() *activity.Actor {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	doc := a.doc
	return &doc
}

// Edit changes what is served under the actor's id, and tells nobody. See [Actor.UpdateSelf].
func (a *Actor) Edit(change func(*activity.Actor)) {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	doc := a.doc
	change(&doc)
	a.doc = doc
}

// Alias says that the actor is also known by these ids, and by no others. Nobody is told. A Move from one of them needs it.
func (a *Actor) Alias(ids ...string) {
	a.Edit(func(doc *activity.Actor) { doc.AlsoKnownAs = activity.List(activity.To(ids...)) })
}

// RotateKey makes a new key take the place of the actor's. Nobody is told.
func (a *Actor) RotateKey() {
	a.s.n.helper()
	if err := a.setKey(a.s.n.rsaKey()); err != nil {
		a.s.n.errorf("inboxtest: a new key of %s: %v", a.id, err)
	}
}

// Followers lists the ids of those whom the actor has accepted.
func (a *Actor) Followers() (ids []string) {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	return sorted(a.followers)
}

// Following lists the ids of those who have accepted the actor.
func (a *Actor) Following() []string {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	return sorted(a.following)
}
