package activity

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"sync"
)

// ErrMalformed is wrapped by every error about bytes that are no document: no JSON object, invalid
// UTF-8, a member name twice, or something after the end.
var ErrMalformed = errors.New("malformed document")

// ErrTooLarge is wrapped by errors about documents that exceed a limit of the [Decoder].
var ErrTooLarge = errors.New("document exceeds a limit")

// limits are those of a Decoder without zeros.
type limits struct{ bytes, depth, values int }

var (
	zeroLimits = Decoder{}.limits()
	// noLimits are for a value that is no document: as much as an index holds.
	noLimits = limits{mostBytes, mostDepth, mostBytes}
)

const (
	mostBytes = 1 << 30 // the text of an index may be twice as long, and its offsets have 32 bits
	mostDepth = 10_000  // what walks an index calls itself at each level
)

// scanner makes an index in one pass that is as strict as RFC 8259 and RFC 7493 §2 (I-JSON) ask: no
// duplicate names, valid UTF-8, no lone surrogates, at any depth.
//
// It is ours since none of the parsers at hand leaves behind where the values stand: jsontext gives tokens,
// of which an index could be made, but takes about as long for them as we for all of decoding; fastjson forgets
// the text and takes invalid UTF-8, duplicate names and numbers that are none. See BenchmarkDecode. The tests hold it
// against jsontext.
type scanner struct {
	data  []byte
	nodes []node
	open  []container
	buf   []byte // what a name with escapes means
	// many has all names of each object that has more than fewNames or one with escapes. They are not in its container,
	// which has no pointers: clearing a new one would take longer.
	many   []map[string]struct{}
	spaced bool
	blind  bool
	base   uint32 // the end of a @context at the beginning of a document

	values, deepest int

	pos    int  // where an error is
	naming bool // in a name
}

// container is an object or a list whose end has not come yet.
type container struct {
	at     uint32
	ends   byte      // '}' or ']'
	opaque bool      // under the name @context
	names  int       // how many
	indent int       // how much white space stood behind its last comma
	seen   [8]uint64 // one bit for the hash of each
	many   int       // which of many it has, counted from 1
}

// fewNames is how many names are compared with each other rather than kept in a map.
const fewNames = 64

// scanners spares each document the buffers.
var scanners = sync.Pool{New: func() any { return new(scanner) }}

// release forgets the text. Buffers that a large one needed are not kept.
func (s *scanner) release() {
	s.data, s.many = nil, nil
	if cap(s.nodes) <= 4<<10 && cap(s.buf) <= 4<<10 && cap(s.open) <= 64 {
		scanners.Put(s)
	}
}

// scan reads one value, which must be all of data. The index refers to data, and its nodes are gone
// with the release of s, unless settle is called before.
func (s *scanner) scan(data []byte, l limits) (*index, error) {
	if err := s.read(data, l); err != nil {
		return nil, err
	}
	return s.index(0, false), nil
}

func (s *scanner) read(data []byte, l limits) error {
	if len(data) > l.bytes {
		return fmt.Errorf("activity: %d bytes, at most %d are read: %w", len(data), l.bytes, ErrTooLarge)
	}
	*s = scanner{data: data, nodes: s.nodes[:0], open: s.open[:0], buf: s.buf}
	return s.value(l)
}

// index is what was read, with the text from base on. With own it has a copy of the bytes too.
func (s *scanner) index(base uint32, own bool) *index {
	in := &index{data: s.data, text: string(s.data[base:]), base: base, nodes: s.nodes, spaced: s.spaced, blind: s.blind}
	in.modest = len(s.data) <= zeroLimits.bytes && s.values <= zeroLimits.values && s.deepest <= zeroLimits.depth
	if own {
		in.data = cloned(s.data)
	}
	return in
}

// value reads all of data.
func (s *scanner) value(l limits) (err error) {
	data, i := s.data, 0
	if i < len(data) && data[i] <= ' ' {
		i = s.space(i)
	}
	var top *container // the last of s.open
	object := false    // it is an object
	for {
		opaque := false // the next value stands under the name @context
		if object {
			if i, opaque, err = s.name(top, i); err != nil {
				return err
			}
		}
		if s.values++; s.values > l.values {
			s.pos = i
			return fmt.Errorf("activity: more than %d values at %s: %w", l.values, s.pointer(), ErrTooLarge)
		}
		var c byte
		if i < len(data) {
			c = data[i]
		}
		switch {
		case c == '"':
			if end, plain := endOfPlain(data, i+1); plain {
				s.add('"', i, end)
				i = end
			} else if i, err = s.string(i, end); err != nil {
				return err
			}
		case c == '{' || c == '[':
			s.add(kind(c), i, 0).next = 0 // both come with its end
			if len(s.open) == l.depth {
				s.pos = i
				return fmt.Errorf("activity: nested more than %d deep at %s: %w", l.depth, s.pointer(), ErrTooLarge)
			}
			s.open = append(s.open, container{})
			s.deepest = max(s.deepest, len(s.open))
			top = &s.open[len(s.open)-1]
			top.at, top.ends, top.opaque = uint32(len(s.nodes)-1), c+2, opaque // in ASCII
			object = c == '{'
			i++
			if i < len(data) && data[i] <= ' ' {
				i = s.space(i)
			}
			if i >= len(data) || data[i] != top.ends {
				continue
			}
		default:
			end, err := s.scalar(i)
			if err != nil {
				return err
			}
			s.add(kindOfByte(c), i, end)
			i = end
		}
		for {
			if top == nil {
				if i = skipSpace(data, i); i < len(data) {
					return s.wrong(i, "something after the end")
				}
				return nil
			}
			if i < len(data) && data[i] <= ' ' {
				i = s.space(i)
			}
			if i < len(data) && data[i] == ',' {
				i++
				if i < len(data) && data[i] <= ' ' {
					// Guessed, so that what follows need not wait for what is here to be looked at.
					if n := top.indent; isIndent(data, i, n) {
						i += n
						break
					}
					top.indent = -i
					i = s.space(i)
					top.indent += i
				}
				break
			}
			if i >= len(data) || data[i] != top.ends {
				return s.unexpected(i)
			}
			i++
			top = s.close(top, i)
			object = top != nil && top.ends == '}'
		}
	}
}

// add makes a node of a value without parts. (It is filled in place, since copying what was just written in
// pieces takes longer than all the rest.)
func (s *scanner) add(k kind, start, end int) *node {
	s.nodes = append(s.nodes, node{})
	n := &s.nodes[len(s.nodes)-1]
	n.start, n.end, n.next, n.kind = uint32(start), uint32(end), uint32(len(s.nodes)), k
	return n
}

// close ends the innermost object or list, and is the one around it.
func (s *scanner) close(c *container, end int) *container {
	if c.opaque {
		if c.at == 2 { // behind the document and the name
			s.base = uint32(end)
		}
		s.nodes = s.nodes[:c.at+1]
	}
	n := &s.nodes[c.at]
	n.end, n.next = uint32(end), uint32(len(s.nodes))
	if c.many > 0 {
		s.many[c.many-1] = nil
	}
	s.open = s.open[:len(s.open)-1]
	if len(s.open) == 0 {
		return nil
	}
	return &s.open[len(s.open)-1]
}

// name reads the name of a member of c at i, and what stands between it and its value, which is at next.
func (s *scanner) name(c *container, i int) (next int, isContext bool, err error) {
	data := s.data
	if i >= len(data) || data[i] != '"' {
		s.naming = true
		return 0, false, s.unexpected(i)
	}
	start := i
	i, plain := endOfPlain(data, start+1)
	var name []byte // what it means
	var n *node
	if plain {
		name = data[start+1 : i-1]
		n = s.add('"', start, i)
	} else if i, name, err = s.oddName(c, start, i); err != nil {
		return 0, false, err
	} else {
		n = &s.nodes[len(s.nodes)-1]
	}
	hash := nameHash(name)
	n.hash = hash
	c.names++
	if word, bit := &c.seen[hash>>6%8], uint64(1)<<(hash%64); *word&bit == 0 && c.names <= fewNames {
		*word |= bit
	} else if s.isTwice(c, name, hash) {
		return 0, false, s.wrong(start, "a name for the second time")
	}
	if len(name) == len("bto") && isBlind(string(name)) {
		s.blind = true
	}
	if i < len(data) && data[i] <= ' ' {
		i = s.space(i)
	}
	if i >= len(data) || data[i] != ':' {
		return 0, false, s.unexpected(i)
	}
	i++
	if i+1 < len(data) && data[i] == ' ' && data[i+1] > ' ' {
		s.spaced = true
		i++
	} else if i < len(data) && data[i] <= ' ' {
		i = s.space(i)
	}
	return i, string(name) == contextName, nil
}

// oddName reads the name at i that is no plain string, though plain up to plain, and makes a node of it.
func (s *scanner) oddName(c *container, i, plain int) (end int, name []byte, err error) {
	s.naming = true
	if end, err = s.string(i, plain); err != nil {
		return 0, nil, err
	}
	s.naming = false
	name = s.data[i+1 : end-1]
	if s.nodes[len(s.nodes)-1].escaped {
		s.buf = appendMeaning(s.buf[:0], name)
		name = s.buf
		c.names = max(c.names, fewNames) // what it means is not to be found out again for each other name
	}
	return end, name, nil
}

// isTwice adds a name, which is the last node, to those of c if there are more than fewNames of them.
func (s *scanner) isTwice(c *container, name []byte, hash uint16) bool {
	last := uint32(len(s.nodes) - 1)
	if c.names <= fewNames {
		for at := c.at + 1; at < last; at = s.nodes[at+1].next {
			if n := &s.nodes[at]; n.hash == hash && bytes.Equal(s.data[n.start+1:n.end-1], name) {
				return true
			}
		}
		return false
	}
	if c.many == 0 {
		all := make(map[string]struct{})
		for at := c.at + 1; at < last; at = s.nodes[at+1].next {
			all[string(s.meaning(int(at)))] = struct{}{}
		}
		s.many = append(s.many, all)
		c.many = len(s.many)
	}
	all := s.many[c.many-1]
	if _, ok := all[string(name)]; ok {
		return true
	}
	all[string(name)] = struct{}{}
	return false
}

// meaning is what the string in a node means.
func (s *scanner) meaning(at int) []byte {
	n := &s.nodes[at]
	text := s.data[n.start+1 : n.end-1]
	if n.escaped {
		return appendMeaning(nil, text)
	}
	return text
}

// space skips white space between tokens.
func (s *scanner) space(i int) int {
	s.spaced = true
	return skipSpace(s.data, i)
}

// isIndent reports whether at i there is a line's end, n-1 spaces and then something else. It is false for more than
// eight spaces and among the last bytes.
func isIndent(data []byte, i, n int) bool {
	if i+10 > len(data) || data[i] != '\n' || uint(n-2) > 7 {
		return false
	}
	spaces := binary.LittleEndian.Uint64(data[i+1:]) ^ ' '*ones
	return spaces<<(uint(72-8*n)&63) == 0 && data[i+n] > ' '
}

// skipSpace is the offset of what follows the white space at i, which is mostly a line's end and its indentation.
func skipSpace(data []byte, i int) int {
	const white = 1<<' ' | 1<<'\n' | 1<<'\r' | 1<<'\t'
	for i < len(data) && uint64(white)>>data[i]&1 != 0 {
		i++
		for i+8 <= len(data) {
			if other := binary.LittleEndian.Uint64(data[i:]) ^ ' '*ones; other != 0 {
				i += bits.TrailingZeros64(other) / 8
				break
			}
			i += 8
		}
	}
	return i
}
