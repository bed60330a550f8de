//go:build interop

package fedify_test

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	_ "modernc.org/sqlite"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/signature"
	"github.com/fedihook/fedihook/storage"
)

// The users of ours that treat those who want to follow them in a way of their own. All others accept.
const (
	asks    = "asks"    // leaves them waiting
	refuses = "refuses" // turns them away
)

var users = []string{
	"alice", "bea", "carol", "dora", "emma", "flo", "gina", "hugo", "ivy", "jack", "kim", "lou", "mia", "ned", "olga", "pam", club, asks, refuses,
}

// ours is a server made with Fedihook, in SQLite files, that keeps nothing but what its hooks heard.
type ours struct {
	*ear
	Origin string

	f       *fedihook.Server
	storage storage.Storage

	adjust      func(*fedihook.Config) // nil: as it is
	app         app
	address     string
	dir         string
	peers       map[string]string
	ca          *authority
	certificate tls.Certificate
	log         *tail
	stop        func() error // nil: it is not running
}

// startOurs starts a server that trusts ca and may reach p, and that the end of the test stops.
func startOurs(t *testing.T, ca *authority, p *peer, adjust func(*fedihook.Config)) *ours {
	t.Helper()
	certificate, err := tls.LoadX509KeyPair(ca.leaf(t))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	o := &ours{
		ear:     newEar(),
		Origin:  "https://" + strings.Replace(address, "127.0.0.1", "localhost", 1),
		address: address, dir: t.TempDir(), ca: ca, certificate: certificate,
		peers: map[string]string{strings.TrimPrefix(p.Origin, "https://"): "127.0.0.1"},
		log:   &tail{limit: logLimit}, adjust: adjust,
	}
	t.Cleanup(func() {
		if err := o.shut(); err != nil {
			t.Errorf("stop %s: %v", o.Origin, err)
		}
		if t.Failed() {
			t.Logf("the end of the log of %s:\n%s", o.Origin, o.log)
		}
	})
	if err := o.start(listener); err != nil {
		t.Fatalf("start %s: %v", o.Origin, err)
	}
	return o
}

// start opens the files and serves on the listener.
func (o *ours) start(listener net.Listener) (err error) {
	ctx, cancel := context.WithCancel(context.Background())
	undo := []func() error{listener.Close, func() error { cancel(); return nil }}
	defer func() {
		if err != nil {
			err = errors.Join(err, all(undo))
		}
	}()
	app, err := open(filepath.Join(o.dir, "app.db"))
	if err != nil {
		return err
	}
	undo = append(undo, app.Close)
	own, err := open(filepath.Join(o.dir, "federation.db"))
	if err != nil {
		return err
	}
	undo = append(undo, own.Close)
	if o.storage, err = storage.OpenSQLite(ctx, app, own); err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(o.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	config := fedihook.Config{
		Origin: o.Origin, Storage: o.storage, Profile: o.profile, Hooks: o.hooks(), RootCAs: o.ca.pool(),
		InsecureAllowLoopback: o.peers, Logger: logger, Completed: o.complete,
		Collections: actor.Collections{Featured: o.featured}, Groups: new(fedihook.Groups),
		NodeInfo: func(context.Context) (actor.NodeInfo, error) {
			return actor.NodeInfo{Software: "fedihook-interop", Version: "1.2.3", Users: int64(len(users)), Posts: 45}, nil
		},
	}
	if o.adjust != nil {
		o.adjust(&config)
	}
	if o.f, err = fedihook.New(config); err != nil {
		return err
	}
	server := &http.Server{
		Handler: o.watch(o.f.Handler()), ReadHeaderTimeout: 5 * time.Second,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{o.certificate}},
		ErrorLog:  slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return o.f.Run(ctx) })
	g.Go(func() error {
		if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	o.stop = func() error {
		ctx, done := context.WithTimeout(context.Background(), patience)
		defer done()
		err := server.Shutdown(ctx)
		cancel()
		return errors.Join(err, g.Wait(), app.Close(), own.Close())
	}
	return nil
}

func all(undo []func() error) (err error) {
	for _, f := range slices.Backward(undo) {
		err = errors.Join(err, f())
	}
	return err
}

// shut waits until everything is flushed and closed.
func (o *ours) shut() error {
	if o.stop == nil {
		return nil
	}
	stop := o.stop
	o.stop = nil
	return stop()
}

// restart comes back on the same port with the same files.
func (o *ours) restart(t *testing.T) {
	t.Helper()
	if err := o.shut(); err != nil {
		t.Fatalf("stop %s: %v", o.Origin, err)
	}
	listener, err := net.Listen("tcp", o.address)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.start(listener); err != nil {
		t.Fatalf("start %s again: %v", o.Origin, err)
	}
}

func open(file string) (*sql.DB, error) {
	return sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)")
}

// hooks hear everything, and answer Follows as their users do.
func (o *ours) hooks() inbox.Hooks {
	as := o.hook
	return inbox.Hooks{
		Follow: func(ctx context.Context, m *inbox.Message) error {
			if err := as("Follow")(ctx, m); err != nil {
				return err
			}
			switch m.ObjectID {
			case o.actor(asks):
				return inbox.ErrPending
			case o.actor(refuses):
				return fmt.Errorf("%s is not welcome: %w", m.Sender, inbox.ErrRefuse)
			}
			return nil
		},
		Unfollow: as("Unfollow"), Accepted: as("Accepted"), Rejected: as("Rejected"),
		Create: as("Create"), Update: as("Update"), Delete: as("Delete"), Like: as("Like"), React: as("React"),
		Announce: as("Announce"), Vote: as("Vote"), Quote: as("Quote"), Leave: as("Leave"), Block: as("Block"), Add: as("Add"),
		Remove: as("Remove"), Undo: as("Undo"), Move: as("Move"), Flag: as("Flag"), Other: as("Other"),
	}
}

func (o *ours) actor(handle string) string { return o.Origin + "/ap/users/" + handle }

func (o *ours) handle(handle string) string {
	return "@" + handle + "@" + strings.TrimPrefix(o.Origin, "https://")
}

// waiting counts the deliveries that are not settled yet.
func (o *ours) waiting(t *testing.T) (n int) {
	t.Helper()
	for lane, err := range o.f.Queue().Lanes(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		n += lane.Pending
	}
	return n
}

// follow is what ours knows of a follow. It is the zero Follow if that is nothing.
func (o *ours) follow(t *testing.T, follower, followed string) actor.Follow {
	t.Helper()
	f, err := o.storage.Followers.Follow(t.Context(), follower, followed)
	if err != nil && !errors.Is(err, actor.ErrNotFound) {
		t.Fatal(err)
	}
	return f
}

// key signs as a local actor.
func (o *ours) key(t *testing.T, handle string) signature.Key {
	t.Helper()
	ring := actor.Keyring{Store: o.storage.Keys, Names: actor.Names{Origin: o.Origin}}
	key, err := ring.Private(t.Context(), o.actor(handle))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// read gets a document from anywhere, signed as a local actor if one is named.
func (o *ours) read(t *testing.T, id, as string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, id, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", activity.ContentType)
	if as != "" {
		if err := signature.Sign(request, nil, o.key(t, as), signature.Cavage); err != nil {
			t.Fatal(err)
		}
	}
	answer, status, err := exchangeWith(o.ca.client(t), request)
	if err != nil {
		t.Fatalf("GET %s: %v", id, err)
	}
	return status, string(answer)
}

// post sends bytes with these headers to anywhere.
func (o *ours) post(t *testing.T, target string, header http.Header, body []byte) (status int) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = header.Clone()
	answer, status, err := exchangeWith(o.ca.client(t), request)
	if err != nil {
		t.Fatalf("POST %s: %v", target, err)
	}
	o.log.Write(fmt.Appendf(nil, "POST %s by the test: %d %s\n", target, status, answer))
	return status
}
