package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// childArgs are the flags of the processes that this program starts itself.
type childArgs struct {
	delay  time.Duration
	tls    bool
	notes  bool
	folder string
	at     string
	to     string
	pool   bool
	name   string
	since  int64
	posts  int
}

func (a *childArgs) flags(f *flag.FlagSet) {
	f.DurationVar(&a.delay, "delay", 0, "of -child sink: `how long` it thinks before it answers")
	f.BoolVar(&a.tls, "tls", false, "of -child sink: speak TLS")
	f.BoolVar(&a.notes, "notes", false, "of -child sink: note when each host was last posted to")
	f.StringVar(&a.at, "at", "", "of -child node: the `address` of the schema")
	f.StringVar(&a.to, "to", "", "of -child node: the `address` of the sink; empty: it posts to nowhere")
	f.StringVar(&a.name, "name", "", "of -child node: its `name`")
	f.BoolVar(&a.pool, "pool", false, "of -child node: be the pool, not the queue")
	f.StringVar(&a.folder, "folder", "", "of -child restart: the `folder` of the queue's file")
	f.Int64Var(&a.since, "since", 0, "of -child restart: when it was started, in `nanoseconds`")
	f.IntVar(&a.posts, "backlog", 0, "of -child attempts: `posts` to the dead host in two days")
}

// beChild is a part of another run. It ends with its standard input.
func beChild(ctx context.Context, o options) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // ends when who started us has
		cancel()
	}()
	switch o.child {
	case "sink":
		return beSink(ctx, o.args)
	case "restart":
		return beRestart(ctx, o)
	case "node":
		return beNode(ctx, o)
	case "attempts":
		return beAttempts(o)
	}
	return fmt.Errorf("-child %q is none", o.child)
}
