package fedihook_test

import (
	"flag"
	"io"
	"testing"

	"github.com/fedihook/fedihook"
)

func TestHostsOfATrialAreReadFromFlags(t *testing.T) {
	t.Parallel()
	var hosts fedihook.Loopback
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Var(&hosts, "host", "")
	if err := flags.Parse([]string{"-host", "b.test=[::1]:81", "-host", "a.test:444=127.0.0.2:80"}); err != nil {
		t.Fatal(err)
	}
	if got, want := hosts.String(), "a.test:444=127.0.0.2:80 b.test=[::1]:81"; got != want {
		t.Errorf("%s, not %s", got, want)
	}
	for _, wrong := range []string{"", "a.test", "=127.0.0.1:80", "a.test=127.0.0.1", "a.test=192.0.2.1:80", "a.test=localhost:80", "a.test="} {
		if err := hosts.Set(wrong); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
	if len(hosts) != 2 {
		t.Errorf("%v", hosts)
	}
}
