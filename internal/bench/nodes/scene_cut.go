package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// playCut cuts the database off in several ways in the middle of fan-outs, and restarts it. Each node has a proxy of its own.
func playCut(ctx context.Context, o options) (*result, error) {
	t, err := newTown(ctx, o, "127.0.0.1:0", http.NotFoundHandler())
	if err != nil {
		return nil, err
	}
	t.slow = 40 * time.Millisecond
	r := newResult()
	err = t.cuts(ctx, r)
	return r, errors.Join(err, t.finish(r))
}

// through returns the address of the town's database by way of another.
func (t *town) through(address string) (string, error) {
	u, err := url.Parse(t.database)
	if err != nil {
		return "", err
	}
	u.Host = address
	return u.String(), nil
}

func (t *town) proxied(address string) (*proxy, string, error) {
	u, err := url.Parse(t.database)
	if err != nil {
		return nil, "", err
	}
	p, err := newProxy(address, u.Host)
	if err != nil {
		return nil, "", err
	}
	through, err := t.through(p.address)
	return p, through, err
}

func (t *town) cuts(ctx context.Context, r *result) error {
	var proxies []*proxy
	defer func() {
		for _, p := range proxies {
			p.mend()
			p.close()
		}
	}()
	for i := range t.options.nodes {
		p, through, err := t.proxied("127.0.0.1:0")
		if err != nil {
			return err
		}
		proxies = append(proxies, p)
		if _, err := t.start(ctx, fmt.Sprintf("node%d", i), func(p *process) { p.Database = through }); err != nil {
			return err
		}
	}
	each := func(do func(p *proxy)) {
		for _, p := range proxies {
			do(p)
		}
	}
	first := t.living()[0]
	ways := []struct {
		name, note string
		talk       []*process // who goes on speaking meanwhile
		cut        func() error
		lasts      time.Duration
		long       bool // it takes as long as timeouts that are there for nothing else
	}{
		{"reset_ms", "all nodes' connections were reset, and turned away for a while", nil,
			func() error { each(func(p *proxy) { p.cut(true) }); return nil }, t.options.lease / 2, false},
		{"dropped_ms", "all nodes' connections were closed, and turned away for longer than the lease", nil,
			func() error { each(func(p *proxy) { p.cut(false) }); return nil }, t.options.lease * 3 / 2, false},
		{"hung_ms", "nothing passed on any connection for longer than the lease", nil,
			func() error { each((*proxy).hang); return nil }, t.options.lease * 3 / 2, false},
		{"one_hung_ms", "nothing passed on one node's connections for twice the lease", t.others(first),
			func() error { proxies[0].hang(); return nil }, 2 * t.options.lease, false},
		{"one_forsaken_ms", "one node's connections were never answered again, new ones were", t.others(first),
			func() error { proxies[0].forsake(); return nil }, 0, true},
		{"all_forsaken_ms", "all nodes' connections were never answered again, new ones were", nil,
			func() error { each((*proxy).forsake); return nil }, 0, true},
		{"restarted_ms", "the server was restarted at once (pg_ctl restart -m immediate)", nil,
			func() error { return restart(ctx) }, 0, false},
	}
	for _, way := range ways {
		if t.short && way.long {
			continue
		}
		if err := t.shared(ctx); err != nil {
			return fmt.Errorf("before %s: %w", way.name, err)
		}
		for i := range 8 { // something to be in the middle of
			if err := t.act(ctx, t.living()[i%t.options.nodes], i%2 == 0); err != nil {
				return err
			}
		}
		if _, ok, err := t.until(ctx, t.patience, func() bool { _, open := t.posts(first.Life); return open > 0 }); err != nil || !ok {
			return errors.Join(err, fmt.Errorf("before %s: no posts (%v)", way.name, ok))
		}
		stop := func() error { return nil }
		if way.talk != nil {
			stop = t.chatter(ctx, way.talk, 100*time.Millisecond)
		}
		if err := way.cut(); err != nil {
			return err
		}
		time.Sleep(way.lasts)
		each((*proxy).mend)
		began := time.Now()
		if err := stop(); err != nil {
			return fmt.Errorf("%s: %w", way.name, err)
		}
		// Every node goes on by itself: it speaks, and what it says arrives.
		for i, p := range t.living() {
			err := errors.New("never tried")
			for try := 0; err != nil && time.Since(began) < t.patience; try++ {
				if err = t.act(ctx, p, i == 0); err != nil {
					time.Sleep(100 * time.Millisecond)
				}
			}
			if err != nil {
				return fmt.Errorf("%s: node %s does not speak any more: %w", way.name, p.Node, err)
			}
		}
		if err := t.settle(ctx); err != nil {
			return err
		}
		r.fact(way.name, time.Since(began).Milliseconds(), "until all had arrived, after "+way.note)
		r.Rounds++
		if wrong, _ := t.ledger.Verdict(); len(wrong.List) > 0 {
			return nil
		}
	}
	if err := t.shared(ctx); err != nil {
		return err
	}
	return t.quit(ctx)
}

// restart restarts the server that .ci/postgres has started, as pg_ctl does that is in a hurry: no client is told, nothing is
// written that must not be, and what was not logged is gone.
func restart(ctx context.Context) error {
	data := os.Getenv("FEDIHOOK_POSTGRES_DATA")
	if data == "" {
		return errors.New("FEDIHOOK_POSTGRES_DATA does not say where the server's folder is: .ci/postgres does")
	}
	exe, err := os.Readlink("/proc/" + os.Getenv("FEDIHOOK_POSTGRES_PID") + "/exe")
	if err != nil {
		return fmt.Errorf("where the server's programs are: %w", err)
	}
	args := []string{filepath.Join(filepath.Dir(exe), "pg_ctl"), "restart", "-s", "-w", "-m", "immediate", "-D", data, "-l", filepath.Join(data, "restarted.log")}
	if os.Getuid() == 0 { // PostgreSQL refuses to run as root
		args = append([]string{"setpriv", "--reuid", "postgres", "--regid", "postgres", "--init-groups"}, args...)
	}
	c := exec.CommandContext(ctx, args[0], args[1:]...)
	c.Dir = "/"
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("pg_ctl restart: %w: %s", err, out)
	}
	b, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return err
	}
	var pid int
	if _, err := fmt.Sscan(string(b), &pid); err != nil {
		return err
	}
	return os.Setenv("FEDIHOOK_POSTGRES_PID", strconv.Itoa(pid))
}
