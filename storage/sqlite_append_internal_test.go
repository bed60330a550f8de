package storage

import (
	"testing"
	"time"

	"github.com/fedihook/fedihook/inbox"
)

func TestWhatIsWrittenWithTheNextCommit(t *testing.T) {
	t.Parallel()
	now := time.Now()
	outcomes := func(n int) []inbox.Outcome { return make([]inbox.Outcome, n) }
	for _, c := range []struct {
		name string
		w    write
		want bool
	}{
		{"an entry", write{came: now}, true},
		{"few outcomes", write{came: now.Add(time.Hour), finish: true, outcomes: outcomes(finishAtOnce - 1)}, false},
		{"few outcomes that have waited", write{came: now.Add(-finishWait), finish: true, outcomes: outcomes(1)}, true},
		{"many outcomes", write{came: now.Add(time.Hour), finish: true, outcomes: outcomes(finishAtOnce)}, true},
	} {
		if got := c.w.due(); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
