package actor

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/fedihook/fedihook/activity"
)

const (
	keepSoftware   = 24 * time.Hour
	keepNoSoftware = time.Hour
	maxName        = 64  // bytes of a name or a version
	maxAddress     = 512 // bytes of an address
)

// Software is what a server says of itself by NodeInfo. Nothing of it is proved, and nothing should depend on it but what
// an operator sees, or a politeness towards a known fault. NodeInfo 2.0, NodeInfo 2.1.
type Software struct {
	// Name is in lower case, Version as it came. Both are at most 64 bytes of printable characters.
	Name, Version string

	// Repository and Homepage are http or https URLs of at most 512 bytes, or "".
	Repository, Homepage string

	// Actor is the id of the actor that stands for the server, of the same host, or "". FEP-2677.
	Actor string

	OpenRegistrations bool

	// Counts. -1: it does not say.
	Users, ActiveMonth, ActiveHalfyear, Posts int64
}

type software struct {
	is    Software
	err   error
	until time.Time
}

// Software asks a host, given as authorities are written ("b.example", "b.example:8443"), what it runs, unsigned. The
// answer is kept in memory for a day, that there is none for an hour, or two minutes if that may pass. The document has to be on
// the host itself. The error is an [*Error].
func (r *Resolver) Software(ctx context.Context, host string) (Software, error) {
	origin, err := r.originOf(host)
	if err != nil {
		return Software{}, err
	}
	if s, ok := r.software.get(origin); ok && time.Now().Before(s.until) {
		return s.is, s.err
	}
	if err := r.budget.spend(origin); err != nil {
		return Software{}, err
	}
	done := r.softwareFlight.DoChan(origin, func() (any, error) {
		if s, ok := r.software.get(origin); ok && time.Now().Before(s.until) {
			return s.is, s.err
		}
		is, err := r.whole().askSoftware(context.WithoutCancel(ctx), origin)
		s := software{is: is, err: err, until: time.Now().Add(keepSoftware)}
		if e, ok := err.(*Error); ok {
			s.until = time.Now().Add(keepNoSoftware)
			if e.Passing {
				s.until = time.Now().Add(keepPassing)
			}
		}
		r.software.put(origin, s, 1)
		return is, err
	})
	select {
	case res := <-done:
		is, _ := res.Val.(Software)
		return is, res.Err
	case <-ctx.Done():
		return Software{}, &Error{ID: origin, Passing: true, Err: ctx.Err()}
	}
}

func (r *Resolver) askSoftware(ctx context.Context, origin string) (Software, error) {
	info, err := r.hostInfo(ctx, origin)
	if err != nil {
		return Software{}, err
	}
	s, err := parseNodeInfo(info.Document)
	if err != nil {
		return Software{}, &Error{ID: info.URL, Err: err}
	}
	s.Actor = info.Application
	return s, nil
}

// HostInfo is what a server says of itself by NodeInfo, as it stands there.
type HostInfo struct {
	URL         string          `json:"url"`                   // of the document
	Application string          `json:"application,omitempty"` // id of the actor that stands for the server, FEP-2677
	Document    json.RawMessage `json:"document"`              // a JSON object, verbatim
}

// HostInfo asks a host as [Resolver.Software] does for its newest NodeInfo, from 2.0 to 2.2, and keeps nothing. Whether the
// schema allows what comes is not checked. FEP-f1d5.
func (r *Resolver) HostInfo(ctx context.Context, host string) (HostInfo, error) {
	origin, err := r.originOf(host)
	if err != nil {
		return HostInfo{}, err
	}
	return r.hostInfo(ctx, origin)
}

// originOf is where a host answers, if it is a host and not ours.
func (r *Resolver) originOf(host string) (string, error) {
	origin := r.schemeOf(host) + "://" + host
	u, err := parseID(origin)
	if err != nil || origin != u.Scheme+"://"+u.Host || authority(u) == "" {
		return "", &Error{ID: host, Err: fmt.Errorf("%w: not a host: %.200q", ErrInvalidID, host)}
	}
	origin = u.Scheme + "://" + authority(u)
	if r.config.Names.Ours(origin) {
		return "", &Error{ID: origin, Err: ErrOurs}
	}
	return origin, nil
}

func (r *Resolver) hostInfo(ctx context.Context, origin string) (info HostInfo, err error) {
	links, err := r.json(ctx, origin+"/.well-known/nodeinfo")
	if err != nil {
		return HostInfo{}, err
	}
	info.URL, info.Application = nodeInfoLinks(links)
	// A host speaks for itself alone, and nobody has us fetch what it likes from elsewhere.
	if !activity.SameAuthority(info.URL, origin) {
		return HostInfo{}, &Error{ID: origin, Err: fmt.Errorf("%w: no NodeInfo of its own: %.200q", ErrMalformed, info.URL)}
	}
	if !activity.SameAuthority(info.Application, origin) {
		info.Application = ""
	}
	doc, err := r.json(ctx, info.URL)
	if err != nil {
		return HostInfo{}, err
	}
	var top map[string]jsontext.Value
	if err := jsonv2.Unmarshal(doc, &top); err != nil || top == nil {
		return HostInfo{}, &Error{ID: info.URL, Err: fmt.Errorf("%w: NodeInfo that is no JSON object", ErrMalformed)}
	}
	info.Document = doc
	return info, nil
}

// json gets a JSON document, unsigned. Its Content-Type is not looked at: servers disagree on it.
func (r *Resolver) json(ctx context.Context, address string) ([]byte, error) {
	ans, err := r.do(ctx, ask{through: r.plain, address: address, accept: "application/json"})
	if err != nil {
		return nil, err
	}
	if ans.status != http.StatusOK {
		return nil, r.statusError(address, ans.status)
	}
	return ans.body, nil
}

// nodeInfoLinks reads where the descriptions are, and returns the best that this package reads. NodeInfo 2.0.
func nodeInfoLinks(data []byte) (href, app string) {
	var top struct {
		Links []jsontext.Value `json:"links"`
	}
	if jsonv2.Unmarshal(data, &top) != nil {
		return "", ""
	}
	best := ""
	for _, raw := range top.Links[:min(len(top.Links), maxLinks)] {
		l, ok := parseLink(raw)
		if !ok || !validURL(l.Href) {
			continue
		}
		version, ours := strings.CutPrefix(l.Rel, nodeInfoSchema)
		switch {
		case l.Rel == relApp:
			app = l.Href
		case ours && (version == "2.0" || version == "2.1" || version == "2.2") && version > best:
			best, href = version, l.Href
		}
	}
	return href, app
}

// parseNodeInfo reads a stranger's description. What makes no sense in it is left out. The error wraps [ErrMalformed].
func parseNodeInfo(data []byte) (Software, error) {
	members := func(raw jsontext.Value) (m map[string]jsontext.Value) {
		_ = jsonv2.Unmarshal(raw, &m)
		return m
	}
	count := func(raw jsontext.Value) int64 {
		n := int64(-1)
		if jsonv2.Unmarshal(raw, &n) != nil || n < 0 {
			return -1
		}
		return n
	}
	var top map[string]jsontext.Value
	if err := jsonv2.Unmarshal(data, &top); err != nil {
		return Software{}, fmt.Errorf("%w: no NodeInfo", ErrMalformed)
	}
	about, usage := members(top["software"]), members(top["usage"])
	users := members(usage["users"])
	s := Software{
		Name: shortText(about["name"], strings.ToLower), Version: shortText(about["version"], strings.TrimSpace),
		Repository: shortURL(about["repository"]), Homepage: shortURL(about["homepage"]),
		Users: count(users["total"]), ActiveMonth: count(users["activeMonth"]), ActiveHalfyear: count(users["activeHalfyear"]),
		Posts: count(usage["localPosts"]),
	}
	_ = jsonv2.Unmarshal(top["openRegistrations"], &s.OpenRegistrations)
	if s.Name == "" {
		return Software{}, fmt.Errorf("%w: NodeInfo without a name of the software", ErrMalformed)
	}
	return s, nil
}

// shortText is a string as it may stand in a log or a table: printable, on one line, cut at 64 bytes.
func shortText(raw jsontext.Value, spell func(string) string) string {
	var text string
	if jsonv2.Unmarshal(raw, &text) != nil {
		return ""
	}
	var b strings.Builder
	for _, c := range spell(text) {
		if !unicode.IsPrint(c) {
			continue
		}
		if b.Len()+utf8.RuneLen(c) > maxName {
			break
		}
		b.WriteRune(c)
	}
	return strings.TrimSpace(b.String())
}

func shortURL(raw jsontext.Value) string {
	var text string
	if jsonv2.Unmarshal(raw, &text) != nil || len(text) > maxAddress || !validURL(text) {
		return ""
	}
	return text
}
