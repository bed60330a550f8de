package lemmylike

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// peer is an actor of another server.
type peer struct {
	id, typ, inbox, moderators, featured, keyID string
	key                                         *rsa.PublicKey
}

func (s *Server) makeKey() (err error) {
	if s.Key == nil {
		if s.Key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			return err
		}
	}
	der, err := x509.MarshalPKIXPublicKey(&s.Key.PublicKey)
	s.pem = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	return err
}

// budget bounds what one activity makes the server fetch.
type budget struct{ left int }

// fetch gets a document by its id, which must be its address.
func (s *Server) fetch(ctx context.Context, b *budget, address string) (object, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for hop := range 2 {
		if b.left--; b.left < 0 {
			return nil, refusal("too_many_fetches")
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return nil, err
		}
		r.Header.Set("Accept", `application/ld+json; profile="https://www.w3.org/ns/activitystreams", application/activity+json`)
		if err := sign(r, nil, s.Origin+"/#main-key", s.Key, s.Now()); err != nil {
			return nil, err
		}
		resp, err := s.Transport.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
		resp.Body.Close()
		switch {
		case err != nil:
			return nil, err
		case resp.StatusCode == http.StatusGone:
			return nil, refusal("object_deleted")
		case resp.StatusCode/100 == 3 && hop == 0:
			address = resp.Header.Get("Location")
			continue
		case resp.StatusCode != http.StatusOK:
			return nil, fmt.Errorf("GET %s: %d", address, resp.StatusCode)
		case len(body) > maxBody:
			return nil, refusal("response_body_limit")
		case !slices.Contains(contentTypes, strings.ToLower(resp.Header.Get("Content-Type"))):
			return nil, fmt.Errorf("GET %s: content type %q", address, resp.Header.Get("Content-Type"))
		}
		var doc object
		if err := json.Unmarshal(body, &doc); err != nil {
			return nil, err
		}
		if text(doc, "id") != address {
			return nil, refusal("fetch_wrong_id")
		}
		return doc, nil
	}
	return nil, refusal("too_many_redirects")
}

// meet finds an actor of another server, from memory unless it is to be fresh.
func (s *Server) meet(ctx context.Context, b *budget, actorID string, fresh bool) (peer, error) {
	s.mu.Lock()
	p, ok := s.peers[actorID]
	s.mu.Unlock()
	if ok && !fresh {
		return p, nil
	}
	doc, err := s.fetch(ctx, b, actorID)
	if err != nil {
		return peer{}, err
	}
	key, _ := doc["publicKey"].(object)
	p = peer{
		id: actorID, typ: text(doc, "type"), inbox: text(doc, "inbox"), moderators: id(doc, "attributedTo"), featured: text(doc, "featured"),
		keyID: text(key, "id"),
	}
	if endpoints, ok := doc["endpoints"].(object); ok && text(endpoints, "sharedInbox") != "" {
		p.inbox = text(endpoints, "sharedInbox")
	}
	block, _ := pem.Decode([]byte(text(key, "publicKeyPem")))
	if block == nil || text(key, "owner") != actorID || text(doc, "preferredUsername") == "" || p.inbox == "" {
		return peer{}, fmt.Errorf("%s is no actor with a key", actorID)
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return peer{}, err
	}
	if p.key, ok = parsed.(*rsa.PublicKey); !ok {
		return peer{}, fmt.Errorf("the key of %s is %T", actorID, parsed)
	}
	s.mu.Lock()
	s.peers[actorID] = p
	s.mu.Unlock()
	return p, nil
}

// verify finds out who signed r: the actor whose key's id, cut at the fragment, is its own.
func (s *Server) verify(r *http.Request, b *budget, body []byte) (actorID string, err error) {
	p, err := parse(r.Header.Get("Signature"))
	if err != nil {
		return "", err
	}
	if err := checkDigest(r.Header.Get("Digest"), body); err != nil {
		return "", err
	}
	actorID, _, _ = strings.Cut(p.keyID, "#")
	for _, fresh := range []bool{false, true} {
		var who peer
		if who, err = s.meet(r.Context(), b, actorID, fresh); err != nil {
			return "", err
		}
		if err = p.check(r, who.key, s.Now()); err == nil {
			return actorID, nil
		}
	}
	return "", err
}

// find looks up @person@host or !community@host, and returns the actor's id.
func (s *Server) find(ctx context.Context, b *budget, handle string) (string, error) {
	name, host, ok := strings.Cut(strings.TrimLeft(handle, "@!"), "@")
	if !ok {
		return "", fmt.Errorf("lemmylike: %q is no handle", handle)
	}
	scheme, _, _ := strings.Cut(s.Origin, "://")
	address := scheme + "://" + host + "/.well-known/webfinger?resource=" + url.QueryEscape("acct:"+name+"@"+host)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	resp, err := s.Transport.RoundTrip(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var jrd object
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxBody)).Decode(&jrd); err != nil {
		return "", err
	}
	links, _ := jrd["links"].([]any)
	for _, link := range links {
		l, _ := link.(object)
		if text(l, "rel") != "self" || text(l, "type") != activityType {
			continue
		}
		if p, err := s.meet(ctx, b, text(l, "href"), false); err == nil && (handle[0] == '!') == (p.typ == "Group") {
			return p.id, nil
		}
	}
	return "", refusal("couldnt_find_community")
}

// parcel is an activity on its way to one inbox.
type parcel struct {
	from, inbox string
	body        []byte
}

// Delivery is what came of a parcel. There is no second attempt.
type Delivery struct {
	Inbox, Body string
	Status      int // 0 if no answer came
	Err         error
}

// Deliver sends what was done, in its order, and returns when all of it was answered.
func (s *Server) Deliver(ctx context.Context) (out []Delivery) {
	s.mu.Lock()
	parcels := s.waiting
	s.waiting = nil
	s.mu.Unlock()
	for _, p := range parcels {
		d := Delivery{Inbox: p.inbox, Body: string(p.body)}
		d.Status, d.Err = s.send(ctx, p)
		out = append(out, d)
	}
	return out
}

func (s *Server) send(ctx context.Context, p parcel) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.inbox, bytes.NewReader(p.body))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", activityType)
	if err := sign(r, p.body, p.from+"#main-key", s.Key, s.Now()); err != nil {
		return 0, err
	}
	resp, err := s.Transport.RoundTrip(r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // so that the connection can be used again
	return resp.StatusCode, nil
}

// post puts bytes before inboxes, each once. The caller holds the lock.
func (s *Server) post(from string, body []byte, inboxes ...string) {
	slices.Sort(inboxes)
	for _, inbox := range slices.Compact(inboxes) {
		s.waiting = append(s.waiting, parcel{from, inbox, body})
	}
}
