package inboxtest

import (
	"context"
	"reflect"
	"testing"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/inbox"
)

// Message makes what a hook gets when a, which needs an actor, was signed by that actor and is for the local actors to. The test
// may change it before it calls the hook. What the inbox would have looked up is not there: whether local followers are meant
// (ToFollowers), and the actor that somebody moves to (Object). What the inbox would have refused, such as a post that is attributed to somebody else, ends the
// test. t may be nil in an Example.
func Message(t testing.TB, a *activity.Activity, to ...string) *inbox.Message {
	n := &Net{t: t}
	n.helper()
	body, err := activity.Encode(a)
	if err != nil {
		n.fatalf("inboxtest: %v", err)
	}
	doc, err := activity.Decode(body)
	read, ok := doc.(*activity.Activity)
	if err != nil || !ok || read.Actor.ID == "" {
		n.fatalf("inboxtest: %s is no activity of anybody: %v", body, err)
	}
	sender := read.Actor.ID
	if read.ID != "" && !activity.SameAuthority(read.ID, sender) {
		n.fatalf("inboxtest: %s is no id of %s", read.ID, sender)
	}
	m := &inbox.Message{
		Activity: read, Body: body, Sender: sender, By: inbox.ByRequest, Received: time.Now(), ObjectID: read.Object.First(), To: to,
	}
	if len(read.Object) == 0 || read.Object[0].Raw == nil {
		return m
	}
	inner, err := read.Object[0].Document()
	if err != nil {
		n.fatalf("inboxtest: the object of %s: %v", read.ID, err)
	}
	whose := ""
	switch inner := inner.(type) {
	case *activity.Object:
		whose = inner.AttributedTo.First()
	case *activity.Activity:
		whose = inner.Actor.ID
	case *activity.Actor:
		whose = inner.ID
	}
	switch read.Type.String() {
	case activity.TypeCreate, activity.TypeUpdate, activity.TypeUndo:
		if whose != "" && whose != sender {
			n.fatalf("inboxtest: %s is %s's, not for %s to %s", inner.DocumentID(), whose, sender, read.Type)
		}
		m.Object = inner
	case activity.TypeAccept, activity.TypeReject:
		m.Object = inner
	}
	return m
}

// Twice makes hooks that run each of h's two times, one after the other with the same Message, as happens when a process dies
// after a hook and before that is noted. What the second run returns counts; if the first fails there is none, for then the
// inbox tries again itself. A hook that is nil stays so. Put it around the hooks of an app in every test, and what is not idempotent shows.
func Twice(h inbox.Hooks) inbox.Hooks {
	hooks := reflect.ValueOf(&h).Elem()
	for i := range hooks.NumField() {
		if hooks.Field(i).IsNil() {
			continue
		}
		switch run := hooks.Field(i).Interface().(type) {
		case inbox.Hook:
			hooks.Field(i).Set(reflect.ValueOf(inbox.Hook(func(ctx context.Context, m *inbox.Message) error {
				if err := run(ctx, m); err != nil {
					return err
				}
				return run(ctx, m)
			})))
		case func(context.Context, string, []*inbox.Message) error:
			hooks.Field(i).Set(reflect.ValueOf(func(ctx context.Context, objectID string, ms []*inbox.Message) error {
				if err := run(ctx, objectID, ms); err != nil {
					return err
				}
				return run(ctx, objectID, ms)
			}))
		default:
			panic("inboxtest: Twice does not know how to run hook " + hooks.Type().Field(i).Name) // a test runs it over all
		}
	}
	return h
}
