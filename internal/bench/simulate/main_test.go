package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func tiny(t *testing.T, more ...string) options {
	t.Helper()
	o, err := parse(append([]string{
		"-followers", "300", "-hosts", "60", "-days", "2", "-posts", "3", "-replies", "20", "-dead", "0.2", "-tarpit", "0.1", "-outages", "1",
	}, more...))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestAFewDaysArePlayedAndTold(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := simulate(t, tiny(t), &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"6 posts, 40 replies", "0 twice", "attempts at a dead host", "p99.9"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("there is no %q in\n%s", want, out.String())
		}
	}
}

func TestJSONTellsTheSame(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := simulate(t, tiny(t, "-json"), &out); err != nil {
		t.Fatal(err)
	}
	var got struct{ Posts, Replies, Targets, Delivered int }
	if err := json.Unmarshal([]byte(out.String()), &got); err != nil {
		t.Fatal(err)
	}
	if got.Posts != 6 || got.Replies != 40 || got.Targets == 0 || got.Delivered != got.Targets {
		t.Errorf("got %+v of %s", got, out.String())
	}
}

func TestAWorldThatCannotBeIsSaid(t *testing.T) {
	t.Parallel()
	o := tiny(t, "-followers", "3")
	if err := simulate(t, o, &strings.Builder{}); err == nil {
		t.Error("60 hosts have 3 followers, and nothing was said")
	}
	if _, err := parse([]string{"calm"}); err == nil {
		t.Error("an argument that is none is taken")
	}
}
