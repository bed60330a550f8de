package fedihook

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/outbox"
	"github.com/fedihook/fedihook/storage"
)

// askedLog counts how often it is asked whose an object is.
type askedLog struct {
	outbox.Log
	asked int
	owner string
	err   error
}

func (l *askedLog) ObjectRecords(context.Context, string, int) ([]outbox.Record, error) {
	l.asked++
	if l.owner == "" || l.err != nil {
		return nil, l.err
	}
	return []outbox.Record{{Type: "Create", Actor: l.owner}}, nil
}

func TestWhosePostItIsIsAskedOnceInASecondAndOnlyIfItIsSomebodys(t *testing.T) {
	t.Parallel()
	const origin = "https://blog.example"
	const post, alice = origin + "/ap/objects/1", origin + "/ap/users/alice"
	synctest.Test(t, func(t *testing.T) {
		store := storage.Memory()
		log := &askedLog{Log: store.Log}
		store.Log = log
		s, err := New(Config{Origin: origin, Storage: store, Profile: func(context.Context, string) (actor.Profile, error) {
			return actor.Profile{}, actor.ErrNotFound
		}})
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct {
			name  string
			owner string
			err   error
			wait  time.Duration
			want  string
			asked int
		}{
			{name: "nobody's", asked: 1},
			{name: "still nobody's: it may be published at any time", asked: 2},
			{name: "the store fails", err: context.DeadlineExceeded, asked: 3},
			{name: "alice's", owner: alice, want: alice, asked: 4},
			{name: "known", owner: alice, want: alice, asked: 4},
			{name: "known, while the store fails", owner: alice, err: context.DeadlineExceeded, want: alice, asked: 4},
			{name: "a second later", owner: alice, wait: lately, want: alice, asked: 5},
		} {
			time.Sleep(step.wait)
			log.owner, log.err = step.owner, step.err
			got, err := s.objectOwner(t.Context(), post)
			if got != step.want || log.asked != step.asked || step.want == "" && !errors.Is(err, step.err) || step.want != "" && err != nil {
				t.Errorf("%s: %q, %v, asked %d times; want %q, %d times", step.name, got, err, log.asked, step.want, step.asked)
			}
		}
		if got, err := s.objectOwner(t.Context(), "https://other.example/1"); got != "" || err != nil || log.asked != 5 {
			t.Errorf("another server's: %q, %v, asked %d times", got, err, log.asked)
		}
	})
}
