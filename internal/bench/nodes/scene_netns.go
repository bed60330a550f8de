package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"time"
)

// network is a network namespace with two links to this one: one to the database, one to everyone else.
type network struct {
	name     string
	database string // our address on that link
	world    string
	links    []string // our ends
}

func ip(args ...string) error {
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// newNetwork makes a namespace; its addresses are taken from 198.18.0.0/15, which is set aside for benchmarks. RFC 2544
func newNetwork() (n *network, err error) {
	run := rand.N(1 << 14)
	n = &network{name: fmt.Sprintf("fedihook%d", run)}
	if err := ip("netns", "add", n.name); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.close())
		}
	}()
	for i := range 2 {
		at := 8*run + 4*i
		ours, theirs := fmt.Sprintf("fh%dv%d", run, i), fmt.Sprintf("fh%dw%d", run, i)
		address := func(last int) string { return fmt.Sprintf("198.%d.%d.%d", 18+at>>16, at>>8&255, at&255+last) }
		for _, args := range [][]string{
			{"link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", n.name},
			{"address", "add", address(1) + "/30", "dev", ours},
			{"link", "set", ours, "up"},
			{"-n", n.name, "address", "add", address(2) + "/30", "dev", theirs},
			{"-n", n.name, "link", "set", theirs, "up"},
		} {
			if err := ip(args...); err != nil {
				return nil, err
			}
		}
		n.links = append(n.links, ours)
		if i == 0 {
			n.database = address(1)
		} else {
			n.world = address(1)
		}
	}
	return n, ip("-n", n.name, "link", "set", "lo", "up")
}

func (n *network) close() error { return ip("netns", "del", n.name) } // with its links

func (n *network) set(state string, links ...string) error {
	for _, l := range links {
		if err := ip("link", "set", l, state); err != nil {
			return err
		}
	}
	return nil
}

// playNetns runs a node in a network of its own and cuts its link to the database for twice the lease, while it reaches everyone
// else; then both its links.
func playNetns(ctx context.Context, o options) (*result, error) {
	r := newResult()
	n, err := newNetwork()
	if err != nil {
		r.Skipped = "no network of its own can be made here: " + err.Error()
		return r, nil
	}
	err = func() error {
		t, err := newTown(ctx, o, "0.0.0.0:0", http.NotFoundHandler())
		if err != nil {
			return err
		}
		t.slow = 40 * time.Millisecond
		err = t.netns(ctx, r, n)
		return errors.Join(err, t.finish(r))
	}()
	return r, errors.Join(err, n.close())
}

func (t *town) netns(ctx context.Context, r *result, n *network) error {
	_, port, err := net.SplitHostPort(t.address)
	if err != nil {
		return err
	}
	p, through, err := t.proxied(net.JoinHostPort(n.database, "0"))
	if err != nil {
		return err
	}
	defer p.close()
	for i := range t.options.nodes {
		if _, err := t.start(ctx, fmt.Sprintf("node%d", i), func(p *process) {
			p.Witness = net.JoinHostPort("127.0.0.1", port)
			if i == 0 {
				p.by, p.Relay, p.Database = []string{"ip", "netns", "exec", n.name}, true, through
				p.Witness = net.JoinHostPort(n.world, port)
			}
		}); err != nil {
			return err
		}
	}
	for _, way := range []struct {
		name, note string
		links      []string
	}{
		{"database_cut_ms", "its link to the database was cut for twice the lease", n.links[:1]},
		{"all_cut_ms", "both its links were", n.links},
	} {
		if err := t.alone(ctx, r, n, way.name, way.note, way.links); err != nil {
			return fmt.Errorf("%s: %w", way.name, err)
		}
		if wrong, _ := t.ledger.Verdict(); len(wrong.List) > 0 {
			return nil
		}
	}
	return t.quit(ctx)
}

// alone cuts links of the first node.
func (t *town) alone(ctx context.Context, r *result, n *network, name, note string, links []string) error {
	if err := t.shared(ctx); err != nil {
		return err
	}
	victim := t.living()[0]
	stop := t.chatter(ctx, t.others(victim), 100*time.Millisecond)
	_, ok, err := t.until(ctx, t.patience, func() bool { _, open := t.posts(victim.Life); return open > 0 })
	if err != nil || !ok {
		return errors.Join(err, fmt.Errorf("node %s does not post (%v)", victim.Node, ok), stop())
	}
	before := t.sightings().TakenOver
	err = n.set("down", links...)
	time.Sleep(2 * t.options.lease)
	err = errors.Join(err, t.takenOver(ctx, before, "cut"), n.set("up", links...))
	posted, _ := t.posts(victim.Life)
	began := time.Now()
	_, ok, e := t.until(ctx, t.patience, func() bool { n, _ := t.posts(victim.Life); return n > posted })
	if e == nil && !ok {
		t.ledger.Fault("unresumed: node %s does not post again", victim.Node)
	}
	r.fact(name, time.Since(began).Milliseconds(), "until the node posted again, after "+note)
	if err := errors.Join(err, e, stop()); err != nil {
		return err
	}
	r.Rounds++
	return t.settle(ctx)
}
