// Command signing sends signed webhooks between two servers on loopback, by package signature alone:
// there is no ActivityPub in it. A shop tells its bookkeeper of each order. The bookkeeper takes what
// the shop has signed, once, and nothing else.
//
//	go run ./examples/signing
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run starts both servers, sends what should arrive and what should not, and says what came of it. It
// fails if any of it is answered otherwise than it should be.
func run(ctx context.Context, out io.Writer) error {
	shop, err := newShop()
	if err != nil {
		return err
	}
	shopURL, stopShop, err := serve(ctx, func(string) http.Handler { return shop.handler() })
	if err != nil {
		return err
	}
	defer stopShop()
	shop.url = shopURL

	books := &bookkeeper{}
	booksURL, stopBooks, err := serve(ctx, func(authority string) http.Handler { return books.handler(authority, shopURL) })
	if err != nil {
		return err
	}
	defer stopBooks()

	for _, step := range []struct {
		what string
		send func() (status int, err error)
		want int
	}{
		{"an order of the shop is booked", func() (int, error) { return shop.order(ctx, booksURL, 1) }, http.StatusNoContent},
		{"so is the next", func() (int, error) { return shop.order(ctx, booksURL, 2) }, http.StatusNoContent},
		{"the same bytes again are refused", func() (int, error) { return shop.repeat(ctx) }, http.StatusConflict},
		{"so is another amount under the old signature", func() (int, error) { return shop.tamper(ctx) }, http.StatusUnauthorized},
		{"and an order that nobody signed", func() (int, error) { return unsigned(ctx, booksURL) }, http.StatusUnauthorized},
		{"and one of a shop that is no customer", func() (int, error) { return stranger(ctx, booksURL) }, http.StatusForbidden},
	} {
		status, err := step.send()
		if err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
		if status != step.want {
			return fmt.Errorf("%s: answered %d, want %d", step.what, status, step.want)
		}
		fmt.Fprintf(out, "%d  %s\n", status, step.what)
	}
	if got := books.total(); got != 300 {
		return fmt.Errorf("booked %d, want 300", got)
	}
	fmt.Fprintln(out, "booked: 300")
	return nil
}

// serve starts a server on loopback, at an address that its handler is told.
func serve(ctx context.Context, handler func(authority string) http.Handler) (url string, stop func(), err error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	authority := listener.Addr().String()
	server := &http.Server{Handler: handler(authority), ReadHeaderTimeout: 5 * time.Second}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	return "http://" + authority, func() {
		_ = server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintln(os.Stderr, err)
		}
	}, nil
}

// post sends a request and tells how it was answered.
func post(ctx context.Context, client *http.Client, url, body string, header http.Header) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.Header = header.Clone()
	response, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(response.Body, 1<<20))
	return response.StatusCode, err
}
