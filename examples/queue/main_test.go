package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/signature"
)

func TestTheWalkPasses(t *testing.T) {
	t.Parallel()
	var out, trouble strings.Builder
	dir := t.TempDir()
	if status := command(t.Context(), []string{"-dir", dir}, &out, &trouble); status != 0 {
		t.Fatalf("status %d: %s\n%s", status, &trouble, &out)
	}
	want := `order 1 is committed, and with it a webhook to 3 subscribers
order 2 is committed, and with it a webhook to 3 subscribers
order 3 is committed, and with it a webhook to 3 subscribers
order 4 is rolled back: the card was declined
the warehouse has all of them, signed by https://shop.example under RFC 9421 over @method @target-uri @authority content-digest content-type
  lane of the mailer     fails: 3 wait, 0 of them put off
  lane of the books      waits: 3 wait, 3 of them put off
  order-1: 1 of 3 delivered, 2 wait
  order-1 waits for the mailer, which answered 503
  order-1 waits for the books, which answered 422
the mailer is back, and has all of them
tried again, the books refuse again: 3 dead letters
  one of them: order-1 for the books, 2 attempts, answered 422
the books are mended, and 3 dead letters sent once more
nothing waits: each subscriber has heard of 3 orders, and of nothing that was rolled back
`
	if out.String() != want {
		t.Errorf("%s", &out)
	}

	// A second run goes on: what was rolled back has left no id behind.
	out.Reset()
	if status := command(t.Context(), []string{"-dir", dir, "-orders", "1"}, &out, &trouble); status != 0 ||
		!strings.HasPrefix(out.String(), "order 4 is committed") {
		t.Errorf("status %d: %s\n%s", status, &trouble, &out)
	}
}

func TestFlagsThatMeanNothingAreRefused(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"-orders 0", "-orders 1001", "-orders x", "-color", "walk"} {
		if status := command(t.Context(), strings.Fields(args), io.Discard, io.Discard); status != 2 {
			t.Errorf("%s: status %d", args, status)
		}
	}
	if status := command(t.Context(), []string{"-h"}, io.Discard, io.Discard); status != 0 {
		t.Errorf("-h: status %d", status)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if status := command(stopped, nil, io.Discard, io.Discard); status != 1 {
		t.Errorf("stopped: status %d", status)
	}
}

// A shop that ends between the commit and the first attempt sends when it is there again.
func TestWhatWasCommittedOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	dir, quiet := t.TempDir(), slog.New(slog.DiscardHandler)
	before, err := openShop(t.Context(), dir, quiet)
	if err != nil {
		t.Fatal(err)
	}
	after, err := openShop(t.Context(), dir, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer after.close()
	// It is the second life that signs: the queue keeps no keys.
	s, err := subscribe(t.Context(), "warehouse", after.public)
	if err != nil {
		t.Fatal(err)
	}
	defer s.stop()
	before.hooks = []delivery.Target{{Inbox: s.url()}}
	number, err := before.order(t.Context(), "bread", func() error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if err := before.close(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- after.queue.Run(ctx) }()
	for deadline := time.Now().Add(patience); !s.has(number); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not arrive")
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// post sends a webhook to a subscriber by hand.
func post(t *testing.T, client *http.Client, s *subscriber, body string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url(), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

func TestASubscriberTakesWhatTheShopSignedAndNothingElse(t *testing.T) {
	t.Parallel()
	shop, err := openShop(t.Context(), t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer shop.close()
	other, err := openShop(t.Context(), t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer other.close()
	s, err := subscribe(t.Context(), "warehouse", shop.public)
	if err != nil {
		t.Fatal(err)
	}
	defer s.stop()
	transport := func(of *delivery.Queue) *signature.Transport {
		signer, err := of.Transport("")
		if err != nil {
			t.Fatal(err)
		}
		return signer.(*signature.Transport)
	}
	mine := &http.Client{Transport: transport(shop.queue)}
	const hook = `{"id":"order-1","order":1}`
	for _, c := range []struct {
		what   string
		client *http.Client
		body   string
		want   int
	}{
		{"unsigned", http.DefaultClient, hook, http.StatusUnauthorized},
		{"signed by another shop under the name of the key", &http.Client{Transport: transport(other.queue)}, hook, http.StatusUnauthorized},
		{"changed on its way", &http.Client{Transport: &signature.Transport{
			Base: changing{}, Key: transport(shop.queue).Key, Scheme: signature.RFC9421, Fixed: true,
		}}, hook, http.StatusUnauthorized},
		{"signed and no order", mine, `{"id":"","order":1}`, http.StatusBadRequest},
	} {
		if got := post(t, c.client, s, c.body); got != c.want || s.count() != 0 {
			t.Errorf("%s: answered %d, want %d; %d kept", c.what, got, c.want, s.count())
		}
	}
	for range 2 {
		if got := post(t, mine, s, hook); got != http.StatusNoContent || s.count() != 1 {
			t.Errorf("signed: answered %d; %d kept", got, s.count())
		}
	}
	if s.again != 1 || !slices.Contains(s.proof().Covered, "content-digest") {
		t.Errorf("%d came again; %q are covered", s.again, s.proof().Covered)
	}
}

// changing sends another body than the one that was signed.
type changing struct{}

func (changing) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(strings.NewReader(`{"id":"order-1","order":9}`))
	return http.DefaultTransport.RoundTrip(r)
}
