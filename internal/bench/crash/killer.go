package main

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
)

// killer is how the server, at its point, gets itself killed. Its methods may be called by many goroutines.
type killer struct {
	point string
	loose bool
	left  atomic.Int64 // how often the point is still passed
	armed atomic.Bool
}

func newKiller(o order) *killer {
	k := &killer{point: o.Point, loose: o.Loose}
	k.left.Store(int64(o.Nth))
	k.armed.Store(o.Armed)
	return k
}

// at is called at each point. At the one that was chosen it does not return.
func (k *killer) at(point string) {
	if point != k.point || !k.armed.Load() || k.left.Add(-1) != 0 {
		return
	}
	say("at %s", point)
	if !k.loose {
		select {} // SIGKILL is on its way
	}
}

var saying sync.Mutex

// say writes a line to the parent. It is one write to a pipe: what was said before a SIGKILL arrives.
func say(format string, args ...any) {
	line := fmt.Sprintf(format, args...) + "\n"
	saying.Lock()
	defer saying.Unlock()
	if _, err := os.Stdout.WriteString(line); err != nil {
		os.Exit(1) // the parent has ended
	}
}
