package inbox

import (
	"fmt"
	"testing"
	"time"
)

func taskAt(seq int64, turn int) task {
	return task{Entry: Entry{Seq: seq, Turn: time.Unix(int64(turn), 0)}}
}

func TestJobsRunByTheirTurnAndTheLastMakeRoom(t *testing.T) {
	t.Parallel()
	var r ready
	for i := range maxReady {
		if last := r.put(taskAt(int64(i), 1000-i), ""); last != nil {
			t.Fatalf("%d of %d entries are too many", i, maxReady)
		}
	}
	if last := r.put(taskAt(9999, 0), ""); len(last) != 1 || last[0].Seq != 0 {
		t.Errorf("%v made room, want the one whose turn is the last", last)
	}
	if first := r.first(); first[0].Seq != 9999 {
		t.Errorf("first came %d", first[0].Seq)
	}
	for i := maxReady - 1; i > 0; i-- {
		if got := r.first(); got[0].Seq != int64(i) {
			t.Fatalf("%d came where %d was to", got[0].Seq, i)
		}
	}
	if len(r.jobs) != 0 || r.entries != 0 {
		t.Errorf("%d jobs, %d entries are left", len(r.jobs), r.entries)
	}
}

func TestAGroupIsOneJobUntilItIsTakenOrFull(t *testing.T) {
	t.Parallel()
	var r ready
	for i := range maxGroup + 2 {
		r.put(taskAt(int64(i), i), "likes")
	}
	r.put(taskAt(9999, 0), "boosts")
	var sizes []int
	for len(r.jobs) > 0 {
		sizes = append(sizes, len(r.first()))
	}
	if want := fmt.Sprint([]int{maxGroup, 1, 2}); fmt.Sprint(sizes) != want {
		t.Errorf("jobs of %v entries, want %s", sizes, want)
	}
	r.put(taskAt(1, 1), "likes")
	if got := len(r.first()); got != 1 || len(r.groups) != 0 {
		t.Errorf("a job of %d entries was added to after it was taken", got)
	}
}

func TestAnOfferIsTakenOnlyIfNothingElseCanHaveTakenIt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change      func(s *shift, o *offer)
		taken, look bool
	}{
		"as it comes":                {func(*shift, *offer) {}, true, false},
		"behind one of its key":      {func(_ *shift, o *offer) { o.ready = false }, false, false},
		"in hand already":            {func(s *shift, o *offer) { s.held[o.Seq] = 0 }, false, false},
		"the lease was renewed":      {func(s *shift, _ *offer) { s.in.leases.Add(2) }, false, true},
		"it may have been found":     {func(s *shift, o *offer) { s.found = o.Seq }, false, true},
		"an older one was found":     {func(s *shift, o *offer) { s.found = o.Seq - 1 }, true, false},
		"the lease may be another's": {func(s *shift, _ *offer) { s.turf.leased = time.Now().Add(-leaseTTL) }, false, true},
		"its shard is another's":     {func(s *shift, o *offer) { s.turf.Shards &^= 1 << o.Shard() }, false, false},
		"its shard is to be left":    {func(s *shift, o *offer) { s.turf.leaving = 1 << o.Shard() }, false, false},
	} {
		in := &Inbox{}
		s := &shift{in: in, held: make(map[int64]int), turf: turf{Share: Share{Shards: AllShards}, leased: time.Now(), ttl: leaseTTL}}
		o := offer{task: taskAt(1, 1), ready: true, leases: in.leases.Load()}
		c.change(s, &o)
		s.take(o)
		if taken := len(s.ready.jobs) == 1; taken != c.taken || s.look != c.look {
			t.Errorf("%s: taken %v, look %v; want %v, %v", name, taken, s.look, c.taken, c.look)
		}
	}
}

func TestAShardIsLeftWhenNothingOfItIsInHand(t *testing.T) {
	t.Parallel()
	f := &turf{Share: Share{Shards: 0b11110, Spare: 2}}
	f.busy[1], f.busy[2], f.busy[4] = 1, 1, 1
	f.spare()
	if f.leaving != 0b01010 { // first what is idle, then the lowest
		t.Errorf("leaves %b", f.leaving)
	}
	if f.idle() != 0b01000 || f.open() != 0b10100 {
		t.Errorf("idle %b, open %b", f.idle(), f.open())
	}
	f.busy[1], f.busy[3] = 0, 1
	f.spare()
	if f.leaving != 0b01010 || f.idle() != 0b00010 {
		t.Errorf("then leaves %b, idle %b", f.leaving, f.idle())
	}
	f.Spare = 0
	if f.spare(); f.leaving != 0 {
		t.Errorf("leaves %b though nobody waits", f.leaving)
	}
}
