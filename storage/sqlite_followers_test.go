package storage_test

import (
	"context"
	"testing"

	"github.com/fedihook/fedihook/actor"
)

func TestInboxesOfManyFollowersComeInPages(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	own := openSQL(t, f.own)
	s := openSQLite(t, openApp(t, f.app), own)
	const hosts = 4500
	if _, err := own.ExecContext(t.Context(), `WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 2*?1 - 1)
		INSERT INTO fedihook_follows (follower, followed, id, state, inbox, shared_inbox, at)
		SELECT i, 'b', i, 2, 'i' || i, iif(i % 10 = 0, '', 's' || (i % ?1)), 0 FROM n`, hosts); err != nil {
		t.Fatal(err)
	}
	walk := func() int {
		seen := map[string]bool{}
		for url, err := range s.Followers.Inboxes(t.Context(), "b") {
			if err != nil {
				t.Fatal(err)
			}
			if seen[url] {
				t.Errorf("%s came again", url)
			}
			seen[url] = true
		}
		return len(seen)
	}
	// A tenth has no shared inbox, of each host both followers or none.
	if got, want := walk(), hosts/10*9+hosts/10*2; got != want {
		t.Errorf("%d inboxes, want %d", got, want)
	}
	if _, err := own.ExecContext(t.Context(), `DELETE FROM fedihook_follows WHERE CAST(follower AS INTEGER) >= ?`, hosts); err != nil {
		t.Fatal(err)
	}
	if got := walk(); got != hosts {
		t.Errorf("%d inboxes after one of the followers on each host has left, want %d", got, hosts)
	}
}

func TestInboxesOfFollowersFromBeforeAreKnown(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	own := openSQL(t, f.own)
	s := openSQLite(t, openApp(t, f.app), own)
	for _, follow := range []actor.Follow{
		{Follower: "1", State: actor.Accepted, Inbox: "i1", SharedInbox: "s"},
		{Follower: "2", State: actor.Accepted, Inbox: "i2", SharedInbox: "s"},
		{Follower: "3", State: actor.Accepted, Inbox: "i3"},
		{Follower: "4", State: actor.Pending, Inbox: "i4"},
	} {
		follow.Followed = "b"
		if err := s.Followers.PutFollow(t.Context(), follow); err != nil {
			t.Fatal(err)
		}
	}
	// As the first version had it.
	if _, err := own.ExecContext(t.Context(), `DROP TRIGGER fedihook_follow_added; DROP TRIGGER fedihook_follow_changed;
		DROP TRIGGER fedihook_follow_deleted; DROP TABLE fedihook_follow_inboxes;
		UPDATE fedihook_schema SET version = 1 WHERE room = 'followers'`); err != nil {
		t.Fatal(err)
	}
	again := openSQLite(t, openApp(t, f.app), openSQL(t, f.own))
	if err := again.Followers.DeleteFollow(t.Context(), "1", "b"); err != nil {
		t.Fatal(err)
	}
	var got []string
	for url, err := range again.Followers.Inboxes(context.Background(), "b") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, url)
	}
	if len(got) != 2 || got[0] != "i3" || got[1] != "s" {
		t.Errorf("%q, want i3 and s", got)
	}
}
