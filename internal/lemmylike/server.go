package lemmylike

import (
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	maxBody      = 1 << 20
	maxFetches   = 100 // for one activity
	maxTitle     = 200
	maxExchanges = 1000
	public       = "https://www.w3.org/ns/activitystreams#Public"
	activityType = "application/activity+json"
)

// contentTypes are those of documents, lower case, and no other.
var contentTypes = []string{
	activityType, activityType + "; charset=utf-8", `application/ld+json; profile="https://www.w3.org/ns/activitystreams"`,
}

// object is a JSON object.
type object = map[string]any

// Config says what a [Server] is like. Transport is required; every other zero value works.
type Config struct {
	// Origin is where ids live. Empty means "https://lemmy.example".
	Origin string
	// Transport reaches other servers, by names that only the test knows.
	Transport http.RoundTripper
	// Now is the clock. Nil means time.Now.
	Now func() time.Time
	// Key signs for all actors. Nil: one of 2048 bits is made.
	Key *rsa.PrivateKey
}

// Server is a double of a Lemmy instance. It may be used by many goroutines at once.
type Server struct {
	Config
	host string
	pem  string

	mu        sync.Mutex
	number    int
	persons   map[string]*Person    // by id
	groups    map[string]*Community // by id, those elsewhere that are followed too
	peers     map[string]peer       // by id
	posts     map[string]*Post      // by id
	seen      map[string]bool       // ids of activities
	waiting   []parcel
	exchanges []Exchange
}

// Post is a post or a comment as it is shown.
type Post struct {
	ID, Author, Community, Parent, Title, Body string
	Score                                      int
	Deleted, Removed, Locked, Featured         bool

	votes map[string]int
	doc   object
}

// Exchange is one request to the server and what came of it.
type Exchange struct {
	Method, Path, Signer, Type string
	Status                     int
	Error                      string // as it was told
	Body                       string // of the request
}

// New makes a Server without actors. It dials nothing.
func New(c Config) (*Server, error) {
	if c.Transport == nil {
		return nil, errors.New("lemmylike: Config.Transport is nil")
	}
	if c.Origin == "" {
		c.Origin = "https://lemmy.example"
	}
	u, err := url.Parse(c.Origin)
	if err != nil || u.Host == "" || u.Scheme+"://"+u.Host != c.Origin {
		return nil, fmt.Errorf("lemmylike: Config.Origin %q is not a scheme and a host", c.Origin)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	s := &Server{
		Config: c, host: u.Host, persons: map[string]*Person{}, groups: map[string]*Community{}, peers: map[string]peer{},
		posts: map[string]*Post{}, seen: map[string]bool{},
	}
	return s, s.makeKey()
}

// Shown returns a post or a comment by its id. Ok is false if it was never taken in.
func (s *Server) Shown(id string) (p Post, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.posts[id] == nil {
		return Post{}, false
	}
	p = *s.posts[id]
	for _, v := range p.votes {
		p.Score += v
	}
	return p, true
}

// Exchanges lists the latest 1,000 requests, the oldest first.
func (s *Server) Exchanges() []Exchange {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.exchanges)
}

// ServeHTTP answers as Lemmy does.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e := Exchange{Method: r.Method, Path: r.URL.Path, Status: http.StatusOK}
	var body []byte
	contentType := activityType
	switch {
	case r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/inbox"):
		raw, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
		if err == nil && len(raw) > maxBody {
			err = refusal("body_too_large")
		}
		if e.Body = string(raw); err == nil {
			err = s.receive(r, raw, &e)
		}
		if err != nil {
			e.Status, e.Error = http.StatusBadRequest, err.Error()
			body, contentType = mustJSON(object{"error": e.Error}), "application/json"
		}
	case r.Method != http.MethodGet:
		e.Status = http.StatusMethodNotAllowed
	case r.URL.Path == "/.well-known/webfinger":
		body, contentType = s.webFinger(r.URL.Query().Get("resource")), "application/jrd+json"
	default:
		body = s.document(s.Origin + r.URL.Path)
	}
	if body == nil && r.Method == http.MethodGet {
		e.Status, e.Error = http.StatusNotFound, "not_found"
		body, contentType = mustJSON(object{"error": e.Error}), "application/json"
	}
	s.mu.Lock()
	s.exchanges = append(s.exchanges, e)
	if n := len(s.exchanges) - maxExchanges; n > 0 {
		s.exchanges = slices.Delete(s.exchanges, 0, n)
	}
	s.mu.Unlock()
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(e.Status)
	_, _ = w.Write(body) // who asked may have left
}

// refusal is an error as Lemmy words it.
type refusal string

func (r refusal) Error() string { return string(r) }

// next mints an id. The caller holds the lock.
func (s *Server) next(path string) string {
	s.number++
	return fmt.Sprintf("%s/%s/%d", s.Origin, path, s.number)
}

// sameHost tells whether two ids are of one host.
func sameHost(one, other string) bool {
	a, err := url.Parse(one)
	b, failed := url.Parse(other)
	return err == nil && failed == nil && a.Host != "" && a.Host == b.Host
}

func mustJSON(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // of strings, numbers, maps and lists nothing fails
	}
	return raw
}

// text is a string member of o, or "".
func text(o object, name string) string {
	value, _ := o[name].(string)
	return value
}

// id is the id of a member that is a string or an embedded object.
func id(o object, name string) string {
	if inner, ok := o[name].(object); ok {
		return text(inner, "id")
	}
	return text(o, name)
}

// list is a member of o that may be one or many, as ids.
func list(o object, name string) (out []string) {
	items, many := o[name].([]any)
	if !many {
		items = []any{o[name]}
	}
	for _, item := range items {
		switch item := item.(type) {
		case string:
			out = append(out, item)
		case object:
			out = append(out, text(item, "id"))
		}
	}
	return out
}
