//go:build interop

package fedify_test

import (
	"slices"
	"testing"
	"time"

	"github.com/fedihook/fedihook/activity"
)

func (h heard) poll(t *testing.T) activity.Poll {
	t.Helper()
	o := h.object(t)
	poll, ok := o.Poll()
	if !ok || !o.Is("Question") {
		t.Fatalf("%s is no poll: %+v", o.ID, o)
	}
	return poll
}

// fredAsksAnd makes a poll of fred's that alice has.
func (w *world) fredAsksAnd(t *testing.T) (id string, h heard) {
	t.Helper()
	s := w.p.post(t, post{Content: "Which?", Options: []string{"red", "blue"}})
	return s.Note, w.oursHears(t, "Create", s.ID)
}

// aliceAsksAnd makes a poll of alice's that fred has.
func (w *world) aliceAsksAnd(t *testing.T) (id string, ends time.Time, e event) {
	t.Helper()
	ends = time.Now().Add(time.Hour).Truncate(time.Second).UTC()
	question := &activity.Object{Content: "<p>Which?</p>"}
	question.SetPoll(activity.Poll{Options: []activity.Option{{Name: "red"}, {Name: "blue"}}, Ends: ends})
	id = must(t)(w.o.f.Publish(t.Context(), "alice", question))
	return id, ends, w.fedifyHears(t, "Create", "alice", func(e event) bool { return e.ObjectID == id })
}

func fredAsks(t *testing.T, w *world) {
	id, h := w.fredAsksAnd(t)
	poll := h.poll(t)
	if h.ObjectID != id || poll.Multiple || !slices.Equal(poll.Options, []activity.Option{{Name: "red"}, {Name: "blue"}}) {
		t.Errorf("the poll is %+v", poll)
	}
	if left := time.Until(poll.Ends); left < 50*time.Minute || left > time.Hour || !poll.Open(time.Now()) {
		t.Errorf("the poll ends in %v", left)
	}
}

func aliceAsks(t *testing.T, w *world) {
	_, ends, e := w.aliceAsksAnd(t)
	n := e.Understood
	if n == nil || n.Type != "Question" || n.Multiple || !slices.Equal(n.Options, []option{{Name: "red"}, {Name: "blue"}}) || n.Content != "<p>Which?</p>" {
		t.Fatalf("Fedify takes the poll to be %+v", n)
	}
	if at, err := time.Parse(time.RFC3339, n.Ends); err != nil || !at.Equal(ends) {
		t.Errorf("Fedify takes it to end at %s, not at %s", n.Ends, ends)
	}
}

func fredVotes(t *testing.T, w *world) {
	id, _, _ := w.aliceAsksAnd(t)
	s := w.p.doWith(t, "vote", with{"id": id, "option": "blue"})
	h := w.oursHears(t, "Vote", s.ID)
	if o := h.object(t); o.Name != "blue" || o.InReplyTo.ID != id || o.ID != s.Note || !slices.Contains(h.To, w.o.actor("alice")) {
		t.Errorf("the vote is %q in %s, for %v", o.Name, o.InReplyTo.ID, h.To)
	}
}

func aliceVotes(t *testing.T, w *world) {
	id, _ := w.fredAsksAnd(t)
	vote := must(t)(w.o.f.Vote(t.Context(), "alice", id, "blue"))
	e := w.fedifyHears(t, "Create", "alice", func(e event) bool { return e.ObjectID == vote || e.ID == vote })
	n := e.Understood
	if n == nil || n.Type != "Note" || n.Name != "blue" || n.Content != "" || n.InReplyTo != id {
		t.Fatalf("Fedify takes the vote to be %+v", e)
	}
	if !slices.Equal(n.To, []string{w.p.Actor}) || len(n.CC) != 0 {
		t.Errorf("Fedify takes the vote to be to %v, cc %v", n.To, n.CC)
	}
}

func fredCounts(t *testing.T, w *world) {
	id, _ := w.fredAsksAnd(t)
	s := w.p.doWith(t, "tally", with{"id": id, "votes": []int{1, 2}, "voters": 3})
	h := w.oursHears(t, "Update", s.ID)
	if poll := h.poll(t); h.ObjectID != id || poll.Voters != 3 || !slices.Equal(poll.Options, []activity.Option{{Name: "red", Votes: 1}, {Name: "blue", Votes: 2}}) {
		t.Errorf("the poll stands at %+v", poll)
	}
	if o := h.object(t); !o.Updated.IsZero() {
		t.Errorf("counting is taken for an edit of %v", o.Updated)
	}
}

func aliceCounts(t *testing.T, w *world) { w.aliceCountsVotes(t) }

func aliceCountsWithoutEditing(t *testing.T, w *world) {
	if n := w.aliceCountsVotes(t); n.Updated != "" {
		t.Errorf("Fedify takes counting for an edit of %s", n.Updated)
	}
}

func (w *world) aliceCountsVotes(t *testing.T) *described {
	t.Helper()
	id, ends, _ := w.aliceAsksAnd(t)
	question := &activity.Object{ID: id, Content: "<p>Which?</p>"}
	question.SetPoll(activity.Poll{Options: []activity.Option{{Name: "red", Votes: 1}, {Name: "blue", Votes: 2}}, Voters: 3, Ends: ends})
	update := must(t)(w.o.f.Update(t.Context(), "alice", question))
	n := w.fedifyHearsID(t, "Update", "alice", update).Understood
	if n == nil || n.ID != id || n.Voters != 3 || !slices.Equal(n.Options, []option{{"red", 1}, {"blue", 2}}) {
		t.Fatalf("Fedify takes the poll to stand at %+v", n)
	}
	return n
}
