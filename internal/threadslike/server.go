package threadslike

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	maxBody      = 1 << 20
	maxExchanges = 1000
	activityType = "application/activity+json"

	defaultWindow  = 15 * time.Minute // 5 at launch, 15 since 2024-10-01
	defaultLag     = 7 * time.Minute  // Friendica issue 14488 (2024-10) saw 6 min 46 s
	defaultMedia   = 24 * time.Hour   // hours to days, Bridgy Fed issue 1825
	defaultTimeout = 10 * time.Second
)

// Config says what a [Server] is like. Transport is required; every other zero value works.
type Config struct {
	// Origin is where ids live. Empty means "https://threads.net". Pages for people, and ids of 2023, are at the same name
	// with www. before it.
	Origin string
	// Media is where pictures are. Empty means "https://scontent.cdninstagram.com".
	Media string
	// Transport reaches other servers, by names that only the test knows.
	Transport http.RoundTripper
	// Now is the clock, read by many goroutines at once. Nil means time.Now.
	Now func() time.Time

	// EditWindow is how long a post can be edited before it leaves. Zero means 15 minutes.
	EditWindow time.Duration
	// Lag is how long after its Date a delivery arrives: it is signed with a time that long ago. Zero means 7 minutes, a
	// negative one none.
	Lag time.Duration
	// MediaLife is how long the address of a picture is good for. Zero means 24 hours.
	MediaLife time.Duration
	// Timeout bounds each request to another server. Zero means 10 seconds.
	Timeout time.Duration

	// DateOnly signs as was seen in 2023: rsa-sha256 over a Date. False: hs2019 with created and expires.
	DateOnly bool
	// Strict answers 500 to a post that has any of what the one had that failed: HTML, a name, a summary, others than the
	// followers in cc. False: to one that has HTML, a name and a summary together.
	Strict bool
	// Remote lets users reply to and share posts of other servers. In 2026-06 the app said to both: "You can't … posts from
	// other servers yet".
	Remote bool
}

// Server is a double of threads.net and of the hosts around it, told apart by the Host of a request: threads.net,
// www.threads.net, threads.com and where its pictures are. It may be used by many goroutines at once.
type Server struct {
	Config
	scheme string
	host   string // of Origin
	media  string // the host of Media

	mu        sync.Mutex
	number    int64
	accounts  []*Account
	posts     []*Post
	peers     map[string]*peer // by key id
	limits    map[string]Limit
	blocked   map[string]bool
	waiting   []parcel
	shown     []*Shown
	exchanges []Exchange
	agents    int
}

// Exchange is one request and what came of it.
type Exchange struct {
	Method string
	URL    string
	Signer string // the actor whose signature was verified, or ""
	Type   string // of the activity
	ID     string // of the activity
	Status int
	Why    string // in clear; Threads does not say
}

// Limit says how a domain is throttled. The zero Limit answers GETs 429 and says nothing more, as was seen.
type Limit struct {
	// Posts says that POSTs are answered so too, which was not seen.
	Posts bool
	// RetryAfter is told, in seconds, unless it is zero.
	RetryAfter time.Duration
}

// New makes a Server without users. It dials nothing.
func New(c Config) (*Server, error) {
	if c.Transport == nil {
		return nil, errors.New("threadslike: Config.Transport is nil")
	}
	for field, value := range map[*string]string{&c.Origin: "https://threads.net", &c.Media: "https://scontent.cdninstagram.com"} {
		if *field == "" {
			*field = value
		}
	}
	origin, err := url.Parse(c.Origin)
	if err != nil || origin.Host == "" || origin.Scheme+"://"+origin.Host != c.Origin {
		return nil, fmt.Errorf("threadslike: Config.Origin %q is not a scheme and a host", c.Origin)
	}
	media, err := url.Parse(c.Media)
	if err != nil || media.Host == "" || media.Host == origin.Host {
		return nil, fmt.Errorf("threadslike: Config.Media %q is not another host", c.Media)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	for field, value := range map[*time.Duration]time.Duration{
		&c.EditWindow: defaultWindow, &c.Lag: defaultLag, &c.MediaLife: defaultMedia, &c.Timeout: defaultTimeout,
	} {
		if *field == 0 {
			*field = value
		}
	}
	return &Server{
		Config: c, scheme: origin.Scheme, host: origin.Host, media: media.Host,
		peers: map[string]*peer{}, limits: map[string]Limit{}, blocked: map[string]bool{},
	}, nil
}

// Throttle answers 429 to requests that an actor of domain has signed. It is the signer's domain that counts, not the address:
// in Fedibird issue 19 (2024-03) a second name of the same machine was served.
func (s *Server) Throttle(domain string, l Limit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limits[domain] = l
}

// Unthrottle ends that.
func (s *Server) Unthrottle(domain string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.limits, domain)
}

// Block makes all of Threads 404 for a domain, as people there decide by the guidelines of its help page (2024-03): a privacy
// policy, a policy about children under 13, a public feed. It is listed on a page and told to nobody (NodeBB issue 13041).
func (s *Server) Block(domain string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blocked[domain] = true
}

// Unblock ends that.
func (s *Server) Unblock(domain string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.blocked, domain)
}

// Exchanges lists what was asked, the oldest first, the last 1000 of it.
func (s *Server) Exchanges() []Exchange {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.exchanges)
}

// answer is what a request comes to.
type answer struct {
	Exchange
	contentType string
	body        []byte
	retryAfter  time.Duration
}

// notFound is what Threads says where others say 401, 403, 404 or 410. Fedify issue 122 (2024-08).
func notFound(why string) answer {
	return answer{Exchange{Status: http.StatusNotFound, Why: why}, "application/json", []byte(`{"success":false,"error":"Not found"}`), 0}
}

// broken is what it says to what it did not foresee, each time anew.
func broken(why string) answer {
	return answer{Exchange{Status: http.StatusInternalServerError, Why: why}, "text/plain", nil, 0}
}

func fine(why string) answer {
	return answer{Exchange{Status: http.StatusOK, Why: why}, "application/json", []byte(`{"success":true}`), 0}
}

func page(status int, text string) answer {
	return answer{Exchange{Status: status}, "text/html; charset=utf-8", []byte("<!doctype html><title>Threads</title>" + text), 0}
}

// ServeHTTP answers as Threads does.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := s.answer(r)
	a.Method, a.URL = r.Method, s.scheme+"://"+r.Host+r.URL.RequestURI()
	s.mu.Lock()
	s.exchanges = append(s.exchanges, a.Exchange)
	if n := len(s.exchanges) - maxExchanges; n > 0 {
		s.exchanges = slices.Delete(s.exchanges, 0, n)
	}
	s.mu.Unlock()
	if a.contentType != "" {
		w.Header().Set("Content-Type", a.contentType)
	}
	if a.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(a.retryAfter/time.Second)))
	}
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.body) // who asked may have left
}

func (s *Server) answer(r *http.Request) answer {
	switch host := r.Host; {
	case host == s.media:
		return s.serveMedia(r)
	case host == s.host || host == "www."+s.host:
		if strings.HasPrefix(r.URL.Path, "/ap/") {
			return s.answerSigned(r)
		}
		if r.URL.Path == "/.well-known/webfinger" {
			return s.webFinger(r)
		}
		if host == s.host || strings.HasPrefix(r.URL.Path, "/.well-known/") {
			return notFound("no NodeInfo, no host-meta, no pages") // Friendica knows it by its name (GServer.php, seen 2024-10)
		}
		return s.web(r)
	}
	return s.web(r)
}

// web is what people see at www.threads.net and, since 2025-04, at threads.com: never ActivityPub.
func (s *Server) web(r *http.Request) answer {
	if r.URL.Path == "/moderated_servers" {
		s.mu.Lock()
		defer s.mu.Unlock()
		var list strings.Builder
		for domain := range s.blocked {
			list.WriteString("<li>" + domain)
		}
		return page(http.StatusOK, "<ul>"+list.String()+"</ul>")
	}
	if strings.HasPrefix(r.URL.Path, "/@") {
		return page(http.StatusOK, "a page for people")
	}
	return page(http.StatusNotFound, "Sorry, this page isn't available")
}

// answerSigned is for what wants a signature, GETs included. Fedify issue 122 (2024-08).
func (s *Server) answerSigned(r *http.Request) answer {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil || len(body) > maxBody {
		return broken("a body that cannot be read, or of more than 1 MiB")
	}
	signer, refused := s.verify(r, body)
	if refused != nil {
		return *refused
	}
	var a answer
	switch r.Method {
	case http.MethodGet:
		a = s.get(s.scheme + "://" + r.Host + r.URL.Path)
	case http.MethodPost:
		a = s.receive(r, signer, body)
	default:
		a = notFound("method " + r.Method)
	}
	a.Signer = signer.id
	return a
}
