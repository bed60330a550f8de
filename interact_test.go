package fedihook_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/fedihook/fedihook/actor"
)

func TestAVisitorIsLedToTheirOwnServer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ template, want string }{
		"a page":            {"https://far.example/authorize_interaction?uri={uri}", "https://far.example/authorize_interaction?uri=https%3A%2F%2Fblog.example%2Fap%2Fusers%2Falice"},
		"on another host":   {"https://app.far.example/{uri}", "https://app.far.example/https%3A%2F%2Fblog.example%2Fap%2Fusers%2Falice"},
		"none":              {"", ""},
		"without a place":   {"https://far.example/follow", ""},
		"not encrypted":     {"http://far.example/?{uri}", ""},
		"a script":          {"javascript:alert('{uri}')", ""},
		"no host":           {"https:///x?{uri}", ""},
		"with a password":   {"https://a:b@far.example/{uri}", ""},
		"not even a URL":    {"https://far.example:x/{uri}", ""},
		"a path":            {"/authorize?uri={uri}", ""},
		"another scheme":    {"web+ap://far.example/{uri}", ""},
		"a host by the uri": {"https://{uri}/", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inTown(t, nil, func(t *testing.T, w *town) {
				w.net.Serve("far.example", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
					rw.Header().Set("Content-Type", "application/jrd+json")
					link := `{"rel":"self","type":"application/activity+json","href":"https://far.example/u"}`
					if c.template != "" {
						link += `,{"rel":"http://ostatus.org/schema/1.0/subscribe","template":"` + c.template + `"}`
					}
					_, _ = rw.Write([]byte(`{"subject":"acct:eve@far.example","links":[` + link + `]}`))
				}))
				page, err := w.Interact(t.Context(), " @eve@far.example", here("alice"))
				if page != c.want || (err == nil) != (c.want != "") {
					t.Errorf("Interact = %q, %v", page, err)
				}
				if c.want == "" && !errors.Is(err, actor.ErrNotFound) {
					t.Errorf("the error is %v", err)
				}
			})
		})
	}
}
