package activity_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/activity"
)

func TestASharedInboxIsFoundWhereThereIsOne(t *testing.T) {
	t.Parallel()
	for endpoints, want := range map[string]string{
		`{"sharedInbox":"https://a.example/inbox"}`:                              "https://a.example/inbox",
		`{"proxyUrl":"https://a.example/p","sharedInbox":"https://a.example/i"}`: "https://a.example/i",
		`{"sharedInbox":{"id":"https://a.example/inbox"}}`:                       "https://a.example/inbox",
		`{"sharedInbox":["https://a.example/inbox"]}`:                            "https://a.example/inbox",
		`{"sharedInbox":null}`:                                                   "",
		`{"sharedInbox":5}`:                                                      "",
		`{"SharedInbox":"https://a.example/inbox"}`:                              "",
		`"https://a.example/inbox"`:                                              "",
		`["https://a.example/inbox","https://a.example/inbox"]`:                  "",
		`5`: "",
	} {
		a := mustRoundTrip(t, []byte(`{"type":"Person","endpoints":`+endpoints+`}`)).(*activity.Actor)
		if got := a.SharedInbox(); got != want {
			t.Errorf("%s: %q, want %q", endpoints, got, want)
		}
	}
	a := &activity.Actor{Endpoints: activity.Endpoints("https://a.example/inbox?a=1&b=2")}
	if got := string(mustMarshal(t, a)); got != `{"endpoints":{"sharedInbox":"https://a.example/inbox?a=1&b=2"}}` || a.SharedInbox() != "https://a.example/inbox?a=1&b=2" {
		t.Errorf("%s, %q", got, a.SharedInbox())
	}
}

func TestKeysAreReadAsObjectsIDsOrBoth(t *testing.T) {
	t.Parallel()
	key := activity.PublicKey{ID: "https://a.example/1#main-key", Owner: "https://a.example/1", PEM: "-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----\n"}
	want := []activity.PublicKey{key, {ID: "https://a.example/1/key2"}, {ID: "https://a.example/1#3", Owner: "https://a.example/1"}}
	a := &activity.Actor{ID: key.Owner, PublicKey: activity.Refs{
		key.Ref(), activity.IRI(want[1].ID), {Raw: []byte(`null`)}, {},
		{ID: want[2].ID, Raw: []byte(`{"id":"https://a.example/1#3","owner":{"id":"https://a.example/1"},"publicKeyPem":5}`)},
	}}
	again := mustDecode(t, mustMarshal(t, &activity.Object{Type: activity.Types{"Person"}, Extra: activity.Extra{"publicKey": mustJSON(t, a.PublicKey)}})).(*activity.Actor)
	for _, a := range []*activity.Actor{a, again} {
		got := a.Keys()
		if len(got) != len(want) {
			t.Fatalf("%+v", got)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%+v, want %+v", got[i], want[i])
			}
		}
	}
}

func mustJSON(t *testing.T, r activity.Refs) []byte {
	t.Helper()
	b, err := r.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestNoMoreThanSixteenKeysAreRead(t *testing.T) {
	t.Parallel()
	a := new(activity.Actor)
	for i := range 40 {
		a.PublicKey = append(a.PublicKey, activity.IRI(fmt.Sprintf("https://a.example/1#%d", i)))
	}
	if got := a.Keys(); len(got) != 16 || got[15].ID != "https://a.example/1#15" {
		t.Errorf("%d keys", len(got))
	}
}

func TestADocumentThatIsAKeyIsReadAsOne(t *testing.T) {
	t.Parallel()
	d := mustDecode(t, []byte(`{"@context":"https://w3id.org/security/v1","id":"https://a.example/key","type":"Key","owner":"https://a.example/1","publicKeyPem":"P"}`))
	if got, want := activity.KeyOf(d.(*activity.Object)), (activity.PublicKey{ID: "https://a.example/key", Owner: "https://a.example/1", PEM: "P"}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestASharedInboxIsFoundWhereMisskeyPutsIt(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"type":"Person","sharedInbox":"https://a.example/top"}`:                                                       "https://a.example/top",
		`{"type":"Person","sharedInbox":"https://a.example/top","endpoints":{"sharedInbox":"https://a.example/inner"}}`: "https://a.example/inner",
		`{"type":"Person","sharedInbox":"https://a.example/top","endpoints":{}}`:                                        "https://a.example/top",
		`{"type":"Person","sharedInbox":5}`:                                                                             "",
	} {
		if got := mustDecode(t, []byte(text)).(*activity.Actor).SharedInbox(); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func TestCapabilitiesAreTheServers(t *testing.T) {
	t.Parallel()
	const rfc = "https://datatracker.ietf.org/doc/html/rfc9421"
	for text, want := range map[string]int{
		`{"type":"Application","implements":[{"href":"` + rfc + `","name":"x"}]}`:                          1,
		`{"type":"Person","generator":{"type":"Application","implements":[{"href":"` + rfc + `"},"x:y"]}}`: 2,
		`{"type":"Person","generator":{"implements":"` + rfc + `"}}`:                                       1,
		`{"type":"Person","generator":"https://a.example/actor"}`:                                          0,
		`{"type":"Person"}`: 0,
		`{"type":"Application","implements":["` + rfc + `"` + strings.Repeat(`,"x:y"`, 200) + `]}`: 100,
	} {
		got := mustDecode(t, []byte(text)).(*activity.Actor).Capabilities()
		if len(got) != want || want > 0 && got[0] != rfc {
			t.Errorf("%s: %q", text, got)
		}
	}
}
