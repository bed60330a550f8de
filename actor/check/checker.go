package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/internal/safehttp"
	"github.com/fedihook/fedihook/signature"
)

// Config says how a [Checker] asks servers. Its zero value works.
type Config struct {
	// Key signs the requests for documents that are not shown without. Nil means that none is signed.
	Key func(ctx context.Context) (signature.Key, error)

	// UserAgent names the checker to others. Zero means "Fedihook/<version> (+<its repository>)".
	UserAgent string

	// Timeout bounds what one request takes, redirects included. Zero means 10 s.
	Timeout time.Duration

	// InsecureAllowLoopback is for tests: hosts that are reached on loopback and asked by http, as
	// "a.test" → "127.0.0.1:8080". What is said of plain http elsewhere is not said of them.
	InsecureAllowLoopback map[string]string
}

// Checker looks at actors where they are served, as their peers would: see [Checker.Actor]. It may be used
// by many goroutines at once, and remembers nothing that matters.
type Checker struct {
	config   Config
	plain    *http.Client
	signed   *http.Client    // nil: nothing is signed
	resolver *actor.Resolver // for WebFinger and NodeInfo
}

// New makes a Checker. It dials nothing.
func New(c Config) (*Checker, error) {
	if c.Timeout < 0 {
		return nil, errors.New("check: Config.Timeout is negative")
	}
	client, err := safehttp.New(safehttp.Config{
		UserAgent: c.UserAgent, Timeout: c.Timeout, MaxBody: maxCheckedDoc, InsecureAllowLoopback: c.InsecureAllowLoopback,
	})
	if err != nil {
		return nil, fmt.Errorf("check: Config: %w", err)
	}
	var names actor.Names
	if len(c.InsecureAllowLoopback) > 0 {
		names.Origin = "http://checker.invalid" // whose scheme is what tests' hosts are asked by
	}
	r, err := actor.NewResolver(actor.ResolverConfig{Client: client, Timeout: c.Timeout, Names: names, InsecureAllowLoopback: c.InsecureAllowLoopback})
	if err != nil {
		return nil, err
	}
	k := &Checker{config: c, plain: client, resolver: r}
	if c.Key != nil {
		signed := *client
		signed.Transport = &signature.Transport{Base: client.Transport, Key: c.Key, Memory: new(signature.Hosts)}
		k.signed = &signed
	}
	return k, nil
}

// Report is what a [Checker] found out about an actor.
type Report struct {
	Query    string    `json:"query"`
	ID       string    `json:"id,omitempty"`     // of the actor, "" if it was not found
	Handle   string    `json:"handle,omitempty"` // as user@host, if it was proved
	Findings []Finding `json:"findings"`         // nil if there is nothing to say
}

// loopback tells whether iri is on a host that tests put on loopback.
func (c *Checker) loopback(iri string) bool {
	u, err := url.Parse(iri)
	if err != nil {
		return false
	}
	_, whole := c.config.InsecureAllowLoopback[u.Host]
	_, bare := c.config.InsecureAllowLoopback[u.Hostname()]
	return whole || bare
}

// origin is where a host answers.
func (c *Checker) origin(host string) string {
	if c.loopback("http://" + host) {
		return "http://" + host
	}
	return "https://" + host
}

// reply is a server's answer to one GET.
type reply struct {
	status int
	header http.Header
	body   []byte
	at     time.Time
}

// ask makes one GET. The error is an [*actor.Error] for which no answer came.
func (c *Checker) ask(ctx context.Context, client *http.Client, address, accept, userAgent string) (reply, error) {
	fail := func(passing bool, err error) (reply, error) {
		return reply{}, &actor.Error{ID: address, Passing: passing, Err: err}
	}
	if !webURL(address) {
		return fail(false, fmt.Errorf("%w: %s", actor.ErrInvalidID, quoted(address)))
	}
	address, _, _ = strings.Cut(address, "#")
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return fail(false, fmt.Errorf("%w: %w", actor.ErrInvalidID, err))
	}
	req.Header.Set("Accept", accept)
	if userAgent != "" {
		req.Header.Set("User-Agent", userAgent)
	}
	resp, err := client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return reply{}, ctx.Err()
		}
		return fail(!errors.Is(err, safehttp.ErrRefused), fmt.Errorf("%w: %w", actor.ErrUnreachable, err))
	}
	defer resp.Body.Close()
	a := reply{status: resp.StatusCode, header: resp.Header, at: time.Now()}
	if a.body, err = io.ReadAll(resp.Body); err != nil {
		return fail(true, fmt.Errorf("%w: %w", actor.ErrUnreachable, err))
	}
	return a, nil
}

// documentType tells what peers make of a Content-Type: that of an ActivityPub document, and one
// that also Lemmy takes, which compares the whole string.
func documentType(contentType string) (usable, usual bool) {
	switch strings.ToLower(strings.TrimSpace(contentType)) {
	case activity.ContentType, activity.ContentType + "; charset=utf-8", `application/ld+json; profile="` + activity.Namespace + `"`:
		return true, true
	}
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false, false
	}
	if kind == activity.ContentType {
		return true, false
	}
	for profile := range strings.FieldsSeq(params["profile"]) {
		if kind == "application/ld+json" && profile == activity.Namespace {
			return true, false
		}
	}
	return false, false
}
