package threadslike

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// object is a JSON object.
type object = map[string]any

// peer is an actor of another server.
type peer struct {
	id     string
	handle string
	inbox  string
	shared string
	keyID  string
	key    *rsa.PublicKey
}

// errStub is a document at a key's id that is not the whole actor. GoToSocial serves one, and can't follow anybody at Threads:
// its requests are answered 500 (GoToSocial issues 2491, 3471, 3682).
var errStub = errors.New("the key's id leads to less than a whole actor")

// agents are the names under which Meta fetches; a firewall that stops one of them stops Threads (Matters log, 2026-06). Which
// is used when is not known, so they take turns.
var agents = [...]string{"facebookexternalua", "facebookexternalhit/1.1", "meta-externalagent/1.1"}

func (s *Server) agent() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.agents++
	return agents[s.agents%len(agents)]
}

// keyOf returns who has this key, from memory unless it is to be fresh. Known says that it was there.
func (s *Server) keyOf(ctx context.Context, keyID string, fresh bool) (p *peer, known bool, err error) {
	s.mu.Lock()
	p = s.peers[keyID]
	s.mu.Unlock()
	if p != nil && !fresh {
		return p, true, nil
	}
	address, _, _ := strings.Cut(keyID, "#")
	p, err = s.fetchActor(ctx, address)
	if err == nil && p.keyID != keyID {
		return nil, false, fmt.Errorf("%s has the key %s, not %s", p.id, p.keyID, keyID)
	}
	return p, false, err
}

// fetchActor gets an actor, with a request that is signed in the name of a user: whoever verifies that one asks us for a key,
// which they get only by a signed request, for which we ask them for a key (Jambor, 2023-12; Fedify issue 124).
func (s *Server) fetchActor(ctx context.Context, id string) (*peer, error) {
	doc, err := s.fetch(ctx, id)
	if err != nil {
		return nil, err
	}
	key, _ := doc["publicKey"].(object)
	p := &peer{
		id: text(doc, "id"), handle: text(doc, "preferredUsername"), inbox: text(doc, "inbox"), keyID: text(key, "id"),
	}
	if endpoints, ok := doc["endpoints"].(object); ok {
		p.shared = text(endpoints, "sharedInbox")
	}
	if p.inbox == "" || p.handle == "" || text(doc, "type") == "" {
		return nil, fmt.Errorf("%w: %s", errStub, id)
	}
	if p.id != id {
		return nil, fmt.Errorf("%s calls itself %q", id, p.id)
	}
	if owner := text(key, "owner"); owner != p.id {
		return nil, fmt.Errorf("the key of %s is %q's", p.id, owner)
	}
	block, _ := pem.Decode([]byte(text(key, "publicKeyPem")))
	if block == nil || block.Type != "PUBLIC KEY" {
		return nil, fmt.Errorf("the key of %s is not PEM", p.id)
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	var ok bool
	if p.key, ok = parsed.(*rsa.PublicKey); !ok {
		return nil, fmt.Errorf("the key of %s is %T", p.id, parsed)
	}
	s.mu.Lock()
	s.peers[p.keyID] = p
	s.mu.Unlock()
	return p, nil
}

// fetch gets one document by its id. What it gets must be ActivityPub by its Content-Type, whatever the user agent
// looks like (Matters log, 2026-06).
func (s *Server) fetch(ctx context.Context, id string) (object, error) {
	doc, contentType, err := s.getJSON(ctx, id, activityType, true)
	if err != nil {
		return nil, err
	}
	if mediaType, _, err := mime.ParseMediaType(contentType); err != nil || mediaType != activityType && mediaType != "application/ld+json" {
		return nil, fmt.Errorf("%s is %q", id, contentType)
	}
	return doc, nil
}

func (s *Server) getJSON(ctx context.Context, address, accept string, signed bool) (object, string, error) {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, "", err
	}
	r.Header.Set("Accept", accept)
	r.Header.Set("User-Agent", s.agent())
	if by := s.anyone(); signed && by != nil {
		if err := (signature{by.KeyID(), by.key, s.Now(), s.DateOnly}).sign(r, nil); err != nil {
			return nil, "", err
		}
	}
	resp, err := s.Transport.RoundTrip(r)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return nil, "", err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, "", fmt.Errorf("GET %s: %d", address, resp.StatusCode)
	}
	var doc object
	if err := json.Unmarshal(body, &doc); err != nil {
		return nil, "", fmt.Errorf("GET %s: %w", address, err)
	}
	return doc, resp.Header.Get("Content-Type"), nil
}

// find looks an actor up by @user@host, in exactly that form: the search of the app takes nothing else (help page of 2025-06).
func (s *Server) find(ctx context.Context, handle string) (*peer, error) {
	user, host, ok := strings.Cut(strings.TrimPrefix(handle, "@"), "@")
	if !ok || !strings.HasPrefix(handle, "@") || user == "" || host == "" {
		return nil, fmt.Errorf("threadslike: %q is not @user@host", handle)
	}
	resource := "acct:" + user + "@" + host
	jrd, _, err := s.getJSON(ctx, s.scheme+"://"+host+"/.well-known/webfinger?resource="+url.QueryEscape(resource), "application/jrd+json", false)
	if err != nil {
		return nil, err
	}
	links, _ := jrd["links"].([]any)
	for _, link := range links {
		if l, ok := link.(object); ok && text(l, "rel") == "self" && text(l, "type") == activityType {
			return s.fetchActor(ctx, text(l, "href"))
		}
	}
	return nil, fmt.Errorf("threadslike: WebFinger of %s names no actor", handle)
}

// text is a string member of o, or "".
func text(o object, name string) string {
	value, _ := o[name].(string)
	return value
}

// list is a member of o that may be one or many, as strings.
func list(o object, name string) (out []string) {
	switch v := o[name].(type) {
	case string:
		out = append(out, v)
	case []any:
		for _, item := range v {
			if id, ok := item.(string); ok {
				out = append(out, id)
			}
		}
	}
	return out
}

// reference is the id of a member that is a string or an embedded object.
func reference(o object, name string) string {
	if inner, ok := o[name].(object); ok {
		return text(inner, "id")
	}
	return text(o, name)
}
