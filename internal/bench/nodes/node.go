package main

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"golang.org/x/sync/errgroup"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/internal/bench/kill"
	"github.com/fedihook/fedihook/storage"
)

const (
	origin = "http://local.test"

	// flushAt is how many settled targets the queue keeps to itself at most, and inFlight how many posts it makes
	// at once: so many may go again after a kill.
	flushAt  = 256
	inFlight = 32
)

// order is what a node is told when it starts.
type order struct {
	Database string // its address
	Node     string // its name
	Life     int    // this process's number
	Witness  string // the address of everyone else
	Names    []string
	Lease    time.Duration
	InFlight int
	Plain    bool // what it posts is not signed
	Relay    bool // it has a loopback of its own
	Break    string
}

// node is the app's process.
type node struct {
	order
	db     *sql.DB
	queue  *delivery.Queue
	server *fedihook.Server
	kill   *kill.Killer

	content atomic.Bool // broken: it takes no more than it has
}

// serve is the life of a node. It ends when it is killed, told to, or left alone.
func serve(ctx context.Context, text string) error {
	n := new(node)
	if err := json.Unmarshal([]byte(text), &n.order); err != nil {
		return err
	}
	n.kill = kill.NewKiller("", 0, false, true)
	if n.Relay {
		if err := n.relay(); err != nil {
			return err
		}
	}
	if err := n.open(ctx); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ctx, quit := context.WithCancel(ctx)
	defer quit()
	handler := n.server.Handler()
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(&kill.Answer{ResponseWriter: w, Killer: n.kill}, r)
	})}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error { return n.server.Run(ctx) })
	g.Go(func() error { return n.queue.Run(ctx) })
	g.Go(func() error { <-ctx.Done(); return server.Close() })
	kill.Say("ready %s", l.Addr())
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		word := strings.Fields(lines.Text())
		if word[0] == "quit" {
			break
		}
		if err := n.obey(ctx, word); err != nil {
			kill.Say("failed %s: %v", lines.Text(), err)
			continue
		}
		kill.Say("ok")
	}
	quit()
	if err := g.Wait(); err != nil {
		return err
	}
	kill.Say("bye")
	return n.db.Close()
}

// open wires the node as an app would, with the killer in every seam.
func (n *node) open(ctx context.Context) error {
	config, err := pgx.ParseConfig(n.Database)
	if err != nil {
		return err
	}
	n.db = sql.OpenDB(kill.Connector{Connector: stdlib.GetConnector(*config), Killer: n.kill})
	n.db.SetMaxOpenConns(10)
	n.db.SetMaxIdleConns(10)
	store, err := storage.OpenPostgres(ctx, n.db, listen(n.Database))
	if err != nil {
		return err
	}
	claims := newClaims(n, store.Queue)
	store.Intents = newIntents(n, store.Intents)
	store.Queue = claims
	store.Journal = newJournal(n, store.Journal)
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError + 1}))
	if os.Getenv("NODES_LOG") != "" {
		logger = slog.New(slog.NewTextHandler(os.Stderr, nil)).With("node", n.Node)
	}
	plain := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, n.Witness)
		},
		MaxIdleConnsPerHost: 8,
	}
	if n.queue, err = delivery.New(delivery.Config{
		Store: claims, Owner: n.Node, LeaseTTL: n.Lease, MaxInFlight: n.InFlight, Logger: logger,
		Policy: delivery.Policy{
			HostDelay: func(int) time.Duration { return 50 * time.Millisecond },
			ItemDelay: func(attempts int) (time.Duration, bool) { return 50 * time.Millisecond, attempts < 100 },
		},
		Transport: func(sender string) (http.RoundTripper, error) {
			if n.Plain {
				return &named{plain, claims}, nil
			}
			base, err := n.server.Transport(sender)
			return &named{&kill.Transport{Base: base, Killer: n.kill}, claims}, err
		},
	}); err != nil {
		return err
	}
	names := map[string]string{}
	for _, name := range n.Names {
		names[name] = n.Witness
	}
	n.server, err = fedihook.New(fedihook.Config{
		Origin: origin, Storage: store, Node: n.Node, Queue: n.queue, InsecureAllowLoopback: names, Logger: logger,
		Profile: func(_ context.Context, handle string) (actor.Profile, error) {
			if handle != "bob" && handle != "carol" {
				return actor.Profile{}, actor.ErrNotFound
			}
			return actor.Profile{Handle: handle}, nil
		},
		Wants: func(context.Context, *activity.Activity) (bool, error) { return true, nil },
		Hooks: inbox.Hooks{Create: n.hook, Update: n.hook},
	})
	return err
}

// listen is what storage.Listen's documentation shows.
func listen(address string) storage.Listen {
	return func(ctx context.Context, channel string, heard func()) error {
		conn, err := pgx.Connect(ctx, address)
		if err != nil {
			return err
		}
		defer conn.Close(context.Background())
		if _, err := conn.Exec(ctx, "LISTEN "+pgx.Identifier{channel}.Sanitize()); err != nil {
			return err
		}
		for heard(); ; heard() {
			if _, err := conn.WaitForNotification(ctx); err != nil {
				return err
			}
		}
	}
}

// obey does what one line says.
func (n *node) obey(ctx context.Context, word []string) error {
	number := func(i int) int { v, _ := strconv.Atoi(word[i]); return v }
	switch word[0] {
	case "aim": // NTH LOOSE POINT
		n.kill.Aim(strings.Join(word[3:], " "), number(1), word[2] == "true")
		return nil
	case "content":
		n.content.Store(true)
		return nil
	case "say", "unsay": // HANDLE K REV
		return n.say(ctx, word[1], number(2), number(3), word[0] == "unsay")
	case "fan": // K N HOSTS
		return n.fan(ctx, number(1), number(2), number(3))
	}
	return errors.New("there is no such order")
}

func userID(handle string) string { return actor.Names{Origin: origin}.Actor(handle) }

// follower is the id of a follower. Two users share their first followers.
func follower(i, hosts int) string { return fmt.Sprintf("http://%s/users/u%d", hostName(i%hosts), i) }

func hostName(i int) string { return fmt.Sprintf("h%03d.test", i) }

func postID(k int) string { return origin + "/posts/" + strconv.Itoa(k) }

// say writes a post as the app does, and says so in the same transaction; a transaction to unsay is rolled back.
func (n *node) say(ctx context.Context, handle string, k, rev int, unsay bool) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	tx, err := n.db.BeginTx(kill.Working(ctx, "app"), nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after Commit it does nothing
	in := n.server.In(tx)
	post := &activity.Object{ID: postID(k), Type: activity.Types{"Note"}, Content: kill.PostText(k, rev)}
	switch rev {
	case 0:
		_, err = in.Publish(ctx, handle, post)
	case kill.Deleted:
		_, err = in.Delete(ctx, handle, post.ID)
	default:
		_, err = in.Update(ctx, handle, post)
	}
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO bench_posts (k, rev) VALUES ($1, $2)`, k, rev); err != nil {
		return err
	}
	if unsay {
		return tx.Rollback()
	}
	return tx.Commit()
}

// fan puts a post to many into the queue at once.
func (n *node) fan(ctx context.Context, k, targets, hosts int) error {
	post := &activity.Activity{Type: activity.Types{"Create"}, ID: postID(k) + "#create", Actor: activity.Ref{ID: userID("bob")}}
	object, err := json.Marshal(&activity.Object{ID: postID(k), Type: activity.Types{"Note"}, Content: kill.PostText(k, 0)})
	if err != nil {
		return err
	}
	post.Object = activity.Refs{{Raw: object}}
	body, err := json.Marshal(post)
	if err != nil {
		return err
	}
	a := delivery.Activity{ID: post.ID, Sender: userID("bob"), Key: postID(k), Body: body}
	_, err = n.queue.Enqueue(ctx, nil, a, func(yield func(delivery.Target) bool) {
		for i := range targets {
			if !yield(delivery.Target{Inbox: follower(i, hosts) + "/inbox"}) {
				return
			}
		}
	})
	return err
}

// hook tells everyone else that it begins, does what an app does, and tells that it ends.
func (n *node) hook(ctx context.Context, m *inbox.Message) error {
	if err := n.tell(ctx, "begin", m.Activity.ID); err != nil {
		return err
	}
	n.kill.At("hook begun")
	time.Sleep(20 * time.Millisecond) // so that two of them would meet
	if _, err := n.db.ExecContext(ctx, `INSERT INTO bench_effects (id) VALUES ($1) ON CONFLICT DO NOTHING`, m.Activity.ID); err != nil {
		return err
	}
	n.kill.At("hook done")
	return n.tell(context.WithoutCancel(ctx), "end", m.Activity.ID)
}

// tell waits until it was heard.
func (n *node) tell(ctx context.Context, what, id string) error {
	v := url.Values{"id": {id}, "life": {strconv.Itoa(n.Life)}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.Witness+"/hook/"+what+"?"+v.Encode(), nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("the witness answered %s", resp.Status)
	}
	return err
}

// relay makes of the witness's address one on this network's own loopback.
func (n *node) relay() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	to := n.Witness
	n.Witness = l.Addr().String()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				far, err := net.Dial("tcp", to)
				if err != nil {
					c.Close()
					return
				}
				go func() { _, _ = io.Copy(far, c); far.Close() }() // ends with either side
				_, _ = io.Copy(c, far)
				c.Close()
			}()
		}
	}()
	return nil
}
