//go:build !unix

package bench

import (
	"os"
	"time"
)

// CPU is what this process has used so far.
func CPU() time.Duration { return Used(os.Getpid()).CPU }
