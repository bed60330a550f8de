package main

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/internal/bench/kill"
)

// order is what a server is told when it starts.
type order struct {
	Dir     string
	Life    int
	Witness string   // the address of everyone else
	Names   []string // their host names

	Point string // where it is to be killed, the Nth time
	Nth   int
	Loose bool
	Armed bool // at once, not only when it is told to
	Split bool
	Break string
	Lease time.Duration // of an owner without a name; 0: the owner comes back under its name
}

// site is the app of the server: users, posts, and what others have said to it.
type site struct {
	app, own  *sql.DB
	followers actor.Followers
	queue     *delivery.Queue
	server    *fedihook.Server
	handler   http.Handler
}

func (s *site) createTables(ctx context.Context) error {
	for _, query := range []string{
		`CREATE TABLE IF NOT EXISTS posts (k INTEGER, rev INTEGER, PRIMARY KEY (k, rev))`,
		`CREATE TABLE IF NOT EXISTS effects (id TEXT PRIMARY KEY)`,
	} {
		if _, err := s.app.ExecContext(ctx, query); err != nil {
			return err
		}
	}
	return nil
}

// serve is the life of a server. It ends when it is killed, told to, or left alone.
func serve(ctx context.Context, text string) error {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	k := kill.NewKiller(o.Point, o.Nth, o.Loose, o.Armed)
	s, err := open(ctx, o, k)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ctx, quit := context.WithCancel(ctx)
	defer quit()
	server := &http.Server{Handler: s.handler, ReadHeaderTimeout: 10 * time.Second}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error { return s.server.Run(ctx) })
	g.Go(func() error { return s.queue.Run(ctx) })
	g.Go(func() error { <-ctx.Done(); return server.Close() })
	kill.Say("ready %s", l.Addr())
	context.AfterFunc(ctx, func() {
		if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
			fmt.Fprintln(os.Stderr, "crash: the server ends:", err)
			os.Exit(1) // nobody would ask before their patience ended
		}
	})
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		word := strings.Fields(lines.Text())
		if word[0] == "arm" {
			k.Arm()
			kill.Say("ok")
			continue
		}
		if word[0] == "quit" {
			break
		}
		answer, err := s.obey(ctx, word)
		if err != nil {
			kill.Say("failed %s: %v", lines.Text(), err)
			continue
		}
		kill.Say("ok %s", answer)
	}
	quit()
	if err := g.Wait(); err != nil {
		return err
	}
	kill.Say("bye")
	return errors.Join(s.app.Close(), s.own.Close())
}

// obey does what one line says.
func (s *site) obey(ctx context.Context, word []string) (string, error) {
	number := func(i int) int { n, _ := strconv.Atoi(word[i]); return n }
	switch word[0] {
	case "follow": // HANDLE N HOSTS
		return "", s.follow(ctx, word[1], number(2), number(3))
	case "say", "unsay": // HANDLE K REV
		return "", s.say(ctx, word[1], number(2), number(3), word[0] == "unsay")
	case "said": // K REV
		var n int
		err := s.app.QueryRowContext(ctx, `SELECT count(*) FROM posts WHERE k = ? AND rev = ?`, number(1), number(2)).Scan(&n)
		return strconv.Itoa(n), err
	case "effect": // ID
		var n int
		err := s.app.QueryRowContext(ctx, `SELECT count(*) FROM effects WHERE id = ?`, word[1]).Scan(&n)
		return strconv.Itoa(n), err
	case "check":
		return s.check(ctx)
	}
	return "", fmt.Errorf("there is no such order")
}

// follow gives a user followers.
func (s *site) follow(ctx context.Context, handle string, n, hosts int) error {
	for i := range n {
		id := follower(i, hosts)
		if err := s.followers.PutFollow(ctx, actor.Follow{
			Follower: id, Followed: userID(handle), ID: id + "#follow-" + handle, State: actor.Accepted,
			Inbox: id + "/inbox", At: time.Now(),
		}); err != nil {
			return err
		}
	}
	return nil
}

func userID(handle string) string { return actor.Names{Origin: origin}.Actor(handle) }

// follower is the id of a follower. Two users share their first followers.
func follower(i, hosts int) string { return fmt.Sprintf("http://%s/users/u%d", hostName(i%hosts), i) }

func hostName(i int) string { return fmt.Sprintf("h%02d.test", i) }

func postID(k int) string { return origin + "/posts/" + strconv.Itoa(k) }

// say writes a post as the app does, and says so in the same transaction; a transaction to unsay is rolled back.
func (s *site) say(ctx context.Context, handle string, k, rev int, unsay bool) error {
	tx, err := s.app.BeginTx(kill.Working(ctx, "app"), nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after Commit it does nothing
	in := s.server.In(tx)
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
	if _, err := tx.ExecContext(ctx, `INSERT INTO posts (k, rev) VALUES (?, ?)`, k, rev); err != nil {
		return err
	}
	if unsay {
		return tx.Rollback()
	}
	return tx.Commit()
}

// effect is what the app's hook does: a second time it changes nothing.
func (s *site) effect(ctx context.Context, id string) error {
	tx, err := s.app.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after Commit it does nothing
	if _, err := tx.ExecContext(ctx, `INSERT INTO effects (id) VALUES (?) ON CONFLICT DO NOTHING`, id); err != nil {
		return err
	}
	return tx.Commit()
}

// check has SQLite look at its files.
func (s *site) check(ctx context.Context) (string, error) {
	for _, db := range []*sql.DB{s.app, s.own} {
		var found string
		if err := db.QueryRowContext(ctx, `PRAGMA integrity_check`).Scan(&found); err != nil {
			return "", err
		}
		if found != "ok" {
			return "", fmt.Errorf("SQLite finds: %s", found)
		}
	}
	return "", nil
}
