package delivery_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/storage/queue"
	_ "modernc.org/sqlite"
)

func openSQLite(t testing.TB, path string) delivery.Store {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	st, err := queue.OpenSQLite(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// mortal is a process's way to a store: after a crash nothing passes any more.
type mortal struct {
	delivery.Store
	mu   sync.Mutex
	dead bool
}

var errCrashed = errors.New("crashed")

func (m *mortal) gone() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return errCrashed
	}
	return nil
}

func (m *mortal) Flush(ctx context.Context, epoch int64, f delivery.Flush) ([]int64, error) {
	if err := m.gone(); err != nil {
		return nil, err
	}
	return m.Store.Flush(ctx, epoch, f)
}

func (m *mortal) Body(ctx context.Context, seq int64) (delivery.Bodies, error) {
	if err := m.gone(); err != nil {
		return delivery.Bodies{}, err
	}
	return m.Store.Body(ctx, seq)
}

func (m *mortal) Release(ctx context.Context, epoch int64) error {
	if err := m.gone(); err != nil {
		return err
	}
	return m.Store.Release(ctx, epoch)
}

// model is what must hold: of a map of all that was enqueued, everything arrives, and
// what has a key arrives in order.
type model struct {
	*testing.T
	rand   *rand.Rand // the test's
	mu     sync.Mutex
	dice   *rand.Rand                // the hosts'
	hidden int                       // posts that a host took and denied
	mood   [modelHosts]int           // what a host does
	got    map[string]map[string]int // inbox → body → when it first arrived
	repeat int                       // arrivals of what had arrived
	clock  int                       // counts arrivals
	want   []modelActivity
	store  delivery.Store
	mortal *mortal
	queue  *delivery.Queue
	cancel context.CancelFunc
	done   chan error
}

type modelActivity struct {
	id, key string
	inboxes []string
}

const modelHosts = 8

func (m *model) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var host int
	if _, err := fmt.Sscanf(r.URL.Host, "h%d.example", &host); err != nil {
		return nil, err
	}
	time.Sleep(time.Duration(10+host) * time.Millisecond)
	m.mu.Lock()
	defer m.mu.Unlock()
	mood := m.mood[host]
	switch {
	case mood == 1:
		return nil, errDown
	case mood == 2 && m.dice.IntN(2) == 0:
		return status(500)(r)
	case mood == 3 && m.dice.IntN(2) == 0:
		return status(429, "Retry-After", "30")(r)
	}
	m.clock++
	inbox := m.got[r.URL.String()]
	if inbox == nil {
		inbox = make(map[string]int)
		m.got[r.URL.String()] = inbox
	}
	if _, again := inbox[string(body)]; again {
		m.repeat++
	} else {
		inbox[string(body)] = m.clock
	}
	if mood == 4 { // it took it, but we don't hear of it
		m.mood[host] = 0
		m.hidden++
		return nil, errDown
	}
	return status(202)(r)
}

// start begins a new process over the store.
func (m *model) start() {
	m.mortal = &mortal{Store: m.store}
	c := config(nil, m.mortal)
	c.Owner = "site"
	c.MaxInFlight = 5
	c.Transport = func(string) (http.RoundTripper, error) { return m, nil }
	var err error
	if m.queue, err = delivery.New(c); err != nil {
		m.Fatal(err)
	}
	var ctx context.Context
	ctx, m.cancel = context.WithCancel(context.Background())
	m.done = make(chan error, 1)
	q := m.queue
	go func() { m.done <- q.Run(ctx) }()
}

// crash ends a process in the middle of whatever it does.
func (m *model) crash() {
	m.mortal.mu.Lock()
	m.mortal.dead = true
	m.mortal.mu.Unlock()
	m.cancel()
	<-m.done
	m.start()
}

func (m *model) enqueue() {
	a := modelActivity{id: fmt.Sprint("activity ", len(m.want))}
	if k := m.rand.IntN(4); k > 0 {
		a.key = fmt.Sprint("key ", k)
	}
	for _, i := range m.rand.Perm(modelHosts * 2)[:1+m.rand.IntN(modelHosts*2)] {
		a.inboxes = append(a.inboxes, fmt.Sprintf("https://h%d.example/%d", i/2, i%2))
	}
	act := activity(a.id, a.key)
	act.Class = delivery.Class(m.rand.IntN(3))
	if _, err := m.queue.Enqueue(m.Context(), nil, act, targets(a.inboxes...)); err != nil {
		m.Fatal(err)
	}
	m.want = append(m.want, a)
}

// check compares what arrived with what was enqueued.
func (m *model) check(crashes int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	first := make(map[string]int) // host and key → when its last activity so far first arrived
	last := make(map[string]string)
	for _, a := range m.want {
		arrived := make(map[string][2]int) // host → first and last arrival of this activity
		for _, inbox := range a.inboxes {
			when, ok := m.got[inbox][a.id]
			if !ok {
				m.Errorf("%s never arrived at %s", a.id, inbox)
				continue
			}
			host := inbox[:len(inbox)-2]
			span, seen := arrived[host]
			if !seen {
				span = [2]int{when, when}
			}
			arrived[host] = [2]int{min(span[0], when), max(span[1], when)}
		}
		if a.key != "" {
			for host, span := range arrived {
				at := host + " " + a.key
				if span[0] < first[at] {
					m.Errorf("%s arrived at %s before %s of the same key", a.id, host, last[at])
				}
				first[at], last[at] = span[1], a.id
			}
		}
		st, err := m.queue.Status(m.Context(), a.id)
		if err != nil || st.Delivered != len(a.inboxes) || st.Pending+st.Failed != 0 {
			m.Errorf("status of %s: %+v, %v; want %d delivered", a.id, st, err, len(a.inboxes))
		}
	}
	// Of a crash: what was under way and what one flush tells. Of a host that took
	// something and hid it: that. Nothing else may come twice.
	if most := crashes*(5+256) + m.hidden; m.repeat > most {
		m.Errorf("%d repeats, at most %d are explained", m.repeat, most)
	}
	m.Logf("%d activities, %d crashes, %d hidden, %d repeats", len(m.want), crashes, m.hidden, m.repeat)
}

func testModel(t *testing.T, seed uint64, store delivery.Store, steps int) {
	m := &model{
		T: t, rand: rand.New(rand.NewPCG(seed, 1)), dice: rand.New(rand.NewPCG(seed, 2)),
		got: make(map[string]map[string]int), store: store,
	}
	m.start()
	crashes := 0
	for range steps {
		switch what := m.rand.IntN(10); {
		case what < 5:
			m.enqueue()
		case what < 7:
			host, mood := m.rand.IntN(modelHosts), m.rand.IntN(5)
			m.mu.Lock()
			m.mood[host] = mood
			m.mu.Unlock()
		case what < 8:
			m.crash()
			crashes++
		default:
			wait(time.Duration(m.rand.IntN(90_000)) * time.Millisecond)
		}
	}
	m.mu.Lock()
	m.mood = [modelHosts]int{}
	m.mu.Unlock()
	wait(24 * time.Hour)
	m.check(crashes)
	m.cancel()
	if err := <-m.done; err != nil {
		t.Error(err)
	}
}

func TestWhateverHappensNothingIsLostAndKeysStayInOrder(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint("memory ", seed), func(t *testing.T) {
			bubble(t, func(t *testing.T) { testModel(t, seed, queue.Memory(), 200) })
		})
	}
	for seed := range uint64(1) {
		t.Run(fmt.Sprint("SQLite ", seed), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				testModel(t, seed, openSQLite(t, filepath.Join(t.TempDir(), "queue.db")), 100)
			})
		})
	}
}
