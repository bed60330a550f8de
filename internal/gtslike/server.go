// Package gtslike is a double of GoToSocial as far as interaction policies go: who may like, answer and share a post, how leave
// is asked for, and how it is proved.
//
// Make a [Server] with [New], serve it over HTTPS under its Origin, and have its one user, zork, post and interact. It
// verifies the signature of every request, also of a GET, as GoToSocial does (seen 0.20 and its main branch of October 2025).
//
// It imports the standard library alone, so that it can disagree with what it tests. It is no server for anybody to use: it
// keeps everything in memory, and knows nothing of followers, timelines and media.
package gtslike

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Public is everyone.
const Public = "https://www.w3.org/ns/activitystreams#Public"

// ErrForbidden: the policy of the post does not allow it, or its author said no.
var ErrForbidden = errors.New("gtslike: not permitted by the post's interaction policy")

type object = map[string]any

// Config says which GoToSocial this is.
type Config struct {
	Origin string // "https://gts.example"
	// Client reaches the other servers. Required.
	Client *http.Client
	// Old makes it 0.19: policies in the words of that time, nobody asks before interacting, and leave is an Approval.
	Old bool
	// Key signs. Nil: a new one of 2048 bits.
	Key *rsa.PrivateKey
}

// Server is one instance with one user. Its methods may be called by many goroutines at once.
type Server struct {
	c Config

	mu       sync.Mutex
	number   int
	docs     map[string]object // what is served, by path
	pending  map[string]*Interaction
	done     []Interaction // with posts here, permitted
	waiting  map[string]*Interaction
	received []object
	keys     map[string]publicKey // by id
}

type publicKey struct {
	*rsa.PublicKey
	owner string
}

// Interaction is a like, a reply or an announce.
type Interaction struct {
	Kind     string // Like, Reply, Announce
	ID       string // of the activity, or of the reply
	Actor    string
	Target   string
	Request  string // by which it was asked for politely; "" if it was just done
	Approval string // the document that proves leave
	Rejected bool
	activity object
}

// New makes a Server.
func New(c Config) (*Server, error) {
	if c.Client == nil || c.Origin == "" {
		return nil, errors.New("gtslike: Config.Client and Config.Origin are required")
	}
	if c.Key == nil {
		var err error
		if c.Key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			return nil, err
		}
	}
	return &Server{
		c: c, docs: map[string]object{}, pending: map[string]*Interaction{}, waiting: map[string]*Interaction{}, keys: map[string]publicKey{},
	}, nil
}

// ID is zork's.
func (s *Server) ID() string { return s.c.Origin + "/users/zork" }

func (s *Server) keyID() string { return s.ID() + "/main-key" }

func (s *Server) newID(what string) string {
	s.number++
	return fmt.Sprintf("%s/%s/%06d", s.ID(), what, s.number)
}

// Received lists the activities of a type that came in, oldest first.
func (s *Server) Received(typ string) (list []object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.received {
		if a["type"] == typ {
			list = append(list, a)
		}
	}
	return list
}

// ServeHTTP serves WebFinger, the key, and to who signs all else; and takes in what is posted.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	switch {
	case r.URL.Path == "/.well-known/webfinger":
		reply(w, "application/jrd+json", object{
			"subject": "acct:zork@" + strings.TrimPrefix(s.c.Origin, "https://"),
			"links":   []any{object{"rel": "self", "type": "application/activity+json", "href": s.ID()}},
		})
		return
	case r.URL.Path == path(s.keyID()): // a stub that anybody may have
		reply(w, activityJSON, s.stub())
		return
	}
	signer, err := s.verify(r, body)
	if err != nil {
		http.Error(w, `{"error":"Unauthorized: http request wasn't signed or http signature was invalid: `+err.Error()+`"}`, http.StatusUnauthorized)
		return
	}
	if r.Method == http.MethodPost {
		s.receive(w, r, signer, body)
		return
	}
	s.mu.Lock()
	doc := s.docs[r.URL.Path]
	s.mu.Unlock()
	if r.URL.Path == path(s.ID()) {
		doc = s.actor()
	}
	if doc == nil {
		http.Error(w, `{"error":"Not Found"}`, http.StatusNotFound)
		return
	}
	reply(w, activityJSON, doc)
}

const activityJSON = "application/activity+json"

func reply(w http.ResponseWriter, contentType string, doc object) {
	w.Header().Set("Content-Type", contentType)
	_ = json.NewEncoder(w).Encode(doc)
}

func path(id string) string {
	u, err := url.Parse(id)
	if err != nil {
		return ""
	}
	return u.Path
}

// stub is what a key's URL leads to: not a whole actor.
func (s *Server) stub() object {
	der, err := x509.MarshalPKIXPublicKey(&s.c.Key.PublicKey)
	if err != nil {
		panic(err) // it is an RSA key
	}
	return object{
		"@context": []any{"https://www.w3.org/ns/activitystreams", "https://w3id.org/security/v1"},
		"id":       s.ID(), "type": "Person", "preferredUsername": "zork",
		"publicKey": object{
			"id": s.keyID(), "owner": s.ID(), "publicKeyPem": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
		},
	}
}

func (s *Server) actor() object {
	a := s.stub()
	maps.Copy(a, object{
		"inbox": s.ID() + "/inbox", "outbox": s.ID() + "/outbox", "followers": s.ID() + "/followers", "following": s.ID() + "/following",
		"url": s.c.Origin + "/@zork", "name": "zork", "discoverable": true, "manuallyApprovesFollowers": false, "tag": []any{},
	})
	return a
}

// Fetch gets a document of another server, signed by zork.
func (s *Server) Fetch(ctx context.Context, id string) (object, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, id, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", `application/activity+json,application/ld+json;profile="https://www.w3.org/ns/activitystreams"`)
	resp, err := s.do(r, nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("gtslike: %s answered %d", id, resp.StatusCode)
	}
	var doc object
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&doc); err != nil {
		return nil, err
	}
	if doc["id"] != id {
		return nil, fmt.Errorf("gtslike: %s says it is %v", id, doc["id"])
	}
	return doc, nil
}

// post delivers an activity to an actor's own inbox.
func (s *Server) post(ctx context.Context, actor string, a object) error {
	who, err := s.Fetch(ctx, actor)
	if err != nil {
		return err
	}
	a["@context"] = []any{"https://www.w3.org/ns/activitystreams", "https://gotosocial.org/ns"}
	body, err := json.Marshal(a)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, text(who, "inbox"), bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", activityJSON)
	resp, err := s.do(r, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted && resp.StatusCode != http.StatusOK {
		return fmt.Errorf("gtslike: %s answered %d to %v", r.URL, resp.StatusCode, a["type"])
	}
	return nil
}

func (s *Server) do(r *http.Request, body []byte) (*http.Response, error) {
	r.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	if err := sign(r, body, s.keyID(), s.c.Key); err != nil {
		return nil, err
	}
	return s.c.Client.Do(r)
}

// text is the string, or the id of the object, that stands under a name.
func text(o object, name string) string {
	switch v := o[name].(type) {
	case string:
		return v
	case object:
		id, _ := v["id"].(string)
		return id
	}
	return ""
}

// list is what stands under a name, one or many.
func list(o object, name string) (ids []string) {
	switch v := o[name].(type) {
	case string:
		return []string{v}
	case []string: // made here
		return v
	case []any:
		for _, one := range v {
			if id, ok := one.(string); ok {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

func host(id string) string {
	u, err := url.Parse(id)
	if err != nil {
		return ""
	}
	return u.Host
}

func has(o object, name, id string) bool { return slices.Contains(list(o, name), id) }
