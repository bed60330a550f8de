package media_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/fedihook/fedihook/media"
)

// rejects is a Config.Reject of these hosts.
func rejects(hosts ...string) func(context.Context, string) (bool, error) {
	return func(_ context.Context, host string) (bool, error) { return slices.Contains(hosts, host), nil }
}

func TestModerationIsAskedEachTime(t *testing.T) {
	t.Parallel()
	r := newRemote(t)
	r.has("a.example/cat.png", pngOf(photo(9, 9)))
	var rejected bool
	var fails error
	var asked []string
	p := r.proxy(t, media.Config{Reject: func(_ context.Context, host string) (bool, error) {
		asked = append(asked, host)
		return rejected, fails
	}})
	address := p.URL("https://A.example:443/cat.png", media.Full)
	for _, c := range []struct {
		name     string
		rejected bool
		fails    error
		status   int
	}{
		{"fetched", false, nil, 200},
		{"rejected, though there is a copy", true, nil, 403},
		{"undecided, though there is a copy", false, errors.New("database is gone"), 503},
		{"undecided is not no", true, errors.New("database is gone"), 503},
		{"permitted again", false, nil, 200},
	} {
		rejected, fails = c.rejected, c.fails
		w := get(p, address)
		if w.Code != c.status {
			t.Errorf("%s: status %d, want %d", c.name, w.Code, c.status)
		}
		if w.Code == 503 && w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: without Retry-After", c.name)
		}
	}
	if n := r.requests(); n != 1 {
		t.Errorf("fetched %d times", n)
	}
	if slices.ContainsFunc(asked, func(host string) bool { return host != "a.example" }) {
		t.Errorf("asked about %q", asked)
	}
	for _, want := range []error{media.ErrUndecided, fails} {
		fails = errors.New("down")
		if _, err := p.Fetch(t.Context(), "https://a.example/dog.png", media.Full); want != nil && !errors.Is(err, want) {
			t.Errorf("%v is not %v", err, want)
		}
	}
	if n := r.requests(); n != 1 {
		t.Errorf("fetched %d times without a decision", n)
	}
}
