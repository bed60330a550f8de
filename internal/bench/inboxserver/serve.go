package main

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	_ "modernc.org/sqlite"

	"golang.org/x/sync/errgroup"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/internal/bench"
	"github.com/fedihook/fedihook/internal/bench/postgres"
	"github.com/fedihook/fedihook/storage"
)

// site is the server's side: what it counts.
type site struct {
	creates, replies, likes, announces, hooks atomic.Int64

	mu   sync.Mutex
	late []time.Duration // from what a text says to its hook
}

// sent is how the generator writes into a text when it was signed, in nanoseconds.
var sent = regexp.MustCompile(`sent=(\d+)`)

func serve(ctx context.Context, o options) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // the one who started us has ended
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	if o.profile != "" {
		f, err := os.Create(o.profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := &site{}
	names := make(map[string]string)
	for pair := range strings.SplitSeq(o.names, ",") {
		if host, address, ok := strings.Cut(pair, "="); ok {
			names[host] = address
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /__counts", s.serveCounts)
	if o.serve == "rows" {
		b, err := newRows(ctx, o.data, s, names)
		if err != nil {
			return err
		}
		defer b.close()
		mux.Handle("POST /inbox", b)
		return s.listen(ctx, l, mux, "", b.run)
	}
	if o.serve == "bare" {
		mux.Handle("POST /inbox", &bare{site: s, names: names})
		return s.listen(ctx, l, mux, "", nil)
	}
	store, closeStore, err := openStore(ctx, o)
	if err != nil {
		return err
	}
	defer closeStore()
	f, err := s.federate(store, names, l.Addr().String(), o)
	if err != nil {
		return err
	}
	post, err := f.Publish(ctx, "bob", &activity.Object{
		Type: activity.Types{"Note"}, Content: "<p>What everybody will like.</p>", To: activity.Audience{activity.IRI(activity.Public)},
	})
	if err != nil {
		return err
	}
	if err := s.listen(ctx, l, f.Wrap(mux), post, f.Run); err != nil || o.memory == "" {
		return err
	}
	defer runtime.KeepAlive(f)
	return writeHeap(o.memory)
}

// writeHeap writes what is in memory still.
func writeHeap(name string) error {
	runtime.GC()
	out, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(pprof.WriteHeapProfile(out), out.Close())
}

func openStore(ctx context.Context, o options) (storage.Storage, func(), error) {
	if o.store == "memory" {
		return storage.Memory(), func() {}, nil
	}
	if o.store == "postgres" {
		db, err := postgres.Connect(o.data, 10)
		if err != nil {
			return storage.Storage{}, nil, err
		}
		store, err := storage.OpenPostgres(ctx, db, postgres.Listen(o.data))
		return store, func() { _ = db.Close() }, err
	}
	if o.store != "sqlite" {
		return storage.Storage{}, nil, fmt.Errorf("-store %q is neither memory, sqlite nor postgres", o.store)
	}
	var open [2]*sql.DB
	for i, name := range []string{"app.db", "federation.db"} {
		var err error
		open[i], err = sql.Open("sqlite", "file:"+filepath.Join(o.data, name)+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)")
		if err != nil {
			return storage.Storage{}, nil, err
		}
	}
	store, err := storage.OpenSQLite(ctx, open[0], open[1])
	return store, func() { _, _ = open[0].Close(), open[1].Close() }, err
}

// listen serves until ctx ends.
func (s *site) listen(ctx context.Context, l net.Listener, h http.Handler, post string, work func(context.Context) error) error {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	fmt.Println(l.Addr(), post)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	if work != nil {
		g.Go(func() error { return work(ctx) })
	}
	g.Go(func() error { <-ctx.Done(); return server.Close() })
	return g.Wait()
}

func (s *site) federate(store storage.Storage, names map[string]string, address string, o options) (*fedihook.Server, error) {
	names[localHost] = address
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	return fedihook.New(fedihook.Config{
		Origin: "http://" + localHost, Storage: store, InsecureAllowLoopback: names, Logger: logger, Node: o.node,
		MaxFetches: o.fetches,
		Profile: func(_ context.Context, handle string) (actor.Profile, error) {
			if handle != "bob" {
				return actor.Profile{}, actor.ErrNotFound
			}
			return actor.Profile{Handle: "bob"}, nil
		},
		Hooks: s.takes(o.group),
	})
}

// takes are the hooks, which get likes and boosts one by one or in groups.
func (s *site) takes(grouped bool) inbox.Hooks {
	h := inbox.Hooks{Create: s.create}
	if grouped {
		many := func(counter *atomic.Int64) func(context.Context, string, []*inbox.Message) error {
			return func(_ context.Context, _ string, ms []*inbox.Message) error {
				counter.Add(int64(len(ms)))
				s.hooks.Add(1)
				return nil
			}
		}
		h.Likes, h.Announces = many(&s.likes), many(&s.announces)
		return h
	}
	one := func(counter *atomic.Int64) inbox.Hook {
		return func(context.Context, *inbox.Message) error {
			counter.Add(1)
			s.hooks.Add(1)
			return nil
		}
	}
	h.Like, h.Announce = one(&s.likes), one(&s.announces)
	return h
}

func (s *site) create(_ context.Context, m *inbox.Message) error {
	s.hooks.Add(1)
	note, ok := m.Object.(*activity.Object)
	if !ok {
		return fmt.Errorf("a Create of %T", m.Object)
	}
	if note.InReplyTo.ID != "" {
		s.replies.Add(1)
		return nil
	}
	s.creates.Add(1)
	if at := sent.FindStringSubmatch(note.Content); at != nil {
		nanoseconds, err := strconv.ParseInt(at[1], 10, 64)
		if err != nil {
			return err
		}
		s.mu.Lock()
		s.late = append(s.late, time.Since(time.Unix(0, nanoseconds)))
		s.mu.Unlock()
	}
	return nil
}

// serveCounts tells the counts, and forgets the times that it told.
func (s *site) serveCounts(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	late := s.late
	s.late = nil
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(counts{
		Creates: s.creates.Load(), Replies: s.replies.Load(), Likes: s.likes.Load(), Announces: s.announces.Load(),
		Hooks: s.hooks.Load(), HookP99: bench.Percentile(late, 0.99),
	})
}

// bare does what every server must do, and nothing that makes it safe.
type bare struct {
	site  *site
	names map[string]string
	keys  sync.Map // by key id
}

var parameter = regexp.MustCompile(`(\w+)="([^"]*)"`)

func (b *bare) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, _, err := b.take(r); err != nil {
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	b.site.creates.Add(1)
	w.WriteHeader(http.StatusAccepted)
}

// take verifies a request and returns its body, and the id that stands in it.
func (b *bare) take(r *http.Request) (body []byte, id string, err error) {
	if body, err = io.ReadAll(io.LimitReader(r.Body, 1<<20)); err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256(body)
	if r.Header.Get("Digest") != "SHA-256="+base64.StdEncoding.EncodeToString(sum[:]) {
		return nil, "", errors.New("the digest is another")
	}
	p := make(map[string]string)
	for _, m := range parameter.FindAllStringSubmatch(r.Header.Get("Signature"), -1) {
		p[m[1]] = m[2]
	}
	key, err := b.key(p["keyId"])
	if err != nil {
		return nil, "", err
	}
	signature, err := base64.StdEncoding.DecodeString(p["signature"])
	if err != nil {
		return nil, "", err
	}
	text := "(request-target): post " + r.URL.RequestURI() + "\nhost: " + r.Host
	for _, name := range []string{"date", "digest", "content-type"} {
		text += "\n" + name + ": " + r.Header.Get(name)
	}
	hash := sha256.Sum256([]byte(text))
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, hash[:], signature); err != nil {
		return nil, "", err
	}
	var activity map[string]any
	err = json.Unmarshal(body, &activity)
	id, _ = activity["id"].(string)
	return body, id, err
}

func (b *bare) key(id string) (*rsa.PublicKey, error) {
	if key, ok := b.keys.Load(id); ok {
		return key.(*rsa.PublicKey), nil
	}
	host, path, _ := strings.Cut(strings.TrimPrefix(id, "http://"), "/")
	path, _, _ = strings.Cut(path, "#")
	answer, err := http.Get("http://" + b.names[host] + "/" + path)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	var doc struct {
		PublicKey struct {
			PEM string `json:"publicKeyPem"`
		} `json:"publicKey"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&doc); err != nil {
		return nil, err
	}
	block, _ := pem.Decode([]byte(doc.PublicKey.PEM))
	if block == nil {
		return nil, errors.New("no key")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	known, ok := key.(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("no RSA key")
	}
	b.keys.Store(id, known)
	return known, nil
}
