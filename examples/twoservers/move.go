package main

import (
	"errors"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
)

func (w *world) moveHouse() error {
	w.begin("dora moves to b.test, and her followers come along")
	before, after := w.a.origin+"/ap/users/dora", w.b.origin+"/ap/users/dora"
	carol, emil := w.b.origin+"/ap/users/carol", w.a.origin+"/ap/users/emil"
	follows := func(s *site, who, whom string) bool {
		f, err := s.storage.Followers.Follow(w.ctx, who, whom)
		return err == nil && f.State == actor.Accepted
	}
	if _, err := w.b.f.Follow(w.ctx, "carol", before); err != nil {
		return err
	}
	if _, err := w.a.f.Follow(w.ctx, "emil", before); err != nil {
		return err
	}
	w.check(w.until(func() bool { return follows(w.b, carol, before) && follows(w.a, emil, before) }), "carol of b.test and emil of a.test follow her")

	_, err := w.a.f.Move(w.ctx, "dora", w.bob)
	w.check(errors.Is(err, fedihook.ErrMoveRefused), "she can't move to bob, who does not say that he is her", err)
	err = w.a.f.CheckMove(w.ctx, "dora", after)
	w.check(err == nil, "her new account says that it is her", err)
	if _, err := w.a.f.Move(w.ctx, "dora", after); err != nil {
		return err
	}
	for _, one := range []struct {
		name, id string
		at       *site
	}{{"carol", carol, w.b}, {"emil", emil, w.a}} {
		w.check(w.until(func() bool { return follows(one.at, one.id, after) && follows(w.b, one.id, after) }), one.name+" follows the new account")
		w.check(w.until(func() bool { return !follows(one.at, one.id, before) && !follows(w.a, one.id, before) }), "and the old one no more")
	}
	doc := w.get(w.a, "/ap/users/dora", activity.ContentType, "")
	w.check(doc.text("movedTo") == after, "her old account shows where she is", doc.body)
	m, err := w.a.f.Moved(w.ctx, "dora")
	w.check(err == nil && m.Followers == 2 && m.Came == 2 && m.Left == 0, "she can see that both of two have come", m, err)

	if _, err := w.b.f.Follow(w.ctx, "bob", before); err != nil {
		return err
	}
	w.check(w.until(func() bool {
		return w.b.count(w.ctx, `SELECT COUNT(*) FROM heard WHERE type = 'Reject' AND sender = $1`, before) == 1
	}), "who asks to follow the old account is turned away")
	return nil
}
