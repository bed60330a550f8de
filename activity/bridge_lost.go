package activity

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strconv"

	"github.com/go-ap/jsonld"
)

// compareItem lists the paths at which theirs, an item written as JSON, does not say what ours does. See [ToItem].
func compareItem(path string, ours, theirs any, lost *[]string) {
	_, listed := ours.([]any)
	_, listing := theirs.([]any)
	o, isObject := ours.(map[string]any)
	t, both := theirs.(map[string]any)
	switch {
	case listed || listing:
		compareItems(path, ours, theirs, lost)
	case isObject && both:
		compareMembers(path, o, t, lost)
	case !sameScalar(ours, theirs):
		*lost = append(*lost, path)
	}
}

func compareMembers(path string, ours, theirs map[string]any, lost *[]string) {
	names := slices.AppendSeq(slices.Collect(maps.Keys(ours)), maps.Keys(theirs))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if name != string(jsonld.ContextKw) {
			compareItem(path+memberPath(name), ours[name], theirs[name], lost)
		}
	}
}

// compareItems walks two lists, of which theirs may lack elements of ours.
func compareItems(path string, ours, theirs any, lost *[]string) {
	_, listed := ours.([]any)
	o, t := listOf(ours), listOf(theirs)
	for i, one := range o {
		at := path
		if listed {
			at = fmt.Sprintf("%s[%d]", path, i)
		}
		if len(t) == 0 || !sameKind(one, t[0]) {
			*lost = append(*lost, at)
			continue
		}
		compareItem(at, one, t[0], lost)
		t = t[1:]
	}
	// Something new, or a list of nothing that is nothing now.
	if len(t) > 0 || listed && len(o) == 0 && theirs == nil {
		*lost = append(*lost, path)
	}
}

// sameKind reports whether theirs was made of ours: every object becomes one and every list, and nothing else does.
func sameKind(ours, theirs any) bool {
	switch ours.(type) {
	case map[string]any:
		_, ok := theirs.(map[string]any)
		return ok
	case []any:
		_, ok := theirs.([]any)
		return ok
	}
	return sameScalar(ours, theirs)
}

func sameScalar(ours, theirs any) bool {
	switch o := ours.(type) {
	case string:
		t, ok := theirs.(string)
		return ok && (o == t || sameInstant(o, t) || sameDuration(o, t))
	case json.Number:
		t, ok := theirs.(json.Number)
		return ok && sameNumber(o, t)
	case nil, bool:
		return ours == theirs
	}
	return false
}

func sameInstant(a, b string) bool {
	first, ok := parseInstant(a)
	if !ok {
		return false
	}
	second, ok := parseInstant(b)
	return ok && first.Equal(second)
}

func sameDuration(a, b string) bool {
	first, err := ParseDuration(a)
	if err != nil {
		return false
	}
	second, err := ParseDuration(b)
	return err == nil && first == second
}

// sameNumber compares exactly, whatever the spelling.
func sameNumber(a, b json.Number) bool {
	if a == b {
		return true
	}
	// Not for their precision, but because a big.Rat writes out its exponent.
	x, errX := a.Float64()
	y, errY := b.Float64()
	if errX != nil || errY != nil || x != y || x == 0 {
		return false
	}
	exactA, okA := new(big.Rat).SetString(a.String())
	exactB, okB := new(big.Rat).SetString(b.String())
	return okA && okB && exactA.Cmp(exactB) == 0
}

var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// memberPath is .name, or ["x:name"] for a name that does not stand by itself.
func memberPath(name string) string {
	if plainName.MatchString(name) {
		return "." + name
	}
	return "[" + strconv.Quote(name) + "]"
}
