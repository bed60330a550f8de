package activity

import (
	"strings"
	"testing"
)

// The scanner looks at sixteen bytes of a string at once, and at eight of white space. Here each is looked at alone.
func TestTheEndOfAStringIsFoundAtEveryPlaceAndBeforeEveryByte(t *testing.T) {
	t.Parallel()
	for length := range 40 {
		for c := range 256 {
			for _, behind := range []string{"", "\"", "x\x00\"\\\x80", strings.Repeat("y", 16), strings.Repeat("\"", 16), strings.Repeat("\x01", 16)} {
				data := []byte(strings.Repeat("!", length) + string([]byte{byte(c)}) + behind)
				for i := range min(length+1, 3) {
					at := i
					for at < len(data) && data[at] >= ' ' && data[at] < 0x80 && data[at] != '"' && data[at] != '\\' {
						at++
					}
					end, plain := endOfPlain(data, i)
					switch {
					case plain && (end != at+1 || data[at] != '"'):
						t.Fatalf("%q from %d: ends at %d, want %d", data, i, end, at+1)
					case !plain && (end < i || end > at):
						t.Fatalf("%q from %d: plain up to %d, want at most %d", data, i, end, at)
					case !plain && at+16 <= len(data) && (end != at || data[at] == '"'):
						t.Fatalf("%q from %d: stopped at %d, want %d", data, i, end, at)
					}
				}
			}
		}
	}
}

func TestWhiteSpaceIsSkippedAtEveryPlaceAndBeforeEveryByte(t *testing.T) {
	t.Parallel()
	for length := range 20 {
		for first := range length + 1 {
			for c := range 256 {
				data := []byte(strings.Repeat(" ", first) + string([]byte{byte(c)}) + strings.Repeat(" ", length-first) + "x        ")
				want := 0
				for strings.IndexByte(" \n\r\t", data[want]) >= 0 {
					want++
				}
				if got := skipSpace(data, 0); got != want {
					t.Fatalf("%q: %d bytes, want %d", data, got, want)
				}
			}
		}
	}
	if got := skipSpace([]byte(" \n"), 0); got != 2 {
		t.Errorf("to the end: %d", got)
	}
}

func TestIndentationIsOnlyTakenForWhatItIs(t *testing.T) {
	t.Parallel()
	for spaces := range 12 {
		for place := range spaces + 2 {
			for c := range 256 {
				data := []byte("\n" + strings.Repeat(" ", spaces) + "x         ")
				data[place] = byte(c)
				want := skipSpace(data, 0)
				for n := -1; n < 14; n++ {
					is := isIndent(data, 0, n)
					if is && (n != want || data[0] != '\n') {
						t.Fatalf("%q is taken for %d bytes", data, n)
					}
					if !is && place > spaces && c > ' ' && n == want && 2 <= n && n <= 9 {
						t.Fatalf("%q is not taken for %d bytes", data, n)
					}
				}
			}
		}
	}
	if isIndent([]byte("\n  x     "), 0, 3) {
		t.Error("among the last bytes it can't be known")
	}
}

// A name is compared by what it means, and that is not found out again for every other name: a stranger could make
// every pair of a document's names look alike to a hash.
func TestNamesWithEscapesCostWhatTheirLengthIs(t *testing.T) {
	const names, length = fewNames, 1 << 12
	var b strings.Builder
	for i := range names {
		// The hash sees the length, the first, the middle and the last.
		name := []byte(strings.Repeat("x", length))
		name[length-2] = byte('0' + i)
		if name[length-2] == '\\' {
			name[length-2] = '~'
		}
		b.WriteString(`"\u0078` + string(name[1:]) + `":0,`)
	}
	text := `{` + b.String() + `"y":0}`
	s := new(scanner)
	if _, err := s.scan([]byte(text), noLimits); err != nil {
		t.Fatal(err)
	}
	allocations := testing.AllocsPerRun(3, func() { _, _ = s.scan([]byte(text), noLimits) })
	if allocations > 3*names {
		t.Errorf("%v allocations for %d names", allocations, names)
	}
	twice := `{` + b.String() + strings.TrimSuffix(b.String()[:length+10], ",")
	if _, err := s.scan([]byte(twice+`}`), noLimits); err == nil || !strings.Contains(err.Error(), "second time") {
		t.Errorf("a name of many that look alike, twice: %.200v", err)
	}
}
