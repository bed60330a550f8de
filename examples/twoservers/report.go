package main

import (
	"fmt"
	"io"
	"os"
	"sync"
)

// report prints a line for each step and each check, in colour on a terminal. It may be used by many goroutines
// at once.
type report struct {
	mu             sync.Mutex
	w              io.Writer
	colour         bool
	step           int
	passed, failed int
}

func newReport(w io.Writer) *report {
	r := &report{w: w}
	if f, ok := w.(*os.File); ok && os.Getenv("NO_COLOR") == "" {
		info, err := f.Stat()
		r.colour = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return r
}

// Write takes logs and exchanges.
func (r *report) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.w.Write(p)
}

func (r *report) paint(code, text string) string {
	if !r.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// begin starts a numbered step.
func (r *report) begin(title string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.step++
	fmt.Fprintf(r.w, "%s\n", r.paint("1", fmt.Sprintf("%2d. %s", r.step, title)))
}

// check prints what was checked and, if it does not hold, what was seen instead.
func (r *report) check(ok bool, what string, seen ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ok {
		r.passed++
		fmt.Fprintf(r.w, "    %s %s\n", r.paint("32", "ok"), what)
		return
	}
	r.failed++
	fmt.Fprintf(r.w, "    %s %s: %s\n", r.paint("31", "FAILED"), what, fmt.Sprint(seen...))
}

func (r *report) fail() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed++
}

func (r *report) hasFailed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed > 0
}

// sum prints the last line and returns the exit status.
func (r *report) sum() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	code, line := "32", fmt.Sprintf("%d passed, %d failed", r.passed, r.failed)
	if r.failed > 0 {
		code = "31"
	}
	fmt.Fprintln(r.w, r.paint(code, line))
	if r.failed > 0 || r.passed == 0 {
		return 1
	}
	return 0
}
