//go:build interop

package fedify_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/signature"
)

// app is what the app around ours says of its users. It may be used by many goroutines at once.
type app struct {
	mu        sync.Mutex
	names     map[string]string // of users who have another than at first
	gone      map[string]bool
	pinned    map[string][]string // by actor id
	aliases   map[string][]string // by handle
	completed []*actor.Completion
}

// change calls what while nobody reads.
func (a *app) change(what func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.names == nil {
		a.names, a.gone, a.pinned = make(map[string]string), make(map[string]bool), make(map[string][]string)
		a.aliases = make(map[string][]string)
	}
	what()
}

func (o *ours) profile(_ context.Context, handle string) (actor.Profile, error) {
	if !slices.Contains(users, handle) {
		return actor.Profile{}, actor.ErrNotFound
	}
	p := actor.Profile{
		Handle: handle, Name: "Name of " + handle, Summary: "<p>I am " + handle + ".</p>", ManuallyApprovesFollowers: handle == asks,
		Featured: o.featuredOf(handle),
	}
	if handle == club {
		p.Type = "Group"
	}
	var err error
	o.app.change(func() {
		if name, ok := o.app.names[handle]; ok {
			p.Name = name
		}
		p.AlsoKnownAs = slices.Clone(o.app.aliases[handle])
		if o.app.gone[handle] {
			err = actor.ErrGone
		}
	})
	return p, err
}

func (o *ours) featuredOf(handle string) string {
	return actor.Names{Origin: o.Origin}.Featured(o.actor(handle), handle)
}

func (o *ours) featured(_ context.Context, q actor.Query) (page actor.Page, err error) {
	o.app.change(func() {
		for _, id := range o.app.pinned[q.Owner] {
			page.Items = append(page.Items, activity.IRI(id))
		}
	})
	page.Total = int64(len(page.Items))
	return page, nil
}

func (o *ours) complete(_ context.Context, c *actor.Completion) error {
	o.app.change(func() { o.app.completed = append(o.app.completed, c) })
	return nil
}

// completions are what the app was given of the pasts of those who are followed.
func (o *ours) completions() (all []*actor.Completion) {
	o.app.change(func() { all = slices.Clone(o.app.completed) })
	return all
}

// finder finds as ours does, signed by the instance actor, and has looked at nothing before.
func (o *ours) finder(t *testing.T) *actor.Resolver {
	t.Helper()
	names := actor.Names{Origin: o.Origin}
	ring := actor.Keyring{Store: o.storage.Keys, Names: names}
	r, err := actor.NewResolver(actor.ResolverConfig{
		Client: o.ca.client(t), Names: names,
		Key: func(ctx context.Context) (signature.Key, error) { return ring.Private(ctx, names.Instance()) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// walk reads a collection with ours' resolver, at most what its caps allow at first.
func walk(t *testing.T, r *actor.Resolver, id string) (refs []activity.Ref) {
	t.Helper()
	for ref, err := range r.Collection(t.Context(), id, actor.Caps{}) {
		if err != nil {
			t.Fatalf("%s after %d items: %v", id, len(refs), err)
		}
		refs = append(refs, ref)
	}
	return refs
}

// asked lists the GETs of one direction since the cell began whose URL begins so, with their statuses.
func (w *world) asked(t *testing.T, direction, prefix string, is func(exchange) bool) (found []string) {
	t.Helper()
	for _, e := range w.p.exchanges(t, w.exchange) {
		if e.Direction == direction && e.Method == http.MethodGet && len(e.URL) >= len(prefix) && e.URL[:len(prefix)] == prefix && is(e) {
			found = append(found, fmt.Sprintf("%s by %q: %d", e.URL, e.Scheme, e.Status))
		}
	}
	return found
}
