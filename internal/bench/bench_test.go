package bench_test

import (
	"os"
	"strings"
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

func TestABarIsDrawnOnATerminalOnly(t *testing.T) {
	t.Parallel()
	var none *bench.Bar
	none.Show("work", 1, 2)
	none.Clear()
	new(bench.Bar).Show("work", 1, 2)

	var out strings.Builder
	b := &bench.Bar{Out: &out}
	b.Show("work", 30, 60)
	b.Show("work", 31, 60) // too soon
	b.Show("play", 99, 0)
	b.Clear()
	if want := "\r\x1b[Kwork [" + strings.Repeat("#", 15) + strings.Repeat(".", 15) + "] 30/60\r\x1b[Kplay 99\r\x1b[K"; out.String() != want {
		t.Errorf("drawn was %q, want %q", out.String(), want)
	}
}

func TestTheCPUOfThisProcessIsSeen(t *testing.T) {
	t.Parallel()
	before := bench.CPU()
	for end := time.Now().Add(20 * time.Millisecond); time.Now().Before(end); {
	}
	if used := bench.CPU() - before; used <= 0 || used > time.Minute {
		t.Errorf("working for 20 ms has used %v", used)
	}
}
