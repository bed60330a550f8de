package fedihook

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestWhatWasFoundOutIsBelievedForASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &recent[string]{}
		_, ok, version := r.get("a")
		if ok {
			t.Fatal("nothing was found out")
		}
		r.put("a", "alice", version)
		if v, ok, _ := r.get("a"); !ok || v != "alice" {
			t.Errorf("%q, %v", v, ok)
		}
		time.Sleep(lately - time.Nanosecond)
		if _, ok, _ := r.get("a"); !ok {
			t.Error("it is forgotten too soon")
		}
		time.Sleep(time.Nanosecond)
		if _, ok, _ := r.get("a"); ok {
			t.Error("it is believed for longer")
		}
	})
}

func TestWhatChangedMeanwhileIsNotKept(t *testing.T) {
	t.Parallel()
	r := &recent[string]{}
	_, _, version := r.get("a")
	r.put("b", "bob", version)
	r.forget()
	r.put("a", "alice", version)
	for _, key := range []string{"a", "b"} {
		if v, ok, _ := r.get(key); ok {
			t.Errorf("%q is believed", v)
		}
	}
}

func TestWhatWasFoundOutLatelyIsBounded(t *testing.T) {
	t.Parallel()
	r := &recent[int]{}
	_, _, version := r.get("")
	for i := range 2*maxLately + 5 {
		r.put(fmt.Sprint(i), i, version)
		if len(r.known) > maxLately {
			t.Fatalf("%d are kept", len(r.known))
		}
	}
	if v, ok, _ := r.get(fmt.Sprint(2*maxLately + 4)); !ok || v != 2*maxLately+4 {
		t.Error("the last one is forgotten")
	}
}
