package inbox

import (
	"context"
	"slices"
	"strings"
	"time"
)

const (
	// placeTime is how long a place is taken at least, and how long a verification may take for each place of its host: so many
	// as one after the other finds in a second, wherever they are, are verified of one host. With fewer places a host whose
	// answers take long would be slow for no reason, and with more one that answers at once would have its requests compete
	// with those of everyone else for the processor and the journal.
	placeTime = 4 * time.Millisecond
	// stuckTime is when a verification does not count any more among those who need few places.
	stuckTime = 100 * time.Millisecond

	// maxLine is how long a request by an unknown actor waits for others of its host.
	maxLine = 2 * time.Second
)

// line is where unknown actors of one host wait for a place among those that are being verified.
type line struct {
	gate *gate
	host string
	max  int // places; as many may wait as have a place, twice

	// Guarded by gate.mu.
	waiting []*visit
	inside  []*visit
	took    time.Duration // what a verification takes, the last ones counting most; zero: nobody knows yet
}

// visit is one who waits for a place, or has it.
type visit struct {
	line  *line
	turn  chan struct{} // closed when it has one
	since time.Time     // it has it
}

// visit lets one more in, nil if there are too many.
func (g *gate) visit(host string, places int) *visit {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.fetching[host]
	if l == nil {
		l = &line{gate: g, host: strings.Clone(host), max: places} // not the whole id of which it is a part
		if g.fetching == nil {
			g.fetching = make(map[string]*line)
		}
		g.fetching[l.host] = l
	}
	if l.n() >= 3*places {
		return nil
	}
	v := &visit{line: l, turn: make(chan struct{})}
	l.waiting = append(l.waiting, v)
	l.admit(time.Now())
	return v
}

// wait tells whether v has a place within maxLine. If not, it has left.
func (v *visit) wait(ctx context.Context) bool {
	select {
	case <-v.turn:
		return true
	default:
	}
	// Who waits here costs less than who is sent away and comes again.
	late := time.NewTimer(maxLine)
	defer late.Stop()
	select {
	case <-v.turn:
		return true
	case <-late.C:
	case <-ctx.Done():
	}
	v.leave()
	return false
}

// leave gives up v's place, or its wish for one. It is called once.
func (v *visit) leave() {
	l, now := v.line, time.Now()
	l.gate.mu.Lock()
	defer l.gate.mu.Unlock()
	if slices.Contains(l.inside, v) {
		took := max(now.Sub(v.since), 1)
		if l.took == 0 {
			l.took = took
		} else {
			l.took += (took - l.took) / 8
		}
		if took < placeTime {
			time.AfterFunc(placeTime-took, v.free)
			return
		}
	}
	v.drop(now)
}

// free lets others have v's place.
func (v *visit) free() {
	v.line.gate.mu.Lock()
	defer v.line.gate.mu.Unlock()
	v.drop(time.Now())
}

// drop takes v out of its line. The caller holds gate.mu.
func (v *visit) drop(now time.Time) {
	l := v.line
	is := func(other *visit) bool { return other == v }
	l.inside, l.waiting = slices.DeleteFunc(l.inside, is), slices.DeleteFunc(l.waiting, is)
	l.admit(now)
	if l.n() == 0 {
		delete(l.gate.fetching, l.host)
	}
}

// n is how many there are. The caller of this and of those below holds gate.mu.
func (l *line) n() int { return len(l.waiting) + len(l.inside) }

// admit gives places to those who waited longest.
func (l *line) admit(now time.Time) {
	for len(l.waiting) > 0 && len(l.inside) < l.max && l.busy(now) < l.places() {
		v := l.waiting[0]
		l.waiting = slices.Delete(l.waiting, 0, 1)
		v.since = now
		l.inside = append(l.inside, v)
		close(v.turn)
	}
}

// busy is how many have a place and are not stuck.
func (l *line) busy(now time.Time) (n int) {
	for _, v := range l.inside {
		if now.Sub(v.since) < stuckTime {
			n++
		}
	}
	return n
}

// places is how many there are for those who are not stuck.
func (l *line) places() int {
	if l.took == 0 {
		return l.max
	}
	return min(max(int(l.took/placeTime), 1), l.max)
}
