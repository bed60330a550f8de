package activity

// nameList finds the place of a name in a list. A map would do; this takes a third of its time, since the hash
// of each name in a document is known from the scan.
type nameList struct {
	list  []string
	slots []int16 // a place in list, or -1; its length is a power of two
}

func newNameList(list []string) nameList {
	size := 16
	for size < 4*len(list) {
		size *= 2
	}
	n := nameList{list, make([]int16, size)}
	for i := range n.slots {
		n.slots[i] = -1
	}
	for i, name := range list {
		at := int(nameHash(name))
		for n.slots[at&(size-1)] >= 0 {
			at++
		}
		n.slots[at&(size-1)] = int16(i)
	}
	return n
}

// find is the place of name, whose nameHash is hash, or -1.
func (n *nameList) find(name string, hash uint16) int {
	for at := int(hash); ; at++ {
		i := int(n.slots[at&(len(n.slots)-1)])
		if i < 0 || n.list[i] == name {
			return i
		}
	}
}

// nameHash tells most names apart. Nobody gains by finding names that it does not tell apart: they are compared
// with the few of a table, or with at most fewNames.
func nameHash[T string | []byte](name T) uint16 {
	n := len(name)
	if n == 0 {
		return 0
	}
	h := uint32(n)*0x9E3779B1 ^ uint32(name[0])*0x85EBCA77 ^ uint32(name[n/2])*0xC2B2AE3D ^ uint32(name[n-1])*0x27D4EB2F
	return uint16(h >> 16)
}
