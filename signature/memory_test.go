package signature_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/signature"
)

func TestHostsAreForgottenAndBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		m := &signature.Hosts{Max: 3}
		if _, ok := m.Recall(ctx, "a.example"); ok {
			t.Error("the zero value knows a host")
		}
		habit := func(life time.Duration) signature.Habit {
			return signature.Habit{Suite: signature.SuiteRFC9421, Until: time.Now().Add(life)}
		}
		for i := range 100 {
			m.Remember(ctx, fmt.Sprintf("%d.example", i), habit(time.Hour))
			if _, ok := m.Recall(ctx, "0.example"); !ok {
				t.Fatal("what is asked for is forgotten")
			}
		}
		var left []int
		for i := range 100 {
			if _, ok := m.Recall(ctx, fmt.Sprintf("%d.example", i)); ok {
				left = append(left, i)
			}
		}
		if !slices.Equal(left, []int{0, 98, 99}) || m.Len() != 3 {
			t.Errorf("left are %v of %d", left, m.Len())
		}
		m.Remember(ctx, "0.example", habit(time.Minute))
		time.Sleep(time.Minute)
		if _, ok := m.Recall(ctx, "0.example"); ok || m.Len() != 2 {
			t.Errorf("remembered beyond its time, of %d", m.Len())
		}
	})
}

// A Memory that forgets nothing by itself, and one that cannot keep anything.
type lazyMemory struct{ habit signature.Habit }

func (m *lazyMemory) Recall(context.Context, string) (signature.Habit, bool)  { return m.habit, true }
func (m *lazyMemory) Remember(_ context.Context, _ string, h signature.Habit) { m.habit = h }

type noMemory struct{}

func (noMemory) Recall(context.Context, string) (signature.Habit, bool) {
	return signature.Habit{}, false
}
func (noMemory) Remember(context.Context, string, signature.Habit) {}

func TestAnyMemoryWillDo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &host{t: t, answer: by(map[string]int{"c": 401, "r": 202})}
		tr := h.transport()
		tr.Memory, tr.Expiry = &lazyMemory{}, time.Hour
		for _, want := range []string{"c401 r202", "r202"} {
			h.send(tr, http.MethodPost, inboxURL)
			if got := h.took(); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
		time.Sleep(time.Hour)
		h.send(tr, http.MethodPost, inboxURL)
		if got := h.took(); got != "c401 r202" {
			t.Errorf("an hour later: %s", got)
		}
		tr = h.transport()
		tr.Memory = noMemory{}
		for range 2 {
			h.send(tr, http.MethodPost, inboxURL)
			if got := h.took(); got != "c401 r202" {
				t.Errorf("without memory: %s", got)
			}
		}
	})
}

func TestAMemoryIsSharedByManyAtOnce(t *testing.T) {
	t.Parallel()
	m := &signature.Hosts{Max: 8}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			h := &host{t: t, answer: by(map[string]int{"c": 401, "r": 202})}
			tr := h.transport()
			tr.Memory = m
			for j := range 5 {
				h.send(tr, http.MethodGet, fmt.Sprintf("https://h%d.example/", (i+j)%12))
				tr.Heard(t.Context(), fmt.Sprintf("h%d.example", j), heard(signature.RFC9421))
			}
		})
	}
	wg.Wait()
	if n := m.Len(); n == 0 || n > 8 {
		t.Errorf("%d hosts", n)
	}
}
