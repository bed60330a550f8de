package delivery

import "hash/maphash"

// index finds strings in a list that it does not hold itself. It is a hash table of their places: a third of the size
// of a map, and without anything for the garbage collector to follow.
type index struct {
	seed  maphash.Seed
	slots []uint64 // half of a string's hash above its place and one more; 0: free. A power of two, of which half stays free
	used  int
}

func newIndex() index { return index{seed: maphash.MakeSeed(), slots: make([]uint64, 8)} }

// find says whether list has s, and returns what put wants if it has not.
func (x *index) find(list []string, s string) (hash uint32, found bool) {
	hash = uint32(maphash.String(x.seed, s))
	mask := len(x.slots) - 1
	for i := int(hash) & mask; x.slots[i] != 0; i = (i + 1) & mask {
		if uint32(x.slots[i]>>32) == hash && list[uint32(x.slots[i])-1] == s {
			return hash, true
		}
	}
	return hash, false
}

// put notes at which place of the list a string is that was not found.
func (x *index) put(hash uint32, place int) {
	if x.used++; 2*x.used > len(x.slots) {
		old := x.slots
		x.slots = make([]uint64, 2*len(old))
		for _, s := range old {
			if s != 0 {
				x.insert(s)
			}
		}
	}
	x.insert(uint64(hash)<<32 | uint64(uint32(place+1)))
}

func (x *index) insert(slot uint64) {
	mask := len(x.slots) - 1
	i := int(slot>>32) & mask
	for x.slots[i] != 0 {
		i = (i + 1) & mask
	}
	x.slots[i] = slot
}
