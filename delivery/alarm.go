package delivery

import (
	"container/heap"
	"time"
)

// alarm is a time for which a lane or an item waits.
type alarm struct {
	at    time.Time
	index int // in the heap; -1 outside
	lane  *lane
	item  *item // nil: the lane itself
}

// alarms is a heap of them, soonest first, from which any can be taken out.
type alarms []*alarm

func (a alarms) Len() int           { return len(a) }
func (a alarms) Less(i, j int) bool { return a[i].at.Before(a[j].at) }
func (a alarms) Swap(i, j int)      { a[i], a[j] = a[j], a[i]; a[i].index, a[j].index = i, j }
func (a *alarms) Push(x any)        { al := x.(*alarm); al.index = len(*a); *a = append(*a, al) }
func (a *alarms) Pop() any {
	old := *a
	last := old[len(old)-1]
	old[len(old)-1] = nil
	last.index = -1
	*a = old[:len(old)-1]
	return last
}

// set adds an alarm.
func (a *alarms) set(at time.Time, l *lane, it *item) *alarm {
	al := &alarm{at: at, lane: l, item: it}
	heap.Push(a, al)
	return al
}

// stop takes an alarm out, if it is in.
func (a *alarms) stop(al *alarm) {
	if al != nil && al.index >= 0 {
		heap.Remove(a, al.index)
	}
}

// due takes out the first alarm if its time has come, else it returns nil.
func (a *alarms) due(now time.Time) *alarm {
	if len(*a) == 0 || (*a)[0].at.After(now) {
		return nil
	}
	return heap.Pop(a).(*alarm)
}
