package actor

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// Strangers' bytes are parsed inside of lookups; what is read of them is a rule of its own.

func TestAJRDIsReadAsFarAsItMakesSense(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		want       JRD
		self       string
	}{
		{"RFC 7033 §3.2", `{"subject":"http://blog.example.com/article/id/314","aliases":["http://blog.example.com/cool_new_thing"],
			"properties":{"http://blgx.example.net/ns/version":"1.3","http://blgx.example.net/ns/ext":null},
			"links":[{"rel":"author","href":"http://blog.example.com/author/steve","titles":{"en-us":"Steve"},"properties":{"x":null}}]}`,
			JRD{Subject: "http://blog.example.com/article/id/314", Aliases: []string{"http://blog.example.com/cool_new_thing"},
				Links: []JRDLink{{Rel: "author", Href: "http://blog.example.com/author/steve"}}}, ""},
		{"lists where objects belong, as PHP writes them", `{"subject":"acct:a@b.test","properties":[],"aliases":{},"links":[{"rel":"self","type":"application/activity+json","href":"https://b.test/a","titles":[]}]}`,
			JRD{Subject: "acct:a@b.test", Links: []JRDLink{{Rel: "self", Type: "application/activity+json", Href: "https://b.test/a"}}}, "https://b.test/a"},
		{"links that are none", `{"subject":"acct:a@b.test","aliases":[1,"x",null],"links":[null,1,"x",{},{"rel":1},{"rel":"self","href":{}},{"rel":"x","href":null}]}`,
			JRD{Subject: "acct:a@b.test", Aliases: []string{"x", ""}, Links: []JRDLink{{Rel: "x"}}}, ""},
		{"names in capitals", `{"subject":"acct:a@b.test","SUBJECT":"acct:evil@b.test","Links":[{"rel":"self","type":"application/activity+json","href":"https://evil.test"}]}`,
			JRD{Subject: "acct:a@b.test"}, ""},
		{"snac's two selves", `{"subject":"acct:a@b.test","links":[{"rel":"self","type":"application/activity+json","href":"https://b.test/a"},{"rel":"self","type":"application/ld+json; profile=\"https://www.w3.org/ns/activitystreams\"","href":"https://b.test/a"}]}`,
			JRD{Subject: "acct:a@b.test", Links: []JRDLink{{Rel: "self", Type: "application/activity+json", Href: "https://b.test/a"}, {Rel: "self", Type: `application/ld+json; profile="https://www.w3.org/ns/activitystreams"`, Href: "https://b.test/a"}}}, "https://b.test/a"},
	} {
		got, err := parseJRD([]byte(c.text))
		if err != nil || !reflect.DeepEqual(got, c.want) || got.Self() != c.self {
			t.Errorf("%s:\n got %+v, %v\nwant %+v", c.name, got, err, c.want)
		}
	}
	for _, text := range []string{"", "null", "[]", `"x"`, "{}", `{"subject":1}`, `{"subject":""}`, `{"subject":"a","subject":"b"}`, `{"subject":"a"`, `{"subject":"a"}x`, "{\"subject\":\"\xff\"}"} {
		if _, err := parseJRD([]byte(text)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v", text, err)
		}
	}
	many := `{"subject":"a","links":[` + strings.TrimSuffix(strings.Repeat(`{"rel":"x"},`, 1000), ",") + `]}`
	if j, err := parseJRD([]byte(many)); err != nil || len(j.Links) != maxLinks {
		t.Errorf("%d links, %v", len(j.Links), err)
	}
}

func FuzzJRD(f *testing.F) {
	f.Add([]byte(`{"subject":"acct:a@b.test","links":[{"rel":"self","type":"application/activity+json","href":"https://b.test/a"}]}`))
	f.Add([]byte(`{"subject":"a","aliases":["b"],"links":[{"rel":"x","template":"{uri}"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		j, err := parseJRD(data)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		if len(j.Links) > maxLinks || len(j.Aliases) > maxLinks {
			t.Fatal("too many links")
		}
		once, err := json.Marshal(j)
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseJRD(once)
		if err != nil || again.Self() != j.Self() || again.Subject != j.Subject || len(again.Links) != len(j.Links) {
			t.Fatalf("%+v is read back as %+v, %v", j, again, err)
		}
	})
}

func FuzzHostMeta(f *testing.F) {
	f.Add([]byte(`<?xml version="1.0"?><XRD xmlns="http://docs.oasis-open.org/ns/xri/xrd-1.0"><Link rel="lrdd" template="https://a.test/?r={uri}"/></XRD>`))
	f.Add([]byte(`<!DOCTYPE x [<!ENTITY a "b">]><XRD><Link rel="lrdd" template="&a;{uri}"/></XRD>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		template, err := parseHostMeta(data)
		switch {
		case err == nil && !strings.Contains(template, "{uri}"):
			t.Fatalf("template %q", template)
		case err != nil && (template != "" || !errors.Is(err, ErrMalformed)):
			t.Fatalf("%q, %v", template, err)
		}
	})
}

func FuzzAccount(f *testing.F) {
	for _, s := range []string{"@a@b.test", "acct:a@b.test:8443", "a@[::1]", "ü@bücher.test", "a@b@c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := parseAccount(text)
		if err != nil {
			return
		}
		if strings.ContainsAny(a.host, "/?#@ ") || strings.ContainsAny(a.user, "/?#@ ") {
			t.Fatalf("%q is read as %q at %q", text, a.user, a.host)
		}
		if again, err := parseAccount(a.String()); err == nil && again.host != a.host {
			t.Fatalf("%q is read as %v and then as %v", text, a, again)
		}
	})
}

func TestTheCacheStaysWithinItsBound(t *testing.T) {
	t.Parallel()
	c := newCache[int](10)
	for i, key := range []string{"a", "b", "c"} {
		c.put(key, i, 4)
	}
	if _, ok := c.get("a"); ok {
		t.Error("the oldest is still there")
	}
	if _, ok := c.get("b"); !ok {
		t.Error("what fits was dropped")
	}
	c.put("d", 3, 4)
	if _, ok := c.get("c"); ok {
		t.Error("what was used longest ago is still there")
	}
	c.put("b", 9, 11)
	if _, ok := c.get("b"); ok {
		t.Error("what is larger than the cache was kept, or its old value")
	}
	c.delete("d")
	c.delete("d")
	if c.cost != 0 || c.order.Len() != 0 || len(c.items) != 0 {
		t.Errorf("cost %d, %d items", c.cost, len(c.items))
	}
}
