package inboxtest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/signature"
	"github.com/fedihook/fedihook/signature/ldsig"
)

// maxBody bounds what a Server takes in, as most do.
const maxBody = 1 << 20

// exchange is a request on its way through a Server.
type exchange struct {
	Request
	w        http.ResponseWriter
	r        *http.Request
	mood     mood
	body     []byte
	verified signature.Verified
	unsigned error // why nobody signed it
}

// ServeHTTP answers as a server of the fediverse does, or as the test wants it to.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{w: w, r: r, mood: s.feels(), Request: Request{Method: r.Method, URL: s.Origin() + r.URL.RequestURI()}}
	var err error
	if x.body, err = io.ReadAll(io.LimitReader(r.Body, maxBody+1)); err != nil {
		panic(http.ErrAbortHandler)
	}
	var answer []byte
	if x.Why, x.Status = x.mood.upset(w, r); x.Status == 0 && !x.mood.hang {
		answer = s.answer(x)
	}
	s.mu.Lock()
	s.requests = append(s.requests, x.Request)
	s.mu.Unlock()
	if x.Status == 0 {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(x.Status)
	x.mood.write(w, r, answer)
}

// refuse answers with a status and says why to the test.
func (x *exchange) refuse(status int, why string) []byte {
	if x.mood.hide && (status == http.StatusUnauthorized || status == http.StatusForbidden) {
		status = http.StatusNotFound
	} else if status == http.StatusUnauthorized {
		signature.Challenge(x.w.Header(), x.r.Method)
	}
	x.Status, x.Why = status, why
	return []byte(http.StatusText(status))
}

func (x *exchange) ok(contentType string, body []byte) []byte {
	x.w.Header().Set("Content-Type", contentType)
	x.Status = http.StatusOK
	return body
}

func (s *Server) answer(x *exchange) []byte {
	post := x.r.Method == http.MethodPost
	if !post && x.r.Method != http.MethodGet && x.r.Method != http.MethodHead {
		return x.refuse(http.StatusMethodNotAllowed, "method "+x.r.Method)
	}
	if !post {
		if body, ok := s.wellKnown(x); ok {
			return body
		}
	}
	if len(x.body) > maxBody {
		return x.refuse(http.StatusRequestEntityTooLarge, "more than 1 MiB")
	}
	hasSignature := x.r.Header.Get("Signature") != ""
	switch {
	case hasSignature && x.mood.refuse:
		return x.refuse(http.StatusUnauthorized, "signatures are refused")
	case hasSignature && x.mood.rfc9421 && x.r.Header.Get("Signature-Input") == "",
		hasSignature && x.mood.threads && x.r.Header.Get("Signature-Input") != "": // activitypub-bot issue 179 (2026-05)
		return x.refuse(http.StatusUnauthorized, "signed in the wrong scheme")
	}
	x.unsigned = errors.New("no signature")
	// Who signed is looked at only where it counts: to find a key both sides may have to ask each other.
	if hasSignature && (post || x.URL != s.instance.id && (x.mood.signed || s.isPrivate(x.URL))) {
		s.verify(x)
	}
	if post {
		return s.receive(x)
	}
	return s.serve(x, x.URL)
}

func (s *Server) isPrivate(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.docs[id].readers != nil
}

func (s *Server) verify(x *exchange) {
	verified, err := s.verifier.Verify(x.r, x.body)
	if x.unsigned = err; err == nil {
		x.verified, x.Signer, x.Scheme = verified, verified.Owner, verified.Scheme
	}
}

// serve shows a document, an actor or a collection.
func (s *Server) serve(x *exchange, id string) []byte {
	if x.mood.signed && x.unsigned != nil && id != s.instance.id {
		return x.refuse(http.StatusUnauthorized, x.unsigned.Error())
	}
	body, gone := s.find(id, x.Signer)
	switch {
	case body == nil:
		return x.refuse(http.StatusNotFound, "there is no such thing for "+x.Signer)
	case gone && x.mood.hide:
		return x.refuse(http.StatusNotFound, "it is gone")
	}
	body = x.ok(activity.ContentType, x.mood.spoil(id, body))
	if gone {
		x.Status = http.StatusGone
	}
	return body
}

// find looks for what has an id and may be read by an actor.
func (s *Server) find(id, reader string) (body []byte, gone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d, ok := s.docs[id]; ok {
		if d.readers != nil && (reader == "" || !d.readers(reader)) {
			return nil, false
		}
		return d.body, d.gone
	}
	if id == s.instance.id {
		return encoded(&s.instance.doc), false
	}
	name, rest, _ := strings.Cut(strings.TrimPrefix(id, s.Origin()+"/users/"), "/")
	a := s.actors[name]
	switch {
	case a == nil || !strings.HasPrefix(id, a.id):
		return nil, false
	case a.gone:
		return encoded(activity.Tombstone(a.id, "", a.doc.Updated)), true
	case rest == "":
		return encoded(&a.doc), false
	}
	var items []string
	switch rest {
	case "outbox":
		items = a.outbox
	case "followers":
		items = sorted(a.followers)
	case "following":
		items = sorted(a.following)
	case "featured":
		items = a.featured
	default:
		return nil, false
	}
	total := int64(len(items))
	return encoded(&activity.Collection{
		ID: id, Type: activity.Types{activity.TypeOrderedCollection}, TotalItems: &total, OrderedItems: activity.List(activity.To(items...)),
	}), false
}

// encoded writes what this package made or the test was told about when it could not be written.
func encoded(doc activity.Document) []byte {
	body, err := activity.Encode(doc)
	if err != nil {
		return jsonOf(map[string]string{"error": err.Error()})
	}
	return body
}

// wellKnown answers WebFinger (RFC 7033 §4) and NodeInfo, which nobody has to sign for.
func (s *Server) wellKnown(x *exchange) (body []byte, ok bool) {
	type object = map[string]any
	switch x.r.URL.Path {
	case "/.well-known/webfinger":
		s.mu.Lock()
		defer s.mu.Unlock()
		resource := x.r.URL.Query().Get("resource")
		for _, a := range s.actors {
			acct := "acct:" + a.name + "@" + s.host
			if a.gone || resource != a.id && !strings.EqualFold(resource, acct) {
				continue
			}
			return x.ok("application/jrd+json", jsonOf(object{
				"subject": acct, "aliases": []string{a.id},
				"links": []object{{"rel": "self", "type": activity.ContentType, "href": a.id}},
			})), true
		}
		return x.refuse(http.StatusNotFound, "nobody of that name"), true
	case "/.well-known/nodeinfo":
		return x.ok("application/json", jsonOf(object{"links": []object{
			{"rel": "http://nodeinfo.diaspora.software/ns/schema/2.1", "href": s.Origin() + "/nodeinfo/2.1"},
		}})), true
	case "/nodeinfo/2.1":
		s.mu.Lock()
		defer s.mu.Unlock()
		return x.ok("application/json", jsonOf(object{
			"version": "2.1", "software": object{"name": "inboxtest", "version": "1.0"}, "protocols": []string{"activitypub"},
			"services": object{"inbound": []string{}, "outbound": []string{}}, "openRegistrations": false,
			"usage": object{"users": object{"total": len(s.actors)}}, "metadata": object{},
		})), true
	}
	return nil, false
}

// receive takes in what is posted to an inbox.
func (s *Server) receive(x *exchange) []byte {
	owner, isInbox := strings.CutSuffix(x.URL, "/inbox")
	s.mu.Lock()
	known := owner == s.Origin() || owner == s.instance.id
	for _, a := range s.actors {
		known = known || owner == a.id && !a.gone
	}
	s.mu.Unlock()
	if !isInbox || !known {
		return x.refuse(http.StatusNotFound, "no such inbox")
	}
	if x.unsigned != nil {
		status := http.StatusUnauthorized
		if refused := (*signature.Error)(nil); errors.As(x.unsigned, &refused) {
			status = refused.Status
		}
		return x.refuse(status, x.unsigned.Error())
	}
	doc, err := activity.Decode(x.body)
	act, ok := doc.(*activity.Activity)
	if err != nil || !ok {
		return x.refuse(http.StatusBadRequest, "no activity")
	}
	if err := x.verified.SignedBy(act.Actor.ID); err != nil && !s.provedBy(x.r.Context(), x.body, act.Actor.ID) {
		return x.refuse(http.StatusUnauthorized, err.Error())
	}
	if x.mood.threads {
		if why := unreadable(act); why != "" {
			return x.refuse(http.StatusInternalServerError, why)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.received = append(s.received, Delivery{Activity: act, Body: x.body, Inbox: x.URL, Header: x.r.Header, Signed: x.verified})
	s.effect(act)
	x.Status = http.StatusAccepted
	return nil
}

// provedBy tells whether what another one brought carries an actor's proof (FEP-8b32) or LD signature over all of it.
func (s *Server) provedBy(ctx context.Context, body []byte, actorID string) bool {
	keys := (*keySource)(s)
	proved, err := (&signature.ProofVerifier{Key: keys.PublicKey}).Verify(ctx, body)
	if err == nil {
		return proved.Owner == actorID
	}
	signed, err := (&ldsig.Verifier{Keys: keys}).Verify(ctx, body)
	return err == nil && signed.Verified && signed.Owner == actorID
}

// effect keeps account of who follows whom. The caller holds the lock.
func (s *Server) effect(act *activity.Activity) {
	var inner *activity.Activity
	if len(act.Object) > 0 && act.Object[0].Raw != nil {
		if doc, err := act.Object[0].Document(); err == nil {
			inner, _ = doc.(*activity.Activity)
		}
	}
	for _, a := range s.actors {
		switch {
		case act.Is(activity.TypeUndo) && inner != nil && inner.Is(activity.TypeFollow) && inner.Object.First() == a.id,
			act.Is(activity.TypeDelete) && act.Object.First() == act.Actor.ID:
			delete(a.followers, act.Actor.ID)
		case act.Is(activity.TypeBlock) && act.Object.First() == a.id:
			delete(a.followers, act.Actor.ID)
			delete(a.following, act.Actor.ID)
		case act.Is(activity.TypeAccept) && a.asked(act, inner):
			a.following[act.Actor.ID] = true
		case act.Is(activity.TypeReject) && a.asked(act, inner):
			delete(a.following, act.Actor.ID)
		}
	}
}

// asked tells whether act answers a Follow of a's, by its id.
func (a *account) asked(act, inner *activity.Activity) bool {
	said := a.said["Follow "+act.Actor.ID]
	return said != nil && (act.Object.First() == said.ID || inner != nil && inner.Is(activity.TypeFollow) && inner.Actor.ID == a.id)
}

// keySource finds the keys of those who sign to a Server.
type keySource Server

// PublicKey implements signature.KeySource.
func (k *keySource) PublicKey(ctx context.Context, keyID string) (signature.PublicKey, error) {
	k.mu.Lock()
	key, ok := k.keys[keyID]
	k.mu.Unlock()
	if ok {
		return key, nil
	}
	return k.RefreshKey(ctx, keyID)
}

// RefreshKey implements signature.KeyRefresher.
func (k *keySource) RefreshKey(ctx context.Context, keyID string) (signature.PublicKey, error) {
	s := (*Server)(k)
	id, _, _ := strings.Cut(keyID, "#")
	body, err := s.get(ctx, s.instance.account, id)
	if errors.Is(err, errGone) {
		return signature.PublicKey{}, errors.Join(signature.ErrKeyGone, err)
	} else if err != nil {
		return signature.PublicKey{}, err
	}
	key, err := readKey(body, keyID)
	if err != nil {
		return key, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[keyID] = key
	return key, nil
}

// readKey finds a key in the document of the actor that owns it.
func readKey(body []byte, keyID string) (signature.PublicKey, error) {
	doc, err := activity.Decode(body)
	who, ok := doc.(*activity.Actor)
	if err != nil || !ok || !signature.SameOrigin(who.ID, keyID) {
		return signature.PublicKey{}, errors.Join(signature.ErrNoKey, err)
	}
	for _, listed := range who.Keys() {
		if listed.ID == keyID && listed.Owner == who.ID && listed.PEM != "" {
			key, err := signature.ParsePublicKey(listed.PEM)
			return signature.PublicKey{ID: keyID, Owner: who.ID, Key: key}, err
		}
	}
	return signature.AssertionKey(body, keyID)
}
