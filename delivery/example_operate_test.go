package delivery_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/storage/queue"
)

// Nothing is posted to a host that is paused, and nothing is lost: it goes when that ends.
func ExampleQueue_Pause() {
	arrived := make(chan string, 2)
	q, err := delivery.New(delivery.Config{
		Store: queue.Memory(),
		Transport: func(string) (http.RoundTripper, error) {
			return roundTrip(func(r *http.Request) (*http.Response, error) {
				arrived <- r.URL.Host
				return &http.Response{StatusCode: http.StatusAccepted, Body: http.NoBody}, nil
			}), nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() { _ = q.Run(ctx) }()
	to := slices.Values([]delivery.Target{{Inbox: "https://there.example/inbox"}})
	post := func(id string) {
		if _, err := q.Enqueue(ctx, nil, delivery.Activity{ID: id, Body: []byte("{}")}, to); err != nil {
			log.Fatal(err)
		}
	}
	post("1")
	fmt.Println(<-arrived)
	if err := q.Pause(ctx, "there.example"); err != nil {
		log.Fatal(err)
	}
	post("2")
	status, err := q.Status(ctx, "2")
	fmt.Println("waiting:", status.Pending, err)
	if err := q.Resume(ctx, "there.example"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-arrived)
	// Output:
	// there.example
	// waiting: 1 <nil>
	// there.example
}

// What was given up is a dead letter, and goes again when its cause is mended.
func ExampleQueue_Redrive() {
	var mended atomic.Bool
	settled := make(chan string)
	q, err := delivery.New(delivery.Config{
		Store: queue.Memory(),
		Transport: func(string) (http.RoundTripper, error) {
			return roundTrip(func(*http.Request) (*http.Response, error) {
				status := http.StatusMethodNotAllowed // somebody's proxy
				if mended.Load() {
					status = http.StatusAccepted
				}
				return &http.Response{StatusCode: status, Body: http.NoBody}, nil
			}), nil
		},
		OnDead:      func(_ context.Context, e *delivery.Event) error { settled <- "given up"; return nil },
		OnDelivered: func(_ context.Context, e *delivery.Event) error { settled <- "delivered"; return nil },
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() { _ = q.Run(ctx) }()
	to := slices.Values([]delivery.Target{{Inbox: "https://there.example/inbox"}})
	if _, err := q.Enqueue(ctx, nil, delivery.Activity{ID: "1", Body: []byte("{}")}, to); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-settled)
	mended.Store(true)
	for n := 0; n == 0; time.Sleep(time.Millisecond) { // until it is in the store
		n, err = q.Redrive(ctx, func(d delivery.DeadLetter) bool { return d.Status == http.StatusMethodNotAllowed })
		if err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(<-settled)
	// Output:
	// given up
	// delivered
}
