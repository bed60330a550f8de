package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/internal/bench/kill"
	"github.com/fedihook/fedihook/storage"
)

// What stands here touches the library, as does kill's: all of it from outside.

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
	store.Intents = &kill.Intents{Intents: store.Intents, Killer: k, Outside: o.Break == "outside-tx"}
	store.Queue = &kill.Queue{Store: store.Queue, Split: o.Split, Early: o.Break == "early-enqueue", Forgetful: o.Break == "forget-acks", Mixed: o.Break == "forget-keys"}
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
			return &kill.Transport{Base: base, Killer: k}, err
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
		handler.ServeHTTP(&kill.Answer{ResponseWriter: w, Killer: k}, r)
	})
	return s, nil
}

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
			time.Sleep(kill.Tardy)
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
