package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/storage/queue"
)

func TestWhatIsDroppedWasCountedAndIsNeverSent(t *testing.T) {
	for name, n := range map[string]int{"all in memory": 10, "most of it parked": 3000} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := run(t, nil)
				s.set("h1.example", down)
				s.set("h2.example", down)
				for i := range n {
					s.post(fmt.Sprint(i), "", inbox(1), inbox(2))
				}
				s.post("spared", "", inbox(1))
				wait(time.Minute)
				at := func(activity, inbox string) bool {
					return activity != "spared" && strings.HasPrefix(inbox, "https://h1.example/")
				}
				if got, err := s.Count(t.Context(), at); err != nil || got != n {
					t.Errorf("Count = %d, %v", got, err)
				}
				if got, err := s.Drop(t.Context(), at); err != nil || got != n {
					t.Errorf("Drop = %d, %v", got, err)
				}
				if got, err := s.Count(t.Context(), at); err != nil || got != 0 {
					t.Errorf("afterwards Count = %d, %v", got, err)
				}
				wait(time.Second)
				if l, err := s.Host(t.Context(), "h1.example"); err != nil || l.Pending != 1 {
					t.Errorf("%d are left, %v", l.Pending, err)
				}
				before := len(s.to("h1.example"))
				s.set("h1.example", nil)
				s.set("h2.example", nil)
				wait(3 * time.Hour)
				if got := len(s.to("h1.example")) - before; got != 1 {
					t.Errorf("%d posts to h1 afterwards, want that of what was spared", got)
				}
				for _, i := range []int{0, n - 1} {
					s.status(fmt.Sprint(i), 0, 1, 1)
				}
				s.status("spared", 0, 1, 0)
				if len(s.dead) != 0 {
					t.Errorf("%d hooks", len(s.dead))
				}
			})
		})
	}
}

func TestWhoDoesNotDeliverCountsAndDropsIfOrdersAreKept(t *testing.T) {
	t.Parallel()
	st := queue.Memory()
	q, err := delivery.New(config(&world{}, st))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := q.Enqueue(t.Context(), nil, activity("1", ""), targets(inbox(1), inbox(2))); err != nil {
		t.Fatal(err)
	}
	yes := func(string, string) bool { return true }
	if n, err := q.Count(t.Context(), yes); n != 2 || err != nil {
		t.Errorf("Count = %d, %v", n, err)
	}
	deaf, err := delivery.New(config(&world{}, struct{ delivery.Store }{st})) // keeps no orders
	if err != nil {
		t.Fatal(err)
	}
	if n, err := deaf.Drop(t.Context(), yes); n != 0 || !errors.Is(err, delivery.ErrNotRunning) {
		t.Errorf("Drop = %d, %v", n, err)
	}
	if n, err := q.Drop(t.Context(), func(_, to string) bool { return to == inbox(1) }); n != 1 || err != nil {
		t.Errorf("Drop = %d, %v", n, err)
	}
	if st, err := q.Status(t.Context(), "1"); err != nil || st.Failed != 1 || st.Pending != 1 {
		t.Errorf("afterwards: %+v, %v", st, err)
	}
	broken, err := delivery.New(config(&world{}, unreadable{st}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := broken.Count(t.Context(), yes); !errors.Is(err, errDown) {
		t.Errorf("with a store that can't be read: %v", err)
	}
}

type unreadable struct{ delivery.Store }

func (unreadable) Load(context.Context, delivery.Query) (delivery.Page, error) {
	return delivery.Page{}, errDown
}
