package fedihook_test

import (
	"strings"
	"testing"

	"github.com/fedihook/fedihook/activity"
)

func TestToCountVotesIsNoEdit(t *testing.T) {
	t.Parallel()
	a := newSites(t, nil, "a.test")[0]
	shows := func(id, text string) (body string) {
		t.Helper()
		a.until(id+" shows "+text, func() bool {
			_, body, _ = a.get(id, activity.ContentType, a, "")
			return strings.Contains(body, text)
		})
		return body
	}
	ask := func(text string, tea, coffee int64) *activity.Object {
		o := &activity.Object{Content: text}
		o.SetPoll(activity.Poll{Options: []activity.Option{{Name: "tea", Votes: tea}, {Name: "coffee", Votes: coffee}}, Voters: tea + coffee})
		return o
	}
	id, err := a.Publish(t.Context(), "alice", ask("<p>Which?</p>", 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	shows(id, "Which?")
	for _, c := range []struct {
		object *activity.Object
		text   string
		edited bool
	}{
		{ask("<p>Which?</p>", 2, 1), `"votersCount":3`, false},
		{ask("<p>Which one?</p>", 2, 1), "Which one?", true},
		{ask("<p>Which one?</p>", 2, 2), `"votersCount":4`, true}, // as it was
		{ask("<p>Which one?</p>", 0, 5), `"votersCount":5`, true},
	} {
		c.object.ID = id
		if _, err := a.Update(t.Context(), "alice", c.object); err != nil {
			t.Fatal(err)
		}
		body := shows(id, c.text)
		if edited := strings.Contains(body, `"updated"`); edited != c.edited {
			t.Errorf("%s: says that it was edited: %v\n%s", c.text, edited, body)
		}
	}
	other := ask("<p>Which one?</p>", 0, 5)
	other.ID, other.OneOf = id, other.OneOf[:1]
	if _, err := a.Update(t.Context(), "alice", other); err != nil {
		t.Fatal(err)
	}
	a.until("there is no coffee", func() bool {
		_, body, _ := a.get(id, activity.ContentType, a, "")
		return !strings.Contains(body, "coffee")
	})
}
