// Package delivery posts documents to inboxes until they arrive or are given up.
//
// Make a [Queue] with [New], call [Queue.Enqueue], and keep [Queue.Run] going. What was
// enqueued survives a restart if the [Store] does; package storage/queue keeps it in
// SQLite. Each host has a lane of its own with one post at a time, so a host that hangs
// or fails holds up nobody else, and costs one try per backoff step however much waits
// for it. Delivery is at least once: after a crash, what was under way goes again.
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
	"strings"
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

	Policy Policy

	// MaxInFlight bounds the posts under way, one per host at most. Each may hold some
	// 32 KB and its activity's Body. Zero means 1,024.
	MaxInFlight int

	// MaxTargets and MaxBytes (of bodies) bound what waits: beyond one of them Enqueue
	// returns ErrBacklog, for Interactive activities a quarter later. Run needs some 60
	// bytes of memory for each waiting target. Zero means 5,000,000 and 2 GiB.
	MaxTargets int
	MaxBytes   int64

	// MaxBody bounds one Body. Zero means 1 MiB.
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

	// UserAgent goes with each post. Empty means "Fedihook (+https://github.com/fedihook/fedihook)".
	UserAgent string

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
	base   http.RoundTripper  // for a nil Transport
	signal chan struct{}      // something was enqueued or waked here
	calls  chan func(*worker) // to be run between two steps of the worker

	mu    sync.Mutex
	done  chan struct{}       // closed when the present Run ends; nil if none runs
	wakes map[string]struct{} // authorities that were heard of
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
		{"Policy.GiveUp", int64(c.Policy.GiveUp)}, {"Policy.Lifetime", int64(c.Policy.Lifetime)},
		{"Policy.Timeout", int64(c.Policy.Timeout)}, {"Policy.MaxDead", int64(c.Policy.MaxDead)}, {"Policy.KeepDead", int64(c.Policy.KeepDead)},
	} {
		if field.value < 0 {
			return nil, fmt.Errorf("delivery: Config.%s is negative", field.name)
		}
	}
	zero(&c.MaxInFlight, 1024)
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
	q := &Queue{
		Config: c, signal: make(chan struct{}, 1), calls: make(chan func(*worker)),
		wakes: make(map[string]struct{}),
	}
	if c.Transport == nil {
		client, err := safehttp.New(c.guarded())
		if err != nil {
			return nil, fmt.Errorf("delivery: default client: %w", err)
		}
		q.base = client.Transport
	}
	return q, nil
}

// guarded is what the default client is made of.
func (c Config) guarded() safehttp.Config {
	// Slow servers work before they answer, so that the header may take long; a body is not waited for.
	return safehttp.Config{Timeout: c.Policy.Timeout, HeaderTimeout: 20 * time.Second, UserAgent: c.UserAgent}
}

// Enqueue adds a for all targets in to, folded so that no URL is posted to twice. The
// activity is durable when it returns nil or a *[TargetError], which names the
// malformed targets that were left out. Otherwise nothing was added: ErrInvalid says
// that a can't be queued, ErrBacklog that too much waits.
func (q *Queue) Enqueue(ctx context.Context, a Activity, to iter.Seq[Target]) (Receipt, error) {
	r, err := a.record(time.Now(), q.Policy.Lifetime, q.MaxBody)
	if err != nil {
		return Receipt{}, err
	}
	limit := Limit{Targets: q.MaxTargets, Bytes: q.MaxBytes}
	if a.Class == Interactive {
		limit.Targets += limit.Targets / 4
		limit.Bytes += limit.Bytes / 4
	}
	inboxes, refused, malformed, err := q.fold(ctx, to, limit.Targets)
	if err != nil {
		return Receipt{}, fmt.Errorf("delivery: enqueue %s: %w", a.ID, err)
	}
	receipt := Receipt{Refused: refused}
	if len(inboxes) > 0 {
		added, err := q.Store.Append(ctx, r, inboxes, limit)
		if err != nil {
			return Receipt{}, fmt.Errorf("delivery: enqueue %s: %w", a.ID, err)
		}
		receipt.Seq, receipt.Targets, receipt.Duplicate = added.Seq, added.Targets, added.Duplicate
		q.notify()
	}
	if malformed.Count > 0 {
		return receipt, &malformed
	}
	return receipt, nil
}

// fold collects the URLs to post to, each once.
func (q *Queue) fold(ctx context.Context, to iter.Seq[Target], limit int) (inboxes []string, refused int, malformed TargetError, err error) {
	seen := make(map[string]struct{})
	allowed := make(map[string]bool)
	for t := range to {
		if err := ctx.Err(); err != nil {
			return nil, 0, malformed, err
		}
		inbox := t.SharedInbox
		_, host, ok := originOf(inbox)
		if !ok {
			inbox = t.Inbox
			_, host, ok = originOf(inbox)
		}
		if !ok {
			malformed.add(t.Inbox)
			continue
		}
		if _, twice := seen[inbox]; twice {
			continue
		}
		if len(seen) >= limit {
			return nil, 0, malformed, ErrBacklog
		}
		// A copy, so that a URL cut out of a long document doesn't keep all of it.
		inbox = strings.Clone(inbox)
		seen[inbox] = struct{}{}
		yes, asked := allowed[host]
		if !asked {
			yes = q.Allow == nil || !errors.Is(q.Allow(ctx, host), ErrRefused)
			allowed[host] = yes
		}
		if !yes {
			refused++
			continue
		}
		inboxes = append(inboxes, inbox)
	}
	return inboxes, refused, malformed, nil
}

// notify makes a worker in this process look for new work.
func (q *Queue) notify() {
	select {
	case q.signal <- struct{}{}:
	default: // it will look anyway
	}
}

// Wake tells that a verified request came in from host, an authority as in URLs like
// "a.example:8443": if its lane waits after failures, the next try is made at once, at
// most once a minute. The count of failures stays, and so does a wait that the host
// itself asked for. It never blocks, and does nothing unless Run runs in this process.
func (q *Queue) Wake(host string) {
	if len(host) > maxName {
		return
	}
	q.mu.Lock()
	// More hosts than this between two steps of the worker can wait for their time.
	if q.done != nil && len(q.wakes) < 1024 {
		q.wakes[strings.Clone(host)] = struct{}{}
	}
	q.mu.Unlock()
	q.notify()
}

// Cancel drops what was not sent yet of the activities with this ordering key and
// returns how many targets that were. Posts under way are not stopped; what a worker
// in another process has sent in its last moments is counted as not sent.
func (q *Queue) Cancel(ctx context.Context, key string) (int, error) {
	if key == "" {
		return 0, fmt.Errorf("delivery: cancel: the key is empty: %w", ErrInvalid)
	}
	var c Cancelled
	var err error
	cancel := func() {
		ctx, stop := context.WithTimeout(ctx, storeTime) // the worker waits for it
		defer stop()
		c, err = q.Store.Cancel(ctx, key, time.Now())
	}
	ran, doErr := q.do(ctx, func(w *worker) {
		w.flush() // what was sent counts as sent
		if cancel(); err == nil {
			w.cancel(c.Seqs)
		}
	})
	if doErr != nil {
		return 0, doErr
	}
	if !ran {
		cancel()
	}
	if err != nil {
		return 0, fmt.Errorf("delivery: cancel %.200s: %w", key, err)
	}
	return c.Targets, nil
}

// do runs fn between two steps of this process's worker. ran is false if there is none.
func (q *Queue) do(ctx context.Context, fn func(*worker)) (ran bool, err error) {
	q.mu.Lock()
	done := q.done
	q.mu.Unlock()
	if done == nil {
		return false, nil
	}
	finished := make(chan struct{})
	select {
	case q.calls <- func(w *worker) { defer close(finished); fn(w) }:
	case <-done:
		return false, nil
	case <-ctx.Done():
		return false, fmt.Errorf("delivery: %w", ctx.Err())
	}
	<-finished // the worker has taken it and each step of its is bounded
	return true, nil
}
