package actor_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

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
