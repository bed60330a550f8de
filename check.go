package fedihook

import (
	"context"
	"encoding/json"
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
)

// Checks says what [Server.Check] looks at besides what it knows to look for.
type Checks struct {
	// Handles are users whose WebFinger and actor are asked for too, at the hosts where they are. Empty: the instance actor's alone.
	Handles []string
	// Clock is the URL of a page of somebody else's, whose Date the clock is compared with. Empty: with the Date of this site's own
	// answer, which tells whether the proxy in front of it has another clock. RFC 9110 §6.6.1
	Clock string
	// After is how long after its beginning Run checks, once, and logs each finding as a warning. Zero means a minute, but never
	// where InsecureAllowLoopback or InsecureDial is set. Negative means never.
	After time.Duration
}

const (
	// maxOff is how far clocks may differ: Fedify (seen 2026-11) takes no signature that is older than a minute and some.
	maxOff = time.Minute
	// maxWait is how long something may wait before Check says that nobody runs.
	maxWait = time.Minute

	checkTimeout = 10 * time.Second // of one request
)

// Check asks this site itself for what other servers ask for, by its public address, and looks into its storage. It returns all
// that is wrong, nothing if all is well: the site must be served when it is called. What New refuses it does not look for. It
// makes some six requests and two more for each of Checks.Handles, to the site's own address, Config.HandleDomain, the hosts of these
// handles and Checks.Clock alone, and takes up to ten seconds for each. It may be called as often as one likes, as for a page that shows
// an operator how the site is. Of Config.MoreOrigins it knows those hosts alone.
func (s *Server) Check(ctx context.Context) []*Finding {
	c := &checkup{Server: s, ctx: ctx}
	c.config()
	c.storage()
	if len(c.found) > 0 && c.found[0].Code == CodeInsecure {
		return c.found // it would not be asked by this address
	}
	if c.webFinger() {
		c.handleDomain()
		c.actors()
		c.signed()
	}
	c.clock()
	return c.found
}

// checkOnce logs what Check finds.
func (s *Server) checkOnce(ctx context.Context) error {
	after, testing := s.config.Checks.After, s.config.InsecureAllowLoopback != nil || s.config.InsecureDial != nil
	if after == 0 {
		after = time.Minute
		if testing {
			return nil
		}
	}
	if after < 0 {
		return nil
	}
	select {
	case <-ctx.Done():
		return nil
	case <-time.After(after):
	}
	for _, f := range s.Check(ctx) {
		if ctx.Err() == nil {
			s.config.Logger.WarnContext(ctx, "fedihook: misconfigured", "finding", f)
		}
	}
	return nil
}

// checkup is one call of Check.
type checkup struct {
	*Server
	ctx   context.Context
	found []*Finding
	date  time.Time // of the site's first answer
}

func (c *checkup) find(f Finding) { c.found = append(c.found, &f) }

// config looks at what works in a test and not on the web.
func (c *checkup) config() {
	cfg := &c.Server.config
	if strings.HasPrefix(c.names.Origin, "http://") && cfg.InsecureAllowLoopback == nil {
		c.find(Finding{Code: CodeInsecure, Field: "Origin", What: "other servers talk to https alone", Do: "serve the site by https, and begin Origin with it"})
	}
	if len(c.volatile) > 0 {
		c.find(Finding{
			Code: CodeVolatile, Field: "Storage", What: "in memory, and lost with the process: " + strings.Join(c.volatile, ", "),
			Do: "use storage.OpenSQLite or storage.OpenPostgres: who loses keys and followers is a stranger to all other servers",
		})
	}
}

// storage looks whether something waits and nobody comes for it.
func (c *checkup) storage() {
	const what, do = "a store can't be read", "see to the database: nothing is said and nothing is taken in meanwhile"
	list, err := c.Server.config.Storage.Intents.NextIntents(c.ctx, 1)
	if err != nil {
		c.find(Finding{Code: CodeStorage, Field: "Storage.Intents", What: what, Do: do, Err: err})
	}
	waiting := len(list) > 0 && time.Since(list[0].At) > maxWait
	due, err := c.Server.config.Storage.Log.DueRecords(c.ctx, time.Now().Add(-maxWait), 1)
	if err != nil {
		c.find(Finding{Code: CodeStorage, Field: "Storage.Log", What: what, Do: do, Err: err})
	}
	waiting = waiting || len(due) > 0 && time.Since(due[0].At) > maxWait
	if waiting && !c.running.Load() {
		c.find(Finding{
			Code: CodeNotRunning, What: "something was said a minute ago and more, nobody has taken it up, and Run does not run in this process",
			Do: "keep Run going in at least one of the processes that share the storage",
		})
	}
}

// get asks for a URL as another server does, and reads the answer.
func (c *checkup) get(address, accept string) (resp *http.Response, body []byte, err error) {
	ctx, stop := context.WithTimeout(c.ctx, checkTimeout)
	defer stop()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, nil, err
	}
	r.Header.Set("Accept", accept)
	return c.do(r)
}

func (c *checkup) do(r *http.Request) (*http.Response, []byte, error) {
	resp, err := c.visitor.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp, body, err
}

// finger looks up an account at a host and returns the id that is found. The error says what is wrong with the answer; err
// wraps errSilent if none came. RFC 7033 §4
func (c *checkup) finger(origin, account string) (resp *http.Response, id string, err error) {
	address := origin + "/.well-known/webfinger?resource=" + url.QueryEscape("acct:"+account)
	resp, body, err := c.get(address, "application/jrd+json")
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", errSilent, err)
	}
	if resp.StatusCode != http.StatusOK {
		return resp, "", fmt.Errorf("%s: status %d", address, resp.StatusCode)
	}
	var jrd actor.JRD
	if err := json.Unmarshal(body, &jrd); err != nil {
		return resp, "", fmt.Errorf("%s: no JSON comes: %w", address, err)
	}
	for _, link := range jrd.Links {
		if link.Rel == "self" && isDocument(link.Type) {
			return resp, link.Href, nil
		}
	}
	return resp, "", fmt.Errorf("%s: no link leads to an actor", address)
}

var errSilent = errors.New("no answer")

// webFinger finds the instance actor at the origin, and tells whether any answer came.
func (c *checkup) webFinger() bool {
	host := c.names.Authority()
	resp, id, err := c.finger(c.names.Origin, c.names.Host()+"@"+host)
	if resp != nil {
		c.date, _ = http.ParseTime(resp.Header.Get("Date"))
	}
	switch {
	case errors.Is(err, errSilent):
		c.find(Finding{
			Code: CodeUnreachable, Field: "Origin", What: "nothing answers at " + c.names.Origin, Err: err,
			Do: "see to the name's addresses, the certificate and the firewall; a machine that can't reach its own public address needs a way to",
		})
		return false
	case err == nil && id != c.names.Instance():
		err = fmt.Errorf("it leads to %s, not to %s", id, c.names.Instance())
	}
	if err != nil {
		c.find(Finding{
			Code: CodeWebFinger, What: "WebFinger of " + host + " does not find this site's actors", Err: err,
			Do: "pass /.well-known/webfinger, with its query, to this app: mount Wrap or Handler at the root of the host",
		})
	}
	return true
}

// handleDomain finds the instance actor where handles say the site is.
func (c *checkup) handleDomain() {
	domain := c.names.Domain
	if domain == "" || domain == c.names.Authority() {
		return
	}
	scheme, _, _ := strings.Cut(c.names.Origin, "://")
	_, id, err := c.finger(scheme+"://"+domain, domain+"@"+domain)
	if err == nil && id != c.names.Instance() {
		err = fmt.Errorf("it leads to %s, not to %s", id, c.names.Instance())
	}
	if err != nil {
		c.find(Finding{
			Code: CodeHandleDomain, Field: "HandleDomain", What: "WebFinger of " + domain + " does not find this site's actors", Err: err,
			Do: "have the server of " + domain + " redirect /.well-known/webfinger, with its query, to " + c.names.Origin,
		})
	}
}

// actors looks at the documents of the instance actor and of Checks.Handles.
func (c *checkup) actors() {
	c.actor(c.names.Instance())
	for _, handle := range c.Server.config.Checks.Handles {
		p, err := c.profile(c.ctx, handle)
		if err != nil {
			c.find(Finding{Code: CodeProfile, Field: "Profile", What: "it does not tell " + handle, Do: "return a profile, or take the handle out of Checks.Handles", Err: err})
			continue
		}
		if !c.names.Ours(p.ID) {
			c.find(Finding{
				Code: CodeOtherAuthority, Field: "Profile", What: "the id of " + handle + ", " + p.ID + ", is not on " + c.names.Origin,
				Do: "actors and what they say must be on one host and port: leave Profile.ID empty, or set Origin to where the ids are",
			})
			continue
		}
		account := c.names.Handle(p.Handle)
		origin, scheme := c.names.Origin, c.scheme()
		if _, host, _ := strings.Cut(account, "@"); host != c.names.HandleDomain() {
			origin = scheme + "://" + host
		}
		_, id, err := c.finger(origin, account)
		if err == nil && id != p.ID {
			err = fmt.Errorf("it leads to %s, not to %s", id, p.ID)
		}
		if err != nil && len(c.found) == 0 { // else it was said for the instance actor
			c.find(Finding{Code: CodeWebFinger, What: "WebFinger does not find " + handle, Do: "pass /.well-known/webfinger, with its query, to this app", Err: err})
		}
		c.actor(p.ID)
	}
}

// actor looks at one document. ActivityPub §3.2
func (c *checkup) actor(id string) {
	const do = "pass requests whose Accept names application/activity+json to this app, as they are, and keep caches from answering them with a page"
	resp, body, err := c.get(id, activity.ContentType)
	wrong := func(err error) {
		c.find(Finding{Code: CodeActor, What: id + " does not show the actor", Do: do, Err: err})
	}
	if err != nil {
		wrong(err)
		return
	}
	if resp.StatusCode != http.StatusOK {
		wrong(fmt.Errorf("status %d", resp.StatusCode))
		return
	}
	if media := resp.Header.Get("Content-Type"); !isDocument(media) {
		kind, _, _ := mime.ParseMediaType(media)
		wrong(fmt.Errorf("it comes as %q, which no other server reads", kind))
		return
	}
	doc, err := activity.Decode(body)
	if err == nil && doc.DocumentID() != id {
		err = fmt.Errorf("it is %s", doc.DocumentID())
	}
	if err != nil {
		wrong(err)
	}
}

// isDocument tells whether other servers read what comes as this media type. ActivityPub §3.2
func isDocument(media string) bool {
	kind, params, err := mime.ParseMediaType(media)
	return err == nil && (kind == "application/activity+json" || kind == "application/ld+json" && params["profile"] == activity.Namespace)
}

// clock compares the clock with another one.
func (c *checkup) clock() {
	date, whose := c.date, "this site's own answers"
	if address := c.Server.config.Checks.Clock; address != "" {
		whose = address
		resp, _, err := c.get(address, "*/*")
		if err == nil {
			date, err = http.ParseTime(resp.Header.Get("Date"))
		}
		if err != nil {
			c.find(Finding{Code: CodeClock, Field: "Checks.Clock", What: address + " does not tell the time", Do: "name a page that answers with a Date", Err: err})
			return
		}
	}
	if off := time.Until(date).Round(time.Second); !date.IsZero() && off.Abs() > maxOff {
		c.find(Finding{
			Code: CodeClock, What: fmt.Sprintf("the clock differs by %s from that of %s", off.Abs(), whose),
			Do: "set the clock by NTP: signatures of another time are refused, ours and theirs",
		})
	}
}
