package simulation

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// Main runs play with a *testing.T, which only the testing package makes, and ends the process: with status 0
// if play returned nil. It must be called from a program's main goroutine, and writes nothing to standard output.
func Main(play func(*testing.T) error) {
	_ = flag.CommandLine.Parse(nil) // the arguments are the program's: what testing would read of them is left alone
	code := 1
	everything := func(string, string) (bool, error) { return true, nil }
	testing.Main(everything, []testing.InternalTest{{Name: "simulation", F: func(t *testing.T) {
		defer func() { os.Exit(code) }() // also where a failure ends this goroutine
		if err := play(t); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return
		}
		code = 0
	}}}, nil, nil)
}
