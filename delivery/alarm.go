package delivery

import (
	"container/heap"
	"time"
)

// alarms is a heap of lanes by the time at which something in them is due, soonest first.
type alarms []*lane

func (a alarms) Len() int           { return len(a) }
func (a alarms) Less(i, j int) bool { return a[i].due.Before(a[j].due) }
func (a alarms) Swap(i, j int)      { a[i], a[j] = a[j], a[i]; a[i].place, a[j].place = i, j }
func (a *alarms) Push(x any)        { l := x.(*lane); l.place = len(*a); *a = append(*a, l) }
func (a *alarms) Pop() any {
	old := *a
	last := old[len(old)-1]
	old[len(old)-1] = nil
	last.place = -1
	*a = old[:len(old)-1]
	return last
}

// set sets, moves or, for the zero time, stops a lane's alarm.
func (a *alarms) set(l *lane, at time.Time) {
	l.due = at
	switch {
	case at.IsZero() && l.place >= 0:
		heap.Remove(a, l.place)
	case at.IsZero():
	case l.place >= 0:
		heap.Fix(a, l.place)
	default:
		heap.Push(a, l)
	}
}

// next takes out the first lane if its time has come, else it returns nil.
func (a *alarms) next(now time.Time) *lane {
	if len(*a) == 0 || (*a)[0].due.After(now) {
		return nil
	}
	return heap.Pop(a).(*lane)
}

// expiry is when a record is given up.
type expiry struct {
	at  time.Time
	seq int64
}

// expiries is a heap of them, soonest first.
type expiries []expiry

func (e expiries) Len() int           { return len(e) }
func (e expiries) Less(i, j int) bool { return e[i].at.Before(e[j].at) }
func (e expiries) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *expiries) Push(x any)        { *e = append(*e, x.(expiry)) }
func (e *expiries) Pop() any {
	old := *e
	last := old[len(old)-1]
	*e = old[:len(old)-1]
	return last
}
