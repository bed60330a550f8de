package actor

import (
	"container/list"
	"crypto/rsa"
	"sync"
)

// cache keeps what was used last, up to a total cost. It may be used by many goroutines at once.
type cache[V any] struct {
	mu    sync.Mutex
	max   int
	cost  int
	order *list.List // of *cached[V], the last used in front
	items map[string]*list.Element
}

type cached[V any] struct {
	key   string
	value V
	cost  int
}

func newCache[V any](maxCost int) *cache[V] {
	return &cache[V]{max: maxCost, order: list.New(), items: make(map[string]*list.Element)}
}

func (c *cache[V]) get(key string) (v V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.items[key]
	if !ok {
		return v, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*cached[V]).value, true
}

// put keeps v, and nothing at all if v alone costs more than the cache may hold.
func (c *cache[V]) put(key string, v V, cost int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(key)
	if cost > c.max {
		return
	}
	c.items[key] = c.order.PushFront(&cached[V]{key, v, cost})
	c.cost += cost
	for c.cost > c.max {
		c.remove(c.order.Back().Value.(*cached[V]).key)
	}
}

func (c *cache[V]) delete(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(key)
}

func (c *cache[V]) remove(key string) {
	if e, ok := c.items[key]; ok {
		c.cost -= e.Value.(*cached[V]).cost
		c.order.Remove(e)
		delete(c.items, key)
	}
}

// actors is what is known of actors, up to two total costs: one for those in the store, and one, which a crowd that passes by
// may fill, for those to whom nobody here has a relation.
type actors struct{ kept, strangers *cache[known] }

func newActors(store bool) actors {
	a := actors{kept: newCache[known](maxActors)}
	if store {
		a.strangers = newCache[known](maxStrangers)
	}
	return a
}

func (a actors) get(id string) (known, bool) {
	k, ok := a.kept.get(id)
	if !ok && a.strangers != nil {
		return a.strangers.get(id)
	}
	return k, ok
}

func (a actors) put(id string, k known, cost int) {
	if a.strangers == nil {
		a.kept.put(id, k, cost)
		return
	}
	into, other := a.kept, a.strangers
	if !k.kept {
		into, other = other, into
	}
	into.put(id, k, cost)
	other.delete(id)
}

// cost is about how many bytes a key takes.
func (k keyed) cost() int {
	n := 512 + len(k.key.ID) + len(k.key.Owner)
	if public, ok := k.key.Key.(*rsa.PublicKey); ok {
		n += public.N.BitLen() / 8
	}
	return n
}
