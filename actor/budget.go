package actor

import (
	"fmt"
	"sync"
)

const (
	defaultBudgetRequests = 50
	defaultBudgetBytes    = 16 << 20
	defaultBudgetDepth    = 20
)

// Budget bounds what one cause, such as an activity that came in or a thread that somebody opens, makes a
// [Resolver] ask of other servers; see [Resolver.Within]. The zero Budget has the defaults. It may be used by many
// goroutines at once, and must not be copied after its first use. A nil Budget has no bounds but the Resolver's own.
type Budget struct {
	// Requests bounds the requests. An actor or a key that is not at hand counts as one, although it takes up to
	// two documents and their redirects, and so does one that somebody else is fetching already. Zero means 50.
	Requests int

	// Bytes bounds the length of all answers together. The one that exceeds it is still read. Zero means 16 MiB.
	Bytes int64

	// Depth bounds how many steps a thread is followed up, and down. Zero means 20.
	Depth int

	mu       sync.Mutex
	requests int
	bytes    int64
}

// Spent tells what was asked and read so far.
func (b *Budget) Spent() (requests int, bytes int64) {
	if b == nil {
		return 0, 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.requests, b.bytes
}

// spend counts a request that is about to be made, or says that it must not be.
func (b *Budget) spend(id string) error {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	requests, bytes := positive(b.Requests, defaultBudgetRequests), positive(b.Bytes, defaultBudgetBytes)
	if b.requests >= requests || b.bytes >= bytes {
		return &Error{ID: id, Err: fmt.Errorf("%w: %d requests, %d bytes", ErrBudget, b.requests, b.bytes)}
	}
	b.requests++
	return nil
}

func (b *Budget) read(n int) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bytes += int64(n)
}

func (b *Budget) depth() int {
	if b == nil {
		return defaultBudgetDepth
	}
	return positive(b.Depth, defaultBudgetDepth)
}

// positive is n, or what zero and less mean.
func positive[N int | int64](n, zero N) N {
	if n <= 0 {
		return zero
	}
	return n
}
