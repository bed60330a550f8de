package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

func TestItemsFederate(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if code := run(t.Context(), &out); code != 0 {
		t.Fatalf("exit status %d\n%s", code, &out)
	}
	for _, want := range []string{`lost: ["$.sensitive"]`, `b.test/ns#mood`, "\n10 passed, 0 failed\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, &out)
		}
	}
}

func TestAWalkThatEndsEarlyFails(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out bytes.Buffer
	if code := run(ctx, &out); code != 1 || strings.HasSuffix(out.String(), " 0 failed\n") || !strings.Contains(out.String(), "FAILED ") {
		t.Errorf("exit status %d\n%s", code, &out)
	}
}
