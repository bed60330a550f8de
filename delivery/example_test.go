package delivery_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/storage/queue"
)

// A queue that posts a webhook to two receivers, of which one is gone.
func Example() {
	receivers := roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.URL.Host == "gone.example" {
			return &http.Response{StatusCode: http.StatusGone, Body: http.NoBody}, nil
		}
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
	})
	settled := make(chan string)
	q, err := delivery.New(delivery.Config{
		Store:       queue.Memory(), // or queue.OpenSQLite
		Transport:   func(string) (http.RoundTripper, error) { return receivers, nil },
		OnDelivered: func(_ context.Context, e *delivery.Event) error { settled <- "delivered to " + e.Inbox; return nil },
		OnGone:      func(_ context.Context, e *delivery.Event) error { settled <- "gone: " + e.Inbox; return nil },
	})
	if err != nil {
		panic(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- q.Run(ctx) }()

	to := []delivery.Target{{Inbox: "https://here.example/hook"}, {Inbox: "https://gone.example/hook"}}
	event := delivery.Activity{ID: "event-1", ContentType: "application/json", Body: []byte(`{"event":1}`)}
	if _, err := q.Enqueue(ctx, nil, event, slices.Values(to)); err != nil {
		panic(err)
	}
	lines := []string{<-settled, <-settled}
	slices.Sort(lines)
	fmt.Println(lines[0])
	fmt.Println(lines[1])
	stop()
	fmt.Println(<-done)
	// Output:
	// delivered to https://here.example/hook
	// gone: https://gone.example/hook
	// <nil>
}
