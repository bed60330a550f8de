package ldsig

import "context"

// TakeTurn takes one of v's turns until release is called. It may be called before v is used.
func TakeTurn(v *Verifier) (release func()) {
	turns := v.semaphore()
	if err := turns.Acquire(context.Background(), 1); err != nil {
		panic(err)
	}
	return func() { turns.Release(1) }
}
