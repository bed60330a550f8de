package storagetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/fedihook/fedihook/inbox"
)

// RunForwards checks the contract of [inbox.Forwards]. Open returns an empty store, which no other check uses.
func RunForwards(t *testing.T, open func(t *testing.T) inbox.Forwards) {
	t.Helper()
	run(t, open, forwardsChecks)
}

func forwardedTo(t *testing.T, ctx context.Context, s inbox.Forwards, object, author string) []string {
	t.Helper()
	list, err := s.ForwardedTo(ctx, object, author)
	ok(t, err)
	if len(list) == 0 {
		return nil
	}
	return list
}

var forwardsChecks = []check[inbox.Forwards]{
	{"what was forwarded is found by its object and its author", func(t *testing.T, ctx context.Context, s inbox.Forwards) {
		for _, f := range []inbox.Forwarded{
			{Object: "o", Author: "a", Local: "y", At: start}, {Object: "o", Author: "a", Local: odd, At: start},
			{Object: "o", Author: "b", Local: "z", At: start}, {Object: "p", Author: "a", Local: "z", At: start},
			{Object: odd, Author: odd, Local: "z"},
		} {
			ok(t, s.PutForwarded(ctx, f))
		}
		equal(t, "two", forwardedTo(t, ctx, s, "o", "a"), []string{odd, "y"})
		equal(t, "another author", forwardedTo(t, ctx, s, "o", "b"), []string{"z"})
		equal(t, "odd", forwardedTo(t, ctx, s, odd, odd), []string{"z"})
		equal(t, "what was not", forwardedTo(t, ctx, s, "p", "b"), nil)
	}},
	{"the same is kept once, with its last time", func(t *testing.T, ctx context.Context, s inbox.Forwards) {
		atOnce(10, func(i int) {
			if err := s.PutForwarded(ctx, inbox.Forwarded{Object: "o", Author: "a", Local: "y", At: start}); err != nil {
				t.Error(err)
			}
		})
		equal(t, "one", forwardedTo(t, ctx, s, "o", "a"), []string{"y"})
		ok(t, s.PutForwarded(ctx, inbox.Forwarded{Object: "o", Author: "a", Local: "y", At: start.Add(time.Hour)}))
		ok(t, s.ForgetForwarded(ctx, start.Add(time.Minute), 0))
		equal(t, "one that is newer now", forwardedTo(t, ctx, s, "o", "a"), []string{"y"})
	}},
	{"what is old is forgotten", func(t *testing.T, ctx context.Context, s inbox.Forwards) {
		for i := range 4 {
			ok(t, s.PutForwarded(ctx, inbox.Forwarded{Object: fmt.Sprint(i), Author: "a", Local: "y", At: start.Add(time.Duration(i) * time.Second)}))
		}
		ok(t, s.ForgetForwarded(ctx, start.Add(2*time.Second), 0))
		for i := range 4 {
			equal(t, fmt.Sprint(i), len(forwardedTo(t, ctx, s, fmt.Sprint(i), "a")) == 1, i >= 2)
		}
	}},
	{"beyond a number the oldest are forgotten", func(t *testing.T, ctx context.Context, s inbox.Forwards) {
		for _, i := range []int{3, 0, 4, 1, 2} {
			ok(t, s.PutForwarded(ctx, inbox.Forwarded{Object: fmt.Sprint(i), Author: "a", Local: "y", At: start.Add(time.Duration(i) * time.Second)}))
		}
		ok(t, s.ForgetForwarded(ctx, time.Time{}, 2))
		for i := range 5 {
			equal(t, fmt.Sprint(i), len(forwardedTo(t, ctx, s, fmt.Sprint(i), "a")) == 1, i >= 3)
		}
	}},
}
