package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/storage"
)

// twoServers starts a.test and b.test as examples/twoservers does, and returns the flags that lead to them. What
// a.test's users and NodeInfo say leaves no peer anything to complain of.
func twoServers(t *testing.T) []string {
	t.Helper()
	names := make(map[string]string)
	listeners := make(map[string]net.Listener)
	var flags []string
	for _, host := range []string{"a.test", "b.test"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listeners[host], names[host] = l, l.Addr().String()
		flags = append(flags, "-insecure-allow-loopback", host+"="+names[host])
	}
	for host, l := range listeners {
		origin := "http://" + host
		f, err := fedihook.New(fedihook.Config{
			Origin: origin, Storage: storage.Memory(), InsecureAllowLoopback: names, Logger: slog.New(slog.DiscardHandler),
			Profile: func(_ context.Context, handle string) (actor.Profile, error) {
				p := actor.Profile{Handle: handle, Name: "Name of " + handle, Summary: "<p>" + handle + " of " + host + "</p>", Discoverable: true}
				switch {
				case host == "a.test" && handle == "alice":
					p.URL = origin + "/@alice"
					p.Published = time.Date(2024, 1, 31, 0, 0, 0, 0, time.UTC)
					p.Fields = []actor.Field{{Name: "Site", Value: "a.test"}}
				case host == "b.test" && (handle == "bob" || handle == "carol"):
				case handle == "gone":
					return actor.Profile{}, actor.ErrGone
				default:
					return actor.Profile{}, actor.ErrNotFound
				}
				return p, nil
			},
			NodeInfo: func(context.Context) (actor.NodeInfo, error) {
				info := actor.NodeInfo{Software: "twoservers", Version: "1"}
				if host == "a.test" {
					info.Metadata = map[string]any{"privacyPolicyUrl": origin + "/privacy", "minimumAge": 13, "publicFeedUrl": origin + "/"}
				}
				return info, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		mux := http.NewServeMux()
		mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "a page for people\n") })
		web := httptest.NewUnstartedServer(f.Wrap(mux))
		web.Listener.Close()
		web.Listener = l
		web.Start()
		t.Cleanup(web.Close)
	}
	return flags
}

// fixed are two servers whose answers don't depend on what this library serves.
func fixed(t *testing.T) []string {
	t.Helper()
	actors := make(map[string]string)
	for host, file := range map[string]string{"a.test": "correct.json", "b.test": "broken.json"} {
		text, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		actors[host] = strings.ReplaceAll(string(text), "https://blog.example", "http://"+host)
	}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := "http://" + r.Host + "/ap/users/alice"
		metadata, kind, body := "", "application/json", ""
		if r.Host == "a.test" {
			metadata = `"privacyPolicyUrl":"http://a.test/privacy","minimumAge":13,"publicFeedUrl":"http://a.test/feed"`
		}
		switch r.URL.Path {
		case "/ap/users/alice":
			kind, body = activity.ContentType, actors[r.Host]
		case "/.well-known/webfinger":
			kind, body = "application/jrd+json", `{"subject":"acct:alice@`+r.Host+`","aliases":["`+id+`"],"links":[{"rel":"self","type":"application/activity+json","href":"`+id+
				`"},{"rel":"http://ostatus.org/schema/1.0/subscribe","template":"http://`+r.Host+`/follow?uri={uri}"}]}`
		case "/.well-known/nodeinfo":
			body = `{"links":[{"rel":"http://nodeinfo.diaspora.software/ns/schema/2.1","href":"http://` + r.Host + `/nodeinfo"}]}`
		case "/nodeinfo":
			body = `{"version":"2.1","software":{"name":"blog","version":"1"},"protocols":["activitypub"],"services":{"inbound":[],"outbound":[]},
				"openRegistrations":false,"usage":{"users":{"total":2}},"metadata":{` + metadata + `}}`
		case "/privacy", "/feed":
			kind, body = "text/html", "<p>words</p>"
		default:
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", kind)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(web.Close)
	address := web.Listener.Addr().String()
	return []string{"-insecure-allow-loopback", "a.test=" + address, "-insecure-allow-loopback", "b.test=" + address}
}
