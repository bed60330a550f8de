package actor_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/fedihook/fedihook/actor"
)

func TestABudgetBoundsWhatIsAsked(t *testing.T) {
	t.Parallel()
	w := newWeb()
	site := newPages()
	for i := range 10 {
		id := fmt.Sprintf("https://b.test/%d", i)
		site.json(fmt.Sprintf("/%d", i), `{"id":"`+id+`","type":"Note"}`)
		site.json(fmt.Sprintf("/u/%d", i), person(t, fmt.Sprintf("https://b.test/u/%d", i), nil))
	}
	site.put("/away", page{to: "/0"})
	w.set("b.test", site)
	r := resolver(t, actor.ResolverConfig{Client: w.client()})
	budget := &actor.Budget{Requests: 3}
	in := r.Within(budget)
	if _, _, err := in.Fetch(t.Context(), "https://b.test/1"); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Actor(t.Context(), "https://b.test/u/1"); err != nil {
		t.Fatal(err)
	}
	if _, err := in.PublicKey(t.Context(), "https://b.test/u/2#main-key"); err != nil {
		t.Fatal(err)
	}
	for name, ask := range map[string]func() error{
		"a document": func() error { _, _, err := in.Fetch(t.Context(), "https://b.test/2"); return err },
		"an actor":   func() error { _, err := in.Actor(t.Context(), "https://b.test/u/3"); return err },
		"a key":      func() error { _, err := in.PublicKey(t.Context(), "https://b.test/u/4#main-key"); return err },
		"software":   func() error { _, err := in.Software(t.Context(), "b.test"); return err },
		"WebFinger":  func() error { _, err := in.WebFinger(t.Context(), "bob@b.test"); return err },
	} {
		var e *actor.Error
		if err := ask(); !errors.Is(err, actor.ErrBudget) || !errors.As(err, &e) {
			t.Errorf("%s beyond the budget: %v", name, err)
		}
	}
	if n, _ := budget.Spent(); n != 3 || w.total() != 3 {
		t.Errorf("spent %d, asked %d", n, w.total())
	}
	if _, err := in.Actor(t.Context(), "https://b.test/u/1"); err != nil {
		t.Errorf("what is in memory costs nothing: %v", err)
	}
	if _, err := r.Actor(t.Context(), "https://b.test/u/3"); err != nil {
		t.Errorf("who has no budget has no bound, and nothing was remembered against it: %v", err)
	}
	if _, _, err := r.Within(&actor.Budget{Requests: 1}).Fetch(t.Context(), "https://b.test/away"); !errors.Is(err, actor.ErrBudget) {
		t.Errorf("a redirect is a request: %v", err)
	}
	small := r.Within(&actor.Budget{Bytes: 10})
	if _, _, err := small.Fetch(t.Context(), "https://b.test/1"); err != nil {
		t.Errorf("the one that exceeds the bytes: %v", err)
	}
	if _, _, err := small.Fetch(t.Context(), "https://b.test/1"); !errors.Is(err, actor.ErrBudget) {
		t.Errorf("after that: %v", err)
	}
}

func TestABudgetIsSharedByAllWhoWorkWithinIt(t *testing.T) {
	t.Parallel()
	w := newWeb()
	w.set("b.test", newPages())
	r := resolver(t, actor.ResolverConfig{Client: w.client()}).Within(&actor.Budget{Requests: 20})
	var wait sync.WaitGroup
	for i := range 100 {
		wait.Go(func() { _, _, _ = r.Fetch(t.Context(), fmt.Sprintf("https://b.test/%d", i)) })
	}
	wait.Wait()
	if w.total() != 20 {
		t.Errorf("%d requests, want 20", w.total())
	}
}
