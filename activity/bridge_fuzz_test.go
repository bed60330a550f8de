package activity_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	vocab "github.com/go-ap/activitypub"

	"github.com/fedihook/fedihook/activity"
)

// keeper checks that everything that is not listed as lost was kept. It shares no code with the bridge.
type keeper struct {
	lost   map[string]bool
	faults []string
	values int
}

var ordinary = regexp.MustCompile(`^[A-Za-z_]\w*$`)

func (k *keeper) keep(path string, before, after any) {
	if k.lost[path] {
		return
	}
	k.values++
	b, listed := before.([]any)
	a, isList := after.([]any)
	if listed || isList {
		if !listed && before != nil {
			b = []any{before}
		}
		if !isList && after != nil {
			a = []any{after}
		}
		for i, v := range b {
			at := path
			if listed {
				at = fmt.Sprintf("%s[%d]", path, i)
			}
			if k.lost[at] {
				continue
			}
			if len(a) == 0 {
				k.faults = append(k.faults, at+" is gone")
				return
			}
			k.keep(at, v, a[0])
			a = a[1:]
		}
		if len(a) > 0 {
			k.faults = append(k.faults, fmt.Sprintf("%s: %v is new", path, a))
		}
		return
	}
	object, ok := before.(map[string]any)
	other, both := after.(map[string]any)
	if !ok || !both {
		x, _ := json.Marshal(before)
		y, _ := json.Marshal(after)
		if diff, err := differences(x, y); (err != nil || len(diff) > 0) && !sameByValue(before, after) {
			k.faults = append(k.faults, fmt.Sprintf("%s: %s became %s", path, x, y))
		}
		return
	}
	names := make(map[string]bool)
	for name := range object {
		names[name] = true
	}
	for name := range other {
		names[name] = true
	}
	for name := range names {
		if name == "@context" {
			continue
		}
		at := path + "." + name
		if !ordinary.MatchString(name) {
			at = fmt.Sprintf("%s[%q]", path, name)
		}
		k.keep(at, object[name], other[name])
	}
}

// sameByValue knows what the documents of the tests have in other spellings: durations of seconds, and decimals.
func sameByValue(before, after any) bool {
	b, a := fmt.Sprint(before), fmt.Sprint(after)
	if strings.HasPrefix(b, "P") || strings.HasPrefix(b, "-P") {
		x, _, err := activity.ToItem(&activity.Object{Duration: b})
		y, _, err2 := activity.ToItem(&activity.Object{Duration: a})
		return err == nil && err2 == nil && x.(*vocab.Object).Duration == y.(*vocab.Object).Duration && x.(*vocab.Object).Duration != 0
	}
	x, ok := before.(json.Number)
	y, ok2 := after.(json.Number)
	p, err := x.Float64()
	q, err2 := y.Float64()
	return ok && ok2 && err == nil && err2 == nil && p == q
}

// mustCross sends a document over the bridge and back, and returns how many values it had and how many were lost.
func mustCross(t *testing.T, data []byte) (values, lost int) {
	t.Helper()
	it, gone, err := activity.ToItem(mustDecode(t, data))
	if err != nil {
		t.Fatalf("ToItem: %v\n%.300s", err, data)
	}
	d, err := activity.FromItem(it)
	if errors.Is(err, activity.ErrTooLarge) {
		return 0, 0 // a list around a single tag is longer than the tag
	}
	if err != nil {
		t.Fatalf("FromItem: %v\n%.300s", err, data)
	}
	before, err := parse(mustMarshal(t, mustDecode(t, data)))
	if err != nil {
		t.Fatal(err)
	}
	after, err := parse(mustMarshal(t, d))
	if err != nil {
		t.Fatal(err)
	}
	k := keeper{lost: make(map[string]bool)}
	for _, path := range gone {
		k.lost[path] = true
	}
	if len(k.lost) != len(gone) {
		t.Errorf("listed twice: %q", gone)
	}
	k.keep("$", before, after)
	if len(k.faults) > 0 {
		t.Errorf("neither kept nor listed:\n\t%s\nlost %q\nread %.1000s", strings.Join(k.faults, "\n\t"), gone, data)
	}
	return k.values, len(gone)
}

func TestWhatIsNotListedAsLostIsKept(t *testing.T) {
	t.Parallel()
	values, lost := 0, 0
	for name, data := range wire(t) {
		v, l := mustCross(t, data)
		if values, lost = values+v, lost+l; t.Failed() {
			t.Fatal(name)
		}
	}
	t.Logf("%d values kept or embedded, %d paths lost", values, lost)
	if values < 1_500 || lost == 0 || lost > values/2 {
		t.Errorf("%d values and %d losses: that is not what these documents are", values, lost)
	}
}

func FuzzToItem(f *testing.F) {
	addSeeds(f)
	for _, data := range []string{
		`{"type":"Video","duration":"P1DT90.5S","tag":{"type":["x","Hashtag"],"rel":[{},"me"]},"published":["x","2026-05-01T12:00:00Z"]}`,
		`{"type":"Place","latitude":1e-400,"longitude":0.10,"radius":-0,"units":"\u0000"}`,
		`{"type":"x:Odd","actor":5,"target":[["x"],[]],"contentMap":{"-":"x","":"y","en":["z"]}}`,
	} {
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := activity.Decode(data); err == nil {
			mustCross(t, data)
		}
	})
}

// Whatever go-ap makes of a stranger's bytes, the bridge refuses it or writes all of it.
func FuzzFromItem(f *testing.F) {
	addSeeds(f)
	f.Add([]byte(`{"type":"Note","url":"x\",\"actor\":\"y","content":"\"\\n"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		it := theirs(data)
		if it == nil {
			return
		}
		d, err := activity.FromItem(it)
		if err != nil {
			if !errors.Is(err, activity.ErrMalformed) && !errors.Is(err, activity.ErrTooLarge) && !errors.Is(err, activity.ErrNoDocument) {
				t.Fatalf("an error of no kind: %v", err)
			}
			return
		}
		if _, lost, err := activity.ToItem(d); err != nil || len(lost) > 0 {
			t.Fatalf("an item that came from go-ap lost %q on the way back, %v\n%s", lost, err, mustMarshal(t, d))
		}
	})
}

// theirs is what go-ap reads, nil if it can't or panics.
func theirs(data []byte) (it vocab.Item) {
	defer func() {
		if recover() != nil {
			it = nil
		}
	}()
	it, err := vocab.UnmarshalJSON(data)
	if err != nil || vocab.IsNil(it) {
		return nil
	}
	return it
}
