package storage

import (
	"cmp"
	"container/heap"
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/fedihook/fedihook/inbox"
)

// queued is an item in a heap, as long as it has this version.
type queued struct {
	*item
	version int
	at      time.Time // the turn, or when it may run again
}

// itemHeap holds the entries of a memoryJournal that may run, or may at their time. It is a heap.Interface.
type itemHeap struct{ list []queued }

func (h *itemHeap) Len() int      { return len(h.list) }
func (h *itemHeap) Swap(i, j int) { h.list[i], h.list[j] = h.list[j], h.list[i] }
func (h *itemHeap) Push(x any)    { h.list = append(h.list, x.(queued)) }

func (h *itemHeap) Less(i, j int) bool {
	a, b := h.list[i], h.list[j]
	return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.Seq, b.Seq)) < 0
}

func (h *itemHeap) Pop() any {
	last := len(h.list) - 1
	q := h.list[last]
	h.list[last] = queued{}
	h.list = h.list[:last]
	return q
}

// first returns the first items of these shards for which ok holds, at most limit and up to the first for which it does
// not, and leaves them where they are.
func (h *itemHeap) first(limit int, shards inbox.Shards, ok func(*item) bool) (found []*item) {
	var back []queued
	for len(found) < limit && len(h.list) > 0 {
		q := h.list[0]
		if q.version == q.item.version && !ok(q.item) {
			break
		}
		heap.Pop(h)
		if q.version != q.item.version {
			continue
		}
		back = append(back, q)
		if shards.Has(q.item.Shard()) {
			found = append(found, q.item)
		}
	}
	for _, q := range back {
		heap.Push(h, q)
	}
	return found
}

// ownerKey stands for the owner of a mark.
func ownerKey(id string) int64 {
	sum := sha256.Sum256([]byte(id))
	return int64(binary.BigEndian.Uint64(sum[:]))
}

func ownerKeys(ids []string) []int64 {
	keys := make([]int64, len(ids))
	for i, id := range ids {
		keys[i] = ownerKey(id)
	}
	return keys
}
