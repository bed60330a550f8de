package kill

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
)

// Killer is how the server, at its point, gets itself killed. Its methods may be called by many goroutines.
type Killer struct {
	point string
	loose bool
	left  atomic.Int64 // how often the point is still passed
	armed atomic.Bool
}

func NewKiller(point string, nth int, loose, armed bool) *Killer {
	k := &Killer{point: point, loose: loose}
	k.left.Store(int64(nth))
	k.armed.Store(armed)
	return k
}

// Arm has it kill from now on.
func (k *Killer) Arm() { k.armed.Store(true) }

// At is called at each point. At the one that was chosen it does not return.
func (k *Killer) At(point string) {
	if point != k.point || !k.armed.Load() || k.left.Add(-1) != 0 {
		return
	}
	Say("at %s", point)
	if !k.loose {
		select {} // SIGKILL is on its way
	}
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
