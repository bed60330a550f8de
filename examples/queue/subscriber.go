package main

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fedihook/fedihook/signature"
)

// subscriber listens for webhooks. What is not signed by the shop does not reach take.
type subscriber struct {
	name      string
	authority string
	stop      func() error
	answer    atomic.Int32 // the status with which it takes nothing in; 0 while it is well

	mu     sync.Mutex
	orders map[string]int64 // by the webhook's id
	again  int              // what had come before
	last   signature.Verified
}

// subscribe starts a subscriber on loopback that was given the shop's public key.
func subscribe(ctx context.Context, name string, shop ed25519.PublicKey) (*subscriber, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &subscriber{name: name, authority: listener.Addr().String(), orders: map[string]int64{}}
	verifier := &signature.Verifier{
		Keys:        known{keyID: {ID: keyID, Owner: "https://shop.example", Key: shop}},
		Authorities: []string{s.authority},
		Scheme:      "http", // on loopback only
		// Without Replays: a webhook that is tried again within a second has the same signature. Its id tells.
	}
	mux := http.NewServeMux()
	mux.Handle("POST /hook", verifier.Handler(http.HandlerFunc(s.take)))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	s.stop = func() error {
		err := server.Close()
		if e := <-ended; !errors.Is(e, http.ErrServerClosed) {
			err = errors.Join(err, e)
		}
		return err
	}
	return s, nil
}

func (s *subscriber) url() string { return "http://" + s.authority + "/hook" }

// take is called with what the shop has signed. A sender that hears no answer sends again, so what has come before is
// answered like the first, and changes nothing.
func (s *subscriber) take(w http.ResponseWriter, r *http.Request) {
	if status := int(s.answer.Load()); status != 0 {
		http.Error(w, "not now", status)
		return
	}
	var hook struct {
		ID    string
		Order int64
	}
	if err := json.NewDecoder(r.Body).Decode(&hook); err != nil || hook.ID == "" || hook.Order <= 0 {
		http.Error(w, "not an order", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, twice := s.orders[hook.ID]; twice {
		s.again++
	}
	s.orders[hook.ID] = hook.Order
	s.last, _ = signature.VerifiedFrom(r.Context())
	w.WriteHeader(http.StatusNoContent)
}

// has tells whether an order was heard of.
func (s *subscriber) has(number int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.orders[hookID(number)] == number
}

func (s *subscriber) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.orders)
}

// proof is what was verified of the last webhook.
func (s *subscriber) proof() signature.Verified {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// known are keys that were handed over beforehand.
type known map[string]signature.PublicKey

// PublicKey implements signature.KeySource.
func (k known) PublicKey(_ context.Context, id string) (signature.PublicKey, error) {
	if key, ok := k[id]; ok {
		return key, nil
	}
	return signature.PublicKey{}, fmt.Errorf("nobody has said whose key %s is: %w", id, signature.ErrNoKey)
}
