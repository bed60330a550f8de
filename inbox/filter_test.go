package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/inbox"
)

func TestTheFilterDecidesBeforeThe202(t *testing.T) {
	t.Parallel()
	says := func(v inbox.Verdict, err error) func(context.Context, *inbox.Message) (inbox.Verdict, error) {
		return func(context.Context, *inbox.Message) (inbox.Verdict, error) { return v, err }
	}
	for _, c := range []struct {
		name         string
		filter       func(context.Context, *inbox.Message) (inbox.Verdict, error)
		status, runs int
		held         int
	}{
		{"pass", says(inbox.Verdict{}, nil), 202, 1, 0},
		{"drop", says(inbox.Verdict{Decision: inbox.Drop}, nil), 202, 0, 0},
		{"refuse", says(inbox.Verdict{Decision: inbox.Refuse}, nil), 403, 0, 0},
		{"hold", says(inbox.Verdict{Decision: inbox.Hold}, nil), 202, 0, 1},
		{"an unknown decision", says(inbox.Verdict{Decision: 9}, nil), 503, 0, 0},
		{"an error", says(inbox.Verdict{}, errors.New("away")), 503, 0, 0},
		{"a panic", func(context.Context, *inbox.Message) (inbox.Verdict, error) { panic("what") }, 503, 0, 0},
		{"too late", func(ctx context.Context, _ *inbox.Message) (inbox.Verdict, error) {
			<-ctx.Done()
			return inbox.Verdict{}, nil
		}, 503, 0, 0},
		{"never", func(context.Context, *inbox.Message) (inbox.Verdict, error) {
			time.Sleep(2 * time.Second)
			return inbox.Verdict{}, nil
		}, 503, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			runs := 0
			b := newBench(t, func(conf *inbox.Config) {
				conf.Filter = c.filter
				conf.Hooks.Like = func(context.Context, *inbox.Message) error { runs++; return nil }
			})
			start := time.Now()
			if status := b.post(bob, act("Like", there+"/a/1", bob, here+"/ap/objects/1")); status != c.status {
				t.Errorf("status %d, want %d", status, c.status)
			}
			if took := time.Since(start); took > time.Second {
				t.Errorf("it took %s", took)
			}
			b.run()
			held, err := b.Shelved(t.Context(), inbox.Held, 0, 10)
			if err != nil || len(held) != c.held || runs != c.runs {
				t.Errorf("ran %d times, want %d; %d held, want %d; %v", runs, c.runs, len(held), c.held, err)
			}
		})
	}
}

func TestWhatTheFilterStripsDoesNotReachTheHook(t *testing.T) {
	t.Parallel()
	var got *inbox.Message
	var seen []string
	b := newBench(t, func(c *inbox.Config) {
		c.Filter = func(_ context.Context, m *inbox.Message) (inbox.Verdict, error) {
			o := m.Object.(*activity.Object)
			seen = append(seen, fmt.Sprint(m.To, len(o.Tag), len(o.Attachment)))
			return inbox.Verdict{StripMedia: true, StripTags: true, StripMentions: true, Labels: []string{"spam?"}}, nil
		}
		c.Hooks.Create = func(_ context.Context, m *inbox.Message) error { got = m; return nil }
	})
	body := act("Create", there+"/a/1", bob, object{
		"id": there + "/n/1", "type": "Note", "to": alice, "content": "x",
		"tag":        []any{object{"type": "Mention", "href": alice}, object{"type": "Hashtag", "name": "#buy"}},
		"attachment": []any{object{"type": "Image", "url": "https://evil.example/1.png"}},
	})
	b.post(bob, body)
	b.run()
	if !slices.Equal(seen, []string{fmt.Sprint([]string{alice}, 2, 1)}) {
		t.Errorf("the filter saw %q", seen)
	}
	o := got.Object.(*activity.Object)
	if len(o.Tag)+len(o.Attachment)+len(got.To) != 0 || o.Content != "x" || !slices.Equal(got.Labels, []string{"spam?"}) || string(got.Body) != body {
		t.Errorf("the hook got %+v of %+v", o, got)
	}
	embedded, err := got.Activity.Object[0].Document()
	if err != nil || len(embedded.(*activity.Object).Tag) != 0 {
		t.Errorf("the activity carries %v, %v", embedded, err)
	}
}

func TestWhatIsHeldRunsWhenItIsReleasedAndNeverIfDiscarded(t *testing.T) {
	t.Parallel()
	var runs []string
	asked := 0
	b := newBench(t, func(c *inbox.Config) {
		c.Workers = 1
		c.MaxHeld = 3
		c.Filter = func(context.Context, *inbox.Message) (inbox.Verdict, error) {
			asked++
			return inbox.Verdict{Decision: inbox.Hold, Reason: "new here", Labels: []string{"new"}}, nil
		}
		c.Hooks.Create = func(_ context.Context, m *inbox.Message) error {
			runs = append(runs, fmt.Sprint(m.ObjectID, m.By, m.Labels))
			return nil
		}
	})
	create := func(i int) string {
		id := fmt.Sprintf("%s/n/%d", there, i)
		return act("Create", id+"/a", bob, object{"id": id, "type": "Note", "attributedTo": bob, "to": alice})
	}
	for i := range 2 {
		b.post(bob, create(i))
	}
	b.peers.docs[there+"/n/2"] = `{"id":"` + there + `/n/2","type":"Note","attributedTo":"` + bob + `","to":"` + alice + `"}`
	b.post(eve, create(2)) // held when it is proved
	b.run()
	if status := b.post(bob, create(3)); status != 503 {
		t.Errorf("a fourth: status %d", status)
	}
	held, err := b.Shelved(t.Context(), inbox.Held, 0, 10)
	if err != nil || len(held) != 3 || len(runs) != 0 || asked != 4 {
		t.Fatalf("%d held, %v; ran %q; asked %d times", len(held), err, runs, asked)
	}
	_, m, err := b.Show(t.Context(), inbox.Held, held[1].Seq)
	if err != nil || m.ObjectID != there+"/n/1" && m.ObjectID != there+"/n/0" || m.Sender != bob {
		t.Errorf("shown %+v, %v", m, err)
	}
	var released []string
	for _, e := range held {
		if string(e.Body) == create(1) {
			if err := b.Discard(t.Context(), inbox.Held, e.Seq); err != nil {
				t.Error(err)
			}
			continue
		}
		if err := b.Retry(t.Context(), inbox.Held, e.Seq); err != nil {
			t.Error(err)
		}
		released = append(released, string(e.Body))
	}
	b.run()
	slices.Sort(runs)
	want := []string{fmt.Sprint(there+"/n/0", inbox.ByRequest, []string{"new"}), fmt.Sprint(there+"/n/2", inbox.ByOrigin, []string(nil))}
	if len(released) != 2 || !slices.Equal(runs, want) || asked != 4 {
		t.Errorf("ran %q, want %q; asked %d times", runs, want, asked)
	}
	if err := b.Retry(t.Context(), inbox.Held, held[0].Seq); !errors.Is(err, inbox.ErrNoEntry) {
		t.Errorf("released twice: %v", err)
	}
}

func TestADeadLetterRunsAgainUnlessItWasDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	var runs []string
	broken := true
	b := newBench(t, func(c *inbox.Config) {
		c.Workers = 1
		c.GiveUp = time.Nanosecond
		c.Hooks.Create = func(_ context.Context, m *inbox.Message) error {
			if broken {
				return errors.New("away")
			}
			runs = append(runs, m.ObjectID)
			return nil
		}
	})
	for i := range 2 {
		id := fmt.Sprintf("%s/n/%d", there, i)
		b.post(bob, act("Create", id+"/a", bob, object{"id": id, "type": "Note", "to": alice}))
	}
	b.run()
	b.post(bob, act("Delete", there+"/d", bob, there+"/n/1"))
	b.run()
	broken = false
	dead, err := b.Shelved(t.Context(), inbox.DeadLetters, 0, 10)
	if err != nil || len(dead) != 2 || dead[0].LastError != "away" {
		t.Fatalf("dead letters %+v, %v", dead, err)
	}
	for _, e := range dead {
		if err := b.Retry(t.Context(), inbox.DeadLetters, e.Seq); err != nil {
			t.Error(err)
		}
	}
	b.run()
	if !slices.Equal(runs, []string{there + "/n/0"}) {
		t.Errorf("ran %q", runs)
	}
	if dead, _ := b.Shelved(t.Context(), inbox.DeadLetters, 0, 10); len(dead) != 0 {
		t.Errorf("%d dead letters are left", len(dead))
	}
}
