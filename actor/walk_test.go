package actor_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/signature"
)

const outbox = bob + "/outbox"

// walked is what a collection holds, as ids, with "+" where the document came too, and how the walk ended.
func walked(ctx context.Context, r *actor.Resolver, id string, caps actor.Caps) (items []string, end error) {
	for item, err := range r.Collection(ctx, id, caps) {
		if end != nil {
			items = append(items, "after the end")
		}
		if err != nil {
			end = err
			continue
		}
		name := item.ID
		if item.Raw != nil {
			name += "+"
		}
		items = append(items, name)
	}
	return items, end
}

func listOf(ids ...string) string { return `["` + strings.Join(ids, `","`) + `"]` }

func TestACollectionIsReadPageByPage(t *testing.T) {
	t.Parallel()
	note := `{"id":"https://b.test/n","type":"Note","attributedTo":"` + bob + `"}`
	foreign := `{"id":"https://c.test/n","type":"Note","attributedTo":"https://c.test/u"}`
	for name, c := range map[string]struct {
		site *pages
		want []string
	}{
		"in one piece": {newPages().json("/users/bob/outbox", `{"id":"`+outbox+`","type":"OrderedCollection","orderedItems":`+listOf("https://b.test/1", "https://c.test/2")+`}`),
			[]string{"https://b.test/1", "https://c.test/2"}},
		"in pages": {newPages().
			json("/users/bob/outbox", `{"id":"`+outbox+`","type":"OrderedCollection","first":"`+outbox+`?p=1"}`).
			json("/users/bob/outbox?p=1", `{"id":"`+outbox+`?p=1","type":"OrderedCollectionPage","next":"`+outbox+`?p=2","orderedItems":`+listOf("https://b.test/1")+`}`).
			json("/users/bob/outbox?p=2", `{"id":"`+outbox+`?p=2&x","type":"OrderedCollectionPage","orderedItems":`+listOf("https://b.test/2")+`}`),
			[]string{"https://b.test/1", "https://b.test/2"}},
		"with the first page in it": {newPages().
			json("/users/bob/outbox", `{"id":"`+outbox+`","type":"Collection","first":{"type":"CollectionPage","next":"`+outbox+`?p=2","items":["https://b.test/1"]}}`).
			json("/users/bob/outbox?p=2", `{"type":"CollectionPage","items":"https://b.test/2"}`),
			[]string{"https://b.test/1", "https://b.test/2"}},
		"with documents in it": {newPages().json("/users/bob/outbox", `{"id":"`+outbox+`","type":"Collection","items":[`+note+`,`+foreign+`,{"type":"Note"},7,"mailto:x@b.test",{}]}`),
			[]string{"https://b.test/n+", "https://c.test/n", "+"}},
		"empty": {newPages().json("/users/bob/outbox", `{"id":"`+outbox+`","type":"Collection","totalItems":5}`), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWeb()
			w.set("b.test", c.site)
			r := resolver(t, actor.ResolverConfig{Client: w.client()})
			got, err := walked(t.Context(), r, outbox, actor.Caps{})
			if err != nil || !slices.Equal(slices.DeleteFunc(got, func(s string) bool { return s == "+" }), slices.DeleteFunc(slices.Clone(c.want), func(s string) bool { return s == "+" })) {
				t.Errorf("%q, %v; want %q", got, err, c.want)
			}
		})
	}
}

func TestACollectionThatLeadsAstrayEnds(t *testing.T) {
	t.Parallel()
	root := func(first string) *pages {
		return newPages().json("/users/bob/outbox", `{"id":"`+outbox+`","type":"Collection","first":`+first+`}`)
	}
	endless := newPages()
	for i := range 50 {
		endless.json(fmt.Sprintf("/users/bob/outbox?p=%d", i), fmt.Sprintf(`{"type":"CollectionPage","next":"%s?p=%d","items":["https://b.test/%d"]}`, outbox, i+1, i))
	}
	endless.json("/users/bob/outbox", `{"id":"`+outbox+`","type":"Collection","first":"`+outbox+`?p=0"}`)
	huge := newPages().json("/users/bob/outbox", `{"id":"`+outbox+`","type":"Collection","first":"`+outbox+`?p=0"}`).
		json("/users/bob/outbox?p=0", `{"type":"CollectionPage","next":"`+outbox+`?p=1","items":["https://b.test/1"],"x":"`+strings.Repeat("x", 2000)+`"}`).
		json("/users/bob/outbox?p=1", `{"type":"CollectionPage"}`)
	for name, c := range map[string]struct {
		site  *pages
		caps  actor.Caps
		items int
		end   error
	}{
		"too many pages":             {endless, actor.Caps{Pages: 4}, 4, actor.ErrCut},
		"too many pages by default":  {endless, actor.Caps{}, 10, actor.ErrCut},
		"too many items":             {endless, actor.Caps{Items: 3}, 3, actor.ErrCut},
		"too long":                   {huge, actor.Caps{Bytes: 1000}, 1, actor.ErrCut},
		"a page on another host":     {root(`"https://c.test/page"`), actor.Caps{}, 0, actor.ErrIDMismatch},
		"a page in it of another":    {root(`{"id":"https://c.test/page","type":"CollectionPage","items":["https://c.test/1"]}`), actor.Caps{}, 0, actor.ErrIDMismatch},
		"a page that redirects away": {root(`"`+outbox+`?p=1"`).put("/users/bob/outbox?p=1", page{to: "https://c.test/page"}), actor.Caps{}, 0, actor.ErrIDMismatch},
		"a page that leads back": {root(`"`+outbox+`?p=1"`).json("/users/bob/outbox?p=1", `{"type":"CollectionPage","next":"`+outbox+`?p=2","items":["https://b.test/1"]}`).
			json("/users/bob/outbox?p=2", `{"type":"CollectionPage","next":"`+outbox+`?p=1","items":["https://b.test/2"]}`), actor.Caps{}, 2, actor.ErrMalformed},
		"a page within a page within a page": {root(strings.Repeat(`{"type":"CollectionPage","next":`, 20) + `{"type":"CollectionPage"}` + strings.Repeat("}", 20)), actor.Caps{}, 0, actor.ErrCut},
		"a page that is a note":              {root(`"`+outbox+`?p=1"`).json("/users/bob/outbox?p=1", `{"id":"`+outbox+`?p=1","type":"Note"}`), actor.Caps{}, 0, actor.ErrMalformed},
		"a page of ours":                     {root(`"https://a.test/ap/users/alice/outbox"`), actor.Caps{}, 0, actor.ErrIDMismatch},
		"a note":                             {newPages().json("/users/bob/outbox", `{"id":"`+outbox+`","type":"Note"}`), actor.Caps{}, 0, actor.ErrMalformed},
		"somebody else's":                    {newPages().json("/users/bob/outbox", `{"id":"https://c.test/outbox","type":"Collection","items":["https://c.test/1"]}`), actor.Caps{}, 0, actor.ErrIDMismatch},
		"none":                               {newPages(), actor.Caps{}, 0, actor.ErrNotFound},
		"hidden":                             {newPages().put("/users/bob/outbox", page{status: 403}), actor.Caps{}, 0, actor.ErrRejected},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWeb()
			w.set("b.test", c.site)
			w.set("c.test", newPages().json("/page", `{"id":"https://c.test/page","type":"CollectionPage","items":["https://c.test/1"]}`))
			r := resolver(t, actor.ResolverConfig{Client: w.client(), Names: actor.Names{Origin: "https://a.test"}})
			got, err := walked(t.Context(), r, outbox, c.caps)
			var e *actor.Error
			if len(got) != c.items || !errors.Is(err, c.end) || !errors.As(err, &e) {
				t.Errorf("%q, %v; want %d items and %v", got, err, c.items, c.end)
			}
			if w.total() > 12 {
				t.Errorf("%d requests", w.total())
			}
		})
	}
}

func TestAWalkMayBeLeft(t *testing.T) {
	t.Parallel()
	w := newWeb()
	w.set("b.test", newPages().json("/users/bob/outbox", `{"id":"`+outbox+`","type":"Collection","items":`+listOf("https://b.test/1", "https://b.test/2")+`,"first":"`+outbox+`?p"}`))
	r := resolver(t, actor.ResolverConfig{Client: w.client()})
	for range r.Collection(t.Context(), outbox, actor.Caps{}) {
		break
	}
	if w.total() != 1 {
		t.Errorf("%d requests", w.total())
	}
}

func TestWhatIsShownToAFollowerIsAskedForAsTheFollower(t *testing.T) {
	t.Parallel()
	w := newWeb()
	w.set("b.test", newPages().json("/1", `{"id":"https://b.test/1","type":"Note"}`).json("/users/bob", person(t, bob, nil)))
	key := func(id string) func(context.Context) (signature.Key, error) {
		return func(context.Context) (signature.Key, error) {
			return signature.Key{ID: id, Private: testKeys()[0]}, nil
		}
	}
	r := resolver(t, actor.ResolverConfig{Client: w.client(), Key: key("https://a.test/ap/actor#main-key")})
	alice := r.As(key("https://a.test/ap/users/alice#main-key"))
	if _, err := alice.Object(t.Context(), "https://b.test/1"); err != nil {
		t.Fatal(err)
	}
	if _, err := alice.Actor(t.Context(), bob); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"users/alice", "ap/actor"} {
		if got := w.seen[i].Header.Get("Signature"); !strings.Contains(got, want) {
			t.Errorf("request %d was signed %s", i, got)
		}
	}
}

func TestAnObjectIsItsOwnServersAndItsAuthorsToo(t *testing.T) {
	t.Parallel()
	w := newWeb()
	w.set("b.test", newPages().
		json("/1", `{"id":"https://b.test/1","type":"Note","attributedTo":["`+bob+`",{"type":"Group","id":"https://b.test/g"}]}`).
		json("/forged", `{"id":"https://b.test/forged","type":"Note","attributedTo":"https://c.test/u"}`).
		json("/half", `{"id":"https://b.test/half","type":"Note","attributedTo":["`+bob+`","https://c.test/u"]}`).
		json("/port", `{"id":"https://b.test/port","type":"Note","attributedTo":"https://b.test:8443/u"}`).
		json("/dead", `{"id":"https://b.test/dead","type":"Tombstone"}`).
		json("/like", `{"id":"https://b.test/like","type":"Like","actor":"`+bob+`"}`).
		json("/users/bob", person(t, bob, nil)))
	r := resolver(t, actor.ResolverConfig{Client: w.client()})
	if o, err := r.Object(t.Context(), "https://b.test/1"); err != nil || o.ID != "https://b.test/1" {
		t.Errorf("%v, %v", o, err)
	}
	for path, want := range map[string]error{
		"/forged": actor.ErrForeign, "/half": actor.ErrForeign, "/port": actor.ErrForeign, "/dead": actor.ErrGone, "/like": actor.ErrMalformed, "/users/bob": actor.ErrMalformed,
	} {
		if o, err := r.Object(t.Context(), "https://b.test"+path); o != nil || !errors.Is(err, want) {
			t.Errorf("%s: %v, %v; want %v", path, o, err, want)
		}
	}
}
