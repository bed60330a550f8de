package actor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/fedihook/fedihook/activity"
)

const (
	acceptJRD = jrdType + ", application/json"
	acceptXRD = xrdType + ", application/xml, text/xml, " + jrdType + ";q=0.5"
)

var (
	errNoWebFinger  = errors.New("the host does not speak WebFinger")
	errUnknown      = errors.New("the host knows nobody of that name")
	errInconsistent = errors.New("the handle and the actor do not lead to each other")
)

// WebFinger asks the host of user@host (with or without "acct:" or "@") who that is, unsigned. Where
// it says 404, the host's host-meta is asked once for another address to ask at. Whether the answer is
// true is not checked, see [Resolver.Lookup]. The error is an [*Error]. RFC 7033 §4.
func (r *Resolver) WebFinger(ctx context.Context, acct string) (JRD, error) {
	a, err := parseAccount(strings.TrimSpace(acct))
	if err != nil {
		return JRD{}, &Error{ID: acct, Err: fmt.Errorf("%w: %w", ErrInvalidID, err)}
	}
	return r.webFinger(ctx, a.home())
}

func (r *Resolver) webFinger(ctx context.Context, a account) (JRD, error) {
	origin := r.schemeOf(a.host) + "://" + a.host
	// Mastodon leaves : and @ as they are, which everyone can therefore read.
	resource := "acct:" + url.PathEscape(a.user) + "@" + a.host
	j, err := r.finger(ctx, origin+webFingerPath+"?resource="+resource, a)
	var e *Error
	if !errors.As(err, &e) || e.Status != http.StatusNotFound {
		return j, err
	}
	template, metaErr := r.hostMeta(ctx, origin)
	if metaErr != nil {
		return JRD{}, err // the 404 says more
	}
	address := strings.ReplaceAll(template, "{uri}", url.QueryEscape("acct:"+a.String()))
	return r.finger(ctx, address, a)
}

// schemeOf is https, but for hosts that tests put on loopback.
func (r *Resolver) schemeOf(host string) string {
	name, _, _ := strings.Cut(host, ":")
	_, whole := r.config.InsecureAllowLoopback[host]
	_, bare := r.config.InsecureAllowLoopback[name]
	if (whole || bare) && strings.HasPrefix(r.config.Names.Origin, "http://") {
		return "http"
	}
	return "https"
}

// finger makes one WebFinger request.
func (r *Resolver) finger(ctx context.Context, address string, a account) (JRD, error) {
	ans, err := r.do(ctx, ask{through: r.plain, address: address, accept: acceptJRD, leave: true})
	fail := func(cause error) error { return &Error{ID: "acct:" + a.String(), Status: ans.status, Err: cause} }
	var e *Error
	switch {
	case errors.As(err, &e):
		e.ID = "acct:" + a.String()
		return JRD{}, err
	case err != nil:
		return JRD{}, err
	case ans.status == http.StatusNotFound:
		return JRD{}, fail(fmt.Errorf("%w: %w", ErrNotFound, errUnknown))
	case ans.status != http.StatusOK:
		e := r.statusError("acct:"+a.String(), ans.status)
		if !e.Passing && !errors.Is(e, ErrGone) && !errors.Is(e, ErrRejected) {
			e.Err = fmt.Errorf("%w: %w", e.Err, errNoWebFinger)
		}
		return JRD{}, e
	}
	j, err := parseJRD(ans.body)
	if err != nil {
		return JRD{}, fail(fmt.Errorf("%w: %w", err, errNoWebFinger))
	}
	return j, nil
}

// hostMeta asks where a host answers WebFinger. RFC 6415 §2.
func (r *Resolver) hostMeta(ctx context.Context, origin string) (template string, err error) {
	ans, err := r.do(ctx, ask{through: r.plain, address: origin + hostMetaPath, accept: acceptXRD, leave: true})
	switch {
	case err != nil:
		return "", err
	case ans.status != http.StatusOK:
		return "", r.statusError(origin+hostMetaPath, ans.status)
	}
	return lrdd(ans.body)
}

// lrdd reads where to ask from a host-meta document, in XML or in JSON. RFC 6415 §3.
func lrdd(data []byte) (template string, err error) {
	if text := bytes.TrimSpace(data); len(text) == 0 || text[0] != '{' {
		return parseHostMeta(data)
	}
	var top struct {
		Links []jsontext.Value `json:"links"`
	}
	if err := jsonv2.Unmarshal(data, &top); err != nil {
		return "", fmt.Errorf("%w: host-meta: %w", ErrMalformed, err)
	}
	for _, raw := range top.Links[:min(len(top.Links), maxLinks)] {
		if l, ok := parseLink(raw); ok && l.Rel == "lrdd" && strings.Contains(l.Template, "{uri}") {
			return l.Template, nil
		}
	}
	return "", fmt.Errorf("%w: host-meta without a link lrdd", ErrMalformed)
}

// Handle finds and proves the handle of an actor: WebFinger for what the actor calls itself must name
// the actor's id; if it names another subject, that one's own domain must. The error is an [*Error];
// without a proof its text says what does not fit, and no handle is to be shown as the actor's.
func (r *Resolver) Handle(ctx context.Context, a *activity.Actor) (acct string, err error) {
	f := fingers{r: r, seen: map[string]JRD{}}
	handle, err := f.handle(ctx, a)
	if err != nil {
		return "", err
	}
	return handle.String(), nil
}

// fingers is one search. It asks no question twice.
type fingers struct {
	r    *Resolver
	seen map[string]JRD
}

func (f fingers) ask(ctx context.Context, a account) (JRD, error) {
	key := strings.ToLower(a.String())
	if j, ok := f.seen[key]; ok {
		return j, nil
	}
	j, err := f.r.webFinger(ctx, a)
	if err == nil {
		f.seen[key] = j
	}
	return j, err
}

// lookup goes from a handle to an actor, which is yet to be asked for its own handle.
func (f fingers) lookup(ctx context.Context, query string) (known, string, error) {
	asked, err := parseAccount(query)
	if err != nil {
		return known{}, "", &badQuery{err}
	}
	asked = asked.home()
	if _, ours := f.r.config.Names.handleOf(asked); ours {
		a, err := f.r.local(ctx, "acct:"+asked.String())
		if errors.Is(err, ErrNotFound) {
			err = fmt.Errorf("%w: %w", err, errUnknown)
		}
		return known{actor: a}, asked.host, err
	}
	j, subject, err := f.confirm(ctx, asked)
	if err != nil {
		return known{}, subject.host, err
	}
	id := j.Self()
	if strings.HasPrefix(strings.TrimPrefix(query, "acct:"), "!") {
		id = j.selfAs("Group")
	}
	if id == "" {
		return known{}, subject.host, &Error{ID: "acct:" + subject.String(), Err: fmt.Errorf("%w: WebFinger names no actor", ErrNotActor)}
	}
	return f.r.lookupID(ctx, id)
}

// confirm finds the subject that stands behind a handle: the handle itself, or what its host says it
// is, if that one's own host agrees. It also returns the host where it ended.
func (f fingers) confirm(ctx context.Context, asked account) (JRD, account, error) {
	j, err := f.ask(ctx, asked)
	if err != nil {
		return JRD{}, asked, err
	}
	subject, err := parseAccount(j.Subject)
	if err != nil {
		return JRD{}, asked, &Error{ID: "acct:" + asked.String(), Err: fmt.Errorf("%w: subject %q: %w", ErrMalformed, j.Subject, errNoWebFinger)}
	}
	if subject.same(asked) {
		return j, subject, nil
	}
	if j, err = f.ask(ctx, subject); err != nil {
		return JRD{}, subject, err
	}
	if again, err := parseAccount(j.Subject); err != nil || !again.same(subject) {
		return JRD{}, subject, &Error{ID: "acct:" + asked.String(), Err: fmt.Errorf("%w: %s calls itself %q", errInconsistent, subject, j.Subject)}
	}
	return j, subject, nil
}

func (f fingers) handle(ctx context.Context, a *activity.Actor) (account, error) {
	u, err := parseID(a.ID)
	if err != nil {
		return account{}, &Error{ID: a.ID, Err: err}
	}
	claim, err := parseAccount(a.Webfinger) // FEP-2c59 saves a question where handles live on another host
	if err != nil {
		claim, err = parseAccount(a.PreferredUsername + "@" + authority(u))
	}
	if err != nil {
		return account{host: authority(u)}, &Error{ID: a.ID, Err: fmt.Errorf("%w: preferredUsername %q", errInconsistent, a.PreferredUsername)}
	}
	j, subject, err := f.confirm(ctx, claim)
	if err != nil {
		return subject, err
	}
	if !j.names(a.ID) {
		return subject, &Error{ID: a.ID, Err: fmt.Errorf("%w: %s is %q", errInconsistent, subject, j.Self())}
	}
	return subject, nil
}
