// Queue is a shop that tells its subscribers of each order by signed webhooks, with packages delivery, storage/queue and
// signature: there is no ActivityPub in it. What the shop writes in its own transaction goes out when that commits, each
// subscriber gets it when it can, and one that is down or takes nothing holds up no other.
//
// The shop and three subscribers run on loopback; what happens is printed, line by line. The exit status is 0 if
// everything came out as it should, 1 if something did not, 2 for a wrong flag.
//
//	go run ./examples/queue
//
// Flags:
//
//	-dir folder   keep the two databases there, to look at them or to go on with a second run; else they are removed
//	-orders n     how many orders are placed, 3 unless told
//	-v            show what the queue logs of hosts that fail and return
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	status := command(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// options are the flags.
type options struct {
	dir    string
	orders int
	logger *slog.Logger
}

// command reads the flags, runs the walk and returns the exit status.
func command(ctx context.Context, args []string, out, trouble io.Writer) int {
	o := options{logger: slog.New(slog.DiscardHandler)}
	flags := flag.NewFlagSet("queue", flag.ContinueOnError)
	flags.SetOutput(trouble)
	flags.StringVar(&o.dir, "dir", "", "keep the two databases in this `folder`; empty: they are removed at the end")
	flags.IntVar(&o.orders, "orders", 3, "how many orders are placed, at least 1 and at most 1000")
	verbose := flags.Bool("v", false, "show what the queue logs")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if o.orders < 1 || o.orders > 1000 || flags.NArg() > 0 {
		fmt.Fprintln(trouble, "queue: -orders is 1 to 1000, and there are no arguments")
		return 2
	}
	if *verbose {
		o.logger = slog.New(slog.NewTextHandler(trouble, nil))
	}
	if err := walk(ctx, o, out); err != nil {
		fmt.Fprintln(trouble, "queue:", err)
		return 1
	}
	return 0
}
