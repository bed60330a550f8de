package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	_ "modernc.org/sqlite"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/storage"
)

// site is one server: an app, its storage and the federation of it, on a port of its own.
type site struct {
	*app
	host    string // its name: "a.test"
	address string // where it listens
	names   map[string]string
	dir     string
	broken  string
	verbose bool
	logger  *slog.Logger
	out     *report

	f       *fedihook.Server
	storage storage.Storage
	posts   atomic.Int64 // requests to its inboxes

	own    *sql.DB
	stop   context.CancelFunc
	done   chan error
	server *http.Server
}

// listen takes a free port, for good: the site comes back to it after a restart.
func listen() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") }

// start opens the files and serves on l.
func (s *site) start(ctx context.Context, l net.Listener) (err error) {
	if s.db, err = open(filepath.Join(s.dir, s.host+"-app.db")); err != nil {
		return err
	}
	if _, err := s.db.ExecContext(ctx, schema); err != nil {
		return err
	}
	if s.own, err = open(filepath.Join(s.dir, s.host+"-federation.db")); err != nil {
		return err
	}
	if s.storage, err = storage.OpenSQLite(ctx, s.db, s.own); err != nil {
		return err
	}
	config := fedihook.Config{
		Origin: "http://" + s.host, Storage: s.storage, Profile: s.profile, Object: s.object, Hooks: s.hooks(),
		NodeInfo: func(context.Context) (actor.NodeInfo, error) {
			return actor.NodeInfo{Software: "twoservers", Version: "1"}, nil
		},
		InsecureAllowLoopback: s.names, Logger: s.logger.With("site", s.host),
	}
	if err := s.sabotage(&config); err != nil {
		return err
	}
	if s.f, err = fedihook.New(config); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "a page for people\n") })
	s.server = &http.Server{Handler: s.watch(s.f.Wrap(mux)), ReadHeaderTimeout: 5 * time.Second}

	ctx, s.stop = context.WithCancel(ctx)
	s.done = make(chan error, 1)
	var g errgroup.Group
	g.Go(func() error { return s.f.Run(ctx) })
	g.Go(func() error {
		if err := s.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	go func() { s.done <- g.Wait() }()
	return nil
}

// shut stops the server and waits until it has flushed and closed everything.
func (s *site) shut() error {
	if s.stop == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := s.server.Shutdown(ctx)
	s.stop()
	err = errors.Join(err, <-s.done, s.db.Close(), s.own.Close())
	s.stop = nil
	return err
}

// restart comes back to the port that the site had.
func (s *site) restart(ctx context.Context) error {
	l, err := net.Listen("tcp", s.address)
	if err != nil {
		return err
	}
	return s.start(ctx, l)
}

func open(file string) (*sql.DB, error) {
	return sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)")
}

// watch counts what comes to the inboxes and, if asked to, shows every exchange.
func (s *site) watch(next http.Handler) http.Handler {
	var mu sync.Mutex
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/inbox") {
			s.posts.Add(1)
		}
		if !s.verbose {
			next.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 8<<20)) // more than any inbox takes
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		var text bytes.Buffer
		fmt.Fprintf(&text, "\n>>> %s %s to %s\n", r.Method, r.RequestURI, r.Host)
		showMessage(&text, r.Header, body)
		fmt.Fprintf(&text, "<<< %d %s from %s\n", answer.Code, http.StatusText(answer.Code), s.host)
		showMessage(&text, answer.Header(), answer.Body.Bytes())
		mu.Lock()
		_, _ = s.out.Write(text.Bytes())
		mu.Unlock()
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	})
}
