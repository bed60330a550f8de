package bench

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// Bar shows on a terminal how far something is. The zero Bar, or a nil one, shows nothing; it may be used by
// many goroutines at once.
type Bar struct {
	Out io.Writer // the terminal

	mu    sync.Mutex
	drawn time.Time
	label string
}

// NewBar returns a bar on standard error, or one that shows nothing if that is no terminal.
func NewBar() *Bar {
	info, err := os.Stderr.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return nil
	}
	return &Bar{Out: os.Stderr}
}

const barWidth = 30

// Show draws the bar anew, ten times a second at most. Total 0 means that nobody knows how much there is.
func (b *Bar) Show(label string, done, total int) {
	if b == nil || b.Out == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if label == b.label && time.Since(b.drawn) < 100*time.Millisecond {
		return
	}
	b.label, b.drawn = label, time.Now()
	if total <= 0 {
		fmt.Fprintf(b.Out, "\r\x1b[K%s %d", label, done)
		return
	}
	full := min(max(done, 0), total) * barWidth / total
	fmt.Fprintf(b.Out, "\r\x1b[K%s [%s%s] %d/%d", label, strings.Repeat("#", full), strings.Repeat(".", barWidth-full), done, total)
}

// Clear removes the bar, for other things to be written there.
func (b *Bar) Clear() {
	if b == nil || b.Out == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.label = ""
	fmt.Fprint(b.Out, "\r\x1b[K")
}
