package actor_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/actor"
)

// The vector was computed from the FEP's rule, and its second part stands in the FEP.
func TestTheDigestIsThatOfTheVectors(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/synchronisation/vector.json")
	if err != nil {
		t.Fatal(err)
	}
	type list struct {
		Followers []string `json:"followers"`
		Digest    string   `json:"digest"`
	}
	var v struct {
		list
		Header string `json:"header"`
		Empty  string `json:"empty_digest"`
		FEP    list   `json:"fep_example"`
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	for _, l := range []list{v.list, v.FEP, {Digest: v.Empty}} {
		var d actor.FollowersDigest
		for _, id := range l.Followers {
			d.Add(id)
		}
		if d.String() != l.Digest {
			t.Errorf("%q: %s, want %s", l.Followers, d, l.Digest)
		}
	}
	s, err := actor.ParseSynchronisation(v.Header)
	if err != nil || s.Digest.String() != v.Digest || s.CollectionID != "https://mastodon.example/users/alice/followers" ||
		s.URL != "https://mastodon.example/users/alice/followers_synchronization" {
		t.Errorf("%+v, %v", s, err)
	}
	if s.String() != v.Header {
		t.Errorf("written %s, want %s", s, v.Header)
	}
}

func TestWhoIsAddedTwiceIsGone(t *testing.T) {
	t.Parallel()
	var d actor.FollowersDigest
	d.Add("https://a.example/1")
	d.Add("https://a.example/2")
	d.Add("https://a.example/1")
	var one actor.FollowersDigest
	one.Add("https://a.example/2")
	if d != one {
		t.Errorf("%s, want %s", d, one)
	}
}

func TestOnlyWholeFieldsAreRead(t *testing.T) {
	t.Parallel()
	digest := strings.Repeat("aB", 32)
	for _, value := range []string{
		`url="https://a.example/u", collectionId="https://a.example/f", digest="` + digest + `"`,
		`collectionId="https://a.example/f?a,b=c",digest="` + digest + `",url="https://a.example/u",new="x"`,
	} {
		if s, err := actor.ParseSynchronisation(value); err != nil || s.URL != "https://a.example/u" || s.Digest.String() != strings.ToLower(digest) {
			t.Errorf("%s: %+v, %v", value, s, err)
		}
	}
	for _, value := range []string{
		"", "x", `collectionId="f", url="u"`, `collectionId="f", digest="` + digest + `"`, `url="u", digest="` + digest + `"`,
		`collectionId="f", url="u", digest="` + digest[2:] + `"`, `collectionId="f", url="u", digest="` + digest + `00"`,
		`collectionId="f", url="u", digest="` + strings.Repeat("g", 64) + `"`, `collectionId=f, url=u, digest=` + digest,
		`collectionId="f", url="u", digest="` + digest + `", url="v"`, `collectionId="f", url="u", digest="` + digest,
		`collectionId="f\"", url="u", digest="` + digest + `"`,
	} {
		if s, err := actor.ParseSynchronisation(value); !errors.Is(err, actor.ErrSynchronisation) || s != (actor.Synchronisation{}) {
			t.Errorf("%s: %+v, %v", value, s, err)
		}
	}
}

func FuzzSynchronisation(f *testing.F) {
	f.Add(`collectionId="a", digest="` + strings.Repeat("00", 32) + `", url="b"`)
	f.Fuzz(func(t *testing.T, value string) {
		s, err := actor.ParseSynchronisation(value)
		if err != nil {
			return
		}
		if again, err := actor.ParseSynchronisation(s.String()); err != nil || again != s {
			t.Fatalf("%q was read as %+v, and that as %+v, %v", value, s, again, err)
		}
	})
}
