package delivery

import (
	"cmp"
	"slices"
	"time"
)

// entry is one target of a record, in memory.
type entry struct {
	rec      *record
	box      *box
	attempts uint16 // that were the activity's own failures
	tried    bool   // a post was begun that is not settled, and rec.tried has it
}

// place is where a target stands in the log.
type place struct{ seq, inbox int64 }

func (e entry) place() place { return place{e.rec.Seq, e.box.id} }

func (p place) before(o place) bool { return p.seq < o.seq || p.seq == o.seq && p.inbox < o.inbox }

func (p place) zero() bool { return p == place{} }

// line is what waits in a lane, in the order of the log. The front is cheap to take.
type line struct {
	entries []entry
	head    int
}

func (l *line) len() int        { return len(l.entries) - l.head }
func (l *line) all() []entry    { return l.entries[l.head:] }
func (l *line) push(e entry)    { l.entries = append(l.entries, e) }
func (l *line) at(i int) *entry { return &l.entries[l.head+i] }

// take removes the entry at i.
func (l *line) take(i int) entry {
	e := l.entries[l.head+i]
	if i > 0 {
		copy(l.entries[l.head+1:], l.entries[l.head:l.head+i])
	}
	l.entries[l.head] = entry{}
	if l.head++; l.head == len(l.entries) {
		l.entries, l.head = l.entries[:0], 0
		if cap(l.entries) > 64 {
			l.entries = nil
		}
	} else if l.head > 64 && l.head > len(l.entries)/2 {
		l.entries, l.head = slices.Clone(l.entries[l.head:]), 0
	}
	return e
}

// insert puts an entry to its place.
func (l *line) insert(e entry) {
	at := e.place()
	if n := l.len(); n == 0 || l.at(n-1).place().before(at) {
		l.push(e)
		return
	}
	i, _ := slices.BinarySearchFunc(l.all(), at, func(e entry, p place) int {
		if e.place().before(p) {
			return -1
		}
		return 1
	})
	if i == 0 && l.head > 0 {
		l.head--
		l.entries[l.head] = e
		return
	}
	l.entries = slices.Insert(l.entries, l.head+i, e)
}

// keep drops the entries for which yes is false.
func (l *line) keep(yes func(entry) bool) {
	l.entries, l.head = slices.DeleteFunc(l.all(), func(e entry) bool { return !yes(e) }), 0
}

// rest is an entry that waits for its own time.
type rest struct {
	entry
	next time.Time
}

func byPlace(a, b entry) int {
	return cmp.Or(cmp.Compare(a.rec.Seq, b.rec.Seq), cmp.Compare(a.box.id, b.box.id))
}
