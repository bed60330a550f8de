package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/internal/bench/kill"
	"github.com/fedihook/fedihook/outbox"
	"github.com/fedihook/fedihook/storage"
)

// What stands here touches the library, all of it from outside: stores, a RoundTripper and hooks that stand in front
// of the usual ones and pass the killer's points. Nothing in the library knows of this.

// statements tells by their text what transactions are for whose context does not say it, and points inside others.
var statements = []kill.Statement{
	{Text: "INSERT OR FAIL INTO fedihook_entries", Work: "journal"},
	{Text: "DELETE FROM fedihook_entries WHERE seq", Work: "mark"},                                                      // both may be in one transaction
	{Text: "INSERT INTO fedihook_q_ack (seq, chunk, failed, cancelled, ids) VALUES (?, 1,", Point: "inside compaction"}, // all chunks are one
}

const (
	origin = "http://local.test"

	// flushAt is how many settled targets the queue keeps to itself at most, and inFlight how many posts it makes
	// at once: so many may go again after a kill.
	flushAt  = 256
	inFlight = 32

	// handled is of how many activities the hooks may have run at most before the journal knows: while outcomes are being
	// recorded the inbox's 8 workers go on with what it has in hand, and it takes 256 in hand when 8 or fewer are left.
	handled = 8 + 8 + 256

	// lease is longer than anyone here waits: a server that comes back under its old name must not wait for it.
	lease = 5 * time.Minute
)

// open makes the server of one life, as an app would, with the killer in every seam.
func open(ctx context.Context, o order, k *kill.Killer) (*site, error) {
	appFile, app, err := openDatabase(filepath.Join(o.Dir, "app.db"), k, "")
	if err != nil {
		return nil, err
	}
	ownFile, own, err := openDatabase(filepath.Join(o.Dir, "federation.db"), k, "inside checkpoint")
	if err != nil {
		return nil, err
	}
	if err := beforeWrites(func(path string) { appFile.wrote(path); ownFile.wrote(path) }); err != nil {
		return nil, err
	}
	store, err := storage.OpenSQLite(ctx, app, own)
	if err != nil {
		return nil, err
	}
	s := &site{app: app, own: own, followers: store.Followers}
	if err := s.createTables(ctx); err != nil {
		return nil, err
	}
	store.Intents = &intents{Intents: store.Intents, kill: k, outside: o.Break == "outside-tx"}
	store.Queue = &queue{Store: store.Queue, split: o.Split, early: o.Break == "early-enqueue", forget: o.Break == "forget-acks", mixed: o.Break == "forget-keys"}
	store.Journal = &journal{Journal: store.Journal, ids: map[int64]string{}, early: o.Break == "early-202", forget: o.Break == "forget-marks"}

	names := map[string]string{}
	for _, name := range o.Names {
		names[name] = o.Witness
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	c := delivery.Config{
		Store: store.Queue, Owner: "crash", LeaseTTL: lease, MaxInFlight: inFlight, Logger: logger,
		UserAgent: "crash/" + strconv.Itoa(o.Life),
		Policy: delivery.Policy{
			HostDelay: func(int) time.Duration { return 10 * time.Millisecond },
			ItemDelay: func(attempts int) (time.Duration, bool) { return 10 * time.Millisecond, attempts < 20 },
		},
		Transport: func(sender string) (http.RoundTripper, error) {
			base, err := s.server.Transport(sender)
			return &transport{base, k}, err
		},
	}
	if o.Lease > 0 { // a stranger, who has to wait
		c.Owner, c.LeaseTTL = "", o.Lease
	}
	if s.queue, err = delivery.New(c); err != nil {
		return nil, err
	}
	s.server, err = fedihook.New(fedihook.Config{
		Origin: origin, Storage: store, Node: "crash", Queue: s.queue, InsecureAllowLoopback: names, Logger: logger,
		Profile: func(_ context.Context, handle string) (actor.Profile, error) {
			if handle != "bob" && handle != "carol" {
				return actor.Profile{}, actor.ErrNotFound
			}
			return actor.Profile{Handle: handle}, nil
		},
		Hooks: inbox.Hooks{Create: func(ctx context.Context, m *inbox.Message) error {
			kill.Say("run %s", m.Activity.ID)
			k.At("hook begun")
			if err := s.effect(kill.Working(ctx, "effect"), m.Activity.ID); err != nil {
				return err
			}
			k.At("hook done")
			return nil
		}},
	})
	if err != nil {
		return nil, err
	}
	handler := s.server.Handler()
	s.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(&answer{w, k}, r)
	})
	return s, nil
}

// intents is an outbox.Intents.
type intents struct {
	outbox.Intents
	kill    *kill.Killer
	outside bool // broken: writes beside the app's transaction
}

func (i *intents) AddIntent(ctx context.Context, tx outbox.Execer, in outbox.Intent) error {
	if i.outside {
		tx = nil
	}
	return i.Intents.AddIntent(ctx, tx, in)
}

func (i *intents) DropIntents(ctx context.Context, seq int64) error {
	i.kill.At("intent before dropped")
	return i.Intents.DropIntents(ctx, seq)
}

// queue is a delivery.Store.
type queue struct {
	delivery.Store
	split  bool // records acks one by one, so that there are enough of them to compact
	early  bool // broken: says that an activity is kept before it is
	forget bool // broken: records no ack
	mixed  bool // broken: knows no order
}

func (q *queue) Append(ctx context.Context, a delivery.Addition) (delivery.Appended, error) {
	ctx = kill.Working(ctx, "enqueue")
	if q.early {
		go func() {
			time.Sleep(tardy)
			_, _ = q.Store.Append(context.WithoutCancel(ctx), a)
		}()
		return delivery.Appended{Seq: 1, Targets: len(a.Inboxes)}, nil
	}
	return q.Store.Append(ctx, a)
}

func (q *queue) Load(ctx context.Context, what delivery.Query) (delivery.Page, error) {
	page, err := q.Store.Load(ctx, what)
	if q.mixed {
		for i := range page.Records {
			r := &page.Records[i]
			r.Key, r.Deferred = "", nil
			for _, inbox := range r.Targets {
				r.Deferred = append(r.Deferred, delivery.Deferral{
					Seq: r.Seq, Inbox: inbox, Attempts: 1, Next: time.Now().Add(rand.N(4 * tardy)),
				})
			}
		}
	}
	return page, err
}

func (q *queue) Flush(ctx context.Context, epoch int64, f delivery.Flush) (gone []int64, err error) {
	ctx = kill.Working(ctx, "flush")
	if q.forget {
		f.Acks = nil
	}
	if q.split {
		// A store takes all of them or none: of the parts, what was said first has to come first.
		slices.SortFunc(f.Acks, func(a, b delivery.Ack) int { return cmp.Compare(a.Seq, b.Seq) })
		for _, a := range f.Acks {
			for _, inbox := range a.Done {
				part := delivery.Flush{Now: f.Now, Acks: []delivery.Ack{{Seq: a.Seq, Done: []int64{inbox}, Failed: min(a.Failed, 1)}}}
				a.Failed -= part.Acks[0].Failed
				unknown, err := q.Store.Flush(ctx, epoch, part)
				if err != nil {
					return nil, err
				}
				gone = append(gone, unknown...)
			}
		}
		f.Acks = nil
	}
	unknown, err := q.Store.Flush(ctx, epoch, f)
	gone = append(gone, unknown...)
	slices.Sort(gone)
	return slices.Compact(gone), err
}

// transport posts.
type transport struct {
	base http.RoundTripper
	kill *kill.Killer
}

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		WroteRequest: func(httptrace.WroteRequestInfo) { t.kill.At("request written") },
	})
	resp, err := t.base.RoundTrip(r.WithContext(ctx))
	if err == nil {
		t.kill.At("answer read")
	}
	return resp, err
}

// tardy is how much later than they say the broken ones do their work.
const tardy = 50 * time.Millisecond

// journal is an inbox.Journal.
type journal struct {
	inbox.Journal
	early  bool // broken: says that an entry is kept before it is
	forget bool // broken: records no outcome

	mu  sync.Mutex
	ids map[int64]string // of entries that were due
}

func (j *journal) Append(ctx context.Context, e inbox.Entry, b inbox.Bounds) (inbox.Kept, error) {
	if j.early {
		go func() {
			time.Sleep(tardy)
			_, _ = j.Journal.Append(context.WithoutCancel(ctx), e, b)
		}()
		return inbox.Kept{To: e.To}, nil
	}
	kept, err := j.Journal.Append(ctx, e, b)
	if err == nil && !kept.Seen {
		e.Seq = kept.Seq
		err = j.note(e)
	}
	return kept, err
}

func (j *journal) Due(ctx context.Context, epoch int64, now time.Time, limit int) ([]inbox.Entry, error) {
	list, err := j.Journal.Due(ctx, epoch, now, limit)
	for _, e := range list {
		if err := j.note(e); err != nil {
			return nil, err
		}
	}
	return list, err
}

// note remembers what an entry is about.
func (j *journal) note(e inbox.Entry) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, known := j.ids[e.Seq]; known {
		return nil
	}
	var a struct{ ID string }
	if err := json.Unmarshal(e.Body, &a); err != nil {
		return fmt.Errorf("entry %d: %w", e.Seq, err)
	}
	j.ids[e.Seq] = a.ID
	return nil
}

// Finish says of each entry that it is done, once that is committed.
func (j *journal) Finish(ctx context.Context, epoch int64, outcomes []inbox.Outcome) (more bool, err error) {
	done := sync.OnceFunc(func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		for _, o := range outcomes {
			if o.State == inbox.Done {
				kill.Say("done %s", j.ids[o.Seq])
			}
		}
	})
	ctx = kill.Committed(kill.Working(ctx, "mark"), done)
	if j.forget {
		outcomes := append([]inbox.Outcome(nil), outcomes...)
		for i := range outcomes {
			outcomes[i].State, outcomes[i].NotBefore = inbox.Again, time.Now()
		}
		done()
		return j.Journal.Finish(ctx, epoch, outcomes)
	}
	more, err = j.Journal.Finish(ctx, epoch, outcomes)
	if err == nil {
		done()
	}
	return more, err
}

// answer is a http.ResponseWriter.
type answer struct {
	http.ResponseWriter
	kill *kill.Killer
}

func (a *answer) WriteHeader(status int) {
	if status == http.StatusAccepted {
		a.kill.At("before the answer")
	}
	a.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
