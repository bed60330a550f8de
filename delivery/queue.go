// Package delivery posts documents to inboxes until they arrive or are given up.
//
// Make a [Queue] with [New], call [Queue.Enqueue], and keep [Queue.Run] going. What was
// enqueued survives a restart if the [Store] does; package storage/queue keeps it in
// SQLite. Each host has a lane of its own whose window of posts at once grows while it
// answers, so a host that hangs or fails holds up nobody else, and costs one try per
// backoff step however much waits for it. Delivery is at least once: after a crash, what was under way goes again.
//
// It knows nothing of ActivityPub: what it sends is a sender, bytes and URLs. Signing
// is the RoundTripper's affair, see package signature.
//
// Experimental: until 1.0 any of this may change.
package delivery

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/fedihook/fedihook/internal/safehttp"
)

// Config is what a Queue is made of. Only Store is required.
type Config struct {
	Store Store

	// Transport returns what posts for an Activity's Sender: usually a RoundTripper
	// that signs with its key. It is asked for each post; no key is ever stored in the
	// queue. An error that wraps ErrRefused drops the target for good, with any other
	// it is tried again later. Nil: unsigned, through a client that reaches public
	// addresses only.
	Transport func(sender string) (http.RoundTripper, error)

	// Allow is asked for each host (with its port if it is not the default one) by
	// Enqueue and again before each post. An error that wraps ErrRefused drops the
	// target for good; with any other it is tried again later. Nil allows every host.
	Allow func(ctx context.Context, host string) error

	// Local says whether a host (with its port if it is not the default one) is ours:
	// nothing is posted to it. Nil: none is.
	Local func(host string) bool

	// Choose names, for a host, which of Activity.Other it gets instead of Body; an
	// empty or unknown name means Body. It must depend on the host alone. Nil: Body.
	Choose func(host string) string

	// Prepare may add headers to each request before it is signed. a has no bodies. An
	// error that wraps ErrRefused drops the target for good, with any other it is
	// tried again later. Nil adds nothing.
	Prepare func(ctx context.Context, r *http.Request, a Activity) error

	// Audience finds the targets that a Target names by its Audience, for a sender. It may read
	// page by page: no transaction of the queue is open meanwhile. Nil: there are no audiences.
	Audience func(ctx context.Context, sender, name string) iter.Seq2[Target, error]

	// Intents is where an [Appender] has left what Run is to expand. Nil: nowhere.
	Intents Intents

	Policy Policy

	// MaxInFlight bounds the posts under way. Each may hold some 32 KB. A tenth of them is kept for Interactive
	// activities; hosts that are slow or have to prove that they are back get a quarter at most. Zero means 1,024.
	MaxInFlight int

	// MaxPreparing bounds the posts that have begun and did not ask for a connection yet, of which most wait to be
	// signed: an Interactive one, to which this does not apply, is signed after no more than so many. net/http
	// tells when a post asks (httptrace.ClientTrace). Whose RoundTripper does not tell is not bounded, and
	// no post counts for longer than 50 ms. Who signs with keys that are far away wants more. Zero means 4 × GOMAXPROCS.
	MaxPreparing int

	// MaxWindow bounds the posts under way to one host. It begins with one, doubles with each
	// round of successes until the host has once said that this is too much, grows by one per round after
	// that, is halved by 429 and 503, and begins anew after a failure. Zero means 8.
	MaxWindow int

	// MaxTargets and MaxBytes (of bodies) bound what waits: beyond one of them Enqueue
	// returns ErrBacklog, for Interactive activities a quarter later. Run has at most 1,000 targets of a host in
	// memory, 24 bytes each, and 16 of one that fails. Zero means 5,000,000 and 2 GiB.
	MaxTargets int
	MaxBytes   int64

	// MaxBody bounds the bodies of one activity together. Zero means 1 MiB.
	MaxBody int

	// Owner names this process to others that share the Store. A process that comes
	// back under its old name delivers at once; under another it waits until the old
	// lease has run out. No two live processes may share a name. Empty: a random one.
	Owner string

	// LeaseTTL is how long others wait for a process that died. Zero means 10 s.
	LeaseTTL time.Duration

	// Poll is how often Run asks the Store for what other processes enqueued. What this
	// process enqueues it sees at once. Zero means 1 s.
	Poll time.Duration

	// Grace is how long Run waits, when it is told to end, for posts under way. Zero means 20 s.
	Grace time.Duration

	// One of these is called when a target is settled, before that is recorded: after a
	// crash it may be called again for the same target. It may be slow, but it holds
	// one of MaxInFlight slots. Its error is logged and changes nothing.
	OnDelivered func(context.Context, *Event) error // the inbox took it
	OnGone      func(context.Context, *Event) error // the inbox does not exist any more: 410, or 404 for a day
	OnDead      func(context.Context, *Event) error // any other end: Event.Err says why

	// OnRefused is called when a host has answered Policy.RefusedAfter activities in a
	// row with 401 or 403: it blocks us, or can't read our signatures. Nil: it is logged.
	OnRefused func(ctx context.Context, host string) error

	// OnProgress is called about once a second for each activity with more than
	// Policy.BulkAbove targets of which some were settled in this process, and when all are. It must not block.
	OnProgress func(Progress)

	// Observer is told what happens, for metrics; it may be a [Tracer], too. Nil: nobody is.
	Observer Observer

	// UserAgent goes with each post. Empty means "Fedihook (+https://github.com/fedihook/fedihook)".
	UserAgent string

	// InsecureAllowLoopback is for tests and trials: hosts that the guarded transport may reach on loopback, as
	// "a.test" → "127.0.0.1:8080". Their inboxes may have http URLs. Nil: public addresses alone.
	InsecureAllowLoopback map[string]string

	// Logger is told of hosts that fail and return, and of what is given up. Nil means slog.Default().
	Logger *slog.Logger
}

// Event tells what became of one target.
type Event struct {
	Activity string // its ID
	Sender   string
	Key      string
	Inbox    string
	Host     string // of Inbox, with its port if it is not the default one
	Attempts int    // how often this target was tried; 0 if never
	Status   int    // of the last answer; 0 if none came
	Err      error  // an *Error; nil if delivered. It wraps ErrExpired, ErrGivenUp or ErrRefused where that is the reason
	Took     time.Duration
}

// Queue takes activities and delivers them. Make it with [New]. Its methods may be
// called by many goroutines at once.
type Queue struct {
	Config
	base   http.RoundTripper // for a nil Transport
	asked  chan struct{}     // an intent was written here
	tracer Tracer            // that the Observer is; nil if it is none

	mu     sync.Mutex
	worker *worker       // of the present Run; nil if none runs
	done   chan struct{} // closed when that Run ends
	wakes  wakes
}

// New checks c and makes a Queue. It dials nothing and starts nothing.
func New(c Config) (*Queue, error) {
	if c.Store == nil {
		return nil, errors.New("delivery: Config.Store is nil")
	}
	for _, field := range []struct {
		name  string
		value int64
	}{
		{"MaxInFlight", int64(c.MaxInFlight)}, {"MaxTargets", int64(c.MaxTargets)}, {"MaxBytes", c.MaxBytes},
		{"MaxBody", int64(c.MaxBody)}, {"LeaseTTL", int64(c.LeaseTTL)}, {"Poll", int64(c.Poll)}, {"Grace", int64(c.Grace)},
		{"MaxWindow", int64(c.MaxWindow)}, {"MaxPreparing", int64(c.MaxPreparing)},
	} {
		if field.value < 0 {
			return nil, fmt.Errorf("delivery: Config.%s is negative", field.name)
		}
	}
	if name := c.Policy.negative(); name != "" {
		return nil, fmt.Errorf("delivery: Config.Policy.%s is negative", name)
	}
	zero(&c.MaxInFlight, 1024)
	zero(&c.MaxPreparing, 4*runtime.GOMAXPROCS(0))
	zero(&c.MaxWindow, 8)
	zero(&c.MaxTargets, 5_000_000)
	zero(&c.MaxBytes, 2<<30)
	zero(&c.MaxBody, 1<<20)
	zero(&c.LeaseTTL, 10*time.Second)
	zero(&c.Poll, time.Second)
	zero(&c.Grace, 20*time.Second)
	c.Policy = c.Policy.withDefaults()
	if c.Owner == "" {
		c.Owner = crand.Text()
	}
	if c.UserAgent == "" {
		c.UserAgent = "Fedihook (+https://github.com/fedihook/fedihook)"
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	q := &Queue{Config: c, asked: make(chan struct{}, 1)}
	q.tracer, _ = c.Observer.(Tracer)
	if c.Transport == nil {
		base, err := c.Guarded()
		if err != nil {
			return nil, err
		}
		q.base = base
	}
	return q, nil
}

// Guarded returns what a nil Transport posts through: it reaches public addresses only, whatever a name resolves to, and
// keeps as many connections to a host as MaxWindow allows posts. Wrap it in what signs, such as a signature.Transport, to
// make a Transport. It looks at MaxWindow, Policy.Timeout, UserAgent and InsecureAllowLoopback only, and may be used by many
// goroutines at once.
func (c Config) Guarded() (http.RoundTripper, error) {
	zero(&c.MaxWindow, 8)
	c.Policy = c.Policy.withDefaults()
	client, err := safehttp.New(c.guarded())
	if err != nil {
		return nil, fmt.Errorf("delivery: guarded transport: %w", err)
	}
	return client.Transport, nil
}

// guarded is what the default client is made of.
func (c Config) guarded() safehttp.Config {
	// Slow servers work before they answer, so that the header may take long; a body is not waited for.
	return safehttp.Config{
		ConnectTimeout: 5 * time.Second, TLSTimeout: 5 * time.Second, HeaderTimeout: 20 * time.Second,
		Timeout: c.Policy.Timeout, MaxIdlePerHost: c.MaxWindow, UserAgent: c.UserAgent,
		InsecureAllowLoopback: c.InsecureAllowLoopback,
	}
}
