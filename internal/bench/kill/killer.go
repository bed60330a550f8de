package kill

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
)

// Killer is how the server, at its point, gets itself killed. Its methods may be called by many goroutines.
type Killer struct {
	aim   atomic.Pointer[aim]
	armed atomic.Bool
}

// aim is a point that is passed so often still.
type aim struct {
	point string
	loose bool
	left  atomic.Int64
}

// NewKiller makes a killer that lets its process be killed when it comes to a point for the nth time, from now on or from Arm on.
func NewKiller(point string, nth int, loose, armed bool) *Killer {
	k := new(Killer)
	k.Aim(point, nth, loose)
	k.armed.Store(armed)
	return k
}

// Aim chooses another point.
func (k *Killer) Aim(point string, nth int, loose bool) {
	a := &aim{point: point, loose: loose}
	a.left.Store(int64(nth))
	k.aim.Store(a)
}

// Arm has it kill from now on.
func (k *Killer) Arm() { k.armed.Store(true) }

// At is called at each point. At the one that was chosen it does not return, unless that is a loose one.
func (k *Killer) At(point string) {
	a := k.aim.Load()
	if point != a.point || !k.armed.Load() || a.left.Add(-1) != 0 {
		return
	}
	if a.loose {
		Say("near %s", point)
		return
	}
	Say("at %s", point)
	select {} // SIGKILL is on its way
}

var saying sync.Mutex

// Say writes a line to the parent. It is one write to a pipe: what was said before a SIGKILL arrives.
func Say(format string, args ...any) {
	line := fmt.Sprintf(format, args...) + "\n"
	saying.Lock()
	defer saying.Unlock()
	if _, err := os.Stdout.WriteString(line); err != nil {
		os.Exit(1) // the parent has ended
	}
}
