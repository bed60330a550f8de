// Command before is a small blog engine: posts in Markdown, tags, a feed, comments that wait for approval, and pages
// that need no JavaScript.
//
//	go run ./examples/blog/before
//
// It knows nothing of federation. The folder above it holds the same engine with one file more.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/fedihook/fedihook"
	"golang.org/x/sync/errgroup"
)

// options is the command line.
type options struct {
	listen, origin, data, db string
	trial                    fedihook.Loopback
}

func main() {
	var o options
	flag.StringVar(&o.listen, "listen", "127.0.0.1:8080", "`address` to listen on")
	flag.StringVar(&o.origin, "origin", "", "where visitors find the blog, like https://blog.example (default http://localhost and the port)")
	flag.StringVar(&o.data, "data", "", "`folder` with posts/*.md, where databases go, too (default a temporary one with some posts)")
	flag.StringVar(&o.db, "db", "", "SQLite `file` or postgres:// address (default blog.db in the data folder)")
	flag.Var(&o.trial, "insecure-allow-loopback", "for trials: `host=address` of a server on this machine")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // who interrupts it once more waits no longer
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "blog:", err)
		os.Exit(1)
	}
}

// parts are what a site is made of, in this order.
var parts = []func(context.Context, *site) (part, error){tags, feed, discussion, federation}

// run serves a blog until ctx ends.
func run(ctx context.Context, o options) error {
	if flag.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flag.Arg(0))
	}
	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return err
	}
	defer listener.Close()
	if o.origin == "" {
		o.origin = fmt.Sprintf("http://localhost:%d", listener.Addr().(*net.TCPAddr).Port)
	}
	if u, err := url.Parse(o.origin); err != nil || u.Host == "" || o.origin != u.Scheme+"://"+u.Host {
		return fmt.Errorf("-origin: %q is not a scheme and a host, and perhaps a port, like https://blog.example", o.origin)
	}
	if o.data == "" {
		if o.data, err = os.MkdirTemp("", "blog"); err != nil {
			return err
		}
		defer os.RemoveAll(o.data)
		if err := os.CopyFS(o.data, samples); err != nil {
			return err
		}
	}
	if _, err := os.Stat(filepath.Join(o.data, "authors.yaml")); err != nil {
		return fmt.Errorf("-data: a blog's folder has authors.yaml, and posts/*.md, as examples/blog has: %w", err)
	}
	if o.db == "" {
		o.db = filepath.Join(o.data, "blog.db")
	}
	s, err := newSite(ctx, o)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	g, ctx := errgroup.WithContext(ctx)
	for _, p := range s.parts {
		if p.run != nil {
			g.Go(func() error { return p.run(ctx) })
		}
	}
	g.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		return server.Shutdown(ctx)
	})
	slog.Info("blog: serving", "origin", o.origin, "address", listener.Addr(), "data", o.data)
	return g.Wait()
}
