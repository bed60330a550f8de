package fedihook_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/moderation"
)

// Whoever has blocked an author is not told when others share what that author wrote, where it is known whose it is.
func TestAUsersBlockIsAlsoOfWhatOthersShare(t *testing.T) {
	t.Parallel()
	owner := func(_ context.Context, id string) (string, error) {
		if strings.HasPrefix(id, "https://there.example/bobs/") {
			return "https://there.example/users/bob", nil
		}
		return "", nil
	}
	inModerated(t, func(c *fedihook.Config) { c.Owner = owner }, func(t *testing.T, w *moderated) {
		w.moderate(t, moderation.Rule{Key: moderation.Key{Local: "alice", About: w.bob.ID()}, Severity: moderation.Suspend})
		for name, want := range map[string]int{"https://there.example/bobs/1": 1, "https://there.example/carols/1": 2} {
			before := len(w.of("Announce", w.carol.ID()))
			a := &activity.Activity{Type: activity.Types{"Announce"}, Object: activity.Refs{activity.IRI(name)}, To: activity.To(alice, erin)}
			if got := w.carol.Send(a, alice); got != http.StatusAccepted {
				t.Fatalf("the Announce was answered %d", got)
			}
			settle()
			heard := w.of("Announce", w.carol.ID())
			if len(heard) != before+1 {
				t.Fatalf("%s: %d were heard of", name, len(heard)-before)
			}
			if to := heard[before].To; len(to) != want {
				t.Errorf("%s is for %q", name, to)
			}
		}
	})
}

// Of an activity that names more than is looked at the last might be suspended.
func TestWhatSharesMoreThanCanBeJudgedIsDropped(t *testing.T) {
	t.Parallel()
	inModerated(t, nil, func(t *testing.T, w *moderated) {
		w.moderate(t, suspend("bad.example"))
		for _, last := range []string{"https://good.example/2", "https://bad.example/1"} {
			a := &activity.Activity{Type: activity.Types{"Announce"}, To: activity.To(alice)}
			for i := range 200 {
				if i == 199 && last == "https://good.example/2" {
					break // as many as are looked at
				}
				a.Object = append(a.Object, activity.IRI("https://good.example/1"))
			}
			a.Object = append(a.Object, activity.IRI(last))
			if got := w.carol.Send(a, alice); got != http.StatusAccepted {
				t.Fatalf("%s: %d", last, got)
			}
			settle()
		}
		heard := w.of("Announce", w.carol.ID())
		if len(heard) != 1 || len(heard[0].Activity.Object) != 200 {
			t.Errorf("%d were heard of, want the one that could be judged", len(heard))
		}
	})
}
