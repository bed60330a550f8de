package media

import (
	"fmt"
	"testing"
	"time"
)

func TestFailuresOfManyPicturesDoNotPileUp(t *testing.T) {
	t.Parallel()
	var m misses
	now := time.Now()
	for i := range 3 * maxMisses {
		m.add(fmt.Sprint(i), &Error{Err: ErrFetch}, now)
		m.add("the same", &Error{Err: ErrType}, now)
	}
	if len(m.byURL) != maxMisses || m.order.Len() != maxMisses {
		t.Errorf("%d and %d are remembered", len(m.byURL), m.order.Len())
	}
	if m.get("0", now) != nil || m.get(fmt.Sprint(2*maxMisses), now) != nil {
		t.Error("the oldest are remembered")
	}
	if m.get("the same", now) == nil || m.get(fmt.Sprint(3*maxMisses-1), now) == nil {
		t.Error("the newest are forgotten")
	}
	if m.get(fmt.Sprint(3*maxMisses-1), now.Add(time.Hour)) != nil || len(m.byURL) != maxMisses-1 || m.order.Len() != maxMisses-1 {
		t.Error("what is over stays")
	}
}
