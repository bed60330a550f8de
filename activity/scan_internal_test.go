package activity

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// agree fails if the scanner and jsontext, which is as strict, do not take the same texts for JSON, or do not read
// the same in them.
func agree(t *testing.T, data []byte) {
	t.Helper()
	in, err := new(scanner).scan(data, noLimits)
	if valid := jsontext.Value(data).IsValid(); valid != (err == nil) {
		t.Fatalf("jsontext: %v, the scanner: %v\n%.300q", valid, err, data)
	}
	if err != nil {
		return
	}
	d := jsontext.NewDecoder(bytes.NewBuffer(data))
	at, opaque := uint32(0), false
	for {
		token, err := d.ReadToken()
		if err != nil {
			break
		}
		k := token.Kind()
		if k == '}' || k == ']' {
			continue
		}
		v := value{in, at}
		if v.kind() != kind(k) {
			t.Fatalf("node %d is of kind %q, jsontext read %q\n%.300q", at, v.kind(), token, data)
		}
		if end := d.InputOffset(); k != '{' && k != '[' && int64(v.node().end) != end {
			t.Fatalf("node %d ends at %d, jsontext: %d\n%.300q", at, v.node().end, end, data)
		}
		if k == '"' && v.text() != token.String() {
			t.Fatalf("node %d means %q, jsontext: %q\n%.300q", at, v.text(), token, data)
		}
		if !jsontext.Value(v.source()).IsValid() && (k == '{' || k == '[') {
			t.Fatalf("node %d is no value: %q", at, v.source())
		}
		if opaque && (k == '{' || k == '[') {
			for depth := d.StackDepth(); d.StackDepth() >= depth; {
				if _, err := d.ReadToken(); err != nil {
					t.Fatal(err)
				}
			}
		}
		kindOfParent, n := d.StackIndex(d.StackDepth())
		opaque = k == '"' && kindOfParent == '{' && n%2 == 1 && token.String() == contextName
		at++
	}
	if int(at) != len(in.nodes) {
		t.Fatalf("%d nodes, jsontext read %d\n%.300q", len(in.nodes), at, data)
	}
}

// Every text that differs from a valid one in one byte, and every beginning of it.
func TestTheScannerIsAsStrictAsJsontext(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{"@context":["x:y",{"a":{"@id":"b"},"a2":1}],"id":"\u0061\n\ud83d\ude00é","n":[-1.5e+10,0,1E5,true,false,null,{},[]],"s":"012345678"}`,
		` { "@context" : "x" , "a" : [ 1 , { "@context" : { "b" : [ ] } , "b" : "\\\/\"" } ] } `,
		"{\n  \"a\": 1,\n  \"b\": [\n    1,\n    2,\n    3\n  ],\n  \"c\": \"d\",\n  \"e\": {}\n}",
		`["012345678901234567890\u00e9","é234567","01234567é","0123456\t"]`,
		`{"a":1,"b":2,"c":3,"` + "\u2028" + `":4,"":5}`,
		`-0.0`, `"x"`, `null`, ` [ ] `,
	} {
		agree(t, []byte(text))
		for i := range len(text) {
			agree(t, []byte(text[:i]))
			agree(t, []byte(text[:i]+text[i+1:]))
			for c := range 256 {
				agree(t, []byte(text[:i]+string([]byte{byte(c)})+text[i+1:]))
			}
			for _, insert := range []string{`"`, `,`, `:`, `{`, `}`, `[`, `]`, `\`, `\u`, `\ud800`, `\udc00`, ` `, `0`, `-`, `.`, `e`, `a`, "\xed\xa0\x80", "\xc0\x80", "\xf4\x90\x80\x80"} {
				agree(t, []byte(text[:i]+insert+text[i:]))
			}
		}
	}
}

func TestTheScannerReadsDocumentsAsJsontextDoes(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/wire/*/*.json")
	if err != nil || len(files) < 100 {
		t.Fatal(len(files), err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		agree(t, data)
	}
}

func FuzzScan(f *testing.F) {
	for _, text := range []string{`{"@context":{"a":1},"b":["\u0061",-0.1e5,null]}`, `{"a":1,"\u0061":2}`, "\"\xff\"", `"\ud800"`, `[01]`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 10_000 { // jsontext stops at this depth as we do, but not at the same bracket
			agree(t, data)
		}
	})
}

// The duplicates of a small object are found in one way, those of a large one in another.
func TestANameTwiceIsFoundAmongAnyNumber(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, fewNames - 1, fewNames, fewNames + 1, 2 * fewNames, 500} {
		for twice := 0; twice < n; twice += 1 + n/250 {
			for _, spelling := range []string{"\"name %d\"", "\"\\u006eame %d\""} {
				var b strings.Builder
				for i := range n {
					fmt.Fprintf(&b, `"name %d":{"x":[1]},`, i)
				}
				again := fmt.Sprintf(spelling, twice)
				for in, text := range map[string]string{
					"last":       `{` + b.String() + again + `:1}`,
					"first":      `{` + again + `:1,` + strings.TrimSuffix(b.String(), ",") + `}`,
					"in context": `{"@context":{` + b.String() + again + `:1}}`,
				} {
					if _, err := new(scanner).scan([]byte(text), noLimits); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("name %d", twice)) {
						t.Errorf("%d names, number %d twice, %s: %v", n, twice, in, err)
					}
				}
				if _, err := new(scanner).scan([]byte(`{`+b.String()+`"y":1}`), noLimits); err != nil {
					t.Errorf("%d names: %v", n, err)
				}
			}
		}
	}
}

// What was scanned lies in an index. Whoever scanned again would have another one.
func TestNoByteIsScannedAgainFarDown(t *testing.T) {
	t.Parallel()
	const depth = 64
	text := strings.Repeat(`{"type":"Create","object":`, depth-1) + `{"id":"\u0061","x":"` + strings.Repeat("é", 20_000) + `"}` + strings.Repeat(`}`, depth-1)
	outer, err := Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	scanned := make(map[*index]int)
	levels := 1
	for d := outer; ; levels++ {
		a, ok := d.(*Activity)
		if !ok {
			break
		}
		r := a.Object[0]
		if r.from.in == nil {
			t.Fatalf("level %d forgot where it was read", levels)
		}
		scanned[r.from.in] = len(r.from.in.data) + len(r.from.in.text)
		if d, err = r.Document(); err != nil {
			t.Fatal(err)
		}
	}
	bytes := 0
	for _, n := range scanned {
		bytes += n
	}
	if levels != depth || bytes > 3*len(text) {
		t.Errorf("%d levels, %d bytes for %d", levels, bytes, len(text))
	}
}

func TestStringsAreWrittenAsJsontextDoes(t *testing.T) {
	t.Parallel()
	for i := range 0x300 {
		for _, s := range []string{string(rune(i)), "x" + string(rune(i)) + "yz", string([]byte{byte(i)}), "\U0001F600" + string(rune(i))} {
			want, wantErr := jsontext.AppendQuote(nil, s)
			got, err := written(func(w *writer) error { return w.string(s) })
			if (err == nil) != (wantErr == nil) || err == nil && !bytes.Equal(got, want) {
				t.Errorf("%q: %s, %v, want %s, %v", s, got, err, want, wantErr)
			}
		}
	}
}
