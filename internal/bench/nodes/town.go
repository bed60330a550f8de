package main

import (
	"context"
	crand "crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver

	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/internal/bench/kill"
	"github.com/fedihook/fedihook/storage"
)

// How many follow the two users, spread over how many hosts.
const (
	bobs, carols = 16, 64
	hosts        = 64
)

// tables are the app's, and what the bench looks at.
const tables = `
CREATE TABLE bench_posts (k bigint, rev bigint, PRIMARY KEY (k, rev));
CREATE TABLE bench_effects (id text PRIMARY KEY);
CREATE SEQUENCE bench_turns;
CREATE TABLE bench_ended (epoch bigint PRIMARY KEY, at timestamptz NOT NULL);
CREATE FUNCTION bench_ends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO bench_ended VALUES (OLD.epoch, clock_timestamp()) ON CONFLICT DO NOTHING;
	RETURN NULL;
END $$;
`

// town is some nodes of one site, and all others.
type town struct {
	options
	*witness
	rand     *rand.Rand
	database string  // its address, for us
	db       *sql.DB // of it
	names    []string
	drop     func() error

	mu      sync.Mutex
	lives   int
	nodes   []*process
	flushes []flush
	refused int // flushes
	next    int // post
	chains  []chain
	inboxes map[string][]string
}

// process is a node's.
type process struct {
	*kill.Process
	order
	by   []string   // the command that starts it, if it is not simply started
	asks sync.Mutex // one asks at a time
	aim  string     // the point where it is to be killed
}

// flush is one that was accepted.
type flush struct {
	epoch int64
	began time.Time
}

// chain is a post that may be said more about.
type chain struct {
	handle string
	k, rev int
}

// inFlight is how many posts a node makes at once.
func (o options) inFlight() int {
	if o.plain {
		return 4 * inFlight
	}
	return inFlight
}

// newTown makes a schema for a site. Its witness listens on an address.
func newTown(ctx context.Context, o options, address string, other http.Handler) (t *town, err error) {
	t = &town{options: o, rand: rand.New(rand.NewPCG(o.seed, 0)), inboxes: map[string][]string{}}
	if t.witness, err = newWitness(address, o.inFlight(), other); err != nil {
		return nil, err
	}
	if err := t.schema(ctx); err != nil {
		t.witness.close()
		return nil, err
	}
	for i := range hosts {
		t.names = append(t.names, hostName(i))
	}
	t.names = append(t.names, "crowd.test")
	return t, nil
}

func (t *town) schema(ctx context.Context) error {
	u, err := url.Parse(t.postgres)
	if err != nil {
		return err
	}
	name := "nodes_" + strings.ToLower(crand.Text()[:12])
	q := u.Query()
	q.Set("search_path", name)
	u.RawQuery = q.Encode()
	t.database = u.String()
	if t.db, err = sql.Open("pgx", t.database); err != nil {
		return err
	}
	t.db.SetMaxOpenConns(4)
	if _, err := t.db.ExecContext(ctx, `CREATE SCHEMA `+name); err != nil {
		return err
	}
	t.drop = func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		_, err := t.db.ExecContext(ctx, `DROP SCHEMA `+name+` CASCADE`)
		return errors.Join(err, t.db.Close())
	}
	store, err := storage.OpenPostgres(ctx, t.db, nil)
	if err != nil {
		return err
	}
	if _, err := t.db.ExecContext(ctx, tables+`CREATE TRIGGER bench_ends AFTER DELETE ON fedihook_q_lease FOR EACH ROW EXECUTE FUNCTION bench_ends()`); err != nil {
		return err
	}
	for i := range carols {
		for _, handle := range []string{"bob", "carol"} {
			if handle == "bob" && i >= bobs {
				continue
			}
			id := follower(i, hosts)
			t.inboxes[handle] = append(t.inboxes[handle], id+"/inbox")
			if err := store.Followers.PutFollow(ctx, actor.Follow{
				Follower: id, Followed: userID(handle), ID: id + "#follow-" + handle, State: actor.Accepted, Inbox: id + "/inbox", At: time.Now(),
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

// close ends what is left.
func (t *town) close() error {
	for _, p := range t.living() {
		p.Kill()
		p.cont()
		p.Wait(0)
	}
	t.witness.close()
	return t.drop()
}

// start starts a node and waits until it has begun. Change may be nil.
func (t *town) start(ctx context.Context, name string, change func(*process)) (*process, error) {
	t.mu.Lock()
	t.lives++
	p := &process{order: order{
		Database: t.database, Node: name, Life: t.lives, Witness: t.address, Names: t.names, Lease: t.lease, InFlight: t.inFlight(), Break: t.broken, Plain: t.plain,
	}}
	t.mu.Unlock()
	if change != nil {
		change(p)
	}
	var err error
	if p.Process, err = kill.StartBy(ctx, p.by, p.order, t.heard); err != nil {
		return nil, err
	}
	t.mu.Lock()
	t.nodes = append(t.nodes, p)
	t.mu.Unlock()
	if err := p.Listening(t.patience); err != nil && !errors.Is(err, kill.ErrKilled) {
		return nil, fmt.Errorf("node %s: %w", name, err)
	}
	return p, nil
}

// heard learns what a node says of its own accord.
func (t *town) heard(word, rest string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var epoch, micro int64
	switch _, err := fmt.Sscan(rest, &epoch, &micro); {
	case word == "flushed" && err == nil:
		t.flushes = append(t.flushes, flush{epoch, time.UnixMicro(micro)})
	case word == "refused":
		t.refused++
	}
}

// living are the nodes that live as far as we know.
func (t *town) living() (list []*process) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.nodes = slices.DeleteFunc(t.nodes, func(p *process) bool {
		select {
		case <-p.Died:
			return true
		default:
			return false
		}
	})
	return slices.Clone(t.nodes)
}

// kill ends a process, and says so before.
func (t *town) kill(p *process) {
	t.killed(p.Life)
	p.Kill()
	p.Wait(0)
}

// stop and cont are what a machine does whose processes stand still for a while.
func (p *process) stop() error { return syscall.Kill(p.PID(), syscall.SIGSTOP) }
func (p *process) cont()       { _ = syscall.Kill(p.PID(), syscall.SIGCONT) } // it may be dead

func (p *process) ask(format string, args ...any) error {
	p.asks.Lock()
	defer p.asks.Unlock()
	_, err := p.Ask(format, args...)
	return err
}

// act has a node say one thing: mostly something new, else more about what was said before, or nothing after all. What became of what
// a node was killed in the middle of is looked up among the app's own rows.
func (t *town) act(ctx context.Context, p *process, big bool) error {
	handle, verb, state := "bob", "say", "asked"
	if big {
		handle = "carol"
	}
	t.mu.Lock()
	c, at := chain{handle: handle, k: t.next}, -1
	switch n := t.rand.IntN(10); {
	case n == 0:
		verb, state = "unsay", "unsaid"
	case n <= 5 && len(t.chains) > 0 && !big:
		at = t.rand.IntN(len(t.chains))
		c = t.chains[at]
		if c.rev++; t.rand.IntN(4) == 0 {
			c.rev = kill.Deleted
		}
		t.chains = append(t.chains[:at], t.chains[at+1:]...)
	}
	if at < 0 {
		t.next++
	}
	t.mu.Unlock()
	t.ledger.Asked(c.k, c.rev, t.inboxes[c.handle], state)
	err := p.ask("%s %s %d %d", verb, c.handle, c.k, c.rev)
	if verb == "unsay" {
		return err
	}
	said := err == nil
	if err != nil {
		if said, err = t.said(ctx, c); err != nil {
			return err
		}
	}
	t.ledger.Settled(c.k, c.rev, said)
	if said && c.handle == "bob" && c.rev < 4 {
		t.mu.Lock()
		t.chains = append(t.chains, c)
		t.mu.Unlock()
	}
	return nil
}

// said looks whether the app's row of a revision is there. Who wrote it is dead, or has given up; if its commit is under way still,
// this waits for that.
func (t *town) said(ctx context.Context, c chain) (said bool, err error) {
	for range 100 { // the database may be cut off
		if said, err = t.conflicts(ctx, c); err == nil || ctx.Err() != nil {
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	return said, err
}

// conflicts says whether a row would be there twice.
func (t *town) conflicts(ctx context.Context, c chain) (bool, error) {
	tx, err := t.db.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer tx.Rollback() // in any case
	r, err := tx.ExecContext(ctx, `INSERT INTO bench_posts (k, rev) VALUES ($1, $2) ON CONFLICT DO NOTHING`, c.k, c.rev)
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	return n == 0, err
}

// until waits for something, not longer than patience, and returns how long that took.
func (t *town) until(ctx context.Context, patience time.Duration, done func() bool) (time.Duration, bool, error) {
	began := time.Now()
	for !done() {
		select {
		case <-ctx.Done():
			return 0, false, ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
		if time.Since(began) > patience {
			return patience, false, nil
		}
	}
	return time.Since(began), true, nil
}

// settle waits until all that was said has arrived, and notes what has not once nothing has come for as long as patience lasts: how
// fast the machine is is no matter. It is less patient if something is wrong already.
func (t *town) settle(ctx context.Context) error {
	patience := t.patience
	if wrong, _ := t.ledger.Verdict(); len(wrong.List) > 0 {
		patience = min(patience, 5*time.Second)
	}
	_, c := t.ledger.Verdict()
	for before := c.Arrived; ; {
		_, all, err := t.until(ctx, patience, t.ledger.ArrivedAll)
		if err != nil || all {
			return err
		}
		wrong, c := t.ledger.Verdict()
		if c.Arrived == before || len(wrong.List) > 0 {
			t.ledger.Lost()
			return nil
		}
		before = c.Arrived
	}
}

// quit ends all nodes in good order, and looks at everything once more.
func (t *town) quit(ctx context.Context) error {
	for _, p := range t.living() {
		if err := p.Quit(); err != nil {
			return fmt.Errorf("node %s: %w", p.Node, err)
		}
	}
	t.ledger.Lost()
	return t.stale(ctx)
}

// stale looks for flushes that were begun when their lease had been taken away, and were accepted nevertheless.
func (t *town) stale(ctx context.Context) error {
	rows, err := t.db.QueryContext(ctx, `SELECT epoch, at FROM bench_ended`)
	if err != nil {
		return err
	}
	defer rows.Close()
	ended := map[int64]time.Time{}
	for rows.Next() {
		var epoch int64
		var at time.Time
		if err := rows.Scan(&epoch, &at); err != nil {
			return err
		}
		ended[epoch] = at
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range t.flushes {
		if at, over := ended[f.epoch]; over && f.began.After(at) {
			t.ledger.Fault("stale: a flush under epoch %d was accepted that was begun %v after its end", f.epoch, f.began.Sub(at))
		}
	}
	return rows.Err()
}
