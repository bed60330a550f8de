package docs_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/outbox"
)

// TestThePageAboutGiantsHasTheLibrarysTable compares the page's table with what an app is told.
func TestThePageAboutGiantsHasTheLibrarysTable(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("giants.md")
	if err != nil {
		t.Fatal(err)
	}
	const head = "| direction | what | sentence | who says so | when |\n|---|---|---|---|---|\n"
	_, rest, ok := strings.Cut(string(text), head)
	if !ok {
		t.Fatal("the page has no such table")
	}
	got, _, _ := strings.Cut(rest, "\n\n")
	var want []string
	for _, f := range outbox.Flows("threads.net") {
		way := "to them"
		if f.Way == outbox.FromThem {
			way = "from them"
		}
		want = append(want, fmt.Sprintf("| %s | %s | %s | %s | %s |", way, f.Kind, f.Sentence, f.Source, f.Seen))
	}
	if table := strings.Join(want, "\n"); table == "" || got != table {
		t.Errorf("the page has\n%s\nand the library\n%s", got, table)
	}
}
