package bench_test

import (
	"os"
	"testing"
	"time"

	"github.com/fedihook/fedihook/internal/bench"
)

func TestPercentilesAreValuesThatOccurred(t *testing.T) {
	t.Parallel()
	all := []time.Duration{4, 1, 3, 2, 5, 10, 9, 8, 7, 6}
	for share, want := range map[float64]time.Duration{0: 1, 0.1: 1, 0.5: 5, 0.51: 6, 0.99: 10, 1: 10} {
		if got := bench.Percentile(all, share); got != want {
			t.Errorf("the %v percentile is %d, want %d", share, got, want)
		}
	}
	if got := bench.Percentile(nil, 0.5); got != 0 {
		t.Errorf("the percentile of nothing is %d", got)
	}
}

func TestTheUsageOfThisProcessIsSeen(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("there is no /proc here")
	}
	var u bench.Usage
	for end := time.Now().Add(10 * time.Second); u.CPU <= 0 && time.Now().Before(end); { // counted in hundredths of a second
		u = bench.Used(os.Getpid())
	}
	if u.CPU <= 0 || u.RSS < 1<<20 || u.Max < u.RSS/2 {
		t.Errorf("usage is %+v", u)
	}
	if gone := bench.Used(-1); gone != (bench.Usage{}) {
		t.Errorf("a process that is none has used %+v", gone)
	}
}
