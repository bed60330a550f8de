package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// stay runs examples/twoservers until the test ends, and returns the flags by which its servers are found.
func stay(t *testing.T) (flags []string) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "twoservers")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../twoservers").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	servers := exec.CommandContext(t.Context(), program, "-stay")
	servers.Cancel = func() error { return servers.Process.Signal(os.Interrupt) }
	out, err := servers.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := servers.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if _, rest, ok := strings.Cut(lines.Text(), "fedictl lookup @alice@a.test "); ok {
			t.Cleanup(func() { // after the test's context has ended
				for lines.Scan() {
				}
				if err := servers.Wait(); !servers.ProcessState.Success() {
					t.Errorf("twoservers: %v, %v", err, servers.ProcessState)
				}
			})
			return strings.Fields(rest)
		}
		if strings.Contains(lines.Text(), "FAILED") {
			t.Log(lines.Text())
		}
	}
	t.Fatalf("twoservers did not stay: %v", servers.Wait())
	return nil
}

func TestItFindsItsWayAroundTheServersOfTheExample(t *testing.T) {
	t.Parallel()
	flags := stay(t)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"lookup", "@alice@a.test"}, "id: http://a.test/ap/users/alice\n"},
		{[]string{"lookup", "http://b.test/ap/users/bob"}, "@bob@b.test\n"},
		{[]string{"webfinger", "@bob@b.test"}, "href: http://b.test/ap/users/bob\n"},
		{[]string{"nodeinfo", "b.test"}, "name: twoservers"},
		{[]string{"actor", "check", "http://a.test/ap/actor"}, "impaired at: Threads\n"},
	} {
		if status, out, errs := fedictl(t, "", append(c.args, flags...)...); status == 2 || !strings.Contains(out, c.want) || strings.Contains(out, "refused by") {
			t.Errorf("%q: exit status %d, said %q and\n%s", c.args, status, errs, out)
		}
	}
}
