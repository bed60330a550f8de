package inboxtest

import (
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

// Twice makes hooks, or readers, that run each of h's funcs two times, one after the other with the same values, as happens when a
// process dies after a hook and before that is noted. What the second run returns counts; if the first fails there is none, for then
// the inbox tries again itself. A func that is nil stays so, and so does one that returns no error, which only looks something up. Put
// it around the hooks of an app in every test, and what is not idempotent shows.
func Twice[H inbox.Hooks | inbox.Readers](h H) H {
	hooks := reflect.ValueOf(&h).Elem()
	for i := range hooks.NumField() {
		hook := hooks.Field(i)
		if hook.Kind() != reflect.Func || hook.IsNil() || !hook.Type().Out(hook.Type().NumOut()-1).Implements(reflect.TypeFor[error]()) {
			continue
		}
		run := reflect.ValueOf(hook.Interface()) // hook itself is about to be another one
		hook.Set(reflect.MakeFunc(hook.Type(), func(in []reflect.Value) []reflect.Value {
			out := run.Call(in)
			if !out[len(out)-1].IsNil() {
				return out
			}
			return run.Call(in)
		}))
	}
	return h
}
