package fedihook

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/storage"
)

// Code tells what kind of misconfiguration a [Finding] is of.
type Code string

// What [New] finds.
const (
	CodeMissing Code = "missing" // a field that is required, or that another one needs
	CodeInvalid Code = "invalid" // a field's value can't be used
)

// What [Server.Check] finds.
const (
	CodeInsecure       Code = "insecure"        // the origin is http, which no peer outside of a test talks to
	CodeVolatile       Code = "volatile"        // what must not be lost is kept in memory
	CodeNotRunning     Code = "not-running"     // something waits, and Run was not called
	CodeUnreachable    Code = "unreachable"     // no answer comes from the site's address
	CodeWebFinger      Code = "webfinger"       // WebFinger answers wrong at the origin
	CodeHandleDomain   Code = "handle-domain"   // WebFinger answers wrong at Config.HandleDomain
	CodeActor          Code = "actor"           // an actor's document is not what the address shows
	CodeProxy          Code = "proxy"           // a signed request does not arrive as it was sent
	CodeClock          Code = "clock"           // the clock is off
	CodeProfile        Code = "profile"         // Config.Profile does not tell a user of Checks.Handles
	CodeOtherAuthority Code = "other-authority" // an actor's id is not on the origin
	CodeStorage        Code = "storage"         // a store fails
)

// Finding is a misconfiguration. It is an error: of what [New] returns errors.As finds the first.
type Finding struct {
	Code  Code
	Field string // of Config, which is to blame or to change; "" if none is
	What  string // is wrong
	Do    string // about it
	Err   error  // what was seen; nil if that is all in What
}

// Error says what is wrong, and what to do.
func (f *Finding) Error() string {
	var b strings.Builder
	b.WriteString("fedihook: ")
	if f.Field != "" {
		b.WriteString("Config." + f.Field + ": ")
	}
	b.WriteString(f.What)
	if f.Err != nil {
		fmt.Fprintf(&b, ": %v", f.Err)
	}
	if f.Do != "" {
		b.WriteString("; " + f.Do)
	}
	return b.String()
}

// Unwrap is Err.
func (f *Finding) Unwrap() error { return f.Err }

// LogValue is the finding's parts.
func (f *Finding) LogValue() slog.Value {
	list := []slog.Attr{slog.String("code", string(f.Code)), slog.String("what", f.What), slog.String("do", f.Do)}
	if f.Field != "" {
		list = append(list, slog.String("field", "Config."+f.Field))
	}
	if f.Err != nil {
		list = append(list, slog.Any("error", f.Err))
	}
	return slog.GroupValue(list...)
}

// check finds what can be seen of c without a network. The error joins all findings.
func (c *Config) check() error {
	var found []error
	missing := func(field, do string) {
		found = append(found, &Finding{Code: CodeMissing, Field: field, What: "it is required", Do: do})
	}
	invalid := func(field string, err error, do string) {
		if err != nil {
			found = append(found, &Finding{Code: CodeInvalid, Field: field, What: "it can't be used", Do: do, Err: err})
		}
	}
	if c.Profile == nil {
		missing("Profile", "give a func that returns the app's user with a handle")
	}
	if origin := (actor.Names{Origin: c.Origin}); c.Origin == "" {
		missing("Origin", `set it to scheme, host and port of the site, such as "https://blog.example"`)
	} else {
		invalid("Origin", origin.Check(), "leave it scheme, host and port; a path belongs into Config.Prefix, or into Config.Mount if a proxy takes it off")
	}
	const anywhere = "https://a.example"
	invalid("Prefix", actor.Names{Origin: anywhere, Prefix: c.Prefix}.Check(), `set it to a path such as "/ap"`)
	invalid("Mount", actor.Names{Origin: anywhere, Prefix: c.Mount}.Check(), `set it to the path that the proxy takes off, such as "/blog"`)
	invalid("HandleDomain", actor.Names{Origin: anywhere, Domain: c.HandleDomain}.Check(), `set it to a host such as "example.com"`)
	if len(found) == 0 {
		invalid("Collections", c.Collections.Check(c.names()), "")
	}
	if c.AuthorizedFetch > actor.FetchSignedActors {
		invalid("AuthorizedFetch", fmt.Errorf("%d is none", c.AuthorizedFetch), "")
	}
	if c.Storage != (storage.Storage{}) {
		if name := c.Storage.Missing(); name != "" {
			missing("Storage."+name, "fill all fields of Storage, or none for a trial in memory")
		}
	}
	if c.SealKey != nil && c.OpenKey == nil {
		missing("OpenKey", "what SealKey seals has to be opened")
	} else if c.OpenKey != nil && c.SealKey == nil {
		missing("SealKey", "OpenKey opens what SealKey has sealed")
	}
	if len(c.Node) > maxNode {
		invalid("Node", fmt.Errorf("it has more than %d bytes", maxNode), "shorten it")
	}
	for _, number := range []struct {
		field string
		value int64
	}{{"PublishDelay", int64(c.PublishDelay)}, {"MaxRelayed", int64(c.MaxRelayed)}, {"OfferPosts", int64(c.OfferPosts)}} {
		if number.value < 0 {
			invalid(number.field, errors.New("it is negative"), "")
		}
	}
	if c.Subscribe != "" && !strings.Contains(c.Subscribe, "{uri}") {
		invalid("Subscribe", fmt.Errorf("%q has no {uri}", c.Subscribe), "say where the id of what is interacted with goes")
	}
	return errors.Join(found...)
}

// names are the site's.
func (c *Config) names() actor.Names {
	n := actor.Names{Origin: c.Origin, Prefix: c.Prefix, Domain: c.HandleDomain, More: c.MoreOrigins}
	if c.Mount != "" {
		n.Prefix = c.Mount + cmp.Or(c.Prefix, "/ap")
	}
	return n
}
