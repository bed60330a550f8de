package signature

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestCanonicalFormsOfTheSpecification(t *testing.T) {
	t.Parallel()
	names := []string{"arrays", "french", "structures", "unicode", "values", "weird"}
	for _, name := range names {
		input := read(t, "jcs/input/"+name+".json")
		before := bytes.Clone(input)
		got, err := canonicalize(input)
		if err != nil || !bytes.Equal(got, read(t, "jcs/output/"+name+".json")) {
			t.Errorf("%s: %s, %v", name, got, err)
		}
		if !bytes.Equal(input, before) {
			t.Errorf("%s: the input has changed", name)
		}
		want, err := hex.DecodeString(strings.Join(strings.Fields(string(read(t, "jcs/outhex/"+name+".txt"))), ""))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: not the bytes in hexadecimal: %v", name, err)
		}
		if again, err := canonicalize(got); err != nil || !bytes.Equal(again, got) {
			t.Errorf("%s: not stable: %s, %v", name, again, err)
		}
		// Of these only values has numbers beyond 2^53.
		if err := checkStrict(input); (err == nil) != (name != "values") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTenThousandNumbers(t *testing.T) {
	t.Parallel()
	lines := bufio.NewScanner(bytes.NewReader(read(t, "jcs/es6-numbers-10000.txt")))
	count, exact := 0, 0
	for lines.Scan() {
		count++
		text, want, _ := strings.Cut(lines.Text(), ",")
		bits, err := strconv.ParseUint(text, 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		f := math.Float64frombits(bits)
		input := strconv.FormatFloat(f, 'e', -1, 64)
		got, err := canonicalize([]byte(input))
		if err != nil || string(got) != want {
			t.Errorf("%s: %s, %v, want %s", text, got, err, want)
		}
		if again, err := canonicalize(got); err != nil || string(again) != want {
			t.Errorf("%s: not stable: %s, %v", text, again, err)
		}
		ok := math.Abs(f) < 1<<53 && (f != 0 || !math.Signbit(f))
		if exactNumber(input) != ok || f != 0 && exactNumber(want) != ok {
			t.Errorf("%s: %s counts as exact: %v", text, input, !ok)
		}
		if ok {
			exact++
		}
	}
	if count != 10000 || exact < 1000 || exact > 9000 {
		t.Errorf("%d numbers, %d of them exact", count, exact)
	}
}

func TestWhatIsNotJSONThatAllReadAlike(t *testing.T) {
	t.Parallel()
	for name, document := range map[string]string{
		"nothing":            ``,
		"a byte order mark":  "\ufeff{}",
		"a comment":          `{}//`,
		"two documents":      `{}{}`,
		"a trailing comma":   `{"a":1,}`,
		"single quotes":      `{'a':1}`,
		"cut short":          `{"a":`,
		"a control":          "{\"a\":\"\n\"}",
		"NaN":                `{"a":NaN}`,
		"a leading zero":     `{"a":01}`,
		"a plus":             `{"a":+1}`,
		"an invalid escape":  `{"a":"\x41"}`,
		"overlong UTF-8":     "{\"a\":\"\xc0\xaf\"}",
		"UTF-8 of surrogate": "{\"a\":\"\xed\xa0\x80\"}",
		"an inner duplicate": `{"a":[{"b":1,"b":1}]}`,
		"a string":           `"a"`,
		"a list":             `[{}]`,
		"null":               `null`,
		"nested too deep":    strings.Repeat(`{"a":`, 65) + `1` + strings.Repeat("}", 65),
		"lists too deep":     `{"a":` + strings.Repeat(`[`, 64) + strings.Repeat("]", 64) + `}`,
		"never closed":       strings.Repeat(`[`, 1<<20),
	} {
		if o, err := readObject([]byte(document), 0); !errors.Is(err, ErrMalformed) || o != nil || len(err.Error()) > 200 {
			t.Errorf("%s: %v, %v", name, o, err)
		}
	}
	for name, document := range map[string]string{
		"nested just not too deep": strings.Repeat(`{"a":`, 64) + `9007199254740991` + strings.Repeat("}", 64),
		"a character of two words": `{"a":"\ud83d\ude02"}`,
		"no member":                ` { } `,
		"zero in many ways":        `{"a":[0,0.0,0e0,0E-7,0.000e99]}`,
		"as many names as it likes": `{"` + strings.Join(func() (names []string) {
			for i := range 5000 {
				names = append(names, strconv.Itoa(i))
			}
			return
		}(), `":null,"`) + `":-1.5}`,
	} {
		if _, err := readObject([]byte(document), 0); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := readObject(make([]byte, 11), 10); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	if _, err := readObject(make([]byte, 1<<20+1), 0); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
}

func TestMembersAndElementsAreFoundInCanonicalForm(t *testing.T) {
	t.Parallel()
	o, err := readObject([]byte(` { "b" : [ 1 , {"y":2,"x":[]} , "]," ] , "a\"" : "\u0041" , "@context" : "c", "": {} } `), 0)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"b": `[1,{"x":[],"y":2},"],"]`, "@context": `"c"`, "": `{}`, `a\"`: `"A"`} {
		if got := string(o.get(name)); got != want {
			t.Errorf("%q is %s", name, got)
		}
	}
	if o.get("x") != nil || o.get("c") != nil {
		t.Error("found what is not there")
	}
	if got := string(o.text(nil)); got != `{"":{},"@context":"c","a\"":"A","b":[1,{"x":[],"y":2},"],"]}` {
		t.Error(got)
	}
	if got := string(o.text([]byte(`["d"]`), "b", "")); got != `{"@context":["d"],"a\"":"A"}` {
		t.Error(got)
	}
	list, err := elements(o.get("b"))
	if err != nil || len(list) != 3 || string(list[1]) != `{"x":[],"y":2}` || string(list[2]) != `"],"` {
		t.Errorf("%s, %v", list, err)
	}
	if list, err = elements([]byte(`[]`)); err != nil || len(list) != 0 {
		t.Errorf("%s, %v", list, err)
	}
}

// FuzzJCS: the canonical form is that of itself, says the same, and is put together again from its
// members.
func FuzzJCS(f *testing.F) {
	for _, name := range []string{"french", "structures", "unicode", "values", "weird"} {
		f.Add(read(f, "jcs/input/"+name+".json"))
	}
	f.Add([]byte(`{"a":{"a":[{"":"\ud83d\ude02\u0000"},1e-7,-1.50]},"\u20ac":null,"é":[[],{}]}`))
	f.Add([]byte(`{"a":9007199254740993,"b":-0,"a":"\ud800"}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		o, err := readObject(document, 0)
		if err != nil {
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrTooLarge) || o != nil {
				t.Fatalf("%v", err)
			}
			return
		}
		once := o.text(nil)
		again, err := readObject(once, 0)
		if err != nil || !bytes.Equal(again.text(nil), once) {
			t.Fatalf("not stable: %q, %v", once, err)
		}
		if canonical, err := canonicalize(document); err != nil || !bytes.Equal(canonical, once) {
			t.Fatalf("not put together: %q, %q", canonical, once)
		}
		if !slices.IsSortedFunc(o, func(a, b member) int {
			x, _ := stringOf(a.name)
			y, _ := stringOf(b.name)
			return slices.Compare(utf16.Encode([]rune(x)), utf16.Encode([]rune(y)))
		}) {
			t.Fatalf("not sorted: %q", once)
		}
		var a, b any
		if json.Unmarshal(document, &a) != nil || json.Unmarshal(once, &b) != nil || !reflect.DeepEqual(a, b) {
			t.Fatalf("%q does not say what %q says", once, document)
		}
	})
}
