package main

import (
	"context"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/signature"
)

func TestTheWalkPasses(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := run(t.Context(), &out); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	want := `204  an order of the shop is booked
204  so is the next
409  the same bytes again are refused
401  so is another amount under the old signature
401  and an order that nobody signed
403  and one of a shop that is no customer
booked: 300
`
	if out.String() != want {
		t.Errorf("%s", &out)
	}
}

// Each rule is what makes its step come out so.
func TestWithoutTheVerifierEverythingIsBooked(t *testing.T) {
	t.Parallel()
	books := &bookkeeper{}
	url, stop, err := serve(t.Context(), func(string) http.Handler { return http.HandlerFunc(books.book) })
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if status, err := unsigned(t.Context(), url); err != nil || status != http.StatusNoContent || books.total() != 300 {
		t.Errorf("%d, %v, booked %d", status, err, books.total())
	}
}

func TestKeysThatCannotBeHadAreErrors(t *testing.T) {
	t.Parallel()
	url, stop, err := serve(t.Context(), func(string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/gone") {
				http.NotFound(w, r)
			}
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	k := &keys{known: map[string]signature.PublicKey{}}
	for _, id := range []string{url + "/elsewhere", url + "/gone/key", url + "/empty/key", "http://127.0.0.1:1/key", "http://%/key"} {
		if key, err := k.PublicKey(context.Background(), id); err == nil || key.Key != nil {
			t.Errorf("%s: %+v, %v", id, key, err)
		}
	}
	if len(k.known) != 0 {
		t.Error("something is kept")
	}
}

// What a webhook needs is small: no ActivityPub, no JSON-LD, no database.
func TestItNeedsPackageSignatureAlone(t *testing.T) {
	t.Parallel()
	list, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	ours := 0
	for _, path := range strings.Fields(string(list)) {
		if rest, ok := strings.CutPrefix(path, "github.com/fedihook/fedihook/"); ok {
			if ours++; rest != "signature" && rest != "examples/signing" {
				t.Errorf("it reaches %s", path)
			}
		}
		for _, heavy := range []string{"go-ap", "bluemonday", "json-gold", "sqlite", "pgx", "lib/pq"} {
			if strings.Contains(path, heavy) {
				t.Errorf("it reaches %s", path)
			}
		}
	}
	if ours != 2 {
		t.Errorf("%d packages of this module", ours)
	}
}
