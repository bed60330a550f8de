package check

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/internal/safehttp"
)

// acceptOfMastodon is how it asks for actors, in all versions.
const acceptOfMastodon = "application/activity+json, application/ld+json"

// Accept as others write it, who get nothing where it is not understood.
var acceptsOfPeers = []struct {
	value string
	peer  string
}{
	{"application/ld+json", "PieFed"},
	{`application/activity+json; profile="` + activity.Namespace + `"`, "Epicyon"},
	{`application/ld+json; profile="` + activity.Namespace + `", application/activity+json, text/html;q=0.1`, "Mastodon"},
}

// The names under which Threads fetches actors and posts (seen 2026-06).
var metaAgents = []string{
	"facebookexternalua",
	"facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
	"meta-externalagent/1.1 (+https://developers.facebook.com/docs/sharing/webmasters/crawler)",
}

// Actor looks at an actor as it is served now: by its handle (@user@host, user@host, acct:user@host), its id,
// or the URL of a profile that shows the actor to who asks for a document. It makes some 15 requests, all of
// them GETs, and reports what [Document] says of the document and which rules its server breaks. An
// error means that there was nothing to look at, because the query is none, the host is not to be reached or
// ctx has ended; a server that answers, however wrongly, gives a report.
func (c *Checker) Actor(ctx context.Context, query string) (*Report, error) {
	query = strings.TrimSpace(query)
	v := &visit{Checker: c, ctx: ctx, report: Report{Query: query}}
	v.insecure = c.loopback
	err := v.look(query)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	v.report.Findings = v.findings
	return &v.report, nil
}

// visit is one look at an actor.
type visit struct {
	*Checker
	inspection
	ctx    context.Context
	report Report
	first  reply  // with the document
	at     string // where that came from
}

func (v *visit) look(query string) error {
	id, fingered, err := v.start(query)
	if err != nil || id == "" {
		return err
	}
	found, err := v.actor(id, fingered)
	if err != nil || !found {
		return err
	}
	v.report.ID = v.id
	v.clock(v.first)
	v.accepts()
	v.agents()
	v.keyURL()
	v.webFinger()
	v.move()
	return v.host()
}

// start finds the URL to begin with; "" if the handle leads to none.
func (v *visit) start(query string) (id string, fingered bool, err error) {
	if strings.HasPrefix(query, "https://") || strings.HasPrefix(query, "http://") {
		return query, false, nil
	}
	j, err := v.resolver.WebFinger(v.ctx, query)
	var e *actor.Error
	switch {
	case err == nil:
	case errors.As(err, &e) && e.Status != 0:
		v.find("webfinger-missing", query, nil, "%s", shortened(err.Error()))
		return "", true, nil
	default:
		return "", true, err
	}
	if id = j.Self(); id == "" {
		v.find("webfinger-without-actor", query, nil, "%d links, none of them to an actor", len(j.Links))
	}
	return id, true, nil
}

// actor fetches and inspects the document. It reports whether it is an actor's with an id.
func (v *visit) actor(at string, fingered bool) (found bool, err error) {
	for hop := 0; ; hop++ {
		a, ok, err := v.fetch(at)
		if err != nil || !ok {
			return false, err
		}
		v.first, v.at = a, at
		doc, err := activity.Decode(a.body)
		if err != nil {
			break // inspect names the fault
		}
		id := doc.DocumentID()
		if id == at || id == "" {
			break
		}
		// A profile's page may show the actor, whose id is another: everyone asks again, there.
		if hop == 0 && !fingered && webURL(id) && activity.SameAuthority(id, at) {
			at = id
			continue
		}
		v.find("id-differs", at, nil, "the document there has the id %s", quoted(id))
		break
	}
	v.document(v.first.body)
	return v.own, nil
}

// fetch gets what should be an actor. If it is not shown unsigned, it is asked for with a signature.
func (v *visit) fetch(at string) (a reply, ok bool, err error) {
	a, err = v.ask(v.ctx, v.plain, at, acceptOfMastodon, "")
	var large *safehttp.BodyTooLargeError
	switch {
	case errors.As(err, &large):
		v.find("document-too-large", at, nil, "more than %d bytes", maxCheckedDoc)
		return reply{}, false, nil
	case err != nil:
		return reply{}, false, err
	}
	if a.status == http.StatusUnauthorized || a.status == http.StatusForbidden {
		v.find("actor-needs-signature", at, nil, "an unsigned request is answered %d", a.status)
		if v.signed == nil {
			return reply{}, false, nil
		}
		if a, err = v.ask(v.ctx, v.signed, at, acceptOfMastodon, ""); err != nil {
			return reply{}, false, err
		}
	}
	if a.status != http.StatusOK {
		v.find("actor-not-served", at, nil, "answered %d", a.status)
		return reply{}, false, nil
	}
	kind := a.header.Get("Content-Type")
	usable, usual := documentType(kind)
	switch {
	case !usable:
		v.find("content-type-refused", at, nil, "%s", quoted(kind))
	case !usual:
		v.find("content-type-unusual", at, nil, "%s", quoted(kind))
	}
	// A page for people says nothing of the actor.
	return a, usable || strings.HasPrefix(strings.TrimSpace(string(a.body)), "{"), nil
}

// clock compares the server's with ours.
func (v *visit) clock(a reply) {
	theirs, err := http.ParseTime(a.header.Get("Date"))
	if err != nil || a.header.Get("Age") != "" { // a cache tells when it was told
		return
	}
	off := theirs.Sub(a.at)
	var refusing []string
	if off > time.Minute {
		refusing = append(refusing, "Friendica")
	}
	if off < -5*time.Minute {
		refusing = append(refusing, "Friendica", "BookWyrm")
	}
	if off > time.Hour || off < -time.Hour {
		refusing = append(refusing, "Lemmy", "PieFed")
	}
	if off > time.Hour || off < -65*time.Minute {
		refusing = append(refusing, "Mastodon")
	}
	if refusing != nil {
		v.find("clock-off", v.at, refusing, "Date is off by %s", off.Round(time.Second))
	}
}

// shows makes a request for the actor and tells whether the document came, and else what.
func (v *visit) shows(at, accept, userAgent string) (what string, ok bool) {
	a, err := v.ask(v.ctx, v.plain, at, accept, userAgent)
	if err != nil {
		return shortened(err.Error()), false
	}
	if usable, _ := documentType(a.header.Get("Content-Type")); a.status != http.StatusOK || !usable {
		return fmt.Sprintf("answered %d with %s", a.status, quoted(a.header.Get("Content-Type"))), false
	}
	return "", true
}

// open tells whether the actor is shown to everybody, so that one fault isn't named again for each request.
func (v *visit) open() bool {
	for _, f := range v.findings {
		switch f.Rule {
		case "actor-needs-signature", "content-type-refused":
			return false
		}
	}
	return true
}

func (v *visit) accepts() {
	if !v.open() {
		return
	}
	for _, one := range acceptsOfPeers {
		if what, ok := v.shows(v.at, one.value, ""); !ok {
			v.find("accept-ignored", v.at, []string{one.peer}, "Accept: %s: %s", one.value, what)
		}
	}
}

func (v *visit) agents() {
	if !v.open() {
		return
	}
	var turned []string
	for _, name := range metaAgents {
		if what, ok := v.shows(v.at, acceptOfMastodon, name); !ok {
			short, _, _ := strings.Cut(name, "/")
			turned = append(turned, short+": "+what)
		}
	}
	if turned != nil {
		v.find("meta-agent-refused", v.at, nil, "%s", strings.Join(turned, "; "))
	}
}

// keyURL wants the whole actor where its key is.
func (v *visit) keyURL() {
	key, _ := v.top["publicKey"].(map[string]any)
	at, _ := key["id"].(string)
	at, _, _ = strings.Cut(at, "#")
	if at == v.id || !webURL(at) || !activity.SameAuthority(at, v.id) {
		return // it is, or what Check says of it is enough
	}
	a, err := v.ask(v.ctx, v.plain, at, acceptOfMastodon, "")
	if err != nil {
		v.find("key-url-not-actor", at, nil, "%s", shortened(err.Error()))
		return
	}
	doc, err := activity.Decode(a.body)
	whole, isActor := doc.(*activity.Actor)
	switch {
	case a.status != http.StatusOK:
		v.find("key-url-not-actor", at, nil, "answered %d", a.status)
	case err != nil || !isActor || whole.ID != v.id:
		v.find("key-url-not-actor", at, nil, "something else than the actor is there")
	case whole.Inbox.ID == "":
		v.find("key-url-not-actor", at, nil, "an actor without an inbox is there")
	}
}

// webFinger goes from the actor to its handle and back.
func (v *visit) webFinger() {
	doc, err := activity.Decode(v.first.body)
	a, ok := doc.(*activity.Actor)
	authority, known := activity.Authority(v.id)
	if err != nil || !ok || a.PreferredUsername == "" || !known {
		return // what Check says of it is enough
	}
	acct := a.Webfinger
	if acct == "" {
		acct = a.PreferredUsername + "@" + authority
	}
	handle, err := v.resolver.Handle(v.ctx, a)
	if err == nil {
		v.report.Handle = handle
		return
	}
	rule := "webfinger-missing"
	if j, again := v.resolver.WebFinger(v.ctx, acct); again == nil {
		rule = "webfinger-other-actor"
		if j.Self() == "" {
			rule = "webfinger-without-actor"
		}
	}
	v.find(rule, acct, nil, "%s", shortened(err.Error()))
}

// move follows movedTo, which both ends must confirm.
func (v *visit) move() {
	to, _ := v.top["movedTo"].(string)
	if to == "" || !webURL(to) {
		return
	}
	a, err := v.ask(v.ctx, v.plain, to, acceptOfMastodon, "")
	if err != nil {
		v.find("move-unconfirmed", to, nil, "%s", shortened(err.Error()))
		return
	}
	doc, err := activity.Decode(a.body)
	target, ok := doc.(*activity.Actor)
	if err != nil || !ok || a.status != http.StatusOK {
		v.find("move-unconfirmed", to, nil, "answered %d without an actor", a.status)
		return
	}
	confirmed := false
	for _, known := range target.AlsoKnownAs {
		confirmed = confirmed || known.ID == v.id
	}
	if !confirmed {
		v.find("move-unconfirmed", to, nil, "%s is not among its %d other ids", quoted(v.id), len(target.AlsoKnownAs))
	}
	if target.MovedTo.ID != "" {
		v.find("move-target-moved", to, nil, "has itself moved, to %s", quoted(target.MovedTo.ID))
	}
}
