package fedihook_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/moderation"
)

// anna is a site's only user.
func anna(_ context.Context, handle string) (actor.Profile, error) {
	if handle != "anna" {
		return actor.Profile{}, actor.ErrNotFound
	}
	return actor.Profile{Handle: "anna"}, nil
}

// New says what is wrong and what to do, all at once.
func ExampleNew() {
	_, err := fedihook.New(fedihook.Config{Origin: "blog.example"})
	var first *fedihook.Finding
	fmt.Println(errors.As(err, &first), first.Code, first.Field)
	fmt.Println(first.Do)
	// Output:
	// true missing Profile
	// give a func that returns the app's user with a handle
}

// One address shows a page to people and a document to servers; what is not of federation goes to the app.
func ExampleServer_Wrap() {
	f, err := fedihook.New(fedihook.Config{Origin: "https://blog.example", Profile: anna})
	if err != nil {
		log.Fatal(err)
	}
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "a page") })
	site := f.Wrap(page)
	for _, path := range []string{"/about", "/.well-known/webfinger?resource=acct:anna@blog.example", "/.well-known/webfinger?resource=acct:ben@blog.example"} {
		w := httptest.NewRecorder()
		site.ServeHTTP(w, httptest.NewRequest("GET", "https://blog.example"+path, nil))
		fmt.Println(w.Code, w.Header().Get("Content-Type"))
	}
	// Output:
	// 200 text/plain; charset=utf-8
	// 200 application/jrd+json
	// 404 application/json
}

// What a rule would cost is told before it is made.
func ExampleServer_Foretell() {
	f, err := fedihook.New(fedihook.Config{Origin: "https://blog.example", Profile: anna})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	rule := moderation.Rule{Key: moderation.Key{About: "spam.example"}, Severity: moderation.Suspend, By: "anna"}
	cost, err := f.Foretell(ctx, rule)
	fmt.Println(len(cost.Users), cost.Deliveries, err)
	if _, err := f.Moderate(ctx, rule); err != nil {
		log.Fatal(err)
	}
	fmt.Println(errors.Is(f.Policy().Allow(ctx, "www.spam.example"), moderation.ErrRefused))
	// Output:
	// 0 0 <nil>
	// true
}

// A blog that knows how a post was and how it is need not ask itself which verb that makes.
func ExampleServer_Change() {
	f, err := fedihook.New(fedihook.Config{Origin: "https://blog.example", Profile: anna})
	if err != nil {
		log.Fatal(err)
	}
	draft := (*activity.Object)(nil) // nobody may read it
	post := &activity.Object{ID: "https://blog.example/bread", Content: "<p>Bread.</p>"}
	ctx := context.Background()
	for _, step := range [][2]*activity.Object{{draft, draft}, {draft, post}, {post, post}, {post, draft}} {
		id, err := f.Change(ctx, "anna", step[0], step[1])
		fmt.Println(id != "", err)
	}
	// Output:
	// false <nil>
	// true <nil>
	// true <nil>
	// true <nil>
}

// An author is told what a peer is known not to show.
func ExampleServer_Flows() {
	f, err := fedihook.New(fedihook.Config{Origin: "https://blog.example", Profile: anna})
	if err != nil {
		log.Fatal(err)
	}
	article := activity.Article("https://blog.example/bread", "", "Bread", "<p>Flour.</p>", "", time.Now())
	for _, flow := range f.Flows("@ben@threads.net", article) {
		fmt.Println(flow.Kind, flow.Seen)
	}
	// Output: article 2026-06
}
