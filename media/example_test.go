package media_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/fedihook/fedihook/media"
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/storage"
)

// A page embeds the proxy's address in place of the picture's own.
func Example() {
	proxy, err := media.New(media.Config{Keys: [][]byte{[]byte("32 random bytes from a secret file")}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer proxy.Close()
	mux := http.NewServeMux()
	mux.Handle("/media/", proxy)

	avatar := proxy.URL("https://files.example/avatars/ana.png", media.Avatar)
	fmt.Println(avatar)
	fmt.Printf("%q\n", proxy.URL("javascript:alert(1)", media.Avatar)) // leave the <img> out

	// Whoever changes an address gets nothing, and nothing is fetched.
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", strings.Replace(avatar, "avatar", "full", 1), nil))
	fmt.Print(w.Code, " ", w.Body)
	// Output:
	// /media/avatar/0/P2cgObSZ46ABXr2XH8m2Nw/aHR0cHM6Ly9maWxlcy5leGFtcGxlL2F2YXRhcnMvYW5hLnBuZw
	// ""
	// 403 media: not signed here
}

// The operator's decisions hold for pictures too.
func ExampleConfig_moderation() {
	rules := storage.Memory()
	policy := &moderation.Policy{Rules: rules.Rules, Hosts: rules.Hosts} // the one that the server has
	ctx := context.Background()
	if err := policy.Put(ctx, moderation.Rule{Key: moderation.Key{About: "loud.example"}, RejectMedia: true}); err != nil {
		fmt.Println(err)
		return
	}
	config := media.Config{
		Keys: [][]byte{[]byte("32 random bytes from a secret file")},
		Reject: func(ctx context.Context, host string) (bool, error) {
			v, err := policy.Judge(ctx, moderation.Question{Purpose: moderation.Fetch, Host: host})
			return v.Refuse || v.NoMedia, err
		},
	}
	proxy, err := media.New(config)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer proxy.Close()
	_, err = proxy.Fetch(ctx, "https://cdn.loud.example/a.png", media.Full)
	fmt.Println(err)
	// Output:
	// media: https://cdn.loud.example/a.png: media of this host are rejected: cdn.loud.example
}
