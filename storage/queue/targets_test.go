package queue

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestTargetSetIsReadAsWritten(t *testing.T) {
	t.Parallel()
	for _, ids := range [][]int64{nil, {1}, {1, 2, 3}, {127, 128, 129, 16384}, {math.MaxInt64}, {1, math.MaxInt64}} {
		got, err := readTargets(appendTargets(nil, ids))
		if err != nil || !slices.Equal(got, ids) {
			t.Errorf("%v was read as %v, %v", ids, got, err)
		}
	}
}

func TestMalformedTargetSetIsRefused(t *testing.T) {
	t.Parallel()
	for name, b := range map[string][]byte{
		"a repetition":          {1, 0},
		"a number cut short":    {0x80},
		"more bytes than due":   {0x81, 0x00},
		"a number of 65 bits":   {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
		"a sum beyond int64":    append(appendTargets(nil, []int64{math.MaxInt64}), 1),
		"a number beyond int64": {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01},
	} {
		if got, err := readTargets(b); err == nil {
			t.Errorf("%s was read as %v", name, got)
		}
	}
}

func TestWithoutAgreesWithAMap(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var a, b []int64
		for range r.IntN(30) {
			a = append(a, r.Int64N(40)+1)
		}
		for range r.IntN(30) {
			b = append(b, r.Int64N(40)+1)
		}
		a, b = ascending(a), ascending(b)
		var want []int64
		for _, id := range a {
			if !slices.Contains(b, id) {
				want = append(want, id)
			}
		}
		if got := without(a, b); !slices.Equal(got, want) {
			t.Fatalf("%v without %v is %v, want %v", a, b, got, want)
		}
	}
}

func TestSieveAgreesWithAMap(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	for round := range 900 {
		var set, ids []int64
		many := []int{30, 300, 300}[round%3]
		span := []int64{400, 400, 40_000}[round%3] // differences are of one byte, or of two now and then
		for range r.IntN(many) {
			set = append(set, r.Int64N(span)+1)
		}
		for range r.IntN(30) {
			ids = append(ids, r.Int64N(span)+1)
		}
		for i := range min(len(set), len(ids)) / 2 {
			ids[i] = set[i]
		}
		set, ids = ascending(set), ascending(ids)
		var wantIn, wantOut []int64
		for _, id := range ids {
			if slices.Contains(set, id) {
				wantIn = append(wantIn, id)
			} else {
				wantOut = append(wantOut, id)
			}
		}
		for in, want := range map[bool][]int64{true: wantIn, false: wantOut} {
			rest, n, err := sieve(appendTargets(nil, set), slices.Clone(ids), in)
			if err != nil || n != len(set) || !slices.Equal(rest, want) {
				t.Fatalf("of %v, in %v of %d or not: %v: %v, %v, want %v", ids, set, n, in, rest, err, want)
			}
		}
	}
	for at := range 20 { // a 0, wherever it is
		b := bytes.Repeat([]byte{1}, 20)
		b[at] = 0
		if rest, _, err := sieve(b, []int64{15}, true); err == nil {
			t.Errorf("a malformed set was read: %v", rest)
		}
	}
	most := append(appendTargets(nil, []int64{math.MaxInt64 - 8}), bytes.Repeat([]byte{1}, 9)...)
	if _, _, err := sieve(most, nil, true); err == nil {
		t.Error("a sum beyond int64 was read")
	}
	if rest, n, err := sieve(most[:len(most)-1], []int64{math.MaxInt64}, true); err != nil || n != 9 || len(rest) != 1 {
		t.Errorf("up to the greatest number: %v, %d, %v", rest, n, err)
	}
}

func FuzzTargets(f *testing.F) {
	f.Add(appendTargets(nil, []int64{1, 2, 300, 70000}))
	f.Add([]byte{0x80, 0x80, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		ids, err := readTargets(b)
		if err != nil {
			return
		}
		if len(ids) > 0 && ids[0] < 1 {
			t.Fatalf("%x was read as %v", b, ids)
		}
		for i := 1; i < len(ids); i++ {
			if ids[i] <= ids[i-1] {
				t.Fatalf("%x was read as %v, which does not ascend", b, ids)
			}
		}
		if again := appendTargets(nil, ids); !bytes.Equal(again, b) {
			t.Fatalf("%x was read as %v and written as %x", b, ids, again)
		}
	})
}

func BenchmarkSieve10k(b *testing.B) {
	var set, ids []int64
	for i := range int64(10_000) {
		set = append(set, i+1)
		if i%40 == 0 {
			ids = append(ids, i+1)
		}
	}
	written := appendTargets(nil, set)
	for b.Loop() {
		if rest, n, err := sieve(written, ids, true); err != nil || n != len(set) || len(rest) != len(ids) {
			b.Fatal(n, len(rest), err)
		}
	}
}

func BenchmarkReadTargets12k(b *testing.B) {
	ids := make([]int64, 12_000)
	for i := range ids {
		ids[i] = int64(i*3 + 1)
	}
	set := appendTargets(nil, ids)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := readTargets(set); err != nil {
			b.Fatal(err)
		}
	}
}
