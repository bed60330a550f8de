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

	_ "github.com/jackc/pgx/v5/stdlib"
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
	dsn     string // of PostgreSQL; "": files of SQLite in dir
	broken  string
	verbose bool
	logger  *slog.Logger
	out     *report

	f       *fedihook.Server // where the app speaks
	twin    *fedihook.Server // with PostgreSQL a second node, which does its part of everything else; nil: there is none
	storage storage.Storage
	posts   atomic.Int64 // requests to its inboxes

	dbs    []*sql.DB
	stop   context.CancelFunc
	done   chan error
	server *http.Server
}

// listen takes a free port, for good: the site comes back to it after a restart.
func listen() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") }

// start opens the files and serves on l.
func (s *site) start(ctx context.Context, l net.Listener) (err error) {
	if err := s.open(ctx); err != nil {
		return err
	}
	if s.f, err = s.node("one"); err != nil {
		return err
	}
	nodes := []*fedihook.Server{s.f}
	if s.dsn != "" {
		if s.twin, err = s.node("two"); err != nil {
			return err
		}
		nodes = append(nodes, s.twin)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "a page for people\n") })
	s.server = &http.Server{Handler: s.watch(inTurns(nodes, mux)), ReadHeaderTimeout: 5 * time.Second}

	ctx, s.stop = context.WithCancel(ctx)
	s.done = make(chan error, 1)
	var g errgroup.Group
	for _, node := range nodes {
		g.Go(func() error { return node.Run(ctx) })
	}
	g.Go(func() error {
		if err := s.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	go func() { s.done <- g.Wait() }()
	return nil
}

// node makes one of the processes that a site may have: they share nothing but the storage.
func (s *site) node(name string) (*fedihook.Server, error) {
	config := fedihook.Config{
		Origin: "http://" + s.host, Storage: s.storage, Node: name, Profile: s.profile, Object: s.object, Hooks: s.hooks(),
		NodeInfo: func(context.Context) (actor.NodeInfo, error) {
			return actor.NodeInfo{Software: "twoservers", Version: "1"}, nil
		},
		InsecureAllowLoopback: s.names, Logger: s.logger.With("site", s.host, "node", name),
	}
	if s.dsn != "" { // as another process would, with a connection pool of its own
		var err error
		if config.Storage, err = s.openPostgres(context.Background()); err != nil {
			return nil, err
		}
	}
	if err := s.sabotage(&config); err != nil {
		return nil, err
	}
	return fedihook.New(config)
}

// spread waits until every node knows of a rule that was made or lifted on one.
func (s *site) spread(ctx context.Context) {
	if s.twin == nil {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(time.Second + time.Second/10):
	}
}

// inTurns is a load balancer.
func inTurns(nodes []*fedihook.Server, next http.Handler) http.Handler {
	var turn atomic.Uint64
	handlers := make([]http.Handler, len(nodes))
	for i, n := range nodes {
		handlers[i] = n.Wrap(next)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handlers[turn.Add(1)%uint64(len(handlers))].ServeHTTP(w, r)
	})
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
	err = errors.Join(err, <-s.done)
	for _, db := range s.dbs {
		err = errors.Join(err, db.Close())
	}
	s.dbs = nil
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

// open opens the app's database and the storage over it.
func (s *site) open(ctx context.Context) (err error) {
	if s.dsn != "" {
		if s.storage, err = s.openPostgres(ctx); err != nil {
			return err
		}
		s.db = s.dbs[len(s.dbs)-1]
		_, err = s.db.ExecContext(ctx, strings.ReplaceAll(schema, "n INTEGER PRIMARY KEY", "n BIGSERIAL PRIMARY KEY"))
		return err
	}
	if s.db, err = open(filepath.Join(s.dir, s.host+"-app.db")); err != nil {
		return err
	}
	s.dbs = append(s.dbs, s.db)
	if _, err := s.db.ExecContext(ctx, schema); err != nil {
		return err
	}
	own, err := open(filepath.Join(s.dir, s.host+"-federation.db"))
	if err != nil {
		return err
	}
	s.dbs = append(s.dbs, own)
	s.storage, err = storage.OpenSQLite(ctx, s.db, own)
	return err
}

// openPostgres opens the site's schema once more.
func (s *site) openPostgres(ctx context.Context) (storage.Storage, error) {
	db, err := sql.Open("pgx", s.dsn)
	if err != nil {
		return storage.Storage{}, err
	}
	db.SetMaxOpenConns(8)
	s.dbs = append(s.dbs, db)
	return storage.OpenPostgres(ctx, db, nil)
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
