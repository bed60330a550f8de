package actor_test

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"slices"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
)

func ExampleHandler() {
	names := actor.Names{Origin: "https://blog.example"}
	h := &actor.Handler{
		Names:   names,
		Keyring: &actor.Keyring{Store: newMemory(), Names: names}, // package storage has real ones
		Profile: func(_ context.Context, handle string) (actor.Profile, error) {
			if handle != "alice" {
				return actor.Profile{}, actor.ErrNotFound
			}
			return actor.Profile{Handle: "alice", Name: "Alice"}, nil
		},
	}
	mux := http.NewServeMux()
	h.Register(mux)

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/.well-known/webfinger?resource=acct:alice@blog.example", nil))
	fmt.Print(w.Body)
	// Output:
	// {"subject":"acct:alice@blog.example","aliases":["https://blog.example/ap/users/alice"],"links":[{"rel":"self","type":"application/activity+json","href":"https://blog.example/ap/users/alice"}]}
}

func ExampleStream() {
	books := []string{"https://blog.example/books/1", "https://blog.example/books/2"}
	list := actor.Stream(func(_ context.Context, q actor.Query) iter.Seq2[actor.Item, error] {
		return func(yield func(actor.Item, error) bool) {
			after := slices.Index(books, q.Cursor) // -1 for the first page
			if after < 0 && q.Cursor != "" {
				yield(actor.Item{}, actor.ErrNotFound) // a stranger made it up
				return
			}
			for _, id := range books[after+1:] {
				if !yield(actor.Item{Ref: activity.IRI(id), Cursor: id}, nil) {
					return
				}
			}
		}
	}, nil)
	page, err := list(context.Background(), actor.Query{Limit: 1})
	fmt.Println(page.Items[0].ID, page.Next, err)
	page, err = list(context.Background(), actor.Query{Limit: 1, Cursor: page.Next})
	fmt.Println(page.Items[0].ID, page.Next, err)
	// Output:
	// https://blog.example/books/1 https://blog.example/books/1 <nil>
	// https://blog.example/books/2  <nil>
}

func ExampleAlternateHTML() {
	fmt.Println(actor.AlternateHTML("https://blog.example/ap/objects/1"))
	// Output:
	// <link rel="alternate" type="application/activity+json" href="https://blog.example/ap/objects/1">
}

func ExampleNames() {
	names := actor.Names{Origin: "https://blog.example"}
	id := names.Actor("alice")
	fmt.Println(id)
	fmt.Println(names.Inbox(id, "alice"))
	kind, handle, ok := names.Parse("https://blog.example/ap/users/alice/followers")
	fmt.Println(kind == actor.KindFollowers, handle, ok)
	// Output:
	// https://blog.example/ap/users/alice
	// https://blog.example/ap/users/alice/inbox
	// true alice true
}

func ExampleLookupError() {
	r, err := actor.NewResolver(actor.ResolverConfig{})
	if err != nil {
		panic(err)
	}
	_, err = r.Lookup(context.Background(), "alice")
	var failed *actor.LookupError
	if e, ok := err.(*actor.LookupError); ok {
		failed = e
	}
	fmt.Println(failed.Reason == actor.NotAHandle)
	fmt.Println(failed.Sentence())
	// Output:
	// true
	// “alice” is neither a handle such as @user@example.com nor a web address.
}
