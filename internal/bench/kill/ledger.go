package kill

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Ledger is the witness of deliveries: what the app has said, what has arrived where, and whether the two agree. It
// believes the app's posts and the sink, and nothing that the queue says. Its methods may be called by many goroutines.
type Ledger struct {
	bound int // of repeats after one kill

	mu      sync.Mutex
	posts   map[int]*post
	open    map[int]bool // posts that have not arrived everywhere when last looked at
	seen    map[arrival]int
	repeats map[int]int // by the life whose sending was in vain
	total   Counts
	wrong   Faults
}

// Counts is what a ledger has seen.
type Counts struct {
	Said, Unsaid, Arrived, Repeated, MostRepeated int
}

type post struct {
	inboxes []string
	revs    []*revisionOf
	last    map[string]lastOf // by inbox
}

type revisionOf struct {
	rev   int
	state string // asked, said or unsaid
}

type lastOf struct{ rev, newest, life int }

type arrival struct {
	inbox  string
	k, rev int
	create bool // a post that was edited before it went out may come as it is twice: as a Create, and as the edit
}

func NewLedger(bound int) *Ledger {
	return &Ledger{bound: bound, posts: map[int]*post{}, open: map[int]bool{}, seen: map[arrival]int{}, repeats: map[int]int{}}
}

// Asked notes that the app is about to say a revision, or with state unsaid to take it back before its commit.
func (l *Ledger) Asked(k, rev int, inboxes []string, state string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.posts[k]
	if p == nil {
		p = &post{inboxes: inboxes, last: map[string]lastOf{}}
		l.posts[k] = p
	}
	p.revs = append(p.revs, &revisionOf{rev, state})
	if state == "unsaid" {
		l.total.Unsaid++
	}
}

// Settled notes whether what was asked was committed.
func (l *Ledger) Settled(k, rev int, said bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.posts[k]
	r := p.find(rev)
	if !said {
		r.state = "unsaid"
		l.total.Unsaid++
		for _, inbox := range p.inboxes {
			_, created := l.seen[arrival{inbox, k, rev, true}]
			if _, came := l.seen[arrival{inbox, k, rev, false}]; came || created {
				l.wrong.Add("undead: post %d rev %d was never committed and came to %s", k, rev, inbox)
			}
		}
		return
	}
	r.state = "said"
	l.total.Said++
	l.open[k] = true
}

func (p *post) find(rev int) *revisionOf {
	for _, r := range p.revs {
		if r.rev == rev {
			return r
		}
	}
	return nil
}

// newest is the last revision that was said; ok is false if none was.
func (p *post) newest() (rev int, ok bool) {
	for _, r := range p.revs {
		if r.state == "said" {
			rev, ok = r.rev, true
		}
	}
	return rev, ok
}

// Arrived notes what came to an inbox, sent in a life of the server.
func (l *Ledger) Arrived(inbox string, k, rev int, create bool, life int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total.Arrived++
	p := l.posts[k]
	if p == nil || p.find(rev) == nil || p.find(rev).state == "unsaid" {
		l.wrong.Add("undead: post %d rev %d was never committed and came to %s", k, rev, inbox)
		return
	}
	before, again := l.seen[arrival{inbox, k, rev, create}]
	last, any := p.last[inbox]
	switch {
	case again && before == life:
		l.wrong.Add("twice: post %d rev %d came to %s again in life %d", k, rev, inbox, life)
	case again:
		l.total.Repeated++
		if before == unanswered {
			break
		}
		l.repeats[before]++
		l.total.MostRepeated = max(l.total.MostRepeated, l.repeats[before])
		if l.repeats[before] == l.bound+1 {
			l.wrong.Add("repeats: more than %d of life %d", l.bound, before)
		}
	case any && rev < last.newest:
		l.wrong.Add("order: post %d rev %d came to %s for the first time after rev %d", k, rev, inbox, last.newest)
	}
	if any && last.life == life && rev < last.rev {
		l.wrong.Add("order: post %d rev %d came to %s after rev %d, both in life %d", k, rev, inbox, last.rev, life)
	}
	l.seen[arrival{inbox, k, rev, create}] = life
	p.last[inbox] = lastOf{rev, max(rev, last.newest), life}
}

// Unanswered notes that who sent a revision to an inbox got no answer and sends it again: that it comes twice is nobody's fault, if
// it has come at all.
func (l *Ledger) Unanswered(inbox string, k, rev int, create bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, came := l.seen[arrival{inbox, k, rev, create}]; came {
		l.seen[arrival{inbox, k, rev, create}] = unanswered
	}
}

// unanswered stands for a life; the first one is 1.
const unanswered = 0

// ArrivedAll tells whether the newest revision of each open post is the last that came to each inbox.
func (l *Ledger) ArrivedAll() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for k := range l.open {
		if len(l.posts[k].missing(1)) > 0 {
			return false
		}
		delete(l.open, k)
	}
	return true
}

// missing lists inboxes, at most limit, to which the newest revision did not come last.
func (p *post) missing(limit int) (list []string) {
	rev, ok := p.newest()
	if !ok {
		return nil
	}
	for _, inbox := range p.inboxes {
		last, any := p.last[inbox]
		if !any && rev == Deleted {
			continue // who was never told of a post need not be told that it is gone
		}
		if !any || last.rev != rev {
			if list = append(list, inbox); len(list) == limit {
				return list
			}
		}
	}
	return list
}

// Lost notes what is missing of all that was ever said.
func (l *Ledger) Lost() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range slices.Sorted(maps.Keys(l.posts)) {
		rev, _ := l.posts[k].newest()
		for _, inbox := range l.posts[k].missing(1000) {
			l.wrong.Add("lost: post %d rev %d was said and is not the last that came to %s, but %v", k, rev, inbox, l.posts[k].last[inbox])
		}
	}
}

func (l *Ledger) Fault(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrong.Add(format, args...)
}

// Faults lists what must not be: the first hundred, and how many there are of each kind, the word before the colon.
type Faults struct {
	List  []string
	Kinds map[string]int
}

func (f *Faults) Add(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if len(f.List) < 100 {
		f.List = append(f.List, text)
	}
	if f.Kinds == nil {
		f.Kinds = map[string]int{}
	}
	kind, _, _ := strings.Cut(text, ":")
	f.Kinds[kind]++
}

// Verdict is what the ledger has seen, and what must not be.
func (l *Ledger) Verdict() (Faults, Counts) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.wrong, l.total
}

// RepeatsOf is how many repeats there were of what was sent in a life.
func (l *Ledger) RepeatsOf(life int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.repeats[life]
}

// Bound is how many repeats are allowed after one kill.
func (l *Ledger) Bound() int { return l.bound }
