// Twoservers starts two servers with two names in one process and lets them federate: discovery, follow, accept,
// posts, replies, likes, boosts, edits, deletes, and what a liar tries. Each has an app with users and posts of its own and
// its own SQLite files in a temporary folder; they know each other only by HTTP. Every check is read at the receiving side.
//
// The last line is "N passed, M failed"; the exit status is 0 if nothing failed, 1 if something did, 2 for a wrong flag.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("twoservers", flag.ContinueOnError)
	flags.SetOutput(stderr)
	broken := flags.String("break", "", "switch one rule off in one server, so that the walk must fail: "+strings.Join(rules, ", "))
	db := flags.String("db", "", "a postgres:// `address`: each server has a schema of its own there, and two nodes; they are dropped at the end")
	verbose := flags.Bool("v", false, "show each HTTP exchange with headers and JSON, and the servers' logs")
	stay := flags.Bool("stay", false, "go on serving after the walk, until interrupted, so that one can look around with examples/fedictl")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "twoservers: takes no arguments, got %q\n", flags.Args())
		return 2
	}
	if *db != "" && !strings.HasPrefix(*db, "postgres://") {
		fmt.Fprintf(stderr, "twoservers: -db %s: must be a postgres:// address\n", *db)
		return 2
	}
	if *broken != "" && !slices.Contains(rules, *broken) {
		fmt.Fprintf(stderr, "twoservers: -break %s: must be one of %s\n", *broken, strings.Join(rules, ", "))
		return 2
	}
	out := newReport(stdout)
	logger := slog.New(slog.DiscardHandler)
	if *verbose {
		logger = slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	dir, err := os.MkdirTemp("", "twoservers-")
	if err != nil {
		fmt.Fprintln(stderr, "twoservers:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := walk(ctx, dir, *db, *broken, *verbose, *stay, logger, out); err != nil {
		fmt.Fprintln(stderr, "twoservers:", err)
		out.fail()
	}
	return out.sum()
}
