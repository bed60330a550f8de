//go:build interop

package fedify_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os/exec"
	"slices"
	"testing"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/interop/jsonld"
)

// TestFedifysProcessorReadsEveryIRIBackAsAnIRI expands every field that refers to something with the processor and the
// contexts that Fedify brings along.
func TestFedifysProcessorReadsEveryIRIBackAsAnIRI(t *testing.T) {
	t.Parallel()
	cases := jsonld.Cases()
	var in bytes.Buffer
	for _, c := range cases {
		raw, err := activity.Encode(c.Document)
		if err != nil {
			t.Fatal(err)
		}
		in.Write(append(raw, '\n'))
	}
	run := exec.CommandContext(t.Context(), node, "expand.mjs")
	run.Stdin = &in
	var errs bytes.Buffer
	run.Stderr = &errs
	out, err := run.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &errs)
	}
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<20)
	for _, c := range cases {
		var answer struct {
			Expanded any
			Error    string
		}
		if !lines.Scan() {
			t.Fatalf("no answer about %s", c.Name)
		}
		if err := json.Unmarshal(lines.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
		if answer.Error != "" || !slices.Contains(jsonld.IRIs(answer.Expanded), c.IRI) {
			t.Errorf("%s: %s %v", c.Name, answer.Error, answer.Expanded)
		}
	}
}
