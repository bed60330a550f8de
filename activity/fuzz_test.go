package activity_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook/activity"
)

func addSeeds(f *testing.F) {
	for _, data := range wire(f) {
		f.Add(data)
	}
	for _, data := range []string{
		`{}`, `{"type":["Note","x:Odd"],"id":"https://a.example/1","x:y":1}`,
		`{"actor":"good","ACTOR":"evil"}`, `{"a":1,"a":2}`, "{\"a\":\"\xff\"}", `{"a":"\ud800"}`,
		`{"type":"Note","to":[null,"",[[]],{"id":""}],"url":[""],"tag":[[1]],"inReplyTo":["x"],"published":"2024-01-01T00:00:00.1234567890+0000"}`,
		`{"type":"Create","bto":"x","bcc":["y"],"object":{"bto":{},"id":"\u0061","@context":{"bto":"x"}}}`,
		`{"type":"Collection","totalItems":9223372036854775808,"items":{"type":"Link","href":"x"}}`,
		`{"type":"Link","rel":[],"width":-0,"nameMap":{"":""}}`,
		`{"type":"Person","publicKey":["x",{"publicKeyPem":"y"}],"endpoints":{"sharedInbox":["z"]}}`,
	} {
		f.Add([]byte(data))
	}
}

// What is read can be written, keeps every value, and is the same when it is read and written again.
func FuzzDecode(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := activity.Decode(data)
		if err != nil {
			if !errors.Is(err, activity.ErrMalformed) && !errors.Is(err, activity.ErrTooLarge) {
				t.Fatalf("an error of no kind: %v", err)
			}
			return
		}
		once, err := d.MarshalJSON()
		if err != nil {
			t.Fatalf("read %q but cannot write it: %v", data, err)
		}
		again, err := activity.Decode(once)
		if err != nil {
			if errors.Is(err, activity.ErrTooLarge) {
				return // a list around one string is longer than the string
			}
			t.Fatalf("cannot read back %q: %v", once, err)
		}
		if twice, err := again.MarshalJSON(); err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("not stable: %v\n%s\n%s", err, once, twice)
		}
		lost, err := differences(data, once)
		if err != nil || len(lost) > 0 {
			t.Fatalf("lost %q, %v\nread    %q\nwritten %q", lost, err, data, once)
		}
		readAll(d)
	})
}

// readAll calls everything that looks into what a stranger wrote.
func readAll(d activity.Document) {
	switch d := d.(type) {
	case *activity.Object:
		d.Text()
		d.Mentions()
		d.Recipients()
		activity.KeyOf(d)
	case *activity.Activity:
		d.Recipients()
		for _, r := range d.Object {
			_, _ = r.Document()
		}
	case *activity.Actor:
		d.Keys()
		d.SharedInbox()
	}
}

// What is sent is JSON that begins with its @context and holds no blind copies.
func FuzzEncode(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := activity.Decode(data)
		if err != nil {
			return
		}
		sent, err := activity.Encode(d)
		if err != nil {
			t.Fatalf("read %q but cannot send it: %v", data, err)
		}
		if !bytes.HasPrefix(sent, []byte(`{"@context":`)) || !json.Valid(sent) {
			t.Fatalf("sent %q", sent)
		}
		v, err := parse(sent)
		if err != nil {
			t.Fatal(err)
		}
		if at := blindCopy("$", v); at != "" {
			t.Fatalf("%s leaves: %s", at, sent)
		}
		again, err := activity.Decode(sent)
		if err != nil {
			if errors.Is(err, activity.ErrTooLarge) {
				return
			}
			t.Fatalf("nobody can read %q: %v", sent, err)
		}
		if twice, err := activity.Encode(again); err != nil || !bytes.Equal(sent, twice) {
			t.Fatalf("not stable: %v\n%s\n%s", err, sent, twice)
		}
		if strings.Contains(string(data), "context") {
			return
		}
		embedded, err := activity.Encode(&activity.Activity{Type: activity.Types{"Create"}, Object: activity.Refs{activity.Embed(d)}})
		if err != nil || !json.Valid(embedded) {
			t.Fatalf("cannot embed %q: %v", data, err)
		}
	})
}

func blindCopy(path string, v any) string {
	switch v := v.(type) {
	case map[string]any:
		for name, one := range v {
			if name == "bto" || name == "bcc" {
				return path + "." + name
			}
			if name == "@context" {
				continue
			}
			if at := blindCopy(path+"."+name, one); at != "" {
				return at
			}
		}
	case []any:
		for _, one := range v {
			if at := blindCopy(path+"[]", one); at != "" {
				return at
			}
		}
	}
	return ""
}

// FuzzCheck looks for problems in anything: it must find the way, name a path, and say the same twice.
func FuzzCheck(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		first := activity.CheckBytes(data)
		for i, p := range first {
			if !strings.HasPrefix(p.Path, "$") || p.Text == "" {
				t.Errorf("%q: %+v", data, p)
			}
			if again := activity.CheckBytes(data); len(again) != len(first) || again[i] != p {
				t.Fatalf("%q: first %v, then %v", data, first, again)
			}
		}
		d, err := activity.Decode(data)
		if err != nil {
			if len(first) != 1 || first[0].Path != "$" {
				t.Errorf("%q is no document, but has %v", data, first)
			}
			return
		}
		o, ok := d.(*activity.Object)
		if !ok {
			return
		}
		// The readers take a stranger's word for nothing, and write back what they understood.
		if p, ok := o.Poll(); ok {
			question := activity.Note("https://a.example/1", "https://a.example/users/alice", "", time.Time{})
			question.SetPoll(p)
			if again, _ := question.Poll(); !reflect.DeepEqual(again, p) {
				t.Errorf("%q: %+v became %+v", data, p, again)
			}
		}
		o.Address(o.Visibility(""), "")
		if n := len(o.Mentions()); n > 100 || len(o.To)+len(o.CC) > n+1 {
			t.Errorf("%q: %d mentions, for %v and %v", data, n, o.To, o.CC)
		}
		_, _ = o.Policy(), o.Quoted()
		if p, ok := o.Position(); ok && (p.Latitude > 90 || p.Latitude < -90) {
			t.Errorf("%q: %+v", data, p)
		}
		if d, err := activity.ParseDuration(o.Duration); err == nil {
			if again, err := activity.ParseDuration(activity.FormatDuration(d)); err != nil || again != d {
				t.Errorf("%q: %v became %v, %v", o.Duration, d, again, err)
			}
		}
	})
}
