package delivery_test

import (
	"context"
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
)

// lives is a model of objects that are created, updated and deleted while hosts fail and the process crashes.
type lives struct {
	*testing.T
	rand  *rand.Rand
	mu    sync.Mutex
	dice  *rand.Rand
	mood  [modelHosts]int
	came  map[string][]int // inbox → numbers of what arrived, in order
	said  []saying
	store delivery.Store

	mortal *mortal
	queue  *delivery.Queue
	cancel context.CancelFunc
	done   chan error
}

type saying struct {
	object  int
	what    delivery.Supersedes
	inboxes []string // named
	cancels []int    // earlier ones that were held when it was said, and cancelled by it
}

func (m *lives) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var host, number int
	if _, err := fmt.Sscanf(r.URL.Host, "h%d.example", &host); err != nil {
		return nil, err
	}
	if _, err := fmt.Sscan(string(body), &number); err != nil {
		return nil, err
	}
	time.Sleep(time.Duration(100+50*host) * time.Millisecond)
	m.mu.Lock()
	defer m.mu.Unlock()
	switch m.mood[host] {
	case 1:
		return nil, errDown
	case 2:
		if m.dice.IntN(2) == 0 {
			return status(500)(r)
		}
	case 3: // it takes what it gets and denies it
		m.came[r.URL.String()] = append(m.came[r.URL.String()], number)
		return nil, errDown
	}
	m.came[r.URL.String()] = append(m.came[r.URL.String()], number)
	return status(202)(r)
}

func (m *lives) start() {
	m.mortal = &mortal{Store: m.store}
	c := config(nil, m.mortal)
	c.Owner, c.MaxInFlight, c.MaxWindow = "site", 12, 4
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

func (m *lives) say() {
	s := saying{object: m.rand.IntN(6)}
	switch m.rand.IntN(6) {
	case 0, 1:
		s.what = delivery.SupersedeUpdates
	case 2:
		s.what = delivery.SupersedeAll
	}
	for _, i := range m.rand.Perm(modelHosts)[:m.rand.IntN(modelHosts)] {
		s.inboxes = append(s.inboxes, inbox(i))
	}
	before := m.cancelled(s.object)
	a := activity(fmt.Sprint(len(m.said)), fmt.Sprint("object ", s.object))
	a.Supersedes, a.Class = s.what, delivery.Class(m.rand.IntN(3))
	if _, err := m.queue.Enqueue(m.Context(), nil, a, targets(s.inboxes...)); err != nil {
		m.Fatal(err)
	}
	if s.what == delivery.SupersedeAll {
		for n, count := range m.cancelled(s.object) {
			if count > before[n] {
				s.cancels = append(s.cancels, n)
			}
		}
	}
	m.said = append(m.said, s)
}

// cancelled tells how many targets of what was said of an object were cancelled.
func (m *lives) cancelled(object int) map[int]int {
	counts := make(map[int]int)
	for n, s := range m.said {
		if s.object == object {
			if st, err := m.queue.Status(m.Context(), fmt.Sprint(n)); err == nil {
				counts[n] = st.Cancelled
			}
		}
	}
	return counts
}

// check says what must hold of each inbox.
func (m *lives) check() {
	m.mu.Lock()
	defer m.mu.Unlock()
	deleted := 0
	for i := range modelHosts {
		came := m.came[inbox(i)]
		first := make(map[int]int) // when a number first arrived
		newest := make(map[int]int)
		for at, n := range came {
			if _, again := first[n]; again {
				continue
			}
			first[n] = at
			if o := m.said[n].object; n < newest[o] {
				m.Errorf("%s got %d of object %d after %d", inbox(i), n, o, newest[o])
			} else {
				newest[o] = n
			}
		}
		for n, s := range m.said {
			_, arrived := first[n]
			named := false
			for _, to := range s.inboxes {
				named = named || to == inbox(i)
			}
			// What comes after it may have taken its place.
			replaced := false
			for k, later := range m.said[n+1:] {
				if later.object != s.object {
					continue
				}
				for _, to := range later.inboxes {
					if later.what == delivery.SupersedeUpdates && s.what == delivery.SupersedeUpdates && to == inbox(i) {
						replaced = true
					}
				}
				_, gone := first[n+1+k]
				replaced = replaced || later.what == delivery.SupersedeAll && (gone || !arrived)
			}
			if named && !arrived && !replaced {
				m.Errorf("%s never got %d, which names it", inbox(i), n)
			}
			if s.what != delivery.SupersedeAll {
				continue
			}
			for _, before := range s.cancels {
				if _, there := first[before]; there && !arrived && !replaced {
					m.Errorf("%s got %d of object %d and not its Delete %d", inbox(i), before, s.object, n)
				}
			}
			if arrived {
				deleted++
			}
		}
	}
	for n := range m.said {
		if st, err := m.queue.Status(m.Context(), fmt.Sprint(n)); err == nil && st.Pending != 0 {
			m.Errorf("of %d there is still %+v", n, st)
			for l, err := range m.queue.Lanes(m.Context()) {
				m.Logf("lane %+v, %v", l, err)
			}
		}
	}
	m.Logf("%d said, %d Deletes arrived", len(m.said), deleted)
	if deleted == 0 {
		m.Error("nothing was deleted: the test proves nothing")
	}
}

func testLives(t *testing.T, seed uint64, store delivery.Store, steps int) {
	m := &lives{
		T: t, rand: rand.New(rand.NewPCG(seed, 3)), dice: rand.New(rand.NewPCG(seed, 4)), came: make(map[string][]int), store: store,
	}
	m.start()
	for range steps {
		switch what := m.rand.IntN(12); {
		case what < 7:
			m.say()
		case what < 9:
			host, mood := m.rand.IntN(modelHosts), m.rand.IntN(4)
			m.mu.Lock()
			m.mood[host] = mood
			m.mu.Unlock()
		case what < 10:
			m.mortal.mu.Lock()
			m.mortal.dead = true
			m.mortal.mu.Unlock()
			m.cancel()
			<-m.done
			m.start()
		default:
			wait(time.Duration(m.rand.IntN(3000)) * time.Millisecond)
		}
	}
	m.mu.Lock()
	m.mood = [modelHosts]int{}
	m.mu.Unlock()
	wait(2 * 24 * time.Hour)
	m.check()
	m.cancel()
	if err := <-m.done; err != nil {
		t.Error(err)
	}
}

func TestCreateUpdateDeleteReachEachInboxInOrderOrNotAtAll(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("memory ", seed), func(t *testing.T) {
			bubble(t, func(t *testing.T) { testLives(t, seed, queue.Memory(), 300) })
		})
	}
	t.Run("SQLite", func(t *testing.T) {
		bubble(t, func(t *testing.T) { testLives(t, 99, openSQLite(t, filepath.Join(t.TempDir(), "queue.db")), 150) })
	})
}
