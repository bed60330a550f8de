package actor_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/fedihook/fedihook/actor"
)

// schema is as much of JSON Schema as NodeInfo's use.
type schema struct {
	Schema      string `json:"$schema"`
	ID          string `json:"id"`
	Description string `json:"description"`

	Type       string             `json:"type"`
	Required   []string           `json:"required"`
	Properties map[string]*schema `json:"properties"`
	Additional *bool              `json:"additionalProperties"`
	Enum       []any              `json:"enum"`
	Items      *schema            `json:"items"`
	MinItems   int                `json:"minItems"`
	MinProps   int                `json:"minProperties"`
	Minimum    *float64           `json:"minimum"`
	Pattern    string             `json:"pattern"`
}

func (s *schema) check(at string, v any) error {
	if s.Enum != nil && !slices.Contains(s.Enum, v) {
		return fmt.Errorf("%s: %v is none of %v", at, v, s.Enum)
	}
	switch v := v.(type) {
	case map[string]any:
		if len(v) < s.MinProps {
			return fmt.Errorf("%s: %d properties", at, len(v))
		}
		for _, name := range s.Required {
			if _, ok := v[name]; !ok {
				return fmt.Errorf("%s: no %s", at, name)
			}
		}
		for name, value := range v {
			inner, ok := s.Properties[name]
			if !ok {
				if s.Additional != nil && !*s.Additional {
					return fmt.Errorf("%s: %s is not allowed", at, name)
				}
				continue
			}
			if err := inner.check(at+"."+name, value); err != nil {
				return err
			}
		}
	case []any:
		if len(v) < s.MinItems {
			return fmt.Errorf("%s: %d items", at, len(v))
		}
		for _, item := range v {
			if err := s.Items.check(at, item); err != nil {
				return err
			}
		}
	case string:
		if s.Pattern != "" && !regexp.MustCompile(s.Pattern).MatchString(v) {
			return fmt.Errorf("%s: %q does not match %s", at, v, s.Pattern)
		}
	case float64:
		if s.Minimum != nil && v < *s.Minimum {
			return fmt.Errorf("%s: %v is below %v", at, v, *s.Minimum)
		}
	}
	kind := map[string]string{"map[string]interface {}": "object", "[]interface {}": "array", "float64": "integer", "bool": "boolean", "string": "string"}[fmt.Sprintf("%T", v)]
	if s.Type != "" && kind != s.Type {
		return fmt.Errorf("%s: a %s, not a %s", at, kind, s.Type)
	}
	return nil
}

func readSchema(t *testing.T, version string) *schema {
	t.Helper()
	text, err := os.ReadFile("testdata/nodeinfo/schema-" + version + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	read := json.NewDecoder(bytes.NewReader(text))
	read.DisallowUnknownFields() // a word that check doesn't know would be obeyed by nobody
	if err := read.Decode(&s); err != nil || len(s.Required) != 7 {
		t.Fatalf("%v: %+v", err, s)
	}
	return &s
}

func TestNodeInfoFitsItsSchema(t *testing.T) {
	t.Parallel()
	h, mux, _ := newHandler(&bytes.Buffer{})
	for name, info := range map[string]func(context.Context) (actor.NodeInfo, error){
		"nothing": nil,
		"zero":    func(context.Context) (actor.NodeInfo, error) { return actor.NodeInfo{}, nil },
		"all": func(context.Context) (actor.NodeInfo, error) {
			return actor.NodeInfo{Software: "My Blog/1!", Version: "1.2.3", Repository: "https://a.test/git", Homepage: "https://a.test", Users: 3, ActiveMonth: 2,
				ActiveHalfyear: 3, Posts: 99, Comments: 7, OpenRegistrations: true,
				Name: "A", Description: "b", PrivacyPolicy: "https://a.test/privacy", Terms: "https://a.test/terms", MinimumAge: 13, PublicFeed: "https://a.test/", Metadata: map[string]any{"nodeName": "A & B"}}, nil
		},
		"nonsense": func(context.Context) (actor.NodeInfo, error) {
			return actor.NodeInfo{Users: -1, Posts: -5, Software: "ÄÖÜ"}, nil
		},
	} {
		h.NodeInfo = info
		for _, version := range []string{"2.0", "2.1"} {
			rec := get(mux, "https://a.test/nodeinfo/"+version, nil)
			var got any
			if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if err := readSchema(t, version).check("", got); err != nil {
				t.Errorf("%s, %s: %v in %s", name, version, err, rec.Body)
			}
			if name == "all" && !bytes.Contains(rec.Body.Bytes(), []byte(`"total":3`)) {
				t.Errorf("%s: %s", version, rec.Body)
			}
		}
	}
	h.NodeInfo = func(context.Context) (actor.NodeInfo, error) { return actor.NodeInfo{}, errors.New("disk on fire") }
	if rec := get(mux, "https://a.test/nodeinfo/2.1", nil); rec.Code != http.StatusServiceUnavailable {
		t.Errorf("when the app fails: %d", rec.Code)
	}
}

func TestTheSchemaCheckCanFail(t *testing.T) {
	t.Parallel()
	s := readSchema(t, "2.0")
	for _, text := range []string{
		`{}`, `[]`,
		`{"version":"2.1","software":{"name":"x","version":"1"},"protocols":["activitypub"],"services":{"inbound":[],"outbound":[]},"openRegistrations":false,"usage":{"users":{}},"metadata":{}}`,
		`{"version":"2.0","software":{"name":"X","version":"1"},"protocols":["activitypub"],"services":{"inbound":[],"outbound":[]},"openRegistrations":false,"usage":{"users":{}},"metadata":{}}`,
		`{"version":"2.0","software":{"name":"x","version":"1","homepage":"x"},"protocols":["activitypub"],"services":{"inbound":[],"outbound":[]},"openRegistrations":false,"usage":{"users":{}},"metadata":{}}`,
		`{"version":"2.0","software":{"name":"x","version":"1"},"protocols":[],"services":{"inbound":[],"outbound":[]},"openRegistrations":false,"usage":{"users":{}},"metadata":{}}`,
		`{"version":"2.0","software":{"name":"x","version":"1"},"protocols":["activitypub"],"services":{"inbound":null,"outbound":[]},"openRegistrations":false,"usage":{"users":{}},"metadata":{}}`,
		`{"version":"2.0","software":{"name":"x","version":"1"},"protocols":["activitypub"],"services":{"inbound":[],"outbound":[]},"openRegistrations":false,"usage":{"users":{"total":-1}},"metadata":{}}`,
	} {
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		if s.check("", v) == nil {
			t.Errorf("%s passes", text)
		}
	}
}

func TestNodeInfoTellsWhatThreadsAsksOfAServer(t *testing.T) {
	t.Parallel()
	h, mux, _ := newHandler(&bytes.Buffer{})
	h.NodeInfo = func(context.Context) (actor.NodeInfo, error) {
		return actor.NodeInfo{Name: "A", PrivacyPolicy: "https://a.test/privacy", Terms: "https://a.test/terms", MinimumAge: 13, PublicFeed: "https://a.test/",
			Metadata: map[string]any{"nodeName": "the app's", "more": true}}, nil
	}
	for _, version := range []string{"2.0", "2.1"} {
		var got struct{ Metadata map[string]any }
		if err := json.Unmarshal(get(mux, "https://a.test/nodeinfo/"+version, nil).Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		want := map[string]any{"nodeName": "the app's", "more": true, "privacyPolicyUrl": "https://a.test/privacy", "tosUrl": "https://a.test/terms",
			"minimumAge": 13.0, "publicFeedUrl": "https://a.test/"}
		if !maps.Equal(got.Metadata, want) {
			t.Errorf("%s: %v", version, got.Metadata)
		}
	}
}

func TestNodeInfoIsDiscovered(t *testing.T) {
	t.Parallel()
	_, mux, _ := newHandler(&bytes.Buffer{})
	var got actor.JRD
	if err := json.Unmarshal(get(mux, "https://a.test/.well-known/nodeinfo", nil).Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := []actor.JRDLink{
		{Rel: "http://nodeinfo.diaspora.software/ns/schema/2.1", Href: "https://a.test/nodeinfo/2.1"},
		{Rel: "http://nodeinfo.diaspora.software/ns/schema/2.0", Href: "https://a.test/nodeinfo/2.0"},
		{Rel: "https://www.w3.org/ns/activitystreams#Application", Href: "https://a.test/ap/actor"},
	}
	if !slices.Equal(got.Links, want) {
		t.Errorf("got %+v", got.Links)
	}
}
