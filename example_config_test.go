package fedihook_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/media"
)

// A proxy shows the app under https://example.com/blog and takes that off: ids have it all the same, and so does what is at the
// host's root.
func ExampleConfig_mount() {
	f, err := fedihook.New(fedihook.Config{Origin: "https://example.com", Mount: "/blog", Profile: anna, Storage: memory()})
	if err != nil {
		log.Fatal(err)
	}
	app := f.Handler()
	proxy := http.NewServeMux()
	proxy.Handle("/blog/", http.StripPrefix("/blog", app))
	proxy.Handle("/.well-known/webfinger", app) // nodeinfo and host-meta too

	w := httptest.NewRecorder()
	proxy.ServeHTTP(w, httptest.NewRequest("GET", "https://example.com/.well-known/webfinger?resource=acct:anna@example.com", nil))
	fmt.Println(w.Code, strings.Contains(w.Body.String(), "https://example.com/blog/ap/users/anna"))
	// Output:
	// 200 true
}

// Followers are counted, and not shown.
func ExampleServer_Collection() {
	var f *fedihook.Server
	config := fedihook.Config{Origin: "https://blog.example", Profile: anna, Storage: memory()}
	config.Collections.Followers = func(ctx context.Context, q actor.Query) (actor.Page, error) {
		page, err := f.Collection(ctx, q)
		page.Items, page.Next, page.Hidden = nil, "", true
		return page, err
	}
	f, err := fedihook.New(config)
	if err != nil {
		log.Fatal(err)
	}
	w := httptest.NewRecorder()
	f.Handler().ServeHTTP(w, httptest.NewRequest("GET", "https://blog.example/ap/users/anna/followers", nil))
	fmt.Println(w.Code, w.Body)
	// Output:
	// 200 {"@context":"https://www.w3.org/ns/activitystreams","id":"https://blog.example/ap/users/anna/followers","type":"OrderedCollection","totalItems":0}
}

// Pictures of other servers are shown from here, so that nobody there learns who looks.
func ExampleServer_Picture() {
	dir, err := os.MkdirTemp("", "pictures")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	f, err := fedihook.New(fedihook.Config{Origin: "https://blog.example", Profile: anna, Storage: memory(), PicturesDir: dir})
	if err != nil {
		log.Fatal(err)
	}
	address, err := f.Picture(context.Background(), "https://there.example/bob.png", media.Avatar)
	fmt.Println(strings.HasPrefix(address, "/ap/media/avatar/"), err)
	address, err = f.Picture(context.Background(), "javascript:alert(1)", media.Avatar)
	fmt.Printf("%q %v\n", address, err) // leave the <img> out
	// Output:
	// true <nil>
	// "" <nil>
}

// Many sites in one process share one queue, so that each server elsewhere has one lane.
func ExampleServer_Transport() {
	store, sites := memory(), map[string]*fedihook.Server{}
	of := func(sender string) *fedihook.Server {
		origin, _, _ := strings.Cut(sender, "/ap/")
		return sites[origin]
	}
	shared, err := delivery.New(delivery.Config{
		Store:     store.Queue,
		Transport: func(sender string) (http.RoundTripper, error) { return of(sender).Transport(sender) },
		Prepare: func(ctx context.Context, r *http.Request, a delivery.Activity) error {
			return of(a.Sender).Prepare(ctx, r, a)
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, origin := range []string{"https://one.example", "https://two.example"} {
		own := memory() // each needs Intents, Log, Journal, Moves, Relays and Stamps of its own
		own.Queue = store.Queue
		if sites[origin], err = fedihook.New(fedihook.Config{Origin: origin, Profile: anna, Storage: own, Queue: shared}); err != nil {
			log.Fatal(err)
		}
	}
	_, err = shared.Transport("https://one.example/ap/users/anna")
	fmt.Println(err) // and then shared.Run beside the Run of each site
	// Output:
	// <nil>
}
