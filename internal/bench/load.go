package bench

import (
	"os"
	"strconv"
	"strings"
)

// Load is how many tasks of this machine ran or wanted to on average of the last minute, by /proc; 0 where there
// is none. With more of them than processors, times of the wall say little.
func Load() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	minute, _, _ := strings.Cut(string(text), " ")
	load, _ := strconv.ParseFloat(minute, 64)
	return load
}
