package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/fedihook/fedihook/signature"
)

// bookkeeper adds up the orders that its customers have signed.
type bookkeeper struct {
	mu  sync.Mutex
	sum int
}

// handler is the bookkeeper's server at authority, with one customer.
func (b *bookkeeper) handler(authority, customer string) http.Handler {
	verifier := &signature.Verifier{
		Keys:        &keys{known: map[string]signature.PublicKey{}},
		Authorities: []string{authority},
		Scheme:      "http", // on loopback only
		Replays:     &signature.Replays{},
		Allow: func(_ context.Context, host string) error {
			if host != strings.TrimPrefix(customer, "http://") {
				return fmt.Errorf("%s is no customer: %w", host, signature.ErrRefused)
			}
			return nil
		},
	}
	mux := http.NewServeMux()
	mux.Handle("POST /orders", verifier.Handler(http.HandlerFunc(b.book)))
	return mux
}

// book is called with what a customer has signed, and with each of it once.
func (b *bookkeeper) book(w http.ResponseWriter, r *http.Request) {
	var order struct{ Order, Amount int }
	if err := json.NewDecoder(r.Body).Decode(&order); err != nil || order.Order <= 0 {
		http.Error(w, "not an order", http.StatusBadRequest)
		return
	}
	b.mu.Lock()
	b.sum += order.Amount
	b.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

func (b *bookkeeper) total() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sum
}

// keys fetches the key of a customer from its key id and keeps it. It is asked for ids at hosts that
// Allow has let pass, and no others.
type keys struct {
	mu    sync.Mutex
	known map[string]signature.PublicKey
}

// PublicKey implements signature.KeySource.
func (k *keys) PublicKey(ctx context.Context, id string) (signature.PublicKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if key, ok := k.known[id]; ok {
		return key, nil
	}
	owner, ok := strings.CutSuffix(id, "/key")
	if !ok {
		return signature.PublicKey{}, fmt.Errorf("%s is where no customer has its key: %w", id, signature.ErrNoKey)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, id, nil)
	if err != nil {
		return signature.PublicKey{}, err
	}
	response, err := http.DefaultTransport.RoundTrip(r) // which follows no redirects
	if err != nil {
		return signature.PublicKey{}, err // answered 503, so that the customer tries again
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return signature.PublicKey{}, fmt.Errorf("%s answered %s", id, response.Status)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, 16<<10))
	if err != nil {
		return signature.PublicKey{}, err
	}
	public, err := signature.ParsePublicKey(string(text))
	if err != nil {
		return signature.PublicKey{}, fmt.Errorf("%w: %w", signature.ErrNoKey, err)
	}
	key := signature.PublicKey{ID: id, Owner: owner, Key: public}
	k.known[id] = key
	return key, nil
}
