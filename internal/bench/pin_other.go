//go:build !linux

package bench

import "errors"

// Pin keeps this process on one core, where that can be done.
func Pin(int) error { return errors.New("bench: processes are pinned to a core on Linux only") }

// Unpin undoes Pin.
func Unpin() {}
