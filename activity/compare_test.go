package activity_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// differences lists the paths at which two JSON texts do not say the same. They do where [x] stands
// for x, null for nothing, an instant for the same instant, and Public for its full name. It
// shares no code with the package under test.
func differences(before, after []byte) ([]string, error) {
	b, err := parse(before)
	if err != nil {
		return nil, err
	}
	a, err := parse(after)
	if err != nil {
		return nil, err
	}
	var out []string
	compare("$", b, a, &out)
	return out, nil
}

func parse(data []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber() // 2^53 and beyond must not be rounded on both sides alike
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("%w in %.200s", err, data)
	}
	if d.More() {
		return nil, fmt.Errorf("more than one value in %.200s", data)
	}
	return v, nil
}

func compare(path string, before, after any, out *[]string) {
	before, after = alone(before), alone(after)
	switch b := before.(type) {
	case map[string]any:
		a, ok := after.(map[string]any)
		if !ok {
			break
		}
		names := slices.Sorted(maps.Keys(b))
		for name := range a {
			if _, ok := b[name]; !ok {
				names = append(names, name)
			}
		}
		for _, name := range names {
			compare(path+"."+name, b[name], a[name], out)
		}
		return
	case []any:
		a, ok := after.([]any)
		if !ok || len(a) != len(b) {
			break
		}
		for i := range b {
			compare(fmt.Sprintf("%s[%d]", path, i), b[i], a[i], out)
		}
		return
	case string:
		if a, ok := after.(string); ok && sameText(b, a) {
			return
		}
	default: // nil, bool, json.Number
		if before == after {
			return
		}
	}
	*out = append(*out, fmt.Sprintf("%s: %v became %v", path, before, after))
}

func alone(v any) any {
	if list, ok := v.([]any); ok && len(list) == 1 {
		return list[0]
	}
	return v
}

var public = []string{"https://www.w3.org/ns/activitystreams#Public", "as:Public", "Public"}

func sameText(a, b string) bool {
	if a == b || slices.Contains(public, a) && slices.Contains(public, b) {
		return true
	}
	first, ok := instant(a)
	if !ok {
		return false
	}
	second, ok := instant(b)
	return ok && first.Equal(second)
}

var dateTime = regexp.MustCompile(`^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d):?(\d\d)?$`)

func instant(s string) (time.Time, bool) {
	m := dateTime.FindStringSubmatch(s)
	if m == nil {
		return time.Time{}, false
	}
	zone := m[3]
	if zone != "Z" {
		zone += ":" + m[4]
	}
	t, err := time.Parse(time.RFC3339, m[1]+m[2]+zone)
	return t, err == nil
}

func mustKeep(t *testing.T, before, after []byte) {
	t.Helper()
	lost, err := differences(before, after)
	if err != nil {
		t.Fatal(err)
	}
	if len(lost) > 0 {
		t.Errorf("not kept:\n\t%s\nread    %.600s\nwritten %.600s", strings.Join(lost, "\n\t"), before, after)
	}
}

func TestTheComparerSeesWhatChanged(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, before, after string
		same                bool
	}{
		{"one alone is one in a list", `{"a":["x"],"b":"y"}`, `{"a":"x","b":["y"]}`, true},
		{"null is nothing", `{"a":null}`, `{}`, true},
		{"instants are equal", `{"a":"2024-01-01T01:00:00.500+01:00"}`, `{"a":"2024-01-01T00:00:00.5Z"}`, true},
		{"public is public", `{"a":["Public","x"]}`, `{"a":["https://www.w3.org/ns/activitystreams#Public","x"]}`, true},
		{"order of members", `{"a":1,"b":2}`, `{"b":2,"a":1}`, true},
		{"a lost member", `{"a":1}`, `{}`, false},
		{"a new member", `{}`, `{"a":1}`, false},
		{"a lost element", `{"a":[1,2,3]}`, `{"a":[1,2]}`, false},
		{"another order", `{"a":[1,2]}`, `{"a":[2,1]}`, false},
		{"another string", `{"a":"x"}`, `{"a":"X"}`, false},
		{"a rounded number", `{"a":9007199254740993}`, `{"a":9007199254740992}`, false},
		{"another spelling of a number", `{"a":1.0}`, `{"a":1}`, false},
		{"a number that became a string", `{"a":1}`, `{"a":"1"}`, false},
		{"false that became nothing", `{"a":false}`, `{}`, false},
		{"the empty list that became nothing", `{"a":[]}`, `{}`, false},
		{"the empty string that became null", `{"a":["","x"]}`, `{"a":[null,"x"]}`, false},
		{"another instant", `{"a":"2024-01-01T00:00:00Z"}`, `{"a":"2024-01-01T00:00:01Z"}`, false},
		{"deep inside", `{"a":[{"b":{"c":[1,{"d":2}]}}]}`, `{"a":{"b":{"c":[1,{"d":3}]}}}`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := differences([]byte(tt.before), []byte(tt.after))
			if err != nil || (len(got) == 0) != tt.same {
				t.Errorf("differences: %q, %v; the same: %v", got, err, tt.same)
			}
		})
	}
}
