package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	vocab "github.com/go-ap/activitypub"
	"golang.org/x/sync/errgroup"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox"
)

// site is one server with one user. Its app is its items.
type site struct {
	host, handle string
	names        map[string]string // where the hosts of this example are
	listener     net.Listener

	mu    sync.Mutex
	items map[vocab.IRI]kept

	f      *fedihook.Server
	server *http.Server
	stop   context.CancelFunc
	done   chan error
}

// kept is an item, and what the document that came in said beyond it.
type kept struct {
	item vocab.Item
	lost []string
}

func (s *site) item(id vocab.IRI) kept {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.items[id]
}

func (s *site) keep(id vocab.IRI, k kept) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.items[id] = k
}

// publish is the way out: an item becomes an object, and more says what go-ap has no field for.
func (s *site) publish(ctx context.Context, it *vocab.Object, more func(*activity.Object) error) error {
	o, err := object(it)
	if err != nil {
		return err
	}
	if more != nil {
		if err := more(o); err != nil {
			return err
		}
	}
	id, err := s.f.Publish(ctx, s.handle, o)
	if err != nil {
		return err
	}
	it.ID = vocab.IRI(id)
	s.keep(it.ID, kept{item: it})
	return nil
}

// receive is the way in. A hook may run twice, and keeping an item twice is keeping it once.
func (s *site) receive(_ context.Context, m *inbox.Message) error {
	if m.Object == nil {
		return nil // it was only named, not sent
	}
	it, lost, err := activity.ToItem(m.Object)
	if err != nil {
		return fmt.Errorf("%w: %w", inbox.ErrDrop, err)
	}
	s.keep(it.GetID(), kept{it, lost})
	return nil
}

// object answers a GET from the items. To whom it may be shown is the library's affair.
func (s *site) object(_ context.Context, id, _ string) (*activity.Object, error) {
	k := s.item(vocab.IRI(id))
	if k.item == nil {
		return nil, actor.ErrNotFound
	}
	return object(k.item)
}

func object(it vocab.Item) (*activity.Object, error) {
	d, err := activity.FromItem(it)
	if err != nil {
		return nil, err
	}
	o, ok := d.(*activity.Object)
	if !ok {
		return nil, fmt.Errorf("%T is no object", it)
	}
	return o, nil
}

func (s *site) follows(ctx context.Context, id string) bool {
	for f, err := range s.f.Following(ctx, s.handle) {
		if err == nil && f.Followed == id {
			return true
		}
	}
	return false
}

func (s *site) start(ctx context.Context) (err error) {
	s.f, err = fedihook.New(fedihook.Config{
		Origin: "http://" + s.host,
		Profile: func(_ context.Context, handle string) (actor.Profile, error) {
			if handle != s.handle {
				return actor.Profile{}, actor.ErrNotFound
			}
			return actor.Profile{Handle: s.handle, Name: s.handle}, nil
		},
		Object:                s.object,
		Hooks:                 inbox.Hooks{Create: s.receive, Update: s.receive},
		InsecureAllowLoopback: s.names,
		Logger:                slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	s.server = &http.Server{Handler: s.f.Handler(), ReadHeaderTimeout: 5 * time.Second}
	ctx, s.stop = context.WithCancel(ctx)
	s.done = make(chan error, 1)
	var g errgroup.Group
	g.Go(func() error { return s.f.Run(ctx) })
	g.Go(func() error {
		if err := s.server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	go func() { s.done <- g.Wait() }()
	return nil
}

func (s *site) shut() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second) // for a connection that never had a request it waits 5
	defer cancel()
	err := s.server.Shutdown(ctx)
	s.stop()
	return errors.Join(err, <-s.done)
}
