package activity

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Eight bytes at once.
const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// endOfPlain is the offset behind the quote that ends the string whose text is at i, and true, if the text is ASCII
// without escapes. Else, or among the last bytes, it is the offset up to which the text is that.
func endOfPlain(data []byte, i int) (end int, plain bool) {
	// Two words at a time, since most names end within them: a loop that ends after any number of rounds is a guess.
	for ; i+16 <= len(data); i += 16 {
		rest := data[i:]
		first, second := binary.LittleEndian.Uint64(rest), binary.LittleEndian.Uint64(rest[8:])
		if stop := (stops(first) | first) & highs; stop != 0 {
			i += bits.TrailingZeros64(stop) / 8
		} else if stop := (stops(second) | second) & highs; stop != 0 {
			i += 8 + bits.TrailingZeros64(stop)/8
		} else {
			continue
		}
		if data[i] == '"' {
			return i + 1, true
		}
		return i, false
	}
	return i, false
}

// stops has the high bit of the first byte of w that is a quote, a backslash or a control character, and maybe of bytes
// above it and of those that are no ASCII.
func stops(w uint64) uint64 {
	// With its second bit changed the quote comes after the control characters, and nothing else comes there.
	return ((w ^ '\x02'*ones) - '\x21'*ones) | ((w ^ '\\'*ones) - ones)
}

// string reads the string at i, which is plain up to plain, and makes a node of it. RFC 8259 §7.
func (s *scanner) string(i, plain int) (end int, err error) {
	data, escaped := s.data, false
	var high uint64 // not 0 if a byte is no ASCII
	for end = plain; end < len(data) && data[end] != '"'; {
		if end+8 <= len(data) {
			w := binary.LittleEndian.Uint64(data[end:])
			stop := stops(w) &^ w & highs
			if stop == 0 {
				high |= w & highs
				end += 8
				continue
			}
			before := bits.TrailingZeros64(stop) &^ 7
			high |= w & highs & (1<<before - 1)
			end += before / 8
		}
		switch c := data[end]; {
		case c == '"':
		case c == '\\':
			escaped = true
			n := lengthOfEscape(data[end:])
			if n == 0 {
				return 0, s.wrong(end, "invalid escape sequence")
			}
			end += n
		case c < ' ':
			return 0, s.wrong(end, "a control character in a string")
		default: // among the last bytes
			high |= uint64(c & 0x80)
			end++
		}
	}
	if end >= len(data) {
		return 0, s.wrong(end, "the end is missing")
	}
	if high != 0 && !utf8.Valid(data[i:end]) {
		return 0, s.wrong(i, "invalid UTF-8")
	}
	s.add('"', i, end+1).escaped = escaped
	return end + 1, nil
}

// appendMeaning appends what the text of a valid string means.
func appendMeaning(b, text []byte) []byte {
	for {
		n := bytes.IndexByte(text, '\\')
		if n < 0 {
			return append(b, text...)
		}
		b = append(b, text[:n]...)
		text = text[n:]
		length := 2
		switch c := text[1]; c {
		case 'b':
			b = append(b, '\b')
		case 'f':
			b = append(b, '\f')
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 't':
			b = append(b, '\t')
		case 'u':
			length = lengthOfEscape(text)
			r, _ := hex4(text)
			if length == 12 {
				low, _ := hex4(text[6:])
				r = utf16.DecodeRune(r, low)
			}
			b = utf8.AppendRune(b, r)
		default:
			b = append(b, c)
		}
		text = text[length:]
	}
}

// lengthOfEscape is the length of the escape sequence at the beginning of b, 0 if it is none. A
// surrogate counts only with its other half.
func lengthOfEscape(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	}
	r, ok := hex4(b)
	switch {
	case !ok, 0xDC00 <= r && r < 0xE000:
		return 0
	case 0xD800 <= r && r < 0xDC00:
		if low, ok := hex4(b[6:]); !ok || low < 0xDC00 || low >= 0xE000 {
			return 0
		}
		return 12
	}
	return 6
}

// hex4 reads \uXXXX.
func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	for _, c := range b[2:6] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// scalar is the offset behind the number or the literal at i.
func (s *scanner) scalar(i int) (end int, err error) {
	text := ""
	if i < len(s.data) {
		switch s.data[i] {
		case 't':
			text = "true"
		case 'f':
			text = "false"
		case 'n':
			text = "null"
		case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
			return s.number(i)
		}
	}
	if end = i + len(text); text == "" || end > len(s.data) || string(s.data[i:end]) != text {
		return 0, s.unexpected(i)
	}
	return end, nil
}

// kindOfByte is the kind of a value that begins with c.
func kindOfByte(c byte) kind {
	if c == '-' || '0' <= c && c <= '9' {
		return '0'
	}
	return kind(c)
}

// number is the offset behind the number at start. RFC 8259 §6.
func (s *scanner) number(start int) (end int, err error) {
	data, i := s.data, start
	if data[i] == '-' {
		i++
	}
	whole := digits(data, i)
	if whole == i || data[i] == '0' && whole > i+1 {
		return 0, s.wrong(start, "no number")
	}
	i = whole
	if i < len(data) && data[i] == '.' {
		fraction := digits(data, i+1)
		if fraction == i+1 {
			return 0, s.wrong(start, "no number")
		}
		i = fraction
	}
	if i < len(data) && data[i]|0x20 == 'e' {
		i++
		if i < len(data) && (data[i] == '+' || data[i] == '-') {
			i++
		}
		exponent := digits(data, i)
		if exponent == i {
			return 0, s.wrong(start, "no number")
		}
		i = exponent
	}
	return i, nil
}

// digits is the offset behind the digits that begin at i.
func digits(data []byte, i int) int {
	for i < len(data) && '0' <= data[i] && data[i] <= '9' {
		i++
	}
	return i
}

// unexpected is the error for a byte that may not stand at i.
func (s *scanner) unexpected(i int) error {
	if i >= len(s.data) {
		return s.wrong(i, "the end is missing")
	}
	return s.wrong(i, fmt.Sprintf("unexpected %q", s.data[i]))
}

// wrong is the error for what stands at i.
func (s *scanner) wrong(i int, what string) error {
	s.pos = i
	return fmt.Errorf("activity: %w: %s in %s, byte %d", ErrMalformed, what, s.pointer(), i)
}

// maxPointer bounds the bytes of a pointer in an error: names are as long as a stranger likes.
const maxPointer = 200

// pointer is the place of the value, or the name, that begins at pos or ended last, as a quoted JSON pointer.
// RFC 6901.
func (s *scanner) pointer() string {
	var p jsontext.Pointer
	for i, c := range s.open {
		if len(p) > maxPointer {
			break
		}
		inner := len(s.nodes) // where the part that we look for ends or, if it has not ended, begins
		if i+1 < len(s.open) {
			inner = int(s.open[i+1].at)
		}
		if i+1 == len(s.open) && s.naming {
			break
		}
		if c.ends == ']' {
			p = p.AppendToken(strconv.Itoa(s.element(int(c.at)+1, inner)))
		} else if at := s.member(int(c.at)+1, inner); at < len(s.nodes) {
			p = p.AppendToken(string(s.meaning(at)))
		}
	}
	if len(p) > maxPointer {
		p = p[:maxPointer] + "…"
	}
	return strconv.Quote(string(p))
}

// element is the number of elements, of a list whose first is the node at, that stand before inner and before pos.
func (s *scanner) element(at, inner int) (n int) {
	for at < inner {
		next, end := int(s.nodes[at].next), int(s.nodes[at].end)
		if next == 0 || next > inner || !s.isComma(skipSpace(s.data, end)) {
			break
		}
		at = next
		n++
	}
	return n
}

// isComma reports whether at i, which is before pos, there is a comma.
func (s *scanner) isComma(i int) bool { return i < s.pos && s.data[i] == ',' }

// member is the last name before inner of an object whose first name is the node at.
func (s *scanner) member(at, inner int) int {
	for at+1 < inner {
		next := int(s.nodes[at+1].next)
		if next == 0 || next >= inner {
			break
		}
		at = next
	}
	return at
}
