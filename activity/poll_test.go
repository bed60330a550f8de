package activity_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook/activity"
)

func TestAPollIsReadBack(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]activity.Poll{
		"one":        {Options: []activity.Option{{Name: "Cats", Votes: 2}, {Name: "Dogs"}}, Ends: noon, Voters: 2},
		"many":       {Options: []activity.Option{{Name: "Cats", Votes: 1 << 60}}, Multiple: true, Voters: 1 << 60},
		"closed":     {Options: []activity.Option{{Name: "Cats"}}, Closed: true},
		"closed too": {Options: []activity.Option{{Name: "Cats"}}, Closed: true, Ends: noon},
	} {
		o := aNote()
		o.SetPoll(activity.Poll{Options: []activity.Option{{Name: "old"}}, Multiple: !p.Multiple, Closed: true, Ends: noon.Add(1), Voters: 9})
		o.SetPoll(p)
		read := mustDecode(t, mustMarshal(t, o)).(*activity.Object)
		got, ok := read.Poll()
		if !ok || !reflect.DeepEqual(got, p) || !read.Is(activity.TypeQuestion) || read.Text() == "" {
			t.Errorf("%s: %+v, want %+v", name, got, p)
		}
		if _, said := read.Extra["votersCount"]; (read.VotersCount != 0) == said {
			t.Errorf("%s: the number of voters is not said once: %+v", name, read)
		}
	}
}

func TestPollsOfOthersAreRead(t *testing.T) {
	t.Parallel()
	option := []activity.Option{{Name: "Cats", Votes: 3}}
	for _, tt := range []struct {
		name, json string
		want       activity.Poll
	}{
		{"anyOf goes first", `"anyOf":[{"name":"Cats","replies":{"totalItems":3}}],"oneOf":[{"name":"x"}]`, activity.Poll{Options: option, Multiple: true}},
		{"an empty anyOf does not", `"anyOf":[],"oneOf":[{"name":"Cats","replies":{"totalItems":3}}]`, activity.Poll{Options: option}},
		{"one option that is not in a list", `"oneOf":{"name":"Cats","replies":{"totalItems":3}}`, activity.Poll{Options: option}},
		{"an option without a name", `"oneOf":[{"content":"Cats","replies":{"totalItems":3}}]`, activity.Poll{Options: option}},
		{"votes of Misskey", `"oneOf":[{"name":"Cats","_misskey_votes":3}]`, activity.Poll{Options: option}},
		{"votes below nothing", `"oneOf":[{"name":"Cats","replies":{"totalItems":-3}}],"votersCount":-1`, activity.Poll{Options: []activity.Option{{Name: "Cats"}}}},
		{"replies by id", `"oneOf":[{"name":"Cats","replies":"https://a.example/r"}]`, activity.Poll{Options: []activity.Option{{Name: "Cats"}}}},
		{"closed at a time", `"oneOf":[{"name":"Cats","_misskey_votes":3}],"closed":"2026-05-01T12:00:00Z","endTime":"2026-05-02T12:00:00Z"`, activity.Poll{Options: option, Ends: noon}},
		{"closed before all time", `"oneOf":[{"name":"Cats","_misskey_votes":3}],"closed":"0001-01-01T00:00:00Z"`, activity.Poll{Options: option, Closed: true}},
		{"closed", `"oneOf":[{"name":"Cats","_misskey_votes":3}],"closed":true`, activity.Poll{Options: option, Closed: true}},
		{"not closed", `"oneOf":[{"name":"Cats","_misskey_votes":3}],"closed":false`, activity.Poll{Options: option}},
		{"an option that is an id", `"oneOf":["https://a.example/o",{"name":"Cats","_misskey_votes":3},5]`, activity.Poll{Options: option}},
	} {
		o := mustDecode(t, []byte(`{"type":"Question",`+tt.json+`}`)).(*activity.Object)
		if got, ok := o.Poll(); !ok || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
	if _, ok := (&activity.Object{}).Poll(); ok {
		t.Error("nothing is asked, but a poll was read")
	}
	many := mustDecode(t, []byte(`{"type":"Question","oneOf":[`+strings.Repeat(`{"name":"x"},`, 600)+`{"name":"y"}]}`)).(*activity.Object)
	if p, _ := many.Poll(); len(p.Options) != 500 {
		t.Errorf("%d options", len(p.Options))
	}
}

func TestAPollIsOpenUntilItEnds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		p    activity.Poll
		now  time.Time
		want bool
	}{
		{"before the end", activity.Poll{Ends: noon}, noon.Add(-1), true},
		{"at the end", activity.Poll{Ends: noon}, noon, false},
		{"without an end", activity.Poll{}, noon, true},
		{"closed", activity.Poll{Closed: true, Ends: noon}, noon.Add(-1), false},
	} {
		if got := tt.p.Open(tt.now); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestAVoteNamesAnOptionOfItsQuestion(t *testing.T) {
	t.Parallel()
	question := bobsNote()
	question.SetPoll(activity.Poll{Options: []activity.Option{{Name: "Cats"}, {Name: "Dogs"}}})
	vote := activity.Vote("https://a.example/votes/1", alice, "Dogs", question)
	if option, ok := vote.VoteIn(question); option != 1 || !ok {
		t.Errorf("%d, %v", option, ok)
	}
	if len(vote.Recipients()) != 1 || vote.Recipients()[0] != bob || vote.Content != "" {
		t.Errorf("a vote is for its question's author alone and says nothing else: %+v", vote)
	}
	other := *question
	other.ID = "https://b.example/notes/8"
	nowhere := *question
	nowhere.ID = ""
	reply := *vote
	reply.Name = ""
	birds := *vote
	birds.Name = "Birds"
	page := *vote
	page.Type = activity.Types{"Page"}
	floating := *vote
	floating.InReplyTo = activity.Ref{}
	for name, got := range map[string]bool{
		"in another question": isVote(vote, &other), "a reply": isVote(&reply, question), "no such option": isVote(&birds, question),
		"no note": isVote(&page, question), "in no poll": isVote(vote, aNote()), "in what has no id": isVote(&floating, &nowhere),
	} {
		if got {
			t.Errorf("%s: taken for a vote", name)
		}
	}
}

func isVote(o, question *activity.Object) bool {
	_, ok := o.VoteIn(question)
	return ok
}
