package actor

import (
	"context"
	"crypto/rsa"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/fedihook/fedihook/signature"
)

// spareWait is how long making a spare is put off, so that whatever made a key necessary is over first.
const spareWait = time.Second

// keyMaker makes RSA keys, one at a time.
type keyMaker struct {
	generate func() (*rsa.PrivateKey, error)
	spares   chan *rsa.PrivateKey
	wanted   chan struct{} // to run: there may be too few spares
	making   chan struct{} // held by who makes one
	waiting  atomic.Int64
	max      int64
}

func (m *keyMaker) init(generate func() (*rsa.PrivateKey, error), spares, waiting int) {
	if m.generate = generate; generate == nil {
		m.generate = signature.GenerateKey
	}
	if spares == 0 {
		spares = 2
	}
	if m.max = int64(waiting); waiting <= 0 {
		m.max = 64
	}
	m.spares = make(chan *rsa.PrivateKey, max(spares, 0))
	m.wanted, m.making = make(chan struct{}, 1), make(chan struct{}, 1)
}

// take returns a spare, or makes a key when it is its turn.
func (m *keyMaker) take(ctx context.Context) (*rsa.PrivateKey, error) {
	select {
	case m.wanted <- struct{}{}:
	default:
	}
	select {
	case key := <-m.spares:
		return key, nil
	default:
	}
	defer m.waiting.Add(-1)
	if m.waiting.Add(1) > m.max {
		return nil, fmt.Errorf("%w: %d wait for one", ErrBusy, m.max)
	}
	select {
	case key := <-m.spares:
		return key, nil
	case m.making <- struct{}{}:
		defer func() { <-m.making }()
		return m.generate()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Run makes the spares of which new actors get their RSA keys, until ctx ends. It begins when a first key was needed,
// so that a site whose actors all have theirs pays for none. Without it everything works, and each new
// actor's first request takes a tenth of a second longer. It may run more than once.
func (k *Keyring) Run(ctx context.Context) error {
	k.init()
	m := &k.maker
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-m.wanted:
		}
		for len(m.spares) < cap(m.spares) {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(spareWait):
			}
			if !m.spare(ctx) {
				break // whoever needs a key next sees the error
			}
		}
	}
}

// spare makes one spare, and reports false if that failed.
func (m *keyMaker) spare(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case m.making <- struct{}{}:
	}
	key, err := m.generate()
	<-m.making
	if err != nil {
		return false
	}
	select {
	case m.spares <- key:
	default: // another Run was faster
	}
	return true
}
