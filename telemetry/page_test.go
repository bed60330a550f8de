package telemetry_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/telemetry"
)

// rows are what the tables of docs/telemetry.md say, by the title above them.
func rows() map[string][]string {
	table := map[string][]string{}
	attributes := map[string]telemetry.Attribute{}
	names := func(list []telemetry.Attribute) string {
		var out []string
		for _, a := range list {
			out, attributes[a.Name] = append(out, "`"+a.Name+"`"), a
		}
		return strings.Join(out, ", ")
	}
	for _, m := range telemetry.Metrics() {
		table["Metrics"] = append(table["Metrics"], fmt.Sprintf("| `%s` | %s | %s | %s | %s |", m.Name, m.Kind, m.Unit, m.About, names(m.Attributes)))
	}
	for _, s := range telemetry.Spans() {
		table["Spans"] = append(table["Spans"], fmt.Sprintf("| `%s` | %s | %s | %s | %s |", s.Name, s.Kind, s.Parent, s.About, names(s.Attributes)))
	}
	for _, a := range attributes {
		values := "any; in spans alone"
		if a.Values != nil {
			values = strings.Join(a.Values, ", ")
		}
		table["Attributes"] = append(table["Attributes"], fmt.Sprintf("| `%s` | %s | %s |", a.Name, a.About, values))
	}
	slices.Sort(table["Attributes"])
	return table
}

func TestThePageListsWhatIsToldAndNothingElse(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/telemetry.md")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	title := ""
	for line := range strings.Lines(string(page)) {
		line = strings.TrimSuffix(line, "\n")
		if after, ok := strings.CutPrefix(line, "## "); ok {
			title = after
		}
		if strings.HasPrefix(line, "| `") {
			got[title] = append(got[title], line)
		}
	}
	want := rows()
	for title := range got {
		if want[title] == nil {
			t.Errorf("nothing is to be listed under %q", title)
		}
	}
	for title, list := range want {
		if !slices.Equal(got[title], list) {
			t.Errorf("under %q the page has\n%s\nand the code\n%s", title, strings.Join(got[title], "\n"), strings.Join(list, "\n"))
		}
	}
	var examples []byte
	for _, name := range []string{"example_test.go", "../example_telemetry_test.go"} {
		code, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		examples = append(examples, code...)
	}
	blocks := regexp.MustCompile("(?ms)^```go\n(.*?)^```$").FindAllStringSubmatch(string(page), -1)
	if len(blocks) == 0 {
		t.Error("the page shows no code")
	}
	for _, b := range blocks {
		if !strings.Contains(string(examples), b[1]) {
			t.Errorf("no Example has\n%s", b[1])
		}
	}
}

// What takes part in every series must have few values, and none that a stranger chooses.
func TestNoMetricHasManySeries(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	all := 0
	for _, m := range telemetry.Metrics() {
		series := 1
		for _, a := range m.Attributes {
			if len(a.Values) == 0 || len(a.Values) != len(slices.Compact(slices.Sorted(slices.Values(a.Values)))) {
				t.Errorf("%s has %s with the values %q", m.Name, a.Name, a.Values)
			}
			series *= len(a.Values)
		}
		if all += series; series > 300 {
			t.Errorf("%s may have %d series", m.Name, series)
		}
		if seen[m.Name] || !regexp.MustCompile(`^fedihook(\.[a-z_]+)+$`).MatchString(m.Name) {
			t.Errorf("%s is listed twice, or has an odd name", m.Name)
		}
		seen[m.Name] = true
		if (m.Kind == telemetry.Histogram) != (m.Buckets != nil) || !slices.IsSorted(m.Buckets) {
			t.Errorf("%s is a %s with the bounds %v", m.Name, m.Kind, m.Buckets)
		}
		if !regexp.MustCompile(`^(s|By|\{[a-z]+\})$`).MatchString(m.Unit) {
			t.Errorf("%s is in %q", m.Name, m.Unit)
		}
	}
	if all > 1500 {
		t.Errorf("there may be %d series", all)
	}
}
