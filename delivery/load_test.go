package delivery_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/storage/queue"
)

// lateStore calls a func once, after it has read a page and before it returns that.
type lateStore struct {
	delivery.Store
	meanwhile atomic.Pointer[func()]
}

func (s *lateStore) Load(ctx context.Context, q delivery.Query) (delivery.Page, error) {
	page, err := s.Store.Load(ctx, q)
	if do := s.meanwhile.Swap(nil); do != nil {
		(*do)()
	}
	return page, err
}

func TestActivityEnqueuedWhileThePageBeforeIsReadGoesAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := &lateStore{Store: queue.Memory()}
		s := run(t, func(c *delivery.Config) { c.Store = st })
		synctest.Wait()
		second := func() { s.post("second", "", inbox(2)) }
		st.meanwhile.Store(&second)
		s.post("first", "", inbox(1))
		synctest.Wait() // no time passes
		if n := len(s.to("h2.example")); n != 1 {
			t.Errorf("the second was posted %d times, want once", n)
		}
	})
}
