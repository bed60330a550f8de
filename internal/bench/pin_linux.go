package bench

import (
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// Pin keeps this process on one core, until Unpin. Threads that it starts later stay there too.
func Pin(core int) error {
	var set unix.CPUSet
	set.Set(core)
	return keep(&set)
}

// Unpin lets this process run on every core again.
func Unpin() {
	var set unix.CPUSet
	for core := range runtime.NumCPU() {
		set.Set(core)
	}
	_ = keep(&set) // where Pin could, this can
}

func keep(set *unix.CPUSet) error {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, t := range threads {
		id, err := strconv.Atoi(t.Name())
		if err != nil {
			return err
		}
		if err := unix.SchedSetaffinity(id, set); err != nil && err != unix.ESRCH { // ended meanwhile
			return err
		}
	}
	return nil
}
