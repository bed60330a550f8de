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

// The lane of a host that is being mended is held, and let go.
func ExampleQueue_Pause() {
	arrived := make(chan string, 3)
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
	done := make(chan error)
	go func() { done <- q.Run(ctx) }()
	post := func(id string, hosts ...string) {
		to := func(yield func(delivery.Target) bool) {
			for _, host := range hosts {
				yield(delivery.Target{Inbox: "https://" + host + "/inbox"})
			}
		}
		if _, err := q.Enqueue(ctx, nil, delivery.Activity{ID: id, Body: []byte("{}")}, to); err != nil {
			log.Fatal(err)
		}
	}
	post("1", "mended.example")
	fmt.Println(<-arrived)
	if err := q.Pause(ctx, "mended.example"); err != nil {
		log.Fatal(err)
	}
	post("2", "mended.example", "other.example")
	fmt.Println(<-arrived)
	lane, err := q.Host(ctx, "mended.example")
	fmt.Println(lane.State, err)
	if err := q.Resume(ctx, "mended.example"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-arrived)
	stop()
	<-done
	// Output:
	// mended.example
	// other.example
	// held <nil>
	// mended.example
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
	done := make(chan error)
	go func() { done <- q.Run(ctx) }()
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
	stop()
	<-done
	// Output:
	// given up
	// delivered
}
