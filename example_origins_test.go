package fedihook_test

import (
	"context"
	"fmt"
	"log"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
)

// One Server for all blogs of a place: each has an anna of its own.
func Example_manyOrigins() {
	blogs := map[string]bool{"bread.example": true, "cake.example": true}
	f, err := fedihook.New(fedihook.Config{
		Origin:      "https://blogs.example",
		MoreOrigins: func(host string) bool { return blogs[host] },
		Profile: func(_ context.Context, handle string) (actor.Profile, error) {
			if handle != "anna@bread.example" && handle != "anna@cake.example" {
				return actor.Profile{}, actor.ErrNotFound
			}
			return actor.Profile{Handle: handle}, nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	for _, handle := range []string{"anna@bread.example", "anna@cake.example", "anna"} {
		id, err := f.ActorID(ctx, handle)
		fmt.Println(id, err != nil)
	}
	_, handle, _, err := f.Local(ctx, "https://cake.example/ap/users/anna/followers")
	fmt.Println(handle, err)
	_, err = f.Publish(ctx, "anna@bread.example", &activity.Object{ID: "https://cake.example/sponge", Content: "<p>Sugar.</p>"})
	fmt.Println(err)
	// Output:
	// https://bread.example/ap/users/anna false
	// https://cake.example/ap/users/anna false
	//  true
	// anna@cake.example <nil>
	// fedihook: not an id of this site: "https://cake.example/sponge" is not on the host of anna@bread.example
}
