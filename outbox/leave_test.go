package outbox_test

import (
	"context"
	"testing"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/outbox"
)

// meddled is a log in which something else happens before a record that was held is saved as pending.
type meddled struct {
	outbox.Log
	meddle func()
}

func (m *meddled) SaveRecord(ctx context.Context, r outbox.Record) error {
	if r.State == outbox.Pending && r.Actor == "" && m.meddle != nil {
		m.meddle()
	}
	return m.Log.SaveRecord(ctx, r)
}

// Another process that works over the same storage takes the intent while the record that was held is still there.
func TestWhatIsResumedIsNotLostToAnotherProcess(t *testing.T) {
	t.Parallel()
	log, granted := new(meddled), false
	b := newBench(t, func(c *outbox.Config) {
		log.Log, c.Log = c.Log, log
		c.Leave = func(context.Context, outbox.Author, *activity.Activity) error {
			if !granted {
				return outbox.ErrHeld
			}
			return nil
		}
	})
	other := newBench(t, func(c *outbox.Config) { c.Intents, c.Log = b.store.Intents, b.store.Log })
	like := &activity.Activity{Type: activity.Types{"Like"}, Object: activity.Refs{activity.IRI("https://there.example/notes/1")}}
	id := b.say(like)
	b.work()
	if r, err := b.store.Log.Record(t.Context(), id); err != nil || r.State != outbox.Held {
		t.Fatalf("it is %+v, %v", r, err)
	}
	granted = true
	log.meddle = func() {
		log.meddle = nil
		if err := other.Said(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
	if err := b.Resume(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if log.meddle != nil {
		t.Fatal("nothing came between")
	}
	b.work()
	if r, err := b.store.Log.Record(t.Context(), id); err != nil || r.State != outbox.Sent || r.Object != like.Object.First() {
		t.Errorf("after it was resumed: %+v, %v", r, err)
	}
	if len(b.order) != 1 {
		t.Errorf("sent %q", b.order)
	}
}
