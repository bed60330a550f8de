package inboxtest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/inbox/inboxtest"
)

func TestTwoFakeServersTalk(t *testing.T) {
	t.Parallel()
	for range 1 {
		t0 := time.Now()
		synctest.Test(t, func(t *testing.T) {
			n := inboxtest.NewNet(t)
			bob, ann := n.Server("b.example").Actor("bob"), n.Server("a.example").Actor("ann")
			if got := bob.Follow(ann.ID()); got != 202 {
				t.Fatal(got)
			}
			ann.Server().Wait("Follow")
			if got := ann.Accept(bob.ID()); got != 202 {
				t.Fatal(got)
			}
			if got := ann.Create(ann.Note("<p>hello</p>")); got != 202 {
				t.Fatal(got)
			}
			if len(bob.Following()) != 1 {
				t.Error("no")
			}
		})
		t.Log(time.Since(t0))
	}
}
