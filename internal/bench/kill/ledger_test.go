package kill

import (
	"maps"
	"slices"
	"testing"
)

const (
	here  = "http://h00.test/users/u0/inbox"
	there = "http://h01.test/users/u1/inbox"
)

func TestTheLedgerFindsWhatIsWrongAndNothingElse(t *testing.T) {
	t.Parallel()
	type came struct {
		inbox     string
		rev, life int
	}
	for _, c := range []struct {
		name   string
		said   []int
		unsaid []int
		came   []came
		want   string // "": nothing is wrong
	}{
		{"all came in order", []int{0, 1}, nil, []came{{here, 0, 1}, {there, 0, 1}, {here, 1, 1}, {there, 1, 1}}, ""},
		{"a replay in order after a kill", []int{0, 1}, nil,
			[]came{{there, 0, 1}, {there, 1, 1}, {here, 0, 1}, {here, 1, 1}, {here, 0, 2}, {here, 1, 2}}, ""},
		{"an update that a later one replaced", []int{0, 1, 2}, nil, []came{{here, 0, 1}, {here, 2, 1}, {there, 0, 1}, {there, 2, 1}}, ""},
		{"a deletion that was not needed", []int{0, Deleted}, nil, []came{{here, 0, 1}, {here, Deleted, 1}}, ""},
		{"one inbox was left out", []int{0}, nil, []came{{here, 0, 1}}, "lost"},
		{"an update was left out", []int{0, 1}, nil, []came{{here, 0, 1}, {here, 1, 1}, {there, 0, 1}}, "lost"},
		{"a deletion was left out", []int{0, Deleted}, nil, []came{{here, 0, 1}, {here, Deleted, 1}, {there, 0, 1}}, "lost"},
		{"a replay that stops half-way", []int{0, 1}, nil,
			[]came{{there, 0, 1}, {there, 1, 1}, {here, 0, 1}, {here, 1, 1}, {here, 0, 2}}, "lost"},
		{"late for the first time", []int{0, 1}, nil, []came{{here, 1, 1}, {here, 0, 2}, {here, 1, 3}, {there, 0, 1}, {there, 1, 1}}, "order"},
		{"back in one life", []int{0, 1}, nil,
			[]came{{here, 0, 1}, {here, 1, 1}, {here, 1, 2}, {here, 0, 2}, {here, 1, 3}, {there, 0, 1}, {there, 1, 1}}, "order"},
		{"again in one life", []int{0}, nil, []came{{here, 0, 1}, {there, 0, 1}, {there, 0, 1}}, "twice"},
		{"rolled back and told", []int{0}, []int{1}, []came{{here, 0, 1}, {there, 0, 1}, {here, 1, 1}, {here, 0, 2}}, "undead"},
		{"too many repeats", []int{0}, nil, []came{{here, 0, 1}, {there, 0, 1}, {here, 0, 2}, {there, 0, 2}}, "repeats"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			bound := 2
			if c.want == "repeats" {
				bound = 1
			}
			l := NewLedger(bound)
			both := []string{here, there}
			for _, rev := range c.said {
				l.Asked(7, rev, both, "asked")
				l.Settled(7, rev, true)
			}
			for _, rev := range c.unsaid {
				l.Asked(7, rev, both, "unsaid")
			}
			for _, a := range c.came {
				l.Arrived(a.inbox, 7, a.rev, a.rev == 0, a.life)
			}
			all := l.ArrivedAll()
			l.Lost()
			kinds := slices.Sorted(maps.Keys(l.wrong.Kinds))
			if c.want == "" && len(kinds) > 0 || c.want != "" && !slices.Equal(kinds, []string{c.want}) {
				t.Errorf("found %q, want only %q", l.wrong.List, c.want)
			}
			if all == (c.want == "lost") {
				t.Errorf("all have arrived: %v", all)
			}
		})
	}
}

func TestWhatCameBeforeAKillMustHaveBeenCommitted(t *testing.T) {
	t.Parallel()
	l := NewLedger(1)
	l.Asked(7, 0, []string{here}, "asked")
	l.Arrived(here, 7, 0, true, 1)
	if len(l.wrong.List) > 0 {
		t.Fatalf("nobody knows yet whether it was committed: %q", l.wrong.List)
	}
	l.Settled(7, 0, false)
	if l.wrong.Kinds["undead"] != 1 {
		t.Errorf("it was not, and found was %q", l.wrong.List)
	}
}

func TestWhatGotNoAnswerMayComeAgain(t *testing.T) {
	t.Parallel()
	for _, unanswered := range []bool{false, true} {
		l := NewLedger(0)
		l.Asked(1, 0, []string{here}, "asked")
		l.Settled(1, 0, true)
		l.Arrived(here, 1, 0, true, 1)
		if unanswered {
			l.Unanswered(here, 1, 0, true)
		}
		l.Arrived(here, 1, 0, true, 1)
		wrong, c := l.Verdict()
		if got := wrong.Kinds["twice"] > 0; got == unanswered || unanswered && (len(wrong.List) > 0 || c.Repeated != 1) {
			t.Errorf("without an answer %v: %q is wrong and %d were repeated", unanswered, wrong.List, c.Repeated)
		}
	}
}
