package simulation

import (
	"context"
	"iter"
	"log/slog"
	"math"
	"net/http"
	"time"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/storage/queue"
)

// newHeart makes the queue. Nobody else uses its store: asking each second of a week would only take time.
func newHeart(transport func(string) (http.RoundTripper, error), inFlight int) (*delivery.Queue, error) {
	return delivery.New(delivery.Config{
		Store: queue.Memory(), Transport: transport, MaxInFlight: inFlight,
		MaxTargets: math.MaxInt32, MaxBytes: 1 << 40,
		Poll: time.Hour, LeaseTTL: day,
		Logger: slog.New(slog.DiscardHandler),
	})
}

// enqueue says one thing. Its id is its sender's, too, so that the transport learns which one it posts.
func enqueue(ctx context.Context, q *delivery.Queue, id string, urgent bool, to iter.Seq[delivery.Target]) error {
	a := delivery.Activity{ID: id, Sender: id, Key: id, Body: make([]byte, bodySize)}
	if urgent {
		a.Class = delivery.Interactive
	}
	_, err := q.Enqueue(ctx, nil, a, to)
	return err
}
