package arrows_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestTheCheckerTellsGoodEdgesFromBadOnes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		file string
		path string // the import; ours without the module's path
		good bool
	}{
		{"a room may import what its row lists", "actor/resolver.go", "/signature", true},
		{"storage may import the queue's stores", "storage/sqlite.go", "/storage/queue", true},
		{"the façade may import any room", "server.go", "/inbox", true},
		{"the façade may import sub-packages", "server.go", "/signature/ldsig", true},
		{"the façade may import the guarded client", "server.go", "/internal/safehttp", true},
		{"an example may import the façade", "examples/blog/main.go", "", true},
		{"the example that goes without the façade does not import it", "examples/toolkit/wire.go", "", false},
		{"nor do its tests", "examples/toolkit/wire_test.go", "", false},
		{"an example may import its own packages", "examples/blog/main.go", "/examples/blog/page", true},
		{"telemetry knows the rooms that it observes", "telemetry/inbox.go", "/inbox", true},
		{"and is known by the façade", "server.go", "/telemetry", true},
		{"but not by a room", "delivery/post.go", "/telemetry", false},
		{"interop may import an internal package", "interop/fedify/peer.go", "/internal/safehttp", true},
		{"a room's test may import a store", "delivery/queue_test.go", "/storage/queue", true},
		{"a room's test may import a test package", "inbox/inbox_test.go", "/inbox/inboxtest", true},
		{"the façade's test may import the façade", "server_test.go", "", true},
		{"an example's test may import its example", "examples/blog/main_test.go", "/examples/blog/page", true},
		{"interop may import a double", "interop/threads/threads_test.go", "/internal/threadslike", true},
		{"a double may import the standard library", "internal/threadslike/server.go", "net/http", true},
		{"the standard library is everyone's", "activity/note.go", "net/http", true},
		{"activity may import go-ap", "activity/bridge.go", "github.com/go-ap/activitypub", true},
		{"an example may choose a driver", "examples/blog/main.go", "modernc.org/sqlite", true},
		{"a test may choose a driver", "storage/sqlite_test.go", "modernc.org/sqlite", true},

		{"activity imports nothing of ours", "activity/note.go", "/signature", false},
		{"signature imports nothing of ours", "signature/sign.go", "/activity", false},
		{"signature does not import the guarded client", "signature/sign.go", "/internal/safehttp", false},
		{"delivery knows nothing of ActivityPub", "delivery/queue.go", "/activity", false},
		{"delivery does not import its stores", "delivery/queue.go", "/storage/queue", false},
		{"inbox does not import actor", "inbox/inbox.go", "/actor", false},
		{"outbox does not import delivery", "outbox/outbox.go", "/delivery", false},
		{"a room does not import the façade", "inbox/inbox.go", "", false},
		{"a room does not import its own sub-package", "activity/note.go", "/activity/html", false},
		{"a sub-package imports its parent only", "signature/ldsig/sign.go", "/activity", false},
		{"the façade does not import SQL dialects", "server.go", "/internal/sqldb", false},
		{"the façade does not import an example", "server.go", "/examples/blog", false},
		{"an example does not import an internal package", "examples/blog/main.go", "/internal/safehttp", false},
		{"an example does not import another", "examples/blog/main.go", "/examples/goap/page", false},
		{"an internal package imports no room", "internal/sqldb/tx.go", "/storage", false},
		{"a double imports no room", "internal/threadslike/server.go", "/signature", false},
		{"nor does that of Lemmy", "internal/lemmylike/server.go", "/activity", false},
		{"nor do its tests", "internal/threadslike/server_test.go", "/signature", false},
		{"nor another's library", "internal/threadslike/server.go", "golang.org/x/sync/errgroup", false},
		{"nor telemetry", "internal/threadslike/server.go", "/telemetry", false},
		{"a room's test does not import the façade", "inbox/inbox_test.go", "", false},
		{"a room's test does not import an example", "inbox/inbox_test.go", "/examples/blog", false},
		{"no one knows a room that is not in the table", "util/strings.go", "strings", false},
		{"nor one that begins like one", "activitypub/note.go", "strings", false},
		{"go-ap is activity's alone", "inbox/inbox.go", "github.com/go-ap/activitypub", false},
		{"httpsig is signature's alone", "actor/key.go", "github.com/go-fed/httpsig", false},
		{"no room chooses a driver", "storage/sqlite.go", "modernc.org/sqlite", false},
		{"nor a version of one", "storage/postgres.go", "github.com/jackc/pgx/v5/stdlib", false},
	} {
		path := c.path
		if path == "" || strings.HasPrefix(path, "/") {
			path = module + path
		}
		f, err := readFile(c.file, fmt.Sprintf("package p\n\nimport _ %q\n", path))
		if err != nil {
			t.Fatal(err)
		}
		f.name, f.test = c.file, strings.HasSuffix(c.file, "_test.go")
		f.room = "."
		if i := strings.LastIndex(c.file, "/"); i >= 0 {
			f.room = c.file[:i]
		}
		faults := check([]file{f})
		if good := len(faults) == 0; good != c.good {
			t.Errorf("%s: %s imports %s: faults are %q", c.name, c.file, path, faults)
		}
		if len(faults) > 0 && !strings.Contains(faults[0], c.file) {
			t.Errorf("%s: the fault does not name the file: %s", c.name, faults[0])
		}
	}
}

func TestTheCheckerSeesWhoDials(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, room, code string
		good             bool
	}{
		{"the default client", "actor", `import "net/http"; var c = http.DefaultClient`, false},
		{"under another name", "actor", `import web "net/http"; func f() { web.Get("x") }`, false},
		{"a dialer", "delivery", `import "net"; var d net.Dialer`, false},
		{"the guarded client's own dialer", "internal/safehttp", `import "net"; var d net.Dialer`, true},
		{"an example", "examples/blog", `import "net/http"; func f() { http.Get("x") }`, true},
		{"a method of that name", "actor", `import "net/http"; func f(h http.Header) { h.Get("x") }`, true},
	} {
		f, err := readFile(c.room+"/x.go", "package p; "+c.code)
		if err != nil {
			t.Fatal(err)
		}
		f.room = c.room
		if faults := check([]file{f}); len(faults) == 0 != c.good {
			t.Errorf("%s in %s: faults are %q", c.name, c.room, faults)
		}
	}
}

func TestTheCheckerSeesWhatALeanExampleReaches(t *testing.T) {
	t.Parallel()
	deps := []string{"net/http", module + "/delivery", module + "/activity", module + "/activity/html",
		"github.com/go-ap/activitypub", "modernc.org/sqlite", "modernc.org/libc", "github.com/jackc/pgx/v5"}
	got := strings.Join(checkLean("examples/queue", deps, []string{"net/http", "modernc.org/sqlite"}), "\n")
	want := strings.Join([]string{
		"examples/queue reaches " + module + "/activity",
		"examples/queue reaches " + module + "/activity/html",
		"examples/queue reaches github.com/go-ap/activitypub",
		"examples/queue reaches github.com/jackc/pgx/v5",
	}, "\n")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestEveryRowOfTheTableNamesPackagesOfTheTable(t *testing.T) {
	t.Parallel()
	for row, right := range rooms {
		for _, to := range right {
			if _, ok := rowOf(to); !ok && to != "..." && to != "exported" {
				t.Errorf("%s may import %s, which is not in the table", row, to)
			}
		}
	}
}
