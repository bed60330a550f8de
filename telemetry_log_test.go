package fedihook_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
)

// lines are what was logged, of all levels.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Split(strings.TrimSpace(l.b.String()), "\n")
}

// logsNothingSecret fails for lines with what no line may have.
func logsNothingSecret(t *testing.T, logged []string) {
	t.Helper()
	for _, line := range logged {
		for _, secret := range []string{"2001:db8", "127.0.0.1", "a word between us", "PRIVATE KEY", "signature=", "Authorization"} {
			if strings.Contains(line, secret) {
				t.Errorf("logged %q: %s", secret, line)
			}
		}
	}
}

func TestWhatGoesWellIsNotLoggedAboveInfo(t *testing.T) {
	t.Parallel()
	var logged lines
	inFediverseWith(t, func(c *fedihook.Config) {
		c.Logger = slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}, func(t *testing.T, v *fediverse) {
		v.followed(t)
		if _, err := v.Follow(t.Context(), "alice", v.bob.ID()); err != nil {
			t.Fatal(err)
		}
		v.there.Wait("Follow")
		id := v.publish(t)
		v.there.Wait("Create")
		v.bob.Like(id)
		v.bob.Announce(id)
		v.bob.Create(v.bob.Reply(id, "<p>a word between us</p>"))
		note := v.bob.Direct(alice, "<p>a word between us</p>")
		v.bob.Create(note)
		v.bob.Delete(note.ID)
		if _, err := v.Publish(t.Context(), "alice", &activity.Object{Content: "<p>a word between us</p>", To: activity.To(v.bob.ID())}); err != nil {
			t.Fatal(err)
		}
		if _, err := v.Update(t.Context(), "alice", &activity.Object{ID: id, Content: "<p>other</p>"}); err != nil {
			t.Fatal(err)
		}
		v.there.Wait("Update")
		if _, err := v.Delete(t.Context(), "alice", id); err != nil {
			t.Fatal(err)
		}
		v.there.Wait("Delete")
		v.bob.Undo("Follow", alice)
		time.Sleep(time.Minute)
		list := logged.all()
		if len(list) < 5 {
			t.Errorf("only this was logged: %q", list)
		}
		for _, line := range list {
			if !strings.Contains(line, "level=DEBUG") && !strings.Contains(line, "level=INFO") {
				t.Error(line)
			}
		}
		logsNothingSecret(t, list)
	})
}

func TestWhatIsRefusedIsLoggedWithoutWhoAskedAndWhatItSaid(t *testing.T) {
	t.Parallel()
	var logged lines
	inFediverseWith(t, func(c *fedihook.Config) {
		c.Logger = slog.New(slog.NewTextHandler(&logged, nil))
	}, func(t *testing.T, v *fediverse) {
		resp, err := v.net.Client().Post("https://blog.example/ap/inbox", "application/activity+json", strings.NewReader(`{"content":"a word between us"`))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		note := v.bob.Direct(alice, "<p>a word between us</p>")
		status, err := post(t, v, note)
		if err != nil || status != http.StatusUnauthorized {
			t.Errorf("without a signature it is answered %d, %v", status, err)
		}
		list := logged.all()
		if n := strings.Count(strings.Join(list, "\n"), "inbox: refused"); n != 2 {
			t.Errorf("%d were logged: %q", n, list)
		}
		logsNothingSecret(t, list)
	})
}

// post sends a note without a signature.
func post(t *testing.T, v *fediverse, note *activity.Object) (status int, err error) {
	t.Helper()
	body, err := (&activity.Activity{
		ID: note.ID + "/create", Type: activity.Types{"Create"}, Actor: activity.IRI(v.bob.ID()), Object: activity.Refs{activity.Embed(note)},
		To: activity.To(alice),
	}).MarshalJSON()
	if err != nil {
		return 0, err
	}
	resp, err := v.net.Client().Post("https://blog.example/ap/inbox", "application/activity+json", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	resp.Body.Close()
	return resp.StatusCode, nil
}
