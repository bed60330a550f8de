package storage

import "slices"

// maxKnown bounds what is remembered from one transaction of the journal for the next, in lanes and in entries.
const maxKnown = 4096

// known is what one transaction leaves to the next about unfinished entries. It is true as long as nobody else has written
// entries since, and thrown away with a transaction that fails.
type known struct {
	version int64
	lanes   map[string]int // how many they have, some of them
	entries map[int64]knownEntry
	keys    map[string][]int64 // of entries, ascending
}

type knownEntry struct {
	key, lane string
	head      bool
}

func newKnown() *known {
	return &known{lanes: make(map[string]int), entries: make(map[int64]knownEntry), keys: make(map[string][]int64)}
}

// all tells whether no entry is unfinished but those that are known.
func (k *known) all(b *batch) bool { return len(k.entries) == b.unfinished }

// put adds an entry if there is room for it.
func (k *known) put(seq int64, key, lane string, head bool) {
	if len(k.entries) >= maxKnown {
		return
	}
	k.entries[seq] = knownEntry{key, lane, head}
	if key != "" {
		k.keys[key] = append(k.keys[key], seq)
	}
}

func (k *known) drop(seq int64, e knownEntry) {
	delete(k.entries, seq)
	if e.key == "" {
		return
	}
	if left := slices.DeleteFunc(k.keys[e.key], func(s int64) bool { return s == seq }); len(left) > 0 {
		k.keys[e.key] = left
	} else {
		delete(k.keys, e.key)
	}
}

// promoted notes that an entry is a head now.
func (k *known) promoted(seq int64) {
	if e, ok := k.entries[seq]; ok {
		e.head = true
		k.entries[seq] = e
	}
}

// end takes what b leaves.
func (k *known) end(b *batch) {
	if len(k.lanes) > maxKnown {
		clear(k.lanes)
	}
	for name, c := range b.lanes {
		k.lanes[name] = max(c.now, 0)
	}
	k.version = b.version
}
