package activity_test

import (
	"testing"

	"github.com/fedihook/fedihook/activity"
)

func TestThePageIsTheOneThatPeopleCanRead(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, url, want string }{
		{"nothing", `null`, ""},
		{"a page", `"https://a.example/@a/1"`, "https://a.example/@a/1"},
		{"an app link before the page, as Threads has it",
			`[{"type":"Link","href":"threads://post/1","mediaType":"application/x-threads"},{"type":"Link","href":"https://www.threads.net/@a/post/1","mediaType":"text/html"}]`,
			"https://www.threads.net/@a/post/1"},
		{"files beside the page, as PeerTube has them",
			`[{"type":"Link","mediaType":"video/mp4","href":"https://a.example/1.mp4"},{"type":"Link","mediaType":"text/html; charset=utf-8","href":"https://a.example/w/1"}]`,
			"https://a.example/w/1"},
		{"a link that says what it is before one that doesn't", `["https://a.example/1",{"type":"Link","href":"https://a.example/2","mediaType":"TEXT/HTML"}]`, "https://a.example/2"},
		{"the first that says nothing", `[{"href":"https://a.example/1"},"https://a.example/2"]`, "https://a.example/1"},
		{"files alone", `[{"type":"Link","mediaType":"video/mp4","href":"https://a.example/1.mp4"}]`, ""},
		{"another scheme", `["javascript:alert(1)","mailto:a@a.example","https://a.example/2"]`, "https://a.example/2"},
		{"another scheme that says it is HTML", `{"type":"Link","href":"javascript:alert(1)","mediaType":"text/html"}`, ""},
		{"a user name", `"https://u:p@a.example/"`, ""},
		{"an object with an id", `{"type":"Page","id":"https://a.example/1"}`, ""},
		{"what is no URL", `[7,{},null,["https://a.example/1"],"https://a.example/2"]`, "https://a.example/2"},
		{"a type that is none", `[{"href":"https://a.example/1","mediaType":"html"}]`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, kind := range []string{"Note", "Person"} {
				doc, err := activity.Decode([]byte(`{"type":"` + kind + `","id":"https://a.example/o","url":` + tt.url + `}`))
				if err != nil {
					t.Fatal(err)
				}
				if got := doc.(interface{ PageURL() string }).PageURL(); got != tt.want {
					t.Errorf("%s: %q, want %q", kind, got, tt.want)
				}
			}
		})
	}
}
