package storagetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime/debug"
	"sync"
	"testing"
	"time"
)

// check is one sentence of a contract.
type check[S any] struct {
	name string
	run  func(t *testing.T, ctx context.Context, store S)
}

// checkTime bounds a check: a broken store must fail, not hang.
const checkTime = 3 * time.Minute

func run[S any](t *testing.T, open func(t *testing.T) S, checks []check[S]) {
	t.Helper()
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), checkTime)
			defer cancel()
			store := open(t)
			defer func() {
				if v := recover(); v != nil {
					t.Errorf("panic: %v\n%s", v, debug.Stack()) // and the other checks go on
				}
			}()
			c.run(t, ctx, store)
		})
	}
}

// start is the time at which checks begin. Stores keep microseconds.
var start = time.Date(2026, 3, 4, 5, 6, 7, 891234000, time.UTC)

// odd is a string that a store must not trip over, and oddBytes has every byte.
const odd = "a\x00b'\"\\;--\n\t\u2028 %_?$1 é 😀"

func oddBytes() []byte {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

// long is text of so many bytes that no store can make much shorter; each i gives another, which differs at the end alone.
func long(size, i int) string {
	b := make([]byte, size)
	rand.NewChaCha8([32]byte{}).Read(b) // never an error
	for j := range b {
		b[j] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[b[j]%64]
	}
	return string(b) + fmt.Sprint(i)
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// want fails unless err is the sentinel.
func want(t *testing.T, what string, err, sentinel error) {
	t.Helper()
	if !errors.Is(err, sentinel) {
		t.Fatalf("%s: got error %v, want %v", what, err, sentinel)
	}
}

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

// exactly fails unless there are n, and returns them.
func exactly[T any](t *testing.T, n int, list []T) []T {
	t.Helper()
	if len(list) != n {
		t.Fatalf("%d came back, want %d: %+v", len(list), n, list)
	}
	return list
}

// atOnce calls fn n times at the same time, with 0 to n-1, and waits for all of them.
func atOnce(n int, fn func(i int)) {
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-begin
			fn(i)
		})
	}
	close(begin)
	wg.Wait()
}

// some is list, or nil if it is empty: a store may return either.
func some[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return list
}
