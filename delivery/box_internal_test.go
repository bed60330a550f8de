package delivery

import (
	"net/url"
	"reflect"
	"testing"
)

// What a box says without parsing must be what url.Parse says.
func TestABoxPostsWhereItsURLSays(t *testing.T) {
	t.Parallel()
	for _, inbox := range []string{
		"https://a.example/inbox", "http://a.example/users/7/inbox", "https://a-b.example/@Bob_x/in.box", "https://a.example//x/./../y",
		"https://a.example:8443/inbox", "https://A.example/inbox", "https://a.example/%41%2fb", "https://a.example/inbox?x=1", "https://a.example",
		"https://[2001:db8::1]/inbox", "https://a.example/a:b", "https://a.example/",
	} {
		want, err := url.Parse(inbox)
		if err != nil {
			t.Fatal(err)
		}
		var got url.URL
		newBox(1, inbox, nil).fill(&got)
		if !reflect.DeepEqual(got, *want) {
			t.Errorf("%s is posted to %#v, want %#v", inbox, got, *want)
		}
	}
}
