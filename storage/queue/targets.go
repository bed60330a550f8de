package queue

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
)

// A target set is written as the differences of ascending inbox numbers, each as a
// varint: a byte or two per target where numbers are dense.

var errTargets = errors.New("queue: malformed target set")

// appendTargets writes ids, which must be ascending, different and greater than 0.
func appendTargets(b []byte, ids []int64) []byte {
	b = slices.Grow(b, len(ids)+len(ids)/8) // most differences take a byte
	last := int64(0)
	for _, id := range ids {
		b = binary.AppendUvarint(b, uint64(id-last))
		last = id
	}
	return b
}

// nextTarget reads what comes after last, and tells in how many bytes it is written.
func nextTarget(b []byte, last int64) (id int64, size int, err error) {
	if b[0] < 1<<7 {
		if b[0] == 0 || int64(b[0]) > math.MaxInt64-last {
			return 0, 0, errTargets
		}
		return last + int64(b[0]), 1, nil
	}
	d, n := binary.Uvarint(b)
	// In n bytes if fewer would not do.
	if n <= 0 || d > uint64(math.MaxInt64-last) || b[n-1] == 0 {
		return 0, 0, errTargets
	}
	return last + int64(d), n, nil
}

// eightTargets is how far eight targets reach, if each of the first eight is written in one byte.
func eightTargets(b []byte) (sum int64, ok bool) {
	const high, low, even = 0x8080808080808080, 0x0101010101010101, 0x00ff00ff00ff00ff
	if len(b) < 8 {
		return 0, false
	}
	w := binary.LittleEndian.Uint64(b)
	if (w|(w-low))&high != 0 { // a byte of more than 127, or one of 0 from which 1 was taken
		return 0, false
	}
	pairs := w&even + w>>8&even
	return int64(pairs * 0x0001000100010001 >> 48), true
}

// readTargets is the inverse of appendTargets. It accepts only what that writes.
func readTargets(b []byte) ([]int64, error) {
	ids := make([]int64, 0, len(b))
	last := int64(0)
	for len(b) > 0 {
		id, size, err := nextTarget(b, last)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
		last, b = id, b[size:]
	}
	return slices.Clip(ids), nil
}

// sieve returns those of ids, which ascend and are written over, that are in a written target set, or else those that
// are not, and how many targets that has.
func sieve(b []byte, ids []int64, in bool) (rest []int64, n int, err error) {
	rest = ids[:0]
	last := int64(0)
	for ; len(b) > 0; n++ {
		next := int64(math.MaxInt64)
		if len(ids) > 0 {
			next = ids[0]
		}
		for { // past eight targets at once, as long as all are before next
			sum, ok := eightTargets(b)
			if !ok || sum >= next-last {
				break
			}
			last, b, n = last+sum, b[8:], n+8
		}
		if len(b) == 0 {
			break
		}
		id, size, err := nextTarget(b, last)
		if err != nil {
			return nil, 0, err
		}
		for ; len(ids) > 0 && ids[0] <= id; ids = ids[1:] {
			if in == (ids[0] == id) {
				rest = append(rest, ids[0])
			}
		}
		last, b = id, b[size:]
	}
	if !in {
		rest = append(rest, ids...)
	}
	return rest, n, nil
}

// without returns the elements of a, which is ascending, that are not in b.
func without(a, b []int64) []int64 {
	out := make([]int64, 0, len(a))
	if len(a) == 0 {
		return out
	}
	in := newSet(a[0], a[len(a)-1], len(a), b)
	for _, id := range a {
		if !in.has(id) {
			out = append(out, id)
		}
	}
	return out
}

// set is a set of numbers within a range: a bitmap where they are dense.
type set struct {
	first  int64
	bits   []uint64
	sorted []int64 // instead, where they are not
}

// newSet holds those of ids that are from first to last, of which about n are wanted.
func newSet(first, last int64, n int, ids []int64) set {
	if span := last - first + 1; span <= 64*int64(n)+1024 {
		s := set{first: first, bits: make([]uint64, (span+63)/64)}
		for _, id := range ids {
			if id >= first && id <= last {
				s.bits[(id-first)/64] |= 1 << ((id - first) % 64)
			}
		}
		return s
	}
	return set{sorted: ascending(ids)}
}

func (s *set) has(id int64) bool {
	if s.bits != nil {
		return s.bits[(id-s.first)/64]&(1<<((id-s.first)%64)) != 0
	}
	_, ok := slices.BinarySearch(s.sorted, id)
	return ok
}

// common returns the elements of a that are in b. Both ascend.
func common(a, b []int64) []int64 {
	var out []int64
	for _, id := range a {
		for len(b) > 0 && b[0] < id {
			b = b[1:]
		}
		if len(b) == 0 {
			break
		}
		if b[0] == id {
			out = append(out, id)
		}
	}
	return out
}

// ascending returns a sorted copy of ids without repetitions.
func ascending(ids []int64) []int64 {
	out := slices.Clone(ids)
	slices.Sort(out)
	return slices.Compact(out)
}
