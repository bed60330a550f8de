package storage

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/fedihook/fedihook/inbox"
)

// deadLetters is how many dead letters of the inbox are kept, those of the highest Seq.
const deadLetters = 10_000

// errState is returned for an outcome that no version of this library knows.
var errState = errors.New("unknown state")

// memoryJournal is an inbox.Journal.
type memoryJournal struct {
	mu      sync.Mutex
	seq     int64
	marks   map[inbox.Mark]*mark
	byAge   []agedMark // as they were put; what was dropped since is skipped
	entries map[int64]*item
	keys    map[string][]*item // unfinished entries by Key, the oldest first
	lanes   map[string]int     // how many unfinished entries
	live    map[inbox.Mark]lives
	fresh   itemHeap         // heads that have no NotBefore, by turn
	waiting itemHeap         // heads that have one, by it
	shelves [2][]inbox.Entry // by Seq
	leases  leases
}

// mark is what is kept of a mark.
type mark struct {
	at     time.Time
	owners []int64
}

type agedMark struct {
	mark inbox.Mark
	at   time.Time
}

// lives are the unfinished entries of a mark: one, and its copies.
type lives struct {
	n   int
	key string
}

// item is an unfinished entry.
type item struct {
	inbox.Entry
	version int // what lies in a heap with another version is not there any more
}

func newMemoryJournal() *memoryJournal {
	return &memoryJournal{
		marks: map[inbox.Mark]*mark{}, entries: map[int64]*item{}, keys: map[string][]*item{}, lanes: map[string]int{},
		live: map[inbox.Mark]lives{},
	}
}

func (m *memoryJournal) Append(ctx context.Context, e inbox.Entry, b inbox.Bounds) (inbox.Kept, error) {
	if err := ctx.Err(); err != nil {
		return inbox.Kept{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	e = keptEntry(e)
	if m.isOver(e.Rules) {
		return inbox.Kept{Seen: true}, nil
	}
	old := m.marks[e.Mark]
	if old != nil {
		if e.To = old.lacks(e.To); len(e.To) == 0 {
			return inbox.Kept{Seen: true}, nil
		}
		e.Alone = true
	}
	switch {
	case e.Hold && b.Held > 0 && len(m.shelves[inbox.Held]) >= b.Held,
		!e.Hold && b.All > 0 && len(m.entries) >= b.All,
		!e.Hold && b.Lane > 0 && m.lanes[e.Lane] >= b.Lane:
		return inbox.Kept{}, inbox.ErrFull
	}
	m.apply(&e)
	if old == nil {
		old = m.put(e.Mark, e.Received)
	}
	old.owners = append(old.owners, ownerKeys(e.To)...)
	ready := m.add(e)
	return inbox.Kept{Seq: m.seq, Key: e.Key, To: slices.Clone(e.To), Alone: e.Alone, Ready: ready}, nil
}

// isOver applies Rules.Unless and Once.
func (m *memoryJournal) isOver(r inbox.Rules) bool {
	for _, k := range r.Unless {
		if m.marks[k] != nil {
			if r.Once {
				delete(m.marks, k)
			}
			return true
		}
	}
	return false
}

// apply applies the other rules.
func (m *memoryJournal) apply(e *inbox.Entry) {
	was := false
	for _, k := range e.Rules.Undoes {
		was = was || m.marks[k] != nil
		if l := m.live[k]; l.n > 0 {
			e.Key = l.key
		}
	}
	if e.Rules.Over != (inbox.Mark{}) && !was && m.marks[e.Rules.Over] == nil {
		m.put(e.Rules.Over, e.Received)
	}
	for _, k := range e.Rules.Drop {
		delete(m.marks, k)
	}
}

func (m *memoryJournal) put(k inbox.Mark, at time.Time) *mark {
	n := &mark{at: at}
	m.marks[k] = n
	m.byAge = append(m.byAge, agedMark{k, at})
	return n
}

func (n *mark) lacks(owners []string) (missing []string) {
	for _, o := range owners {
		if !slices.Contains(n.owners, ownerKey(o)) {
			missing = append(missing, o)
		}
	}
	return missing
}

// add puts a new entry where it belongs, and tells whether it may run at once.
func (m *memoryJournal) add(e inbox.Entry) (ready bool) {
	m.seq++
	e.Seq, e.Rules = m.seq, inbox.Rules{}
	if e.Hold {
		e.Hold = false
		m.shelve(inbox.Held, e)
		return false
	}
	it := &item{Entry: e}
	m.entries[e.Seq] = it
	m.live[e.Mark] = lives{m.live[e.Mark].n + 1, e.Key}
	m.lanes[e.Lane]++
	if e.Key != "" {
		m.keys[e.Key] = append(m.keys[e.Key], it)
		if len(m.keys[e.Key]) > 1 {
			return false
		}
	}
	m.queue(it)
	return e.NotBefore.IsZero()
}

// queue lets a head be found.
func (m *memoryJournal) queue(it *item) {
	it.version++
	if it.NotBefore.IsZero() {
		heap.Push(&m.fresh, queued{it, it.version, it.Turn})
	} else {
		heap.Push(&m.waiting, queued{it, it.version, it.NotBefore})
	}
}

func (m *memoryJournal) shelve(s inbox.Shelf, e inbox.Entry) {
	list := m.shelves[s]
	i, _ := slices.BinarySearchFunc(list, e.Seq, func(e inbox.Entry, seq int64) int { return cmp.Compare(e.Seq, seq) })
	list = slices.Insert(list, i, e)
	if n := len(list) - deadLetters; s == inbox.DeadLetters && n > 0 {
		list = slices.Delete(list, 0, n)
	}
	m.shelves[s] = list
}

func (m *memoryJournal) Lease(ctx context.Context, owner string, now time.Time, ttl time.Duration) (epoch int64, ok bool, err error) {
	if err := ctx.Err(); err != nil {
		return 0, false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	epoch, ok = m.leases.takeAll(owner, kept(now), ttl)
	return epoch, ok, nil
}

func (m *memoryJournal) Share(ctx context.Context, owner string, now time.Time, ttl time.Duration) (inbox.Share, error) {
	if err := ctx.Err(); err != nil {
		return inbox.Share{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.leases.take(owner, kept(now), ttl), nil
}

func (m *memoryJournal) Yield(ctx context.Context, epoch int64, s inbox.Shards) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.leases.current(epoch)
	if l == nil {
		return inbox.ErrLeaseLost
	}
	l.shards &^= s
	return nil
}

func (m *memoryJournal) Release(ctx context.Context, epoch int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leases.list = slices.DeleteFunc(m.leases.list, func(l *lease) bool { return l.epoch == epoch })
	return nil
}

func (m *memoryJournal) Due(ctx context.Context, epoch int64, now time.Time, limit int) ([]inbox.Entry, error) {
	return m.due(ctx, epoch, nil, now, limit, func(l *lease) (inbox.Shards, bool) { return l.shards, true })
}

func (m *memoryJournal) DueOf(ctx context.Context, epoch int64, s inbox.Shards, held []int64, now time.Time, limit int) ([]inbox.Entry, error) {
	return m.due(ctx, epoch, held, now, limit, func(l *lease) (inbox.Shards, bool) { return s, s&^l.shards == 0 })
}

func (m *memoryJournal) due(ctx context.Context, epoch int64, held []int64, now time.Time, limit int, of func(*lease) (inbox.Shards, bool)) ([]inbox.Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.leases.current(epoch)
	if l == nil {
		return nil, inbox.ErrLeaseLost
	}
	shards, ok := of(l)
	if !ok {
		return nil, inbox.ErrLeaseLost
	}
	now = kept(now)
	inHand, most := setOf(held), max(limit, 0)+len(held)
	isHeld := func(it *item) bool { return inHand[it.Seq] }
	fresh := slices.DeleteFunc(m.fresh.first(most, shards, func(*item) bool { return true }), isHeld)
	waited := slices.DeleteFunc(m.waiting.first(most, shards, func(it *item) bool { return !it.NotBefore.After(now) }), isHeld)
	var due []inbox.Entry
	for _, it := range share(fresh, waited, limit) {
		due = append(due, keptEntry(it.Entry))
	}
	slices.SortFunc(due, byTurn)
	return due, nil
}

func setOf(list []int64) map[int64]bool {
	set := make(map[int64]bool, len(list))
	for _, v := range list {
		set[v] = true
	}
	return set
}

// share takes limit of two lists, and of each at least half of that if it has so many.
func share[T any](fresh, waited []T, limit int) []T {
	limit = max(limit, 0)
	w := min(len(waited), max(limit-len(fresh), (limit+1)/2))
	return append(slices.Clone(fresh[:min(len(fresh), limit-w)]), waited[:w]...)
}

func (m *memoryJournal) Finish(ctx context.Context, epoch int64, outcomes []inbox.Outcome) (more bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.leases.current(epoch)
	if l == nil {
		return false, inbox.ErrLeaseLost
	}
	if err := checkOutcomes(outcomes); err != nil {
		return false, err
	}
	for _, o := range outcomes {
		if it := m.entries[o.Seq]; it != nil && !l.shards.Has(it.Shard()) {
			return false, inbox.ErrLeaseLost
		}
	}
	for _, o := range outcomes {
		it := m.entries[o.Seq]
		if it == nil {
			continue
		}
		if o.State != inbox.Done {
			it.Attempts, it.LastError, it.NotBefore = o.Attempts, o.Err, kept(o.NotBefore)
		}
		switch o.State {
		case inbox.Again:
			if it.Key == "" || m.keys[it.Key][0] == it {
				m.queue(it)
			}
			continue
		case inbox.Dead, inbox.Review:
			e := it.Entry
			e.NotBefore = time.Time{}
			m.shelve(shelfOf(o.State), e)
		}
		more = m.remove(it) || more
	}
	return more, nil
}

func shelfOf(s inbox.State) inbox.Shelf {
	if s == inbox.Review {
		return inbox.Held
	}
	return inbox.DeadLetters
}

// remove takes a finished entry away and lets the next of its key run, if there is one.
func (m *memoryJournal) remove(it *item) (more bool) {
	it.version++
	delete(m.entries, it.Seq)
	if l := m.live[it.Mark]; l.n > 1 {
		m.live[it.Mark] = lives{l.n - 1, l.key}
	} else {
		delete(m.live, it.Mark)
	}
	if m.lanes[it.Lane]--; m.lanes[it.Lane] == 0 {
		delete(m.lanes, it.Lane)
	}
	// A heap may have it until somebody looks for what is due.
	key := it.Key
	it.Entry = inbox.Entry{Seq: it.Seq}
	if key == "" {
		return false
	}
	list := m.keys[key]
	i := slices.Index(list, it)
	list = slices.Delete(list, i, i+1)
	if len(list) == 0 {
		delete(m.keys, key)
		return false
	}
	m.keys[key] = list
	if i == 0 {
		m.queue(list[0])
	}
	return i == 0
}

func checkOutcomes(outcomes []inbox.Outcome) error {
	for _, o := range outcomes {
		if o.State > inbox.Review {
			return fmt.Errorf("storage: finish entry %d: state %d: %w", o.Seq, o.State, errState)
		}
	}
	return nil
}

func (m *memoryJournal) Shelved(ctx context.Context, s inbox.Shelf, before int64, limit int) ([]inbox.Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []inbox.Entry
	for _, e := range slices.Backward(m.shelves[s&1]) {
		if len(list) >= limit {
			break
		}
		if before == 0 || e.Seq < before {
			list = append(list, keptEntry(e))
		}
	}
	return list, nil
}

func (m *memoryJournal) Unshelve(ctx context.Context, s inbox.Shelf, seq int64, again *inbox.Entry) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	list := m.shelves[s&1]
	i, ok := slices.BinarySearchFunc(list, seq, func(e inbox.Entry, seq int64) int { return cmp.Compare(e.Seq, seq) })
	if !ok {
		return inbox.ErrNoEntry
	}
	m.shelves[s&1] = slices.Delete(list, i, i+1)
	if again == nil || m.isOver(inbox.Rules{Unless: again.Rules.Unless}) {
		return nil
	}
	e := keptEntry(*again)
	e.Attempts, e.NotBefore, e.LastError, e.Hold = 0, time.Time{}, "", false
	m.add(e)
	return nil
}

func (m *memoryJournal) Forget(ctx context.Context, before time.Time, keep int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	before = kept(before)
	// Entries come in the order of their time, nearly.
	older := func(a, b agedMark) int { return a.at.Compare(b.at) }
	if !slices.IsSortedFunc(m.byAge, older) {
		slices.SortStableFunc(m.byAge, older)
	}
	if len(m.byAge) > 2*len(m.marks)+1000 {
		m.byAge = slices.DeleteFunc(m.byAge, m.isStale)
	}
	// All are older than the first that is to stay: for the others nobody has to wait.
	var live []agedMark
	n := 0
	for ; n < len(m.byAge); n++ {
		a := m.byAge[n]
		switch {
		case m.isStale(a):
			continue
		case m.live[a.mark].n > 0:
			live = append(live, a)
			continue
		}
		if !a.at.Before(before) && (keep <= 0 || len(m.marks) <= keep) {
			break
		}
		delete(m.marks, a.mark)
	}
	m.byAge = slices.Replace(m.byAge, 0, n, live...)
	return nil
}

// isStale tells whether a mark was dropped, or put again later.
func (m *memoryJournal) isStale(a agedMark) bool {
	n := m.marks[a.mark]
	return n == nil || !n.at.Equal(a.at)
}

// keptEntry shares nothing with e.
func keptEntry(e inbox.Entry) inbox.Entry {
	e.Body, e.Notes, e.To = slices.Clone(e.Body), slices.Clone(e.Notes), slices.Clone(e.To)
	e.Received, e.NotBefore, e.Turn = kept(e.Received), kept(e.NotBefore), kept(e.Turn)
	return e
}
